//! AVIF as it is written, in a build with the feature that adds its encoder; read back where the decoder is
//! built, too.

#![cfg(feature = "avif-output")]
#![allow(clippy::unwrap_used)]

use safelight_pixels::encode::{self, AvifEffort};
use safelight_pixels::{Channels, Metadata, Pixels};
#[cfg(feature = "avif")]
use safelight_pixels::{Format, Limits, decode};

fn gradient(channels: Channels) -> Pixels {
    let count = channels.count();
    let samples = (0..48u32 * 32)
        .flat_map(|at| {
            let (x, y) = (at % 48, at / 48);
            let samples = [x * 5, y * 7, 128, x * 4 + 40].map(|sample| sample as u8);
            samples[..count].to_vec()
        })
        .collect();
    Pixels::from_eight(48, 32, channels, samples).unwrap()
}

fn written(pixels: Pixels, metadata: &Metadata, quality: u8) -> Vec<u8> {
    let effort = AvifEffort::within(100, [(pixels.width(), pixels.height())]).unwrap();
    encode::avif(pixels, metadata, quality, effort).unwrap()
}

#[test]
fn a_file_states_its_brand_its_sides_and_its_alpha() {
    for channels in [
        Channels::Rgb,
        Channels::Rgba,
        Channels::Grey,
        Channels::GreyAlpha,
    ] {
        let file = written(gradient(channels), &Metadata::default(), 80);
        let has = |name: &[u8]| file.windows(name.len()).position(|found| found == name);
        assert_eq!(&file[4..12], b"ftypavif", "{channels:?}");
        let sides = [48u32.to_be_bytes(), 32u32.to_be_bytes()].concat();
        let ispe = has(b"ispe").unwrap();
        assert_eq!(file[ispe + 8..ispe + 16], sides, "{channels:?}");
        let alpha = has(b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha").is_some();
        assert_eq!(alpha, channels.has_alpha(), "{channels:?}");
    }
}

#[test]
fn alpha_that_hides_nothing_is_left_out() {
    let pixels = Pixels::from_eight(8, 8, Channels::Rgba, vec![255; 256]).unwrap();
    let file = written(pixels, &Metadata::default(), 80);
    assert!(!file.windows(4).any(|name| name == b"auxC"));
}

#[test]
fn quality_and_metadata_count_and_the_same_gives_the_same() {
    let plain = |quality| written(gradient(Channels::Rgb), &Metadata::default(), quality);
    assert_eq!(plain(90), plain(90));
    assert!(plain(10).len() < plain(90).len());
    let file = written(gradient(Channels::Rgb), &described(), 90);
    assert!(file.windows(EXIF.len()).any(|found| found == EXIF));
}

#[test]
fn the_smallest_and_the_longest_are_written() {
    for (width, height) in [(1, 1), (2, 1), (1, 9), (17, 15), (65_535, 1), (4_097, 9)] {
        for channels in [Channels::Grey, Channels::Rgba] {
            let samples = vec![90; width as usize * height as usize * channels.count()];
            let pixels = Pixels::from_eight(width, height, channels, samples).unwrap();
            let file = written(pixels, &Metadata::default(), 80);
            #[cfg(feature = "avif")]
            {
                let back = decode(&file, Format::Avif, &Limits::default()).unwrap();
                let sides = (back.pixels.width(), back.pixels.height());
                assert_eq!(sides, (width, height), "{channels:?}");
            }
            assert_eq!(&file[4..12], b"ftypavif", "{width} × {height} {channels:?}");
        }
    }
}

#[test]
fn a_side_that_the_format_cannot_state_is_a_named_error() {
    let pixels = Pixels::from_eight(65_537, 1, Channels::Grey, vec![90; 65_537]).unwrap();
    let effort = AvifEffort::within(100, [(65_537, 1)]).unwrap();
    let error = encode::avif(pixels, &Metadata::default(), 80, effort).unwrap_err();
    assert_eq!(error.name(), "Image.EncodeFailed");
}

#[cfg(feature = "avif")]
#[test]
fn the_decoder_shows_what_was_written() {
    for channels in [
        Channels::Rgb,
        Channels::Rgba,
        Channels::Grey,
        Channels::GreyAlpha,
    ] {
        let pixels = gradient(channels).into_colour();
        let file = written(gradient(channels), &described(), 95);
        let back = decode(&file, Format::Avif, &Limits::default()).unwrap();
        assert_eq!(back.pixels.channels(), pixels.channels());
        assert_eq!(back.metadata.exif.as_deref(), Some(EXIF));
        let worst = pixels
            .eight()
            .unwrap()
            .iter()
            .zip(back.pixels.eight().unwrap())
            .map(|(before, after)| before.abs_diff(*after))
            .max();
        assert!(worst < Some(24), "{channels:?}: {worst:?}");
    }
}

const EXIF: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0";

fn described() -> Metadata {
    Metadata {
        exif: Some(EXIF.to_vec()),
        ..Metadata::default()
    }
}
