//! The committed samples are those that the program makes, and they end as the page says.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use safelight_samples::{Make, Outcome, SAMPLES, page};
use safelight_schema::image::Format;
use safelight_validate::{Policy, policy, probe_slice};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn committed(path: &str) -> Vec<u8> {
    let path = root().join("samples").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn what_is_made_here_is_what_is_committed() {
    // On all cores: the scenes take a second each.
    std::thread::scope(|scope| {
        for sample in SAMPLES {
            scope.spawn(move || {
                if let Make::Here(make) = sample.make {
                    let same = make().unwrap() == committed(sample.path);
                    assert!(
                        same,
                        "{} is not current: run `cargo run -p safelight-samples -- samples docs/samples.md`",
                        sample.path
                    );
                }
            });
        }
    });
}

#[test]
fn the_page_is_current() {
    let committed = std::fs::read_to_string(root().join("docs/samples.md")).unwrap();
    assert_eq!(
        committed,
        page(),
        "run `cargo run -p safelight-samples -- samples docs/samples.md`"
    );
}

#[test]
fn every_file_is_listed_and_all_are_below_three_megabytes() {
    let mut found = BTreeSet::new();
    let mut bytes = 0;
    for folder in std::fs::read_dir(root().join("samples")).unwrap() {
        let folder = folder.unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            bytes += file.metadata().unwrap().len();
            let (folder, file) = (folder.file_name(), file.file_name());
            found.insert(format!(
                "{}/{}",
                folder.to_str().unwrap(),
                file.to_str().unwrap()
            ));
        }
    }
    let listed: BTreeSet<String> = SAMPLES
        .iter()
        .map(|sample| sample.path.to_owned())
        .collect();
    assert_eq!(found, listed);
    assert!(bytes < 3_000_000, "{bytes} bytes");
}

#[test]
fn validate_ends_as_the_page_says() {
    let policy = Policy::default();
    let mut formats = BTreeSet::new();
    for sample in SAMPLES {
        let file = committed(sample.path);
        let outcome = match probe_slice(&file, policy.max_frames) {
            Ok((facts, _)) => {
                formats.insert(facts.format);
                policy::check(&facts, sample.path, &policy)
                    .map(|warnings| warnings.len())
                    .map_err(|error| error.name().name)
            }
            Err(error) => Err(error.name().name),
        };
        let expected = match sample.outcome {
            Outcome::Succeeded | Outcome::SucceededWithDecoder | Outcome::Failed(_) => Ok(0),
            Outcome::Warned => Ok(1),
            Outcome::Rejected(name) => Err(name),
        };
        assert_eq!(outcome, expected, "{}", sample.path);
    }
    assert_eq!(
        formats,
        Format::ALL.into_iter().collect(),
        "each format has a sample"
    );
}

#[test]
fn the_difficult_ones_are_difficult_as_announced() {
    let facts = |path: &str| probe_slice(&committed(path), 1_000).unwrap().0;
    let turned = facts("difficult/rotated-by-exif.jpg");
    assert_eq!(
        (turned.orientation, turned.width, turned.height),
        (6, 400, 560)
    );
    assert_eq!(facts("difficult/sixteen-bit.png").bit_depth, 16);
    assert_eq!(facts("difficult/palette.png").bit_depth, 4);
    assert!(facts("difficult/palette.png").alpha);
    for (path, frames) in [
        ("difficult/animated.gif", 16),
        ("difficult/animated.webp", 12),
        ("difficult/animated.png", 12),
        ("documents/fax.tiff", 2),
        ("graphics/logo.ico", 4),
    ] {
        assert_eq!(facts(path).frames, frames, "{path}");
    }
    let cmyk = facts("difficult/cmyk.jpg").colour_model;
    assert_eq!(cmyk, safelight_schema::image::ColourModel::Cmyk);
}
