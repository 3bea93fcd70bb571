//! The one thing that is wanted from EXIF: the orientation (tag 0x0112 of IFD 0; EXIF 2.32, 4.6.4).

use crate::source::{Parsed, Source, optional};

/// Entries of IFD 0 that are looked at; cameras write about a dozen.
const MAX_ENTRIES: u16 = 200;

/// The orientation in the TIFF structure at `start .. end`, or 1: EXIF that is damaged or absent does
/// not spoil an image.
pub(crate) fn orientation(source: &Source, start: u64, end: u64) -> Parsed<u8> {
    Ok(optional(find(source, start, end))?.flatten().unwrap_or(1))
}

fn find(source: &Source, start: u64, end: u64) -> Parsed<Option<u8>> {
    let little = match source.array(start)? {
        [b'I', b'I', 0x2a, 0] => true,
        [b'M', b'M', 0, 0x2a] => false,
        _ => return Ok(None),
    };
    let u16_at = |offset| {
        if little {
            source.u16_le(offset)
        } else {
            source.u16_be(offset)
        }
    };
    let ifd = if little {
        source.u32_le(start + 4)?
    } else {
        source.u32_be(start + 4)?
    };
    let ifd = start + u64::from(ifd);
    if ifd + 2 > end {
        return Ok(None);
    }
    let count = u16_at(ifd)?.min(MAX_ENTRIES);
    for index in 0..u64::from(count) {
        let entry = ifd + 2 + index * 12;
        if entry + 12 > end {
            return Ok(None);
        }
        if u16_at(entry)? == 0x0112 {
            let value = match u16_at(entry + 2)? {
                1 => u16::from(source.u8(entry + 8)?),
                3 => u16_at(entry + 8)?,
                _ => return Ok(None),
            };
            return Ok(valid(value.into()));
        }
    }
    Ok(None)
}

/// An orientation, if it is one.
pub(crate) fn valid(value: u64) -> Option<u8> {
    u8::try_from(value).ok().filter(|n| (1..=8).contains(n))
}
