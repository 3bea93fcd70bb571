//! Limits, checked against the header before memory is taken.

use crate::{Format, PixelError};

/// What one decode may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Width × height of one frame, in pixels.
    pub max_pixels: u64,
    /// Memory for decoded samples and the decoder's own buffers, in bytes.
    pub max_bytes: u64,
    /// Frames or pages of one image. Those of an animation may have ten times `max_pixels` together.
    pub max_frames: u32,
}

impl Default for Limits {
    /// 100 megapixels, 768 MiB, 1,000 frames.
    fn default() -> Self {
        Self {
            max_pixels: 100_000_000,
            max_bytes: 768 << 20,
            max_frames: 1_000,
        }
    }
}

impl Limits {
    /// Checks width × height and the memory that decoding needs at `bytes_per_pixel`.
    pub fn check(
        &self,
        format: Format,
        width: u64,
        height: u64,
        bytes_per_pixel: u64,
    ) -> Result<(), PixelError> {
        if width == 0 || height == 0 {
            return Err(PixelError::decode(
                format,
                "header",
                format!("{width} × {height} pixels: a side is zero"),
            ));
        }
        let too_many = |cause: String| PixelError::TooManyMegapixels {
            format,
            width,
            height,
            cause,
        };
        let pixels = width.saturating_mul(height);
        if pixels > self.max_pixels {
            return Err(too_many(format!(
                "{:.1} megapixels, and the limit is {:.1}",
                pixels as f64 / 1e6,
                self.max_pixels as f64 / 1e6
            )));
        }
        let bytes = pixels.saturating_mul(bytes_per_pixel);
        if bytes > self.max_bytes {
            return Err(too_many(format!(
                "decoding needs {} MiB, and the limit is {} MiB",
                bytes >> 20,
                self.max_bytes >> 20
            )));
        }
        Ok(())
    }

    /// Checks an animation, whose frames have so many pixels together. Ten frames of the largest size may be: each is
    /// decoded and made anew, so that a few bytes a frame would cost as much time as a picture each.
    pub(crate) fn check_animation(
        &self,
        format: Format,
        frames: u32,
        pixels: u64,
    ) -> Result<(), PixelError> {
        if frames > self.max_frames {
            let most = format!("{} frames", self.max_frames);
            return Err(PixelError::TooManyFrames { format, most });
        }
        let largest = self.max_pixels.saturating_mul(10);
        if pixels > largest {
            let most = format!(
                "{:.0} megapixels in all of its frames",
                largest as f64 / 1e6
            );
            return Err(PixelError::TooManyFrames { format, most });
        }
        Ok(())
    }

    /// The memory limit as a `usize`, for decoders that enforce one of their own.
    pub(crate) fn max_bytes_usize(&self) -> usize {
        usize::try_from(self.max_bytes).unwrap_or(usize::MAX)
    }
}
