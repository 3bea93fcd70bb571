//! A small picture, and what is measured on it.

use safelight_pixels::encode::Chroma;
use safelight_pixels::jpeg::{Jpeg, Kernel, Planes, Wanted};
use safelight_pixels::{
    Channels, Decoded, Filter, Format, Limits, Orientation, PixelError, Pixels, Samples, colour,
    resize,
};

/// Longest side of the picture that is measured, in pixels.
pub const LONGEST_SIDE: u32 = 512;
/// Number of features that the model reads.
pub const COUNT: usize = 10;

/// A small sRGB picture; transparency apart.
#[derive(Debug, Clone)]
pub struct Small {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green, blue of each pixel, not premultiplied.
    pub rgb: Vec<[u8; 3]>,
    /// Alpha of each pixel; empty where all are opaque.
    pub alpha: Vec<u8>,
}

impl Small {
    /// The measured picture of a decoded image: box-filtered, upright, sRGB.
    pub fn of(decoded: Decoded) -> Result<Self, PixelError> {
        let pixels = &decoded.pixels;
        let (width, height) = measured_size(pixels.width(), pixels.height(), LONGEST_SIDE);
        let small = resize(pixels, width, height, Filter::Box)?;
        let orientation: Orientation = decoded.orientation;
        let format = decoded.source.format;
        let icc = decoded.metadata.icc.clone();
        drop(decoded);
        Self::new(orientation.apply(small), icc.as_deref(), format)
    }

    /// The measured picture of a JPEG, from as little of its detail as that takes; `None` where the
    /// general decoder has to judge.
    pub fn of_jpeg(bytes: &[u8], limits: &Limits) -> Result<Option<Self>, PixelError> {
        let Some(jpeg) = Jpeg::open(bytes, limits) else {
            return Ok(None);
        };
        let icc = jpeg.metadata().icc.clone();
        // Means of 4 or 8 pixels a side cost a fraction of all detail. So a picture that is nearly
        // as large as LONGEST_SIDE in them is measured at that size.
        let longest = jpeg.width().max(jpeg.height());
        let most = [8, 4]
            .map(|shrink| longest / shrink)
            .into_iter()
            .find(|&side| side >= LONGEST_SIDE / 4 * 3)
            .map_or(LONGEST_SIDE, |side| side.min(LONGEST_SIDE));
        let (width, height) = measured_size(jpeg.width(), jpeg.height(), most);
        // Where the picture is halved or more, colour at half of its resolution loses nothing that most JPEGs
        // store, and both can be decoded in less detail.
        let chroma = if longest >= 2 * LONGEST_SIDE {
            Chroma::Quarter
        } else {
            Chroma::Full
        };
        let wanted = Wanted {
            area: jpeg.whole(),
            width,
            height,
            chroma,
            kernel: Kernel::Box,
        };
        let pixels = jpeg
            .pictures(&[wanted])
            .and_then(|mut all| all.pop())
            .and_then(Planes::into_pixels);
        match pixels {
            Some(pixels) => Self::new(pixels, icc.as_deref(), Format::Jpeg).map(Some),
            None => Ok(None),
        }
    }

    fn new(upright: Pixels, icc: Option<&[u8]>, format: Format) -> Result<Self, PixelError> {
        let small = colour::to_srgb8(upright, icc, format)?;
        let (width, height) = (small.width() as usize, small.height() as usize);
        let opaque = small.is_opaque();
        let small = small.into_colour();
        let count = small.channels().count();
        let has_alpha = small.channels() == Channels::Rgba && !opaque;
        let Samples::Eight(samples) = small.into_samples() else {
            return Err(PixelError::EncodeFailed {
                format,
                cause: "16-bit samples after conversion to 8".to_owned(),
            });
        };
        Ok(Self {
            width,
            height,
            rgb: samples
                .chunks_exact(count)
                .map(|pixel| [pixel[0], pixel[1], pixel[2]])
                .collect(),
            alpha: if has_alpha {
                samples.chunks_exact(4).map(|pixel| pixel[3]).collect()
            } else {
                Vec::new()
            },
        })
    }

    /// Whether a pixel is more visible than not.
    pub fn visible(&self, at: usize) -> bool {
        self.alpha.get(at).is_none_or(|&alpha| alpha >= 128)
    }

    /// Luma (ITU-R BT.709 weights on the coded values) of each pixel, 0 to 255.
    pub fn luma(&self) -> Vec<f32> {
        self.rgb.iter().map(|&rgb| luma(rgb)).collect()
    }
}

/// Size of the measured picture: at most `most` a side, never enlarged.
fn measured_size(width: u32, height: u32, most: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= most {
        return (width, height);
    }
    let side = |side: u32| {
        let scaled = u64::from(side) * u64::from(most) / u64::from(longest);
        (scaled as u32).max(1)
    };
    (side(width), side(height))
}

/// Luma of a colour, 0 to 255.
pub fn luma([red, green, blue]: [u8; 3]) -> f32 {
    0.2126 * f32::from(red) + 0.7152 * f32::from(green) + 0.0722 * f32::from(blue)
}

/// Largest minus smallest channel, 0 to 255.
pub fn chroma(rgb: [u8; 3]) -> u8 {
    let [red, green, blue] = rgb;
    red.max(green).max(blue) - red.min(green).min(blue)
}

/// What the labels are made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// The model's input; each from 0 to 1. In order: share of neighbours that are equal (to 1/255),
    /// that differ a little (2 to 24), that differ much (above 48); number of different colours
    /// (logarithmic); share of the most frequent colour and of the four most frequent; share of
    /// paper (bright, colourless); share of ink that is thin; rhythm of inked and empty rows; mean
    /// chroma.
    pub model: [f64; COUNT],
    /// 99th percentile of chroma, 0 to 255.
    pub chroma_p99: f64,
    /// Median of luma, 0 to 255.
    pub luma_median: f64,
    /// 90th percentile of luma, 0 to 255.
    pub luma_p90: f64,
    /// Share of pixels that are not fully opaque, 0 to 1.
    pub transparent: f64,
}

/// Measures a picture.
pub fn measure(small: &Small) -> Features {
    let neighbours = neighbours(small);
    let mut fine = vec![0u32; 1 << 15];
    let (mut lumas, mut chromas) = ([0u32; 256], [0u32; 256]);
    let (mut visible, mut paper, mut chroma_sum) = (0u32, 0u32, 0u64);
    for (at, &rgb) in small.rgb.iter().enumerate() {
        if !small.visible(at) {
            continue;
        }
        visible += 1;
        fine[bin(rgb, 5)] += 1;
        let (luma, chroma) = ((luma(rgb) + 0.5) as usize, chroma(rgb));
        lumas[luma.min(255)] += 1;
        chromas[usize::from(chroma)] += 1;
        paper += u32::from(luma > 200 && chroma < 24);
        chroma_sum += u64::from(chroma);
    }
    let n = f64::from(visible.max(1));
    let mut coarse = vec![0u32; 1 << 12];
    for (at, &count) in fine.iter().enumerate() {
        // The same cell without each channel's last bit.
        coarse[at >> 3 & 0xF00 | at >> 2 & 0xF0 | at >> 1 & 0xF] += count;
    }
    let different = fine.iter().filter(|&&count| count > 0).count() as f64;
    let mut sorted = coarse.clone();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let top = |count: usize| f64::from(sorted[..count].iter().sum::<u32>()) / n;
    let (thin, rhythm) = ink(small, &coarse);
    let transparent = small.alpha.iter().filter(|&&alpha| alpha < 250).count() as f64
        / small.rgb.len().max(1) as f64;
    Features {
        model: [
            neighbours[0],
            neighbours[1],
            neighbours[2],
            (1.0 + different).log2() / 15.0,
            top(1),
            top(4),
            f64::from(paper) / n,
            thin,
            rhythm,
            chroma_sum as f64 / n / 255.0,
        ],
        chroma_p99: percentile(&chromas, 0.99),
        luma_median: percentile(&lumas, 0.5),
        luma_p90: percentile(&lumas, 0.9),
        transparent,
    }
}

/// Which cell of a histogram with so many bits a channel a colour is in.
pub(crate) fn bin([red, green, blue]: [u8; 3], bits: u32) -> usize {
    let part = |value: u8| usize::from(value >> (8 - bits));
    part(red) << (2 * bits) | part(green) << bits | part(blue)
}

/// The value below which a share of a histogram lies.
pub(crate) fn percentile(histogram: &[u32; 256], share: f64) -> f64 {
    let total: u64 = histogram.iter().map(|&count| u64::from(count)).sum();
    let wanted = total as f64 * share;
    let mut sum = 0u64;
    for (value, &count) in histogram.iter().enumerate() {
        sum += u64::from(count);
        if count > 0 && sum as f64 >= wanted {
            return value as f64;
        }
    }
    0.0
}

/// Shares of horizontal and vertical neighbours that are equal, a little different, very different.
fn neighbours(small: &Small) -> [f64; 3] {
    let (width, pixels) = (small.width, small.rgb.len());
    let mut differences = [0u64; 256];
    let mut compare = |here: usize, there: usize| {
        if small.visible(here) && small.visible(there) {
            let difference = difference(small.rgb[here], small.rgb[there]);
            differences[usize::from(difference)] += 1;
        }
    };
    for row in (0..pixels).step_by(width.max(1)) {
        for there in row + 1..row + width {
            compare(there - 1, there);
        }
    }
    for there in width..pixels {
        compare(there - width, there);
    }
    let total = differences.iter().sum::<u64>().max(1) as f64;
    [&differences[..=1], &differences[2..=24], &differences[49..]]
        .map(|range| range.iter().sum::<u64>() as f64 / total)
}

/// The largest difference of a channel.
fn difference(a: [u8; 3], b: [u8; 3]) -> u8 {
    let [red, green, blue] = [0, 1, 2].map(|channel| a[channel].abs_diff(b[channel]));
    red.max(green).max(blue)
}

/// Ink is what differs from the most frequent colour by more than 64. Returns the share of ink that
/// is thin (gone when every pixel needs ink on all four sides two pixels away), and the rhythm of
/// inked and empty rows: changes between them, where eight rows a change is 1.
/// `counts`: a histogram of four bits a channel.
fn ink(small: &Small, counts: &[u32]) -> (f64, f64) {
    let Some((mode, 1..)) = counts
        .iter()
        .copied()
        .enumerate()
        .max_by_key(|&(_, count)| count)
    else {
        return (0.0, 0.0);
    };
    let middle = |shift: usize| ((mode >> shift & 15) * 16 + 8) as u8;
    let paper = [middle(8), middle(4), middle(0)];
    let inked: Vec<bool> = (0..small.rgb.len())
        .map(|at| small.visible(at) && difference(small.rgb[at], paper) > 64)
        .collect();
    let (width, height) = (small.width, small.height);
    let total = inked.iter().filter(|&&ink| ink).count();
    if total == 0 {
        return (0.0, 0.0);
    }
    let mut thick = 0usize;
    for y in 2..height.saturating_sub(2) {
        let row = |y: usize| &inked[y * width..][..width];
        let sides = row(y).windows(5).map(|five| five[0] & five[2] & five[4]);
        let ends = row(y - 2).iter().zip(row(y + 2)).skip(2);
        thick += sides
            .zip(ends)
            .filter(|&(sides, (above, below))| sides & above & below)
            .count();
    }
    let rows: Vec<bool> = inked
        .chunks_exact(width)
        .map(|row| row.iter().filter(|&&ink| ink).count() * 100 > width)
        .collect();
    let changes = rows.windows(2).filter(|pair| pair[0] != pair[1]).count();
    (
        1.0 - thick as f64 / total as f64,
        (changes as f64 * 8.0 / height as f64).min(1.0),
    )
}
