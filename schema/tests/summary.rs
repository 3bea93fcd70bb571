//! The summary is a fold of the events.
#![allow(clippy::unwrap_used)]

mod common;

use chrono::Duration;
use common::{draft, error, facts, header, image, place, time};
use safelight_schema::{
    Draft, EventData, FailedBranch, FailureClass, HeaderCost, Lane, Outcome, Summary, WantedBranch,
};

fn trunk(data: EventData) -> Draft {
    draft(Lane::Trunk, None, 0, data)
}

fn received() -> Draft {
    trunk(EventData::ImageReceived {
        image: image(),
        message_id: "m".into(),
        redrive_of: None,
    })
}

fn routed(branches: &[&str]) -> Draft {
    trunk(EventData::ImageRouted {
        wanted: branches
            .iter()
            .map(|branch| WantedBranch {
                branch: (*branch).into(),
                version: "1".into(),
            })
            .collect(),
        skipped: Vec::new(),
    })
}

fn completed(branch: &str) -> Draft {
    let data = EventData::BranchCompleted {
        branch: branch.into(),
        version: "1".into(),
        input_sha256: String::new(),
        outputs: Vec::new(),
        details: serde_json::Value::Null,
    };
    draft(Lane::Branch(branch.into()), None, 0, data)
}

fn ended(data: EventData) -> Draft {
    let mut draft = draft(Lane::Operator, None, 0, data);
    draft.time += Duration::milliseconds(1_500);
    draft
}

fn failed(class: FailureClass, branches: &[&str]) -> Draft {
    trunk(EventData::ImageFailed {
        class,
        error: error(),
        completed: Vec::new(),
        failed: branches
            .iter()
            .map(|branch| FailedBranch {
                branch: (*branch).into(),
                error: error(),
            })
            .collect(),
    })
}

fn summary(drafts: Vec<Draft>) -> Summary {
    Summary::of(&header(), &place(drafts))
}

#[test]
fn it_runs_until_its_end_is_recorded() {
    let summary = summary(vec![received(), routed(&["label"]), completed("label")]);
    assert_eq!(summary.outcome, Outcome::Running);
    assert_eq!(summary.branches["label"].outcome, Outcome::Succeeded);
    assert_eq!((summary.received, summary.ended), (Some(time()), None));
    assert_eq!(summary.duration_ms(), None);
}

#[test]
fn success_names_its_branches_and_its_time() {
    let validated = trunk(EventData::ImageValidated {
        facts: facts(),
        cost: HeaderCost::default(),
        warnings: vec!["w".into()],
    });
    let summary = summary(vec![
        received(),
        validated,
        routed(&["label", "thumbnail"]),
        completed("thumbnail"),
        completed("label"),
        ended(EventData::ExecutionSucceeded {}),
    ]);
    assert_eq!(summary.outcome, Outcome::Succeeded);
    assert_eq!(summary.duration_ms(), Some(1_500));
    assert_eq!(summary.facts, Some(facts()));
    assert_eq!(summary.warnings, ["w"]);
    let outcomes: Vec<_> = summary.branches.values().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [Outcome::Succeeded; 2]);
    assert_eq!(summary.error, None);
}

#[test]
fn failure_and_rejection_are_told_apart() {
    let end = || ended(EventData::ExecutionFailed { error: error() });
    let rejected = EventData::ImageRejected {
        error: error(),
        facts: Some(facts()),
        cost: HeaderCost::default(),
    };
    let rejected = summary(vec![
        received(),
        trunk(rejected),
        failed(FailureClass::Rejected, &[]),
        end(),
    ]);
    assert_eq!(rejected.outcome, Outcome::Rejected);
    assert_eq!(rejected.error, Some(error()));
    assert_eq!(rejected.facts, Some(facts()));

    let failed = summary(vec![
        received(),
        routed(&["label", "thumbnail"]),
        completed("thumbnail"),
        failed(FailureClass::Failed, &["label"]),
        end(),
    ]);
    assert_eq!(failed.outcome, Outcome::Failed);
    assert_eq!(failed.branches["thumbnail"].outcome, Outcome::Succeeded);
    assert_eq!(failed.branches["label"].outcome, Outcome::Failed);
    assert_eq!(failed.branches["label"].error, Some(error()));
    for end in [
        EventData::ExecutionTimedOut { error: error() },
        EventData::ExecutionAborted { error: error() },
    ] {
        let summary = summary(vec![received(), ended(end)]);
        assert_eq!(summary.outcome, Outcome::Failed);
        assert_eq!(summary.error, Some(error()));
    }
}

#[test]
fn the_order_of_lanes_does_not_matter() {
    let mut events = place(vec![
        received(),
        routed(&["label", "thumbnail"]),
        failed(FailureClass::Rejected, &["label"]),
        completed("thumbnail"),
        ended(EventData::ExecutionFailed { error: error() }),
    ]);
    let expected = Summary::of(&header(), &events);
    // Whole lanes change places; each stays in order.
    for _ in 0..events.len() {
        events.rotate_left(1);
        let mut lanes = events.clone();
        lanes.sort_by_key(|event| {
            let first = lanes_position(&events, event);
            (first, event.seq)
        });
        assert_eq!(Summary::of(&header(), &lanes), expected);
    }
}

fn lanes_position(
    events: &[safelight_schema::Event],
    event: &safelight_schema::Event,
) -> Option<usize> {
    events.iter().position(|it| it.lane == event.lane)
}

#[test]
fn operators_leave_their_mark() {
    let redriven = |by: &str| {
        ended(EventData::ExecutionRedriven {
            by: by.into(),
            only: Vec::new(),
            actor: "dana".into(),
            reason: String::new(),
        })
    };
    let dropped = EventData::FailureDropped {
        actor: "dana".into(),
        reason: String::new(),
    };
    let summary = summary(vec![redriven("a-r1"), redriven("a-r2"), ended(dropped)]);
    assert_eq!(summary.redriven_by, ["a-r1", "a-r2"]);
    assert!(summary.dropped);
}
