//! Every sample: where it lies, what it is, and what becomes of it.

use std::sync::LazyLock;

use anyhow::Result;
use image::{DynamicImage, RgbImage, RgbaImage};

use crate::drawing::CLEAR;
use crate::external::Encoder;
use crate::noise::{mix, smooth};
use crate::{documents, encode, graphics, scenes};

/// Scenes that several samples show; each takes seconds to draw.
static LAKE: LazyLock<RgbImage> = LazyLock::new(|| scenes::lake_at_dawn(1_500, 1_000));
static VALLEY: LazyLock<RgbImage> = LazyLock::new(|| scenes::alpine_valley(1_080, 720));
static DUNES: LazyLock<RgbImage> = LazyLock::new(|| scenes::dunes(1_200, 800));

/// How a sample is made.
#[derive(Clone, Copy)]
pub enum Make {
    /// Here: the same bytes on every machine.
    Here(fn() -> Result<Vec<u8>>),
    /// By a program of Debian's, out of this picture.
    By(Encoder, fn() -> RgbImage),
}

/// What is expected of `safelight process` with the default policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every branch that takes the format succeeds.
    Succeeded,
    /// It succeeds with a warning that the extension lies.
    Warned,
    /// Validate refuses it with this error.
    Rejected(&'static str),
    /// The header is sound, and a branch that decodes the pixels fails with this error.
    Failed(&'static str),
    /// It succeeds where there is a decoder, and is skipped (`Image.DecoderMissing`) where not.
    SucceededWithDecoder,
}

/// One file under `samples/`.
#[derive(Clone, Copy)]
pub struct Sample {
    /// Path below `samples/`.
    pub path: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
    /// How it is made.
    pub make: Make,
}

const fn here(
    path: &'static str,
    what: &'static str,
    outcome: Outcome,
    make: fn() -> Result<Vec<u8>>,
) -> Sample {
    Sample {
        path,
        what,
        outcome,
        make: Make::Here(make),
    }
}

const fn by(
    path: &'static str,
    what: &'static str,
    outcome: Outcome,
    encoder: Encoder,
    picture: fn() -> RgbImage,
) -> Sample {
    Sample {
        path,
        what,
        outcome,
        make: Make::By(encoder, picture),
    }
}

use Outcome::{Failed, Rejected, Succeeded, SucceededWithDecoder, Warned};

/// Every sample, in the order of the documents.
pub const SAMPLES: &[Sample] = &[
    here(
        "photos/lake-at-dawn.jpg",
        "JPEG photograph: mountains and their mirror",
        Succeeded,
        || encode::jpeg(&LAKE, 82),
    ),
    here(
        "photos/misty-forest.jpg",
        "JPEG photograph, upright, of little contrast",
        Succeeded,
        || encode::jpeg(&scenes::misty_forest(800, 1_100), 80),
    ),
    here(
        "photos/night-sky.jpg",
        "JPEG photograph, dark and noisy",
        Succeeded,
        || encode::jpeg(&scenes::night_sky(1_080, 720), 76),
    ),
    here(
        "photos/valley-in-grey.jpg",
        "JPEG of one component: black and white",
        Succeeded,
        || {
            let picture = DynamicImage::ImageRgb8(VALLEY.clone()).to_luma8();
            encode::grey_jpeg(&picture, 80)
        },
    ),
    here("photos/dunes.webp", "WebP, lossy", Succeeded, || {
        Ok(encode::webp(&DUNES, 84.0))
    }),
    by(
        "photos/alpine-valley.heic",
        "HEIC",
        SucceededWithDecoder,
        Encoder::Heic,
        || VALLEY.clone(),
    ),
    by(
        "photos/sunset-at-sea.avif",
        "AVIF",
        SucceededWithDecoder,
        Encoder::Avif,
        || scenes::sunset_at_sea(1_200, 800),
    ),
    by(
        "photos/city-lights.jxl",
        "JPEG XL, out of focus",
        Succeeded,
        Encoder::Jxl,
        || scenes::city_lights(1_200, 800),
    ),
    by(
        "photos/dunes.jp2",
        "JPEG 2000",
        Succeeded,
        Encoder::Jp2,
        || DUNES.clone(),
    ),
    here(
        "graphics/chart.png",
        "PNG: a chart with text",
        Succeeded,
        || encode::png(&graphics::chart()),
    ),
    here(
        "graphics/badge.png",
        "PNG with soft transparency",
        Succeeded,
        || encode::png(&graphics::badge()),
    ),
    here(
        "graphics/contour-map.gif",
        "GIF of one frame: fine lines, few colours",
        Succeeded,
        || encode::gif(&[graphics::contour_map()], 0),
    ),
    here(
        "graphics/test-card.bmp",
        "Windows bitmap of 24 bits",
        Succeeded,
        || encode::bmp(&graphics::test_card()),
    ),
    here(
        "graphics/logo.ico",
        "icon of four sizes, each a PNG",
        Succeeded,
        || encode::ico(&[16, 32, 48, 256].map(graphics::logo)),
    ),
    here("graphics/logo.svg", "SVG", Succeeded, || {
        Ok(graphics::LOGO_SVG.as_bytes().to_vec())
    }),
    here(
        "documents/letter.png",
        "PNG of one grey channel: a page of text",
        Succeeded,
        || encode::grey_png(&DynamicImage::ImageRgba8(documents::letter()).to_luma8()),
    ),
    here(
        "documents/scanned-letter.jpg",
        "JPEG: the same page from a scanner, askew",
        Succeeded,
        || encode::jpeg(&documents::scanned_letter(), 60),
    ),
    here(
        "documents/fax.tiff",
        "TIFF of two pages, deflated",
        Succeeded,
        || encode::tiff(&documents::fax_pages()),
    ),
    here(
        "difficult/rotated-by-exif.jpg",
        "JPEG stored on its side; EXIF orientation 6 turns it upright",
        Succeeded,
        || encode::turned_jpeg(&scenes::misty_forest(400, 560), 80),
    ),
    here(
        "difficult/cmyk.jpg",
        "JPEG of four printing inks",
        Succeeded,
        || encode::cmyk_jpeg(&scenes::sunset_at_sea(480, 320), 80),
    ),
    here(
        "difficult/sixteen-bit.png",
        "PNG of 16 bits a sample",
        Succeeded,
        sixteen_bit,
    ),
    here(
        "difficult/palette.png",
        "PNG of 4-bit indexes with a transparent colour",
        Succeeded,
        || encode::palette_png(&graphics::contour_map()),
    ),
    here(
        "difficult/animated.gif",
        "GIF of 16 frames",
        Succeeded,
        || {
            let frames: Vec<RgbaImage> = (0..16).map(|frame| graphics::ball(frame, 16)).collect();
            encode::gif(&frames, 5)
        },
    ),
    here(
        "difficult/animated.webp",
        "WebP of 12 frames",
        Succeeded,
        || encode::animated_webp(&spinner([28, 26, 31, 255]), 80),
    ),
    here(
        "difficult/animated.png",
        "APNG of 12 frames with transparency",
        Succeeded,
        || encode::animated_png(&spinner(CLEAR), 80),
    ),
    here(
        "difficult/한글 사진 +100%.jpg",
        "JPEG whose key has Korean letters, spaces, `+` and `%`",
        Succeeded,
        || encode::jpeg(&scenes::city_lights(480, 320), 80),
    ),
    here(
        "difficult/one-pixel.gif",
        "GIF of 1 × 1",
        Succeeded,
        || {
            encode::gif(
                &[RgbaImage::from_pixel(1, 1, image::Rgba([226, 56, 45, 255]))],
                0,
            )
        },
    ),
    here(
        "difficult/png-named.jpg",
        "PNG with the extension of a JPEG",
        Warned,
        || encode::png(&graphics::logo(128)),
    ),
    here(
        "difficult/truncated.jpg",
        "JPEG that ends at 41 % of its bytes",
        Failed("Image.Truncated"),
        || {
            let mut file = encode::jpeg(&LAKE, 70)?;
            file.truncate(file.len() * 41 / 100);
            Ok(file)
        },
    ),
    here(
        "difficult/cut-in-header.jpg",
        "JPEG that ends within its first segment",
        Rejected("Image.TruncatedHeader"),
        || {
            let mut file = encode::jpeg(&RgbImage::new(64, 64), 80)?;
            file.truncate(12);
            Ok(file)
        },
    ),
    here(
        "difficult/60000x60000.png",
        "PNG whose header promises 3,600 megapixels",
        Rejected("Image.TooManyMegapixels"),
        || Ok(encode::png_bomb(60_000)),
    ),
    here(
        "difficult/empty.png",
        "no bytes at all",
        Rejected("Image.Empty"),
        || Ok(Vec::new()),
    ),
    here(
        "difficult/text-named.jpg",
        "plain text with the extension of a JPEG",
        Rejected("Image.Unsupported"),
        || Ok(b"This is a note, not a photograph.\nSomebody renamed it.\n".to_vec()),
    ),
];

fn spinner(background: [u8; 4]) -> Vec<RgbaImage> {
    (0..12)
        .map(|turn| graphics::spinner(turn, 96, background))
        .collect()
}

/// A dusk of smooth tones, which eight bits would show in bands.
fn sixteen_bit() -> Result<Vec<u8>> {
    const WIDTH: u32 = 420;
    const HEIGHT: u32 = 280;
    let pixels: Vec<u16> = (0..HEIGHT)
        .flat_map(|y| (0..WIDTH).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let down = y as f32 / HEIGHT as f32;
            let (dx, dy) = (x as f32 / 280.0 - 1.05, down - 0.86);
            let glow = 0.30 / (1.0 + (dx * dx + dy * dy) * 14.0);
            [
                mix(0.03, 0.62, down * down) + glow,
                mix(0.05, 0.34, down * down * down) + glow * 0.5,
                mix(0.16, 0.30, smooth(0.0, 1.0, down)) + glow * 0.2,
            ]
        })
        .map(|part| (part.clamp(0.0, 1.0) * 65_535.0 + 0.5) as u16)
        .collect();
    encode::deep_png(&pixels, WIDTH, HEIGHT)
}
