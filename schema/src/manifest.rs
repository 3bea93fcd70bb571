//! `branch.json`: what a branch is, when it applies, and what it needs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::image::Format;

/// A branch's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Branch name: lower-case letters, digits and hyphens, starting with a letter, at most 32.
    pub name: String,
    /// Version of the branch; raise it when its results change.
    pub version: String,
    /// One line for `branch list`.
    pub description: String,
    /// Who answers for it.
    pub owner: String,
    /// When it applies.
    #[serde(default)]
    pub when: When,
    /// Memory of its function, MiB.
    pub memory_mb: u32,
    /// Timeout of its function, seconds.
    pub timeout_seconds: u32,
    /// Functions of it that run at once; as many as there are processors where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// AWS permissions that its function needs.
    #[serde(default)]
    pub permissions: Vec<Permission>,
    /// A command in another language that speaks the Lambda Runtime API, run in the branch's folder.
    /// Absent: the branch is a Rust crate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

/// When a branch applies. What is absent does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Formats; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formats: Option<Vec<Format>>,
    /// Formats that it takes only when the build has the named feature.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub formats_with_feature: BTreeMap<Format, String>,
    /// Smallest size, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_bytes: Option<u64>,
    /// Largest size, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Smallest shorter side, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_side: Option<u32>,
    /// Largest longer side, pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_side: Option<u32>,
    /// Smallest size, megapixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_megapixels: Option<f64>,
    /// Largest size, megapixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_megapixels: Option<f64>,
    /// Prefixes of the object key; any where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_prefixes: Option<Vec<String>>,
    /// What has to hold beside, while the branch is configured so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub narrow: Vec<Narrowing>,
}

/// A condition more, while a setting of the branch has a value: a provider may take less than the
/// branch does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Narrowing {
    /// Name of the setting in the branch's section of the configuration.
    pub setting: String,
    /// Its value.
    pub value: serde_json::Value,
    /// What has to hold beside.
    pub when: When,
}

/// AWS actions on a kind of resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permission {
    /// IAM actions, such as `rekognition:DetectLabels`.
    pub actions: Vec<String>,
    /// What on: `images`, `results`, or `*` for actions that take no resource.
    pub resource: String,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct ManifestError {
    /// The field.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Most branches that one image may go to (DESIGN: the workflow).
pub const MAX_BRANCHES: usize = 24;

impl Manifest {
    /// Checks what the types do not: Lambda's limits and the rules for names.
    pub fn check(&self) -> Result<(), ManifestError> {
        let error = |field, problem: String| Err(ManifestError { field, problem });
        if !is_branch_name(&self.name) {
            return error(
                "name",
                format!(
                    "'{}' must be lower-case letters, digits and hyphens, start with a letter, and be at most 32 long",
                    self.name
                ),
            );
        }
        if self.version.is_empty() || self.version.len() > 32 || self.version.contains('#') {
            return error("version", "must be 1 to 32 characters without '#'".into());
        }
        // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
        if !(128..=10_240).contains(&self.memory_mb) {
            return error(
                "memory_mb",
                format!("{} is not within 128 to 10240", self.memory_mb),
            );
        }
        if !(1..=900).contains(&self.timeout_seconds) {
            return error(
                "timeout_seconds",
                format!("{} is not within 1 to 900", self.timeout_seconds),
            );
        }
        if self.concurrency == Some(0) {
            return error("concurrency", "must be at least 1".into());
        }
        if self.command.as_ref().is_some_and(Vec::is_empty) {
            return error("command", "must name a program".into());
        }
        Ok(())
    }
}

/// Whether `name` can name a branch: it becomes a lane, a folder, a crate and a state prefix.
pub fn is_branch_name(name: &str) -> bool {
    name.len() <= 32
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(|character| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
        })
}
