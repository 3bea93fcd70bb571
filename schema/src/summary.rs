//! The summary: a projection of an execution's events, rebuilt from them at will.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::dead_letter::FailureClass;
use crate::error_name::ErrorInfo;
use crate::event::{Event, EventData, ObjectRef, SkippedBranch};
use crate::header::Header;
use crate::image::{ImageFacts, ImageRef};

/// How an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Not at its end yet.
    Running,
    /// Every branch that wanted the image succeeded.
    Succeeded,
    /// Validate refused the image.
    Rejected,
    /// A branch or the workflow failed.
    Failed,
}

impl Outcome {
    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }
}

/// How one branch stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BranchSummary {
    /// How it stands.
    pub outcome: Outcome,
    /// Version of its manifest, once known.
    pub version: String,
    /// What it wrote.
    pub outputs: Vec<ObjectRef>,
    /// Its error.
    pub error: Option<ErrorInfo>,
}

/// What a person wants to know of an execution first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Execution name.
    pub execution: String,
    /// The image.
    pub image: ImageRef,
    /// How it stands.
    pub outcome: Outcome,
    /// What the header says, once read.
    pub facts: Option<ImageFacts>,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
    /// The branches that wanted the image.
    pub branches: BTreeMap<String, BranchSummary>,
    /// The branches that did not.
    pub skipped: Vec<SkippedBranch>,
    /// The error that it ended with.
    pub error: Option<ErrorInfo>,
    /// When it was received.
    #[serde(with = "crate::time::millis_option")]
    #[schemars(with = "Option<String>")]
    pub received: Option<DateTime<Utc>>,
    /// When it ended.
    #[serde(with = "crate::time::millis_option")]
    #[schemars(with = "Option<String>")]
    pub ended: Option<DateTime<Utc>>,
    /// The execution that this one redrives.
    pub redrive_of: Option<String>,
    /// The executions that redrive this one.
    pub redriven_by: Vec<String>,
    /// Whether somebody took the failure off the list.
    pub dropped: bool,
    /// The later execution of the image that made the failure obsolete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_by: Option<String>,
}

impl Summary {
    /// Folds the events of an execution; they may come in any order of lanes.
    pub fn of(header: &Header, events: &[Event]) -> Self {
        let mut summary = Self {
            execution: header.execution.clone(),
            image: header.input.image.clone(),
            outcome: Outcome::Running,
            facts: None,
            warnings: Vec::new(),
            branches: BTreeMap::new(),
            skipped: Vec::new(),
            error: None,
            received: None,
            ended: None,
            redrive_of: header.input.redrive_of.clone(),
            redriven_by: Vec::new(),
            dropped: false,
            closed_by: None,
        };
        let mut class = None;
        for event in events {
            summary.fold(event, &mut class);
        }
        if summary.outcome == Outcome::Failed && class == Some(FailureClass::Rejected) {
            summary.outcome = Outcome::Rejected;
        }
        summary
    }

    /// Milliseconds from receiving the image to the end.
    pub fn duration_ms(&self) -> Option<u64> {
        let (received, ended) = (self.received?, self.ended?);
        u64::try_from((ended - received).num_milliseconds()).ok()
    }

    fn branch(&mut self, name: &str) -> &mut BranchSummary {
        self.branches
            .entry(name.to_owned())
            .or_insert_with(|| BranchSummary {
                outcome: Outcome::Running,
                version: String::new(),
                outputs: Vec::new(),
                error: None,
            })
    }

    fn succeeded(&mut self, branches: &[String]) {
        for name in branches {
            self.branch(name).outcome = Outcome::Succeeded;
        }
    }

    fn end(&mut self, event: &Event, outcome: Outcome, error: Option<&ErrorInfo>) {
        self.outcome = outcome;
        self.ended = Some(event.time);
        if let Some(error) = error {
            self.error = Some(error.clone());
        }
    }

    fn fold(&mut self, event: &Event, class: &mut Option<FailureClass>) {
        match &event.data {
            EventData::ImageReceived { .. } => self.received = Some(event.time),
            EventData::ImageValidated {
                facts, warnings, ..
            } => {
                self.facts = Some(facts.clone());
                self.warnings.clone_from(warnings);
            }
            EventData::ImageRejected { facts, .. } => self.facts.clone_from(facts),
            EventData::ImageRouted { wanted, skipped } => {
                for branch in wanted {
                    self.branch(&branch.branch)
                        .version
                        .clone_from(&branch.version);
                }
                self.skipped.clone_from(skipped);
            }
            EventData::BranchCompleted {
                branch,
                version,
                outputs,
                ..
            } => {
                let summary = self.branch(branch);
                summary.outcome = Outcome::Succeeded;
                summary.version.clone_from(version);
                summary.outputs.clone_from(outputs);
                summary.error = None;
            }
            // Beside its own event: a branch of several tasks may have none of them.
            EventData::ImageCompleted { branches } => self.succeeded(branches),
            EventData::ImageFailed {
                class: of,
                error,
                failed,
                completed,
            } => {
                self.succeeded(completed);
                *class = Some(*of);
                self.error = Some(error.clone());
                for branch in failed {
                    let summary = self.branch(&branch.branch);
                    summary.outcome = Outcome::Failed;
                    summary.error = Some(branch.error.clone());
                }
            }
            EventData::ExecutionSucceeded {} => self.end(event, Outcome::Succeeded, None),
            EventData::ExecutionFailed { error }
            | EventData::ExecutionTimedOut { error }
            | EventData::ExecutionAborted { error } => {
                self.end(event, Outcome::Failed, Some(error));
            }
            EventData::ExecutionRedriven { by, .. } => self.redriven_by.push(by.clone()),
            EventData::FailureDropped { .. } => self.dropped = true,
            EventData::FailureClosed { by, .. } => self.closed_by = Some(by.clone()),
            EventData::ExecutionStarted { .. }
            | EventData::StateEntered { .. }
            | EventData::StateRetried { .. }
            | EventData::StateSucceeded { .. }
            | EventData::StateFailed { .. }
            | EventData::MessageDeadLettered { .. }
            | EventData::HistoryArchived { .. }
            | EventData::ImageErased { .. } => {}
        }
    }
}
