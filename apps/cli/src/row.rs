//! One image's outcome: a line of `--json`, a row of the table.

use std::collections::BTreeMap;

use safelight_schema::{ErrorInfo, Format, Outcome, Summary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an image ended in this run.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RowOutcome {
    /// Every branch that wanted it succeeded.
    Succeeded,
    /// Validate refused it.
    Rejected,
    /// A branch or the workflow failed.
    Failed,
    /// It was finished before; nothing was started.
    Unchanged,
}

impl RowOutcome {
    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Unchanged => "unchanged",
        }
    }
}

/// How a branch ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BranchRow {
    /// `succeeded` or `failed`.
    pub outcome: RowOutcome,
    /// Files that it wrote.
    pub outputs: Vec<String>,
}

/// One image's outcome, as `process --json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The image, as a path that can be opened from the working directory.
    pub image: String,
    /// Name of its execution.
    pub execution: String,
    /// How it ended.
    pub outcome: RowOutcome,
    /// Format by content; null where the header could not be read.
    pub format: Option<Format>,
    /// Size in bytes.
    pub bytes: u64,
    /// Width in pixels as displayed.
    pub width: Option<u32>,
    /// Height in pixels as displayed.
    pub height: Option<u32>,
    /// The branches that wanted it.
    pub branches: BTreeMap<String, BranchRow>,
    /// Why it did not succeed.
    pub error: Option<ErrorInfo>,
    /// Milliseconds from taking it from the queue to its end.
    pub duration_ms: u64,
}

impl Row {
    /// The row of a summary. `shown` is how the person calls the image; `results` is the folder that
    /// result keys are below.
    pub fn of(summary: &Summary, shown: &str, results: &str, unchanged: bool) -> Self {
        let facts = summary.facts.as_ref();
        let outcome = match summary.outcome {
            _ if unchanged => RowOutcome::Unchanged,
            Outcome::Succeeded => RowOutcome::Succeeded,
            Outcome::Rejected => RowOutcome::Rejected,
            Outcome::Failed | Outcome::Running => RowOutcome::Failed,
        };
        let branches = summary.branches.iter().map(|(name, branch)| {
            let row = BranchRow {
                outcome: match branch.outcome {
                    Outcome::Succeeded => RowOutcome::Succeeded,
                    Outcome::Failed | Outcome::Rejected | Outcome::Running => RowOutcome::Failed,
                },
                outputs: branch
                    .outputs
                    .iter()
                    .map(|output| result_path(results, &output.key))
                    .collect(),
            };
            (name.clone(), row)
        });
        Self {
            image: shown.to_owned(),
            execution: summary.execution.clone(),
            outcome,
            format: facts.map(|facts| facts.format),
            bytes: facts
                .map(|facts| facts.bytes)
                .or(summary.image.bytes)
                .unwrap_or(0),
            width: facts.map(|facts| facts.width),
            height: facts.map(|facts| facts.height),
            branches: branches.collect(),
            error: summary.error.clone(),
            duration_ms: summary.duration_ms().unwrap_or(0),
        }
    }

    /// The row of a folder that could not be read, so that no execution could be about what is in it.
    pub fn unreadable(shown: &str, cause: &str) -> Self {
        Self {
            image: shown.to_owned(),
            execution: String::new(),
            outcome: RowOutcome::Failed,
            format: None,
            bytes: 0,
            width: None,
            height: None,
            branches: BTreeMap::new(),
            error: Some(ErrorInfo::new(
                safelight_schema::error_name::OBJECTS_FORBIDDEN.name,
                cause,
            )),
            duration_ms: 0,
        }
    }

    /// Whether the exit code has to say so.
    pub fn is_bad(&self) -> bool {
        matches!(self.outcome, RowOutcome::Rejected | RowOutcome::Failed)
    }
}

/// The file of a result key (`results/<branch>/…`) below the results folder.
fn result_path(results: &str, key: &str) -> String {
    let below = key.strip_prefix("results/").unwrap_or(key);
    format!("{}/{below}", results.trim_end_matches('/'))
}
