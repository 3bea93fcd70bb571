//! What the workflow and its functions say to each other: the payload of every Task and its output.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error_name::ErrorInfo;
use crate::event::{ObjectRef, SkippedBranch};
use crate::image::{ImageFacts, ImageRef};
use crate::manifest::When;

/// Which attempt at which state of which execution a Task is: the workflow fills it in from the
/// context object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskContext {
    /// `$states.context.Execution.Name`.
    pub execution: String,
    /// `$states.context.State.Name`.
    pub state: String,
    /// `$states.context.State.RetryCount`.
    #[serde(default)]
    pub attempt: u32,
    /// `$states.context.Execution.RedriveCount`.
    #[serde(default)]
    pub epoch: u32,
    /// The execution that this one redrives.
    #[serde(default, rename = "redriveOf", skip_serializing_if = "Option::is_none")]
    pub redrive_of: Option<String>,
}

/// The payload of every Task: its context, the image, and what its function asks for beside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskPayload<T> {
    /// Which Task this is.
    pub context: TaskContext,
    /// The image.
    pub image: ImageRef,
    /// What the function asks for beside.
    #[serde(flatten)]
    pub body: T,
}

/// `validate` asks for nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ValidateInput {}

/// What `validate` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValidateOutput {
    /// What the header says.
    pub facts: ImageFacts,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
}

/// The rule of one branch, as the composed workflow carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BranchRule {
    /// Branch name.
    pub branch: String,
    /// Version of its manifest.
    pub version: String,
    /// When it applies.
    pub when: When,
}

/// What `route` asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RouteInput {
    /// The image's facts.
    pub facts: ImageFacts,
    /// Every branch of the workflow.
    pub branches: Vec<BranchRule>,
    /// Branches that are to run; all that want the image where absent.
    #[serde(default)]
    pub only: Option<Vec<String>>,
}

/// What `route` answers. The Map runs over `wanted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RouteOutput {
    /// Names of the branches that want the image.
    pub wanted: Vec<String>,
    /// Every other branch, and why not.
    pub skipped: Vec<SkippedBranch>,
}

/// What a branch's function asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BranchInput {
    /// Branch name.
    pub branch: String,
    /// Version of its manifest.
    pub version: String,
    /// The image's facts.
    pub facts: ImageFacts,
}

/// What a branch's function answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BranchOutput {
    /// Branch name.
    pub branch: String,
    /// What it wrote.
    pub outputs: Vec<ObjectRef>,
    /// What it says of its work.
    pub details: Value,
}

/// How a branch ended, as `complete` and `fail` are told: its output, or the error of its Catch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BranchResult {
    /// Branch name.
    pub branch: String,
    /// The error that its Catch caught; absent where it succeeded. The cause is as Step Functions
    /// gives it: for a Lambda, JSON with `errorMessage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorInfo>,
}

/// What `complete` asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompleteInput {
    /// How each branch ended.
    pub results: Vec<BranchResult>,
}

/// What `fail` asks for: the failed branches, or the error that ended the trunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailInput {
    /// How each branch ended; empty where the trunk failed before the branches.
    #[serde(default)]
    pub results: Vec<BranchResult>,
    /// The trunk's error, where it is that which failed.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
    /// The trunk's state that failed.
    #[serde(default, rename = "failedState")]
    pub failed_state: Option<String>,
}

/// What `fail` answers: the error that the execution is to end with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailOutput {
    /// The branch's own error, or `Branches.Failed` with the names in the cause.
    pub error: ErrorInfo,
}
