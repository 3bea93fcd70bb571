//! JPEG.

use std::borrow::Cow;

use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, SamplingFactor};

use crate::jpeg::Planes;
use crate::{Channels, Format, Metadata, PixelError, Pixels};

/// Resolution of colour beside that of brightness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chroma {
    /// One colour sample for each pixel (4:4:4).
    Full,
    /// One for each two pixels of a row (4:2:2).
    Half,
    /// One for each 2 × 2 pixels, their mean (4:2:0).
    Quarter,
}

impl Chroma {
    /// What is usual for a quality: 4:2:0 below 90, 4:4:4 from there.
    pub const fn usual(quality: u8) -> Self {
        if quality < 90 {
            Self::Quarter
        } else {
            Self::Full
        }
    }

    /// Pixels that share a colour sample, across and down.
    pub const fn factors(self) -> (u32, u32) {
        match self {
            Self::Full => (1, 1),
            Self::Half => (2, 1),
            Self::Quarter => (2, 2),
        }
    }

    /// `4:4:4`, `4:2:2` or `4:2:0`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "4:4:4",
            Self::Half => "4:2:2",
            Self::Quarter => "4:2:0",
        }
    }
}

/// How a JPEG is written. Huffman tables are always computed for the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JpegOptions {
    /// 1 to 100, on the scale of the Independent JPEG Group; values outside are brought inside.
    pub quality: u8,
    /// Several scans of growing detail: a little smaller, and slower to decode.
    pub progressive: bool,
    /// Resolution of colour.
    pub chroma: Chroma,
}

impl JpegOptions {
    /// This quality, one scan, the usual chroma.
    pub const fn of_quality(quality: u8) -> Self {
        Self {
            quality,
            progressive: false,
            chroma: Chroma::usual(quality),
        }
    }
}

/// Writes a JPEG. Transparency is put over white, 16 bits become 8.
pub fn jpeg(
    pixels: &Pixels,
    metadata: &Metadata,
    options: JpegOptions,
) -> Result<Vec<u8>, PixelError> {
    let fail = |error: jpeg_encoder::EncodingError| PixelError::encode(Format::Jpeg, error);
    let plain = if pixels.channels().has_alpha() || pixels.bit_depth() != 8 {
        Cow::Owned(pixels.clone().flattened(1.0).into_eight())
    } else {
        Cow::Borrowed(pixels)
    };
    if !options.progressive
        && let Some(planes) = Planes::of(&plain, options.chroma)
    {
        return planes.jpeg(metadata, options.quality);
    }
    let (Ok(width), Ok(height), Some(samples)) = (
        u16::try_from(plain.width()),
        u16::try_from(plain.height()),
        plain.eight(),
    ) else {
        return Err(PixelError::encode(
            Format::Jpeg,
            format!(
                "{} × {} pixels, and a side is at most 65535",
                plain.width(),
                plain.height()
            ),
        ));
    };
    let kind = match plain.channels() {
        Channels::Grey | Channels::GreyAlpha => ColorType::Luma,
        Channels::Rgb | Channels::Rgba => ColorType::Rgb,
    };
    let mut out = Vec::with_capacity(samples.len() / 8);
    let mut encoder = Encoder::new(&mut out, options.quality.clamp(1, 100));
    encoder.set_sampling_factor(match options.chroma {
        Chroma::Full => SamplingFactor::R_4_4_4,
        Chroma::Half => SamplingFactor::R_4_2_2,
        Chroma::Quarter => SamplingFactor::R_4_2_0,
    });
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.set_optimized_huffman_tables(true);
    encoder.set_progressive(true);
    if let Some(icc) = &metadata.icc {
        encoder.add_icc_profile(icc).map_err(fail)?;
    }
    // A segment holds 64 KiB; EXIF blocks from other formats may be larger and stay behind then.
    if let Some(exif) = metadata.exif.as_ref().filter(|exif| exif.len() <= 65_500) {
        encoder.add_exif_metadata(exif).map_err(fail)?;
    }
    encoder.encode(samples, width, height, kind).map_err(fail)?;
    Ok(out)
}
