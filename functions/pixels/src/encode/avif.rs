//! What AVIF output may cost, in every build; its encoder comes with the feature `avif-output`.

use crate::{Format, PixelError};

/// Whether this build writes AVIF: the feature `avif-output`.
pub const WRITES_AVIF: bool = cfg!(feature = "avif-output");

/// Millionths of a second of a core that a pixel takes when it is written with care, and in haste: of the
/// slowest picture there is, noise with noise as its alpha, at quality 100. A photograph takes a quarter.
/// docs/decoders.md has the figures.
const CARE: u64 = 4;
const HASTE: u64 = 2;

/// How long the AVIF encoder looks for a better way, so that one call's pictures are written in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AvifEffort {
    hasty: bool,
}

impl AvifEffort {
    /// For all the pictures of one call, whose sides these are, in so many seconds of a core;
    /// `Image.TooManyMegapixels` where they are too many.
    pub fn within(
        seconds: u64,
        sizes: impl IntoIterator<Item = (u32, u32)>,
    ) -> Result<Self, PixelError> {
        let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let (mut total, mut largest) = (0u64, (0, 0));
        for size in sizes {
            total = total.saturating_add(area(size));
            largest = std::cmp::max_by_key(largest, size, |size| area(*size));
        }
        let most = |each: u64| seconds * 1_000_000 / each;
        if total <= most(HASTE) {
            return Ok(Self {
                hasty: total > most(CARE),
            });
        }
        Err(PixelError::TooManyMegapixels {
            format: Format::Avif,
            width: u64::from(largest.0),
            height: u64::from(largest.1),
            cause: format!(
                "{:.1} megapixels are to be written as AVIF, and at most {} are: set another format",
                total as f64 / 1e6,
                most(HASTE) / 1_000_000
            ),
        })
    }

    /// In rav1e's count: 1 (slow) to 10.
    #[cfg(feature = "avif-output")]
    pub(super) const fn speed(self) -> u8 {
        if self.hasty { 10 } else { 9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_refused_by_name_and_what_is_large_is_written_in_haste() {
        let careful = AvifEffort::within(100, [(1, 1)]).unwrap();
        assert_eq!(AvifEffort::within(100, [(6_000, 4_000)]), Ok(careful));
        let hasty = AvifEffort::within(100, [(8_000, 6_000)]).unwrap();
        assert_ne!(hasty, careful);
        // Two pictures that would be written with care alone.
        assert_eq!(
            AvifEffort::within(100, [(5_000, 5_000), (5_000, 5_000)]),
            Ok(hasty)
        );
        for sizes in [
            vec![(10_000, 5_001)],
            vec![(6_000, 4_000); 3],
            vec![(u32::MAX, u32::MAX); 9],
        ] {
            let error = AvifEffort::within(100, sizes).unwrap_err();
            assert_eq!(error.name(), "Image.TooManyMegapixels");
            assert!(error.to_string().contains("another format"), "{error}");
        }
    }
}
