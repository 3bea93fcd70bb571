//! What an execution is called and how it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What identifies an execution; it feeds `$states.context`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecutionInfo {
    /// Its ARN.
    pub execution_arn: String,
    /// Its name.
    pub name: String,
    /// The ARN of its state machine; the region is taken from it.
    pub state_machine_arn: String,
    /// The name of its state machine.
    pub state_machine_name: String,
    /// The role it runs as.
    pub role_arn: String,
    /// When it was started.
    pub start_time: DateTime<Utc>,
    /// Its input.
    pub input: Value,
    /// How often it was redriven.
    #[serde(default)]
    pub redrive_count: u64,
}

impl ExecutionInfo {
    /// The region of the state machine's ARN.
    pub fn region(&self) -> &str {
        self.state_machine_arn.split(':').nth(3).unwrap_or_default()
    }
}

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Not at its end.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Took longer than its machine allows.
    TimedOut,
    /// Was stopped.
    Aborted,
}

impl ExecutionStatus {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

/// What a worker or the host reports of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskSignal {
    /// The function has begun: its timeout counts from here.
    Started,
    /// The function has answered.
    Succeeded(Value),
    /// The function has failed.
    Failed {
        /// The error's name, which Retry and Catch match.
        error: String,
        /// What a person should know; for a function, its error object as JSON.
        cause: String,
    },
}
