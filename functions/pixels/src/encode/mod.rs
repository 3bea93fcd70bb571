//! Encoders. Their input is always pixels that this crate decoded or resized.

mod animation;
mod avif;
mod bmp;
mod jpeg;
mod png;
#[cfg(feature = "avif-output")]
mod rav1e;
mod tiff;
mod webp;

pub use animation::AnimationEncoder;
pub use avif::{AvifEffort, WRITES_AVIF};
pub use bmp::bmp;
pub use jpeg::{Chroma, JpegOptions, jpeg};
pub use png::png;
#[cfg(feature = "avif-output")]
pub use rav1e::avif;
pub use tiff::tiff;
pub(crate) use tiff::tiff_cmyk;
pub use webp::{WebpCoding, webp};

use crate::{Format, PixelError, Pixels};

/// Without the feature `avif-output` there is no encoder, and settings that ask for it are refused.
#[cfg(not(feature = "avif-output"))]
pub fn avif(
    _pixels: Pixels,
    _metadata: &crate::Metadata,
    _quality: u8,
    _effort: AvifEffort,
) -> Result<Vec<u8>, PixelError> {
    Err(PixelError::encode(
        Format::Avif,
        "this build has no encoder of it: the feature `avif-output` adds one",
    ))
}

/// Longest side that a format's header can state, in pixels.
pub const fn max_side(format: Format) -> u32 {
    match format {
        Format::Jpeg | Format::Gif | Format::Avif => 65_535,
        Format::Webp => 16_383,
        _ => 1 << 30,
    }
}

/// GIF of one frame: at most 256 colours, transparency on or off. Colours are taken as sRGB.
pub fn gif(pixels: Pixels) -> Result<Vec<u8>, PixelError> {
    let mut encoder = AnimationEncoder::gif(pixels.width(), pixels.height(), 1)?;
    encoder.push(pixels, 0)?;
    encoder.finish()
}
