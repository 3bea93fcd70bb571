//! What is stored: no panic, whatever the bytes; what is read is written back to the same value, its
//! hash outlives that, and a change of it is seen.
#![no_main]

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use libfuzzer_sys::fuzz_target;
use safelight_schema::{
    DeadLetter, Draft, Event, Evidence, Header, Manifest, Seal, Summary, chain, key,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads an item; writes it and reads it again, which must give the same.
fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let item: T = serde_json::from_slice(bytes).ok()?;
    let again = written(&item);
    assert_eq!(item, again);
    let texts = [&item, &again].map(|item| serde_json::to_string(item).ok());
    assert_eq!(texts[0], texts[1]);
    Some(item)
}

fn written<T: DeserializeOwned + Serialize>(item: &T) -> T {
    let text = serde_json::to_vec(item).expect("what was read can be written");
    serde_json::from_slice(&text).expect("what was written can be read")
}

fn draft(event: &Event) -> Draft {
    Draft {
        execution: event.execution.clone(),
        lane: event.lane.clone(),
        state: event.state.clone(),
        epoch: event.epoch,
        attempt: event.attempt,
        source: event.source.clone(),
        subject: event.subject.clone(),
        time: event.time,
        data: event.data.clone(),
    }
}

fn evidence_of(event: Event) -> Evidence {
    Evidence {
        execution: event.execution.clone(),
        events: vec![(key::event(&event.lane, event.seq), event)],
        ..Evidence::default()
    }
}

/// Whether the chain of the event alone holds; the header is not looked at.
fn holds(event: Event) -> bool {
    let damage = chain::verify(&evidence_of(event));
    damage.iter().all(|damage| damage.item == key::HEADER)
}

fn check_event(event: Event) {
    let id = event.expected_id();
    chain::verify(&evidence_of(event.clone()));
    let sk = key::event(&event.lane, event.seq);
    assert_eq!(key::parse_event(&sk), Some((event.lane.clone(), event.seq)));

    let placed = draft(&event).place(1, chain::GENESIS);
    assert_eq!(placed.id, id);
    let stored = written(&placed);
    assert_eq!(stored, placed);
    assert!(holds(stored));
    let mut altered = placed;
    altered.subject.push('!');
    assert!(!holds(altered));
}

fn check_header(header: &Header, events: &[Event], time: DateTime<Utc>) {
    let summary = Summary::of(header, events);
    summary.duration_ms();
    assert_eq!(written(&summary), summary);
    let seal = written(&Seal::new(header, None, events, time));
    assert_eq!(seal.expected_hash(), seal.hash);
    let image = &header.input.image;
    assert!(key::execution_name(image, header.notified).len() <= 80);
    key::redrive_name(&header.execution, time);
    key::Pointer::image(&header.execution, &image.bucket, &image.key, time);
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(event) = read::<Event>(bytes) {
        check_event(event);
    }
    if let Some(draft) = read::<Draft>(bytes) {
        draft.id();
    }
    if let Some(header) = read::<Header>(bytes) {
        check_header(&header, &[], header.claimed);
    }
    if let Some(seal) = read::<Seal>(bytes) {
        let evidence = Evidence {
            execution: seal.execution.clone(),
            seals: vec![(key::seal(seal.epoch), seal)],
            ..Evidence::default()
        };
        chain::verify(&evidence);
    }
    if let Some(evidence) = read::<Evidence>(bytes) {
        for damage in chain::verify(&evidence) {
            assert!(!damage.item.is_empty() || !evidence.unreadable.is_empty());
            assert!(!damage.message.is_empty());
        }
        if let Some(header) = &evidence.header {
            let events: Vec<Event> = evidence.events.iter().map(|(_, it)| it.clone()).collect();
            check_header(header, &events, header.claimed);
            for (_, seal) in &evidence.seals {
                Seal::new(header, Some(seal), &events, header.claimed);
            }
        }
    }
    if let Some(manifest) = read::<Manifest>(bytes)
        && let Err(error) = manifest.check()
    {
        assert!(!error.to_string().is_empty());
    }
    read::<DeadLetter>(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        let letter = DeadLetter::read(text, "m", DateTime::UNIX_EPOCH);
        let stored = serde_json::to_string(&letter).expect("a letter can be written");
        assert_eq!(DeadLetter::read(&stored, "n", DateTime::UNIX_EPOCH), letter);
        key::parse_event(text);
    }
});
