//! Resizing.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U16};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};

use crate::{Channels, Format, PixelError, Pixels, Samples};

/// The kernel of a resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filter {
    /// Sharp; for pictures that people look at.
    Lanczos3,
    /// The mean of the covered pixels; for measurements.
    Box,
}

/// A part of a picture, in pixels; its sides may lie between pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// From the left.
    pub left: f64,
    /// From the top.
    pub top: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Area {
    /// All of a picture of this size.
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            left: 0.0,
            top: 0.0,
            width: f64::from(width),
            height: f64::from(height),
        }
    }

    /// The same along the other diagonal: sides change places.
    #[must_use]
    pub const fn transposed(self) -> Self {
        Self {
            left: self.top,
            top: self.left,
            width: self.height,
            height: self.width,
        }
    }
}

/// Half a side, rounded half up, at least one pixel: 5 becomes 3, 1 stays 1.
pub const fn half(side: u32) -> u32 {
    side.div_ceil(2)
}

/// Resizes to exactly `width` × `height` pixels. Colours are weighted by alpha (premultiplied for
/// the convolution, divided after it), so that transparent pixels do not bleed.
pub fn resize(
    pixels: &Pixels,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Pixels, PixelError> {
    resize_area(
        pixels,
        Area::whole(pixels.width(), pixels.height()),
        width,
        height,
        filter,
    )
}

/// The same of a part of the picture.
pub fn resize_area(
    pixels: &Pixels,
    area: Area,
    width: u32,
    height: u32,
    filter: Filter,
) -> Result<Pixels, PixelError> {
    let whole = Area::whole(pixels.width(), pixels.height());
    if area == whole && (pixels.width(), pixels.height()) == (width, height) {
        return Ok(pixels.clone());
    }
    // The only inputs are our own pixels: what fails here is a fault of the product.
    let fail = |cause: &dyn std::fmt::Display| PixelError::EncodeFailed {
        format: Format::Bmp,
        cause: format!("resize to {width} × {height}: {cause}"),
    };
    let options = ResizeOptions::new()
        .resize_alg(ResizeAlg::Convolution(match filter {
            Filter::Lanczos3 => FilterType::Lanczos3,
            Filter::Box => FilterType::Box,
        }))
        .crop(area.left, area.top, area.width, area.height);
    let mut job = Job {
        source: (pixels.width(), pixels.height()),
        target: (width, height),
        channels: pixels.channels(),
        options,
        resizer: Resizer::new(),
    };
    match pixels.samples() {
        Samples::Eight(samples) => job
            .run::<u8, U8>(samples)
            .map(|samples| Pixels::from_eight(width, height, pixels.channels(), samples)),
        Samples::Sixteen(samples) => job.run::<u16, U16>(samples).map(|samples| {
            Pixels::new(width, height, pixels.channels(), Samples::Sixteen(samples))
        }),
    }
    .map_err(|error| fail(&error))?
    .ok_or_else(|| fail(&"a side is zero"))
}

/// One channel after the other: so two kinds of pixels are compiled and not thirteen, which were most
/// of this crate's code, and of the picture no more than a channel is there twice.
struct Job {
    source: (u32, u32),
    target: (u32, u32),
    channels: Channels,
    options: ResizeOptions,
    resizer: Resizer,
}

impl Job {
    fn run<T: Sample, P: PixelTrait>(&mut self, samples: &[T]) -> Result<Vec<T>, String> {
        let count = self.channels.count();
        let mut out = vec![T::default(); self.target.0 as usize * self.target.1 as usize * count];
        let alpha = if self.channels.has_alpha() {
            let channel = samples.iter().skip(count - 1).step_by(count).copied();
            let alpha = self.channel::<T, P>(&channel.collect::<Vec<_>>())?;
            put(&mut out, count - 1, count, &alpha);
            Some(alpha)
        } else {
            None
        };
        for at in 0..count - usize::from(alpha.is_some()) {
            let pixels = samples.chunks_exact(count);
            let channel: Vec<T> = match alpha {
                Some(_) => pixels
                    .map(|pixel| pixel[at].times(pixel[count - 1]))
                    .collect(),
                None => pixels.map(|pixel| pixel[at]).collect(),
            };
            let mut small = self.channel::<T, P>(&channel)?;
            if let Some(alpha) = &alpha {
                for (value, alpha) in small.iter_mut().zip(alpha) {
                    *value = value.over(*alpha);
                }
            }
            put(&mut out, at, count, &small);
        }
        Ok(out)
    }

    fn channel<T: Sample, P: PixelTrait>(&mut self, channel: &[T]) -> Result<Vec<T>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let (width, height) = self.target;
        let mut out = vec![T::default(); width as usize * height as usize];
        let source = TypedImageRef::<P>::from_buffer(
            self.source.0,
            self.source.1,
            bytemuck::cast_slice(channel),
        )
        .map_err(|error| text(&error))?;
        let mut target =
            TypedImage::<P>::from_buffer(width, height, bytemuck::cast_slice_mut(&mut out))
                .map_err(|error| text(&error))?;
        self.resizer
            .resize_typed(&source, &mut target, &self.options)
            .map_err(|error| text(&error))?;
        Ok(out)
    }
}

/// Writes a channel between the others.
fn put<T: Copy>(out: &mut [T], at: usize, count: usize, channel: &[T]) {
    for (pixel, value) in out.chunks_exact_mut(count).zip(channel) {
        pixel[at] = *value;
    }
}

/// Arithmetic with alpha, rounded to nearest.
trait Sample: bytemuck::Pod + Default {
    /// Weighted by alpha.
    fn times(self, alpha: Self) -> Self;
    /// The other way; of nothing, nothing.
    fn over(self, alpha: Self) -> Self;
}

impl Sample for u8 {
    fn times(self, alpha: Self) -> Self {
        ((u32::from(self) * u32::from(alpha) + 127) / 255) as Self
    }

    fn over(self, alpha: Self) -> Self {
        let (value, alpha) = (u32::from(self), u32::from(alpha));
        let whole = (value * 255 + alpha / 2).checked_div(alpha);
        whole.map_or(0, |value| value.min(255) as Self)
    }
}

impl Sample for u16 {
    fn times(self, alpha: Self) -> Self {
        ((u64::from(self) * u64::from(alpha) + 32_767) / 65_535) as Self
    }

    fn over(self, alpha: Self) -> Self {
        let (value, alpha) = (u64::from(self), u64::from(alpha));
        let whole = (value * 65_535 + alpha / 2).checked_div(alpha);
        whole.map_or(0, |value| value.min(65_535) as Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_rounds_up_and_never_vanishes() {
        assert_eq!([1, 2, 3, 4, 5].map(half), [1, 1, 2, 2, 3]);
    }

    #[test]
    fn transparent_pixels_do_not_bleed() {
        // Opaque red on the left, transparent green on the right.
        let samples: Vec<u8> = (0..64)
            .flat_map(|at| {
                if at % 8 < 4 {
                    [255, 0, 0, 255]
                } else {
                    [0, 255, 0, 0]
                }
            })
            .collect();
        let pixels = Pixels::from_eight(8, 8, Channels::Rgba, samples).unwrap();
        let small = resize(&pixels, 3, 3, Filter::Lanczos3).unwrap();
        for pixel in small.eight().unwrap().chunks_exact(4) {
            assert!(pixel[3] == 0 || pixel[1] == 0, "green bled: {pixel:?}");
        }
    }

    #[test]
    fn sixteen_bits_stay_sixteen() {
        let pixels = Pixels::new(4, 4, Channels::Rgb, Samples::Sixteen(vec![40_001; 48])).unwrap();
        let small = resize(&pixels, 2, 2, Filter::Lanczos3).unwrap();
        assert_eq!(small.samples(), &Samples::Sixteen(vec![40_001; 12]));
    }
}
