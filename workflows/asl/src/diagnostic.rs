//! What is wrong with a definition, and where.

use std::fmt;

/// The kind of a diagnostic, in the words Step Functions uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The text is not a JSON object.
    InvalidJsonDescription,
    /// A field is missing, unknown, of the wrong type or out of range.
    SchemaValidationFailed,
    /// `Next`, `Default` or `StartAt` names a state that is not there.
    MissingTransitionTarget,
    /// A schema failure: `States.ALL` is not alone or not last.
    StatesAllNotLast,
    /// A schema failure: the heartbeat is not shorter than the timeout.
    HeartbeatNotBelowTimeout,
    /// A schema failure: a state's name is longer than 80 characters.
    NameTooLong,
    /// A schema failure: the definition is larger than 1 MB.
    DefinitionTooLarge,
}

impl Code {
    /// The name that `ValidateStateMachineDefinition` uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidJsonDescription => "INVALID_JSON_DESCRIPTION",
            Self::SchemaValidationFailed
            | Self::StatesAllNotLast
            | Self::HeartbeatNotBelowTimeout
            | Self::NameTooLong
            | Self::DefinitionTooLarge => "SCHEMA_VALIDATION_FAILED",
            Self::MissingTransitionTarget => "MISSING_TRANSITION_TARGET",
        }
    }
}

/// One thing that is wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where: `/States/Name/Field`, array items as `[0]`; empty for the whole.
    pub location: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)?;
        if !self.location.is_empty() {
            write!(f, " at {}", self.location)?;
        }
        Ok(())
    }
}

/// A definition that cannot become a state machine: everything wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid State Machine Definition: '{}'", self.joined())]
pub struct DefinitionError {
    /// At least one; in the order of the document.
    pub diagnostics: Vec<Diagnostic>,
}

impl DefinitionError {
    fn joined(&self) -> String {
        let all: Vec<String> = self.diagnostics.iter().map(ToString::to_string).collect();
        all.join(", ")
    }
}

/// Collects diagnostics while a definition is read.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// More than this many diagnostics tell nobody anything.
const MAX_DIAGNOSTICS: usize = 100;

impl Report {
    pub(crate) fn add(&mut self, code: Code, location: &str, message: impl Into<String>) {
        if self.diagnostics.len() < MAX_DIAGNOSTICS {
            self.diagnostics.push(Diagnostic {
                code,
                message: message.into(),
                location: location.to_owned(),
            });
        }
    }

    pub(crate) fn schema(&mut self, location: &str, message: impl Into<String>) {
        self.add(Code::SchemaValidationFailed, location, message);
    }
}
