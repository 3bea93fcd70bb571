//! Pictures drawn from a seed.

use safelight_pixels::{Channels, Pixels};

use crate::pixels_of;

/// A small generator (splitmix64): the same seed draws the same pictures everywhere.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    /// From 0 up to 1.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    fn colour(&mut self) -> [f32; 3] {
        [self.unit(), self.unit(), self.unit()].map(|value| value * 255.0)
    }
}

/// A picture and what is true of it.
pub struct Scene {
    /// RGB, or RGBA where parts are transparent.
    pub pixels: Pixels,
    /// No colour anywhere.
    pub black_and_white: bool,
    /// Out of focus.
    pub blurred: bool,
    /// Far too little light.
    pub dark: bool,
}

struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<[f32; 3]>,
    alpha: Vec<f32>,
}

impl Canvas {
    fn new(random: &mut Random, fill: [f32; 3]) -> Self {
        let width = random.between(560.0, 960.0) as usize;
        let height = random.between(420.0, 900.0) as usize;
        Self {
            width,
            height,
            rgb: vec![fill; width * height],
            alpha: vec![1.0; width * height],
        }
    }

    /// Paints where `distance` is negative, with an edge one pixel wide.
    fn paint(
        &mut self,
        [left, top, right, bottom]: [f32; 4],
        colour: &dyn Fn(f32, f32) -> [f32; 3],
        distance: &dyn Fn(f32, f32) -> f32,
    ) {
        let clip = |value: f32, most: usize| value.clamp(0.0, most as f32) as usize;
        for y in clip(top, self.height)..clip(bottom + 1.0, self.height) {
            for x in clip(left, self.width)..clip(right + 1.0, self.width) {
                let (fx, fy) = (x as f32, y as f32);
                let cover = (0.5 - distance(fx, fy)).clamp(0.0, 1.0);
                if cover > 0.0 {
                    let at = y * self.width + x;
                    let paint = colour(fx, fy);
                    for (channel, value) in self.rgb[at].iter_mut().zip(paint) {
                        *channel += (value - *channel) * cover;
                    }
                    self.alpha[at] = self.alpha[at].max(cover);
                }
            }
        }
    }

    fn stroke(&mut self, a: [f32; 2], b: [f32; 2], thickness: f32, colour: [f32; 3]) {
        let reach = thickness + 1.0;
        let area = [
            a[0].min(b[0]) - reach,
            a[1].min(b[1]) - reach,
            a[0].max(b[0]) + reach,
            a[1].max(b[1]) + reach,
        ];
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = (dx * dx + dy * dy).max(1e-6);
        self.paint(area, &|_, _| colour, &|x, y| {
            let along = (((x - a[0]) * dx + (y - a[1]) * dy) / length).clamp(0.0, 1.0);
            (x - a[0] - along * dx).hypot(y - a[1] - along * dy) - thickness / 2.0
        });
    }

    fn finish(self, transparent: bool) -> Pixels {
        let (width, height) = (self.width as u32, self.height as u32);
        let byte = |value: f32| value.round().clamp(0.0, 255.0) as u8;
        let channels = if transparent {
            Channels::Rgba
        } else {
            Channels::Rgb
        };
        let samples = self
            .rgb
            .iter()
            .zip(&self.alpha)
            .flat_map(|(rgb, alpha)| {
                let mut pixel = rgb.map(byte).to_vec();
                if transparent {
                    pixel.push(byte(alpha * 255.0));
                }
                pixel
            })
            .collect();
        pixels_of(width, height, channels, samples)
    }
}

/// A picture of a kind (an index into `model::KINDS`).
pub fn draw(kind: usize, random: &mut Random) -> Scene {
    match kind {
        0 => photograph(random),
        1 => graphic(random),
        2 => line_art(random),
        _ => document(random),
    }
}

/// Smooth noise of a lattice, from -1 to 1.
fn noise(seed: u64, x: f32, y: f32) -> f32 {
    let lattice = |x: f32, y: f32| {
        let mut random =
            Random(seed ^ (x as i64 as u64).wrapping_mul(0x1F12_3BB5) ^ ((y as i64 as u64) << 32));
        random.unit() * 2.0 - 1.0
    };
    let (left, top) = (x.floor(), y.floor());
    let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (smooth(x - left), smooth(y - top));
    let upper = lattice(left, top) * (1.0 - u) + lattice(left + 1.0, top) * u;
    let lower = lattice(left, top + 1.0) * (1.0 - u) + lattice(left + 1.0, top + 1.0) * u;
    upper * (1.0 - v) + lower * v
}

fn octaves(seed: u64, x: f32, y: f32, count: u32) -> f32 {
    (0..count)
        .map(|octave| {
            let scale = (1u32 << octave) as f32;
            noise(seed + u64::from(octave), x * scale, y * scale) / scale
        })
        .sum()
}

/// Hills under a sky, with texture, haze, vignette and the noise of a sensor.
fn photograph(random: &mut Random) -> Scene {
    let mut canvas = Canvas::new(random, [0.0; 3]);
    let (seed, width, height) = (random.next() >> 8, canvas.width, canvas.height);
    let (zenith, horizon) = (
        random.colour(),
        random.colour().map(|value| 100.0 + value * 0.6),
    );
    let layers: Vec<([f32; 3], f32)> = (0..4)
        .map(|layer| {
            (
                random.colour().map(|value| value * 0.7),
                0.25 + 0.17 * layer as f32,
            )
        })
        .collect();
    let grain = random.between(1.0, 5.0);
    let rough = random.between(0.15, 0.5);
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x as f32 / width as f32, y as f32 / height as f32);
            let cloud = octaves(seed, u * 4.0, v * 7.0, 5).max(0.0) * 60.0;
            let mut pixel = [0, 1, 2].map(|c| zenith[c] * (1.0 - v) + horizon[c] * v + cloud);
            for (at, (colour, base)) in layers.iter().enumerate() {
                let ridge = base + 0.12 * octaves(seed + 50 * at as u64, u * 3.0, at as f32, 5);
                if v > ridge {
                    let texture =
                        1.0 + rough * octaves(seed + 7 + at as u64, u * 40.0, v * 60.0, 4);
                    pixel = colour.map(|value| (value + 30.0) * texture);
                }
            }
            let edge = 1.0 - 0.35 * ((u - 0.5).powi(2) + (v - 0.5).powi(2));
            let speckle = [(); 3].map(|()| (random.unit() + random.unit() - 1.0) * 2.0 * grain);
            canvas.rgb[y * width + x] = [0, 1, 2].map(|c| pixel[c] * edge + speckle[c]);
        }
    }
    let pixels = canvas.finish(false);
    let mut scene = Scene {
        pixels,
        black_and_white: false,
        blurred: false,
        dark: false,
    };
    match random.unit() {
        choice if choice < 0.15 => {
            scene.pixels = grey(&scene.pixels);
            scene.black_and_white = true;
        }
        choice if choice < 0.35 => {
            scene.pixels = blurred(&scene.pixels, random.between(8.0, 14.0) as usize);
            scene.blurred = true;
        }
        choice if choice < 0.5 => {
            let light = random.between(0.1, 0.22);
            scene.pixels = scaled(&scene.pixels, light);
            scene.dark = true;
        }
        _ => {}
    }
    scene
}

/// Flat and shaded shapes on a plain or shaded background, which may be transparent.
fn graphic(random: &mut Random) -> Scene {
    let transparent = random.unit() < 0.25;
    let grey_only = random.unit() < 0.15;
    let tone = |random: &mut Random| {
        let colour = random.colour();
        if grey_only { [colour[0]; 3] } else { colour }
    };
    let (from, to) = (tone(random), tone(random));
    let mut canvas = Canvas::new(random, from);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    if transparent {
        canvas.alpha.fill(0.0);
    } else if random.unit() < 0.5 {
        let all = [0.0, 0.0, width, height];
        canvas.paint(
            all,
            &|x, y| {
                let share = 0.5 * x / width + 0.5 * y / height;
                [0, 1, 2].map(|c| from[c] + (to[c] - from[c]) * share)
            },
            &|_, _| -1.0,
        );
    }
    for _ in 0..random.between(4.0, 16.0) as u32 {
        let (colour, other) = (tone(random), tone(random));
        let shaded = random.unit() < 0.3;
        let (x0, y0) = (random.unit() * width, random.unit() * height);
        let size = random.between(30.0, 230.0);
        let paint = move |_: f32, y: f32| {
            let share = if shaded {
                ((y - y0) / size / 2.0 + 0.5).clamp(0.0, 1.0)
            } else {
                0.0
            };
            [0, 1, 2].map(|c| colour[c] + (other[c] - colour[c]) * share)
        };
        let area = [
            x0 - size * 1.5,
            y0 - size * 1.5,
            x0 + size * 1.5,
            y0 + size * 1.5,
        ];
        let kind = random.unit();
        let (turn, ratio) = (random.unit() * 3.2, random.between(0.3, 1.0));
        canvas.paint(area, &paint, &|x, y| {
            let (dx, dy) = (x - x0, y - y0);
            let (rx, ry) = (
                dx * turn.cos() + dy * turn.sin(),
                dy * turn.cos() - dx * turn.sin(),
            );
            if kind < 0.4 {
                dx.hypot(dy) - size
            } else if kind < 0.7 {
                (rx.abs() - size).max(ry.abs() - size * ratio)
            } else if kind < 0.85 {
                (dx.hypot(dy) - size).abs() - size * 0.2
            } else {
                (rx.abs() * 0.87 + ry * 0.5 - size * 0.5).max(-ry - size * 0.5)
            }
        });
    }
    // A drawing has no light that could be missing; what is dark on purpose is not judged here.
    let dark = mean(&canvas) < 30.0;
    Scene {
        pixels: canvas.finish(transparent),
        black_and_white: grey_only,
        blurred: false,
        dark,
    }
}

fn mean(canvas: &Canvas) -> f32 {
    canvas.rgb.iter().map(|rgb| rgb[1]).sum::<f32>() / canvas.rgb.len() as f32
}

/// Curves of a pen on paper.
fn line_art(random: &mut Random) -> Scene {
    let tinted = random.unit() < 0.3;
    let paper = if tinted {
        [250.0, 240.0, 215.0]
    } else {
        [255.0; 3]
    };
    let coloured = random.unit() < 0.2;
    let ink = if coloured {
        random.colour().map(|value| value * 0.5)
    } else {
        [random.unit() * 50.0; 3]
    };
    let mut canvas = Canvas::new(random, paper);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let thickness = random.between(1.5, 5.0);
    for _ in 0..random.between(6.0, 26.0) as u32 {
        let mut at = [random.unit() * width, random.unit() * height];
        let (mut heading, mut bend) = (random.unit() * 6.3, random.between(-0.15, 0.15));
        for _ in 0..random.between(15.0, 90.0) as u32 {
            let next = [at[0] + heading.cos() * 9.0, at[1] + heading.sin() * 9.0];
            canvas.stroke(at, next, thickness, ink);
            at = next;
            heading += bend;
            bend = (bend + random.between(-0.04, 0.04)).clamp(-0.25, 0.25);
        }
    }
    Scene {
        pixels: canvas.finish(false),
        black_and_white: !tinted && !coloured,
        blurred: false,
        dark: false,
    }
}

/// Lines of words made of small strokes, in paragraphs, sometimes in two columns, sometimes scanned.
fn document(random: &mut Random) -> Scene {
    let tinted = random.unit() < 0.3;
    let paper = if tinted {
        [248.0, 240.0, 222.0]
    } else {
        [random.between(238.0, 255.0); 3]
    };
    let mut canvas = Canvas::new(random, paper);
    let (width, height) = (canvas.width as f32, canvas.height as f32);
    let ink = [random.unit() * 45.0; 3];
    let size = random.between(8.0, 16.0);
    let columns = if random.unit() < 0.3 { 2.0 } else { 1.0 };
    let margin = width * random.between(0.06, 0.12);
    let column_width = (width - margin * (columns + 1.0)) / columns;
    for column in 0..columns as u32 {
        let left = margin + column as f32 * (column_width + margin);
        let mut y = margin + size;
        let mut lines_left = random.between(3.0, 9.0) as u32;
        while y < height - margin {
            let last = lines_left == 0;
            let right = left + column_width * if last { random.between(0.3, 0.9) } else { 1.0 };
            let mut x = left;
            while x < right {
                let letters = random.between(2.0, 9.0) as u32;
                if x + letters as f32 * size * 0.6 > right {
                    break;
                }
                for _ in 0..letters {
                    letter(&mut canvas, random, [x, y], size, ink);
                    x += size * 0.6;
                }
                x += size * 0.5;
            }
            y += size * 1.7;
            if last {
                lines_left = random.between(3.0, 9.0) as u32;
                y += size * 1.2;
            } else {
                lines_left -= 1;
            }
        }
    }
    if random.unit() < 0.4 {
        // A scanner's noise and uneven light.
        let grain = random.between(1.0, 4.0);
        for (at, rgb) in canvas.rgb.iter_mut().enumerate() {
            let light = 1.0 - 0.06 * (at % canvas.width) as f32 / width;
            let speckle = (random.unit() - 0.5) * 2.0 * grain;
            *rgb = rgb.map(|value| value * light + speckle);
        }
    }
    Scene {
        pixels: canvas.finish(false),
        black_and_white: !tinted,
        blurred: false,
        dark: false,
    }
}

/// Two or three strokes in the box of a letter.
fn letter(canvas: &mut Canvas, random: &mut Random, [x, y]: [f32; 2], size: f32, ink: [f32; 3]) {
    let tall = if random.unit() < 0.3 {
        size
    } else {
        size * 0.65
    };
    let mut from = [x + random.unit() * size * 0.4, y];
    for _ in 0..2 + u32::from(random.unit() < 0.5) {
        let to = [x + random.unit() * size * 0.42, y - random.unit() * tall];
        canvas.stroke(from, to, size * 0.12, ink);
        from = to;
    }
}

/// The same without colour.
pub fn grey(pixels: &Pixels) -> Pixels {
    map(pixels, |rgb| {
        let luma = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
        [luma; 3]
    })
}

/// The same in less light.
pub fn scaled(pixels: &Pixels, factor: f32) -> Pixels {
    map(pixels, |rgb| rgb.map(|value| value * factor))
}

fn map(pixels: &Pixels, change: impl Fn([f32; 3]) -> [f32; 3]) -> Pixels {
    let samples = pixels
        .eight()
        .unwrap_or_default()
        .chunks_exact(3)
        .flat_map(|rgb| {
            change([rgb[0], rgb[1], rgb[2]].map(f32::from))
                .map(|value| value.round().clamp(0.0, 255.0) as u8)
        })
        .collect();
    pixels_of(pixels.width(), pixels.height(), Channels::Rgb, samples)
}

/// The same out of focus: the mean of a disc of this radius, in pixels.
pub fn blurred(pixels: &Pixels, radius: usize) -> Pixels {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let samples = pixels.eight().unwrap_or_default();
    // Sums along rows make a disc cheap: one difference a row of it.
    let mut sums = vec![[0u32; 3]; (width + 1) * height];
    for y in 0..height {
        for x in 0..width {
            for c in 0..3 {
                sums[y * (width + 1) + x + 1][c] =
                    sums[y * (width + 1) + x][c] + u32::from(samples[(y * width + x) * 3 + c]);
            }
        }
    }
    let mut out = Vec::with_capacity(samples.len());
    for y in 0..height {
        for x in 0..width {
            let (mut total, mut count) = ([0u32; 3], 0u32);
            for row in y.saturating_sub(radius)..height.min(y + radius + 1) {
                let away = row.abs_diff(y) as f32;
                let half = ((radius * radius) as f32 - away * away).max(0.0).sqrt() as usize;
                let (from, to) = (x.saturating_sub(half), width.min(x + half + 1));
                for c in 0..3 {
                    total[c] += sums[row * (width + 1) + to][c] - sums[row * (width + 1) + from][c];
                }
                count += (to - from) as u32;
            }
            out.extend(total.map(|sum| (sum / count.max(1)) as u8));
        }
    }
    pixels_of(pixels.width(), pixels.height(), Channels::Rgb, out)
}
