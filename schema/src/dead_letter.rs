//! The dead letter: what `fail` sends, what `failures` lists and what Slack reports.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::sha256_hex;
use crate::error_name::ErrorInfo;
use crate::image::ImageRef;

/// How an image ended that did not succeed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// A branch or the workflow failed: redriving it may help.
    Failed,
    /// Validate refused the image: only another image helps.
    Rejected,
    /// `start` could not read the message.
    Start,
}

impl FailureClass {
    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Start => "start",
        }
    }
}

/// The body of a dead-letter message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Always `dead-letter.v1`.
    pub schema: DeadLetterSchema,
    /// How it ended.
    pub class: FailureClass,
    /// The image.
    pub image: ImageRef,
    /// Execution name.
    pub execution: String,
    /// The error that the execution ended with.
    pub error: ErrorInfo,
    /// Branches that failed; a redrive reruns these. Empty: everything.
    pub branches: Vec<String>,
    /// When.
    #[serde(with = "crate::time::millis")]
    #[schemars(with = "String")]
    pub time: DateTime<Utc>,
    /// The command that redrives it.
    pub redrive: String,
    /// The message as it was, where `start` could not read it (class `start`): redrive sends it
    /// again. Image and execution are empty then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

impl DeadLetter {
    /// The letter for a message that `start` could not read.
    pub fn unreadable(raw: String, message_id: &str, cause: String, time: DateTime<Utc>) -> Self {
        Self {
            schema: DeadLetterSchema::V1,
            class: FailureClass::Start,
            image: ImageRef {
                bucket: String::new(),
                key: String::new(),
                version: None,
                etag: None,
                sequencer: None,
                bytes: None,
            },
            execution: String::new(),
            error: ErrorInfo::new(crate::error_name::EVENT_UNREADABLE.name, cause),
            branches: Vec::new(),
            time,
            redrive: format!("safelight failures redrive --message {message_id}"),
            raw: Some(raw),
        }
    }

    /// Reads the body of a dead-letter message. A body that is no dead letter was moved there by the
    /// queue itself after too many receives: it is of class `start`, and its own raw message.
    pub fn read(body: &str, message_id: &str, sent: DateTime<Utc>) -> Self {
        serde_json::from_str(body).unwrap_or_else(|_| {
            Self::unreadable(
                body.to_owned(),
                message_id,
                "the message was received too often without being done".into(),
                sent,
            )
        })
    }
}

/// Version of the dead letter's shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeadLetterSchema {
    /// The first.
    #[serde(rename = "dead-letter.v1")]
    V1,
}

/// Groups failures of one kind: error name and branch. Sixteen hex digits.
pub fn fingerprint(error: &str, branch: Option<&str>) -> String {
    sha256_hex(format!("{error}\n{}", branch.unwrap_or("")).as_bytes())[..16].to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_no_dead_letter_is_its_own_raw_message() {
        let time = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let letter = DeadLetter::read("{\"Records\":[]}", "m-1", time);
        assert_eq!(letter.class, FailureClass::Start);
        assert_eq!(letter.raw.as_deref(), Some("{\"Records\":[]}"));
        let stored = serde_json::to_string(&letter).unwrap();
        assert_eq!(DeadLetter::read(&stored, "m-2", time), letter);
    }
}
