//! Compression of every format: smaller or the same, and the same picture where it is lossless.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use safelight_branch_compress::{Outcome, Settings, run};
use safelight_pixels::encode::{self, AnimationEncoder, JpegOptions, WebpCoding};
use safelight_pixels::{
    Channels, Format, Limits, Metadata, MetadataPolicy, Pixels, decode, for_each_frame,
};

fn scene(width: u32, height: u32, channels: Channels) -> Pixels {
    let samples = (0..width * height)
        .flat_map(|at| {
            let (x, y) = (at % width, at / width);
            (0..channels.count() as u32)
                .map(move |c| ((x * (c + 1) + y * 2 + (x * y) / 9) % 256) as u8)
        })
        .collect();
    Pixels::from_eight(width, height, channels, samples).unwrap()
}

fn plain() -> Metadata {
    Metadata::default()
}

fn compressed(file: &[u8], format: Format) -> Outcome {
    let outcome = run(file, format, &Settings::default(), &Limits::default()).unwrap();
    let output = &outcome.outputs[0];
    // Invariant 1.
    assert!(output.bytes.len() <= file.len(), "{format}");
    assert_eq!(
        outcome.details.kept_original,
        output.bytes == file,
        "{format}"
    );
    assert_eq!(
        outcome.details.kept_original,
        outcome.details.reason.is_some()
    );
    assert_eq!(outcome.details.bytes, output.bytes.len() as u64);
    outcome
}

#[test]
fn jpeg_is_written_at_the_quality() {
    let picture = scene(200, 150, Channels::Rgb);
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let metadata = Metadata {
        exif: Some(exif),
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        ..plain()
    };
    let file = encode::jpeg(&picture, &metadata, JpegOptions::of_quality(98)).unwrap();
    let outcome = compressed(&file, Format::Jpeg);
    assert!(!outcome.details.kept_original);
    assert_eq!(outcome.details.chroma.as_deref(), Some("4:2:0"));
    assert_eq!(outcome.outputs[0].file_name, "compressed.jpg");
    let back = decode(&outcome.outputs[0].bytes, Format::Jpeg, &Limits::default()).unwrap();
    // Invariant 3: upright, profile there, EXIF gone.
    assert_eq!((back.pixels.width(), back.pixels.height()), (150, 200));
    assert_eq!(back.metadata.icc, metadata.icc);
    assert_eq!(back.metadata.exif, None);

    let keep = Settings {
        metadata: MetadataPolicy::Keep,
        ..Settings::default()
    };
    let outcome = run(&file, Format::Jpeg, &keep, &Limits::default()).unwrap();
    let back = decode(&outcome.outputs[0].bytes, Format::Jpeg, &Limits::default()).unwrap();
    assert!(back.metadata.exif.is_some());
    assert_eq!((back.pixels.width(), back.pixels.height()), (150, 200));

    let small = encode::jpeg(&picture, &plain(), JpegOptions::of_quality(20)).unwrap();
    let outcome = compressed(&small, Format::Jpeg);
    assert!(outcome.details.kept_original);
    assert!(outcome.details.reason.unwrap().contains("bytes"));
}

#[test]
fn lossless_formats_keep_every_pixel() {
    // Invariant 2.
    for channels in [
        Channels::Grey,
        Channels::GreyAlpha,
        Channels::Rgb,
        Channels::Rgba,
    ] {
        let picture = scene(64, 48, channels);
        let files = [
            (Format::Png, encode::png(&picture, &plain()).unwrap()),
            (Format::Bmp, encode::bmp(&picture).unwrap()),
            (Format::Tiff, encode::tiff(&picture, &plain()).unwrap()),
            (
                Format::Webp,
                encode::webp(&picture, &plain(), WebpCoding::Lossless).unwrap(),
            ),
        ];
        for (format, file) in files {
            let outcome = compressed(&file, format);
            let output = &outcome.outputs[0];
            let before = decode(&file, format, &Limits::default()).unwrap().pixels;
            let after = decode(&output.bytes, outcome.details.format, &Limits::default())
                .unwrap()
                .pixels;
            assert_eq!(
                before.into_rgba8(),
                after.into_rgba8(),
                "{format} {channels:?}"
            );
        }
    }
}

#[test]
fn sixteen_bits_and_gamma_survive_png() {
    let samples = (0..40 * 40u32)
        .map(|at| (at * 37 % 65_536) as u16)
        .collect();
    let picture = Pixels::new(
        40,
        40,
        Channels::Grey,
        safelight_pixels::Samples::Sixteen(samples),
    )
    .unwrap();
    let metadata = Metadata {
        png_colour: vec![(*b"gAMA", 100_000u32.to_be_bytes().to_vec())],
        ..plain()
    };
    let file = encode::png(&picture, &metadata).unwrap();
    let outcome = compressed(&file, Format::Png);
    let back = decode(&outcome.outputs[0].bytes, Format::Png, &Limits::default()).unwrap();
    assert_eq!(back.pixels, picture);
    assert_eq!(back.metadata.png_colour, metadata.png_colour);
}

#[test]
fn bitmaps_become_png_and_uncompressed_tiff_shrinks() {
    let flat = Pixels::from_eight(100, 80, Channels::Rgb, vec![7; 24_000]).unwrap();
    let outcome = compressed(&encode::bmp(&flat).unwrap(), Format::Bmp);
    assert_eq!(outcome.outputs[0].file_name, "compressed.png");
    assert_eq!(outcome.details.coding.as_deref(), Some("lossless"));
    assert!(outcome.details.bytes < 1000);
}

#[test]
fn animations_are_never_flattened() {
    for format in [Format::Gif, Format::Webp, Format::Png] {
        for coding in [WebpCoding::Lossless, WebpCoding::Lossy(98)] {
            let mut encoder = match format {
                Format::Gif => AnimationEncoder::gif(40, 40, 0).unwrap(),
                Format::Webp => AnimationEncoder::webp(40, 40, 0, coding, plain()),
                _ => AnimationEncoder::png(40, 40, 0, 3, &plain()).unwrap(),
            };
            for shift in 0..3u8 {
                let samples = scene(40, 40, Channels::Rgb)
                    .eight()
                    .unwrap()
                    .iter()
                    .map(|v| v.wrapping_add(shift * 20))
                    .collect();
                encoder
                    .push(
                        Pixels::from_eight(40, 40, Channels::Rgb, samples).unwrap(),
                        90,
                    )
                    .unwrap();
            }
            let file = encoder.finish().unwrap();
            let outcome = compressed(&file, format);
            assert_eq!(outcome.details.format, format);
            let mut delays = Vec::new();
            for_each_frame(
                &outcome.outputs[0].bytes,
                format,
                &Limits::default(),
                &mut |_, frame| {
                    delays.push(frame.delay_ms);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(delays, [90, 90, 90], "{format}");
        }
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let settings = Settings {
        jpeg_quality: 0,
        ..Settings::default()
    };
    let error = run(b"x", Format::Jpeg, &settings, &Limits::default()).unwrap_err();
    assert_eq!(error.name(), "Settings.Invalid");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn never_larger_than_the_original(
        samples in proptest::collection::vec(any::<u8>(), 12 * 9 * 4),
        format in prop::sample::select(vec![Format::Jpeg, Format::Png, Format::Gif, Format::Webp, Format::Bmp, Format::Tiff]),
        quality in 1u8..100,
    ) {
        let picture = Pixels::from_eight(12, 9, Channels::Rgba, samples).unwrap();
        let file = match format {
            Format::Jpeg => encode::jpeg(&picture, &plain(), JpegOptions::of_quality(quality)),
            Format::Png => encode::png(&picture, &plain()),
            Format::Gif => encode::gif(picture),
            Format::Webp => encode::webp(&picture, &plain(), WebpCoding::Lossy(quality)),
            Format::Bmp => encode::bmp(&picture),
            _ => encode::tiff(&picture, &plain()),
        }
        .unwrap();
        compressed(&file, format);
    }
}
