//! Decoded samples.

/// What the samples of a pixel are, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channels {
    /// Luminance.
    Grey,
    /// Luminance, alpha (not premultiplied).
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha (not premultiplied).
    Rgba,
}

impl Channels {
    /// Samples a pixel.
    pub const fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Whether the last sample is alpha.
    pub const fn has_alpha(self) -> bool {
        matches!(self, Self::GreyAlpha | Self::Rgba)
    }

    /// Whether there is luminance only.
    pub const fn is_grey(self) -> bool {
        matches!(self, Self::Grey | Self::GreyAlpha)
    }

    const fn without_alpha(self) -> Self {
        match self {
            Self::Grey | Self::GreyAlpha => Self::Grey,
            Self::Rgb | Self::Rgba => Self::Rgb,
        }
    }
}

/// Samples, rows from the top, no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// 0 to 255.
    Eight(Vec<u8>),
    /// 0 to 65,535, in the machine's byte order.
    Sixteen(Vec<u16>),
}

impl Samples {
    fn len(&self) -> usize {
        match self {
            Self::Eight(samples) => samples.len(),
            Self::Sixteen(samples) => samples.len(),
        }
    }
}

/// An image in memory. Invariant 3: exactly width × height × channels samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    width: u32,
    height: u32,
    channels: Channels,
    samples: Samples,
}

impl Pixels {
    /// An image of these samples; `None` when their number is not width × height × channels, or a
    /// side is zero.
    pub fn new(width: u32, height: u32, channels: Channels, samples: Samples) -> Option<Self> {
        let expected = (width as usize)
            .checked_mul(height as usize)?
            .checked_mul(channels.count())?;
        (expected > 0 && samples.len() == expected).then_some(Self {
            width,
            height,
            channels,
            samples,
        })
    }

    /// An image of 8-bit samples; `None` as for [`Pixels::new`].
    pub fn from_eight(
        width: u32,
        height: u32,
        channels: Channels,
        samples: Vec<u8>,
    ) -> Option<Self> {
        Self::new(width, height, channels, Samples::Eight(samples))
    }

    /// Width in pixels.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    pub const fn height(&self) -> u32 {
        self.height
    }

    /// What the samples are.
    pub const fn channels(&self) -> Channels {
        self.channels
    }

    /// The samples.
    pub const fn samples(&self) -> &Samples {
        &self.samples
    }

    /// The samples, without the image around them.
    pub fn into_samples(self) -> Samples {
        self.samples
    }

    /// Bits a sample: 8 or 16.
    pub const fn bit_depth(&self) -> u8 {
        match self.samples {
            Samples::Eight(_) => 8,
            Samples::Sixteen(_) => 16,
        }
    }

    /// Memory of the samples, in bytes.
    pub fn byte_len(&self) -> usize {
        self.samples.len() * usize::from(self.bit_depth() / 8)
    }

    /// The 8-bit samples, if that is what they are.
    pub fn eight(&self) -> Option<&[u8]> {
        match &self.samples {
            Samples::Eight(samples) => Some(samples),
            Samples::Sixteen(_) => None,
        }
    }

    /// Whether every pixel is fully opaque.
    pub fn is_opaque(&self) -> bool {
        if !self.channels.has_alpha() {
            return true;
        }
        let count = self.channels.count();
        match &self.samples {
            Samples::Eight(samples) => samples
                .chunks_exact(count)
                .all(|pixel| pixel.last() == Some(&u8::MAX)),
            Samples::Sixteen(samples) => samples
                .chunks_exact(count)
                .all(|pixel| pixel.last() == Some(&u16::MAX)),
        }
    }

    /// The same in 8 bits a sample, rounded to nearest.
    #[must_use]
    pub fn into_eight(self) -> Self {
        let samples = match self.samples {
            Samples::Eight(samples) => samples,
            Samples::Sixteen(samples) => samples.iter().map(|&value| eight_of(value)).collect(),
        };
        Self {
            samples: Samples::Eight(samples),
            ..self
        }
    }

    /// The same as 8-bit red, green, blue, alpha.
    #[must_use]
    pub fn into_rgba8(self) -> Self {
        let this = self.into_eight();
        let Samples::Eight(samples) = this.samples else {
            return this;
        };
        let samples = match this.channels {
            Channels::Rgba => samples,
            Channels::Grey => samples.iter().flat_map(|&v| [v, v, v, 255]).collect(),
            Channels::GreyAlpha => samples
                .chunks_exact(2)
                .flat_map(|p| [p[0], p[0], p[0], p[1]])
                .collect(),
            Channels::Rgb => samples
                .chunks_exact(3)
                .flat_map(|p| [p[0], p[1], p[2], 255])
                .collect(),
        };
        Self {
            channels: Channels::Rgba,
            samples: Samples::Eight(samples),
            ..this
        }
    }

    /// The same with luminance repeated into red, green and blue where there was only luminance.
    #[must_use]
    pub fn into_colour(self) -> Self {
        fn widen<T: Copy>(channels: Channels, samples: &[T]) -> Vec<T> {
            match channels {
                Channels::Grey => samples.iter().flat_map(|&v| [v, v, v]).collect(),
                Channels::GreyAlpha => samples
                    .chunks_exact(2)
                    .flat_map(|p| [p[0], p[0], p[0], p[1]])
                    .collect(),
                Channels::Rgb | Channels::Rgba => samples.to_vec(),
            }
        }
        if !self.channels.is_grey() {
            return self;
        }
        let samples = match &self.samples {
            Samples::Eight(samples) => Samples::Eight(widen(self.channels, samples)),
            Samples::Sixteen(samples) => Samples::Sixteen(widen(self.channels, samples)),
        };
        Self {
            channels: if self.channels.has_alpha() {
                Channels::Rgba
            } else {
                Channels::Rgb
            },
            samples,
            ..self
        }
    }

    /// The same over an opaque background of this level (white is 1.0), alpha removed.
    #[must_use]
    pub fn flattened(self, background: f32) -> Self {
        fn over<T: Copy>(samples: &[T], count: usize, mix: impl Fn(T, T) -> T) -> Vec<T> {
            let mut out = Vec::with_capacity(samples.len() / count * (count - 1));
            for pixel in samples.chunks_exact(count) {
                if let Some((&alpha, colours)) = pixel.split_last() {
                    out.extend(colours.iter().map(|&colour| mix(colour, alpha)));
                }
            }
            out
        }
        if !self.channels.has_alpha() {
            return self;
        }
        let count = self.channels.count();
        let samples = match &self.samples {
            Samples::Eight(samples) => {
                let back = (background.clamp(0.0, 1.0) * 255.0).round() as u32;
                Samples::Eight(over(samples, count, |colour, alpha| {
                    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
                    ((colour * alpha + back * (255 - alpha) + 127) / 255) as u8
                }))
            }
            Samples::Sixteen(samples) => {
                let back = (background.clamp(0.0, 1.0) * 65_535.0).round() as u64;
                Samples::Sixteen(over(samples, count, |colour, alpha| {
                    let (colour, alpha) = (u64::from(colour), u64::from(alpha));
                    ((colour * alpha + back * (65_535 - alpha) + 32_767) / 65_535) as u16
                }))
            }
        };
        Self {
            channels: self.channels.without_alpha(),
            samples,
            ..self
        }
    }

    /// The same without its alpha channel when every pixel is opaque.
    #[must_use]
    pub fn without_idle_alpha(self) -> Self {
        if self.channels.has_alpha() && self.is_opaque() {
            self.flattened(1.0)
        } else {
            self
        }
    }
}

/// 0 to 65,535 as 0 to 255, rounded to nearest.
pub(crate) fn eight_of(value: u16) -> u8 {
    ((u32::from(value) * 255 + 32_767) / 65_535) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_are_refused() {
        // Invariant 3.
        assert!(Pixels::from_eight(2, 2, Channels::Rgb, vec![0; 11]).is_none());
        assert!(Pixels::from_eight(0, 2, Channels::Rgb, vec![]).is_none());
        assert!(Pixels::from_eight(2, 2, Channels::Rgb, vec![0; 12]).is_some());
    }

    #[test]
    fn sixteen_bits_round_to_nearest() {
        assert_eq!(eight_of(0), 0);
        assert_eq!(eight_of(65_535), 255);
        assert_eq!(eight_of(128), 0);
        assert_eq!(eight_of(129), 1);
        assert_eq!(eight_of(257 * 77), 77);
    }

    #[test]
    fn flattening_mixes_with_the_background() {
        let pixels =
            Pixels::from_eight(3, 1, Channels::GreyAlpha, vec![10, 255, 10, 0, 0, 128]).unwrap();
        let flat = pixels.flattened(1.0);
        assert_eq!(flat.eight(), Some(&[10, 255, 127][..]));
        assert_eq!(flat.channels(), Channels::Grey);
    }
}
