//! Compression of every format: smaller or the same, and the same picture where it is lossless.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use safelight_branch_compress::{LossyFormat, Outcome, Settings, compress, run};
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

fn as_avif(settings: Settings) -> Settings {
    Settings {
        lossy_format: LossyFormat::Avif,
        ..settings
    }
}

#[cfg(not(feature = "avif-output"))]
#[test]
fn avif_is_refused_in_a_build_that_does_not_write_it() {
    let settings = as_avif(Settings::default());
    let error = run(b"", Format::Jpeg, &settings, &Limits::default()).unwrap_err();
    assert_eq!(error.name(), "Settings.Invalid");
    assert!(error.to_string().contains("avif-output"), "{error}");
}

/// As it can be read back: only with a decoder, which is another feature (`avif` of safelight-pixels).
#[cfg(feature = "avif-output")]
fn read_back(outcome: &Outcome) -> Option<safelight_pixels::Decoded> {
    let readable = safelight_pixels::FEATURES.contains(&"avif");
    let file = &outcome.outputs[0].bytes;
    readable.then(|| decode(file, Format::Avif, &Limits::default()).unwrap())
}

#[cfg(feature = "avif-output")]
#[test]
fn what_is_coded_with_loss_becomes_avif() {
    let samples = (0..96 * 64u32)
        .flat_map(|at| {
            let (x, y) = (at % 96, at / 96);
            let grain = at.wrapping_mul(2_654_435_761) >> 28;
            [x * 2 + grain, y * 3 + grain, 90 + grain, 40 + x * 2].map(|sample| sample as u8)
        })
        .collect();
    let picture = Pixels::from_eight(96, 64, Channels::Rgba, samples).unwrap();
    let opaque = scene(96, 64, Channels::Rgb);
    let jpeg = encode::jpeg(&opaque, &plain(), JpegOptions::of_quality(95)).unwrap();
    let webp = encode::webp(&picture, &plain(), WebpCoding::Lossy(100)).unwrap();
    let settings = as_avif(Settings::default());
    for (file, format, channels) in [
        (&jpeg, Format::Jpeg, Channels::Rgb),
        (&webp, Format::Webp, Channels::Rgba),
    ] {
        let outcome = run(file, format, &settings, &Limits::default()).unwrap();
        let (output, details) = (&outcome.outputs[0], &outcome.details);
        assert_eq!(details.format, Format::Avif, "{format}");
        assert_eq!(details.quality, Some(settings.avif_quality));
        assert_eq!(details.chroma.as_deref(), Some("4:4:4"));
        assert_eq!(details.colour.as_deref(), Some("srgb"));
        assert_eq!(output.file_name, "compressed.avif");
        assert_eq!(output.content_type, "image/avif");
        assert_eq!(&output.bytes[4..12], b"ftypavif");
        assert!(output.bytes.len() < file.len());
        let alpha = output.bytes.windows(4).any(|name| name == b"auxC");
        assert_eq!(alpha, channels.has_alpha(), "{format}");
        if let Some(back) = read_back(&outcome) {
            assert_eq!((back.pixels.width(), back.pixels.height()), (96, 64));
            assert_eq!(back.pixels.channels(), channels);
        }
    }
    let less = Settings {
        avif_quality: 20,
        ..settings
    };
    let small = run(&jpeg, Format::Jpeg, &less, &Limits::default()).unwrap();
    let usual = run(&jpeg, Format::Jpeg, &settings, &Limits::default()).unwrap();
    assert!(small.details.bytes < usual.details.bytes);
    // Invariant 1.
    let small = encode::jpeg(&opaque, &plain(), JpegOptions::of_quality(1)).unwrap();
    let best = Settings {
        avif_quality: 100,
        ..settings
    };
    let outcome = run(&small, Format::Jpeg, &best, &Limits::default()).unwrap();
    assert!(outcome.details.kept_original);
    assert_eq!(outcome.outputs[0].bytes, small);
    assert_eq!(outcome.outputs[0].file_name, "compressed.jpg");
}

#[cfg(feature = "avif-output")]
#[test]
fn avif_stands_upright_in_srgb_and_carries_the_exif_that_is_to_be_kept() {
    // Orientation 6, and a place: a GPS directory with its version.
    let exif = b"II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\
        \x25\x88\x04\0\x01\0\0\0\x26\0\0\0\0\0\0\0\
        \x01\0\0\0\x01\0\x04\0\0\0\x02\x03\0\0\0\0\0\0"
        .to_vec();
    let wide = Metadata {
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        exif: Some(exif),
        ..plain()
    };
    let red = [200u8, 100, 100].repeat(96 * 64);
    let picture = Pixels::from_eight(96, 64, Channels::Rgb, red).unwrap();
    let file = encode::jpeg(&picture, &wide, JpegOptions::of_quality(95)).unwrap();
    for (policy, block, place) in [
        (MetadataPolicy::Strip, false, false),
        (MetadataPolicy::WithoutLocation, true, false),
        (MetadataPolicy::Keep, true, true),
    ] {
        let settings = as_avif(Settings {
            metadata: policy,
            ..Settings::default()
        });
        let outcome = run(&file, Format::Jpeg, &settings, &Limits::default()).unwrap();
        let avif = &outcome.outputs[0].bytes;
        let has = |part: &[u8]| avif.windows(part.len()).any(|found| found == part);
        assert_eq!(outcome.details.colour.as_deref(), Some("converted-to-srgb"));
        assert_eq!(has(b"Exif"), block, "{policy:?}");
        assert_eq!(has(b"II*\0"), block, "{policy:?}");
        assert_eq!(has(b"\x01\0\x04\0\0\0\x02\x03\0\0"), place, "{policy:?}");
        // Turned: the EXIF says so, and there is no box that would turn it again.
        assert_eq!(
            has(b"\x12\x01\x03\0\x01\0\0\0\x01\0\0\0"),
            block,
            "{policy:?}"
        );
        assert!(!has(b"irot") && !has(b"imir"));
        let sides = [64u32.to_be_bytes(), 96u32.to_be_bytes()].concat();
        assert!(has(&[b"ispe\0\0\0\0", sides.as_slice()].concat()));
        if let Some(back) = read_back(&outcome) {
            assert_eq!((back.pixels.width(), back.pixels.height()), (64, 96));
            // The same colour needs a stronger red in the smaller gamut.
            let samples = back.pixels.eight().unwrap();
            assert!(samples[0] > 205 && samples[1] < 100, "{:?}", &samples[..3]);
        }
    }
}

#[cfg(feature = "avif-output")]
#[test]
fn what_is_lossless_or_moves_does_not_become_avif() {
    let settings = as_avif(Settings::default());
    let picture = scene(40, 40, Channels::Rgb);
    let mut moving = AnimationEncoder::webp(40, 40, 0, WebpCoding::Lossy(98), plain());
    moving.push(picture.clone(), 90).unwrap();
    moving.push(scene(40, 40, Channels::Rgba), 90).unwrap();
    for (file, format) in [
        (encode::png(&picture, &plain()).unwrap(), Format::Png),
        (
            encode::webp(&picture, &plain(), WebpCoding::Lossless).unwrap(),
            Format::Webp,
        ),
        (moving.finish().unwrap(), Format::Webp),
    ] {
        let outcome = run(&file, format, &settings, &Limits::default()).unwrap();
        assert_eq!(outcome.details.format, format);
        assert_eq!(outcome.details.colour, None);
    }
}

#[test]
fn an_avif_is_written_in_the_time_that_a_worker_has() {
    let manifest: serde_json::Value = serde_json::from_str(include_str!("../branch.json")).unwrap();
    let timeout = manifest["timeout_seconds"].as_u64().unwrap();
    assert!(compress::AVIF_SECONDS <= timeout * 9 / 10);
}
