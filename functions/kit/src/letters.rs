//! Dead letters: the kinds of a failure, its pointers, and sending it once.

use chrono::{DateTime, Utc};
use safelight_ports::{Queue, Record};
use safelight_schema::dead_letter::fingerprint;
use safelight_schema::{
    DeadLetter, ErrorInfo, EventData, FailedBranch, Lane, Pointer, error_name, key,
};

use crate::error::FunctionError;

/// The dead-letter queue's name where the settings say nothing.
pub const QUEUE: &str = "dead-letters";

/// One kind of failure: failures of one error in one branch are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Error name.
    pub error: String,
    /// Branch; none where the trunk failed.
    pub branch: Option<String>,
}

impl Kind {
    /// Its fingerprint.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.error, self.branch.as_deref())
    }
}

/// The kinds of a failure: one a failed branch, or the trunk's.
pub fn kinds(error: &ErrorInfo, failed: &[FailedBranch]) -> Vec<Kind> {
    if failed.is_empty() {
        return vec![Kind {
            error: error.name.clone(),
            branch: None,
        }];
    }
    failed
        .iter()
        .map(|failed| Kind {
            error: failed.error.name.clone(),
            branch: Some(failed.branch.clone()),
        })
        .collect()
}

/// The fingerprint of the whole: of its only kind, or of `Branches.Failed`.
pub fn fingerprint_of(kinds: &[Kind]) -> String {
    match kinds {
        [only] => only.fingerprint(),
        _ => fingerprint(error_name::BRANCHES_FAILED.name, None),
    }
}

/// The pointers that find a failure: by each of its kinds, and among all failures.
pub fn pointers(execution: &str, kinds: &[Kind], time: DateTime<Utc>) -> Vec<Pointer> {
    let mut pointers = vec![Pointer::failure(execution, key::ANY_FAILURE, time)];
    for kind in kinds {
        let pointer = Pointer::failure(execution, &kind.fingerprint(), time);
        if !pointers.contains(&pointer) {
            pointers.push(pointer);
        }
    }
    pointers
}

/// The command that does again what failed.
pub fn redrive_command(execution: &str) -> String {
    format!("safelight failures redrive --execution {execution}")
}

/// The dead letter of the execution, as its record says it was sent, and in which lane.
pub async fn sent(
    record: &dyn Record,
    execution: &str,
    lane: &Lane,
) -> Result<Option<EventData>, FunctionError> {
    let events = record.lane(execution, lane).await?;
    Ok(events
        .into_iter()
        .map(|event| event.data)
        .find(|data| matches!(data, EventData::MessageDeadLettered { .. })))
}

/// Sends a dead letter.
pub async fn send(queue: &dyn Queue, name: &str, letter: &DeadLetter) -> Result<(), FunctionError> {
    let body = serde_json::to_string(letter)
        .map_err(|error| FunctionError::new(&error_name::INPUT_INVALID, error.to_string()))?;
    queue.send(name, &[body]).await?;
    Ok(())
}
