//! AVIF and HEIC, behind the features `avif` and `heic`: the decoder's licence is not permissive, so
//! no default build has it. It decodes to 8 bits a sample and turns the picture upright itself.

use heic::{At, DecoderConfig, HeicError, ImageInfo, PixelLayout, ProbeError};

use super::{Decoded, Source, assemble, heif_items};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, colour, exif,
};

/// Planes of up to 16 bits, the tiles that are being decoded, and the samples.
const BYTES_PER_PIXEL: u64 = 16;

fn fail(format: Format, place: &'static str, error: &HeicError) -> PixelError {
    match error {
        HeicError::Unsupported(_) | HeicError::UnsupportedCodec(_) => {
            PixelError::unsupported(format, error.to_string())
        }
        error => PixelError::decode(format, place, error),
    }
}

pub(super) fn decode(bytes: &[u8], format: Format, limits: &Limits) -> Result<Decoded, PixelError> {
    heif_items::check(bytes, format, limits, BYTES_PER_PIXEL)?;
    let info = ImageInfo::from_bytes(bytes).map_err(|error| match error {
        ProbeError::NeedMoreData => PixelError::truncated(format, "header", error),
        error => PixelError::decode(format, "header", error),
    })?;
    let size = (u64::from(info.width), u64::from(info.height));
    limits.check(format, size.0, size.1, BYTES_PER_PIXEL)?;
    let (channels, layout) = if info.has_alpha {
        (Channels::Rgba, PixelLayout::Rgba8)
    } else {
        (Channels::Rgb, PixelLayout::Rgb8)
    };
    let mut own = heic::Limits::default();
    own.max_pixels = Some(limits.max_pixels);
    own.max_memory_bytes = Some(limits.max_bytes);
    let output = DecoderConfig::new()
        .decode_request(bytes)
        .with_output_layout(layout)
        .with_limits(&own)
        .decode()
        .map_err(|error: At<HeicError>| fail(format, "image data", error.error()))?;
    let (icc, colour) = colour::keep(info.icc_profile, channels);
    let (width, height) = (output.width, output.height);
    Ok(Decoded {
        pixels: assemble(format, width, height, channels, Samples::Eight(output.data))?,
        orientation: Orientation::Normal,
        metadata: Metadata {
            icc,
            exif: info.exif.as_deref().map(exif::with_normal_orientation),
            ..Metadata::default()
        },
        colour,
        source: Source {
            format,
            width,
            height,
            colour_model: if info.chroma_format == 0 {
                ColourModel::Grey
            } else {
                ColourModel::Ycbcr
            },
            bit_depth: info.bit_depth,
            frames: 1,
            animated: false,
            lossy: true,
        },
    })
}
