//! Why a workflow cannot be composed.

use std::path::PathBuf;

use safelight_asl::lint::Finding;
use safelight_schema::error_name::{self, ErrorName};

/// Why a workflow cannot be composed; every text says where and what.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// A file or folder could not be read.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A `branch.json` is not a manifest.
    #[error("{}: {problem}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// The field and what is wrong with it.
        problem: String,
    },
    /// A file is not JSON.
    #[error("{}: not JSON: {source}", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Two branches have one name.
    #[error("two branches are named '{0}'")]
    Duplicate(String),
    /// The states of a branch cannot be composed.
    #[error("branch '{branch}', {location}: {problem}")]
    States {
        /// The branch.
        branch: String,
        /// Where in its `states.asl.json`.
        location: String,
        /// What is wrong.
        problem: String,
    },
    /// The trunk cannot be composed.
    #[error("trunk, {location}: {problem}")]
    Trunk {
        /// Where in `trunk.asl.json`.
        location: String,
        /// What is wrong.
        problem: String,
    },
    /// What was composed is not valid, or finds something at the lints.
    #[error("the composed workflow has {} finding(s): {}", .0.len(), describe(.0))]
    Findings(Vec<Finding>),
}

impl ComposeError {
    /// The stable name of the error.
    pub const fn name(&self) -> ErrorName {
        match self {
            Self::Unreadable { .. }
            | Self::Manifest { .. }
            | Self::NotJson { .. }
            | Self::Duplicate(_)
            | Self::States { .. } => error_name::BRANCH_MANIFEST_INVALID,
            Self::Trunk { .. } | Self::Findings(_) => error_name::STATES_RUNTIME,
        }
    }
}

/// The findings in a sentence each.
fn describe(findings: &[Finding]) -> String {
    let texts: Vec<String> = findings
        .iter()
        .map(|finding| {
            format!(
                "{} ({}): {}. {}",
                finding.state, finding.rule, finding.message, finding.advice
            )
        })
        .collect();
    texts.join("; ")
}
