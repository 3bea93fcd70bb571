//! Beside this crate's own decoder.

use jpeg_encoder::SamplingFactor;
use proptest::prelude::*;

use super::super::decode::{Detail, in_rust};
use super::super::tests::{Made, PLAIN, file};
use super::*;
use crate::Limits;
use crate::jpeg::Jpeg;

/// Most that a sample of a sound file may differ: both inverse transforms are within half a step of the
/// exact one, and a little.
const MOST: u8 = 1;

/// The planes of a file, by libjpeg-turbo and by our own decoder; `None` where it is not ours at all.
fn both(bytes: &[u8], max_pixels: u64) -> Option<[Give<Vec<Vec<u8>>>; 2]> {
    let limits = Limits {
        max_pixels,
        ..Limits::default()
    };
    // What is too large, or of a kind that we do not decode, never comes here.
    Jpeg::open(bytes, &limits)?;
    let mut reader = Reader::new(bytes).ok()?;
    let first = reader.next_scan().ok()??;
    let frame = reader.frame.clone()?;
    let details = vec![Detail::Full; frame.components.len()];
    let mut planes = [(); 2].map(|()| vec![Vec::new(); frame.components.len()]);
    let [theirs, ours] = &mut planes;
    let turbo = decode(bytes, &frame, &mut |strip| take(theirs, &strip));
    let rust = in_rust(&mut reader, bytes, first, &details, &mut |strip| {
        take(ours, &strip);
    });
    let [theirs, ours] = planes;
    Some([turbo.map(|()| theirs), rust.map(|()| ours)])
}

fn take(planes: &mut [Vec<u8>], strip: &Strip<'_>) {
    for row in strip.rows.chunks(strip.stride).take(strip.height) {
        planes[strip.component].extend_from_slice(&row[..strip.width]);
    }
}

/// Checks that both give planes, and gives the largest difference.
fn apart(bytes: &[u8], name: &str) -> u8 {
    let [turbo, rust] = both(bytes, 10_000_000).expect(name);
    let (turbo, rust) = (turbo.expect(name), rust.expect(name));
    let sizes = |planes: &[Vec<u8>]| planes.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(sizes(&turbo), sizes(&rust), "{name}");
    let pairs = turbo.iter().flatten().zip(rust.iter().flatten());
    pairs.map(|(&a, &b)| a.abs_diff(b)).max().unwrap()
}

#[test]
fn the_planes_of_every_kind_are_those_of_our_own_decoder() {
    for sampling in [
        SamplingFactor::R_4_4_4,
        SamplingFactor::R_4_2_2,
        SamplingFactor::R_4_2_0,
        SamplingFactor::R_4_4_0,
    ] {
        for (restart, grey) in [(0, false), (3, false), (0, true)] {
            for (width, height) in [(1, 1), (16, 16), (101, 67), (64, 33)] {
                let made = Made {
                    sampling,
                    grey,
                    restart,
                    ..PLAIN
                };
                let name = format!("{width} × {height} {sampling:?} {restart} {grey}");
                let apart = apart(&file(width, height, &made), &name);
                assert!(apart <= MOST, "{name}: {apart}");
            }
        }
    }
}

#[test]
fn the_planes_of_photographs_are_those_of_our_own_decoder() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/");
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../samples/");
    for (folder, name) in [
        (tests, "baseline.jpg"),
        (tests, "grey.jpg"),
        (tests, "quarter.jpg"),
        (tests, "restarts.jpg"),
        (tests, "tall.jpg"),
        (tests, "wide.jpg"),
        // The other photographs have a scan for each component.
        (samples, "photos/valley-in-grey.jpg"),
    ] {
        let apart = apart(&std::fs::read(format!("{folder}{name}")).unwrap(), name);
        assert!(apart <= MOST, "{name}: {apart}");
    }
}

#[test]
fn what_is_cut_short_or_has_more_than_one_scan_never_comes_to_c() {
    let whole = |bytes: &[u8]| {
        let mut reader = Reader::new(bytes).unwrap();
        reader.next_scan().unwrap();
        is_whole(bytes, &reader.frame.unwrap())
    };
    let sound = file(120, 90, &PLAIN);
    assert_eq!(whole(&sound), Ok(()));
    let scan = sound
        .windows(2)
        .position(|pair| pair == [0xFF, 0xDA])
        .unwrap();
    let end = sound.len() - 2;
    for cut in scan + 14..=end {
        assert!(whole(&sound[..cut]).is_err(), "{cut}");
    }
    // The class and number of each Huffman table, so that one that the scan needs is not there.
    for table in 0..4 {
        let mut missing = sound.clone();
        let tables = missing.windows(2).enumerate();
        let (at, _) = tables
            .filter(|(_, pair)| *pair == [0xFF, 0xC4])
            .nth(table)
            .unwrap();
        missing[at + 4] |= 2;
        assert_eq!(whole(&missing), Err(Refused("a Huffman table is missing")));
    }
    let twice = [&sound[..end], &sound[scan..]].concat();
    assert_eq!(whole(&twice), Err(Refused("several scans")));
    let progressive = Made {
        progressive: true,
        ..PLAIN
    };
    assert_eq!(
        whole(&file(120, 90, &progressive)),
        Err(Refused("several scans"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    /// Our own decoder would have taken what libjpeg-turbo takes, so files end the same with and without.
    #[test]
    fn damaged_files_end_the_same(
        grey: bool,
        restart in 0u16..6,
        cut in 0.0..2.0f64,
        damage in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 0..4),
    ) {
        let mut file = file(70, 50, &Made { grey, restart, ..PLAIN });
        for (place, value) in damage {
            let at = (place * file.len() as f64) as usize;
            file[at] = value;
        }
        if cut < 1.0 {
            // With an end, as if nothing were missing.
            file.truncate((cut * file.len() as f64) as usize);
            file.extend_from_slice(&[0xFF, 0xD9]);
        }
        if let Some([turbo, rust]) = both(&file, 100_000)
            && let Ok(turbo) = turbo
        {
            let sizes = |planes: &[Vec<u8>]| planes.iter().map(Vec::len).collect::<Vec<_>>();
            prop_assert_eq!(rust.map(|rust| sizes(&rust)), Ok(sizes(&turbo)));
        }
    }
}
