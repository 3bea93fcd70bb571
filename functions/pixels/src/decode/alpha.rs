//! Colours that were multiplied by alpha, divided by it again.

use crate::Samples;

/// The same samples with straight alpha; `count` samples a pixel, alpha last.
pub(super) fn divided(samples: Samples, count: usize) -> Samples {
    match samples {
        Samples::Eight(mut samples) => {
            for pixel in samples.chunks_exact_mut(count) {
                if let Some((&mut alpha @ 1..=254, colours)) = pixel.split_last_mut() {
                    for colour in colours {
                        let full =
                            (u32::from(*colour) * 255 + u32::from(alpha) / 2) / u32::from(alpha);
                        *colour = full.min(255) as u8;
                    }
                }
            }
            Samples::Eight(samples)
        }
        Samples::Sixteen(mut samples) => {
            for pixel in samples.chunks_exact_mut(count) {
                if let Some((&mut alpha @ 1..=65_534, colours)) = pixel.split_last_mut() {
                    for colour in colours {
                        let full =
                            (u64::from(*colour) * 65_535 + u64::from(alpha) / 2) / u64::from(alpha);
                        *colour = full.min(65_535) as u16;
                    }
                }
            }
            Samples::Sixteen(samples)
        }
    }
}
