//! The event: a CloudEvents 1.0 envelope around one typed enum.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::dead_letter::FailureClass;
use crate::error_name::ErrorInfo;
use crate::image::{HeaderCost, ImageFacts, ImageRef};
use crate::lane::Lane;

/// The CloudEvents version of the envelope.
pub const SPEC_VERSION: &str = "1.0";

/// Where the JSON Schemas of the data are named; the last part is the event's type.
pub const DATA_SCHEMA: &str = "https://safelight.dev/schema/";

/// Namespace of the deterministic ids: UUIDv5 of [`DATA_SCHEMA`] in the URL namespace.
fn id_namespace() -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, DATA_SCHEMA.as_bytes())
}

/// A result that a function wrote to object storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    /// Bucket name; locally the name of a folder.
    pub bucket: String,
    /// Object key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the content, hex.
    pub sha256: String,
    /// Media type.
    pub media_type: String,
}

/// A branch that wants the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WantedBranch {
    /// Branch name.
    pub branch: String,
    /// Version of the branch's manifest.
    pub version: String,
}

/// A branch that does not want the image, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SkippedBranch {
    /// Branch name.
    pub branch: String,
    /// Why, for a person.
    pub reason: String,
    /// Error name, where the reason is one (such as `Image.DecoderMissing`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A branch that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedBranch {
    /// Branch name.
    pub branch: String,
    /// Its error.
    pub error: ErrorInfo,
}

/// What happened. Past tense, with a version; a breaking change adds a version and an upcaster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
pub enum EventData {
    /// A notification about the image was taken from the queue and claimed.
    #[serde(rename = "image.received.v1")]
    ImageReceived {
        /// The image.
        image: ImageRef,
        /// Id of the queue message.
        message_id: String,
        /// The execution that this one redrives.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redrive_of: Option<String>,
    },
    /// The execution was started.
    #[serde(rename = "execution.started.v1")]
    ExecutionStarted {
        /// ARN of the execution.
        execution_arn: String,
        /// SHA-256 of the workflow definition, hex.
        workflow_hash: String,
        /// Versions of the branches in the definition.
        branches: BTreeMap<String, String>,
    },
    /// A Task was entered for the first time.
    #[serde(rename = "state.entered.v1")]
    StateEntered {
        /// Version of the function's code.
        function_version: String,
    },
    /// A Task was entered again after a failure.
    #[serde(rename = "state.retried.v1")]
    StateRetried {
        /// Version of the function's code.
        function_version: String,
    },
    /// A Task's function returned.
    #[serde(rename = "state.succeeded.v1")]
    StateSucceeded {
        /// Wall time in the function, milliseconds.
        duration_ms: u64,
    },
    /// A Task's function failed.
    #[serde(rename = "state.failed.v1")]
    StateFailed {
        /// The error.
        error: ErrorInfo,
        /// Wall time in the function, milliseconds.
        duration_ms: u64,
    },
    /// The image's header was read and the policy allows it.
    #[serde(rename = "image.validated.v1")]
    ImageValidated {
        /// What the header says.
        facts: ImageFacts,
        /// What reading it cost.
        cost: HeaderCost,
        /// What is odd but allowed, such as an extension that lies.
        warnings: Vec<String>,
    },
    /// The image was refused.
    #[serde(rename = "image.rejected.v1")]
    ImageRejected {
        /// Why.
        error: ErrorInfo,
        /// What the header says, where it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        facts: Option<ImageFacts>,
        /// What reading it cost.
        cost: HeaderCost,
    },
    /// The branches were chosen.
    #[serde(rename = "image.routed.v1")]
    ImageRouted {
        /// Branches that want the image.
        wanted: Vec<WantedBranch>,
        /// Every other branch, and why not.
        skipped: Vec<SkippedBranch>,
    },
    /// A branch wrote its results.
    #[serde(rename = "branch.completed.v1")]
    BranchCompleted {
        /// Branch name.
        branch: String,
        /// Version of the branch's manifest.
        version: String,
        /// SHA-256 of the input's bytes, hex.
        input_sha256: String,
        /// What was written.
        outputs: Vec<ObjectRef>,
        /// What the branch says of its work.
        details: Value,
    },
    /// Every branch that wanted the image succeeded.
    #[serde(rename = "image.completed.v1")]
    ImageCompleted {
        /// The branches.
        branches: Vec<String>,
    },
    /// The image was refused, or a branch or the workflow failed.
    #[serde(rename = "image.failed.v1")]
    ImageFailed {
        /// Rejected or failed.
        class: FailureClass,
        /// The error that the execution ends with.
        error: ErrorInfo,
        /// Branches that succeeded all the same.
        completed: Vec<String>,
        /// Branches that failed.
        failed: Vec<FailedBranch>,
    },
    /// A dead letter was sent.
    #[serde(rename = "message.dead_lettered.v1")]
    MessageDeadLettered {
        /// Rejected or failed.
        class: FailureClass,
        /// Name of the dead-letter queue.
        queue: String,
        /// Groups failures of one kind: see [`crate::dead_letter::fingerprint`].
        fingerprint: String,
    },
    /// The states that are not Tasks, and the engine's whole history, as one content-addressed segment.
    #[serde(rename = "history.archived.v1")]
    HistoryArchived {
        /// The archive: the answer of GetExecutionHistory, all pages.
        archive: ObjectRef,
        /// Number of history events.
        events: u64,
        /// Every state entered, in order, with its type.
        states: Vec<StateVisit>,
    },
    /// The execution ended SUCCEEDED.
    #[serde(rename = "execution.succeeded.v1")]
    ExecutionSucceeded {},
    /// The execution ended FAILED.
    #[serde(rename = "execution.failed.v1")]
    ExecutionFailed {
        /// The error.
        error: ErrorInfo,
    },
    /// The execution ended TIMED_OUT.
    #[serde(rename = "execution.timed_out.v1")]
    ExecutionTimedOut {
        /// The error.
        error: ErrorInfo,
    },
    /// The execution ended ABORTED.
    #[serde(rename = "execution.aborted.v1")]
    ExecutionAborted {
        /// The error given to StopExecution.
        error: ErrorInfo,
    },
    /// Somebody asked for what failed to be done again.
    #[serde(rename = "execution.redriven.v1")]
    ExecutionRedriven {
        /// The execution that does it.
        by: String,
        /// Branches that are done again; all where empty.
        only: Vec<String>,
        /// Who asked.
        actor: String,
        /// Why.
        reason: String,
    },
    /// Somebody took the failure off the list without redriving it.
    #[serde(rename = "failure.dropped.v1")]
    FailureDropped {
        /// Who.
        actor: String,
        /// Why.
        reason: String,
    },
    /// A later execution of the same image made the failure obsolete: it was taken off the list.
    #[serde(rename = "failure.closed.v1")]
    FailureClosed {
        /// The later execution.
        by: String,
        /// Who had the image processed again.
        actor: String,
        /// Why.
        reason: String,
    },
    /// Somebody erased the image and its results.
    #[serde(rename = "image.erased.v1")]
    ImageErased {
        /// Who.
        actor: String,
        /// Why.
        reason: String,
    },
}

/// One state that an execution entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StateVisit {
    /// Id of the `…StateEntered` event in the engine's history.
    pub id: u64,
    /// State name.
    pub state: String,
    /// State type, such as `Choice`.
    pub kind: String,
    /// When it was entered.
    #[serde(with = "crate::time::millis")]
    #[schemars(with = "String")]
    pub entered: DateTime<Utc>,
    /// When it was exited, where it was.
    #[serde(
        default,
        with = "crate::time::millis_option",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    pub exited: Option<DateTime<Utc>>,
}

impl EventData {
    /// The event's type with its version, such as `image.validated.v1`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ImageReceived { .. } => "image.received.v1",
            Self::ExecutionStarted { .. } => "execution.started.v1",
            Self::StateEntered { .. } => "state.entered.v1",
            Self::StateRetried { .. } => "state.retried.v1",
            Self::StateSucceeded { .. } => "state.succeeded.v1",
            Self::StateFailed { .. } => "state.failed.v1",
            Self::ImageValidated { .. } => "image.validated.v1",
            Self::ImageRejected { .. } => "image.rejected.v1",
            Self::ImageRouted { .. } => "image.routed.v1",
            Self::BranchCompleted { .. } => "branch.completed.v1",
            Self::ImageCompleted { .. } => "image.completed.v1",
            Self::ImageFailed { .. } => "image.failed.v1",
            Self::MessageDeadLettered { .. } => "message.dead_lettered.v1",
            Self::HistoryArchived { .. } => "history.archived.v1",
            Self::ExecutionSucceeded {} => "execution.succeeded.v1",
            Self::ExecutionFailed { .. } => "execution.failed.v1",
            Self::ExecutionTimedOut { .. } => "execution.timed_out.v1",
            Self::ExecutionAborted { .. } => "execution.aborted.v1",
            Self::ExecutionRedriven { .. } => "execution.redriven.v1",
            Self::FailureDropped { .. } => "failure.dropped.v1",
            Self::FailureClosed { .. } => "failure.closed.v1",
            Self::ImageErased { .. } => "image.erased.v1",
        }
    }

    /// What tells apart two events of one kind in one state and attempt: the commands that may be
    /// given more than once name what they did.
    fn discriminator(&self) -> &str {
        match self {
            Self::ExecutionRedriven { by, .. } | Self::FailureClosed { by, .. } => by,
            Self::ImageReceived { .. }
            | Self::ExecutionStarted { .. }
            | Self::StateEntered { .. }
            | Self::StateRetried { .. }
            | Self::StateSucceeded { .. }
            | Self::StateFailed { .. }
            | Self::ImageValidated { .. }
            | Self::ImageRejected { .. }
            | Self::ImageRouted { .. }
            | Self::BranchCompleted { .. }
            | Self::ImageCompleted { .. }
            | Self::ImageFailed { .. }
            | Self::MessageDeadLettered { .. }
            | Self::HistoryArchived { .. }
            | Self::ExecutionSucceeded {}
            | Self::ExecutionFailed { .. }
            | Self::ExecutionTimedOut { .. }
            | Self::ExecutionAborted { .. }
            | Self::FailureDropped { .. }
            | Self::ImageErased { .. } => "",
        }
    }
}

/// An event before it has a place in its lane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Execution name.
    pub execution: String,
    /// Lane.
    pub lane: Lane,
    /// State that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How often Step Functions has redriven the execution.
    #[serde(default)]
    pub epoch: u32,
    /// The state's RetryCount.
    #[serde(default)]
    pub attempt: u32,
    /// Writer, as `/safelight/<function or command>`.
    pub source: String,
    /// `bucket/key`.
    pub subject: String,
    /// When it happened; kept to the millisecond.
    #[serde(with = "crate::time::millis")]
    pub time: DateTime<Utc>,
    /// What happened.
    #[serde(flatten)]
    pub data: EventData,
}

impl Draft {
    /// The deterministic id: UUIDv5 over execution, lane, state, epoch, attempt and kind (invariant 1).
    pub fn id(&self) -> Uuid {
        let name = format!(
            "{}\n{}\n{}\n{}\n{}\n{}\n{}",
            self.execution,
            self.lane,
            self.state.as_deref().unwrap_or(""),
            self.epoch,
            self.attempt,
            self.data.kind(),
            self.data.discriminator(),
        );
        Uuid::new_v5(&id_namespace(), name.as_bytes())
    }

    /// Gives the draft its place in the lane: `seq` and the hash before it.
    pub fn place(self, seq: u64, prev: &str) -> Event {
        let id = self.id();
        let mut event = Event {
            specversion: SPEC_VERSION.into(),
            id,
            source: self.source,
            subject: self.subject,
            time: self.time.trunc_subsecs(3),
            dataschema: format!("{DATA_SCHEMA}{}", self.data.kind()),
            execution: self.execution,
            lane: self.lane,
            seq,
            state: self.state,
            epoch: self.epoch,
            attempt: self.attempt,
            data: self.data,
            prev: prev.into(),
            hash: String::new(),
        };
        event.hash = crate::chain::hash(&event);
        event
    }
}

/// A stored event: CloudEvents attributes, its place in the record, its data, and its link in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// CloudEvents version, `1.0`.
    pub specversion: String,
    /// Deterministic id.
    pub id: Uuid,
    /// Writer, as `/safelight/<function or command>`.
    pub source: String,
    /// `bucket/key`.
    pub subject: String,
    /// When it happened: RFC 3339, milliseconds, UTC.
    #[serde(with = "crate::time::millis")]
    #[schemars(with = "String")]
    pub time: DateTime<Utc>,
    /// Names the schema of `data`.
    pub dataschema: String,
    /// Execution name.
    pub execution: String,
    /// Lane.
    pub lane: Lane,
    /// Place in the lane, from 1.
    pub seq: u64,
    /// State that it is about, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How often Step Functions has redriven the execution.
    pub epoch: u32,
    /// The state's RetryCount.
    pub attempt: u32,
    /// What happened (`type` and `data`).
    #[serde(flatten)]
    pub data: EventData,
    /// Hash of the event before it in the lane, hex; 64 zeros for the first.
    pub prev: String,
    /// Its own hash, hex: see [`crate::chain`].
    pub hash: String,
}

impl Event {
    /// The id that its fields give; differs from `id` only in an altered event.
    pub fn expected_id(&self) -> Uuid {
        Draft {
            execution: self.execution.clone(),
            lane: self.lane.clone(),
            state: self.state.clone(),
            epoch: self.epoch,
            attempt: self.attempt,
            source: String::new(),
            subject: String::new(),
            time: self.time,
            data: self.data.clone(),
        }
        .id()
    }
}
