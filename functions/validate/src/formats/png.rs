//! PNG and APNG (W3C PNG, third edition): chunks up to the first IDAT.
//!
//! The number of frames is `acTL`'s: every decoder obeys it, whatever number of `fcTL` follows.

use safelight_schema::image::{ColourModel, Format};

use super::{Header, sides};
use crate::exif;
use crate::source::{Parsed, Source, Stop};

const SIGNATURE: u64 = 8;

/// Parses the PNG that begins at `start` (an ICO holds them, too).
pub(super) fn parse(source: &Source, start: u64) -> Parsed<Header> {
    let ihdr = start + SIGNATURE;
    match (source.u32_be(ihdr)?, &source.array::<4>(ihdr + 4)?) {
        (13, b"IHDR") => {}
        (_, b"CgBI") => {
            return Err(Stop::invalid(
                ihdr,
                "it is Apple's CgBI variant, made for iOS applications only",
            ));
        }
        (length, name) => {
            return Err(Stop::invalid(
                ihdr,
                format!(
                    "the first chunk is {} of {length} bytes, not IHDR of 13",
                    name.escape_ascii()
                ),
            ));
        }
    }
    let width = source.u32_be(ihdr + 8)?;
    let height = source.u32_be(ihdr + 12)?;
    let [depth, colour, compression, filter, interlace] = source.array(ihdr + 16)?;
    let (width, height) = sides(width, height, ihdr + 8)?;
    if width > i32::MAX as u32 || height > i32::MAX as u32 {
        return Err(Stop::invalid(
            ihdr + 8,
            format!("a side of {width} × {height} is above 2^31 - 1"),
        ));
    }
    let model = match (colour, depth) {
        (0, 1 | 2 | 4 | 8 | 16) | (4, 8 | 16) => ColourModel::Grey,
        (2 | 6, 8 | 16) => ColourModel::Rgb,
        (3, 1 | 2 | 4 | 8) => ColourModel::Palette,
        _ => {
            return Err(Stop::invalid(
                ihdr + 16,
                format!("colour type {colour} with {depth} bits is not one of PNG's"),
            ));
        }
    };
    if compression != 0 || filter != 0 || interlace > 1 {
        return Err(Stop::invalid(
            ihdr + 18,
            format!(
                "unknown compression, filter or interlace method ({compression}, {filter}, {interlace})"
            ),
        ));
    }
    let mut header = Header::new(Format::Png, width, height);
    header.bit_depth = depth;
    header.colour_model = model;
    header.alpha = matches!(colour, 4 | 6);
    chunks(source, ihdr + 25, &mut header)?;
    Ok(header)
}

/// Reads the chunks between IHDR and the first IDAT.
fn chunks(source: &Source, first: u64, header: &mut Header) -> Parsed<()> {
    let mut at = first;
    loop {
        let length = source.u32_be(at)?;
        let name: [u8; 4] = source.array(at + 4)?;
        if length > i32::MAX as u32 || !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(Stop::invalid(
                at,
                format!(
                    "\"{}\" of {length} bytes is not a chunk",
                    name.escape_ascii()
                ),
            ));
        }
        let body = at + 8;
        let end = body + u64::from(length);
        match &name {
            b"IDAT" => return Ok(()),
            b"IEND" => {
                return Err(Stop::invalid(
                    at,
                    "the image ends (IEND) without image data",
                ));
            }
            b"iCCP" => header.icc = true,
            b"tRNS" => header.alpha = true,
            b"acTL" if length >= 8 => {
                let frames = source.u32_be(body)?;
                if frames == 0 {
                    return Err(Stop::invalid(body, "acTL announces no frames"));
                }
                header.frames = frames;
                header.animated = frames > 1;
            }
            b"eXIf" => header.orientation = exif::orientation(source, body, end)?,
            _ => {}
        }
        at = end + 4;
    }
}
