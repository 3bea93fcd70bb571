//! A Task of the workflow, and the recorder around it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use safelight_schema::task::{TaskContext, TaskPayload};
use safelight_schema::{Draft, EventData, ImageRef, Lane, Pointer, error_name};
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use tokio::time::timeout;
use tracing::Instrument;

use crate::adapters::Adapters;
use crate::clock::elapsed_ms;
use crate::error::FunctionError;
use crate::function::{Handler, Invocation};
use crate::run::panicked;

/// A Task that takes longer is recorded as entered while it works; a shorter one in the append that
/// says how it ended, which saves the record every other call (docs/decisions/0010).
pub const ENTERED_WITHIN: Duration = Duration::from_millis(50);

/// One call of a Task.
#[derive(Debug, Clone)]
pub struct TaskCall<T> {
    /// Which Task of which execution.
    pub context: TaskContext,
    /// The image.
    pub image: ImageRef,
    /// What is asked for beside.
    pub input: T,
    /// The invocation.
    pub invocation: Invocation,
}

/// A Task that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Done<T> {
    /// Its answer.
    pub output: T,
    /// Its result events.
    pub events: Vec<EventData>,
    /// Pointers that are written with them.
    pub pointers: Vec<Pointer>,
}

/// A Task that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Why.
    pub error: FunctionError,
    /// Its failure events.
    pub events: Vec<EventData>,
}

impl<E: Into<FunctionError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            events: Vec::new(),
        }
    }
}

/// What a Task's function does, without recording that it was entered and how it ended.
pub trait Task: Send + Sync + 'static {
    /// What it is asked beside context and image.
    type Input: DeserializeOwned + Send;
    /// What it answers.
    type Output: Serialize + Send;

    /// Does it. It may be called again for the same attempt, and must then do nothing new.
    fn run(
        &self,
        call: TaskCall<Self::Input>,
    ) -> impl Future<Output = Result<Done<Self::Output>, Failure>> + Send;
}

/// A Task with the recorder around it.
pub struct Recorded<T> {
    name: &'static str,
    lane: Lane,
    adapters: Adapters,
    task: T,
}

impl<T: Task> Recorded<T> {
    /// Records `task`, the function `name`, in `lane`.
    pub const fn new(name: &'static str, lane: Lane, adapters: Adapters, task: T) -> Self {
        Self {
            name,
            lane,
            adapters,
            task,
        }
    }

    async fn attempt(
        &self,
        context: &TaskContext,
        image: &ImageRef,
        body: Value,
        invocation: &Invocation,
    ) -> Result<Value, FunctionError> {
        let start = self.adapters.clock.now();
        let writer = Writer {
            recorded: self,
            context,
            image,
        };
        let function_version = self.adapters.function_version.clone();
        let entered = if context.attempt == 0 {
            EventData::StateEntered { function_version }
        } else {
            EventData::StateRetried { function_version }
        };
        let mut events = vec![(start, entered)];
        let call = AssertUnwindSafe(self.call(context, image, body, invocation)).catch_unwind();
        let mut call = pin!(call);
        let outcome = if let Ok(outcome) = timeout(ENTERED_WITHIN, &mut call).await {
            outcome
        } else {
            let entered = writer.append(std::mem::take(&mut events), &[]);
            let (entered, outcome) = tokio::join!(entered, call);
            entered?;
            outcome
        };
        let outcome = outcome.unwrap_or_else(|payload| Err(panicked(payload.as_ref()).into()));
        let duration_ms = elapsed_ms(self.adapters.clock.as_ref(), start);
        let now = self.adapters.clock.now();
        match outcome {
            Ok(Done {
                output,
                events: results,
                pointers,
            }) => {
                events.extend(results.into_iter().map(|event| (now, event)));
                events.push((now, EventData::StateSucceeded { duration_ms }));
                writer.append(events, &pointers).await?;
                Ok(output)
            }
            Err(Failure {
                error,
                events: results,
            }) => {
                let failed = EventData::StateFailed {
                    error: error.info(),
                    duration_ms,
                };
                events.extend(results.into_iter().map(|event| (now, event)));
                events.push((now, failed));
                writer.append(events, &[]).await?;
                Err(error)
            }
        }
    }

    async fn call(
        &self,
        context: &TaskContext,
        image: &ImageRef,
        body: Value,
        invocation: &Invocation,
    ) -> Result<Done<Value>, Failure> {
        let input = T::Input::deserialize(body).map_err(|error| invalid(self.name, &error))?;
        let done = self
            .task
            .run(TaskCall {
                context: context.clone(),
                image: image.clone(),
                input,
                invocation: invocation.clone(),
            })
            .await?;
        let output =
            serde_json::to_value(done.output).map_err(|error| invalid(self.name, &error))?;
        let bytes = output.to_string().len();
        if bytes > crate::MAX_OUTPUT_BYTES {
            return Err(FunctionError::new(
                &error_name::OUTPUT_TOO_LARGE,
                format!(
                    "the output of '{}' has {bytes} bytes; at most {} are allowed",
                    self.name,
                    crate::MAX_OUTPUT_BYTES
                ),
            )
            .into());
        }
        Ok(Done {
            output,
            events: done.events,
            pointers: done.pointers,
        })
    }
}

struct Writer<'a, T> {
    recorded: &'a Recorded<T>,
    context: &'a TaskContext,
    image: &'a ImageRef,
}

impl<T> Writer<'_, T> {
    async fn append(
        &self,
        events: Vec<(DateTime<Utc>, EventData)>,
        pointers: &[Pointer],
    ) -> Result<(), FunctionError> {
        let drafts: Vec<Draft> = events
            .into_iter()
            .map(|(time, data)| Draft {
                execution: self.context.execution.clone(),
                lane: self.recorded.lane.clone(),
                state: Some(self.context.state.clone()),
                epoch: self.context.epoch,
                attempt: self.context.attempt,
                source: format!("/safelight/{}", self.recorded.name),
                subject: self.image.subject(),
                time,
                data,
            })
            .collect();
        self.recorded
            .adapters
            .record
            .append(&drafts, pointers)
            .await?;
        Ok(())
    }
}

fn invalid(name: &str, error: &serde_json::Error) -> FunctionError {
    FunctionError::new(
        &error_name::INPUT_INVALID,
        format!("the payload of '{name}': {error}"),
    )
}

#[async_trait]
impl<T: Task> Handler for Recorded<T> {
    async fn handle(&self, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
        let TaskPayload {
            context,
            image,
            body,
        } = TaskPayload::<Value>::deserialize(event).map_err(|error| invalid(self.name, &error))?;
        let span = tracing::error_span!(
            "execution",
            execution.id = context.execution,
            state.name = context.state,
            state.attempt = context.attempt,
        );
        self.attempt(&context, &image, body, invocation)
            .instrument(span)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, image, invocation, task_event};
    use serde_json::json;

    /// Does what its input says.
    struct Example;

    #[derive(serde::Deserialize)]
    struct Input {
        answer: Value,
        #[serde(default)]
        slow: bool,
    }

    impl Task for Example {
        type Input = Input;
        type Output = Value;

        async fn run(&self, call: TaskCall<Input>) -> Result<Done<Value>, Failure> {
            assert!(!call.input.answer.is_null(), "no answer");
            if call.input.slow {
                // Time is the test's own: see `start_paused`.
                tokio::time::sleep(ENTERED_WITHIN * 2).await;
            }
            if call.input.answer == json!("reject") {
                return Err(FunctionError::new(&error_name::IMAGE_EMPTY, "no bytes").into());
            }
            Ok(Done {
                output: call.input.answer,
                events: vec![EventData::ImageCompleted { branches: vec![] }],
                pointers: Vec::new(),
            })
        }
    }

    async fn call(bench: &Bench, attempt: u32, body: Value) -> Result<Value, FunctionError> {
        let recorded = Recorded::new("example", Lane::Trunk, bench.adapters(), Example);
        let event = task_event("Example", attempt, &image("a.jpg"), &body);
        recorded.handle(event, &invocation()).await
    }

    #[tokio::test]
    async fn entered_results_and_end_are_one_append() {
        // Invariant 1.
        let bench = Bench::new();
        let answer = call(&bench, 0, json!({ "answer": 1 })).await.unwrap();
        assert_eq!(answer, 1);
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            [
                "state.entered.v1",
                "image.completed.v1",
                "state.succeeded.v1"
            ]
        );
        assert_eq!(bench.record.appends(), 1);
        // Invariant 5.
        call(&bench, 0, json!({ "answer": 1 })).await.unwrap();
        assert_eq!(bench.record.appends(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_task_is_recorded_as_entered_while_it_works() {
        // Invariant 1.
        let bench = Bench::new();
        let body = json!({ "answer": 1, "slow": true });
        call(&bench, 0, body.clone()).await.unwrap();
        assert_eq!(bench.record.appends(), 2);
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            [
                "state.entered.v1",
                "image.completed.v1",
                "state.succeeded.v1"
            ]
        );
        let bench = Bench::new();
        bench.record.set_down_after(Some(0));
        let error = call(&bench, 0, body).await.unwrap_err();
        assert_eq!(error.name(), "Record.Unavailable");
    }

    #[tokio::test]
    async fn a_retry_is_recorded_as_one_and_a_failure_by_its_name() {
        let bench = Bench::new();
        let error = call(&bench, 1, json!({ "answer": "reject" }))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Image.Empty");
        let events = bench.lane("x-1", &Lane::Trunk).await;
        assert_eq!(events[0].data.kind(), "state.retried.v1");
        assert_eq!(events[1].attempt, 1);
        assert!(
            matches!(&events[1].data, EventData::StateFailed { error, .. } if error.name == "Image.Empty")
        );
    }

    #[tokio::test]
    async fn a_panic_is_recorded() {
        // Invariant 2.
        let bench = Bench::new();
        let error = call(&bench, 0, json!({ "answer": null }))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Function.Panicked");
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            ["state.entered.v1", "state.failed.v1"]
        );
    }

    #[tokio::test]
    async fn a_large_output_is_refused_before_it_is_a_success() {
        // Invariant 3.
        let bench = Bench::new();
        let error = call(&bench, 0, json!({ "answer": "x".repeat(9_000) }))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Output.TooLarge");
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            ["state.entered.v1", "state.failed.v1"]
        );
    }

    #[tokio::test]
    async fn a_bad_payload_names_the_field() {
        let bench = Bench::new();
        let error = call(&bench, 0, json!({ "reply": 1 })).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.cause().contains("answer"), "{error}");
        let recorded = Recorded::new("example", Lane::Trunk, bench.adapters(), Example);
        let error = recorded.handle(json!({}), &invocation()).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.cause().contains("context"), "{error}");
    }

    #[tokio::test]
    async fn without_the_record_the_invocation_fails() {
        // Invariant 1.
        let bench = Bench::new();
        bench.record.set_down_after(Some(0));
        let error = call(&bench, 0, json!({ "answer": 1 })).await.unwrap_err();
        assert_eq!(error.name(), "Record.Unavailable");
        bench.record.set_down_after(None);
        call(&bench, 0, json!({ "answer": 1 })).await.unwrap();
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            [
                "state.entered.v1",
                "image.completed.v1",
                "state.succeeded.v1"
            ]
        );
    }
}
