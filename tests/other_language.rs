//! A branch that is a command in another language, from its folder to its results, its events and its
//! failures. Python's standard library speaks the Lambda Runtime API.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Place, png};

const MANIFEST: &str = r#"{
    "name": "note", "version": "7", "description": "Says what it was given.", "owner": "team",
    "when": { "formats": ["png"] }, "memory_mb": 256, "timeout_seconds": 30, "command": ["python3", "main.py"]
}"#;

const PROGRAM: &str = r#"
import hashlib, json, os, urllib.request

api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
settings = json.loads(os.environ.get("SAFELIGHT_SETTINGS", "null")) or {}

def post(path, body):
    urllib.request.urlopen(f"{api}/{path}", data=json.dumps(body).encode()).close()

while True:
    with urllib.request.urlopen(f"{api}/next") as response:
        request, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.load(response)
    key = event["image"]["key"]
    if settings.get("refuse", "nothing") in key:
        post(f"{request}/error", {"errorType": "Note.Refused", "errorMessage": f"no note for {key}"})
        continue
    with open(event["files"]["image"], "rb") as image:
        digest = hashlib.sha256(image.read()).hexdigest()
    with open(os.path.join(event["files"]["out"], "note.json"), "w") as note:
        json.dump({"sha256": digest, "width": event["facts"]["width"]}, note)
    post(f"{request}/response", {"details": {"read": digest[:8]}})
"#;

/// A place that is a clone as far as branches go.
fn clone() -> Option<Place> {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no Python on this machine");
        return None;
    }
    let place = Place::new();
    place.write("workflows/trunk.asl.json", "{}");
    place.write("functions/branches/note/branch.json", MANIFEST);
    place.write("functions/branches/note/main.py", PROGRAM);
    Some(place)
}

/// Types of the events in the branch's lane, and the events.
fn lane(place: &Place, image: &str) -> (Vec<String>, Vec<Value>) {
    let history = place.run(&["history", image, "--json"]).expect(0).lines();
    let mut events: Vec<Value> = history[0]["events"].as_array().unwrap().clone();
    events.retain(|event| event["lane"] == "b.note");
    let kinds = events
        .iter()
        .map(|event| event["type"].as_str().unwrap().to_owned());
    (kinds.collect(), events)
}

#[test]
fn what_an_older_workflow_did_is_left_and_said_to_lack_the_new_branch() {
    let Some(place) = clone() else { return };
    let folder = place.join("functions/branches/note");
    std::fs::rename(&folder, place.join("later")).unwrap();
    place.write("in/a.png", png(64, 48, 1));
    place.run(&["process", "in"]).expect(0);
    let said = |words: &str| {
        let answer = place.run(&["process", "in"]).expect(0);
        answer.stdout.contains(words)
    };
    assert!(!said("there since"));
    std::fs::rename(place.join("later"), &folder).unwrap();
    assert!(said("of these  1 without note 7   (there since; --again)"));
    place.run(&["process", "in", "--again"]).expect(0);
    assert!(place.join("results/note/in/a.png/note.json").exists());
    assert!(!said("there since"));
    place.write(
        "functions/branches/note/branch.json",
        MANIFEST.replace(r#""version": "7""#, r#""version": "8""#),
    );
    assert!(said("of these  1 without note 8   (there since; --again)"));
}

#[test]
fn a_redrive_of_one_branch_stands_for_no_other() {
    let Some(place) = clone() else { return };
    place.write("in/a.png", png(64, 48, 1));
    place.write("safelight.toml", "[branches.note]\nrefuse = \"a.png\"\n");
    place.run(&["process", "in"]).expect(3);
    place.write("safelight.toml", "");
    let newer = MANIFEST.replace(r#""name": "note""#, r#""name": "newer""#);
    place.write("functions/branches/newer/branch.json", newer);
    place.write("functions/branches/newer/main.py", PROGRAM);
    place
        .run(&["failures", "redrive", "--branch", "note"])
        .expect(0);
    assert!(!place.join("results/newer").exists());
    let answer = place.run(&["process", "in"]).expect(0);
    let words = "of these  1 without newer 7   (there since; --again)";
    assert!(answer.stdout.contains(words), "{}", answer.stdout);
}

#[test]
fn a_command_makes_results_events_and_named_failures_like_any_branch() {
    let Some(place) = clone() else { return };
    place.write("in/a.png", png(64, 48, 1));
    place.write("in/refuse.png", png(64, 48, 2));
    place.write("in/other.jpg", support::jpeg(64, 48, 3));
    place.write("safelight.toml", "[branches.note]\nrefuse = \"refuse\"\n");

    let answer = place.run(&["process", "in", "--json"]).expect(3).by_image();
    let note = &answer["in/a.png"]["branches"]["note"];
    assert_eq!(note["outcome"], "succeeded");
    assert_eq!(note["outputs"][0], "results/note/in/a.png/note.json");
    assert!(answer["in/other.jpg"]["branches"]["note"].is_null());
    let written = std::fs::read(place.join("results/note/in/a.png/note.json")).unwrap();
    let written: Value = serde_json::from_slice(&written).unwrap();
    assert_eq!(written["width"], 64);

    let (kinds, events) = lane(&place, "in/a.png");
    assert_eq!(
        kinds,
        [
            "state.entered.v1",
            "branch.completed.v1",
            "state.succeeded.v1"
        ]
    );
    let completed = &events[1]["data"];
    assert_eq!(completed["version"], "7");
    assert_eq!(completed["input_sha256"], written["sha256"]);
    assert_eq!(completed["outputs"][0]["media_type"], "application/json");
    assert!(completed["details"]["read"].is_string());

    // The failure has the name that the program gave it, and stops no other branch.
    let refused = &answer["in/refuse.png"];
    assert_eq!(refused["error"]["name"], "Note.Refused");
    assert_eq!(refused["branches"]["label"]["outcome"], "succeeded");
    let (kinds, events) = lane(&place, "in/refuse.png");
    assert_eq!(kinds, ["state.entered.v1", "state.failed.v1"]);
    assert_eq!(
        events[1]["data"]["error"]["cause"],
        "no note for in/refuse.png"
    );
    let failures = place
        .run(&["failures", "list", "--branch", "note", "--json"])
        .expect(0);
    assert_eq!(failures.lines().len(), 1);

    place.write("safelight.toml", "");
    let again = place
        .run(&["failures", "redrive", "--branch", "note", "--json"])
        .expect(0)
        .lines();
    assert_eq!(again[0]["branches"]["note"]["outcome"], "succeeded");
    assert!(place.join("results/note/in/refuse.png/note.json").exists());
    place.run(&["audit", "verify"]).expect(0);
    let scratch = std::fs::read_dir(place.join(".safelight/scratch")).unwrap();
    assert_eq!(scratch.count(), 0, "no folder of a call is left");
}

#[test]
fn a_command_needs_no_build_and_its_name_is_known() {
    let Some(place) = clone() else { return };
    let listed = place.run(&["branch", "list", "--json"]).expect(0).lines();
    assert_eq!(
        (&listed[0]["name"], &listed[0]["built"]),
        (&"note".into(), &true.into())
    );
    place.write("safelight.toml", "[branches.notes]\n");
    let doctor = place.run(&["doctor", "--json"]).expect(1);
    assert!(doctor.stdout.contains("notes"), "{}", doctor.stdout);
    assert!(
        doctor.stdout.contains("note, thumbnail"),
        "{}",
        doctor.stdout
    );
    let refused = place.run(&["process", "functions"]).expect(1);
    assert!(
        refused.stderr.contains("safelight.toml"),
        "{}",
        refused.stderr
    );
    assert!(!place.join(".safelight").exists(), "nothing was started");
}
