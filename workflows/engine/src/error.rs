//! What a caller may be told, under AWS's names.

use safelight_sqlite::DatabaseError;

/// A refusal or a failure. Messages are worded as Step Functions words them where it has words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// An ARN that is none, or of the wrong kind.
    #[error("Invalid Arn: '{0}'")]
    InvalidArn(String),
    /// A name that is empty, longer than 80 characters, or has a character that is not allowed.
    #[error("Invalid Name: '{0}'")]
    InvalidName(String),
    /// The input is no JSON, or over 256 KiB.
    #[error("Invalid State Machine Execution Input: '{0}'")]
    InvalidExecutionInput(String),
    /// The definition is not one.
    #[error("{0}")]
    InvalidDefinition(String),
    /// A field of a request is missing or out of range.
    #[error("{0}")]
    Validation(String),
    /// An update that changes nothing.
    #[error("{0}")]
    MissingRequiredParameter(String),
    /// No such state machine.
    #[error("State Machine Does Not Exist: '{0}'")]
    StateMachineDoesNotExist(String),
    /// Another definition has this name.
    #[error("State Machine Already Exists: '{0}'")]
    StateMachineAlreadyExists(String),
    /// The state machine is deleted, but has open executions.
    #[error("State Machine is being deleted: '{0}'")]
    StateMachineDeleting(String),
    /// Only STANDARD is offered.
    #[error("State machine type is not supported: '{0}' (only STANDARD is)")]
    StateMachineTypeNotSupported(String),
    /// No such execution.
    #[error("Execution Does Not Exist: '{0}'")]
    ExecutionDoesNotExist(String),
    /// The name is used.
    #[error("Execution Already Exists: '{0}'")]
    ExecutionAlreadyExists(String),
    /// The engine is draining or has stopped.
    #[error("the engine takes no further executions: it is shutting down; start it again")]
    Unavailable,
    /// The store failed. The engine has stopped, or the read failed.
    #[error(transparent)]
    Store(#[from] DatabaseError),
    /// A stored definition or history cannot be read: the database is damaged or of another version.
    #[error("execution '{execution}' cannot go on: {reason}")]
    Unreadable {
        /// The execution's ARN.
        execution: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl EngineError {
    /// The stable name: AWS's exception where it has one, else the store's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidArn(_) => "InvalidArn",
            Self::InvalidName(_) => "InvalidName",
            Self::InvalidExecutionInput(_) => "InvalidExecutionInput",
            Self::InvalidDefinition(_) => "InvalidDefinition",
            Self::Validation(_) => "ValidationException",
            Self::MissingRequiredParameter(_) => "MissingRequiredParameter",
            Self::StateMachineDoesNotExist(_) => "StateMachineDoesNotExist",
            Self::StateMachineAlreadyExists(_) => "StateMachineAlreadyExists",
            Self::StateMachineDeleting(_) => "StateMachineDeleting",
            Self::StateMachineTypeNotSupported(_) => "StateMachineTypeNotSupported",
            Self::ExecutionDoesNotExist(_) => "ExecutionDoesNotExist",
            Self::ExecutionAlreadyExists(_) => "ExecutionAlreadyExists",
            Self::Unavailable => "ServiceUnavailable",
            Self::Store(error) => error.name(),
            Self::Unreadable { .. } => "Store.Unreadable",
        }
    }

    /// Whether the caller did something wrong, rather than the engine.
    pub fn is_callers(&self) -> bool {
        !matches!(
            self,
            Self::Unavailable | Self::Store(_) | Self::Unreadable { .. }
        )
    }
}

impl From<rusqlite::Error> for EngineError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}
