//! The calls of functions that a history tells of: which of them nobody knows the end of.
//!
//! Stopping an execution stops none of its functions, nor does a Map that fails as a whole, nor does a
//! timeout of the workflow's own.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

/// Errors that say that the caller lost sight of the function, not how it ended.
const LOST: [&str; 3] = [
    "States.Timeout",
    "Lambda.SdkClientException",
    "Lambda.Unknown",
];

/// Calls without an answer, by the id of the event that made them.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    open: BTreeMap<u64, DateTime<Utc>>,
    /// When the last call was made that was given up without an answer.
    lost: Option<DateTime<Utc>>,
}

impl Calls {
    /// Looks at an event of this kind; `before` has the event that came before each, and `error` is the
    /// name that a failed call was given.
    pub(crate) fn see(
        &mut self,
        kind: &str,
        (id, time): (u64, DateTime<Utc>),
        error: Option<&str>,
        before: &BTreeMap<u64, u64>,
    ) {
        match kind {
            "TaskScheduled" | "LambdaFunctionScheduled" => {
                self.open.insert(id, time);
            }
            "TaskSucceeded"
            | "TaskStartFailed"
            | "TaskSubmitFailed"
            | "LambdaFunctionSucceeded"
            | "LambdaFunctionScheduleFailed"
            | "LambdaFunctionStartFailed" => {
                self.take(id, before);
            }
            "TaskFailed" | "LambdaFunctionFailed" => {
                let called = self.take(id, before);
                if error.is_some_and(|error| LOST.contains(&error)) {
                    self.lost = self.lost.max(called);
                }
            }
            "TaskTimedOut" | "LambdaFunctionTimedOut" => {
                let called = self.take(id, before);
                self.lost = self.lost.max(called);
            }
            _ => {}
        }
    }

    /// When the last of the calls was made that may still run.
    pub(crate) fn unanswered(&self) -> Option<DateTime<Utc>> {
        self.open.values().copied().max().max(self.lost)
    }

    /// The call that an answer belongs to: the nearest before it that has none. A history that does not
    /// say so (an emulator's) answers its oldest call, so that what is left is waited for long enough.
    fn take(&mut self, answer: u64, before: &BTreeMap<u64, u64>) -> Option<DateTime<Utc>> {
        let mut id = answer;
        while let Some(previous) = before.get(&id).copied().filter(|previous| *previous < id) {
            id = previous;
            if let Some(called) = self.open.remove(&id) {
                return Some(called);
            }
        }
        self.open.pop_first().map(|(_, called)| called)
    }
}
