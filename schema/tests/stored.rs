//! Invariant 4: stored events stay readable, and the JSON Schemas are current.
//!
//! `SAFELIGHT_REWRITE=1 cargo test -p safelight-schema --test stored` writes the schemas anew, and
//! samples that are missing. A sample that is there is never written again: stores hold its like.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{every_kind, place};
use safelight_schema::{DeadLetter, Event, ImageFacts, Manifest, Summary, chain};
use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn rewriting() -> bool {
    std::env::var_os("SAFELIGHT_REWRITE").is_some()
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

fn samples() -> Vec<(String, Value)> {
    let mut samples: Vec<_> = fs::read_dir(folder("samples/v1"))
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect();
    samples.sort_by(|a, b| a.0.cmp(&b.0));
    samples
}

/// Every type of event that the schema knows.
fn kinds() -> BTreeSet<String> {
    let schema = schemars::schema_for!(safelight_schema::EventData);
    let variants = schema.get("oneOf").unwrap().as_array().unwrap();
    variants
        .iter()
        .map(|it| {
            it["properties"]["type"]["const"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn there_is_a_sample_of_every_type_and_it_can_be_read() {
    // Invariant 4.
    if rewriting() {
        for event in place(every_kind()) {
            let name = format!("samples/v1/{}.json", event.data.kind());
            if !folder(&name).exists() {
                let value = serde_json::to_value(&event).unwrap();
                fs::write(folder(&name), pretty(&value)).unwrap();
            }
        }
    }
    let samples = samples();
    let names: BTreeSet<_> = samples.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        names,
        kinds(),
        "write what is missing: see the top of this file"
    );
    for (name, value) in samples {
        let event: Event = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(event.data.kind(), name);
        assert_eq!(event.id, event.expected_id(), "{name}");
        assert_eq!(event.hash, chain::hash(&event), "{name}");
        assert_eq!(serde_json::to_value(&event).unwrap(), value, "{name}");
    }
}

#[test]
fn a_reader_passes_over_fields_that_it_does_not_know() {
    // Invariant 4: an additive change keeps the version, and old readers read on.
    for (name, mut value) in samples() {
        let event: Event = serde_json::from_value(value.clone()).unwrap();
        value["added_later"] = Value::from(1);
        let read: Event = serde_json::from_value(value).unwrap();
        assert_eq!(read, event, "{name}");
    }
}

#[test]
fn a_type_of_event_that_is_not_known_is_refused() {
    let (_, mut value) = samples().remove(0);
    value["type"] = Value::from("image.unheard_of.v9");
    assert!(serde_json::from_value::<Event>(value).is_err());
}

#[test]
fn the_json_schemas_are_current() {
    let schemas = [
        ("event", schemars::schema_for!(Event)),
        ("manifest", schemars::schema_for!(Manifest)),
        ("dead-letter", schemars::schema_for!(DeadLetter)),
        ("image-facts", schemars::schema_for!(ImageFacts)),
        ("summary", schemars::schema_for!(Summary)),
    ];
    for (name, schema) in schemas {
        let path = folder(&format!("json/{name}.json"));
        let current = pretty(schema.as_value());
        if rewriting() {
            fs::write(&path, &current).unwrap();
        }
        let stored = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(stored, current, "{name}: see the top of this file");
    }
}

#[test]
fn the_samples_are_as_the_json_schema_says() {
    let schema = fs::read_to_string(folder("json/event.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (name, value) in samples() {
        let errors: Vec<_> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(errors, [] as [&str; 0], "{name}");
        let mut wrong = value.clone();
        wrong["seq"] = Value::from("one");
        assert!(!validator.is_valid(&wrong), "{name}");
        let mut wrong = value;
        wrong["data"] = Value::from(7);
        assert!(!validator.is_valid(&wrong), "{name}");
    }
}
