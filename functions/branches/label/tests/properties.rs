//! The provider `properties` through the whole branch.

#![allow(clippy::unwrap_used)]

use safelight_branch_label::{DetectLabels, Settings, run};
use safelight_pixels::encode::{self, JpegOptions};
use safelight_pixels::{Channels, Format, Limits, Metadata, Pixels};

fn plain() -> Metadata {
    Metadata::default()
}

fn of(width: u32, height: u32, channels: Channels, pixel: impl Fn(u32, u32) -> Vec<u8>) -> Pixels {
    let samples = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| pixel(x, y))
        .collect();
    Pixels::from_eight(width, height, channels, samples).unwrap()
}

fn labels(pixels: &Pixels) -> DetectLabels {
    let file = encode::png(pixels, &plain()).unwrap();
    run(&file, Format::Png, &Settings::default(), &Limits::default())
        .unwrap()
        .response
}

fn has(response: &DetectLabels, name: &str) -> bool {
    response.labels.iter().any(|label| label.name == name)
}

#[test]
fn the_answer_has_rekognitions_field_names() {
    let picture = of(64, 64, Channels::Rgba, |x, _| {
        vec![
            255,
            0,
            0,
            if x < 20 {
                0
            } else if x < 40 {
                90
            } else {
                255
            },
        ]
    });
    let file = encode::png(&picture, &plain()).unwrap();
    let outcome = run(&file, Format::Png, &Settings::default(), &Limits::default()).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&outcome.outputs[0].bytes).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(
        keys(&json),
        ["Labels", "ImageProperties", "LabelModelVersion"]
    );
    let properties = &json["ImageProperties"];
    assert_eq!(
        keys(properties),
        ["Quality", "DominantColors", "Foreground", "Background"]
    );
    assert_eq!(
        keys(&properties["Quality"]),
        ["Brightness", "Sharpness", "Contrast"]
    );
    assert_eq!(
        keys(&properties["DominantColors"][0]),
        [
            "Red",
            "Green",
            "Blue",
            "HexCode",
            "CSSColor",
            "SimplifiedColor",
            "PixelPercent"
        ]
    );
    assert_eq!(properties["DominantColors"][0]["CSSColor"], "red");
    assert_eq!(
        keys(&json["Labels"][0]),
        [
            "Name",
            "Confidence",
            "Instances",
            "Parents",
            "Aliases",
            "Categories"
        ]
    );
    assert_eq!(outcome.outputs[0].file_name, "labels.json");
    // The typed answer reads what was written.
    let again: DetectLabels = serde_json::from_slice(&outcome.outputs[0].bytes).unwrap();
    assert_eq!(again, outcome.response);
}

#[test]
fn quality_and_light_are_in_their_ranges() {
    let white = labels(&of(50, 50, Channels::Rgb, |_, _| vec![255; 3])).image_properties;
    assert!((white.quality.brightness - 100.0).abs() < 1e-9);
    assert!(white.quality.contrast.abs() < 1e-9);
    let halves = labels(&of(50, 50, Channels::Grey, |x, _| {
        vec![if x < 25 { 0 } else { 255 }]
    }));
    assert!((halves.image_properties.quality.contrast - 100.0).abs() < 1e-9);
    assert!(has(&halves, "Black And White"));
    let black = labels(&of(50, 50, Channels::Rgb, |x, _| vec![(x % 9) as u8, 3, 4]));
    assert!(has(&black, "Dark"));
    assert!(!has(&white_labels(), "Dark"));
}

fn white_labels() -> DetectLabels {
    labels(&of(50, 50, Channels::Rgb, |_, _| vec![255; 3]))
}

#[test]
fn transparency_is_told_only_where_it_is() {
    // Invariant 3.
    let opaque = labels(&of(40, 40, Channels::Rgba, |_, _| vec![9, 9, 200, 255]));
    assert!(!has(&opaque, "Transparent"));
    assert_eq!(opaque.image_properties.foreground, None);
    let cut_out = labels(&of(40, 40, Channels::Rgba, |x, _| {
        vec![9, 9, 200, if x < 20 { 0 } else { 255 }]
    }));
    assert!(has(&cut_out, "Transparent"));
    assert!(cut_out.image_properties.foreground.is_some());
    assert_eq!(cut_out.image_properties.background, None);
}

#[test]
fn sharpness_falls_when_a_picture_is_blurred() {
    let noise = |x: u32, y: u32| {
        let mixed = (x ^ (y << 16)).wrapping_mul(0x9E37_79B1);
        ((mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77) >> 24) as u8
    };
    let sharp = labels(&of(120, 120, Channels::Grey, |x, y| vec![noise(x, y)]));
    // A lens out of focus weighs the middle more: a tent of sixteen pixels.
    let soft = labels(&of(120, 120, Channels::Grey, |x, y| {
        let tent = |at: u32| 8 - at.abs_diff(8).min(8);
        let sum: u32 = (0..16)
            .flat_map(|dy| (0..16).map(move |dx| (dx, dy)))
            .map(|(dx, dy)| tent(dx) * tent(dy) * u32::from(noise(x + dx, y + dy)))
            .sum();
        vec![(sum / 4096) as u8]
    }));
    assert!(
        sharp.image_properties.quality.sharpness > soft.image_properties.quality.sharpness + 20.0
    );
}

#[test]
fn wide_gamut_is_read_as_srgb() {
    let metadata = Metadata {
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        ..plain()
    };
    let picture = of(16, 16, Channels::Rgb, |_, _| vec![200, 100, 100]);
    let file = encode::jpeg(&picture, &metadata, JpegOptions::of_quality(95)).unwrap();
    let response = run(
        &file,
        Format::Jpeg,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap()
    .response;
    assert!(response.image_properties.dominant_colors[0].red > 205);
}

#[test]
fn settings_limit_the_answer_and_are_checked() {
    let picture = of(60, 60, Channels::Rgb, |x, y| {
        vec![(x * 4) as u8, (y * 4) as u8, 128]
    });
    let file = encode::png(&picture, &plain()).unwrap();
    let settings = Settings {
        min_confidence: 0.0,
        max_labels: 2,
        max_dominant_colors: 3,
    };
    let response = run(&file, Format::Png, &settings, &Limits::default())
        .unwrap()
        .response;
    assert_eq!(response.labels.len(), 2);
    assert!(response.image_properties.dominant_colors.len() <= 3);
    for label in &response.labels {
        assert!((0.0..=100.0).contains(&label.confidence));
    }
    let wrong = Settings {
        max_dominant_colors: 13,
        ..Settings::default()
    };
    let error = run(&file, Format::Png, &wrong, &Limits::default()).unwrap_err();
    assert_eq!(error.name(), "Settings.Invalid");
    let error = run(
        &file[..60],
        Format::Png,
        &Settings::default(),
        &Limits::default(),
    )
    .unwrap_err();
    assert_eq!(error.name(), "Image.Truncated");
}
