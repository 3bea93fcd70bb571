//! The strips and tiles of a TIFF, before any is decoded: what is decoded beside the picture, and the JPEGs in
//! them, for which the decoder has no limits.

use tiff::decoder::ChunkType;
use tiff::tags::Tag;

use super::jpeg;
use super::tiff::{FORMAT, Reader, fail};
use crate::{Limits, PixelError};

/// Pixels that tiles may have beside the picture: one large tile of a small picture.
const MAX_PADDING: u64 = 1 << 24;
/// How often the picture's pixels its tiles may have.
const MAX_TIMES: u64 = 4;
const JPEG: u16 = 7;

/// Refuses what would take far more than the picture does.
pub(super) fn check(
    reader: &mut Reader<'_>,
    bytes: &[u8],
    limits: &Limits,
) -> Result<(), PixelError> {
    let header = |error| fail("header", error);
    let (width, height) = reader.dimensions().map_err(header)?;
    let (across, down) = reader.chunk_dimensions();
    let is_tiled = reader.get_chunk_type() == ChunkType::Tile;
    if is_tiled && across > 0 && down > 0 {
        let tiles = u64::from(width.div_ceil(across)) * u64::from(height.div_ceil(down));
        let decoded = tiles
            .saturating_mul(u64::from(across))
            .saturating_mul(u64::from(down));
        let pixels = u64::from(width) * u64::from(height);
        if decoded > pixels.saturating_mul(MAX_TIMES).saturating_add(MAX_PADDING) {
            return Err(PixelError::unsupported(
                FORMAT,
                format!("tiles of {across} × {down} pixels for a picture of {width} × {height}"),
            ));
        }
    }
    let compression = reader.find_tag_unsigned::<u16>(Tag::Compression);
    if compression.map_err(header)? != Some(JPEG) {
        return Ok(());
    }
    let (offsets, lengths) = if is_tiled {
        (Tag::TileOffsets, Tag::TileByteCounts)
    } else {
        (Tag::StripOffsets, Tag::StripByteCounts)
    };
    let mut places = |tag| reader.find_tag_unsigned_vec::<u64>(tag).map_err(header);
    let offsets = places(offsets)?.unwrap_or_default();
    let lengths = places(lengths)?.unwrap_or_default();
    let tables = reader.find_tag(Tag::JPEGTables).map_err(header)?;
    let tables = match tables {
        Some(tables) => tables.into_u8_vec().map_err(header)?,
        None => Vec::new(),
    };
    let most = (
        u64::from(across.next_multiple_of(16)),
        u64::from(down.next_multiple_of(16)),
    );
    let chunks = offsets.iter().zip(&lengths).map(|(offset, length)| {
        let start = usize::try_from(*offset).ok()?;
        let end = start.checked_add(usize::try_from(*length).ok()?)?;
        bytes.get(start..end.min(bytes.len()))
    });
    for jpeg in chunks.chain([Some(&tables[..])]).flatten() {
        for (marker, sides, components) in jpeg::frames(jpeg) {
            if !matches!(marker, 0xC0 | 0xC1) {
                return Err(PixelError::unsupported(
                    FORMAT,
                    "JPEGs in it that are not baseline",
                ));
            }
            if sides.0 > most.0 || sides.1 > most.1 {
                return Err(PixelError::decode(
                    FORMAT,
                    "image data",
                    "a JPEG in it is larger than its strip or tile",
                ));
            }
            limits.check(FORMAT, sides.0, sides.1, components)?;
        }
    }
    Ok(())
}
