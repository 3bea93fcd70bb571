//! EXIF orientation: what it means and how it is undone.

use crate::pixels::{Pixels, Samples};

/// How stored pixels must be turned to stand upright (EXIF tag 0x0112).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// 1: as stored.
    #[default]
    Normal,
    /// 2: mirrored left to right.
    FlipHorizontal,
    /// 3: turned by half.
    Rotate180,
    /// 4: mirrored top to bottom.
    FlipVertical,
    /// 5: mirrored along the main diagonal.
    Transpose,
    /// 6: to be turned clockwise by a quarter.
    Rotate90,
    /// 7: mirrored along the other diagonal.
    Transverse,
    /// 8: to be turned counter-clockwise by a quarter.
    Rotate270,
}

impl Orientation {
    /// The orientation of an EXIF value; anything outside 1 to 8 means "as stored".
    pub const fn from_exif(value: u16) -> Self {
        match value {
            2 => Self::FlipHorizontal,
            3 => Self::Rotate180,
            4 => Self::FlipVertical,
            5 => Self::Transpose,
            6 => Self::Rotate90,
            7 => Self::Transverse,
            8 => Self::Rotate270,
            _ => Self::Normal,
        }
    }

    /// The EXIF value, 1 to 8.
    pub const fn exif(self) -> u8 {
        match self {
            Self::Normal => 1,
            Self::FlipHorizontal => 2,
            Self::Rotate180 => 3,
            Self::FlipVertical => 4,
            Self::Transpose => 5,
            Self::Rotate90 => 6,
            Self::Transverse => 7,
            Self::Rotate270 => 8,
        }
    }

    /// Whether width and height change places.
    pub const fn swaps_sides(self) -> bool {
        matches!(
            self,
            Self::Transpose | Self::Rotate90 | Self::Transverse | Self::Rotate270
        )
    }

    /// Something of the width and of the height, of stored pixels when they are turned, or the other way
    /// round.
    #[must_use]
    pub fn sides<T>(self, (across, down): (T, T)) -> (T, T) {
        if self.swaps_sides() {
            (down, across)
        } else {
            (across, down)
        }
    }

    /// Turns stored pixels upright.
    #[must_use]
    pub fn apply(self, pixels: Pixels) -> Pixels {
        if self == Self::Normal {
            return pixels;
        }
        let (width, height, channels) = (pixels.width(), pixels.height(), pixels.channels());
        let samples = match (pixels.into_samples(), channels.count()) {
            (Samples::Eight(samples), 1) => Samples::Eight(turn::<u8, 1>(self, samples, width)),
            (Samples::Eight(samples), 2) => Samples::Eight(turn::<u8, 2>(self, samples, width)),
            (Samples::Eight(samples), 3) => Samples::Eight(turn::<u8, 3>(self, samples, width)),
            (Samples::Eight(samples), _) => Samples::Eight(turn::<u8, 4>(self, samples, width)),
            (Samples::Sixteen(samples), 1) => {
                Samples::Sixteen(turn::<u16, 1>(self, samples, width))
            }
            (Samples::Sixteen(samples), 2) => {
                Samples::Sixteen(turn::<u16, 2>(self, samples, width))
            }
            (Samples::Sixteen(samples), 3) => {
                Samples::Sixteen(turn::<u16, 3>(self, samples, width))
            }
            (Samples::Sixteen(samples), _) => {
                Samples::Sixteen(turn::<u16, 4>(self, samples, width))
            }
        };
        let (width, height) = self.sides((width, height));
        // The number of samples is unchanged, so this holds (invariant 3).
        Pixels::new(width, height, channels, samples).expect("turning keeps the number of samples")
    }
}

/// Side of the square that is turned at once, so that both its rows and its columns stay in cache.
const TILE: usize = 32;

fn turn<T: Copy + Default, const N: usize>(
    orientation: Orientation,
    mut samples: Vec<T>,
    width: u32,
) -> Vec<T> {
    let width = width as usize;
    let (source, _) = samples.as_chunks_mut::<N>();
    let height = source.len() / width;
    match orientation {
        Orientation::Normal => return samples,
        Orientation::Rotate180 => {
            source.reverse();
            return samples;
        }
        Orientation::FlipHorizontal => {
            source.chunks_exact_mut(width).for_each(<[_]>::reverse);
            return samples;
        }
        Orientation::FlipVertical => {
            for y in 0..height / 2 {
                let (top, bottom) = source.split_at_mut((height - 1 - y) * width);
                top[y * width..][..width].swap_with_slice(&mut bottom[..width]);
            }
            return samples;
        }
        Orientation::Transpose
        | Orientation::Rotate90
        | Orientation::Transverse
        | Orientation::Rotate270 => {}
    }
    let flip_x = matches!(
        orientation,
        Orientation::Transverse | Orientation::Rotate270
    );
    let flip_y = matches!(orientation, Orientation::Rotate90 | Orientation::Transverse);
    let mut out = vec![T::default(); width * height * N];
    let (target, _) = out.as_chunks_mut::<N>();
    // The target is `height` wide and `width` high; its pixel (x, y) is the source's (y, x),
    // counted from the other side where flipped.
    for tile_y in (0..width).step_by(TILE) {
        for tile_x in (0..height).step_by(TILE) {
            for y in tile_y..width.min(tile_y + TILE) {
                let source_x = if flip_x { width - 1 - y } else { y };
                for x in tile_x..height.min(tile_x + TILE) {
                    let source_y = if flip_y { height - 1 - x } else { x };
                    target[y * height + x] = source[source_y * width + source_x];
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    #[test]
    fn each_of_the_eight_is_undone() {
        // A picture 3 wide and 2 high, upright:   1 2 3
        //                                          4 5 6
        // and the same as a camera stores it under each orientation.
        let upright = [1, 2, 3, 4, 5, 6];
        let stored: [(u16, u32, u32, [u8; 6]); 8] = [
            (1, 3, 2, [1, 2, 3, 4, 5, 6]),
            (2, 3, 2, [3, 2, 1, 6, 5, 4]),
            (3, 3, 2, [6, 5, 4, 3, 2, 1]),
            (4, 3, 2, [4, 5, 6, 1, 2, 3]),
            (5, 2, 3, [1, 4, 2, 5, 3, 6]),
            (6, 2, 3, [3, 6, 2, 5, 1, 4]),
            (7, 2, 3, [6, 3, 5, 2, 4, 1]),
            (8, 2, 3, [4, 1, 5, 2, 6, 3]),
        ];
        for (value, width, height, samples) in stored {
            let orientation = Orientation::from_exif(value);
            assert_eq!(u16::from(orientation.exif()), value);
            for channels in [
                Channels::Grey,
                Channels::GreyAlpha,
                Channels::Rgb,
                Channels::Rgba,
            ] {
                let spread = |samples: &[u8]| -> Vec<u8> {
                    samples
                        .iter()
                        .flat_map(|&v| (0..channels.count()).map(move |c| v * 10 + c as u8))
                        .collect()
                };
                let turned = orientation
                    .apply(Pixels::from_eight(width, height, channels, spread(&samples)).unwrap());
                assert_eq!((turned.width(), turned.height()), (3, 2), "{value}");
                assert_eq!(turned.eight().unwrap(), spread(&upright), "{value}");
                let deep = spread(&samples).into_iter().map(u16::from).collect();
                let turned = orientation
                    .apply(Pixels::new(width, height, channels, Samples::Sixteen(deep)).unwrap());
                assert_eq!(turned.into_eight().height(), 2, "{value}");
            }
        }
    }

    #[test]
    fn values_outside_one_to_eight_mean_as_stored() {
        assert_eq!(Orientation::from_exif(0), Orientation::Normal);
        assert_eq!(Orientation::from_exif(9), Orientation::Normal);
    }
}
