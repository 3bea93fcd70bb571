//! Keys, lanes and names.
#![allow(clippy::unwrap_used)]

mod common;

use chrono::{Duration, TimeZone, Utc};
use common::{EXECUTION, image, time};
use proptest::prelude::*;
use safelight_schema::{Lane, Pointer, key};

#[test]
fn keys_are_those_of_the_documents() {
    let lane = Lane::Branch("label".into());
    assert_eq!(key::partition("a"), "X#a");
    assert_eq!(key::event(&lane, 7), "E#b.label#0000000007");
    assert!(key::event(&lane, 7).starts_with(&key::lane(&lane)));
    assert_eq!(key::seal(3), "Z#0003");
    let result = key::result("label", "photos/a.jpg", "labels.json");
    assert_eq!(result, "results/label/photos/a.jpg/labels.json");
}

#[test]
fn an_execution_is_named_after_the_version_of_its_image() {
    let name = key::execution_name(&image(), time());
    assert!(name.starts_with("20261121-"));
    assert_eq!(name.len(), 8 + 1 + 32);
    // A redelivery is the same execution, at whatever hour of the day it was notified first.
    let mut same = image();
    same.etag = None;
    same.sequencer = Some("other".into());
    same.bytes = None;
    assert_eq!(
        key::execution_name(&same, time() + Duration::hours(1)),
        name
    );
    let mut others = vec![image(); 3];
    others[0].version = Some("other".into());
    others[1].key.push('x');
    others[2].bucket.push('x');
    for other in others {
        assert_ne!(key::execution_name(&other, time()), name);
    }
}

#[test]
fn without_a_version_etag_and_sequencer_tell_versions_apart() {
    let mut first = image();
    first.version = None;
    let mut others = vec![first.clone(); 3];
    others[0].etag = Some("other".into());
    others[1].sequencer = Some("other".into());
    others[2].etag = None;
    for other in &others {
        assert_ne!(key::image_digest(other), key::image_digest(&first));
    }
    // Parts do not run into each other.
    let mut a = first.clone();
    let mut b = first;
    (a.bucket, a.key) = ("ab".into(), "c".into());
    (b.bucket, b.key) = ("a".into(), "bc".into());
    assert_ne!(key::image_digest(&a), key::image_digest(&b));
}

#[test]
fn a_redrive_of_a_redrive_is_one_of_the_first() {
    let at = Utc.timestamp_opt(1_790_000_000, 0).unwrap();
    let first = key::redrive_name(EXECUTION, at);
    assert_eq!(first, format!("{EXECUTION}-r1790000000"));
    let second = key::redrive_name(&first, at + Duration::seconds(5));
    assert_eq!(second, format!("{EXECUTION}-r1790000005"));
    // Step Functions takes 80 characters.
    assert!(second.len() <= 80);
}

#[test]
fn pointers_sort_by_time() {
    let pointer = |seconds| Pointer::image("a", "photos", "k", time() + Duration::seconds(seconds));
    let sorts: Vec<_> = [0, 1, 60, 86_400, 40_000_000]
        .map(|seconds| pointer(seconds).g1sk)
        .into();
    assert!(sorts.is_sorted());
    let a = Pointer::time(EXECUTION, time());
    assert!(a.g1pk.starts_with("T#2026-11-21#"));
    let shards = (0..200).map(|number| Pointer::time(&number.to_string(), time()).g1pk);
    let shards: std::collections::BTreeSet<_> = shards.collect();
    assert_eq!(shards.len(), usize::from(key::SHARDS));
    for shard in 0..key::SHARDS {
        assert!(shards.contains(&key::time_index(time(), shard)));
    }
    let failure = Pointer::failure(EXECUTION, "abc", time());
    assert!(failure.g1pk.starts_with("F#abc#2026-11#"));
    let branch = Pointer::branch(EXECUTION, "label", "3", time());
    assert!(branch.g1pk.starts_with("B#label@3#2026-11#"));
}

#[test]
fn what_is_no_lane_or_event_key_is_refused() {
    for text in [
        "", "b.", "b", "B.label", "b.a#b", "trunk ", "h#", "operator",
    ] {
        assert!(text.parse::<Lane>().is_err(), "{text:?}");
    }
    for sk in [
        "",
        "H",
        "E#",
        "E#trunk",
        "E#trunk#",
        "E#trunk#x",
        "E#no#1",
        "Z#0000",
        "E#b.#1",
    ] {
        assert_eq!(key::parse_event(sk), None, "{sk:?}");
    }
}

proptest! {
    #[test]
    fn lanes_and_event_keys_are_read_as_they_were_written(name in "[^#]{1,40}", seq in any::<u64>()) {
        for lane in [Lane::Trunk, Lane::History, Lane::Operator, Lane::Branch(name)] {
            prop_assert_eq!(lane.to_string().parse::<Lane>().unwrap(), lane.clone());
            let json = serde_json::to_string(&lane).unwrap();
            prop_assert_eq!(serde_json::from_str::<Lane>(&json).unwrap(), lane.clone());
            let sk = key::event(&lane, seq);
            prop_assert_eq!(key::parse_event(&sk), Some((lane, seq)));
        }
    }

    #[test]
    fn event_keys_sort_as_events_do(a in 0_u64..10_000_000_000, b in 0_u64..10_000_000_000) {
        let lane = Lane::Trunk;
        prop_assert_eq!(key::event(&lane, a).cmp(&key::event(&lane, b)), a.cmp(&b));
    }
}
