//! The seam to whatever runs tasks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::handle::EngineHandle;

/// A task that is to run now. Its scheduling is durable; it may be handed out again after a
/// restart, so a function must be idempotent.
#[derive(Debug, Clone)]
pub struct DispatchedTask {
    /// The execution's ARN.
    pub execution_arn: Arc<str>,
    /// The execution's name.
    pub execution_name: Arc<str>,
    /// The task's id: the id of its scheduled event.
    pub task_id: u64,
    /// The state's name.
    pub state_name: Arc<str>,
    /// The state's resource, as the definition has it.
    pub resource: Arc<str>,
    /// The function to call.
    pub function_name: String,
    /// The function's event.
    pub payload: Arc<Value>,
    /// The task's timeout, if the state has one.
    pub timeout_seconds: Option<u64>,
    /// When the engine gives up on it: known only of a task that had started before a restart,
    /// because the timeout counts from `TaskCompletion::started`.
    pub deadline: Option<DateTime<Utc>>,
    /// How often the state was retried before.
    pub retry_count: u64,
    /// Where to report.
    pub completion: TaskCompletion,
}

/// Reports what became of a task. Clones report on the same task; what comes after the first
/// result, or after the task's timeout, is ignored.
#[derive(Debug, Clone)]
pub struct TaskCompletion {
    pub(crate) engine: EngineHandle,
    pub(crate) execution_arn: Arc<str>,
    pub(crate) task_id: u64,
}

impl TaskCompletion {
    /// The task runs now.
    pub fn started(&self) {
        self.engine.task_started(&self.execution_arn, self.task_id);
    }

    /// The task returned `output`.
    pub fn succeeded(&self, output: Value) {
        self.engine
            .task_succeeded(&self.execution_arn, self.task_id, output);
    }

    /// The task failed with this error name and cause.
    pub fn failed(&self, error: impl Into<String>, cause: impl Into<String>) {
        self.engine
            .task_failed(&self.execution_arn, self.task_id, error, cause);
    }
}

/// Runs tasks. Given to the engine when it is opened.
pub trait TaskRunner: Send + Sync {
    /// Takes a task and returns at once: it is called on the engine's thread. The result is reported
    /// through `DispatchedTask::completion` or `EngineHandle::task_succeeded` and its like.
    fn dispatch(&self, task: DispatchedTask);
}
