//! Flat shapes with smooth edges, and text.

use image::{Rgba, RgbaImage};
use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};

/// Red, green, blue, opacity: 0 to 255 as stored.
pub(crate) type Ink = [u8; 4];

pub(crate) const CLEAR: Ink = [0, 0, 0, 0];
pub(crate) const WHITE: Ink = [255, 255, 255, 255];
/// The lamp's red, and the dark around it.
pub(crate) const LAMP: Ink = [226, 56, 45, 255];
pub(crate) const DARK: Ink = [28, 26, 31, 255];

/// A picture from the ink at a place, looked at sixteen times a pixel.
pub(crate) fn paint(width: u32, height: u32, ink: impl Fn(f32, f32) -> Ink) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let mut sum = [0.0_f32; 4];
        for step in 0..16_u32 {
            let (dx, dy) = ((step % 4) as f32, (step / 4) as f32);
            let [r, g, b, a] =
                ink(x as f32 + (dx + 0.5) / 4.0, y as f32 + (dy + 0.5) / 4.0).map(f32::from);
            // Weighted by opacity: what is clear has no colour.
            sum = [sum[0] + r * a, sum[1] + g * a, sum[2] + b * a, sum[3] + a];
        }
        if sum[3] == 0.0 {
            return Rgba(CLEAR);
        }
        let part = |sum_of: f32| (sum_of / sum[3] + 0.5) as u8;
        Rgba([
            part(sum[0]),
            part(sum[1]),
            part(sum[2]),
            (sum[3] / 16.0 + 0.5) as u8,
        ])
    })
}

/// Lays ink over a pixel.
pub(crate) fn lay(picture: &mut RgbaImage, x: u32, y: u32, ink: Ink, opacity: f32) {
    if x >= picture.width() || y >= picture.height() || opacity <= 0.0 {
        return;
    }
    let Rgba(under) = *picture.get_pixel(x, y);
    let mut mixed = [0; 4];
    for (part, (from, to)) in mixed.iter_mut().zip(under.into_iter().zip(ink)) {
        *part = (f32::from(from) + (f32::from(to) - f32::from(from)) * opacity + 0.5) as u8;
    }
    picture.put_pixel(x, y, Rgba(mixed));
}

/// Whether a place is in a rectangle with rounded corners.
pub(crate) fn in_rounded(x: f32, y: f32, rect: [f32; 4], radius: f32) -> bool {
    let [left, top, right, bottom] = rect;
    let dx = (left + radius - x).max(x - (right - radius)).max(0.0);
    let dy = (top + radius - y).max(y - (bottom - radius)).max(0.0);
    dx * dx + dy * dy <= radius * radius
}

/// How letters look.
#[derive(Clone, Copy)]
pub(crate) struct Face {
    pub(crate) size: RasterHeight,
    pub(crate) weight: FontWeight,
    pub(crate) ink: Ink,
}

impl Face {
    pub(crate) const fn regular(size: RasterHeight, ink: Ink) -> Self {
        Self {
            size,
            weight: FontWeight::Regular,
            ink,
        }
    }

    pub(crate) const fn bold(size: RasterHeight, ink: Ink) -> Self {
        Self {
            size,
            weight: FontWeight::Bold,
            ink,
        }
    }

    /// Width of a text in pixels.
    pub(crate) fn width(self, text: &str) -> u32 {
        (get_raster_width(self.weight, self.size) * text.chars().count()) as u32
    }
}

/// Writes one line with its upper left corner at a place.
pub(crate) fn write(picture: &mut RgbaImage, x: u32, y: u32, face: Face, text: &str) {
    let advance = get_raster_width(face.weight, face.size) as u32;
    for (index, letter) in (0_u32..).zip(text.chars()) {
        let Some(raster) = get_raster(letter, face.weight, face.size) else {
            continue;
        };
        for (row, line) in (0_u32..).zip(raster.rows()) {
            for (column, value) in (0_u32..).zip(line.iter()) {
                let opacity = f32::from(*value) / 255.0;
                lay(
                    picture,
                    x + index * advance + column,
                    y + row,
                    face.ink,
                    opacity,
                );
            }
        }
    }
}
