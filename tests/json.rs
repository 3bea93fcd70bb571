//! What `--json` prints is what its committed schema says.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::path::Path;

use serde_json::Value;
use support::{Answer, Place, jpeg, png};

fn conforms(answer: &Answer, schema: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../schema/json/cli")
        .join(schema);
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let lines = answer.lines();
    assert!(!lines.is_empty(), "nothing was printed");
    for line in lines {
        let errors: Vec<String> = validator
            .iter_errors(&line)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{line}");
    }
}

#[test]
fn every_json_output_has_its_schema() {
    let place = Place::new();
    place.write("in/a.jpg", jpeg(64, 48, 1));
    place.write("in/empty.png", b"");
    let mut cut = png(200, 200, 2);
    cut.truncate(cut.len() / 2);
    place.write("in/cut.png", cut);
    conforms(
        &place.run(&["process", "in", "--json"]).expect(3),
        "process.schema.json",
    );
    conforms(
        &place.run(&["process", "in", "--json"]).expect(3),
        "process.schema.json",
    );
    for image in ["in/a.jpg", "in/empty.png", "in/cut.png"] {
        conforms(
            &place.run(&["history", image, "--json"]).expect(0),
            "history.schema.json",
        );
    }
    conforms(
        &place.run(&["audit", "verify", "--json"]).expect(0),
        "audit-verify.schema.json",
    );
    conforms(
        &place.run(&["failures", "list", "--json"]).expect(0),
        "failures.schema.json",
    );
    conforms(
        &place
            .run(&["failures", "show", "in/cut.png", "--json"])
            .expect(0),
        "failures.schema.json",
    );
    conforms(
        &place.run(&["doctor", "--json"]).expect(0),
        "doctor.schema.json",
    );
}

#[test]
fn what_is_said_of_branches_and_of_the_workflow_has_its_schema() {
    let place = Place::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    let root = root.to_str().unwrap();
    let run = |arguments: &[&str]| {
        let mut all = arguments.to_vec();
        all.extend(["--json", "--root", root]);
        place.run(&all)
    };
    conforms(
        &run(&["branch", "sync", "--check"]).expect(0),
        "branch-sync.schema.json",
    );
    conforms(
        &run(&["branch", "list"]).expect(0),
        "branch-list.schema.json",
    );
    place.write("a.jpg", jpeg(64, 48, 1));
    place.write("text.png", b"no image");
    for (image, code) in [("a.jpg", 0), ("text.png", 3)] {
        conforms(
            &run(&["branch", "explain", image]).expect(code),
            "branch-explain.schema.json",
        );
    }
    conforms(
        &run(&["workflow", "graph"]).expect(0),
        "workflow-graph.schema.json",
    );
    conforms(
        &run(&["workflow", "validate"]).expect(0),
        "workflow-validate.schema.json",
    );
    place.write("bad.asl.json", "{}");
    conforms(
        &run(&["workflow", "validate", "bad.asl.json"]).expect(1),
        "workflow-validate.schema.json",
    );
}

#[test]
fn completions_are_written_for_every_shell() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = place.run(&["completions", shell]).expect(0);
        assert!(answer.stdout.contains("safelight"), "{shell}");
    }
}

#[test]
fn reading_without_a_record_says_what_to_do() {
    let place = Place::new();
    for command in [
        &["history", "a.jpg"][..],
        &["audit", "verify"],
        &["failures", "list"],
    ] {
        let answer = place.run(command).expect(1);
        assert!(
            answer.stderr.contains("safelight process"),
            "{}",
            answer.stderr
        );
    }
    place.run(&["doctor"]).expect(0);
}
