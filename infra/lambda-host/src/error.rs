//! Errors of an invocation, with the names that Lambda gives them.
//!
//! The names are those of Lambda's `Invoke` and of its runtime interface emulator. `Runtime.InvalidResponse`
//! alone is ours: Lambda hands a response that is not JSON to the caller, who cannot use it either.

use std::borrow::Cow;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::MAX_RESPONSE_BYTES;

/// Error documents above this are not read: Step Functions keeps 32 KiB of a cause.
const MAX_ERROR_BYTES: usize = 256 * 1024;

/// Who failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The handler: it posted an error of its own.
    Function,
    /// The worker: a timeout, an exit, too much memory, an answer outside the limits.
    Worker,
    /// The host refused: the handler did not run, and the same request may be sent again.
    Host,
}

/// Why an invocation has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error_type}: {error_message}")]
pub struct InvokeError {
    /// Who failed.
    pub fault: Fault,
    /// `errorType`: the handler's own, or Lambda's name.
    pub error_type: String,
    /// `errorMessage`.
    pub error_message: String,
    /// `stackTrace`, one text an entry, as the handler posted it.
    pub stack_trace: Vec<String>,
    /// The last lines that the worker wrote before it ended.
    pub log_tail: Vec<String>,
    /// The document as the handler posted it, when it is JSON.
    document: Option<Box<str>>,
}

impl InvokeError {
    /// The error's name in Step Functions: what `Retry` and `Catch` match. Faults of the service carry
    /// the prefix `Lambda.` there.
    pub fn name(&self) -> Cow<'_, str> {
        match self.fault {
            Fault::Function | Fault::Worker => Cow::Borrowed(&self.error_type),
            Fault::Host => Cow::Owned(format!("Lambda.{}", self.error_type)),
        }
    }

    /// The error's cause in Step Functions: the JSON that `Invoke` returns, the handler's own unchanged.
    /// `logTail` is added when a worker ended.
    pub fn cause(&self) -> String {
        if let Some(document) = &self.document {
            return document.to_string();
        }
        let mut cause = json!({
            "errorType": self.error_type,
            "errorMessage": self.error_message,
        });
        if !self.stack_trace.is_empty() {
            cause["stackTrace"] = json!(self.stack_trace);
        }
        if !self.log_tail.is_empty() {
            cause["logTail"] = json!(self.log_tail);
        }
        cause.to_string()
    }

    pub(crate) fn with_log_tail(mut self, tail: Vec<String>) -> Self {
        self.log_tail = tail;
        self
    }

    /// The same error for another invocation that failed with it.
    pub(crate) fn for_request(&self, from: Uuid, to: Uuid) -> Self {
        Self {
            error_message: self
                .error_message
                .replace(&from.to_string(), &to.to_string()),
            ..self.clone()
        }
    }

    pub(crate) fn host(error_type: &str, message: impl Into<String>) -> Self {
        Self::new(Fault::Host, error_type, message.into())
    }

    pub(crate) fn unknown_function(arn: &str) -> Self {
        Self::host(
            "ResourceNotFoundException",
            format!("Function not found: {arn}"),
        )
    }

    pub(crate) fn too_many_requests() -> Self {
        Self::host("TooManyRequestsException", "Rate Exceeded.")
    }

    pub(crate) fn stopping() -> Self {
        Self::host("ServiceException", "The host is stopping.")
    }

    pub(crate) fn stopped() -> Self {
        Self::host("ServiceException", "The invocation was stopped.")
    }

    pub(crate) fn timed_out(request: Uuid, limit: Duration) -> Self {
        Self::worker(
            "Sandbox.Timedout",
            request,
            &format!("Task timed out after {:.2} seconds", limit.as_secs_f64()),
        )
    }

    pub(crate) fn out_of_memory(request: Uuid) -> Self {
        Self::worker(
            "Runtime.OutOfMemory",
            request,
            "Runtime exited with error: signal: killed",
        )
    }

    pub(crate) fn exited(request: Uuid, status: Option<ExitStatus>) -> Self {
        Self::worker("Runtime.ExitError", request, &exit_reason(status))
    }

    pub(crate) fn init_exited(request: Uuid, status: Option<ExitStatus>) -> Self {
        Self::worker("Runtime.InitError", request, &exit_reason(status))
    }

    pub(crate) fn invalid_entrypoint(request: Uuid, program: &str, reason: &str) -> Self {
        Self::worker(
            "Runtime.InvalidEntrypoint",
            request,
            &format!("fork/exec {program}: {reason}"),
        )
    }

    pub(crate) fn response_too_large() -> Self {
        Self::new(
            Fault::Worker,
            "Function.ResponseSizeTooLarge",
            format!(
                "Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
            ),
        )
    }

    pub(crate) fn invalid_response(request: Uuid, reason: &str) -> Self {
        Self::worker(
            "Runtime.InvalidResponse",
            request,
            &format!("The response is not JSON: {reason}"),
        )
    }

    /// An error that a worker posted. `header` is `Lambda-Runtime-Function-Error-Type`, which names the
    /// error when the document does not; without either it is `otherwise`.
    pub(crate) fn posted(body: &Bytes, header: Option<&str>, otherwise: &str) -> Self {
        let parsed: Option<Map<String, Value>> = (body.len() <= MAX_ERROR_BYTES)
            .then(|| serde_json::from_slice(body).ok())
            .flatten();
        let document = parsed
            .as_ref()
            .and_then(|_| std::str::from_utf8(body).ok())
            .map(Box::from);
        let mut fields = parsed.unwrap_or_default();
        let mut text = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text),
            _ => None,
        };
        let error_type = text("errorType")
            .or_else(|| header.filter(|name| !name.is_empty()).map(str::to_owned))
            .unwrap_or_else(|| otherwise.to_owned());
        let error_message = text("errorMessage").unwrap_or_default();
        let stack_trace = match fields.remove("stackTrace") {
            Some(Value::Array(entries)) => entries.into_iter().map(entry_text).collect(),
            Some(Value::String(entry)) => vec![entry],
            _ => Vec::new(),
        };
        Self {
            fault: Fault::Function,
            error_type,
            error_message,
            stack_trace,
            log_tail: Vec::new(),
            document,
        }
    }

    fn worker(error_type: &str, request: Uuid, reason: &str) -> Self {
        Self::new(
            Fault::Worker,
            error_type,
            format!("RequestId: {request} Error: {reason}"),
        )
    }

    fn new(fault: Fault, error_type: &str, error_message: String) -> Self {
        Self {
            fault,
            error_type: error_type.to_owned(),
            error_message,
            stack_trace: Vec::new(),
            log_tail: Vec::new(),
            document: None,
        }
    }
}

fn entry_text(entry: Value) -> String {
    match entry {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// The wording of Lambda, which is that of Go's `os.ProcessState`.
fn exit_reason(status: Option<ExitStatus>) -> String {
    let reason = match status.map(|status| (status.code(), status.signal())) {
        Some((Some(0), _)) | None => return "Runtime exited without providing a reason".to_owned(),
        Some((Some(code), _)) => format!("exit status {code}"),
        Some((None, Some(signal))) => format!("signal: {}", signal_name(signal)),
        Some((None, None)) => "unknown status".to_owned(),
    };
    format!("Runtime exited with error: {reason}")
}

fn signal_name(signal: i32) -> Cow<'static, str> {
    Cow::Borrowed(match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        24 => "CPU time limit exceeded",
        31 => "bad system call",
        other => return Cow::Owned(format!("signal {other}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posted_error_passes_through_unchanged() {
        let body = Bytes::from_static(
            br#"{"errorType":"Image.Truncated","errorMessage":"ends early","stackTrace":["a",{"line":2}],"extra":1}"#,
        );
        let error = InvokeError::posted(&body, Some("Function.Other"), "Function.Unknown");
        assert_eq!(error.name(), "Image.Truncated");
        assert_eq!(error.error_message, "ends early");
        assert_eq!(error.stack_trace, ["a", r#"{"line":2}"#]);
        assert_eq!(error.cause().as_bytes(), body);
    }

    #[test]
    fn a_posted_error_without_a_name_takes_the_headers_or_the_default() {
        let named = |body: &'static [u8], header| {
            let error = InvokeError::posted(&Bytes::from_static(body), header, "Function.Unknown");
            assert!(serde_json::from_str::<Value>(&error.cause()).is_ok());
            error.error_type
        };
        assert_eq!(
            named(b"{}", Some("Runtime.NoSuchHandler")),
            "Runtime.NoSuchHandler"
        );
        assert_eq!(named(b"not json", None), "Function.Unknown");
        assert_eq!(named(b"[1]", None), "Function.Unknown");
        assert_eq!(named(br#"{"errorType":7}"#, None), "Function.Unknown");
        assert_eq!(named(b"\xff", None), "Function.Unknown");
    }

    #[test]
    fn an_error_document_above_the_limit_is_not_read() {
        let body = Bytes::from(format!(
            r#"{{"errorType":"A.B","errorMessage":"{}"}}"#,
            "x".repeat(MAX_ERROR_BYTES)
        ));
        let error = InvokeError::posted(&body, None, "Function.Unknown");
        assert_eq!(error.error_type, "Function.Unknown");
    }

    #[test]
    fn the_ends_of_a_process_are_worded_as_lambda_does() {
        let request = Uuid::nil();
        let message =
            |raw| InvokeError::exited(request, Some(ExitStatus::from_raw(raw))).error_message;
        assert_eq!(
            message(3 << 8),
            format!("RequestId: {request} Error: Runtime exited with error: exit status 3")
        );
        assert!(message(9).ends_with("Runtime exited with error: signal: killed"));
        assert!(message(6).ends_with("signal: aborted"));
        assert!(message(0).ends_with("Runtime exited without providing a reason"));
        assert_eq!(
            InvokeError::timed_out(request, Duration::from_secs(3)).error_message,
            format!("RequestId: {request} Error: Task timed out after 3.00 seconds")
        );
    }

    #[test]
    fn faults_of_the_host_carry_the_prefix_of_the_service() {
        assert_eq!(
            InvokeError::too_many_requests().name(),
            "Lambda.TooManyRequestsException"
        );
        assert_eq!(InvokeError::stopping().name(), "Lambda.ServiceException");
    }

    #[test]
    fn a_shared_error_names_the_request_it_is_given_to() {
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let error = InvokeError::init_exited(first, None).for_request(first, second);
        assert!(error.error_message.contains(&second.to_string()));
        assert!(!error.error_message.contains(&first.to_string()));
    }
}
