//! Resizing.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

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
    let algorithm = ResizeAlg::Convolution(match filter {
        Filter::Lanczos3 => FilterType::Lanczos3,
        Filter::Box => FilterType::Box,
    });
    let options = ResizeOptions::new()
        .resize_alg(algorithm)
        .use_alpha(true)
        .crop(area.left, area.top, area.width, area.height);
    let channels = pixels.channels();
    let count = channels.count();
    match pixels.samples() {
        Samples::Eight(samples) => {
            let kind = match channels {
                Channels::Grey => PixelType::U8,
                Channels::GreyAlpha => PixelType::U8x2,
                Channels::Rgb => PixelType::U8x3,
                Channels::Rgba => PixelType::U8x4,
            };
            let source = ImageRef::new(pixels.width(), pixels.height(), samples, kind)
                .map_err(|error| fail(&error))?;
            let mut out = vec![0u8; width as usize * height as usize * count];
            let mut target = Image::from_slice_u8(width, height, &mut out, kind)
                .map_err(|error| fail(&error))?;
            Resizer::new()
                .resize(&source, &mut target, &options)
                .map_err(|error| fail(&error))?;
            Pixels::from_eight(width, height, channels, out)
        }
        Samples::Sixteen(samples) => {
            let kind = match channels {
                Channels::Grey => PixelType::U16,
                Channels::GreyAlpha => PixelType::U16x2,
                Channels::Rgb => PixelType::U16x3,
                Channels::Rgba => PixelType::U16x4,
            };
            let source = ImageRef::new(
                pixels.width(),
                pixels.height(),
                bytemuck::cast_slice(samples),
                kind,
            )
            .map_err(|error| fail(&error))?;
            let mut out = vec![0u16; width as usize * height as usize * count];
            let mut target =
                Image::from_slice_u8(width, height, bytemuck::cast_slice_mut(&mut out), kind)
                    .map_err(|error| fail(&error))?;
            Resizer::new()
                .resize(&source, &mut target, &options)
                .map_err(|error| fail(&error))?;
            Pixels::new(width, height, channels, Samples::Sixteen(out))
        }
    }
    .ok_or_else(|| fail(&"a side is zero"))
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
