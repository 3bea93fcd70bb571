//! What the policy takes and refuses, on both sides of every limit.
#![allow(clippy::unwrap_used)]

mod made;

use safelight_schema::image::{Format, ImageFacts};
use safelight_validate::policy::{ExtensionAction, Policy, Warning, check, check_bytes};
use safelight_validate::probe_slice;

fn facts(width: u32, height: u32) -> ImageFacts {
    probe_slice(&made::png(width, height, 8, 2, &[]), 1_000)
        .unwrap()
        .0
}

fn name(facts: &ImageFacts, policy: &Policy) -> Option<&'static str> {
    check(facts, "a.png", policy)
        .err()
        .map(|error| error.name().name)
}

#[test]
fn limits_are_inclusive() {
    let policy = Policy {
        min_side: 10,
        max_side: 100,
        max_megapixels: 0.005,
        ..Policy::default()
    };
    assert_eq!(name(&facts(10, 100), &policy), None);
    assert_eq!(name(&facts(9, 100), &policy), Some("Image.TooSmall"));
    assert_eq!(name(&facts(10, 101), &policy), Some("Image.TooLarge"));
    assert_eq!(name(&facts(50, 100), &policy), None);
    assert_eq!(
        name(&facts(51, 100), &policy),
        Some("Image.TooManyMegapixels")
    );
    let policy = Policy {
        max_bytes: 1_000,
        ..Policy::default()
    };
    assert!(check_bytes(1_000, &policy).is_ok());
    assert_eq!(
        check_bytes(1_001, &policy).unwrap_err().name().name,
        "Image.TooLarge"
    );
}

#[test]
fn a_bomb_is_refused_by_the_defaults() {
    let error = check(&facts(60_000, 60_000), "bomb.png", &Policy::default()).unwrap_err();
    assert_eq!(error.name().name, "Image.TooManyMegapixels");
    assert!(error.to_string().contains("3600 megapixels"), "{error}");
}

#[test]
fn frames_above_the_limit_are_refused() {
    let policy = Policy {
        max_frames: 3,
        ..Policy::default()
    };
    let of = |frames| {
        probe_slice(&made::gif(5, 5, frames), policy.max_frames)
            .unwrap()
            .0
    };
    assert_eq!(name(&of(3), &policy), None);
    assert_eq!(name(&of(4), &policy), Some("Image.TooManyFrames"));
    let error = check(&of(9), "a.gif", &policy).unwrap_err();
    assert!(error.to_string().contains("at least 4"), "{error}");
}

#[test]
fn a_format_that_is_not_taken_is_refused() {
    let policy = Policy {
        formats: [Format::Jpeg, Format::Gif].into(),
        ..Policy::default()
    };
    let error = check(&facts(5, 5), "a.png", &policy).unwrap_err();
    assert_eq!(error.name().name, "Image.FormatNotAllowed");
    assert!(error.to_string().contains("jpeg, gif"), "{error}");
}

#[test]
fn a_lying_extension_is_a_warning_or_an_error() {
    let png = facts(5, 5);
    let mut policy = Policy::default();
    let lie = Warning::ExtensionMismatch {
        promised: Format::Jpeg,
        found: Format::Png,
    };
    assert_eq!(check(&png, "photos/a.b.JPG", &policy).unwrap(), [lie]);
    // An extension that promises nothing does not lie.
    for honest in ["a.png", "a.PNG", "png", "a", "a.dat", "a.jpg/b", ".png"] {
        assert_eq!(check(&png, honest, &policy).unwrap(), [], "{honest}");
    }
    policy.lying_extension = ExtensionAction::Error;
    let error = check(&png, "a.jpg", &policy).unwrap_err();
    assert_eq!(error.name().name, "Image.ExtensionMismatch");
    // AVIF shares HEIF's container.
    let avif = probe_slice(&made::heif(b"avif", &made::Item::default()), 1)
        .unwrap()
        .0;
    assert!(check(&avif, "a.heif", &policy).is_ok());
    assert!(check(&avif, "a.heic", &policy).is_err());
}

#[test]
fn the_configuration_is_read_with_defaults_and_refuses_unknown_keys() {
    let policy: Policy = toml::from_str(
        "formats = [\"jpeg\", \"png\"]\nmax_megapixels = 50.0\nlying_extension = \"error\"",
    )
    .unwrap();
    assert_eq!(policy.formats.len(), 2);
    assert_eq!(policy.lying_extension, ExtensionAction::Error);
    assert_eq!(policy.max_bytes, Policy::default().max_bytes);
    assert!(toml::from_str::<Policy>("max_megapixel = 50.0").is_err());
    let text = toml::to_string(&policy).unwrap();
    assert_eq!(toml::from_str::<Policy>(&text).unwrap(), policy);
}
