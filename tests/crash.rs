//! The host is killed after every durable commit of a run with failures and retries in it, and the
//! same command goes on: the end is the end of an undisturbed run. Then workers are killed.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeMap;

use safelight_schema::chain::sha256_hex;
use serde_json::Value;
use support::{Place, png};

/// Commits of a run are fewer than this; more would be a loop that does not end.
const MOST_COMMITS: usize = 2_000;

/// A folder with what succeeds, what is rejected, what fails, and what is tried again.
fn prepared() -> Place {
    let place = Place::new();
    place.write("in/good.png", png(24, 16, 1));
    place.write("in/text.jpg", b"no image");
    let mut cut = png(200, 200, 2);
    cut.truncate(cut.len() / 2);
    place.write("in/cut.png", cut);
    // Tried again by the workflow: a worker that dies once its work is done, and one that fails.
    place.write(".safelight/faults/compress", "abort-after\n");
    place.write(".safelight/faults/route", "error Record.Unavailable\n");
    place
}

/// What must be the same however often the host died: outcome, error, and what each branch wrote.
#[derive(Debug, PartialEq)]
struct End {
    outcome: String,
    error: Value,
    branches: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    states: Vec<String>,
}

fn ends(place: &Place) -> BTreeMap<String, End> {
    let images = ["in/good.png", "in/text.jpg", "in/cut.png"];
    images
        .into_iter()
        .map(|image| (image.to_owned(), end(place, image)))
        .collect()
}

fn end(place: &Place, image: &str) -> End {
    let documents = place
        .run(&["history", image, "--all", "--json"])
        .expect(0)
        .lines();
    assert_eq!(documents.len(), 1, "{image} has one execution");
    let summary = &documents[0]["summary"];
    let branches = summary["branches"].as_object().unwrap();
    let outcomes = branches
        .iter()
        .map(|(name, branch)| (name.clone(), branch["outcome"].as_str().unwrap().to_owned()));
    let outputs = branches
        .values()
        .flat_map(|branch| branch["outputs"].as_array().unwrap());
    let files = outputs.map(|output| {
        let key = output["key"].as_str().unwrap();
        (
            key.to_owned(),
            sha256_hex(&std::fs::read(place.join(key)).unwrap()),
        )
    });
    let events = documents[0]["events"].as_array().unwrap();
    let archived = events
        .iter()
        .filter(|event| event["type"] == "history.archived.v1")
        .collect::<Vec<_>>();
    assert_eq!(archived.len(), 1, "{image} is closed once");
    let states = archived[0]["data"]["states"].as_array().unwrap();
    let mut states: Vec<String> = states
        .iter()
        .map(|state| state["state"].as_str().unwrap().to_owned())
        .collect();
    // Iterations of a Map interleave as they like.
    states.sort();
    End {
        outcome: summary["outcome"].as_str().unwrap().to_owned(),
        error: summary["error"].clone(),
        branches: outcomes.collect(),
        files: files.collect(),
        states,
    }
}

fn dead_letters(place: &Place) -> usize {
    place
        .run(&["failures", "list", "--json"])
        .expect(0)
        .lines()
        .len()
}

#[test]
fn a_host_killed_after_any_commit_goes_on() {
    let undisturbed = prepared();
    undisturbed.run(&["process", "in", "--json"]).expect(3);
    let expected = ends(&undisturbed);
    assert_eq!(expected["in/good.png"].outcome, "succeeded");
    assert_eq!(expected["in/text.jpg"].outcome, "rejected");
    assert_eq!(expected["in/cut.png"].outcome, "failed");
    assert_eq!(dead_letters(&undisturbed), 2);

    for (killed, commit) in (1..MOST_COMMITS).enumerate() {
        let place = prepared();
        let number = commit.to_string();
        let first = place.run_with(
            &["process", "in", "--json"],
            &[("SAFELIGHT_FAULT_COMMIT", &number)],
        );
        if first.code == 3 {
            // The run has fewer commits than that: every one was tried.
            assert!(killed > 20, "only {killed} commits");
            return;
        }
        assert_eq!(first.code, -1, "killed, not ended: {}", first.stderr);
        let resumed = place.run(&["process", "in", "--json"]);
        assert!(
            matches!(resumed.code, 0 | 3),
            "after commit {commit}: {}",
            resumed.stderr
        );
        assert_eq!(resumed.lines().len(), 3, "after commit {commit}");
        assert_eq!(ends(&place), expected, "after commit {commit}");
        assert_eq!(dead_letters(&place), 2, "after commit {commit}");
        place.run(&["audit", "verify"]).expect(0);
    }
    panic!("the run has no end");
}

#[test]
fn a_worker_that_dies_or_leaks_is_named_and_the_rest_goes_on() {
    let place = Place::new();
    for seed in 0..4 {
        place.write(&format!("in/{seed}.png"), png(32, 32, seed));
    }
    place.write(".safelight/faults/label", "abort\nabort-after\nabort\n");
    place.write(".safelight/faults/thumbnail", "leak\n");
    let answer = place.run(&["process", "in", "--json"]);
    let lines = answer.lines();
    assert_eq!(lines.len(), 4);
    let failed: Vec<&Value> = lines
        .iter()
        .filter(|line| line["outcome"] == "failed")
        .collect();
    // A crash is tried again; a leak would leak again.
    assert_eq!(failed.len(), 1, "{}", answer.stdout);
    assert_eq!(failed[0]["error"]["name"], "Runtime.OutOfMemory");
    assert_eq!(failed[0]["branches"]["label"]["outcome"], "succeeded");
    place.run(&["audit", "verify"]).expect(0);
}
