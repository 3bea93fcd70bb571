//! Whatever the bytes: facts or one named error, within the limits (invariants 1 and 3).
#![allow(clippy::unwrap_used)]

mod made;

use proptest::prelude::*;
use safelight_schema::error_name;
use safelight_validate::{HeaderError, MAX_BYTES, MAX_READS, Prober, Step, policy, probe_slice};

/// Drives a prober, checking that every wish is one that may be made.
fn drive(file: &[u8], max_frames: u32) -> Result<(), TestCaseError> {
    let size = file.len() as u64;
    let mut prober = Prober::new(size, max_frames);
    // Each pass either reads or ends, and reads are limited: the loop needs no more.
    for _ in 0..=MAX_READS {
        match prober.step() {
            Step::Read { offset, length } => {
                prop_assert!(length > 0);
                prop_assert!(offset + u64::from(length) <= size);
                let start = offset as usize;
                prober.feed(&file[start..start + length as usize]);
                prop_assert!(prober.cost().reads <= MAX_READS);
                prop_assert!(prober.cost().bytes <= MAX_BYTES);
            }
            Step::Done(facts) => {
                prop_assert!(facts.width > 0 && facts.height > 0 && facts.frames > 0);
                prop_assert!((1..=8).contains(&facts.orientation));
                prop_assert!(facts.bit_depth > 0);
                prop_assert_eq!(facts.bytes, size);
                // The policy has an answer to everything, too.
                let _ = policy::check(&facts, "a.jpg", &policy::Policy::default());
                return Ok(());
            }
            Step::Failed(error) => {
                prop_assert!(error_name::find(error.name().name).is_some());
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        }
    }
    Err(TestCaseError::fail("more reads than the limit"))
}

#[test]
fn a_file_cut_anywhere_gives_facts_or_a_named_error() {
    for (name, file) in made::all() {
        let whole = probe_slice(&file, 1_000);
        assert!(whole.is_ok(), "{name}: {whole:?}");
        for length in 0..file.len() {
            let cut = file.get(..length).unwrap();
            drive(cut, 1_000).unwrap();
            match probe_slice(cut, 1_000) {
                // What a shorter file says is what the whole file says; only counting may end early,
                // and what lies behind the picture (WebP's EXIF) may be gone.
                Ok((facts, _)) => {
                    assert_eq!(
                        facts.format,
                        whole.as_ref().unwrap().0.format,
                        "{name} at {length}"
                    );
                }
                Err(error) => assert!(
                    matches!(
                        error,
                        HeaderError::Empty
                            | HeaderError::Truncated { .. }
                            | HeaderError::Unsupported { .. }
                    ),
                    "{name} at {length}: {error}"
                ),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(file in prop::collection::vec(any::<u8>(), 0..6_000), max_frames in 0..5_u32) {
        drive(&file, max_frames)?;
    }

    #[test]
    fn random_bytes_behind_a_signature(
        which in any::<prop::sample::Index>(),
        kept in 2..40_usize,
        rest in prop::collection::vec(any::<u8>(), 0..6_000),
    ) {
        let made = made::all();
        let (_, head) = which.get(&made);
        let mut file = head[..kept.min(head.len())].to_vec();
        file.extend(rest);
        drive(&file, 100)?;
    }

    #[test]
    fn mutated_headers(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        tail in 0..3_usize,
        max_frames in 0..200_u32,
    ) {
        let made = made::all();
        let (_, head) = which.get(&made);
        let mut file = head.clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        // Followed by nothing, by little, or by more than may be read.
        file.resize(file.len() + [0, 5_000, 2_000_000][tail], 0x21);
        drive(&file, max_frames)?;
    }

    #[test]
    fn a_header_repeated_over_and_over(
        which in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        times in 1..60_usize,
    ) {
        let made = made::all();
        let (_, head) = which.get(&made);
        let part = &head[..=cut.index(head.len())];
        drive(&part.repeat(times), 10)?;
    }
}
