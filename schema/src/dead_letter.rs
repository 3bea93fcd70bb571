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
