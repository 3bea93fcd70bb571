//! Changes of an execution's status, as EventBridge would report them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use safelight_decider::ExecutionStatus;
use safelight_sqlite::DatabaseError;
use serde_json::{Value, json};

/// The status of a word on the wire, such as `TIMED_OUT`.
pub(crate) fn status_from_word(word: &str) -> Option<ExecutionStatus> {
    [
        ExecutionStatus::Running,
        ExecutionStatus::Succeeded,
        ExecutionStatus::Failed,
        ExecutionStatus::TimedOut,
        ExecutionStatus::Aborted,
    ]
    .into_iter()
    .find(|status| status.as_str() == word)
}

/// An execution started or ended.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusChange {
    /// The execution's ARN.
    pub execution_arn: Arc<str>,
    /// Its name.
    pub name: String,
    /// Its state machine's ARN.
    pub state_machine_arn: Arc<str>,
    /// What it is now.
    pub status: ExecutionStatus,
    /// When it started.
    pub start_date: DateTime<Utc>,
    /// When it ended.
    pub stop_date: Option<DateTime<Utc>>,
    /// Its input, as it was sent.
    pub input: Arc<str>,
    /// Its output, as JSON, if it succeeded.
    pub output: Option<Arc<str>>,
    /// Its error's name, if it failed.
    pub error: Option<String>,
    /// Its error's cause.
    pub cause: Option<String>,
}

impl StatusChange {
    /// The `detail` of EventBridge's "Step Functions Execution Status Change".
    pub fn event_detail(&self) -> Value {
        let milliseconds = |date: DateTime<Utc>| date.timestamp_millis();
        let included = json!({"included": true});
        json!({
            "executionArn": &*self.execution_arn,
            "stateMachineArn": &*self.state_machine_arn,
            "name": self.name,
            "status": self.status.as_str(),
            "startDate": milliseconds(self.start_date),
            "stopDate": self.stop_date.map(milliseconds),
            "input": &*self.input,
            "output": self.output.as_deref(),
            "inputDetails": included,
            "outputDetails": self.output.is_some().then_some(included.clone()),
            "error": self.error,
            "cause": self.cause,
        })
    }
}

/// Runs in the transaction that starts or ends an execution (invariant 4): what it writes is there
/// exactly when the change is. It must not fail for a reason that goes away by itself, because a
/// failed write stops the engine.
pub type StatusHook =
    Arc<dyn Fn(&Connection, &StatusChange) -> Result<(), DatabaseError> + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for word in ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"] {
            assert_eq!(status_from_word(word).unwrap().as_str(), word);
        }
        assert_eq!(status_from_word("PENDING"), None);
    }
}
