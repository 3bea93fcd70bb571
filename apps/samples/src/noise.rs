//! Noise that is the same on every machine: integer hashes and polynomials, no sines and no powers.

/// A number in `0 .. 1` for a point of the grid.
pub(crate) fn hash(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1)
        ^ (y as u32).wrapping_mul(0x85eb_ca77)
        ^ seed.wrapping_mul(0xc2b2_ae3d);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    h ^= h >> 15;
    (h >> 8) as f32 / 16_777_216.0
}

/// Gradient noise, about -1 to 1.
pub(crate) fn perlin(x: f32, y: f32, seed: u32) -> f32 {
    let (cell_x, cell_y) = (x.floor(), y.floor());
    let (u, v) = (x - cell_x, y - cell_y);
    let (cell_x, cell_y) = (cell_x as i32, cell_y as i32);
    let corner = |dx: i32, dy: i32| {
        let (gx, gy) = gradient(hash(cell_x + dx, cell_y + dy, seed));
        gx * (u - dx as f32) + gy * (v - dy as f32)
    };
    let (fade_u, fade_v) = (fade(u), fade(v));
    let top = mix(corner(0, 0), corner(1, 0), fade_u);
    let bottom = mix(corner(0, 1), corner(1, 1), fade_u);
    mix(top, bottom, fade_v) * 1.5
}

/// Octaves of noise, each half as strong as the one before, about -1 to 1.
pub(crate) fn fbm(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut x, mut y) = (x, y);
    let (mut sum, mut strength) = (0.0, 0.5);
    for octave in 0..octaves {
        sum += strength * perlin(x, y, seed + octave);
        strength *= 0.5;
        // Turned a little, so that the grids do not show.
        (x, y) = (1.6 * x + 1.2 * y, 1.6 * y - 1.2 * x);
    }
    sum
}

/// Mountains: sharp ridges, rough on the heights and smooth in the valleys, about 0 to 1.
pub(crate) fn ridged(x: f32, y: f32, octaves: u32, seed: u32) -> f32 {
    let (mut x, mut y) = (x, y);
    let (mut sum, mut strength, mut weight) = (0.0, 0.5, 1.0);
    for octave in 0..octaves {
        let ridge = 1.0 - perlin(x, y, seed + octave).abs();
        let ridge = ridge * ridge * weight;
        weight = (ridge * 1.6).clamp(0.0, 1.0);
        sum += ridge * strength;
        strength *= 0.5;
        (x, y) = (1.6 * x + 1.2 * y, 1.6 * y - 1.2 * x);
    }
    sum
}

/// From `a` to `b` as `t` goes from 0 to 1.
pub(crate) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

/// [`mix`] of colours.
pub(crate) fn blend(a: [f32; 3], b: [f32; 3], t: f32) -> [f32; 3] {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

/// 0 below `from`, 1 above `to`, smooth between; `from` may be the greater.
pub(crate) fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

fn fade(t: f32) -> f32 {
    t * t * t * (t * (t * 6.0 - 15.0) + 10.0)
}

/// One of sixteen directions.
fn gradient(h: f32) -> (f32, f32) {
    const A: f32 = 0.923_879_5;
    const B: f32 = 0.382_683_43;
    const C: f32 = std::f32::consts::FRAC_1_SQRT_2;
    let (x, y) = match (h * 16.0) as u32 & 3 {
        0 => (1.0, 0.0),
        1 => (A, B),
        2 => (C, C),
        _ => (B, A),
    };
    match (h * 4.0) as u32 {
        0 => (x, y),
        1 => (-y, x),
        2 => (-x, -y),
        _ => (y, -x),
    }
}
