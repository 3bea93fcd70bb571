//! The error of a function: a stable name and a cause for a person.

use safelight_ports::{LabelError, ObjectsError, QueueError, RecordError};
use safelight_schema::{ErrorInfo, ErrorName, error_name};

/// The error of a function. Its name is one of `schema::error_name` (invariant 2), and is what
/// `Retry` and `Catch` match.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {cause}")]
pub struct FunctionError {
    name: &'static str,
    cause: String,
}

impl FunctionError {
    /// An error of this name.
    pub fn new(name: &ErrorName, cause: impl Into<String>) -> Self {
        Self::named(name.name, cause)
    }

    /// An error of the name that another error type gives; it must be listed in
    /// `schema::error_name`.
    pub fn named(name: &'static str, cause: impl Into<String>) -> Self {
        debug_assert!(
            error_name::find(name).is_some(),
            "'{name}' is not listed in schema::error_name"
        );
        Self {
            name,
            cause: shorten(cause.into(), crate::MAX_CAUSE_BYTES),
        }
    }

    /// The stable name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What was wrong with what.
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// As events carry it.
    pub fn info(&self) -> ErrorInfo {
        ErrorInfo::new(self.name, self.cause.clone())
    }
}

/// At most `limit` bytes of `text`, cut between characters; what was cut is said.
pub(crate) fn shorten(mut text: String, limit: usize) -> String {
    const MARK: &str = " … (cut)";
    if text.len() > limit {
        let mut end = limit.saturating_sub(MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(MARK);
    }
    text
}

impl From<RecordError> for FunctionError {
    fn from(error: RecordError) -> Self {
        Self::named(error.name(), error.to_string())
    }
}

impl From<QueueError> for FunctionError {
    fn from(error: QueueError) -> Self {
        Self::named(error.name(), error.to_string())
    }
}

impl From<ObjectsError> for FunctionError {
    fn from(error: ObjectsError) -> Self {
        Self::named(error.name(), error.to_string())
    }
}

impl From<LabelError> for FunctionError {
    fn from(error: LabelError) -> Self {
        Self::named(error.name(), error.to_string())
    }
}

impl From<FunctionError> for lambda_runtime::Diagnostic {
    fn from(error: FunctionError) -> Self {
        Self {
            error_type: error.name.into(),
            error_message: error.cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        let error = FunctionError::new(&error_name::INPUT_INVALID, "사진".repeat(2_000));
        assert!(error.cause().len() <= crate::MAX_CAUSE_BYTES);
        assert!(error.cause().ends_with("(cut)"));
    }

    #[test]
    fn a_diagnostic_carries_the_stable_name() {
        let diagnostic: lambda_runtime::Diagnostic =
            FunctionError::new(&error_name::IMAGE_EMPTY, "nothing there").into();
        assert_eq!(diagnostic.error_type, "Image.Empty");
        assert_eq!(diagnostic.error_message, "nothing there");
    }
}
