//! Photograph-like scenes.

use image::RgbImage;

use crate::canvas::{Camera, Canvas};
use crate::noise::{blend, fbm, hash, mix, perlin, ridged, smooth};
use crate::terrain::View;

type Colour = [f32; 3];

/// Clouds of a layer seen in perspective: how much of the sky they cover at a place, 0 to 1.
fn clouds(column: f32, row: f32, cover: f32, seed: u32) -> f32 {
    let up = (1.0 - row).max(0.0) + 0.06;
    let (u, v) = ((column - 0.5) / up * 1.6, 1.0 / up);
    let bend = fbm(u * 0.7 + 3.1, v * 0.7, 3, seed + 50);
    let density = fbm(u + bend * 0.9, v * 1.1 + bend * 0.6, 7, seed);
    smooth(0.12 - cover, 0.58 - cover, density) * smooth(0.0, 0.05, 1.0 - row)
}

/// A sky from zenith to horizon with the sun's glow and clouds lit by it.
struct Sky {
    zenith: Colour,
    horizon: Colour,
    glow: Colour,
    /// Column and row of the sun, and the size of its glow.
    sun: (f32, f32, f32),
    cloud_light: Colour,
    cloud_shade: Colour,
    cover: f32,
    seed: u32,
}

impl Sky {
    fn at(&self, column: f32, row: f32) -> Colour {
        let fall = row * row * (1.4 - 0.4 * row);
        let mut colour = blend(self.zenith, self.horizon, fall.min(1.0));
        let (sun_x, sun_y, size) = self.sun;
        let (dx, dy) = ((column - sun_x) * 1.5, row - sun_y);
        let near = (dx * dx + dy * dy) / (size * size);
        let glow = 1.0 / (1.0 + near) + 0.5 / (1.0 + near * 30.0);
        for (part, light) in colour.iter_mut().zip(self.glow) {
            *part += light * glow;
        }
        let cover = clouds(column, row, self.cover, self.seed);
        // Thinner towards the sun is lighter: a second look, a step nearer to it.
        let nearer = clouds(
            mix(column, sun_x, 0.06),
            mix(row, sun_y, 0.06),
            self.cover,
            self.seed,
        );
        let lit = (0.55 + (cover - nearer) * 1.6 + glow * 0.25).clamp(0.0, 1.0);
        let cloud = blend(self.cloud_shade, self.cloud_light, lit);
        blend(colour, cloud, cover * 0.92)
    }
}

/// Mirrors what is above `shore` (a row, 0 to 1) in water below it.
fn flood(canvas: &mut Canvas, shore: f32, tint: Colour, calm: f32, seed: u32) {
    let (w, h) = (canvas.width as f32, canvas.height as f32);
    let first = (shore * h) as u32;
    for y in first..canvas.height {
        let depth = (y - first) as f32 / (h - shore * h);
        for x in 0..canvas.width {
            // Waves are seen flatter the farther they are.
            let near = depth + 0.03;
            let (u, v) = ((x as f32 / w - 0.5) / near, 1.0 / near);
            let wave = fbm(u * 5.0, v * 14.0, 4, seed) + 0.5 * perlin(u * 1.3, v * 3.0, seed + 9);
            let strength = (1.0 - calm) * (0.02 + depth * 0.16);
            let mirrored = 2.0 * shore * h - y as f32 + wave * strength * h;
            let column = x as f32 + wave * strength * w * 0.12;
            let seen = canvas.sample(column, mirrored.clamp(0.0, shore * h - 1.0));
            // Steep looks see into the water, flat ones its mirror.
            let mirror = 0.9 - 0.5 * depth * depth;
            canvas.set(x, y, blend(tint, seen, mirror.clamp(0.2, 0.95)));
        }
    }
}

/// Mountains before sunrise behind a lake.
pub(crate) fn lake_at_dawn(width: u32, height: u32) -> RgbImage {
    let sky = Sky {
        zenith: [0.10, 0.17, 0.36],
        horizon: [0.85, 0.52, 0.36],
        glow: [0.75, 0.36, 0.12],
        sun: (0.69, 0.97, 0.22),
        cloud_light: [1.25, 0.66, 0.46],
        cloud_shade: [0.30, 0.26, 0.38],
        cover: 0.06,
        seed: 11,
    };
    let land = |x: f32, z: f32, octaves: u32| {
        let valley = smooth(5.0, 16.0, z) + 0.25 * smooth(1.5, 4.0, x.abs() - z * 0.12);
        ridged(x * 0.13 + 4.2, z * 0.13 + 1.7, octaves, 3) * 4.6 * valley - 0.9
    };
    let ground = |x: f32, z: f32, height: f32, steep: f32| {
        let rough = fbm(x * 3.0, z * 3.0, 4, 21);
        let rock = blend([0.17, 0.15, 0.15], [0.30, 0.26, 0.25], rough + 0.5);
        let snow = smooth(1.0, 1.9, height + rough * 0.5) * smooth(0.62, 0.3, steep);
        let wood = smooth(0.75, 0.3, height + rough * 0.3);
        blend(
            blend(rock, [0.035, 0.05, 0.04], wood),
            [0.85, 0.85, 0.9],
            snow,
        )
    };
    let view = View {
        height: &land,
        ground: &ground,
        sky: &|column, row| sky.at(column, row),
        haze: [0.62, 0.44, 0.44],
        haze_distance: 30.0,
        sun: [0.75, 0.32, 0.35],
        sunlight: [2.4, 1.35, 0.8],
        skylight: [0.30, 0.34, 0.52],
        eye: 0.35,
        horizon: 0.56,
        angle: 1.25,
        far: 60.0,
    };
    let mut canvas = view.draw(width, height);
    flood(&mut canvas, 0.575, [0.02, 0.05, 0.07], 0.72, 5);
    canvas.photographed(&Camera {
        exposure: 0.82,
        vignette: 0.7,
        grain: 0.030,
        seed: 1,
    })
}

/// Ranges of hills in [`misty_forest`].
const RANGES: u32 = 7;

/// Ranges of spruce, one behind the other in the fog.
pub(crate) fn misty_forest(width: u32, height: u32) -> RgbImage {
    let (w, h) = (width as f32 * 2.0, height as f32 * 2.0);
    let top: Colour = [0.62, 0.68, 0.74];
    let low: Colour = [0.88, 0.84, 0.78];
    let mut canvas = Canvas::new(width * 2, height * 2, |x, y| {
        let row = y as f32 / h;
        let veil = fbm(x as f32 / w * 2.0, row * 5.0, 5, 40) * 0.08;
        let light = blend(top, low, smooth(0.0, 0.5, row));
        light.map(|part| part + veil)
    });
    for range in 0..RANGES {
        let near = range as f32 / (RANGES - 1) as f32;
        let base = mix(0.27, 0.93, near * (0.55 + 0.45 * near));
        let seed = 100 + range * 10;
        let size = mix(0.012, 0.15, near * near);
        let dark = blend([0.50, 0.58, 0.63], [0.010, 0.024, 0.022], near.sqrt());
        let skyline = |x: f32| {
            let hill = fbm(x * mix(2.2, 1.2, near) + range as f32 * 3.7, 0.5, 5, seed);
            base - hill * mix(0.16, 0.10, near)
        };
        let skyline: Vec<f32> = (0..=canvas.width).map(|x| skyline(x as f32 / w)).collect();
        let at = |x: f32| {
            let x = (x * h).max(0.0) as usize;
            skyline[x.min(skyline.len() - 1)]
        };
        let trees = Trees::planted(size, w / h, seed);
        for x in 0..canvas.width {
            let column = x as f32 / w;
            let ground = skyline[x as usize];
            for y in ((ground - size * 1.4).max(0.0) * h) as u32..canvas.height {
                let row = y as f32 / h;
                let covered = if row > ground {
                    1.0
                } else {
                    trees.cover(x as f32 / h, row, &at)
                };
                if covered > 0.0 {
                    // Fog lies in the valleys, between this range and the one before it.
                    let below = smooth(0.0, mix(0.20, 0.42, near), row - ground);
                    let drift = fbm(column * 3.0, row * 9.0, 4, seed + 5) * 0.35;
                    let fog = (below * 0.9 + drift * below).clamp(0.0, 1.0) * (1.0 - near * 0.75);
                    let grainy = perlin(column * 900.0, row * 700.0, seed + 6) * 0.02 * near;
                    let colour = blend(dark, low, fog).map(|part| (part + grainy).max(0.004));
                    canvas.over(x, y, colour, covered);
                }
            }
        }
    }
    canvas.halved().photographed(&Camera {
        exposure: 0.72,
        vignette: 0.6,
        grain: 0.040,
        seed: 2,
    })
}

/// Spruces of one range, in units of the picture's height.
struct Trees {
    spacing: f32,
    size: f32,
    count: i32,
    seed: u32,
}

impl Trees {
    fn planted(size: f32, across: f32, seed: u32) -> Self {
        let spacing = size * 0.15;
        Self {
            spacing,
            size,
            count: (across / spacing) as i32 + 4,
            seed,
        }
    }

    /// Whether a place is inside a tree that grows on the skyline.
    fn cover(&self, x: f32, row: f32, skyline: &dyn Fn(f32) -> f32) -> f32 {
        let here = (x / self.spacing) as i32;
        for tree in (here - 3).max(-2)..=(here + 3).min(self.count) {
            let chance = |which: u32| hash(tree, which as i32, self.seed);
            let foot = (tree as f32 + chance(0)) * self.spacing;
            let tall = self.size * (0.45 + 0.75 * chance(1) * chance(2));
            let up = (skyline(foot) + self.size * 0.08 - row) / tall;
            if !(0.0..1.0).contains(&up) {
                continue;
            }
            // Boughs: a saw along the trunk, ragged on each side.
            let side = i32::from(x >= foot);
            let tier = up * (9.0 + 5.0 * chance(3));
            let bough = tier - tier.floor();
            let ragged = hash(tree * 64 + tier as i32, side, self.seed + 1);
            let half = (1.0 - up) * (0.55 + 0.45 * (1.0 - bough)) * (0.75 + 0.4 * ragged);
            if (x - foot).abs() < half * tall * 0.17 + self.size * 0.004 {
                return 1.0;
            }
        }
        0.0
    }
}

/// Sand and its shadows in the evening.
pub(crate) fn dunes(width: u32, height: u32) -> RgbImage {
    let sky = Sky {
        zenith: [0.16, 0.32, 0.62],
        horizon: [0.80, 0.72, 0.66],
        glow: [0.25, 0.16, 0.08],
        sun: (0.05, 0.9, 0.35),
        cloud_light: [1.0, 0.92, 0.86],
        cloud_shade: [0.62, 0.60, 0.66],
        cover: -0.12,
        seed: 77,
    };
    let land = |x: f32, z: f32, octaves: u32| {
        let bend = perlin(x * 0.16, z * 0.12, 8) * 1.5;
        let phase = x * 0.24 + z * 0.13 + bend;
        let cell = phase - phase.floor();
        // A slow rise against the wind, a sharp crest, a short fall.
        let dune = if cell < 0.72 {
            smooth(-0.25, 0.78, cell)
        } else {
            smooth(1.02, 0.70, cell)
        };
        let swell = fbm(x * 0.06 + 9.0, z * 0.06, 3, 12) + 0.45;
        let ripple = if octaves > 7 {
            perlin(x * 3.0 + bend * 4.0, z * 9.0, 4) * 0.006
        } else {
            0.0
        };
        dune * swell * 2.3 + ripple - 0.6
    };
    let ground = |x: f32, z: f32, _height: f32, steep: f32| {
        let tone = fbm(x * 0.7, z * 0.7, 4, 31) * 0.08;
        let fine = (hash((x * 400.0) as i32, (z * 400.0) as i32, 9) - 0.5) * 0.05;
        let sand = blend([0.62, 0.36, 0.18], [0.50, 0.27, 0.13], steep * 2.0);
        sand.map(|part| part * (1.0 + tone * 2.0 + fine))
    };
    let view = View {
        height: &land,
        ground: &ground,
        sky: &|column, row| sky.at(column, row),
        haze: [0.78, 0.64, 0.54],
        haze_distance: 42.0,
        sun: [-0.9, 0.34, 0.18],
        sunlight: [2.5, 2.0, 1.5],
        skylight: [0.28, 0.33, 0.46],
        eye: 2.6,
        horizon: 0.36,
        angle: 1.1,
        far: 70.0,
    };
    view.draw(width, height).photographed(&Camera {
        exposure: 0.80,
        vignette: 0.5,
        grain: 0.028,
        seed: 3,
    })
}

/// A green valley under the mountains on a bright day.
pub(crate) fn alpine_valley(width: u32, height: u32) -> RgbImage {
    let sky = Sky {
        zenith: [0.09, 0.26, 0.68],
        horizon: [0.58, 0.72, 0.88],
        glow: [0.10, 0.10, 0.10],
        sun: (0.2, 0.1, 0.4),
        cloud_light: [1.35, 1.35, 1.35],
        cloud_shade: [0.52, 0.57, 0.66],
        cover: 0.07,
        seed: 5,
    };
    let land = |x: f32, z: f32, octaves: u32| {
        let away = smooth(7.0, 22.0, z);
        let sides = smooth(0.5, 6.0, (x + 0.6).abs() - z * 0.05);
        let mountain = ridged(x * 0.10 + 11.0, z * 0.10 + 2.0, octaves, 60) * 6.2;
        let meadow = fbm(x * 0.35, z * 0.35, octaves.min(6), 70) * 0.5;
        meadow * (1.0 - away * 0.5) + mountain * away * (0.45 + 0.55 * sides) - 0.4
    };
    let ground = |x: f32, z: f32, height: f32, steep: f32| {
        let rough = fbm(x * 2.6, z * 2.6, 5, 81);
        let blades = hash((x * 260.0) as i32, (z * 90.0) as i32, 3) - 0.5;
        let flowers = smooth(0.972, 0.985, hash((x * 70.0) as i32, (z * 26.0) as i32, 4))
            * smooth(6.0, 2.0, z);
        let grass = blend([0.035, 0.075, 0.014], [0.115, 0.13, 0.036], rough + 0.5)
            .map(|part| part * (1.0 + blades * 0.5));
        let grass = blend(grass, [0.85, 0.72, 0.12], flowers);
        let wood = blend([0.018, 0.05, 0.02], [0.04, 0.085, 0.03], rough + 0.5);
        let trees = smooth(0.02, 0.16, fbm(x * 0.9, z * 0.9, 6, 90)) * smooth(5.0, 9.0, z);
        let rock = blend([0.24, 0.23, 0.22], [0.40, 0.38, 0.36], rough + 0.5);
        let green = blend(grass, wood, trees);
        let bare = smooth(1.2, 2.1, height + rough * 0.9).max(smooth(0.45, 0.7, steep));
        let snow = smooth(2.5, 3.2, height + rough) * smooth(0.65, 0.35, steep);
        blend(blend(green, rock, bare), [0.92, 0.93, 0.97], snow)
    };
    let view = View {
        height: &land,
        ground: &ground,
        sky: &|column, row| sky.at(column, row),
        haze: [0.50, 0.63, 0.82],
        haze_distance: 48.0,
        sun: [-0.7, 0.75, -0.35],
        sunlight: [2.3, 2.15, 1.9],
        skylight: [0.30, 0.40, 0.58],
        eye: 1.0,
        horizon: 0.52,
        angle: 1.25,
        far: 70.0,
    };
    view.draw(width, height).photographed(&Camera {
        exposure: 0.72,
        vignette: 0.45,
        grain: 0.026,
        seed: 4,
    })
}

/// The sun over the open sea.
pub(crate) fn sunset_at_sea(width: u32, height: u32) -> RgbImage {
    let sky = Sky {
        zenith: [0.07, 0.09, 0.24],
        horizon: [0.95, 0.42, 0.18],
        glow: [1.3, 0.55, 0.14],
        sun: (0.42, 0.90, 0.16),
        cloud_light: [1.5, 0.55, 0.26],
        cloud_shade: [0.20, 0.13, 0.19],
        cover: 0.10,
        seed: 23,
    };
    let shore = 0.58;
    let mut canvas = Canvas::new(width, height, |x, y| {
        let column = x as f32 / width as f32;
        let row = y as f32 / height as f32 / shore;
        let mut colour = sky.at(column, row.min(1.0));
        let (dx, dy) = ((column - 0.42) * 1.5, (row - 0.90) * shore);
        let disc = smooth(0.0011, 0.0008, dx * dx + dy * dy);
        colour = blend(colour, [7.0, 4.2, 1.6], disc);
        colour
    });
    flood(&mut canvas, shore, [0.012, 0.025, 0.05], 0.30, 15);
    // The water is darker than the sky it mirrors.
    for y in (shore * canvas.height as f32) as u32..canvas.height {
        for x in 0..canvas.width {
            canvas.over(x, y, [0.03, 0.03, 0.06], 0.34);
        }
    }
    canvas.photographed(&Camera {
        exposure: 0.85,
        vignette: 0.6,
        grain: 0.032,
        seed: 5,
    })
}

/// Stars over a ridge: a dark picture.
pub(crate) fn night_sky(width: u32, height: u32) -> RgbImage {
    let (w, h) = (width as f32, height as f32);
    let mut canvas = Canvas::new(width, height, |x, y| {
        let (u, v) = (x as f32 / h, y as f32 / h);
        let low = smooth(0.3, 0.95, v);
        let base = blend([0.006, 0.010, 0.024], [0.05, 0.055, 0.06], low);
        // The Milky Way: a band across, with dust in it.
        let across = (u * 0.62 - v * 0.8 + 0.02) + fbm(u * 1.4, v * 1.4, 4, 7) * 0.10;
        let band = 1.0 / (1.0 + across * across * 90.0);
        let dust = smooth(0.02, 0.30, fbm(u * 3.5 + 8.0, v * 3.5, 6, 17) + 0.10);
        let milk = band * (0.6 + fbm(u * 6.0, v * 6.0, 5, 19)) * (1.0 - dust * 0.75);
        let glow = [0.105, 0.10, 0.12].map(|part| part * milk.max(0.0));
        [base[0] + glow[0], base[1] + glow[1], base[2] + glow[2]]
    });
    for star in 0..5_200 {
        let chance = |which: i32| hash(star, which, 500);
        let (x, y) = (chance(0) * w, chance(1) * h);
        let bright = chance(2);
        let bright = 0.05 + bright * bright * bright * bright * bright * bright * 2.6;
        let colour = blend([0.75, 0.86, 1.0], [1.0, 0.86, 0.68], chance(3));
        let size = if bright > 1.2 { 2.0 } else { 1.0 };
        for dy in -3..=3_i32 {
            for dx in -3..=3_i32 {
                let (px, py) = (x as i32 + dx, y as i32 + dy);
                if px < 0 || py < 0 || px >= width as i32 || py >= height as i32 {
                    continue;
                }
                let (ex, ey) = (px as f32 + 0.5 - x, py as f32 + 0.5 - y);
                let spread = 1.0 / (1.0 + (ex * ex + ey * ey) * 3.0 / size);
                canvas.light(
                    px as u32,
                    py as u32,
                    colour,
                    bright * spread * spread * spread,
                );
            }
        }
    }
    for x in 0..width {
        let u = x as f32 / h;
        let ridge = 0.86 - ridged(u * 1.1 + 5.0, 0.3, 7, 9) * 0.26 + 0.02;
        for y in 0..height {
            let inside = smooth(0.0, 0.002, y as f32 / h - ridge);
            if inside > 0.0 {
                canvas.over(x, y, [0.004, 0.005, 0.007], inside);
            }
        }
    }
    canvas.photographed(&Camera {
        exposure: 0.9,
        vignette: 0.8,
        grain: 0.05,
        seed: 6,
    })
}

/// Colours of street lamps, signals and windows.
const LIGHTS: [Colour; 6] = [
    [1.0, 0.62, 0.22],
    [1.0, 0.74, 0.42],
    [1.0, 0.24, 0.12],
    [0.30, 0.62, 1.0],
    [0.36, 1.0, 0.60],
    [1.0, 0.86, 0.70],
];

/// Lights of a street far out of focus.
pub(crate) fn city_lights(width: u32, height: u32) -> RgbImage {
    let (w, h) = (width as f32, height as f32);
    let mut canvas = Canvas::new(width, height, |x, y| {
        let (u, v) = (x as f32 / h, y as f32 / h);
        let dusk = blend(
            [0.012, 0.016, 0.045],
            [0.075, 0.035, 0.030],
            smooth(0.0, 0.8, v),
        );
        let haze = fbm(u * 1.2, v * 1.2, 3, 70) * 0.02;
        dusk.map(|part| (part + haze).max(0.002))
    });
    for light in 0..150 {
        let chance = |which: i32| hash(light, which, 900);
        let depth = chance(0);
        let x = chance(1) * w;
        let y = (0.62 + (chance(2) - 0.5) * (0.25 + 0.65 * depth)) * h;
        let radius = h * mix(0.012, 0.075, depth * depth);
        let colour = LIGHTS[(chance(3) * chance(3) * 6.0) as usize % 6];
        let strength = mix(0.75, 0.10, depth.sqrt()) * (0.6 + 0.8 * chance(4));
        let reach = radius as i32 + 2;
        for py in (y as i32 - reach).max(0)..(y as i32 + reach).min(height as i32) {
            for px in (x as i32 - reach).max(0)..(x as i32 + reach).min(width as i32) {
                let (dx, dy) = (px as f32 - x, py as f32 - y);
                let away = (dx * dx + dy * dy).sqrt() / radius;
                // A lens shows a disc with a slightly brighter rim.
                let edge = 1.0 - smooth(0.96, 1.03, away);
                let rim = 0.75 + 0.35 * smooth(0.7, 0.98, away);
                canvas.light(px as u32, py as u32, colour, strength * edge * rim);
            }
        }
    }
    canvas.blurred(3).photographed(&Camera {
        exposure: 1.0,
        vignette: 0.9,
        grain: 0.03,
        seed: 7,
    })
}
