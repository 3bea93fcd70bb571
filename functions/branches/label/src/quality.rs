//! Brightness, sharpness and contrast, from 0 to 100. Formulas: `docs/labels.md`.

use crate::features::Small;
use crate::response::Quality;

/// Width of the blur that sharpness compares with, in pixels (odd).
const BLUR: usize = 9;

/// Rounded to two decimals.
pub(crate) fn rounded(value: f64) -> f64 {
    (value.clamp(0.0, 100.0) * 100.0).round() / 100.0
}

/// What is the same for every part of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Detail {
    luma: Vec<f32>,
    /// How little a picture loses when it is blurred again, 0 (everything) to 1 (nothing): the
    /// measure of Crete, Dolmiere, Ladet and Nicolas, "The blur effect" (2007), the worse of both
    /// directions. A picture without any variation counts as 1.
    pub blur: f64,
}

impl Detail {
    /// Measures a picture.
    pub fn of(small: &Small) -> Self {
        let luma = small.luma();
        Self {
            blur: blur_of(&luma, small.width, small.height),
            luma,
        }
    }
}

/// Quality of the pixels for which `wanted` says so.
pub fn quality(detail: &Detail, wanted: &dyn Fn(usize) -> bool) -> Quality {
    let luma = &detail.luma;
    let (mut count, mut sum, mut squares) = (0u64, 0.0f64, 0.0f64);
    for (_, &value) in luma.iter().enumerate().filter(|&(at, _)| wanted(at)) {
        count += 1;
        sum += f64::from(value);
        squares += f64::from(value) * f64::from(value);
    }
    let n = count.max(1) as f64;
    let mean = sum / n;
    let deviation = (squares / n - mean * mean).max(0.0).sqrt();
    Quality {
        brightness: rounded(mean / 255.0 * 100.0),
        sharpness: rounded((1.0 - detail.blur) * 100.0),
        contrast: rounded(deviation / 127.5 * 100.0),
    }
}

fn blur_of(luma: &[f32], width: usize, height: usize) -> f64 {
    let across = one_direction(luma, width, height);
    let transposed: Vec<f32> = (0..width)
        .flat_map(|x| (0..height).map(move |y| y * width + x))
        .map(|at| luma[at])
        .collect();
    across.max(one_direction(&transposed, height, width))
}

/// The measure along rows.
fn one_direction(luma: &[f32], width: usize, height: usize) -> f64 {
    let (mut total, mut lost) = (0.0f64, 0.0f64);
    let half = BLUR / 2;
    let mut blurred = vec![0.0f32; width];
    for row in luma.chunks_exact(width).take(height) {
        // A running mean; at the borders, of what there is.
        let mut sum: f32 = row.iter().take(half).sum();
        let mut members = half.min(width);
        for (x, out) in blurred.iter_mut().enumerate() {
            if let Some(&entering) = row.get(x + half) {
                sum += entering;
                members += 1;
            }
            if x > half {
                sum -= row[x - half - 1];
                members -= 1;
            }
            *out = sum / members.max(1) as f32;
        }
        for x in 1..width {
            let sharp = (row[x] - row[x - 1]).abs();
            let soft = (blurred[x] - blurred[x - 1]).abs();
            total += f64::from(sharp);
            lost += f64::from((sharp - soft).max(0.0));
        }
    }
    if total < 1e-6 {
        1.0
    } else {
        (total - lost) / total
    }
}
