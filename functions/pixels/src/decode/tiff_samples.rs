//! From TIFF's many sample layouts to ours.

use tiff::ColorType;
use tiff::decoder::DecodingResult;

use super::alpha;
use super::tiff::{FORMAT, Page, Typed};
use crate::{Channels, PixelError, Samples, colour};

/// Samples as TIFF stores them, interleaved, in the machine's byte order.
pub(crate) enum Raw {
    /// Up to eight bits; less than eight are packed, rows begin on a byte.
    Eight(Vec<u8>),
    /// Up to sixteen bits.
    Sixteen(Vec<u16>),
}

fn unsupported(what: impl Into<String>) -> PixelError {
    PixelError::unsupported(FORMAT, what)
}

/// One buffer of interleaved samples; 32-bit samples are rounded to 16.
pub(super) fn chunky(result: DecodingResult, planes: usize) -> Result<Raw, PixelError> {
    let unit = |value: f64| (value.clamp(0.0, 1.0) * 65_535.0).round() as u16;
    Ok(match result {
        DecodingResult::U8(samples) => Raw::Eight(interleave(samples, planes)),
        DecodingResult::U16(samples) => Raw::Sixteen(interleave(samples, planes)),
        DecodingResult::U32(samples) => Raw::Sixteen(interleave(
            samples
                .into_iter()
                .map(|value| (value >> 16) as u16)
                .collect(),
            planes,
        )),
        // Floating point pictures of this range are shown from 0 (black) to 1 (white).
        DecodingResult::F32(samples) => Raw::Sixteen(interleave(
            samples
                .into_iter()
                .map(|value| unit(f64::from(value)))
                .collect(),
            planes,
        )),
        DecodingResult::F64(samples) => {
            Raw::Sixteen(interleave(samples.into_iter().map(unit).collect(), planes))
        }
        _ => return Err(unsupported("signed or 64-bit samples")),
    })
}

fn interleave<T: Copy>(samples: Vec<T>, planes: usize) -> Vec<T> {
    if planes < 2 || !samples.len().is_multiple_of(planes) {
        return samples;
    }
    let plane = samples.len() / planes;
    (0..plane)
        .flat_map(|at| (0..planes).map(move |index| index * plane + at))
        .map(|at| samples[at])
        .collect()
}

/// Packed samples of 1, 2 or 4 bits, one a byte, not scaled.
fn unpacked(packed: &[u8], width: u32, height: u32, bits: u8) -> Result<Vec<u8>, PixelError> {
    let width = width as usize;
    let stride = (width * usize::from(bits)).div_ceil(8);
    let mask = u8::MAX >> (8 - bits);
    let mut out = Vec::with_capacity(width * height as usize);
    for row in packed.chunks_exact(stride).take(height as usize) {
        out.extend((0..width).map(|x| {
            let bit = x * usize::from(bits);
            (row[bit / 8] >> (8 - usize::from(bits) - bit % 8)) & mask
        }));
    }
    if out.len() == width * height as usize {
        Ok(out)
    } else {
        Err(PixelError::truncated(
            FORMAT,
            "image data",
            "rows are missing",
        ))
    }
}

/// Pixels of a page, and the conversion that made its profile useless.
pub(super) fn pixels(page: Page) -> Result<Typed, PixelError> {
    let bits = page.kind.bit_depth();
    let raw = match page.raw {
        Raw::Eight(packed) if bits < 8 => {
            if !matches!(page.kind, ColorType::Gray(1 | 2 | 4)) {
                return Err(unsupported(format!("{:?}", page.kind)));
            }
            let mut values = unpacked(&packed, page.width, page.height, bits)?;
            if page.palette.is_none() {
                let scale = u8::MAX / (u8::MAX >> (8 - bits));
                for value in &mut values {
                    *value *= scale;
                }
            }
            Raw::Eight(values)
        }
        // Ten to fifteen bits come in sixteen, unscaled.
        Raw::Sixteen(mut values) if (9..16).contains(&bits) => {
            let top = (1u32 << bits) - 1;
            for value in &mut values {
                *value = (u32::from(*value).min(top) * 65_535 / top) as u16;
            }
            Raw::Sixteen(values)
        }
        raw => raw,
    };
    if let Some(table) = page.palette {
        return match (page.kind, raw) {
            (
                ColorType::GrayA(8) | ColorType::Multiband { num_samples: 2, .. },
                Raw::Eight(pairs),
            ) => {
                let indexes = pairs.iter().copied().step_by(2).collect();
                let colours = look_up(Raw::Eight(indexes), &table)?;
                let alphas = pairs.iter().skip(1).step_by(2);
                let samples = colours
                    .chunks_exact(3)
                    .zip(alphas)
                    .flat_map(|(rgb, &alpha)| [rgb[0], rgb[1], rgb[2], alpha])
                    .collect();
                Ok((Channels::Rgba, Samples::Eight(samples), None))
            }
            (_, raw) => {
                let colours = look_up(raw, &table)?;
                Ok((Channels::Rgb, Samples::Eight(colours), None))
            }
        };
    }
    let icc = page.icc.as_deref();
    let (channels, samples, converted) = match page.kind {
        ColorType::Gray(_) => (Channels::Grey, plain(raw), None),
        ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => {
            (Channels::GreyAlpha, plain(raw), None)
        }
        // The decoder turns JPEG-compressed YCbCr into RGB, and refuses other YCbCr.
        ColorType::RGB(_) | ColorType::YCbCr(_) => (Channels::Rgb, plain(raw), None),
        ColorType::RGBA(_) => (Channels::Rgba, plain(raw), None),
        ColorType::CMYK(_) => from_ink(raw, 4, icc),
        // Ink with transparency is rare; what is under it is shown.
        ColorType::CMYKA(_) => from_ink(raw, 5, icc),
        other => return Err(unsupported(format!("{other:?}"))),
    };
    let samples = if page.premultiplied && channels.has_alpha() {
        alpha::divided(samples, channels.count())
    } else {
        samples
    };
    Ok((channels, samples, converted))
}

fn plain(raw: Raw) -> Samples {
    match raw {
        Raw::Eight(samples) => Samples::Eight(samples),
        Raw::Sixteen(samples) => Samples::Sixteen(samples),
    }
}

fn from_ink(raw: Raw, stride: usize, icc: Option<&[u8]>) -> Typed {
    fn first_four<T: Copy>(samples: Vec<T>, stride: usize) -> Vec<T> {
        if stride == 4 {
            return samples;
        }
        samples
            .chunks_exact(stride)
            .flat_map(|pixel| pixel[..4].to_vec())
            .collect()
    }
    match raw {
        Raw::Eight(samples) => {
            let (samples, colour) = colour::cmyk8_to_rgb(first_four(samples, stride), icc);
            (Channels::Rgb, Samples::Eight(samples), Some(colour))
        }
        Raw::Sixteen(samples) => {
            let (samples, colour) = colour::cmyk16_to_rgb(&first_four(samples, stride), icc);
            (Channels::Rgb, Samples::Sixteen(samples), Some(colour))
        }
    }
}

/// Colours of indexes: the table holds all reds, all greens, all blues, in 16 bits.
fn look_up(raw: Raw, table: &[u16]) -> Result<Vec<u8>, PixelError> {
    let Raw::Eight(indexes) = raw else {
        return Err(unsupported("indexes of more than 8 bits"));
    };
    let count = table.len() / 3;
    // The table has 16 bits by definition; some writers fill the lower eight only, others the upper.
    let shift = if table.iter().any(|&value| value > 255) {
        8
    } else {
        0
    };
    let mut out = Vec::with_capacity(indexes.len() * 3);
    for index in indexes {
        let index = usize::from(index);
        if index >= count {
            return Err(PixelError::decode(
                FORMAT,
                "image data",
                format!("index {index} in a table of {count} colours"),
            ));
        }
        out.extend([index, count + index, 2 * count + index].map(|at| (table[at] >> shift) as u8));
    }
    Ok(out)
}
