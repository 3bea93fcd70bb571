//! BMP and ICO, by the `image` crate; PNGs in icons as all others, since that one takes them with alpha only.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, ico::IcoDecoder};
use image::{ColorType, ImageDecoder, ImageError};

use super::{Decoded, Source, assemble, png};
use crate::colour::Colour;
use crate::{Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples};

fn fail(format: Format, place: &'static str, error: &ImageError) -> PixelError {
    match error {
        ImageError::IoError(error) => PixelError::io(format, place, error),
        ImageError::Unsupported(error) => PixelError::unsupported(format, error.to_string()),
        error => PixelError::decode(format, place, error),
    }
}

pub(super) fn decode(bytes: &[u8], format: Format, limits: &Limits) -> Result<Decoded, PixelError> {
    if format == Format::Ico {
        if let Some(entry) = png_entry(bytes)? {
            return icon(bytes, &entry, limits);
        }
        let decoder =
            IcoDecoder::new(Cursor::new(bytes)).map_err(|error| fail(format, "header", &error))?;
        read(decoder, bytes, format, limits)
    } else {
        let decoder =
            BmpDecoder::new(Cursor::new(bytes)).map_err(|error| fail(format, "header", &error))?;
        read(decoder, bytes, format, limits)
    }
}

/// What is looked at of an icon's largest picture.
struct Entry<'a> {
    sides: (u32, u32),
    png: &'a [u8],
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let raw = bytes.get(at..at + 2)?;
    Some(u16::from_le_bytes(raw.try_into().ok()?))
}

/// The picture of an icon that the `image` crate would take (the deepest, of these the largest, of these the last
/// in its order): its sides, its length and where it is.
///
/// Layout: <https://learn.microsoft.com/en-us/previous-versions/ms997538(v=msdn.10)>.
fn largest(bytes: &[u8]) -> Option<((u32, u32), usize, usize)> {
    let count = usize::from(short(bytes, 4)?);
    let mut best = None::<((u16, u32), (u32, u32), usize, usize)>;
    // The last one is the first to be beaten.
    let order = count
        .checked_sub(1)
        .into_iter()
        .chain(0..count.saturating_sub(1));
    for index in order {
        let entry = bytes.get(6 + index * 16..22 + index * 16)?;
        let side = |at: usize| match entry.get(at) {
            None | Some(0) => 256,
            Some(&side) => u32::from(side),
        };
        let sides = (side(0), side(1));
        let score = (short(entry, 6)?, sides.0 * sides.1);
        if best.is_none_or(|(known, ..)| score > known) {
            let long = |at: usize| -> Option<usize> {
                let raw = entry.get(at..at + 4)?.try_into().ok()?;
                usize::try_from(u32::from_le_bytes(raw)).ok()
            };
            best = Some((score, sides, long(8)?, long(12)?));
        }
    }
    let (_, sides, length, start) = best?;
    Some((sides, length, start))
}

/// The same where it is a PNG: the crate would open it before it has any limit.
fn png_entry(bytes: &[u8]) -> Result<Option<Entry<'_>>, PixelError> {
    let Some((sides, length, start)) = largest(bytes) else {
        return Ok(None);
    };
    let rest = bytes.get(start..).unwrap_or_default();
    if !rest.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(None);
    }
    match rest.get(..length) {
        Some(png) => Ok(Some(Entry { sides, png })),
        None => Err(PixelError::truncated(
            Format::Ico,
            "image data",
            "the PNG in it is not whole",
        )),
    }
}

fn icon(bytes: &[u8], entry: &Entry<'_>, limits: &Limits) -> Result<Decoded, PixelError> {
    let mut decoded = png::decode(entry.png, limits)?;
    if entry.sides != (decoded.source.width, decoded.source.height) {
        return Err(PixelError::decode(
            Format::Ico,
            "header",
            "its sides are not those of the PNG in it",
        ));
    }
    decoded.source.format = Format::Ico;
    decoded.source.animated = false;
    decoded.source.frames = u32::from(short(bytes, 4).unwrap_or(1)).max(1);
    decoded.orientation = Orientation::Normal;
    decoded.metadata = Metadata::default();
    Ok(decoded)
}

fn read(
    mut decoder: impl ImageDecoder,
    bytes: &[u8],
    format: Format,
    limits: &Limits,
) -> Result<Decoded, PixelError> {
    let (width, height) = decoder.dimensions();
    limits.check(format, u64::from(width), u64::from(height), 4)?;
    let mut own = image::Limits::default();
    own.max_alloc = Some(limits.max_bytes);
    decoder
        .set_limits(own)
        .map_err(|error| fail(format, "header", &error))?;
    let (channels, deep) = match decoder.color_type() {
        ColorType::L8 => (Channels::Grey, false),
        ColorType::La8 => (Channels::GreyAlpha, false),
        ColorType::Rgb8 => (Channels::Rgb, false),
        ColorType::Rgba8 => (Channels::Rgba, false),
        ColorType::L16 => (Channels::Grey, true),
        ColorType::La16 => (Channels::GreyAlpha, true),
        ColorType::Rgb16 => (Channels::Rgb, true),
        ColorType::Rgba16 => (Channels::Rgba, true),
        other => return Err(PixelError::unsupported(format, format!("{other:?}"))),
    };
    let count = width as usize * height as usize * channels.count();
    if decoder.total_bytes() != (count * if deep { 2 } else { 1 }) as u64 {
        return Err(PixelError::decode(format, "header", "sizes disagree"));
    }
    let samples = if deep {
        let mut samples = vec![0u16; count];
        decoder
            .read_image(bytemuck::cast_slice_mut(&mut samples))
            .map_err(|error| fail(format, "image data", &error))?;
        Samples::Sixteen(samples)
    } else {
        let mut samples = vec![0u8; count];
        decoder
            .read_image(&mut samples)
            .map_err(|error| fail(format, "image data", &error))?;
        Samples::Eight(samples)
    };
    // BITMAPINFOHEADER: bits a pixel at byte 28; ICONDIR: number of pictures at byte 4.
    let short = |at: usize| short(bytes, at).unwrap_or(0);
    let palette = format == Format::Bmp && (1..=8).contains(&short(28));
    Ok(Decoded {
        pixels: assemble(format, width, height, channels, samples)?,
        orientation: Orientation::Normal,
        metadata: Metadata::default(),
        colour: Colour::AssumedSrgb,
        source: Source {
            format,
            width,
            height,
            colour_model: if palette {
                ColourModel::Palette
            } else {
                ColourModel::Rgb
            },
            bit_depth: if deep { 16 } else { 8 },
            frames: if format == Format::Ico {
                u32::from(short(4)).max(1)
            } else {
                1
            },
            animated: false,
            lossy: false,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_that_ends_behind_the_icon_is_cut_off() {
        let icon = |length: u8| {
            let entry = [[2, 2, 0, 0, 1, 0, 32, 0], [length, 0, 0, 0, 22, 0, 0, 0]].concat();
            [&[0, 0, 1, 0, 1, 0], &entry[..], b"\x89PNG\r\n\x1a\n"].concat()
        };
        assert!(png_entry(&icon(8)).unwrap().is_some());
        let Err(error) = png_entry(&icon(9)) else {
            panic!("it was taken for whole");
        };
        assert_eq!(error.name(), "Image.Truncated");
    }
}
