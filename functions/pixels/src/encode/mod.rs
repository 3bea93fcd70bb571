//! Encoders. Their input is always pixels that this crate decoded or resized.

mod animation;
mod bmp;
mod jpeg;
mod png;
mod tiff;
mod webp;

pub use animation::AnimationEncoder;
pub use bmp::bmp;
pub use jpeg::{Chroma, JpegOptions, jpeg};
pub use png::png;
pub use tiff::tiff;
pub(crate) use tiff::tiff_cmyk;
pub use webp::{WebpCoding, webp};

use crate::{Format, PixelError, Pixels};

/// Longest side that a format's header can state, in pixels.
pub const fn max_side(format: Format) -> u32 {
    match format {
        Format::Jpeg | Format::Gif => 65_535,
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
