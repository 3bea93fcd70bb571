//! The Lambda bootstrap: one event at a time, on one thread.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use chrono::DateTime;
use futures::FutureExt;
use lambda_runtime::{Diagnostic, LambdaEvent};
use safelight_schema::error_name;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::adapters::Adapters;
use crate::error::FunctionError;
use crate::function::{Function, Handler, Invocation};
use crate::letters;

/// Environment variable with the log filter, such as `info`; `warn` where absent.
pub const LOG: &str = "SAFELIGHT_LOG";

/// Environment variable with the log format: `text` (the default) or `json`.
pub const LOG_FORMAT: &str = "SAFELIGHT_LOG_FORMAT";

/// Why a function could not be run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The handler could not be made.
    #[error(transparent)]
    Function(#[from] FunctionError),
    /// No runtime.
    #[error("the async runtime could not be started: {0}")]
    Runtime(#[from] std::io::Error),
    /// The Runtime API ended.
    #[error("the Lambda Runtime API ended: {0}")]
    Lambda(String),
}

/// Stack of the thread that a branch works on, bytes: as the main thread's, for decoders that recurse.
const STACK_BYTES: usize = 8 << 20;

/// Runs `function` on a current-thread runtime of its own until the Runtime API goes away.
pub fn run(function: Function, adapters: Adapters) -> Result<(), RunError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build()?
        .block_on(serve(function, adapters))
}

/// Runs `function` on the caller's runtime until the Runtime API goes away.
pub async fn serve(function: Function, adapters: Adapters) -> Result<(), RunError> {
    let name = function.name;
    let handler: Arc<dyn Handler> = Arc::from((function.build)(adapters)?);
    let service = lambda_runtime::service_fn(move |event: LambdaEvent<Value>| {
        let handler = Arc::clone(&handler);
        async move {
            let invocation = invocation(&event.context);
            guarded(handler.as_ref(), name, event.payload, &invocation)
                .await
                .map_err(Diagnostic::from)
        }
    });
    // `run` is strictly sequential: one process handles one event at a time, as on Lambda.
    lambda_runtime::run(service)
        .await
        .map_err(|error| RunError::Lambda(error.to_string()))
}

/// Calls the handler; a panic becomes an error of a stable name (invariant 2).
pub(crate) async fn guarded(
    handler: &dyn Handler,
    name: &str,
    event: Value,
    invocation: &Invocation,
) -> Result<Value, FunctionError> {
    let outcome = AssertUnwindSafe(handler.handle(event, invocation))
        .catch_unwind()
        .await
        .unwrap_or_else(|payload| Err(panicked(payload.as_ref())));
    if let Err(error) = &outcome {
        tracing::debug!(
            function.name = name,
            request.id = invocation.request_id,
            error.name = error.name(),
            error.cause = error.cause(),
            "the function failed; its caller is told"
        );
    }
    outcome
}

/// The error of a panic.
pub(crate) fn panicked(payload: &(dyn std::any::Any + Send)) -> FunctionError {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    FunctionError::new(&error_name::FUNCTION_PANICKED, message)
}

fn invocation(context: &lambda_runtime::Context) -> Invocation {
    let deadline = i64::try_from(context.deadline)
        .ok()
        .and_then(DateTime::from_timestamp_millis)
        .unwrap_or(DateTime::<chrono::Utc>::MAX_UTC);
    Invocation {
        request_id: context.request_id.clone(),
        deadline,
    }
}

/// Sends logs to standard error, as text or JSON, and the line of each dead letter whatever the filter
/// is: alarms count it. Does nothing if the process logs already.
pub fn init_tracing() {
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new("warn"));
    let filter = match format!("{}=info", letters::LOG_TARGET).parse() {
        Ok(always) => filter.add_directive(always),
        Err(_) => filter,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let json = std::env::var(LOG_FORMAT).is_ok_and(|format| format == "json");
    let started = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.try_init()
    };
    // A subscriber that is there already is the caller's: it stays.
    drop(started);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::invocation;

    struct Panics;

    #[async_trait::async_trait]
    impl Handler for Panics {
        async fn handle(&self, event: Value, _: &Invocation) -> Result<Value, FunctionError> {
            assert!(event.is_null(), "the event is {event}");
            Ok(event)
        }
    }

    #[tokio::test]
    async fn a_panic_has_a_stable_name() {
        let error = guarded(&Panics, "panics", 3.into(), &invocation())
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Function.Panicked");
        assert_eq!(error.cause(), "the event is 3");
    }
}
