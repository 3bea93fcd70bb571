//! Land seen from a camera: a height for every place, drawn column by column from near to far.

use crate::canvas::Canvas;
use crate::noise::{blend, smooth};

type Colour = [f32; 3];

/// What is seen: the land, the light on it, and the air between.
pub(crate) struct View<'a> {
    /// Height of the land at a place; the last argument is the detail wanted (octaves).
    pub(crate) height: &'a dyn Fn(f32, f32, u32) -> f32,
    /// Colour of the land at a place of this height, steepness (0 flat, 1 upright) and distance.
    pub(crate) ground: &'a dyn Fn(f32, f32, f32, f32) -> Colour,
    /// Colour of the sky at a column and row of 0 to 1 (row 0 is the top, 1 the horizon).
    pub(crate) sky: &'a dyn Fn(f32, f32) -> Colour,
    /// Colour of distant air.
    pub(crate) haze: Colour,
    /// The distance at which half of the land's colour is lost to the air.
    pub(crate) haze_distance: f32,
    /// Direction to the sun; needs not be of length one.
    pub(crate) sun: [f32; 3],
    pub(crate) sunlight: Colour,
    pub(crate) skylight: Colour,
    /// Height of the camera.
    pub(crate) eye: f32,
    /// Where the horizon lies, from the top, 0 to 1.
    pub(crate) horizon: f32,
    /// Width of the view at distance one.
    pub(crate) angle: f32,
    pub(crate) far: f32,
}

impl View<'_> {
    /// Draws the view twice as large, and halves it.
    pub(crate) fn draw(&self, width: u32, height: u32) -> Canvas {
        let (w, h) = (width * 2, height * 2);
        let horizon = self.horizon * h as f32;
        // The sky has no edges: once is enough.
        let sky = Canvas::new(width, height, |x, y| {
            let row = (y as f32 * 2.0 / horizon).min(1.0);
            (self.sky)(x as f32 / width as f32, row)
        });
        let mut canvas = Canvas::new(w, h, |x, y| sky.at(x / 2, y / 2));
        let focal = w as f32 / self.angle;
        for x in 0..w {
            self.column(&mut canvas, x, horizon, focal);
        }
        canvas.halved()
    }

    fn column(&self, canvas: &mut Canvas, x: u32, horizon: f32, focal: f32) {
        let slope = (x as f32 - canvas.width as f32 / 2.0) / focal;
        let mut lowest = canvas.height;
        let mut distance = 0.6;
        while distance < self.far && lowest > 0 {
            let (px, pz) = (slope * distance, distance);
            // Far away, fine detail is smaller than a pixel.
            let octaves = 9 - (smooth(4.0, self.far, distance) * 4.0) as u32;
            let land = (self.height)(px, pz, octaves);
            let row = horizon - (land - self.eye) / distance * focal;
            if row < lowest as f32 {
                let colour = self.shade(px, pz, land, distance, octaves);
                let from = row.max(0.0) as u32;
                for y in from..lowest {
                    canvas.set(x, y, colour);
                }
                lowest = from;
            }
            distance *= 1.0 + 0.0022 + 0.2 / focal;
        }
    }

    fn shade(&self, px: f32, pz: f32, land: f32, distance: f32, octaves: u32) -> Colour {
        let step = 0.004 * distance.max(1.0);
        let across = (self.height)(px + step, pz, octaves) - land;
        let along = (self.height)(px, pz + step, octaves) - land;
        let length = (across * across + along * along + step * step).sqrt();
        let normal = [-across / length, step / length, -along / length];
        let [sx, sy, sz] = self.sun;
        let sun_length = (sx * sx + sy * sy + sz * sz).sqrt();
        let facing = ((normal[0] * sx + normal[1] * sy + normal[2] * sz) / sun_length).max(0.0);
        let lit = if facing > 0.0 {
            facing * self.sun_seen(px, pz, land, sun_length)
        } else {
            0.0
        };
        let ground = (self.ground)(px, pz, land, 1.0 - normal[1]);
        let sky_seen = 0.45 + 0.55 * normal[1];
        let light: Vec<f32> = (0..3)
            .map(|i| ground[i] * (self.sunlight[i] * lit + self.skylight[i] * sky_seen))
            .collect();
        let ratio = distance / self.haze_distance;
        let air = ratio * ratio / (1.0 + ratio * ratio);
        blend([light[0], light[1], light[2]], self.haze, air)
    }

    /// How much of the sun is seen from a place, 0 to 1: a walk towards it.
    fn sun_seen(&self, px: f32, pz: f32, land: f32, sun_length: f32) -> f32 {
        let [sx, sy, sz] = self.sun.map(|part| part / sun_length);
        let (mut seen, mut walked) = (1.0_f32, 0.05);
        for _ in 0..11 {
            let ray = land + sy * walked;
            let ground = (self.height)(px + sx * walked, pz + sz * walked, 4);
            seen = seen.min(0.5 + 6.0 * (ray - ground) / walked);
            if seen <= 0.0 {
                return 0.0;
            }
            walked *= 1.6;
        }
        seen.clamp(0.0, 1.0)
    }
}
