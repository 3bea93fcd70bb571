//! Brightness and colour apart.

use std::borrow::Cow;

use super::resample::{Axis, Kernel, Resampler};
use super::tokens::Plane;
use super::wide::{Wide, wide};
use super::write;
use crate::encode::Chroma;
use crate::{Channels, Format, Metadata, Orientation, PixelError, Pixels};

/// A picture as JPEG stores it: a plane of brightness (Y) and, unless it is grey, two of colour
/// (Cb, Cr) at their own resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) chroma: Chroma,
    /// One or three.
    pub(super) samples: Vec<Vec<u8>>,
}

/// Size of the planes of colour, where so many pixels across and down share a sample.
pub(super) fn chroma_size(width: u32, height: u32, (h, v): (u32, u32)) -> (u32, u32) {
    (width.div_ceil(h), height.div_ceil(v))
}

impl Planes {
    /// Width in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// Resolution of colour; `None` where there is none.
    pub fn chroma(&self) -> Option<Chroma> {
        (self.samples.len() > 1).then_some(self.chroma)
    }

    /// Planes of 8-bit pixels without alpha; `None` for others.
    pub fn of(pixels: &Pixels, chroma: Chroma) -> Option<Self> {
        let samples = pixels.eight()?;
        let (width, height) = (pixels.width(), pixels.height());
        let planes = match pixels.channels() {
            Channels::Grey => vec![samples.to_vec()],
            Channels::Rgb => {
                let [luma, blue, red] = wide(Split(samples));
                let full = (width, height);
                let (h, v) = chroma.factors();
                if (h, v) == (1, 1) {
                    vec![luma, blue, red]
                } else {
                    vec![
                        luma,
                        averaged(&blue, full, (h, v))?,
                        averaged(&red, full, (h, v))?,
                    ]
                }
            }
            Channels::GreyAlpha | Channels::Rgba => return None,
        };
        Some(Self {
            width,
            height,
            chroma,
            samples: planes,
        })
    }

    /// As pixels; where colour has fewer samples, the pixels between them are blended. `None` where a plane has not the
    /// samples that its size takes.
    pub fn into_pixels(mut self) -> Option<Pixels> {
        let (width, height) = (self.width, self.height);
        if self.samples.len() == 1 {
            return Pixels::from_eight(width, height, Channels::Grey, self.samples.pop()?);
        }
        let [luma, blue, red] = &self.samples[..] else {
            return None;
        };
        let (wide_colour, high_colour) = chroma_size(width, height, self.chroma.factors());
        let colour_samples = wide_colour as usize * high_colour as usize;
        if [blue, red]
            .iter()
            .any(|plane| plane.len() != colour_samples)
        {
            return None;
        }
        let colours = |plane| {
            wide(Spread {
                plane,
                size: (width, height),
                chroma: self.chroma,
            })
        };
        let (blue, red) = (colours(blue), colours(red));
        let mut samples = Vec::with_capacity(luma.len() * 3);
        for ((&luma, &blue), &red) in luma.iter().zip(&*blue).zip(&*red) {
            let luma = f32::from(luma);
            let (blue, red) = (f32::from(blue) - 128.0, f32::from(red) - 128.0);
            // Float to integer casts saturate, which is the clamping that is wanted.
            samples.extend_from_slice(&[
                (luma + 1.402 * red + 0.5) as u8,
                (luma - 0.344_136 * blue - 0.714_136 * red + 0.5) as u8,
                (luma + 1.772 * blue + 0.5) as u8,
            ]);
        }
        Pixels::from_eight(width, height, Channels::Rgb, samples)
    }

    /// Turned upright; colour has to lie as [`super::Jpeg::pictures`] lays it for this orientation.
    #[must_use]
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        if orientation == Orientation::Normal {
            return self;
        }
        let luma = (self.width, self.height);
        let factors = orientation.sides(self.chroma.factors());
        let chroma = chroma_size(self.width, self.height, factors);
        let turn = |(index, plane): (usize, Vec<u8>)| {
            let (width, height) = if index == 0 { luma } else { chroma };
            Pixels::from_eight(width, height, Channels::Grey, plane).map_or_else(
                Vec::new,
                |plane| match orientation.apply(plane).into_samples() {
                    crate::Samples::Eight(samples) => samples,
                    crate::Samples::Sixteen(_) => Vec::new(),
                },
            )
        };
        let samples = self.samples.into_iter().enumerate().map(turn).collect();
        let (width, height) = orientation.sides(luma);
        Self {
            width,
            height,
            samples,
            ..self
        }
    }

    /// Writes a baseline JPEG of one scan, with Huffman tables made for it.
    pub fn jpeg(&self, metadata: &Metadata, quality: u8) -> Result<Vec<u8>, PixelError> {
        let (Ok(width), Ok(height)) = (u16::try_from(self.width), u16::try_from(self.height))
        else {
            return Err(PixelError::encode(
                Format::Jpeg,
                format!(
                    "{} × {} pixels, and a side is at most 65535",
                    self.width, self.height
                ),
            ));
        };
        let (h, v) = self.chroma.factors();
        let small = chroma_size(self.width, self.height, (h, v));
        let colour = self.samples.len() > 1;
        let planes: Vec<Plane<'_>> = self
            .samples
            .iter()
            .enumerate()
            .map(|(index, samples)| {
                let (width, height) = if index == 0 {
                    (self.width, self.height)
                } else {
                    small
                };
                let factor = |factor: u32| {
                    if index == 0 && colour {
                        factor as usize
                    } else {
                        1
                    }
                };
                Plane {
                    samples,
                    width: width as usize,
                    height: height as usize,
                    h: factor(h),
                    v: factor(v),
                }
            })
            .collect();
        Ok(write::write(&planes, (width, height), quality, metadata))
    }
}

/// The means of `h` × `v` samples.
fn averaged(plane: &[u8], (width, height): (u32, u32), (h, v): (u32, u32)) -> Option<Vec<u8>> {
    let axis = |side: u32, factor: u32| Axis {
        source: side as usize,
        target: side.div_ceil(factor) as usize,
        offset: 0.0,
        scale: f64::from(factor),
    };
    let mut resampler = Resampler::new(axis(width, h), axis(height, v), Kernel::Box);
    resampler.push(plane, width as usize, height as usize);
    resampler.finish()
}

/// A plane of colour, with a sample for each pixel.
struct Spread<'a> {
    plane: &'a [u8],
    size: (u32, u32),
    chroma: Chroma,
}

impl<'a> Wide for Spread<'a> {
    type Output = Cow<'a, [u8]>;

    #[inline(always)]
    fn run(self) -> Cow<'a, [u8]> {
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        let (across, down) = self.chroma.factors();
        if (across, down) == (1, 1) {
            return Cow::Borrowed(self.plane);
        }
        let stride = width.div_ceil(across as usize);
        let rows = self.plane.chunks_exact(stride.max(1)).len();
        let mut line = vec![0u16; stride];
        let mut samples = Vec::with_capacity(width * height);
        for y in 0..height {
            let (near, far) = nearest(y, down, rows);
            let row = |at: usize| self.plane.get(at * stride..).unwrap_or_default();
            for ((out, &near), &far) in line.iter_mut().zip(row(near)).zip(row(far)) {
                *out = 3 * u16::from(near) + u16::from(far);
            }
            samples.extend((0..width).map(|x| {
                let (near, far) = nearest(x, across, stride);
                let at = |at: usize| line.get(at).copied().unwrap_or_default();
                ((3 * at(near) + at(far) + 8) >> 4) as u8
            }));
        }
        Cow::Owned(samples)
    }
}

/// The sample that a pixel lies in, and the next one on the pixel's side, which has a quarter of the say. With a sample
/// a pixel both are the same.
#[inline(always)]
fn nearest(pixel: usize, factor: u32, samples: usize) -> (usize, usize) {
    if factor == 1 {
        return (pixel, pixel);
    }
    let near = pixel / 2;
    let far = if pixel.is_multiple_of(2) {
        near.saturating_sub(1)
    } else {
        (near + 1).min(samples.saturating_sub(1))
    };
    (near, far)
}

/// Red, green and blue as brightness and colour (JFIF).
struct Split<'a>(&'a [u8]);

impl Wide for Split<'_> {
    type Output = [Vec<u8>; 3];

    #[inline(always)]
    fn run(self) -> [Vec<u8>; 3] {
        let (pixels, _) = self.0.as_chunks::<3>();
        let mut planes = [(); 3].map(|()| vec![0u8; pixels.len()]);
        let [luma, blue, red] = &mut planes;
        for (((&pixel, luma), blue), red) in pixels.iter().zip(luma).zip(blue).zip(red) {
            [*luma, *blue, *red] = ycbcr(pixel);
        }
        planes
    }
}

/// Red, green and blue as brightness and colour: ITU-R BT.601, full range.
#[inline(always)]
pub(crate) fn ycbcr([r, g, b]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    const MIDDLE: i32 = (128 << 16) + HALF - 1;
    let (r, g, b) = (i32::from(r), i32::from(g), i32::from(b));
    [
        ((19_595 * r + 38_470 * g + 7_471 * b + HALF) >> 16) as u8,
        ((-11_059 * r - 21_709 * g + 32_768 * b + MIDDLE) >> 16) as u8,
        ((32_768 * r - 27_439 * g - 5_329 * b + MIDDLE) >> 16) as u8,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_blended_between_its_samples() {
        let spread = |size, plane| {
            wide(Spread {
                plane,
                size,
                chroma: Chroma::Quarter,
            })
            .into_owned()
        };
        assert_eq!(spread((5, 1), &[0, 64, 128]), [0, 16, 48, 80, 112]);
        assert_eq!(spread((1, 5), &[0, 64, 128]), [0, 16, 48, 80, 112]);
        assert_eq!(
            spread((3, 3), &[0, 128, 128, 0]),
            [0, 32, 96, 32, 48, 80, 96, 80, 48]
        );
    }

    #[test]
    fn planes_of_another_size_are_no_picture() {
        for (luma, colour, whole) in [(12, 4, true), (11, 4, false), (12, 3, false)] {
            let planes = Planes {
                width: 4,
                height: 3,
                chroma: Chroma::Quarter,
                samples: vec![vec![9; luma], vec![128; colour], vec![128; colour]],
            };
            assert_eq!(planes.into_pixels().is_some(), whole);
        }
    }
}
