//! Thumbnails of every format and of the awkward variants.

#![allow(clippy::unwrap_used)]

use safelight_branch_thumbnail::{
    Animated, Background, ColourPolicy, Fit, OutputFormat, Settings, Size, run, thumbnail,
};
use safelight_pixels::encode::{self, AnimationEncoder, JpegOptions, WebpCoding};
use safelight_pixels::{
    Channels, Format, Ground, Limits, Metadata, Pixels, Samples, decode, for_each_frame,
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
    // A build with the feature `heic` takes it for what it is: cut off.
    let error = run(
        b"\0\0\0\x18ftypheic",
        Format::Heic,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap_err();
    let missing = error.name() == "Image.DecoderMissing";
    assert_eq!(missing, !safelight_pixels::FEATURES.contains(&"heic"));
}

fn size(name: &str, width: u32, height: u32, fit: Fit) -> Size {
    Size {
        name: name.to_owned(),
        width: Some(width),
        height: Some(height),
        fit: Some(fit),
    }
}

#[test]
fn several_sizes_come_from_one_call() {
    let rgb = scene(160, 80, Channels::Rgb);
    let sizes = vec![
        size("contain", 40, 40, Fit::Contain),
        size("cover", 40, 40, Fit::Cover),
        size("pad", 40, 40, Fit::Pad),
    ];
    let settings = Settings {
        sizes: sizes.clone(),
        background: Background(Ground::Opaque([0, 255, 0])),
        ..Settings::default()
    };
    let jpeg = encode::jpeg(&rgb, &plain(), JpegOptions::of_quality(95)).unwrap();
    let png = encode::png(&rgb, &plain()).unwrap();
    for (format, file) in [(Format::Jpeg, &jpeg), (Format::Png, &png)] {
        let outcome = run(file, format, &settings, &Limits::default()).unwrap();
        let extension = format.extensions()[0];
        let names: Vec<_> = outcome
            .outputs
            .iter()
            .map(|output| output.file_name.clone())
            .collect();
        assert_eq!(
            names,
            ["contain", "cover", "pad"].map(|name| format!("{name}.{extension}"))
        );
        let made: Vec<_> = outcome
            .details
            .sizes
            .iter()
            .map(|one| (one.width, one.height))
            .collect();
        assert_eq!(made, [(40, 20), (40, 40), (40, 40)]);
        assert_eq!((outcome.details.width, outcome.details.height), (40, 20));
        let pictures: Vec<_> = outcome
            .outputs
            .iter()
            .map(|output| {
                decode(&output.bytes, format, &Limits::default())
                    .unwrap()
                    .pixels
            })
            .collect();
        // Padding: green above, the picture in the middle. Cover: cut at the sides, no green.
        let pixel = |index: usize, x: usize, y: usize| {
            let picture: &Pixels = &pictures[index];
            let at = (y * picture.width() as usize + x) * 3;
            picture.eight().unwrap()[at..][..3].to_vec()
        };
        assert!(pixel(2, 20, 2)[1] > 240, "{format}: {:?}", pixel(2, 20, 2));
        assert!(pixel(2, 5, 14)[0] > 240, "{format}: {:?}", pixel(2, 5, 14));
        assert!(pixel(1, 3, 3)[0] > 230, "{format}: {:?}", pixel(1, 3, 3));
        assert!(pixel(1, 36, 3)[2] > 230, "{format}: {:?}", pixel(1, 36, 3));
    }
}

#[test]
fn a_cut_follows_the_orientation() {
    // Upright it is 40 wide and 80 high: the middle square is cut out, red above blue.
    let metadata = Metadata {
        exif: Some(exif(6)),
        ..plain()
    };
    let stored = scene(80, 40, Channels::Rgb);
    let settings = Settings {
        sizes: vec![size("square", 20, 20, Fit::Cover)],
        ..Settings::default()
    };
    let jpeg = encode::jpeg(&stored, &metadata, JpegOptions::of_quality(95)).unwrap();
    let png = encode::png(&stored, &metadata).unwrap();
    for (format, file) in [(Format::Jpeg, jpeg), (Format::Png, png)] {
        let outcome = run(&file, format, &settings, &Limits::default()).unwrap();
        let picture = decode(&outcome.outputs[0].bytes, format, &Limits::default())
            .unwrap()
            .pixels;
        assert_eq!((picture.width(), picture.height()), (20, 20), "{format}");
        let pixel = |x: usize, y: usize| &picture.eight().unwrap()[(y * 20 + x) * 3..][..3];
        assert!(pixel(15, 3)[0] > 200 && pixel(15, 16)[2] > 200, "{format}");
    }
}

#[test]
fn nothing_is_enlarged_unless_that_is_set() {
    let png = encode::png(&scene(10, 10, Channels::Rgb), &plain()).unwrap();
    let mut settings = Settings {
        sizes: vec![size("large", 30, 30, Fit::Contain)],
        ..Settings::default()
    };
    let width = |settings: &Settings, limits: &Limits| {
        run(&png, Format::Png, settings, limits).map(|outcome| outcome.details.width)
    };
    assert_eq!(width(&settings, &Limits::default()).unwrap(), 10);
    settings.enlarge = true;
    assert_eq!(width(&settings, &Limits::default()).unwrap(), 30);
    // The limit holds for what is made, too.
    let tight = Limits {
        max_pixels: 400,
        ..Limits::default()
    };
    assert_eq!(
        width(&settings, &tight).unwrap_err().name(),
        "Image.TooManyMegapixels"
    );
}

#[test]
fn the_format_is_as_set() {
    let rgba = scene(40, 40, Channels::Rgba);
    let png = encode::png(&rgba, &plain()).unwrap();
    for (set, format) in [
        (OutputFormat::Jpeg, Format::Jpeg),
        (OutputFormat::Webp, Format::Webp),
        (OutputFormat::Png, Format::Png),
    ] {
        let settings = Settings {
            format: set,
            background: Background(Ground::Opaque([0, 0, 255])),
            ..Settings::default()
        };
        let outcome = run(&png, Format::Png, &settings, &Limits::default()).unwrap();
        assert_eq!(outcome.details.format, format);
        let picture = decode(&outcome.outputs[0].bytes, format, &Limits::default())
            .unwrap()
            .pixels;
        assert_eq!(picture.channels().has_alpha(), format != Format::Jpeg);
        if format == Format::Jpeg {
            // The background is where the picture was transparent.
            let corner = &picture.eight().unwrap()[..3];
            assert!(corner[2] > 200 && corner[0] < 60, "{corner:?}");
        }
    }
    let settings = Settings {
        format: OutputFormat::Webp,
        animated: Animated::Keep,
        sizes: vec![size("a", 12, 12, Fit::Contain), size("b", 6, 6, Fit::Cover)],
        ..Settings::default()
    };
    let outcome = run(
        &animation(Format::Gif),
        Format::Gif,
        &settings,
        &Limits::default(),
    )
    .unwrap();
    assert_eq!(
        (outcome.details.format, outcome.details.frames),
        (Format::Webp, 3)
    );
    for output in &outcome.outputs {
        let mut frames = 0;
        for_each_frame(
            &output.bytes,
            Format::Webp,
            &Limits::default(),
            &mut |_, _| {
                frames += 1;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(frames, 3, "{}", output.file_name);
    }
}

#[test]
fn wide_colours_become_srgb_where_that_is_set() {
    let metadata = Metadata {
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        ..plain()
    };
    let pixels = Pixels::from_eight(8, 8, Channels::Rgb, [200, 100, 100].repeat(64)).unwrap();
    let settings = Settings {
        colour: ColourPolicy::Srgb,
        ..Settings::default()
    };
    let jpeg = encode::jpeg(&pixels, &metadata, JpegOptions::of_quality(100)).unwrap();
    let png = encode::png(&pixels, &metadata).unwrap();
    for (format, file) in [(Format::Jpeg, jpeg), (Format::Png, png)] {
        let outcome = run(&file, format, &settings, &Limits::default()).unwrap();
        assert_eq!(outcome.details.colour, "converted-to-srgb");
        let back = decode(&outcome.outputs[0].bytes, format, &Limits::default()).unwrap();
        assert_eq!(back.metadata.icc, None);
        let red = back.pixels.eight().unwrap()[0];
        assert!(red > 205, "{format}: {red}");
    }
}

#[cfg(not(feature = "avif-output"))]
#[test]
fn avif_is_refused_in_a_build_that_does_not_write_it() {
    let settings = Settings {
        format: OutputFormat::Avif,
        ..Settings::default()
    };
    let error = run(b"", Format::Png, &settings, &Limits::default()).unwrap_err();
    assert_eq!(error.name(), "Settings.Invalid");
    assert!(error.to_string().contains("avif-output"), "{error}");
}

#[cfg(feature = "avif-output")]
#[test]
fn avif_is_written_in_srgb_and_of_an_animation_the_first_frame() {
    let settings = Settings {
        format: OutputFormat::Avif,
        animated: Animated::Keep,
        ..Settings::default()
    };
    let wide = Metadata {
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        ..Metadata::default()
    };
    let picture = scene(40, 30, Channels::Rgba);
    let png = encode::png(&picture, &wide).unwrap();
    let outcome = run(&png, Format::Png, &settings, &Limits::default()).unwrap();
    assert_eq!(outcome.details.format, Format::Avif);
    assert_eq!(outcome.details.colour, "converted-to-srgb");
    assert_eq!((outcome.details.width, outcome.details.height), (20, 15));
    assert_eq!(outcome.outputs[0].file_name, "thumbnail.avif");
    assert_eq!(&outcome.outputs[0].bytes[4..12], b"ftypavif");
    let moving = animation(Format::Gif);
    let outcome = run(&moving, Format::Gif, &settings, &Limits::default()).unwrap();
    assert_eq!(outcome.details.frames, 1);
}

#[test]
fn avifs_are_written_in_the_time_that_a_worker_has() {
    let manifest: serde_json::Value = serde_json::from_str(include_str!("../branch.json")).unwrap();
    let timeout = manifest["timeout_seconds"].as_u64().unwrap();
    assert!(thumbnail::AVIF_SECONDS <= timeout * 9 / 10);
}

#[cfg(feature = "avif-output")]
#[test]
fn avifs_that_would_take_too_long_are_refused_by_name() {
    let settings = Settings {
        format: OutputFormat::Avif,
        sizes: vec![
            size("one", 4_000, 4_000, Fit::Pad),
            size("two", 4_000, 4_000, Fit::Pad),
        ],
        ..Settings::default()
    };
    let png = encode::png(&scene(40, 30, Channels::Rgb), &Metadata::default()).unwrap();
    let error = run(&png, Format::Png, &settings, &Limits::default()).unwrap_err();
    assert_eq!(error.name(), "Image.TooManyMegapixels");
}
