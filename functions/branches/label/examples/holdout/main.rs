//! Tunes and evaluates the label branch.
//!
//! ```text
//! cargo run --release -p safelight-branch-label --example holdout -- tune [DIR]
//! cargo run --release -p safelight-branch-label --example holdout -- evaluate [DIR]
//! ```
//!
//! Both draw their pictures from a fixed seed, a different one each. DIR is what `holdout.sh` made:
//! with it, real pictures are added, again different ones. `tune` prints the weights of
//! `src/model.rs`; `evaluate` prints precision and recall of every label.

mod scenes;
mod train;

use std::path::{Path, PathBuf};

use safelight_branch_label::features::{self, Small};
use safelight_branch_label::{Settings, model, quality, run};
use safelight_pixels::encode::{self, JpegOptions};
use safelight_pixels::{
    Channels, Filter, Format, Limits, Metadata, Pixels, decode, decode_stored, resize,
};

use scenes::{Random, Scene};

/// What is true of a picture; `None` where nobody can say.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// Index into `model::KINDS`.
    pub kind: usize,
    black_and_white: Option<bool>,
    blurred: Option<bool>,
    dark: Option<bool>,
    transparent: bool,
}

/// A picture as a file, and what is true of it.
pub struct Example {
    name: String,
    bytes: Vec<u8>,
    format: Format,
    /// What is true of it.
    pub truth: Truth,
}

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let real = arguments.get(1).map(PathBuf::from);
    match arguments.first().map(String::as_str) {
        Some("tune") => tune(&examples(20_261, 100, real.as_deref(), "tune")?),
        Some("evaluate") => evaluate(&examples(777, 40, real.as_deref(), "holdout")?),
        _ => Err("usage: holdout tune|evaluate [DIR]".into()),
    }
}

/// Synthetic pictures, `each` of every kind, and the real ones of a set.
fn examples(seed: u64, each: u32, real: Option<&Path>, set: &str) -> Result<Vec<Example>, Error> {
    let mut random = Random(seed);
    let mut examples = Vec::new();
    for at in 0..each {
        for kind in 0..4 {
            let scene = scenes::draw(kind, &mut random);
            let as_jpeg = scene.pixels.channels() == Channels::Rgb && random.unit() < 0.5;
            examples.push(synthetic(at, kind, &scene, as_jpeg || kind == 0)?);
        }
    }
    if let Some(folder) = real {
        for (kind, name) in [(0, "photograph"), (1, "graphic")] {
            let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(set).join(name))?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<_, _>>()?;
            files.sort();
            for file in files {
                from_file(&file, kind, &mut examples)?;
            }
        }
    }
    Ok(examples)
}

fn synthetic(at: u32, kind: usize, scene: &Scene, as_jpeg: bool) -> Result<Example, Error> {
    let plain = Metadata::default();
    let (bytes, format) = if as_jpeg {
        let options = JpegOptions::of_quality(85);
        (encode::jpeg(&scene.pixels, &plain, options)?, Format::Jpeg)
    } else {
        (encode::png(&scene.pixels, &plain)?, Format::Png)
    };
    Ok(Example {
        name: format!("synthetic {} {at}", model::KINDS[kind]),
        bytes,
        format,
        truth: Truth {
            kind,
            black_and_white: Some(scene.black_and_white),
            // Only a photograph can be called blurred.
            blurred: Some(scene.blurred),
            dark: Some(scene.dark),
            transparent: scene.pixels.channels() == Channels::Rgba,
        },
    })
}

/// A real picture; of a photograph also a grey, a blurred and a dark version.
fn from_file(file: &Path, kind: usize, examples: &mut Vec<Example>) -> Result<(), Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let format = Format::of_extension(&name).ok_or("unknown extension")?;
    let bytes = std::fs::read(file)?;
    let pixels = decode(&bytes, format, &Limits::default())?.pixels;
    let grey = pixels.channels().is_grey();
    let truth = Truth {
        kind,
        black_and_white: (kind == 0).then_some(
            grey || ["ColdRipple", "Grey"]
                .iter()
                .any(|known| name.starts_with(known)),
        ),
        // Drawings are not blurred; whether a published one is dark is a matter of taste.
        blurred: Some(false),
        dark: (kind == 0
            && !["DarkestHour", "Path", "OneStandsOut"]
                .iter()
                .any(|known| name.starts_with(known)))
        .then_some(false),
        transparent: false,
    };
    if kind == 0 {
        let small = resize(&pixels.into_eight(), 800, 500, Filter::Lanczos3)?
            .into_colour()
            .flattened(1.0);
        for (what, changed, truth) in [
            (
                "grey",
                scenes::grey(&small),
                Truth {
                    black_and_white: Some(true),
                    ..truth
                },
            ),
            (
                "blurred",
                scenes::blurred(&small, 9),
                Truth {
                    blurred: Some(true),
                    ..truth
                },
            ),
            (
                "dark",
                scenes::scaled(&small, 0.18),
                Truth {
                    dark: Some(true),
                    ..truth
                },
            ),
        ] {
            examples.push(Example {
                name: format!("{name} {what}"),
                bytes: encode::jpeg(&changed, &Metadata::default(), JpegOptions::of_quality(85))?,
                format: Format::Jpeg,
                truth,
            });
        }
    }
    examples.push(Example {
        name: name.into_owned(),
        bytes,
        format,
        truth,
    });
    Ok(())
}

fn measured(example: &Example) -> Result<(features::Features, f64), Error> {
    let small = Small::of(decode_stored(
        &example.bytes,
        example.format,
        &Limits::default(),
    )?)?;
    Ok((features::measure(&small), quality::Detail::of(&small).blur))
}

fn tune(examples: &[Example]) -> Result<(), Error> {
    let mut rows = Vec::new();
    let (mut sharp, mut soft) = (Vec::new(), Vec::new());
    for example in examples {
        let (features, blur) = measured(example)?;
        rows.push((features.model, example.truth.kind));
        match (example.truth.kind, example.truth.blurred) {
            (0, Some(true)) => soft.push(blur),
            (0, Some(false)) => sharp.push(blur),
            _ => {}
        }
    }
    for (name, values) in [("sharp", &mut sharp), ("blurred", &mut soft)] {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
        println!(
            "// blur of {} {name} photographs: least {:.3}, 10% {:.3}, half {:.3}, 90% {:.3}, most {:.3}",
            values.len(),
            at(0.0),
            at(0.1),
            at(0.5),
            at(0.9),
            at(1.0)
        );
    }
    let weights = train::fit(&rows);
    let right = rows
        .iter()
        .filter(|(features, kind)| {
            let scores = model::kinds_with(&weights, features);
            (0..4).all(|other| scores[other] <= scores[*kind])
        })
        .count();
    println!(
        "// {right} of {} tuning pictures have their kind first",
        rows.len()
    );
    for row in weights {
        let row: Vec<String> = row.iter().map(|weight| format!("{weight:.3}")).collect();
        println!("    [{}],", row.join(", "));
    }
    Ok(())
}

fn evaluate(examples: &[Example]) -> Result<(), Error> {
    let names = [
        "Photograph",
        "Graphic",
        "Line Art",
        "Document",
        "Black And White",
        "Blurred",
        "Dark",
        "Transparent",
    ];
    // True positives, false positives, false negatives.
    let mut counts = [[0u32; 3]; 8];
    for example in examples {
        let outcome = run(
            &example.bytes,
            example.format,
            &Settings::default(),
            &Limits::default(),
        )?;
        let truth = &example.truth;
        for (at, name) in names.iter().enumerate() {
            let expected = match at {
                0..4 => Some(truth.kind == at),
                4 => truth.black_and_white,
                5 => truth.blurred,
                6 => truth.dark,
                _ => Some(truth.transparent),
            };
            let given = outcome
                .response
                .labels
                .iter()
                .any(|label| label.name == *name);
            match (expected, given) {
                (Some(true), true) => counts[at][0] += 1,
                (Some(false), true) => counts[at][1] += 1,
                (Some(true), false) => counts[at][2] += 1,
                _ => continue,
            }
            if expected != Some(given) {
                eprintln!(
                    "{}: {name} should be {expected:?}; {:?}",
                    example.name, outcome.details.labels
                );
            }
        }
    }
    println!("{} pictures", examples.len());
    println!("| label | pictures that have it | precision | recall |\n|---|---|---|---|");
    for (name, [hit, wrong, missed]) in names.iter().zip(counts) {
        let ratio = |part: u32, whole: u32| f64::from(part) / f64::from(whole.max(1));
        println!(
            "| {name} | {} | {:.3} | {:.3} |",
            hit + missed,
            ratio(hit, hit + wrong),
            ratio(hit, hit + missed)
        );
    }
    Ok(())
}

/// The pixels of a drawing: never fails, since the drawing has their number.
fn pixels_of(width: u32, height: u32, channels: Channels, samples: Vec<u8>) -> Pixels {
    Pixels::from_eight(width, height, channels, samples).expect("a drawing has all its samples")
}
