//! How different two pictures look: SSIMULACRA2, 100 for the same, 90 where nobody sees a difference.

use anyhow::{Context as _, ensure};
use safelight_pixels::{Channels, Format, Limits, Pixels, Samples, decode};
use serde_json::json;
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// Side of the square that is compared: the middle of the picture, or all of it where it is smaller.
const SIDE: usize = 1024;

/// Scores each `reference TAB picture`; prints one JSON array.
pub fn run(lines: &[String]) -> anyhow::Result<()> {
    let mut scores = Vec::new();
    for line in lines {
        let (reference, picture) = line.split_once('\t').context("a line without a tab")?;
        let (reference, picture) = (read(reference)?, read(picture)?);
        ensure!(
            (reference.width(), reference.height()) == (picture.width(), picture.height()),
            "{line}: the pictures differ in size"
        );
        scores.push(compute_frame_ssimulacra2(reference, picture)?);
    }
    println!("{}", json!(scores));
    Ok(())
}

fn read(path: &str) -> anyhow::Result<Rgb> {
    let bytes = std::fs::read(path).with_context(|| path.to_owned())?;
    let format = if bytes.starts_with(&[0xFF, 0xD8]) {
        Format::Jpeg
    } else {
        Format::Png
    };
    let decoded = decode(&bytes, format, &Limits::default()).with_context(|| path.to_owned())?;
    middle(&decoded.pixels)
}

fn middle(pixels: &Pixels) -> anyhow::Result<Rgb> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let (wide, high) = (width.min(SIDE), height.min(SIDE));
    let (left, top) = ((width - wide) / 2, (height - high) / 2);
    let Samples::Eight(samples) = pixels.samples() else {
        anyhow::bail!("16 bits are not compared")
    };
    let channels = pixels.channels().count();
    let colour = matches!(pixels.channels(), Channels::Rgb | Channels::Rgba);
    let mut data = Vec::with_capacity(wide * high);
    for row in samples.chunks_exact(width * channels).skip(top).take(high) {
        for pixel in row.chunks_exact(channels).skip(left).take(wide) {
            let at = |index: usize| f32::from(pixel[if colour { index } else { 0 }]) / 255.0;
            data.push([at(0), at(1), at(2)]);
        }
    }
    Ok(Rgb::new(
        data,
        wide,
        high,
        TransferCharacteristic::SRGB,
        ColorPrimaries::BT709,
    )?)
}
