//! JPEG 2000 (ISO/IEC 15444-1): the codestream's SIZ marker (annex A), and the JP2 boxes around it
//! (annex I).

use safelight_schema::image::{ColourModel, Format};

use super::{Header, sides};
use crate::source::{Parsed, Source, Stop};

/// Boxes that are looked at on each level.
const MAX_BOXES: u32 = 256;

/// The codestream that begins at `start`.
pub(super) fn codestream(source: &Source, start: u64) -> Parsed<Header> {
    if source.array(start)? != [0xff, 0x4f, 0xff, 0x51] {
        return Err(Stop::invalid(
            start,
            "the codestream does not begin with SOC and SIZ",
        ));
    }
    let at = start + 8;
    let (x1, y1) = (source.u32_be(at)?, source.u32_be(at + 4)?);
    let (x0, y0) = (source.u32_be(at + 8)?, source.u32_be(at + 12)?);
    let (Some(width), Some(height)) = (x1.checked_sub(x0), y1.checked_sub(y0)) else {
        return Err(Stop::invalid(
            at,
            format!("the image begins at ({x0}, {y0}), behind its end at ({x1}, {y1})"),
        ));
    };
    let (width, height) = sides(width, height, at)?;
    let components = source.u16_be(at + 32)?;
    let depth = source.u8(at + 34)?;
    let mut header = Header::new(Format::Jp2, width, height);
    header.bit_depth = precision(depth, at + 34)?;
    (header.colour_model, header.alpha) = by_components(components, at + 32)?;
    Ok(header)
}

/// What a number of components means where nothing else says it.
fn by_components(components: u16, at: u64) -> Parsed<(ColourModel, bool)> {
    match components {
        1 => Ok((ColourModel::Grey, false)),
        2 => Ok((ColourModel::Grey, true)),
        3 => Ok((ColourModel::Rgb, false)),
        4 => Ok((ColourModel::Rgb, true)),
        5..=16_384 => Ok((ColourModel::Unknown, false)),
        _ => Err(Stop::invalid(at, format!("{components} components"))),
    }
}

/// Bits a sample: the lower seven bits plus one; the upper bit is the sign.
fn precision(byte: u8, at: u64) -> Parsed<u8> {
    let bits = (byte & 0x7f) + 1;
    if bits > 38 {
        return Err(Stop::invalid(at, format!("{bits} bits a sample")));
    }
    Ok(bits)
}

/// A JP2 file: `jp2h` says it all, and the codestream does where it is missing.
pub(super) fn container(source: &Source) -> Parsed<Header> {
    let mut at = 12;
    for _ in 0..MAX_BOXES {
        let (name, body, end) = next_box(source, at)?;
        match &name {
            b"jp2h" => return header_box(source, body, end),
            b"jp2c" => return codestream(source, body),
            _ => at = end,
        }
    }
    Err(Stop::invalid(at, "no image among the first 256 boxes"))
}

fn next_box(source: &Source, at: u64) -> Parsed<([u8; 4], u64, u64)> {
    let short = u64::from(source.u32_be(at)?);
    let name = source.array(at + 4)?;
    let (body, end) = match short {
        0 => (at + 8, source.size()),
        1 => (at + 16, at.saturating_add(source.u64_be(at + 8)?)),
        _ => (at + 8, at + short),
    };
    if end < body {
        return Err(Stop::invalid(
            at,
            format!("a box of {} bytes", end.saturating_sub(at)),
        ));
    }
    Ok((name, body, end))
}

fn header_box(source: &Source, start: u64, end: u64) -> Parsed<Header> {
    let (name, body, mut at) = next_box(source, start)?;
    if &name != b"ihdr" {
        return Err(Stop::invalid(start, "jp2h does not begin with ihdr"));
    }
    let height = source.u32_be(body)?;
    let width = source.u32_be(body + 4)?;
    let (width, height) = sides(width, height, body)?;
    let components = source.u16_be(body + 8)?;
    let depth = source.u8(body + 10)?;
    let mut header = Header::new(Format::Jp2, width, height);
    (header.colour_model, header.alpha) = by_components(components, body + 8)?;
    // 255: depths differ, and `bpcc` lists them.
    if depth != 255 {
        header.bit_depth = precision(depth, body + 10)?;
    }
    let mut colour_known = false;
    for _ in 0..MAX_BOXES {
        if at >= end {
            break;
        }
        let (name, body, next) = next_box(source, at)?;
        match &name {
            b"bpcc" => header.bit_depth = precision(source.u8(body)?, body)?,
            // Only the first colour specification counts.
            b"colr" if !colour_known => {
                colour_known = true;
                colour(source, body, &mut header)?;
            }
            b"pclr" => header.colour_model = ColourModel::Palette,
            b"cdef" => header.alpha = has_opacity(source, body)?,
            _ => {}
        }
        at = next;
    }
    Ok(header)
}

fn colour(source: &Source, body: u64, header: &mut Header) -> Parsed<()> {
    match source.u8(body)? {
        1 => {
            let model = match source.u32_be(body + 3)? {
                12 => ColourModel::Cmyk,
                14 => ColourModel::Lab,
                16 => ColourModel::Rgb,
                17 => ColourModel::Grey,
                18 => ColourModel::Ycbcr,
                _ => header.colour_model,
            };
            if model == ColourModel::Cmyk {
                header.alpha = false;
            }
            header.colour_model = model;
        }
        2 | 3 => header.icc = true,
        _ => {}
    }
    Ok(())
}

/// Whether a channel definition has a channel of opacity (type 1 or 2).
fn has_opacity(source: &Source, body: u64) -> Parsed<bool> {
    let count = source.u16_be(body)?.min(64);
    for index in 0..u64::from(count) {
        if matches!(source.u16_be(body + 2 + index * 6 + 2)?, 1 | 2) {
            return Ok(true);
        }
    }
    Ok(false)
}
