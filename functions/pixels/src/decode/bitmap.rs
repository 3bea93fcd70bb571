//! BMP and ICO, by the `image` crate.

use std::io::Cursor;

use image::codecs::{bmp::BmpDecoder, ico::IcoDecoder};
use image::{ColorType, ImageDecoder, ImageError};

use super::{Decoded, Source, assemble};
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
        let decoder =
            IcoDecoder::new(Cursor::new(bytes)).map_err(|error| fail(format, "header", &error))?;
        read(decoder, bytes, format, limits)
    } else {
        let decoder =
            BmpDecoder::new(Cursor::new(bytes)).map_err(|error| fail(format, "header", &error))?;
        read(decoder, bytes, format, limits)
    }
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
    let short = |at: usize| {
        bytes
            .get(at..at + 2)
            .and_then(|raw| raw.try_into().ok())
            .map_or(0, u16::from_le_bytes)
    };
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
