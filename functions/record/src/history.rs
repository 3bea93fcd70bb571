//! What an engine's history says: the states that were entered, and how it ended.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use safelight_schema::{ErrorInfo, StateVisit, error_name};
use serde::Deserialize;
use serde_json::Value;

use crate::calls::Calls;

/// How an execution ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// SUCCEEDED.
    Succeeded,
    /// FAILED.
    Failed(ErrorInfo),
    /// TIMED_OUT.
    TimedOut(ErrorInfo),
    /// ABORTED.
    Aborted(ErrorInfo),
}

/// One event, as far as it is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryEvent {
    id: u64,
    #[serde(default)]
    previous_event_id: u64,
    #[serde(rename = "type")]
    kind: String,
    timestamp: Timestamp,
    #[serde(alias = "stateExitedEventDetails")]
    state_entered_event_details: Option<StateDetails>,
    #[serde(
        alias = "executionTimedOutEventDetails",
        alias = "executionAbortedEventDetails"
    )]
    execution_failed_event_details: Option<EndDetails>,
    #[serde(alias = "lambdaFunctionFailedEventDetails")]
    task_failed_event_details: Option<EndDetails>,
}

#[derive(Debug, Deserialize)]
struct StateDetails {
    name: String,
}

#[derive(Debug, Default, Deserialize)]
struct EndDetails {
    error: Option<String>,
    cause: Option<String>,
}

/// Seconds since 1970 (JSON 1.0), or RFC 3339.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Timestamp {
    Seconds(f64),
    Text(DateTime<Utc>),
}

impl Timestamp {
    fn time(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Seconds(seconds) => {
                DateTime::from_timestamp_millis((seconds * 1_000.0).round() as i64)
            }
            Self::Text(time) => Some(*time),
        }
    }
}

/// Why a history cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// It has no last event of an execution: it is not whole yet.
    #[error("the history ends with {0}, not with the end of an execution")]
    NotEnded(String),
    /// An event lacks something.
    #[error("event {index} of the history cannot be read: {problem}")]
    Unreadable {
        /// Which, from 1.
        index: usize,
        /// What is wrong.
        problem: String,
    },
}

/// A history that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// Every state that was entered, in order (invariant 1).
    pub states: Vec<StateVisit>,
    /// When it began.
    pub began: DateTime<Utc>,
    /// How it ended.
    pub end: End,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// When the last call was made of those that nobody knows the end of.
    pub unanswered: Option<DateTime<Utc>>,
}

/// Reads a whole history.
pub fn read(events: &[Value]) -> Result<History, HistoryError> {
    let unreadable = |index: usize, problem: String| HistoryError::Unreadable {
        index: index + 1,
        problem,
    };
    let mut states: Vec<StateVisit> = Vec::new();
    // Which event came before, and which visit an event entered.
    let mut before = BTreeMap::<u64, u64>::new();
    let mut visits = BTreeMap::<u64, usize>::new();
    let mut began = None;
    let mut end = None;
    let mut calls = Calls::default();
    for (index, value) in events.iter().enumerate() {
        let event = HistoryEvent::deserialize(value)
            .map_err(|error| unreadable(index, error.to_string()))?;
        let time = event
            .timestamp
            .time()
            .ok_or_else(|| unreadable(index, "its timestamp is out of range".into()))?;
        before.insert(event.id, event.previous_event_id);
        began.get_or_insert(time);
        let error = event
            .task_failed_event_details
            .and_then(|details| details.error);
        calls.see(&event.kind, (event.id, time), error.as_deref(), &before);
        if let Some(kind) = event.kind.strip_suffix("StateEntered") {
            let details = event
                .state_entered_event_details
                .ok_or_else(|| unreadable(index, "it names no state".into()))?;
            visits.insert(event.id, states.len());
            states.push(StateVisit {
                id: event.id,
                state: details.name,
                kind: kind.into(),
                entered: time,
                exited: None,
            });
        } else if event.kind.ends_with("StateExited") {
            let name = event
                .state_entered_event_details
                .map(|details| details.name);
            exit(
                &mut states,
                &visits,
                &before,
                event.id,
                name.as_deref(),
                time,
            );
        } else if let Some(ended) = end_of(&event.kind, event.execution_failed_event_details) {
            end = Some((ended, time));
        } else if event.kind == "ExecutionRedriven" {
            // It goes on.
            end = None;
        }
    }
    let Some((end, ended)) = end else {
        let last = events.last().and_then(|event| event.get("type"));
        let last = last.and_then(Value::as_str).unwrap_or("nothing");
        return Err(HistoryError::NotEnded(last.into()));
    };
    Ok(History {
        states,
        began: began.unwrap_or(ended),
        end,
        ended,
        unanswered: calls.unanswered(),
    })
}

/// Marks the visit that an exit belongs to: the nearest before it, along the chain of previous
/// events, that entered this state and was not exited.
fn exit(
    states: &mut [StateVisit],
    visits: &BTreeMap<u64, usize>,
    before: &BTreeMap<u64, u64>,
    exit: u64,
    name: Option<&str>,
    time: DateTime<Utc>,
) {
    let mut id = exit;
    while let Some(previous) = before.get(&id).copied().filter(|previous| *previous < id) {
        id = previous;
        let visit = visits.get(&id).and_then(|index| states.get_mut(*index));
        if let Some(visit) = visit
            && visit.exited.is_none()
            && name.is_none_or(|name| name == visit.state)
        {
            visit.exited = Some(time);
            return;
        }
    }
}

fn end_of(kind: &str, details: Option<EndDetails>) -> Option<End> {
    let info = |fallback: &str| {
        let EndDetails { error, cause } = details.unwrap_or_default();
        ErrorInfo::new(
            error.unwrap_or_else(|| fallback.to_owned()),
            cause.unwrap_or_default(),
        )
    };
    match kind {
        "ExecutionSucceeded" => Some(End::Succeeded),
        "ExecutionFailed" => Some(End::Failed(info("States.Runtime"))),
        "ExecutionTimedOut" => Some(End::TimedOut(info(error_name::STATES_TIMEOUT.name))),
        "ExecutionAborted" => Some(End::Aborted(info(error_name::EXECUTION_ABORTED.name))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: u64, previous: u64, kind: &str, name: &str) -> Value {
        let mut event = json!({
            "id": id, "previousEventId": previous, "type": kind,
            "timestamp": 1_795_262_400.0 + id as f64,
        });
        if kind.ends_with("Entered") {
            event["stateEnteredEventDetails"] = json!({ "name": name, "input": "{}" });
        } else if kind.ends_with("Exited") {
            event["stateExitedEventDetails"] = json!({ "name": name });
        }
        event
    }

    #[test]
    fn every_state_is_visited_and_exits_find_their_own() {
        // Invariant 1. Two iterations of a Map enter the same state at once.
        let events = [
            event(1, 0, "ExecutionStarted", ""),
            event(2, 0, "MapStateEntered", "Branches"),
            event(3, 2, "MapStateStarted", ""),
            event(4, 3, "MapIterationStarted", ""),
            event(5, 4, "ChoiceStateEntered", "Which"),
            event(6, 3, "MapIterationStarted", ""),
            event(7, 6, "ChoiceStateEntered", "Which"),
            event(8, 7, "ChoiceStateExited", "Which"),
            event(9, 8, "MapIterationSucceeded", ""),
            event(10, 9, "MapStateSucceeded", ""),
            event(11, 10, "MapStateExited", "Branches"),
            event(12, 11, "ExecutionSucceeded", ""),
        ];
        let history = read(&events).unwrap();
        let visits: Vec<_> = history
            .states
            .iter()
            .map(|visit| (visit.id, visit.kind.as_str(), visit.exited.is_some()))
            .collect();
        assert_eq!(
            visits,
            [(2, "Map", true), (5, "Choice", false), (7, "Choice", true)]
        );
        assert_eq!(history.end, End::Succeeded);
        assert_eq!(history.ended.timestamp(), 1_795_262_412);
    }

    #[test]
    fn ends_carry_their_error() {
        let mut failed = event(1, 0, "ExecutionFailed", "");
        failed["executionFailedEventDetails"] =
            json!({ "error": "Image.Empty", "cause": "no bytes" });
        assert_eq!(
            read(&[failed]).unwrap().end,
            End::Failed(ErrorInfo::new("Image.Empty", "no bytes"))
        );
        assert_eq!(
            read(&[event(1, 0, "ExecutionTimedOut", "")]).unwrap().end,
            End::TimedOut(ErrorInfo::new("States.Timeout", ""))
        );
    }

    #[test]
    fn calls_that_nobody_knows_the_end_of_are_told() {
        // Events as (id, the one before, kind, error).
        let unanswered = |seen: &[(u64, u64, &str, &str)]| {
            let mut events: Vec<Value> = seen
                .iter()
                .map(|(id, previous, kind, error)| {
                    let mut event = event(*id, *previous, kind, "");
                    event["taskFailedEventDetails"] = json!({ "error": error });
                    event
                })
                .collect();
            events.push(event(90, 0, "ExecutionAborted", ""));
            read(&events).unwrap().unanswered
        };
        let at = |id: i64| DateTime::from_timestamp(1_795_262_400 + id, 0);
        let first = (1, 0, "TaskScheduled", "");
        let second = (2, 0, "TaskScheduled", "");
        assert_eq!(unanswered(&[first]), at(1));
        assert_eq!(
            unanswered(&[
                first,
                (3, 1, "TaskStarted", ""),
                (4, 3, "TaskSucceeded", "")
            ]),
            None
        );
        // Each answer is of its own call.
        assert_eq!(
            unanswered(&[first, second, (4, 2, "TaskSucceeded", "")]),
            at(1)
        );
        assert_eq!(
            unanswered(&[first, second, (4, 1, "TaskFailed", "Label.Refused")]),
            at(2)
        );
        // Without a word of whose it is, the later call is the one that may run.
        assert_eq!(
            unanswered(&[first, second, (4, 0, "TaskSucceeded", "")]),
            at(2)
        );
        // The workflow does not wait any more; the function may run on.
        for (kind, error) in [
            ("TaskTimedOut", "States.Timeout"),
            ("TaskFailed", "Lambda.SdkClientException"),
            ("LambdaFunctionTimedOut", ""),
        ] {
            let retried = [
                first,
                (4, 1, kind, error),
                (5, 4, "TaskScheduled", ""),
                (6, 5, "TaskSucceeded", ""),
            ];
            assert_eq!(unanswered(&retried), at(1), "{kind}");
        }
    }

    #[test]
    fn a_redrive_takes_the_end_back() {
        let mut events = vec![
            event(1, 0, "ExecutionStarted", ""),
            event(2, 1, "ExecutionFailed", ""),
            event(3, 2, "ExecutionRedriven", ""),
        ];
        assert_eq!(
            read(&events),
            Err(HistoryError::NotEnded("ExecutionRedriven".into()))
        );
        events.push(event(4, 3, "ExecutionSucceeded", ""));
        assert_eq!(read(&events).unwrap().end, End::Succeeded);
    }

    #[test]
    fn a_history_without_an_end_is_not_whole() {
        assert_eq!(
            read(&[event(1, 0, "ExecutionStarted", "")]),
            Err(HistoryError::NotEnded("ExecutionStarted".into()))
        );
        assert!(matches!(
            read(&[json!({})]),
            Err(HistoryError::Unreadable { index: 1, .. })
        ));
    }
}
