//! JPEG (ITU-T T.81, annex B): segments are skipped until the frame header.

use safelight_schema::image::{ColourModel, Format};

use super::{Header, sides};
use crate::exif;
use crate::source::{Parsed, Source, Stop};

/// Bytes of rubbish between two segments that are skipped, as libjpeg does.
const MAX_RUBBISH: u64 = 4 << 10;

pub(super) fn parse(source: &Source) -> Parsed<Header> {
    let mut seen = Seen {
        orientation: None,
        icc: false,
        adobe: None,
    };
    let mut at = 2;
    loop {
        let (marker, after) = next_marker(source, at)?;
        match marker {
            // TEM, RSTn and SOI stand alone.
            0x01 | 0xd0..=0xd8 => {
                at = after;
                continue;
            }
            0xd9 => {
                return Err(Stop::invalid(
                    at,
                    "the image ends (EOI) before its frame header",
                ));
            }
            0xda => {
                return Err(Stop::invalid(
                    at,
                    "a scan (SOS) begins before the frame header",
                ));
            }
            _ => {}
        }
        let length = u64::from(source.u16_be(after)?);
        if length < 2 {
            return Err(Stop::invalid(
                after,
                format!("segment FF{marker:02X} has a length of {length}, below 2"),
            ));
        }
        let body = after + 2;
        let end = after + length;
        match marker {
            // SOF0..15 without DHT (C4), JPG (C8) and DAC (CC).
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return frame(source, body, length, &seen);
            }
            _ => seen.segment(source, marker, body, end)?,
        }
        at = end;
    }
}

/// The next marker at or after `at`, and where it ends.
fn next_marker(source: &Source, at: u64) -> Parsed<(u8, u64)> {
    let mut position = at;
    let mut after_fill = false;
    loop {
        let byte = source.u8(position)?;
        position += 1;
        match byte {
            0xff => after_fill = true,
            0 => after_fill = false,
            marker if after_fill => return Ok((marker, position)),
            _ => {}
        }
        if position - at > MAX_RUBBISH {
            return Err(Stop::invalid(
                at,
                "no marker follows where a segment must begin",
            ));
        }
    }
}

/// What the segments before the frame header said.
struct Seen {
    orientation: Option<u8>,
    icc: bool,
    /// The transform byte of Adobe's APP14.
    adobe: Option<u8>,
}

impl Seen {
    fn segment(&mut self, source: &Source, marker: u8, body: u64, end: u64) -> Parsed<()> {
        let begins = |with: &[u8]| -> Parsed<bool> {
            if body + with.len() as u64 > end {
                return Ok(false);
            }
            Ok(source.at(body, with.len())? == with)
        };
        match marker {
            0xe1 if self.orientation.is_none() && begins(b"Exif\0")? => {
                self.orientation = Some(exif::orientation(source, body + 6, end)?);
            }
            0xe2 if !self.icc => self.icc = begins(b"ICC_PROFILE\0")?,
            0xee if end - body >= 12 && begins(b"Adobe")? => {
                self.adobe = Some(source.u8(body + 11)?);
            }
            _ => {}
        }
        Ok(())
    }
}

fn frame(source: &Source, body: u64, length: u64, seen: &Seen) -> Parsed<Header> {
    let [depth, h0, h1, w0, w1, components] = source.array(body)?;
    let (width, height) = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
    if height == 0 && width != 0 {
        return Err(Stop::invalid(
            body + 1,
            "the height is 0: it is only written after the first scan (DNL), which no decoder here reads",
        ));
    }
    let (width, height) = sides(width.into(), height.into(), body + 1)?;
    if !(2..=16).contains(&depth) {
        return Err(Stop::invalid(body, format!("{depth} bits a sample")));
    }
    if components == 0 || length < 8 + 3 * u64::from(components) {
        return Err(Stop::invalid(
            body + 5,
            format!("{components} components in a frame header of {length} bytes"),
        ));
    }
    let mut header = Header::new(Format::Jpeg, width, height);
    header.bit_depth = depth;
    header.orientation = seen.orientation.unwrap_or(1);
    header.icc = seen.icc;
    header.colour_model = match components {
        1 => ColourModel::Grey,
        3 => {
            let [a, _, _, b, _, _, c] = source.array(body + 6)?;
            if seen.adobe == Some(0) || (seen.adobe.is_none() && [a, b, c] == *b"RGB") {
                ColourModel::Rgb
            } else {
                ColourModel::Ycbcr
            }
        }
        4 if seen.adobe == Some(2) => ColourModel::Ycck,
        4 => ColourModel::Cmyk,
        _ => ColourModel::Unknown,
    };
    Ok(header)
}
