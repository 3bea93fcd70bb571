//! The error names that belong to the engine and its host, and how names match.

/// Error names of the language, of Lambda and of the local host, with whether
/// `States.ALL` stands for them.
const ENGINE: &[&str] = &[
    "States.ALL",
    "States.TaskFailed",
    "States.Timeout",
    "States.HeartbeatTimeout",
    "States.Permissions",
    "States.NoChoiceMatched",
    "States.BranchFailed",
    "States.ExceedToleratedFailureThreshold",
    "States.ItemReaderFailed",
    "States.ResultWriterFailed",
    "States.DataLimitExceeded",
    "States.QueryEvaluationError",
    "States.Runtime",
    "States.Http.Socket",
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ENILimitReachedException",
    "Lambda.InvalidParameterValueException",
    "Lambda.InvalidRequestContentException",
    "Lambda.RequestTooLargeException",
    "Lambda.ResourceConflictException",
    "Lambda.ResourceNotFoundException",
    "Lambda.ResourceNotReadyException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Sandbox.Failure",
    "Runtime.ExitError",
    "Runtime.HandlerNotFound",
    "Runtime.ImportModuleError",
    "Runtime.InvalidEntrypoint",
    "Runtime.MalformedResponse",
    "Runtime.OutOfMemory",
    "Runtime.TruncatedResponse",
    "Runtime.Unknown",
    "Runtime.UserCodeSyntaxError",
];

/// Everything.
pub const ALL: &str = "States.ALL";
/// Every error of a task except a timeout.
pub const TASK_FAILED: &str = "States.TaskFailed";
/// A state, a task or an execution took too long.
pub const TIMEOUT: &str = "States.Timeout";
/// A task sent no heartbeat in time.
pub const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";
/// No rule of a Choice held, and it has no `Default`.
pub const NO_CHOICE_MATCHED: &str = "States.NoChoiceMatched";
/// Data of a state is larger than 256 KiB.
pub const DATA_LIMIT_EXCEEDED: &str = "States.DataLimitExceeded";
/// An expression failed.
pub const QUERY_EVALUATION_ERROR: &str = "States.QueryEvaluationError";
/// Something that no retry mends.
pub const RUNTIME: &str = "States.Runtime";
/// More iterations of a Map failed than it tolerates.
pub const EXCEED_TOLERATED_FAILURE_THRESHOLD: &str = "States.ExceedToleratedFailureThreshold";

/// Whether the name belongs to the engine, to Lambda or to the local host.
pub fn is_engine_error(name: &str) -> bool {
    ENGINE.contains(&name)
}

/// Every name for which [`is_engine_error`] holds.
pub const fn engine_errors() -> &'static [&'static str] {
    ENGINE
}

/// Whether an `ErrorEquals` list is for this error.
///
/// `States.ALL` is not for `States.DataLimitExceeded` nor `States.Runtime`;
/// `States.TaskFailed` is for every error of a task but `States.Timeout`, and
/// `States.Timeout` covers a missed heartbeat.
pub fn matches(error_equals: &[String], error: &str, from_task: bool) -> bool {
    error_equals.iter().any(|name| match name.as_str() {
        ALL => error != DATA_LIMIT_EXCEEDED && error != RUNTIME,
        TASK_FAILED => {
            from_task && error != TIMEOUT && error != DATA_LIMIT_EXCEEDED && error != RUNTIME
                || error == TASK_FAILED
        }
        TIMEOUT => error == TIMEOUT || error == HEARTBEAT_TIMEOUT,
        name => name == error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(name: &str, error: &str, from_task: bool) -> bool {
        matches(&["Other".to_owned(), name.to_owned()], error, from_task)
    }

    #[test]
    fn names_match_as_step_functions_matches_them() {
        for (name, error, from_task, expected) in [
            ("States.ALL", "Image.Empty", true, true),
            ("States.ALL", "States.Timeout", true, true),
            ("States.ALL", "States.QueryEvaluationError", false, true),
            ("States.ALL", "States.DataLimitExceeded", true, false),
            ("States.ALL", "States.Runtime", true, false),
            ("States.Runtime", "States.Runtime", true, true),
            (
                "States.DataLimitExceeded",
                "States.DataLimitExceeded",
                true,
                true,
            ),
            ("States.TaskFailed", "Image.Empty", true, true),
            ("States.TaskFailed", "Image.Empty", false, false),
            ("States.TaskFailed", "States.Timeout", true, false),
            ("States.TaskFailed", "States.HeartbeatTimeout", true, true),
            ("States.Timeout", "States.HeartbeatTimeout", true, true),
            ("Image.Empty", "Image.Empty", true, true),
            ("Image.Empty", "Image.Emptyish", true, false),
        ] {
            assert_eq!(matched(name, error, from_task), expected, "{name} {error}");
        }
        assert!(is_engine_error("Sandbox.Timedout") && !is_engine_error("Image.Empty"));
    }
}
