//! Brightness and colour apart.

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

/// Size of the planes of colour.
pub(super) fn chroma_size(width: u32, height: u32, chroma: Chroma) -> (u32, u32) {
    let (h, v) = chroma.factors();
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

    /// As pixels; only with colour at full resolution or none (else `None`).
    pub fn into_pixels(mut self) -> Option<Pixels> {
        let (width, height) = (self.width, self.height);
        if self.samples.len() == 1 {
            return Pixels::from_eight(width, height, Channels::Grey, self.samples.pop()?);
        }
        let [luma, blue, red] = &self.samples[..] else {
            return None;
        };
        if self.chroma != Chroma::Full {
            return None;
        }
        let mut samples = Vec::with_capacity(luma.len() * 3);
        for ((&luma, &blue), &red) in luma.iter().zip(blue).zip(red) {
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
        let chroma = chroma_size(self.width, self.height, self.chroma);
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
        let (width, height) = if orientation.swaps_sides() {
            (self.height, self.width)
        } else {
            luma
        };
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
        let small = chroma_size(self.width, self.height, self.chroma);
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
