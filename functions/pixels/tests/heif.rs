//! AVIF and HEIC, in a build with the features that add their decoder: samples that libheif wrote, and
//! the mean colour of each quarter as libavif and libheif show it.

#![cfg(any(feature = "avif", feature = "heic"))]
#![allow(clippy::unwrap_used)]

use std::path::Path;

use safelight_pixels::{Filter, Format, Limits, decode, resize};

fn quarters(name: &str, format: Format, limits: &Limits) -> Result<Vec<u8>, &'static str> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples/photos");
    let bytes = std::fs::read(path.join(name)).unwrap();
    let decoded = decode(&bytes, format, limits).map_err(|error| error.name())?;
    let small = resize(&decoded.pixels, 2, 2, Filter::Box).unwrap();
    Ok(small.eight().unwrap().to_vec())
}

#[track_caller]
fn near(found: &[u8], expected: &[u8]) {
    let far = found
        .iter()
        .zip(expected)
        .map(|(one, other)| one.abs_diff(*other))
        .max();
    assert!(found.len() == expected.len() && far <= Some(3), "{found:?}");
}

#[cfg(feature = "avif")]
#[test]
fn avif_is_decoded() {
    let found = quarters("sunset-at-sea.avif", Format::Avif, &Limits::default()).unwrap();
    near(
        &found,
        &[190, 151, 142, 160, 129, 140, 178, 137, 114, 166, 126, 109],
    );
    small_limits("sunset-at-sea.avif", Format::Avif);
}

#[cfg(feature = "heic")]
#[test]
fn heic_is_decoded() {
    let found = quarters("alpine-valley.heic", Format::Heic, &Limits::default()).unwrap();
    near(
        &found,
        &[136, 164, 194, 159, 181, 203, 91, 116, 59, 99, 122, 59],
    );
    small_limits("alpine-valley.heic", Format::Heic);
}

fn small_limits(name: &str, format: Format) {
    let limits = Limits {
        max_pixels: 100_000,
        ..Limits::default()
    };
    assert_eq!(
        quarters(name, format, &limits),
        Err("Image.TooManyMegapixels")
    );
}

/// Fuzzing made them: one had taken all memory for its tiles, the other overflowed a sum.
#[cfg(feature = "heic")]
#[test]
fn an_hevc_item_has_parameter_sets() {
    for file in [
        &include_bytes!("fuzzed/tiles.heic")[..],
        include_bytes!("fuzzed/weights.heic"),
    ] {
        let error = decode(file, Format::Heic, &Limits::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "heic: parameter sets: an HEVC item has none"
        );
    }
}

#[cfg(feature = "heic")]
#[test]
fn colours_in_no_known_format_are_refused() {
    // Found by fuzz/pixels/fuzz_targets/heic.rs: the decoder left the planes of colour.
    let file = include_bytes!("fuzzed/chroma.heic");
    let error = decode(file, Format::Heic, &Limits::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no known format of colours"), "{text}");
}

#[cfg(feature = "heic")]
#[test]
fn a_slice_behind_the_picture_is_refused() {
    // Found by fuzz/pixels/fuzz_targets/heic.rs: the decoder left the order of the blocks.
    let file = include_bytes!("fuzzed/slice.heic");
    let error = decode(file, Format::Heic, &Limits::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "heic: slice: it begins behind the picture"
    );
}
