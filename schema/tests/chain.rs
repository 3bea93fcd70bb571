//! Invariants 1 and 2: ids, hashes, and that every damage is found and named.
#![allow(clippy::unwrap_used)]

mod common;

use common::{EXECUTION, draft, error, every_kind, execution, header, image, place, time};
use proptest::prelude::*;
use safelight_schema::{Damage, DamageKind, Event, EventData, Evidence, Lane, Seal, chain, key};
use serde_json::{Value, json};

/// A stored execution: items by sort key, as somebody with the database in his hands could edit them.
#[derive(Clone)]
struct Stored(Vec<(String, Value)>);

impl Stored {
    fn sealed() -> Self {
        let (events, seals) = execution();
        let mut items = vec![(key::HEADER.to_owned(), json!(header()))];
        items.extend(
            events
                .iter()
                .map(|event| (key::event(&event.lane, event.seq), json!(event))),
        );
        items.extend(
            seals
                .iter()
                .map(|seal| (key::seal(seal.epoch), json!(seal))),
        );
        Self(items)
    }

    fn position(&self, sk: &str) -> usize {
        self.0.iter().position(|(it, _)| it == sk).unwrap()
    }

    fn item(&mut self, sk: &str) -> &mut Value {
        let position = self.position(sk);
        &mut self.0[position].1
    }

    fn remove(&mut self, sk: &str) {
        let position = self.position(sk);
        self.0.remove(position);
    }

    /// Positions of the events.
    fn events(&self) -> Vec<usize> {
        (0..self.0.len())
            .filter(|position| self.0[*position].0.starts_with("E#"))
            .collect()
    }

    fn verify(&self) -> Vec<Damage> {
        self.verify_as(false)
    }

    fn verify_expired(&self) -> Vec<Damage> {
        self.verify_as(true)
    }

    fn verify_as(&self, expired: bool) -> Vec<Damage> {
        let mut evidence = Evidence {
            execution: EXECUTION.into(),
            ended: true,
            expired,
            ..Evidence::default()
        };
        for (sk, body) in &self.0 {
            // As a store does it: through text.
            let text = body.to_string();
            let problem = match sk.split('#').next().unwrap() {
                "H" => serde_json::from_str(&text)
                    .map(|it| evidence.header = Some(it))
                    .err(),
                "E" => serde_json::from_str(&text)
                    .map(|it| evidence.events.push((sk.clone(), it)))
                    .err(),
                _ => serde_json::from_str(&text)
                    .map(|it| evidence.seals.push((sk.clone(), it)))
                    .err(),
            };
            if let Some(problem) = problem {
                evidence.unreadable.push((sk.clone(), problem.to_string()));
            }
        }
        chain::verify(&evidence)
    }

    /// The findings: item and kind.
    fn findings(&self) -> Vec<(String, DamageKind)> {
        let found = self.verify();
        assert!(found.iter().all(|damage| damage.execution == EXECUTION));
        assert!(found.iter().all(|damage| !damage.message.is_empty()));
        found
            .into_iter()
            .map(|damage| (damage.item, damage.kind))
            .collect()
    }
}

#[test]
fn the_hash_is_the_one_that_another_program_computes() {
    // Invariant 2. Computed with Python's hashlib, json and uuid from the documents' words.
    let data = EventData::StateFailed {
        error: error(),
        duration_ms: 7,
    };
    let event = draft(Lane::Trunk, Some("Validate"), 2, data).place(3, &"ab".repeat(32));
    assert_eq!(event.id.to_string(), "9bd03b19-d0dd-5f17-ad3e-a709ebbbc967");
    assert_eq!(
        event.hash,
        "cd559ca627f44906972455086e39c7cce66487bba3e8b179de9b9cf1740732a5"
    );
}

#[test]
fn an_id_depends_on_what_it_is_about_and_nothing_else() {
    // Invariant 1.
    let of = || {
        draft(
            Lane::Trunk,
            Some("Validate"),
            1,
            EventData::StateEntered {
                function_version: "1".into(),
            },
        )
    };
    let id = of().id();
    let mut same = of();
    same.time += chrono::Duration::days(1);
    same.source = "/elsewhere".into();
    same.subject = "elsewhere".into();
    same.data = EventData::StateEntered {
        function_version: "2".into(),
    };
    assert_eq!(same.id(), id);
    assert_eq!(same.place(7, "x").id, id);

    let mut others = vec![of(); 6];
    others[0].execution.push('x');
    others[1].lane = Lane::Branch("label".into());
    others[2].state = None;
    others[3].epoch = 1;
    others[4].attempt = 2;
    others[5].data = EventData::StateRetried {
        function_version: "1".into(),
    };
    let mut ids: Vec<_> = others.iter().map(safelight_schema::Draft::id).collect();
    ids.push(id);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 7);
}

#[test]
fn redrives_are_told_apart_by_what_they_started() {
    // Invariant 1.
    let redriven = |by: &str| {
        let data = EventData::ExecutionRedriven {
            by: by.into(),
            only: Vec::new(),
            actor: "dana".into(),
            reason: String::new(),
        };
        draft(Lane::Operator, None, 0, data).id()
    };
    assert_eq!(redriven("a-r1"), redriven("a-r1"));
    assert_ne!(redriven("a-r1"), redriven("a-r2"));
}

#[test]
fn what_is_intact_has_no_damage() {
    assert_eq!(Stored::sealed().findings(), []);
    // Not sealed yet.
    let evidence = Evidence {
        execution: EXECUTION.into(),
        header: Some(header()),
        events: place(every_kind())
            .into_iter()
            .map(|event| (key::event(&event.lane, event.seq), event))
            .collect(),
        ..Evidence::default()
    };
    assert_eq!(chain::verify(&evidence), []);
    // Ended, but never sealed.
    let evidence = Evidence {
        ended: true,
        ..evidence
    };
    let found = chain::verify(&evidence);
    assert_eq!(found[0].item, key::seal(0));
    assert_eq!((found.len(), found[0].kind), (1, DamageKind::Absent));
}

#[test]
fn an_altered_event_is_named() {
    // Invariant 2.
    let sk = "E#trunk#0000000004";
    let edits: [fn(&mut Value); 6] = [
        |item| item["data"]["duration_ms"] = json!(4),
        |item| item["time"] = json!("2026-11-21T08:20:30.124Z"),
        |item| item["attempt"] = json!(9),
        |item| item["hash"] = json!("0".repeat(64)),
        |item| item["id"] = json!("00000000-0000-5000-8000-000000000000"),
        |item| *item = json!("not an event"),
    ];
    for edit in edits {
        let mut stored = Stored::sealed();
        edit(stored.item(sk));
        let found = stored.findings();
        assert_eq!(found, [(sk.to_owned(), DamageKind::Altered)]);
    }
    // With a hash made to fit, its id gives it away; with both, the event after it does.
    let mut stored = Stored::sealed();
    let item = stored.item(sk);
    let mut event: Event = serde_json::from_value(item.clone()).unwrap();
    event.attempt = 9;
    event.hash = chain::hash(&event);
    *item = json!(event);
    assert_eq!(stored.findings(), [(sk.to_owned(), DamageKind::Altered)]);
    event.id = event.expected_id();
    event.hash = chain::hash(&event);
    *stored.item(sk) = json!(event);
    let after = "E#trunk#0000000005".to_owned();
    assert_eq!(stored.findings(), [(after, DamageKind::Forked)]);
}

#[test]
fn a_missing_event_is_named() {
    let mut stored = Stored::sealed();
    for sk in ["E#trunk#0000000004", "E#trunk#0000000005"] {
        stored.remove(sk);
    }
    let first = "E#trunk#0000000004".to_owned();
    assert_eq!(stored.findings(), [(first, DamageKind::Missing)]);
    let mut stored = Stored::sealed();
    stored.remove("E#b.label#0000000001");
    let first = "E#b.label#0000000001".to_owned();
    assert_eq!(stored.findings(), [(first, DamageKind::Missing)]);
}

#[test]
fn a_truncated_lane_is_named() {
    let mut stored = Stored::sealed();
    let trunk = stored.0.iter().filter(|(sk, _)| sk.starts_with("E#trunk#"));
    let last = trunk.map(|(sk, _)| sk.clone()).max().unwrap();
    stored.remove(&last);
    assert_eq!(stored.findings(), [(last, DamageKind::Truncated)]);
}

#[test]
fn a_forked_lane_is_named() {
    // The last event of a lane is another one, well made: only the seal knows.
    let sk = "E#b.label#0000000002";
    let mut stored = Stored::sealed();
    let item = stored.item(sk);
    let mut event: Event = serde_json::from_value(item.clone()).unwrap();
    event.subject = "another/image.jpg".into();
    event.hash = chain::hash(&event);
    *item = json!(event);
    assert_eq!(stored.findings(), [(sk.to_owned(), DamageKind::Forked)]);
    // An event more than was sealed.
    let mut stored = Stored::sealed();
    let data = EventData::StateSucceeded { duration_ms: 1 };
    let lane = Lane::Branch("label".into());
    let more = draft(lane.clone(), Some("label/Detect"), 1, data);
    let last: Event = serde_json::from_value(stored.item(sk).clone()).unwrap();
    let more = more.place(3, &last.hash);
    stored.0.push((key::event(&lane, 3), json!(more)));
    assert_eq!(
        stored.findings(),
        [(key::event(&lane, 3), DamageKind::Forked)]
    );
}

#[test]
fn an_absent_lane_header_or_seal_is_named() {
    let mut stored = Stored::sealed();
    stored.0.retain(|(sk, _)| !sk.starts_with("E#b.label#"));
    let lane = "E#b.label#0000000001".to_owned();
    assert_eq!(stored.findings(), [(lane, DamageKind::Absent)]);

    let mut stored = Stored::sealed();
    stored.remove("H");
    assert_eq!(stored.findings(), [("H".to_owned(), DamageKind::Absent)]);

    let mut stored = Stored::sealed();
    stored.remove("Z#0000");
    let seal = "Z#0000".to_owned();
    assert_eq!(stored.findings(), [(seal.clone(), DamageKind::Missing)]);
    stored.remove("Z#0001");
    assert_eq!(stored.findings(), [(seal, DamageKind::Absent)]);
}

#[test]
fn a_damaged_header_or_seal_is_named() {
    let altered = |sk: &str| [(sk.to_owned(), DamageKind::Altered)];
    for (field, value) in [
        ("workflow_hash", json!("2".repeat(64))),
        ("branches", json!({})),
        ("execution", json!("another")),
        ("input", json!(7)),
    ] {
        let mut stored = Stored::sealed();
        stored.item("H")[field] = value;
        let found = stored.findings();
        assert!(found.iter().all(|it| *it == altered("H")[0]), "{found:?}");
        assert!(!found.is_empty(), "{field}");
    }
    // What changes while the execution goes on is not bound.
    let mut stored = Stored::sealed();
    stored.item("H")["claimed_by"] = json!("another message");
    assert_eq!(stored.findings(), []);

    for (field, value) in [
        ("time", json!("2026-11-21T08:20:30.124Z")),
        ("header", json!("0".repeat(64))),
        ("lanes", json!({})),
        ("lanes", json!(7)),
        ("hash", json!("0".repeat(64))),
        ("execution", json!("another")),
    ] {
        let mut stored = Stored::sealed();
        stored.item("Z#0001")[field] = value;
        assert_eq!(stored.findings(), altered("Z#0001"), "{field}");
    }
    // A first seal that was made anew is not the one that the second follows.
    let mut stored = Stored::sealed();
    let item = stored.item("Z#0000");
    let mut seal: Seal = serde_json::from_value(item.clone()).unwrap();
    seal.time += chrono::Duration::seconds(1);
    seal.hash = seal.expected_hash();
    *item = json!(seal);
    let second = "Z#0001".to_owned();
    assert_eq!(stored.findings(), [(second, DamageKind::Forked)]);
}

#[test]
fn an_operator_may_append_between_two_seals() {
    let mut stored = Stored::sealed();
    stored.remove("Z#0001");
    assert_eq!(stored.findings(), []);
}

#[test]
fn what_expired_is_not_missed_and_what_is_left_is_still_verified() {
    let whole = Stored::sealed();
    for first in whole.events() {
        let mut stored = whole.clone();
        // Retention removes items one by one, in any order.
        for position in whole
            .events()
            .into_iter()
            .rev()
            .filter(|it| it % 2 == first % 2)
        {
            stored.0.remove(position);
        }
        assert!(!stored.verify().is_empty(), "before its time it is missed");
        assert_eq!(stored.verify_expired(), []);
    }
    let mut bare = whole.clone();
    bare.0.retain(|(sk, _)| !sk.starts_with("E#"));
    assert_eq!(bare.verify_expired(), []);
    let mut altered = whole.clone();
    let positions = altered.events();
    altered.0[positions[positions.len() - 1]].1["subject"] = json!("photos/other.jpg");
    altered.0.remove(positions[0]);
    let damage = altered.verify_expired();
    assert_eq!(damage.len(), 1, "{damage:?}");
    assert_eq!(damage[0].kind, DamageKind::Altered);
}

#[test]
fn damage_in_one_lane_does_not_hide_that_in_another() {
    let mut stored = Stored::sealed();
    stored.item("E#trunk#0000000002")["subject"] = json!("x");
    stored.remove("E#b.label#0000000002");
    stored.item("E#op#0000000001")["source"] = json!("x");
    let mut found = stored.findings();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let expected = [
        ("E#b.label#0000000002", DamageKind::Truncated),
        ("E#op#0000000001", DamageKind::Altered),
        ("E#trunk#0000000002", DamageKind::Altered),
    ];
    assert_eq!(found, expected.map(|(sk, kind)| (sk.to_owned(), kind)));
}

/// Calls `visit` on every leaf of a JSON value.
fn leaves(value: &mut Value, visit: &mut dyn FnMut(&mut Value)) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for it in fields.values_mut() {
                leaves(it, visit);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for it in items {
                leaves(it, visit);
            }
        }
        leaf => visit(leaf),
    }
}

fn change(leaf: &mut Value) {
    *leaf = match &*leaf {
        Value::String(text) => match text.parse::<chrono::DateTime<chrono::Utc>>() {
            Ok(time) => {
                let later = time + chrono::Duration::milliseconds(1);
                json!(safelight_schema::time::format(&later))
            }
            Err(_) => json!(format!("{text}x")),
        },
        Value::Number(number) if number.is_u64() => json!(number.as_u64().unwrap() + 1),
        // The next number that can be told from it.
        Value::Number(number) => json!(number.as_f64().unwrap().next_up()),
        Value::Bool(it) => json!(!it),
        Value::Null | Value::Array(_) | Value::Object(_) => json!(["x"]),
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_changed_field_is_found(event in any::<prop::sample::Index>(), leaf in any::<prop::sample::Index>()) {
        // Invariant 2.
        let mut stored = Stored::sealed();
        let position = *event.get(&stored.events());
        let mut count = 0;
        leaves(&mut stored.0[position].1, &mut |_| count += 1);
        let chosen = leaf.index(count);
        let mut number = 0;
        leaves(&mut stored.0[position].1, &mut |leaf| {
            if number == chosen && *leaf != json!({}) {
                change(leaf);
            } else if number == chosen {
                // `data` of an event that has none: nothing of it is read.
                *leaf = json!("x");
            }
            number += 1;
        });
        prop_assert_ne!(stored.findings(), []);
    }

    #[test]
    fn a_removed_event_is_found(event in any::<prop::sample::Index>()) {
        let mut stored = Stored::sealed();
        let position = *event.get(&stored.events());
        stored.0.remove(position);
        prop_assert_ne!(stored.findings(), []);
    }

    #[test]
    fn swapped_events_are_found(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let mut stored = Stored::sealed();
        let events = stored.events();
        let (a, b) = (*a.get(&events), *b.get(&events));
        prop_assume!(a != b);
        let body = stored.0[a].1.clone();
        stored.0[a].1 = std::mem::replace(&mut stored.0[b].1, body);
        prop_assert_ne!(stored.findings(), []);
    }

    #[test]
    fn a_lane_that_was_made_anew_is_found(event in any::<prop::sample::Index>()) {
        // From one event on, everything is well made: only the seal tells.
        let (events, seals) = execution();
        let position = event.index(events.len());
        let lane = events[position].lane.clone();
        let mut drafts = every_kind();
        drafts[position].subject = "another/image.jpg".into();
        let mut stored = Stored::sealed();
        for event in place(drafts) {
            *stored.item(&key::event(&event.lane, event.seq)) = json!(event);
        }
        let tip = seals[1].lanes[&lane].seq;
        prop_assert_eq!(stored.findings(), [(key::event(&lane, tip), DamageKind::Forked)]);
    }

    #[test]
    fn a_copied_event_is_found(event in any::<prop::sample::Index>(), seq in 0_u64..40) {
        let mut stored = Stored::sealed();
        let position = *event.get(&stored.events());
        let (sk, body) = stored.0[position].clone();
        let (lane, _) = key::parse_event(&sk).unwrap();
        let copy = key::event(&lane, seq);
        prop_assume!(stored.0.iter().all(|(sk, _)| *sk != copy));
        stored.0.push((copy, body));
        prop_assert_ne!(stored.findings(), []);
    }

    #[test]
    fn numbers_survive_being_stored(value in any::<f64>(), whole in any::<i64>()) {
        // Invariant 2: what is read again has the hash that was made before it was written.
        prop_assume!(value.is_finite());
        let data = EventData::BranchCompleted {
            branch: "label".into(),
            version: "1".into(),
            input_sha256: String::new(),
            outputs: Vec::new(),
            details: json!({ "value": value, "whole": whole }),
        };
        let event = draft(Lane::Trunk, None, 0, data).place(1, chain::GENESIS);
        let read: Event = serde_json::from_str(&serde_json::to_string(&event).unwrap()).unwrap();
        prop_assert_eq!(chain::hash(&read), event.hash.clone());
        prop_assert_eq!(read, event);
    }
}

#[test]
fn times_are_kept_to_the_millisecond() {
    let mut draft = draft(
        Lane::Trunk,
        None,
        0,
        EventData::StateSucceeded { duration_ms: 0 },
    );
    draft.time += chrono::Duration::nanoseconds(456_789);
    let event = draft.place(1, chain::GENESIS);
    assert_eq!(event.time, time());
    let (events, _) = execution();
    let at = time() + chrono::Duration::nanoseconds(456_789);
    let seal = Seal::new(&header(), None, &events, at);
    let read: Seal = serde_json::from_str(&serde_json::to_string(&seal).unwrap()).unwrap();
    assert_eq!(read.expected_hash(), seal.hash);
    assert_eq!(read, seal);
    assert_eq!(image().subject(), events[0].subject);
}

#[test]
fn a_seal_binds_until_when_events_are_kept() {
    let (events, _) = execution();
    let forever = Seal::new(&header(), None, &events, time());
    let json = serde_json::to_value(&forever).unwrap();
    assert!(json.get("until").is_none(), "as seals were before");
    let until = time() + chrono::Duration::nanoseconds(456_789);
    let mut seal = forever.clone().with_until(Some(until));
    assert_ne!(seal.hash, forever.hash);
    let read: Seal = serde_json::from_str(&serde_json::to_string(&seal).unwrap()).unwrap();
    assert_eq!(read.expected_hash(), seal.hash);
    seal.until = Some(time() + chrono::Duration::days(1));
    assert_ne!(seal.expected_hash(), seal.hash);
}

#[test]
fn a_seal_of_any_epoch_can_be_followed() {
    // A stored seal may say anything; what follows it is wrong then, but is no panic.
    let (events, _) = execution();
    let mut last = Seal::new(&header(), None, &events, time());
    last.epoch = u32::MAX;
    let next = Seal::new(&header(), Some(&last), &events, time());
    assert_eq!((next.epoch, &next.prev), (u32::MAX, &last.hash));
}
