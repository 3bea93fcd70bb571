//! The header item: what was asked, by whom it was claimed, and with which code it is done.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::digest_of;
use crate::image::ImageRef;

/// The input of an image's execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionInput {
    /// The image.
    pub image: ImageRef,
    /// The execution that this one redrives.
    #[serde(default, rename = "redriveOf", skip_serializing_if = "Option::is_none")]
    pub redrive_of: Option<String>,
    /// Branches that are to run; all that want the image where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
}

/// The header of an execution's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// Execution name.
    pub execution: String,
    /// The execution's input.
    pub input: ExecutionInput,
    /// SHA-256 of the workflow definition, hex.
    pub workflow_hash: String,
    /// Version of each branch in the definition; on AWS its version-qualified function ARN.
    pub branches: BTreeMap<String, String>,
    /// When the notification was made.
    #[serde(with = "crate::time::millis")]
    #[schemars(with = "String")]
    pub notified: DateTime<Utc>,
    /// Queue message that holds the claim.
    pub claimed_by: String,
    /// When it was claimed; a claim that was not started can be taken over after its lease.
    #[serde(with = "crate::time::millis")]
    #[schemars(with = "String")]
    pub claimed: DateTime<Utc>,
    /// Whether StartExecution has answered.
    pub started: bool,
}

impl Header {
    /// SHA-256 of the fields that never change: what the seal binds.
    pub fn digest(&self) -> String {
        digest_of(&(
            &self.execution,
            &self.input,
            &self.workflow_hash,
            &self.branches,
        ))
    }
}
