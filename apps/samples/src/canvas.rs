//! A picture in linear light, and what a camera makes of it.

use image::{Rgb, RgbImage};

use crate::noise::{blend, hash, mix};

/// Linear red, green and blue; 1 is white, and the sun is more.
pub(crate) struct Canvas {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pixels: Vec<[f32; 3]>,
}

impl Canvas {
    /// Every pixel from its column and row.
    pub(crate) fn new(width: u32, height: u32, colour: impl Fn(u32, u32) -> [f32; 3]) -> Self {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .map(|(x, y)| colour(x, y))
            .collect();
        Self {
            width,
            height,
            pixels,
        }
    }

    fn index(&self, x: u32, y: u32) -> usize {
        (y.min(self.height - 1) * self.width + x.min(self.width - 1)) as usize
    }

    pub(crate) fn at(&self, x: u32, y: u32) -> [f32; 3] {
        self.pixels[self.index(x, y)]
    }

    pub(crate) fn set(&mut self, x: u32, y: u32, colour: [f32; 3]) {
        let index = self.index(x, y);
        self.pixels[index] = colour;
    }

    /// Lays a colour over a pixel.
    pub(crate) fn over(&mut self, x: u32, y: u32, colour: [f32; 3], opacity: f32) {
        let under = self.at(x, y);
        self.set(x, y, blend(under, colour, opacity));
    }

    /// Adds light to a pixel.
    pub(crate) fn light(&mut self, x: u32, y: u32, colour: [f32; 3], strength: f32) {
        let [r, g, b] = self.at(x, y);
        let [lr, lg, lb] = colour;
        self.set(
            x,
            y,
            [r + lr * strength, g + lg * strength, b + lb * strength],
        );
    }

    /// The colour between pixels.
    pub(crate) fn sample(&self, x: f32, y: f32) -> [f32; 3] {
        let (x, y) = (x.max(0.0), y.max(0.0));
        let (left, top) = (x.floor() as u32, y.floor() as u32);
        let (u, v) = (x - x.floor(), y - y.floor());
        let above = blend(self.at(left, top), self.at(left + 1, top), u);
        let below = blend(self.at(left, top + 1), self.at(left + 1, top + 1), u);
        blend(above, below, v)
    }

    /// Half the size: drawing twice as large and halving smooths the edges.
    pub(crate) fn halved(&self) -> Self {
        Self::new(self.width / 2, self.height / 2, |x, y| {
            let above = blend(self.at(2 * x, 2 * y), self.at(2 * x + 1, 2 * y), 0.5);
            let below = blend(
                self.at(2 * x, 2 * y + 1),
                self.at(2 * x + 1, 2 * y + 1),
                0.5,
            );
            blend(above, below, 0.5)
        })
    }

    /// Three passes of a box in both directions, which is nearly a Gaussian.
    pub(crate) fn blurred(&self, radius: u32) -> Self {
        let mut canvas = Self::new(self.width, self.height, |x, y| self.at(x, y));
        for _ in 0..3 {
            canvas = canvas.box_blurred_rows(radius);
            canvas = canvas.transposed().box_blurred_rows(radius).transposed();
        }
        canvas
    }

    fn transposed(&self) -> Self {
        Self::new(self.height, self.width, |x, y| self.at(y, x))
    }

    fn box_blurred_rows(&self, radius: u32) -> Self {
        let mut blurred = Self::new(self.width, self.height, |_, _| [0.0; 3]);
        let share = 1.0 / (2 * radius + 1) as f32;
        for y in 0..self.height {
            let at = |x: i64| self.at(x.clamp(0, i64::from(self.width) - 1) as u32, y);
            for channel in 0..3 {
                let radius = i64::from(radius);
                // Doubles, so that what is added is what is taken away.
                let mut sum: f64 = (-radius..=radius).map(|x| f64::from(at(x)[channel])).sum();
                for x in 0..self.width {
                    let index = blurred.index(x, y);
                    blurred.pixels[index][channel] = sum as f32 * share;
                    let x = i64::from(x);
                    sum +=
                        f64::from(at(x + radius + 1)[channel]) - f64::from(at(x - radius)[channel]);
                }
            }
        }
        blurred
    }

    /// What a camera stores: exposure, a film's curve, darker corners, grain, eight bits.
    pub(crate) fn photographed(&self, camera: &Camera) -> RgbImage {
        let (w, h) = (self.width as f32, self.height as f32);
        RgbImage::from_fn(self.width, self.height, |x, y| {
            let (dx, dy) = (x as f32 / w - 0.5, y as f32 / h - 0.5);
            let exposure = camera.exposure * (1.0 - camera.vignette * (dx * dx + dy * dy));
            let grain = |channel: u32| {
                let fine = hash(x as i32, y as i32, camera.seed + channel) - 0.5;
                let coarse = hash(x as i32 / 2, y as i32 / 2, camera.seed + 7 + channel) - 0.5;
                fine * 0.6 + coarse * 0.4
            };
            let luma_grain = grain(0);
            let mut channel = 0;
            Rgb(self.at(x, y).map(|light| {
                channel += 1;
                let encoded = encode(film(light * exposure));
                let noise = luma_grain * 0.75 + grain(channel) * 0.25;
                // Grain shows most in the middle tones.
                let shown =
                    encoded + noise * camera.grain * (0.4 + encoded * (1.0 - encoded) * 2.4);
                (shown.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
            }))
        })
    }
}

/// How a scene is taken.
pub(crate) struct Camera {
    pub(crate) exposure: f32,
    /// How much darker the corners are; 0 is not at all.
    pub(crate) vignette: f32,
    /// Strength of the grain; 0.05 shows well.
    pub(crate) grain: f32,
    pub(crate) seed: u32,
}

/// A film's S curve (a rational fit of the ACES tone curve): lights roll off instead of clipping.
fn film(x: f32) -> f32 {
    (x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)).clamp(0.0, 1.0)
}

/// sRGB's curve by square roots only, which every machine computes alike.
pub(crate) fn encode(linear: f32) -> f32 {
    if linear <= 0.003_130_8 {
        return linear * 12.92;
    }
    let a = linear.sqrt();
    let b = a.sqrt();
    let c = b.sqrt();
    mix(
        0.0,
        1.0,
        0.585_122_4 * a + 0.783_140_35 * b - 0.368_262_74 * c,
    )
}
