//! WebP, by libwebp's encoder.

use ::webp::{Encoder, PixelLayout, WebPConfig};

use crate::riff::{self, Features};
use crate::{Channels, Format, Metadata, PixelError, Pixels};

/// How a WebP is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebpCoding {
    /// Lossy at this quality, 0 to 100.
    Lossy(u8),
    /// Lossless, the colours of transparent pixels included.
    Lossless,
}

fn fail(cause: impl std::fmt::Display) -> PixelError {
    PixelError::encode(Format::Webp, cause)
}

/// The bitstream chunks (`ALPH`, `VP8 `, `VP8L`) of a picture, and whether it has alpha.
pub(super) fn bitstream(
    samples: &[u8],
    channels: Channels,
    width: u32,
    height: u32,
    coding: WebpCoding,
) -> Result<(Vec<u8>, bool), PixelError> {
    let longest = super::max_side(Format::Webp);
    if width > longest || height > longest {
        return Err(fail(format!(
            "{width} × {height} pixels, and a side is at most {longest}"
        )));
    }
    let layout = match channels {
        Channels::Rgb => PixelLayout::Rgb,
        Channels::Rgba => PixelLayout::Rgba,
        Channels::Grey | Channels::GreyAlpha => return Err(fail("grey was not widened")),
    };
    let mut config =
        WebPConfig::new().map_err(|()| fail("libwebp's headers and library disagree"))?;
    match coding {
        WebpCoding::Lossy(quality) => {
            config.quality = f32::from(quality.min(100));
            config.method = 4;
        }
        WebpCoding::Lossless => {
            config.lossless = 1;
            config.exact = 1;
            // For lossless coding these two are effort: cwebp's own defaults.
            config.quality = 75.0;
            config.method = 4;
        }
    }
    let file = Encoder::new(samples, layout, width, height)
        .encode_advanced(&config)
        .map_err(|error| fail(format!("{error:?}")))?;
    let mut body = Vec::with_capacity(file.len());
    let mut alpha = false;
    for (name, data) in riff::chunks(&file) {
        match &name {
            b"ALPH" => alpha = true,
            // Bit 28 of the header: alpha is used.
            b"VP8L" => alpha |= data.get(4).is_some_and(|byte| byte & 0x10 != 0),
            b"VP8 " => {}
            _ => continue,
        }
        riff::push(&mut body, name, data);
    }
    if body.is_empty() {
        return Err(fail("no bitstream came back"));
    }
    Ok((body, alpha))
}

/// Writes a WebP of one frame. 16 bits become 8.
pub fn webp(
    pixels: &Pixels,
    metadata: &Metadata,
    coding: WebpCoding,
) -> Result<Vec<u8>, PixelError> {
    let widened;
    let pixels = if pixels.bit_depth() == 8 && !pixels.channels().is_grey() {
        pixels
    } else {
        widened = pixels.clone().into_eight().into_colour();
        &widened
    };
    let samples = pixels.eight().unwrap_or_default();
    let (width, height) = (pixels.width(), pixels.height());
    let (body, alpha) = bitstream(samples, pixels.channels(), width, height, coding)?;
    // The simple format has no place for alpha beside lossy data, nor for metadata.
    let simple = metadata.icc.is_none()
        && metadata.exif.is_none()
        && riff::chunks(&[&[0; 12], body.as_slice()].concat()).count() == 1;
    if simple {
        let mut file = b"RIFF\0\0\0\0WEBP".to_vec();
        file.extend_from_slice(&body);
        let size = (file.len() - 8) as u32;
        file[4..8].copy_from_slice(&size.to_le_bytes());
        return Ok(file);
    }
    Ok(riff::extended(
        width,
        height,
        Features {
            alpha,
            animated: false,
        },
        metadata.icc.as_deref(),
        metadata.exif.as_deref(),
        &body,
    ))
}
