//! Events of every kind, and a whole execution to damage.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, TimeZone, Utc};
use safelight_schema::{
    ColourModel, Draft, ErrorInfo, Event, EventData, ExecutionInput, FailedBranch, FailureClass,
    Format, Header, HeaderCost, ImageFacts, ImageRef, Lane, ObjectRef, Seal, SkippedBranch,
    StateVisit, WantedBranch, chain,
};
use serde_json::json;

pub const EXECUTION: &str = "20261121-0123456789abcdef0123456789abcdef";

pub fn time() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 21, 8, 20, 30).unwrap() + Duration::milliseconds(123)
}

pub fn image() -> ImageRef {
    ImageRef {
        bucket: "photos".into(),
        key: "여름/a b.jpg".into(),
        version: Some("f".repeat(64)),
        etag: Some("1f4-18ab".into()),
        sequencer: Some("0A1B2C3D4E5F".into()),
        bytes: Some(500),
    }
}

pub fn facts() -> ImageFacts {
    ImageFacts {
        format: Format::Jpeg,
        bytes: 500,
        width: 4032,
        height: 3024,
        megapixels: ImageFacts::megapixels_of(4032, 3024),
        frames: 1,
        frames_exact: true,
        animated: false,
        bit_depth: 8,
        colour_model: ColourModel::Ycbcr,
        alpha: false,
        orientation: 6,
        icc: true,
    }
}

pub fn error() -> ErrorInfo {
    ErrorInfo::new("Image.Truncated", "ends at byte 12")
}

fn object(key: &str) -> ObjectRef {
    ObjectRef {
        bucket: "results".into(),
        key: key.into(),
        bytes: 42,
        sha256: "0".repeat(64),
        media_type: "application/json".into(),
    }
}

pub fn draft(lane: Lane, state: Option<&str>, attempt: u32, data: EventData) -> Draft {
    Draft {
        execution: EXECUTION.into(),
        lane,
        state: state.map(str::to_owned),
        epoch: 0,
        attempt,
        source: "/safelight/validate".into(),
        subject: image().subject(),
        time: time(),
        data,
    }
}

/// One draft of every kind of event.
pub fn every_kind() -> Vec<Draft> {
    let branch = || Lane::Branch("label".into());
    let trunk = |state, data| draft(Lane::Trunk, state, 0, data);
    let operator = |data| draft(Lane::Operator, None, 0, data);
    vec![
        trunk(
            None,
            EventData::ImageReceived {
                image: image(),
                message_id: "6f1c".into(),
                redrive_of: Some("20261120-aa".into()),
            },
        ),
        trunk(
            None,
            EventData::ExecutionStarted {
                execution_arn: format!(
                    "arn:aws:states:local:000000000000:execution:image:{EXECUTION}"
                ),
                workflow_hash: "1".repeat(64),
                branches: BTreeMap::from([("label".into(), "3".into())]),
            },
        ),
        trunk(
            Some("Validate"),
            EventData::StateEntered {
                function_version: "0.1.0".into(),
            },
        ),
        draft(
            branch(),
            Some("label/Detect"),
            1,
            EventData::StateRetried {
                function_version: "0.1.0".into(),
            },
        ),
        trunk(
            Some("Validate"),
            EventData::StateSucceeded { duration_ms: 3 },
        ),
        draft(
            Lane::Trunk,
            Some("Validate"),
            2,
            EventData::StateFailed {
                error: error(),
                duration_ms: 7,
            },
        ),
        trunk(
            Some("Validate"),
            EventData::ImageValidated {
                facts: facts(),
                cost: HeaderCost {
                    reads: 2,
                    bytes: 4_096,
                },
                warnings: vec!["the extension promises png".into()],
            },
        ),
        trunk(
            Some("Validate"),
            EventData::ImageRejected {
                error: error(),
                facts: Some(facts()),
                cost: HeaderCost::default(),
            },
        ),
        trunk(
            Some("Route"),
            EventData::ImageRouted {
                wanted: vec![WantedBranch {
                    branch: "label".into(),
                    version: "3".into(),
                }],
                skipped: vec![SkippedBranch {
                    branch: "compress".into(),
                    reason: "no decoder for avif in this build".into(),
                    error: Some("Image.DecoderMissing".into()),
                }],
            },
        ),
        draft(
            branch(),
            Some("label/Detect"),
            0,
            EventData::BranchCompleted {
                branch: "label".into(),
                version: "3".into(),
                input_sha256: "f".repeat(64),
                outputs: vec![object("results/label/여름/a b.jpg/labels.json")],
                details: json!({"labels": 2, "score": 0.1 + 0.2, "dark": false, "model": null}),
            },
        ),
        trunk(
            Some("Complete"),
            EventData::ImageCompleted {
                branches: vec!["label".into()],
            },
        ),
        trunk(
            Some("Fail"),
            EventData::ImageFailed {
                class: FailureClass::Failed,
                error: error(),
                completed: vec!["thumbnail".into()],
                failed: vec![FailedBranch {
                    branch: "label".into(),
                    error: error(),
                }],
            },
        ),
        trunk(
            Some("Fail"),
            EventData::MessageDeadLettered {
                class: FailureClass::Rejected,
                queue: "dead-letters".into(),
                fingerprint: "0123456789abcdef".into(),
            },
        ),
        draft(
            Lane::History,
            None,
            0,
            EventData::HistoryArchived {
                archive: object("archive/20261121-01.json"),
                events: 30,
                states: vec![StateVisit {
                    id: 2,
                    state: "Branches".into(),
                    kind: "Map".into(),
                    entered: time(),
                    exited: Some(time() + Duration::milliseconds(1)),
                }],
            },
        ),
        operator(EventData::ExecutionSucceeded {}),
        operator(EventData::ExecutionFailed { error: error() }),
        operator(EventData::ExecutionTimedOut { error: error() }),
        operator(EventData::ExecutionAborted { error: error() }),
        operator(EventData::ExecutionRedriven {
            by: format!("{EXECUTION}-r1790000000"),
            only: vec!["label".into()],
            actor: "dana".into(),
            reason: "the model was restored".into(),
        }),
        operator(EventData::FailureDropped {
            actor: "dana".into(),
            reason: "a test image".into(),
        }),
        operator(EventData::FailureClosed {
            by: "20261121-0123456789abcdef0123456789abcdef-r1795262400".into(),
            actor: "dana".into(),
            reason: "processed again, and it succeeded".into(),
        }),
        operator(EventData::ImageErased {
            actor: "dana".into(),
            reason: "asked for by its owner".into(),
        }),
    ]
}

pub fn header() -> Header {
    Header {
        execution: EXECUTION.into(),
        input: ExecutionInput {
            image: image(),
            redrive_of: None,
            only: None,
        },
        workflow_hash: "1".repeat(64),
        branches: BTreeMap::from([("label".into(), "3".into())]),
        notified: time(),
        claimed_by: "6f1c".into(),
        claimed: time(),
        started: true,
    }
}

/// Places drafts in their lanes, in order.
pub fn place(drafts: Vec<Draft>) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for draft in drafts {
        let last = events.iter().rev().find(|event| event.lane == draft.lane);
        let (seq, prev) = last.map_or((1, chain::GENESIS.to_owned()), |event| {
            (event.seq + 1, event.hash.clone())
        });
        events.push(draft.place(seq, &prev));
    }
    events
}

/// All events of an execution, and its two seals: the second was written after the last operator's
/// event.
pub fn execution() -> (Vec<Event>, Vec<Seal>) {
    let events = place(every_kind());
    let (last, before) = events.split_last().unwrap();
    assert_eq!(last.lane, Lane::Operator);
    let first = Seal::new(&header(), None, before, time());
    let second = Seal::new(
        &header(),
        Some(&first),
        &events,
        time() + Duration::hours(1),
    );
    (events, vec![first, second])
}
