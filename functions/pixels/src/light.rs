//! Between coded values and light (the curve of sRGB, IEC 61966-2-1).
//!
//! Coded values are not proportional to light: the mean of black and white is coded 188, not 128. A
//! resize in light keeps fine bright detail as bright as it is. Pixels of another profile are taken by
//! the same curve, which is near theirs.

use crate::pixels::eight_of;
use crate::{Pixels, Samples};

fn light_of(coded: f64) -> f64 {
    if coded <= 0.040_45 {
        coded / 12.92
    } else {
        ((coded + 0.055) / 1.055).powf(2.4)
    }
}

fn code_of(light: f64) -> f64 {
    if light <= 0.003_130_8 {
        light * 12.92
    } else {
        1.055 * light.powf(1.0 / 2.4) - 0.055
    }
}

fn table(levels: u32, curve: fn(f64) -> f64) -> Vec<u16> {
    (0..levels)
        .map(|level| (curve(f64::from(level) / f64::from(levels - 1)) * 65_535.0).round() as u16)
        .collect()
}

/// As light, 16 bits a sample; alpha is none and stays.
pub fn to_light(pixels: &Pixels) -> Pixels {
    let channels = pixels.channels();
    let count = channels.count();
    let is_alpha = |at: usize| channels.has_alpha() && at % count == count - 1;
    let samples = match pixels.samples() {
        Samples::Eight(samples) => {
            let table = table(256, light_of);
            let of = |(at, &value): (usize, &u8)| {
                if is_alpha(at) {
                    u16::from(value) * 257
                } else {
                    table[usize::from(value)]
                }
            };
            samples.iter().enumerate().map(of).collect()
        }
        Samples::Sixteen(samples) => {
            let table = table(65_536, light_of);
            let of = |(at, &value): (usize, &u16)| {
                if is_alpha(at) {
                    value
                } else {
                    table[usize::from(value)]
                }
            };
            samples.iter().enumerate().map(of).collect()
        }
    };
    Pixels::new(
        pixels.width(),
        pixels.height(),
        channels,
        Samples::Sixteen(samples),
    )
    .expect("the number of samples is unchanged")
}

/// Light as coded values of 8 or 16 bits a sample.
pub fn from_light(pixels: &Pixels, bit_depth: u8) -> Pixels {
    let channels = pixels.channels();
    let count = channels.count();
    let table = table(65_536, code_of);
    let samples: Vec<u16> = match pixels.samples() {
        Samples::Sixteen(samples) => samples
            .iter()
            .enumerate()
            .map(|(at, &value)| {
                if channels.has_alpha() && at % count == count - 1 {
                    value
                } else {
                    table[usize::from(value)]
                }
            })
            .collect(),
        // Light has 16 bits.
        Samples::Eight(samples) => samples
            .iter()
            .map(|&value| u16::from(value) * 257)
            .collect(),
    };
    let samples = if bit_depth == 8 {
        Samples::Eight(samples.into_iter().map(eight_of).collect())
    } else {
        Samples::Sixteen(samples)
    };
    Pixels::new(pixels.width(), pixels.height(), channels, samples)
        .expect("the number of samples is unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Channels, Filter, resize};

    #[test]
    fn there_and_back_is_the_same() {
        let samples: Vec<u8> = (0..=255).collect();
        for channels in [Channels::Grey, Channels::GreyAlpha, Channels::Rgba] {
            let width = 256 / channels.count() as u32;
            let pixels = Pixels::from_eight(width, 1, channels, samples.clone()).unwrap();
            assert_eq!(from_light(&to_light(&pixels), 8), pixels);
        }
    }

    #[test]
    fn the_mean_of_black_and_white_is_half_the_light() {
        let samples = [0, 255].repeat(32 * 64);
        let pixels = Pixels::from_eight(64, 64, Channels::Grey, samples).unwrap();
        let small = resize(&to_light(&pixels), 32, 32, Filter::Box).unwrap();
        let middle = from_light(&small, 8).eight().unwrap()[500];
        assert_eq!(middle, 188);
    }
}
