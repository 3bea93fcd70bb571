//! ARCHITECTURE.md, "Boundaries": the crate graph has no upward arrow.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

/// What each crate may depend on, of ours. Anything not listed is an upward arrow.
const ALLOWED: &[(&str, &[&str])] = &[
    ("schema", &[]),
    ("asl", &["schema"]),
    ("decider", &["schema", "asl"]),
    ("sqlite", &[]),
    ("engine", &["schema", "asl", "decider", "sqlite"]),
    ("api", &["schema", "asl", "decider", "engine"]),
    ("compose", &["schema", "asl"]),
    ("ports", &["schema"]),
    ("local", &["schema", "ports", "sqlite"]),
    ("aws", &["schema", "ports"]),
    ("lambda-host", &[]),
    ("pixels", &["schema"]),
    ("kit", &["schema", "ports"]),
    ("samples", &[]),
    ("emulator", &[]),
    ("lambda", &["ports", "kit", "aws", "functions", "upload"]),
];

/// Functions, branches included.
const FUNCTION: &[&str] = &["schema", "ports", "kit", "pixels"];

/// The one function that uses another: `upload` looks at content with validate's reader.
const UPLOAD: (&str, &str) = ("upload", "validate");

/// What links every function.
const ALL: &str = "functions";

fn graph() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let ours = |name: &str| name.strip_prefix("safelight-").map(str::to_owned);
    let mut graph = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let Some(name) = ours(package["name"].as_str().unwrap()) else {
            continue;
        };
        let depends = package["dependencies"].as_array().unwrap().iter();
        let depends = depends
            .filter(|dependency| dependency["kind"].is_null())
            .filter_map(|dependency| ours(dependency["name"].as_str().unwrap()));
        graph.insert(name, depends.collect());
    }
    graph
}

fn allowed(from: &str, to: &str) -> bool {
    if from == ALL {
        return to == "kit" || to == "schema" || !ALLOWED.iter().any(|(name, _)| *name == to);
    }
    if (from, to) == UPLOAD {
        return true;
    }
    let listed = ALLOWED.iter().find(|(name, _)| *name == from);
    listed
        .map_or(FUNCTION, |(_, allowed)| allowed)
        .contains(&to)
}

#[test]
fn no_arrow_points_upward() {
    let graph = graph();
    assert!(graph.len() > 20, "the graph was not read: {graph:?}");
    let mut upward = Vec::new();
    for (from, depends) in &graph {
        for to in depends {
            if !allowed(from, to) {
                upward.push(format!("{from} -> {to}"));
            }
        }
    }
    assert!(upward.is_empty(), "upward arrows: {upward:?}");
}

#[test]
fn the_table_names_crates_that_exist() {
    let graph = graph();
    for (name, allowed) in ALLOWED {
        assert!(graph.contains_key(*name), "{name}");
        for other in *allowed {
            assert!(graph.contains_key(*other), "{name} -> {other}");
        }
    }
}

#[test]
fn an_upward_arrow_would_be_found() {
    assert!(!allowed("schema", "ports"));
    assert!(!allowed("decider", "engine"));
    assert!(!allowed("branch-label", "local"));
    assert!(!allowed("kit", "aws"));
    assert!(!allowed("route", "validate"));
    assert!(allowed("branch-label", "pixels"));
}
