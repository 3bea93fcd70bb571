//! Files that other people's encoders wrote, against what other people's decoders show: see
//! `fixtures/make.py`, which made them.

#![allow(clippy::unwrap_used, clippy::case_sensitive_file_extension_comparisons)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safelight_pixels::colour::Colour;
use safelight_pixels::{ColourModel, Decoded, Format, Limits, Orientation, Pixels, decode};
use support::difference;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn format_of(name: &str) -> Format {
    match name.rsplit('.').next().unwrap() {
        "jpg" => Format::Jpeg,
        "png" => Format::Png,
        "tiff" => Format::Tiff,
        "ico" => Format::Ico,
        "jxl" => Format::Jxl,
        "jp2" | "j2k" => Format::Jp2,
        "svg" => Format::Svg,
        "avif" => Format::Avif,
        "heic" => Format::Heic,
        other => panic!("{other}"),
    }
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

fn decoded(name: &str) -> Decoded {
    decode(&read(name), format_of(name), &Limits::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every file, and its reference where there is one.
fn files() -> BTreeMap<String, Option<Pixels>> {
    let names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let is_reference = |name: &str| {
        name.strip_suffix(".png")
            .is_some_and(|of| names.iter().any(|other| other == of))
    };
    names
        .iter()
        .filter(|name| !name.ends_with(".py") && !is_reference(name))
        .map(|name| {
            let reference = format!("{name}.png");
            let pixels = names
                .contains(&reference)
                .then(|| decoded(&reference).pixels);
            (name.clone(), pixels)
        })
        .collect()
}

/// How far apart two decoders may be on average, in 1/255: nothing where nothing is lost; where
/// something is, they round, upsample chroma and blend edges in their own ways.
fn allowed(name: &str) -> f64 {
    match name {
        "lossy.jp2" | "subsampled.jp2" => 1.0,
        "cmyk.jpg" | "ycck.jpg" | "from-jpeg.jxl" | "shapes.svg" => 1.2,
        _ if name.ends_with(".jpg") => 1.0,
        "lossy.jxl" | "lossy-alpha.jxl" | "progressive.jxl" | "container.jxl" | "jpeg.tiff" => 0.6,
        _ => 0.0,
    }
}

#[test]
fn every_file_shows_what_other_decoders_show() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (name, reference) in files() {
        let Some(reference) = reference else { continue };
        if cfg!(not(feature = "avif")) && name.ends_with(".avif")
            || cfg!(not(feature = "heic")) && name.ends_with(".heic")
        {
            continue;
        }
        let ours = match decode(&read(&name), format_of(&name), &Limits::default()) {
            Ok(decoded) => decoded.pixels,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        compared += 1;
        if (ours.width(), ours.height()) != (reference.width(), reference.height()) {
            wrong.push(format!("{name}: {} × {}", ours.width(), ours.height()));
            continue;
        }
        if ours.bit_depth() != reference.bit_depth() {
            wrong.push(format!("{name}: {} bits", ours.bit_depth()));
        }
        let far = if ours.channels() == reference.channels() {
            difference(&ours, &reference)
        } else {
            difference(&ours.into_rgba8(), &reference.into_rgba8())
        };
        if far > allowed(&name) {
            wrong.push(format!("{name}: {far:.3} apart on average"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared >= 55, "{compared}");
}

#[test]
fn variants_without_a_decoder_are_refused_by_name() {
    for (name, said) in [
        ("arithmetic.jpg", "arithmetic coding"),
        ("arithmetic-progressive.jpg", "arithmetic coding"),
        ("twelve.jpg", "12-bit samples"),
        ("lossless.jpg", "lossless JPEG"),
        ("group3.tiff", "compression method Fax3"),
        ("zstd.tiff", "compression"),
        ("lzma.tiff", "compression"),
        ("webp.tiff", "compression"),
    ] {
        let error = decode(&read(name), format_of(name), &Limits::default()).unwrap_err();
        assert_eq!(error.name(), "Image.Unsupported", "{name}: {error}");
        let text = error.to_string().to_lowercase();
        assert!(text.contains(&said.to_lowercase()), "{name}: {error}");
    }
}

#[test]
fn what_a_file_was_is_said() {
    let source = |name: &str| decoded(name).source;
    assert!(source("lossy.jxl").lossy && !source("lossless.jxl").lossy);
    assert!(source("lossy.jp2").lossy && !source("lossless.jp2").lossy);
    assert_eq!(source("sixteen.jxl").bit_depth, 16);
    assert_eq!(source("grey.jp2").colour_model, ColourModel::Grey);
    assert_eq!(source("shapes.svg").colour_model, ColourModel::Vector);
    assert_eq!(source("cmyk.tiff").colour_model, ColourModel::Cmyk);
    assert_eq!(source("palette.tiff").colour_model, ColourModel::Palette);
    assert_eq!(source("ycck.jpg").colour_model, ColourModel::Ycck);
    assert_eq!(decoded("cmyk.tiff").colour, Colour::CmykByFormula);
    assert_eq!(
        (source("pages.tiff").frames, source("png.ico").frames),
        (3, 2)
    );
    let animated = source("animated.jxl");
    assert_eq!((animated.frames, animated.animated), (3, false));
    assert!(source("animated.png").animated);
}

#[test]
fn a_jxl_is_turned_once() {
    let file = decoded("from-jpeg.jxl");
    assert_eq!((file.pixels.width(), file.pixels.height()), (33, 44));
    assert_eq!(file.orientation, Orientation::Normal);
}

#[test]
fn a_file_that_was_cut_never_passes_for_whole() {
    let limits = Limits::default();
    for (name, reference) in files() {
        let Some(reference) = reference else { continue };
        let file = read(&name);
        for part in 1..8 {
            let cut = &file[..file.len() * part / 8];
            let Ok(half) = decode(cut, format_of(&name), &limits) else {
                continue;
            };
            // What is missing was not needed: later pages or frames, or smaller icons.
            let far = difference(&half.pixels.into_rgba8(), &reference.clone().into_rgba8());
            assert!(
                far <= allowed(&name),
                "{name} cut to {part}/8 shows something else: {far:.3} apart"
            );
        }
    }
}
