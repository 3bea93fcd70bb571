//! Windows and OS/2 bitmaps: the file header, and one of eight sizes of information header.

use safelight_schema::image::{ColourModel, Format};

use super::{Header, sides};
use crate::source::{Parsed, Source, Stop};

const FILE_HEADER: u64 = 14;

pub(super) fn parse(source: &Source) -> Parsed<Header> {
    let header = dib(source, FILE_HEADER, Format::Bmp)?;
    sides(header.width, header.height, FILE_HEADER + 4)?;
    Ok(header)
}

/// Parses the device-independent bitmap header at `at`; sides may be zero. An ICO holds them, too.
pub(super) fn dib(source: &Source, at: u64, format: Format) -> Parsed<Header> {
    let size = source.u32_le(at)?;
    if size == 12 {
        // BITMAPCOREHEADER of OS/2 1: two bytes a side.
        let width = source.u16_le(at + 4)?;
        let height = source.u16_le(at + 6)?;
        let bits = source.u16_le(at + 10)?;
        let mut header = Header::new(format, width.into(), height.into());
        depth(&mut header, bits, 0, at + 10)?;
        return Ok(header);
    }
    if ![16, 40, 52, 56, 64, 108, 124].contains(&size) {
        return Err(Stop::invalid(
            at,
            format!("an information header of {size} bytes is not known"),
        ));
    }
    let width = i32::from_le_bytes(source.array(at + 4)?);
    let height = i32::from_le_bytes(source.array(at + 8)?);
    let Ok(width) = u32::try_from(width) else {
        return Err(Stop::invalid(at + 4, format!("the width is {width}")));
    };
    // A negative height means rows from the top down.
    let mut header = Header::new(format, width, height.unsigned_abs());
    let bits = source.u16_le(at + 14)?;
    let compression = if size == 16 {
        0
    } else {
        source.u32_le(at + 16)?
    };
    depth(&mut header, bits, compression, at + 14)?;
    // Alpha exists where a mask says so: in larger headers, or behind BITMAPINFOHEADER.
    let has_mask = size >= 56 && size != 64 && (compression == 3 || compression == 6)
        || size == 40 && compression == 6;
    header.alpha = has_mask && source.u32_le(at + 52)? != 0;
    if size == 124 {
        // bV5CSType: 'MBED' (a profile follows) or 'LINK' (a file name, which is not embedded).
        header.icc = source.u32_le(at + 56)? == u32::from_be_bytes(*b"MBED");
    }
    Ok(header)
}

fn depth(header: &mut Header, bits: u16, compression: u32, at: u64) -> Parsed<()> {
    let (model, depth) = match (bits, compression) {
        (1 | 2 | 4 | 8, _) => (ColourModel::Palette, bits as u8),
        (16, _) => (ColourModel::Rgb, 5),
        (24 | 32, _) => (ColourModel::Rgb, 8),
        (0, 4 | 5) => (ColourModel::Unknown, 8),
        _ => {
            return Err(Stop::invalid(at, format!("{bits} bits a pixel")));
        }
    };
    header.colour_model = model;
    header.bit_depth = depth;
    Ok(())
}
