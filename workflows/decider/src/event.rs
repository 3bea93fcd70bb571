//! The events of a history: what Step Functions would show, and a note.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, RetryNote};
use crate::json::Json;

/// One event of an execution's history, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// Counted from 1 without gaps.
    pub id: u64,
    /// The event that led to this one; 0 for none.
    pub previous_event_id: u64,
    /// When the engine decided it.
    pub timestamp: DateTime<Utc>,
    /// What happened.
    pub detail: Detail,
    /// What the fold must remember and Step Functions does not show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
}

/// The type of a state, for the names of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StateType {
    /// Task.
    Task,
    /// Map.
    Map,
    /// Choice.
    Choice,
    /// Pass.
    Pass,
    /// Wait.
    Wait,
    /// Parallel.
    Parallel,
    /// Succeed.
    Succeed,
    /// Fail.
    Fail,
}

/// What happened, in the vocabulary of `GetExecutionHistory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Detail {
    /// The first event.
    ExecutionStarted {
        /// The execution's input.
        input: Json,
        /// The role it runs as.
        role_arn: String,
    },
    /// The last event of a good run.
    ExecutionSucceeded {
        /// The execution's output.
        output: Json,
    },
    /// The last event of a run that failed.
    ExecutionFailed(Problem),
    /// The last event of a run that took longer than its machine allows.
    ExecutionTimedOut(Problem),
    /// The last event of a run that was stopped.
    ExecutionAborted(Problem),
    /// `<Type>StateEntered`.
    StateEntered {
        /// Which type of state.
        state: StateType,
        /// Its name.
        name: Arc<str>,
        /// Its input.
        input: Json,
    },
    /// `<Type>StateExited`.
    StateExited {
        /// Which type of state.
        state: StateType,
        /// Its name.
        name: Arc<str>,
        /// Its output.
        output: Json,
        /// The variables it assigned.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        assigned: BTreeMap<String, Json>,
    },
    /// `<Type>StateAborted`: a state ended because another one failed.
    StateAborted {
        /// Which type of state.
        state: StateType,
    },
    /// A call of `lambda:invoke` is open.
    TaskScheduled {
        /// What is called.
        service: Service,
        /// The region of the state machine.
        region: String,
        /// The evaluated arguments.
        parameters: Json,
        /// The evaluated `TimeoutSeconds`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_in_seconds: Option<u64>,
        /// The evaluated `HeartbeatSeconds`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        heartbeat_in_seconds: Option<u64>,
    },
    /// The function has begun.
    TaskStarted {
        /// What is called.
        service: Service,
    },
    /// The function has answered.
    TaskSucceeded {
        /// What is called.
        service: Service,
        /// The task's result.
        output: Json,
    },
    /// The function has failed.
    TaskFailed {
        /// What is called.
        service: Service,
        /// With which error.
        #[serde(flatten)]
        problem: Problem,
    },
    /// The function took longer than `TimeoutSeconds`.
    TaskTimedOut {
        /// What is called.
        service: Service,
        /// With which error.
        #[serde(flatten)]
        problem: Problem,
    },
    /// A call of a function by its ARN is open.
    LambdaFunctionScheduled {
        /// The ARN.
        resource: Arc<str>,
        /// The function's event.
        input: Json,
        /// The evaluated `TimeoutSeconds`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timeout_in_seconds: Option<u64>,
    },
    /// The function has begun.
    LambdaFunctionStarted,
    /// The function has answered.
    LambdaFunctionSucceeded {
        /// Its answer.
        output: Json,
    },
    /// The function has failed.
    LambdaFunctionFailed(Problem),
    /// The function took longer than `TimeoutSeconds`.
    LambdaFunctionTimedOut(Problem),
    /// A Map has its items.
    MapStateStarted {
        /// How many.
        length: u64,
    },
    /// All iterations of a Map are done.
    MapStateSucceeded,
    /// A Map has failed.
    MapStateFailed,
    /// An iteration begins.
    MapIterationStarted(Iteration),
    /// An iteration is done.
    MapIterationSucceeded(Iteration),
    /// An iteration has failed.
    MapIterationFailed(Iteration),
    /// An iteration ended because another one failed.
    MapIterationAborted(Iteration),
    /// The branches of a Parallel begin.
    ParallelStateStarted,
    /// All branches of a Parallel are done.
    ParallelStateSucceeded,
    /// A Parallel has failed.
    ParallelStateFailed,
    /// An expression could not be evaluated.
    EvaluationFailed {
        /// With which error.
        #[serde(flatten)]
        problem: Problem,
        /// The field with the expression.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        location: Option<String>,
        /// The state's name.
        state: Arc<str>,
    },
}

/// The optimised integration that a task calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Service {
    /// `arn:aws:states:::lambda:invoke`.
    LambdaInvoke,
}

/// An error name and a cause, each of which may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The error's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// Which iteration of which Map.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Iteration {
    /// The Map state's name.
    pub name: Arc<str>,
    /// The item's place, from 0.
    pub index: u64,
}

/// What the fold must remember and Step Functions does not show.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Note {
    /// The scope that the event belongs to: 0 is the top level; others are
    /// counted in the order in which iterations and branches begin.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scope: u32,
    /// Where a state leads; none at the end of its flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Arc<str>>,
    /// When a Wait is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// A failure that has no event of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// That a failure will be retried, by which retrier, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryNote>,
    /// A Map's evaluated fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapNote>,
    /// The input of a Parallel's branches, when it is not the state's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_zero(scope: &u32) -> bool {
    *scope == 0
}

/// A Map's evaluated fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MapNote {
    /// `Items`: an array.
    pub items: Json,
    /// What the iterations get, where `ItemSelector` makes it differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Vec<Json>>,
    /// `MaxConcurrency`; 0 is no limit.
    pub max_concurrency: u64,
    /// How many iterations may fail.
    pub tolerated_failures: u64,
}
