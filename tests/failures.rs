//! Failures: the dead-letter queue, redrives, drops, and the Slack message.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::Value;
use support::slack::{Slack, SlackAnswer};
use support::{Place, png};

/// A PNG whose header is sound and whose pixels end early.
fn truncated() -> Vec<u8> {
    let mut bytes = png(300, 300, 9);
    bytes.truncate(bytes.len() / 2);
    bytes
}

fn failures(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let mut all = vec!["failures", "list", "--json"];
    all.extend(arguments);
    place.run(&all).expect(0).lines()
}

#[test]
fn what_fails_is_listed_shown_and_dropped() {
    let place = Place::new();
    place.write("in/cut.png", truncated());
    place.write("in/text.jpg", b"no image");
    let answer = place.run(&["process", "in", "--json"]).expect(3);
    assert_eq!(answer.by_image()["in/cut.png"]["outcome"], "failed");
    assert_eq!(failures(&place, &[]).len(), 2);
    let of_branch = failures(&place, &["--branch", "thumbnail"]);
    assert_eq!(of_branch.len(), 1);
    let letter = &of_branch[0]["letter"];
    assert_eq!(letter["image"]["key"], "in/cut.png");
    assert_eq!(letter["class"], "failed");
    assert_eq!(failures(&place, &["--error", "Image.Unsupported"]).len(), 1);
    // The execution ended with Branches.Failed; its branches with this.
    assert_eq!(failures(&place, &["--error", "Image.Truncated"]).len(), 1);
    assert_eq!(failures(&place, &["--image", "in/text.jpg"]).len(), 1);

    // A branch that is mistyped is not the same as one that has no failures.
    let mistyped = ["failures", "redrive", "--branch", "thumnail"];
    let refused = place.run(&mistyped).expect(2);
    assert!(
        refused.stderr.contains("compress, label, thumbnail"),
        "{}",
        refused.stderr
    );
    let none = place
        .run(&["failures", "list", "--error", "Image.Empty"])
        .expect(0);
    assert!(none.stdout.contains("2 others"), "{}", none.stdout);

    let execution = letter["execution"].as_str().unwrap();
    let shown = place.run(&["failures", "show", execution]).expect(0);
    for text in ["in/cut.png", execution, "safelight failures redrive"] {
        assert!(shown.stdout.contains(text), "{}", shown.stdout);
    }
    place.run(&["failures", "drop"]).expect(2);
    place
        .run(&[
            "failures",
            "drop",
            "--error",
            "Image.Unsupported",
            "--dry-run",
        ])
        .expect(0);
    assert_eq!(failures(&place, &[]).len(), 2, "a dry run changes nothing");
    place
        .run(&[
            "failures",
            "drop",
            "--error",
            "Image.Unsupported",
            "--yes",
            "--reason",
            "no photo",
        ])
        .expect(0);
    assert_eq!(failures(&place, &[]).len(), 1);
    let history = place.run(&["history", "in/text.jpg"]).expect(0);
    assert!(history.stdout.contains("no photo"), "{}", history.stdout);
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn a_redrive_reruns_only_what_failed_and_links_both() {
    let place = Place::new();
    place.write("in/a.png", png(40, 40, 1));
    // The first invocation of thumbnail fails in a way that is never tried again.
    place.write(".safelight/faults/thumbnail", "error Image.EncodeFailed\n");
    let first = place.run(&["process", "in", "--json"]).expect(3);
    let first = &first.lines()[0];
    assert_eq!(first["outcome"], "failed");
    assert_eq!(first["error"]["name"], "Image.EncodeFailed");
    assert_eq!(first["branches"]["label"]["outcome"], "succeeded");
    assert_eq!(first["branches"]["thumbnail"]["outcome"], "failed");
    let first = first["execution"].as_str().unwrap();

    let dry = place
        .run(&["failures", "redrive", "--all", "--dry-run"])
        .expect(0);
    assert!(dry.stdout.contains("in/a.png") && failures(&place, &[]).len() == 1);
    let second = place
        .run(&["failures", "redrive", "--branch", "thumbnail", "--json"])
        .expect(0);
    let second = &second.lines()[0];
    assert_eq!(second["outcome"], "succeeded");
    let ran: Vec<&String> = second["branches"].as_object().unwrap().keys().collect();
    assert_eq!(ran, ["thumbnail"]);
    let second = second["execution"].as_str().unwrap();
    assert!(second.starts_with(&format!("{first}-r")), "{second}");
    assert!(failures(&place, &[]).is_empty());

    let both = place
        .run(&["history", "in/a.png", "--all", "--json"])
        .expect(0)
        .lines();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0]["summary"]["redrive_of"], first);
    assert_eq!(both[1]["summary"]["redriven_by"][0], second);
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn an_image_is_listed_once_and_a_later_success_closes_what_was_before() {
    let place = Place::new();
    place.write("in/a.png", png(40, 40, 1));
    place.write("in/text.jpg", b"no image");
    let fault = || place.write(".safelight/faults/thumbnail", "error Image.EncodeFailed\n");
    fault();
    let first = place.run(&["process", "in", "--json"]).expect(3).by_image();
    let first = first["in/a.png"]["execution"].as_str().unwrap().to_owned();
    fault();
    let again = ["process", "in/a.png", "--again", "--json"];
    let second = place.run(&again).expect(3).lines();
    let second = second[0]["execution"].as_str().unwrap().to_owned();
    let listed = failures(&place, &["--image", "in/a.png"]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["letter"]["execution"], second.as_str());

    let third = place.run(&again).expect(0).lines();
    let third = third[0]["execution"].as_str().unwrap();
    assert!(failures(&place, &["--class", "failed"]).is_empty());
    assert_eq!(failures(&place, &["--class", "rejected"]).len(), 1);
    for (execution, by) in [(&first, second.as_str()), (&second, third)] {
        let history = place.run(&["history", execution, "--json"]).expect(0);
        let history = &history.lines()[0];
        assert_eq!(history["summary"]["closed_by"], by);
        let events = history["events"].as_array().unwrap();
        let closed = events
            .iter()
            .find(|event| event["type"] == "failure.closed.v1")
            .unwrap();
        assert_eq!(closed["lane"], "op");
        assert!(closed["data"]["actor"].is_string() && closed["data"]["reason"].is_string());
    }
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn what_was_rejected_is_redriven_only_when_it_is_asked_for() {
    let place = Place::new();
    place.write("in/text.jpg", b"no image");
    place.run(&["process", "in"]).expect(3);
    let nothing = place.run(&["failures", "redrive", "--all"]).expect(0);
    assert!(
        nothing.stderr.contains("1 rejected image left out")
            && nothing.stderr.contains("--rejected"),
        "{}",
        nothing.stderr
    );
    assert_eq!(failures(&place, &[]).len(), 1);
    let asked = ["failures", "redrive", "--all", "--rejected", "--json"];
    let redriven = place.run(&asked).expect(3).lines();
    assert_eq!(redriven[0]["outcome"], "rejected");
    let by_class = ["failures", "redrive", "--class", "rejected", "--json"];
    assert_eq!(place.run(&by_class).expect(3).lines().len(), 1);
}

#[test]
fn slack_hears_of_new_kinds_once() {
    let slack = Slack::start();
    let place = Place::new();
    let environment = [("SAFELIGHT_SLACK_WEBHOOK", slack.url())];
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    place.write("in/one.jpg", b"no image <!channel> & more");
    place.write("in/two.jpg", b"no image either");
    place
        .run_with(&["process", "in", "--json"], &environment)
        .expect(3);
    let first = slack.messages();
    assert_eq!(first.len(), 1, "one grouped message: {first:?}");
    let text = first[0].to_string();
    for part in [
        "2",
        "Image.Unsupported",
        "in/one.jpg",
        "safelight failures redrive",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // The same kind again, by another process: nothing new to say.
    place.write("in/three.jpg", b"still no image");
    place
        .run_with(&["process", "in", "--json"], &environment)
        .expect(3);
    assert_eq!(slack.messages().len(), 1);
    // Another kind.
    place.write("in/empty.png", b"");
    place
        .run_with(&["process", "in", "--json"], &environment)
        .expect(3);
    let messages = slack.messages();
    assert_eq!(messages.len(), 2);
    assert!(messages[1].to_string().contains("Image.Empty"));
}

#[test]
fn a_busy_slack_is_asked_again_when_it_says() {
    let slack = Slack::start();
    slack.answer_next(SlackAnswer::RetryAfter(1));
    let place = Place::new();
    place.write("a.jpg", b"no image");
    let url = slack.url();
    place
        .run_with(&["process", "a.jpg"], &[("SAFELIGHT_SLACK_WEBHOOK", &url)])
        .expect(3);
    assert_eq!(slack.messages().len(), 1);
    assert_eq!(slack.refused(), 1);
}
