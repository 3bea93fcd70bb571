//! Thumbnails of every format and of the awkward variants.

#![allow(clippy::unwrap_used)]

use safelight_branch_thumbnail::{Animated, Settings, run};
use safelight_pixels::encode::{self, AnimationEncoder, JpegOptions, WebpCoding};
use safelight_pixels::{
    Channels, Format, Limits, Metadata, Pixels, Samples, decode, for_each_frame,
};

/// Red on the left, blue on the right; the upper half lighter.
fn scene(width: u32, height: u32, channels: Channels) -> Pixels {
    let samples = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| {
            let light = if y < height / 2 { 255 } else { 120 };
            let rgb = if x < width / 2 {
                [light, 0, 0]
            } else {
                [0, 0, light]
            };
            let alpha = if x < width / 4 { 0 } else { 255 };
            match channels {
                Channels::Grey => vec![light],
                Channels::GreyAlpha => vec![light, alpha],
                Channels::Rgb => rgb.to_vec(),
                Channels::Rgba => vec![rgb[0], rgb[1], rgb[2], alpha],
            }
        })
        .collect();
    Pixels::from_eight(width, height, channels, samples).unwrap()
}

fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

fn plain() -> Metadata {
    Metadata::default()
}

#[test]
fn each_format_has_its_thumbnail_of_half_the_size() {
    let rgb = scene(41, 30, Channels::Rgb);
    let rgba = scene(41, 30, Channels::Rgba);
    let deep = Pixels::new(
        41,
        30,
        Channels::Rgb,
        Samples::Sixteen(vec![30_000; 41 * 30 * 3]),
    )
    .unwrap();
    let quality = JpegOptions::of_quality(90);
    for (format, file, expected, name) in [
        (
            Format::Jpeg,
            encode::jpeg(&rgb, &plain(), quality).unwrap(),
            Format::Jpeg,
            "thumbnail.jpg",
        ),
        (
            Format::Png,
            encode::png(&rgba, &plain()).unwrap(),
            Format::Png,
            "thumbnail.png",
        ),
        (
            Format::Gif,
            encode::gif(rgba.clone()).unwrap(),
            Format::Png,
            "thumbnail.png",
        ),
        (
            Format::Webp,
            encode::webp(&rgba, &plain(), WebpCoding::Lossy(80)).unwrap(),
            Format::Webp,
            "thumbnail.webp",
        ),
        (
            Format::Bmp,
            encode::bmp(&rgb).unwrap(),
            Format::Png,
            "thumbnail.png",
        ),
        (
            Format::Tiff,
            encode::tiff(&rgb, &plain()).unwrap(),
            Format::Jpeg,
            "thumbnail.jpg",
        ),
        (
            Format::Tiff,
            encode::tiff(&rgba, &plain()).unwrap(),
            Format::Png,
            "thumbnail.png",
        ),
        (
            Format::Tiff,
            encode::tiff(&deep, &plain()).unwrap(),
            Format::Png,
            "thumbnail.png",
        ),
    ] {
        let outcome = run(&file, format, &Settings::default(), &Limits::default()).unwrap();
        let [output] = &outcome.outputs[..] else {
            panic!("not one output")
        };
        assert_eq!(output.file_name, name, "{format}");
        assert_eq!(output.content_type, expected.media_type());
        let back = decode(&output.bytes, expected, &Limits::default()).unwrap();
        assert_eq!(
            (back.pixels.width(), back.pixels.height()),
            (21, 15),
            "{format}"
        );
        assert_eq!((outcome.details.width, outcome.details.height), (21, 15));
        assert_eq!(outcome.details.bytes, output.bytes.len() as u64);
        // Invariant 2.
        let again = run(&file, format, &Settings::default(), &Limits::default()).unwrap();
        assert_eq!(again, outcome);
    }
    let outcome = run(
        &encode::png(&deep, &plain()).unwrap(),
        Format::Png,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap();
    let back = decode(&outcome.outputs[0].bytes, Format::Png, &Limits::default()).unwrap();
    assert_eq!(back.pixels.bit_depth(), 16);
}

#[test]
fn a_rotated_photograph_stands_upright() {
    // Stored lying on its side: upright it is 32 wide and 48 high, and red is above blue.
    let stored = scene(48, 32, Channels::Rgb);
    let metadata = Metadata {
        exif: Some(exif(6)),
        ..plain()
    };
    let file = encode::jpeg(&stored, &metadata, JpegOptions::of_quality(95)).unwrap();
    let outcome = run(
        &file,
        Format::Jpeg,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(outcome.details.orientation, 6);
    assert_eq!(
        (outcome.details.source_width, outcome.details.source_height),
        (32, 48)
    );
    let back = decode(&outcome.outputs[0].bytes, Format::Jpeg, &Limits::default()).unwrap();
    assert_eq!((back.pixels.width(), back.pixels.height()), (16, 24));
    let samples = back.pixels.eight().unwrap();
    let pixel = |x: usize, y: usize| &samples[(y * 16 + x) * 3..][..3];
    assert!(pixel(12, 3)[0] > 200, "{:?}", pixel(12, 3));
    assert!(pixel(12, 20)[2] > 200, "{:?}", pixel(12, 20));
}

#[test]
fn alpha_is_weighted_and_profiles_stay() {
    let metadata = Metadata {
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        ..plain()
    };
    let file = encode::png(&scene(40, 40, Channels::Rgba), &metadata).unwrap();
    let outcome = run(&file, Format::Png, &Settings::default(), &Limits::default()).unwrap();
    assert_eq!(outcome.details.colour, "profile-kept");
    let back = decode(&outcome.outputs[0].bytes, Format::Png, &Limits::default()).unwrap();
    assert_eq!(back.metadata.icc, metadata.icc);
    assert!(!back.pixels.is_opaque());
}

fn animation(format: Format) -> Vec<u8> {
    let mut encoder = match format {
        Format::Gif => AnimationEncoder::gif(24, 20, 0).unwrap(),
        Format::Webp => AnimationEncoder::webp(24, 20, 0, WebpCoding::Lossless, plain()),
        _ => AnimationEncoder::png(24, 20, 0, 3, &plain()).unwrap(),
    };
    for shade in [0u8, 120, 240] {
        let samples = vec![shade; 24 * 20 * 3];
        encoder
            .push(
                Pixels::from_eight(24, 20, Channels::Rgb, samples).unwrap(),
                70,
            )
            .unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn animations_are_kept_or_reduced_as_set() {
    // Invariant 3.
    for format in [Format::Gif, Format::Webp, Format::Png] {
        let file = animation(format);
        let first = run(&file, format, &Settings::default(), &Limits::default()).unwrap();
        assert_eq!(
            (first.details.frames, first.details.source_frames),
            (1, 3),
            "{format}"
        );
        let keep = Settings {
            animated: Animated::Keep,
            ..Settings::default()
        };
        let kept = run(&file, format, &keep, &Limits::default()).unwrap();
        assert_eq!(kept.details.format, format);
        let mut shades = Vec::new();
        for_each_frame(
            &kept.outputs[0].bytes,
            format,
            &Limits::default(),
            &mut |_, frame| {
                assert_eq!((frame.pixels.width(), frame.pixels.height()), (12, 10));
                assert_eq!(frame.delay_ms, 70);
                shades.push(frame.pixels.eight().unwrap()[0]);
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(shades, [0, 120, 240], "{format}");
    }
}

#[test]
fn broken_files_are_named() {
    let file = encode::png(&scene(40, 40, Channels::Rgb), &plain()).unwrap();
    let error = run(
        &file[..file.len() / 2],
        Format::Png,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap_err();
    assert_eq!(error.name(), "Image.Truncated");
    let error = run(
        b"\0\0\0\x18ftypheic",
        Format::Heic,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap_err();
    assert_eq!(error.name(), "Image.DecoderMissing");
}
