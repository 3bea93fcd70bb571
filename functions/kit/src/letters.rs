//! Dead letters: the kinds of a failure, its pointers, and sending it once.

use chrono::{DateTime, Utc};
use safelight_ports::{Queue, Record};
use safelight_schema::dead_letter::fingerprint;
use safelight_schema::{
    DeadLetter, ErrorInfo, EventData, FailedBranch, FailureClass, Lane, Pointer, error_name, key,
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

/// Target of the line that each dead letter logs; what watches a deployment counts it by `origin`.
pub const LOG_TARGET: &str = "safelight::dead_letters";

/// What a letter is counted by: each failed branch; `rejected`, `start`, or else `trunk`.
pub fn origins(letter: &DeadLetter) -> Vec<&str> {
    match letter.class {
        FailureClass::Rejected => vec!["rejected"],
        FailureClass::Start => vec!["start"],
        FailureClass::Failed if letter.branches.is_empty() => vec!["trunk"],
        FailureClass::Failed => letter.branches.iter().map(String::as_str).collect(),
    }
}

/// Logs a letter that was sent: SQS counts messages of a queue, and not what they are of.
pub fn log(letter: &DeadLetter) {
    for origin in origins(letter) {
        tracing::info!(
            target: LOG_TARGET,
            origin,
            execution.id = letter.execution,
            error.name = letter.error.name,
            "a dead letter was sent"
        );
    }
}

/// Sends a dead letter.
pub async fn send(queue: &dyn Queue, name: &str, letter: &DeadLetter) -> Result<(), FunctionError> {
    let body = serde_json::to_string(letter)
        .map_err(|error| FunctionError::new(&error_name::INPUT_INVALID, error.to_string()))?;
    queue.send(name, &[body]).await?;
    log(letter);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn letter(class: FailureClass, branches: &[&str]) -> DeadLetter {
        let time = DateTime::from_timestamp_millis(1_795_262_400_000).unwrap();
        let mut letter = DeadLetter::unreadable("{}".into(), "m-1", "no notice".into(), time);
        letter.class = class;
        letter.branches = branches.iter().map(|name| (*name).to_owned()).collect();
        letter
    }

    #[test]
    fn each_origin_of_a_letter_is_one_line_that_a_filter_finds() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            log(&letter(FailureClass::Failed, &["label", "thumbnail"]));
            log(&letter(FailureClass::Failed, &[]));
            log(&letter(FailureClass::Rejected, &[]));
            log(&letter(FailureClass::Start, &[]));
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let found: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            // What the filter of infra/terraform/modules/alerting says.
            .filter(|line| line["target"] == "safelight::dead_letters")
            .map(|line| line["origin"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(found, ["label", "thumbnail", "trunk", "rejected", "start"]);
    }
}
