//! Windows icons: a directory of images, each a PNG or a bitmap without file header. The facts are
//! those of the largest; the others count as frames.

use safelight_schema::image::Format;

use super::{Header, bmp, png, sides};
use crate::source::{Parsed, Source, Stop};

/// Entries that are compared to find the largest; real icons have about ten.
const MAX_COMPARED: u16 = 1_024;

pub(super) fn parse(source: &Source) -> Parsed<Header> {
    let count = source.u16_le(4)?;
    if count == 0 {
        return Err(Stop::invalid(4, "the icon's directory has no entries"));
    }
    let directory_end = 6 + 16 * u64::from(count);
    let mut largest: Option<(u16, u64)> = None;
    for index in 0..count.min(MAX_COMPARED) {
        let entry = 6 + 16 * u64::from(index);
        // A side of 256 is written as 0.
        let [width, height] = source
            .array::<2>(entry)?
            .map(|n| u16::from(n.wrapping_sub(1)) + 1);
        let side = width.max(height);
        if largest.is_none_or(|(known, _)| side > known) {
            largest = Some((side, entry));
        }
    }
    let entry = largest.map_or(6, |(_, entry)| entry);
    let length = source.u32_le(entry + 8)?;
    let offset = u64::from(source.u32_le(entry + 12)?);
    if offset < directory_end || length < 12 {
        return Err(Stop::invalid(
            entry + 8,
            format!(
                "an icon of {length} bytes at {offset}, where the directory ends at {directory_end}"
            ),
        ));
    }
    let mut header = if source.array::<4>(offset)? == *b"\x89PNG" {
        let mut header = png::parse(source, offset)?;
        header.format = Format::Ico;
        header.animated = false;
        header
    } else {
        let mut header = bmp::dib(source, offset, Format::Ico)?;
        // Twice the height: the picture, then its mask.
        header.height /= 2;
        header.alpha = true;
        header
    };
    sides(header.width, header.height, offset)?;
    header.frames = count.into();
    Ok(header)
}
