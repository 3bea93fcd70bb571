//! A picture on a larger ground.

use crate::{Channels, Pixels, Samples};

/// What is behind and around a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Red, green, blue.
    Opaque([u8; 3]),
    /// Nothing.
    Transparent,
}

impl Ground {
    /// White.
    pub const WHITE: Self = Self::Opaque([255; 3]);

    fn colour(self) -> [u8; 3] {
        match self {
            Self::Opaque(colour) => colour,
            Self::Transparent => [0; 3],
        }
    }

    fn is_grey(self) -> bool {
        let [red, green, blue] = self.colour();
        red == green && green == blue
    }
}

/// The picture in the middle of `width` × `height` pixels of ground; what does not fit is cut off.
/// An opaque ground also shows through the picture: the result has no alpha.
pub fn on_ground(pixels: Pixels, width: u32, height: u32, ground: Ground) -> Option<Pixels> {
    let pixels = if ground.is_grey() {
        pixels
    } else {
        pixels.into_colour()
    };
    let channels = match (pixels.channels().is_grey(), ground) {
        (true, Ground::Opaque(_)) => Channels::Grey,
        (true, Ground::Transparent) => Channels::GreyAlpha,
        (false, Ground::Opaque(_)) => Channels::Rgb,
        (false, Ground::Transparent) => Channels::Rgba,
    };
    let layout = Layout {
        from: pixels.channels(),
        to: channels,
        source: (pixels.width() as usize, pixels.height() as usize),
        target: (width as usize, height as usize),
    };
    let samples = match pixels.samples() {
        Samples::Eight(samples) => {
            Samples::Eight(layout.placed(samples, ground.colour(), u8::MAX, |mixed| mixed as u8))
        }
        Samples::Sixteen(samples) => {
            let colour = ground.colour().map(|value| u16::from(value) * 257);
            Samples::Sixteen(layout.placed(samples, colour, u16::MAX, |mixed| mixed as u16))
        }
    };
    Pixels::new(width, height, channels, samples)
}

struct Layout {
    from: Channels,
    to: Channels,
    source: (usize, usize),
    target: (usize, usize),
}

impl Layout {
    fn placed<T: Copy + Default + Into<u64>>(
        &self,
        samples: &[T],
        colour: [T; 3],
        full: T,
        narrow: impl Fn(u64) -> T,
    ) -> Vec<T> {
        let (from, to) = (self.from.count(), self.to.count());
        let ((source_width, source_height), (width, height)) = (self.source, self.target);
        // The ground, one pixel; a transparent one is all zeros.
        let ground: Vec<T> = if self.to.has_alpha() {
            vec![T::default(); to]
        } else {
            colour[..to].to_vec()
        };
        let mut out = ground.repeat(width * height);
        let begin = |target: usize, source: usize| target.saturating_sub(source) / 2;
        let skip = |target: usize, source: usize| source.saturating_sub(target) / 2;
        let (left, top) = (begin(width, source_width), begin(height, source_height));
        let columns = width.min(source_width);
        let rows = samples
            .chunks_exact(source_width * from)
            .skip(skip(height, source_height));
        let targets = out.chunks_exact_mut(width * to).skip(top);
        for (row, target) in rows.zip(targets).take(height.min(source_height)) {
            let row = row
                .chunks_exact(from)
                .skip(skip(width, source_width))
                .take(columns);
            for (pixel, place) in row.zip(target.chunks_exact_mut(to).skip(left)) {
                let alpha = if self.from.has_alpha() {
                    pixel[from - 1]
                } else {
                    full
                };
                if self.to.has_alpha() {
                    place[..to - 1].copy_from_slice(&pixel[..to - 1]);
                    place[to - 1] = alpha;
                    continue;
                }
                let (alpha, full): (u64, u64) = (alpha.into(), full.into());
                for (value, &above) in place.iter_mut().zip(pixel) {
                    let (above, below): (u64, u64) = (above.into(), (*value).into());
                    *value = narrow((above * alpha + below * (full - alpha) + full / 2) / full);
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_in_the_middle() {
        let pixels = Pixels::from_eight(1, 2, Channels::Grey, vec![10, 20]).unwrap();
        let out = on_ground(pixels.clone(), 3, 2, Ground::WHITE).unwrap();
        assert_eq!(out.eight().unwrap(), [255, 10, 255, 255, 20, 255]);
        let out = on_ground(pixels.clone(), 3, 2, Ground::Opaque([1, 2, 3])).unwrap();
        assert_eq!(
            out.eight().unwrap(),
            [1, 2, 3, 10, 10, 10, 1, 2, 3, 1, 2, 3, 20, 20, 20, 1, 2, 3]
        );
        let out = on_ground(pixels, 2, 2, Ground::Transparent).unwrap();
        assert_eq!(out.eight().unwrap(), [10, 255, 0, 0, 20, 255, 0, 0]);
    }

    #[test]
    fn the_ground_shows_through() {
        let pixels =
            Pixels::from_eight(2, 1, Channels::Rgba, vec![200, 0, 0, 255, 0, 0, 0, 0]).unwrap();
        let out = on_ground(pixels, 2, 1, Ground::Opaque([0, 0, 9])).unwrap();
        assert_eq!(out.channels(), Channels::Rgb);
        assert_eq!(out.eight().unwrap(), [200, 0, 0, 0, 0, 9]);
        let deep = Pixels::new(1, 1, Channels::GreyAlpha, Samples::Sixteen(vec![0, 0])).unwrap();
        let out = on_ground(deep, 1, 1, Ground::WHITE).unwrap();
        assert_eq!(out.samples(), &Samples::Sixteen(vec![65_535]));
    }
}
