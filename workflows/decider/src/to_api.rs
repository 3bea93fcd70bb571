//! An event as `GetExecutionHistory` shows it, in JSON 1.0.

use serde_json::{Map, Value, json};

use crate::event::{Detail, HistoryEvent, Iteration, Problem, StateType};
use crate::json::Json;

impl HistoryEvent {
    /// One element of `events`: no note, times as seconds since 1970, JSON
    /// texts as texts.
    pub fn to_api(&self) -> Value {
        let mut event = Map::new();
        let seconds = self.timestamp.timestamp_millis() as f64 / 1_000.0;
        event.insert("timestamp".to_owned(), Value::from(seconds));
        event.insert("type".to_owned(), Value::from(self.detail.type_name()));
        event.insert("id".to_owned(), Value::from(self.id));
        event.insert(
            "previousEventId".to_owned(),
            Value::from(self.previous_event_id),
        );
        if let Some((field, details)) = details(&self.detail) {
            event.insert(field.to_owned(), details);
        }
        Value::Object(event)
    }
}

impl Detail {
    /// The event's type, as the API names it.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::ExecutionSucceeded { .. } => "ExecutionSucceeded",
            Self::ExecutionFailed(_) => "ExecutionFailed",
            Self::ExecutionTimedOut(_) => "ExecutionTimedOut",
            Self::ExecutionAborted(_) => "ExecutionAborted",
            Self::StateEntered { state, .. } => entered(*state),
            Self::StateExited { state, .. } => exited(*state),
            Self::StateAborted { state } => aborted(*state),
            Self::TaskScheduled { .. } => "TaskScheduled",
            Self::TaskStarted { .. } => "TaskStarted",
            Self::TaskSucceeded { .. } => "TaskSucceeded",
            Self::TaskFailed { .. } => "TaskFailed",
            Self::TaskTimedOut { .. } => "TaskTimedOut",
            Self::LambdaFunctionScheduled { .. } => "LambdaFunctionScheduled",
            Self::LambdaFunctionStarted => "LambdaFunctionStarted",
            Self::LambdaFunctionSucceeded { .. } => "LambdaFunctionSucceeded",
            Self::LambdaFunctionFailed(_) => "LambdaFunctionFailed",
            Self::LambdaFunctionTimedOut(_) => "LambdaFunctionTimedOut",
            Self::MapStateStarted { .. } => "MapStateStarted",
            Self::MapStateSucceeded => "MapStateSucceeded",
            Self::MapStateFailed => "MapStateFailed",
            Self::MapIterationStarted(_) => "MapIterationStarted",
            Self::MapIterationSucceeded(_) => "MapIterationSucceeded",
            Self::MapIterationFailed(_) => "MapIterationFailed",
            Self::MapIterationAborted(_) => "MapIterationAborted",
            Self::ParallelStateStarted => "ParallelStateStarted",
            Self::ParallelStateSucceeded => "ParallelStateSucceeded",
            Self::ParallelStateFailed => "ParallelStateFailed",
            Self::EvaluationFailed { .. } => "EvaluationFailed",
        }
    }
}

const fn entered(state: StateType) -> &'static str {
    match state {
        StateType::Task => "TaskStateEntered",
        StateType::Map => "MapStateEntered",
        StateType::Choice => "ChoiceStateEntered",
        StateType::Pass => "PassStateEntered",
        StateType::Wait => "WaitStateEntered",
        StateType::Parallel => "ParallelStateEntered",
        StateType::Succeed => "SucceedStateEntered",
        StateType::Fail => "FailStateEntered",
    }
}

const fn exited(state: StateType) -> &'static str {
    match state {
        StateType::Task => "TaskStateExited",
        StateType::Map => "MapStateExited",
        StateType::Choice => "ChoiceStateExited",
        StateType::Pass => "PassStateExited",
        StateType::Wait => "WaitStateExited",
        StateType::Parallel => "ParallelStateExited",
        StateType::Succeed => "SucceedStateExited",
        StateType::Fail => "FailStateExited",
    }
}

/// Only these four exist; the others end at once and are never aborted.
const fn aborted(state: StateType) -> &'static str {
    match state {
        StateType::Wait => "WaitStateAborted",
        StateType::Map => "MapStateAborted",
        StateType::Parallel => "ParallelStateAborted",
        StateType::Task
        | StateType::Choice
        | StateType::Pass
        | StateType::Succeed
        | StateType::Fail => "TaskStateAborted",
    }
}

fn details(detail: &Detail) -> Option<(&'static str, Value)> {
    let whole = || json!({"truncated": false});
    Some(match detail {
        Detail::ExecutionStarted { input, role_arn } => (
            "executionStartedEventDetails",
            json!({"input": text(input), "inputDetails": whole(), "roleArn": role_arn}),
        ),
        Detail::ExecutionSucceeded { output } => (
            "executionSucceededEventDetails",
            json!({"output": text(output), "outputDetails": whole()}),
        ),
        Detail::ExecutionFailed(problem) => ("executionFailedEventDetails", of(problem)),
        Detail::ExecutionTimedOut(problem) => ("executionTimedOutEventDetails", of(problem)),
        Detail::ExecutionAborted(problem) => ("executionAbortedEventDetails", of(problem)),
        Detail::StateEntered { name, input, .. } => (
            "stateEnteredEventDetails",
            json!({"name": &**name, "input": text(input), "inputDetails": whole()}),
        ),
        Detail::StateExited {
            name,
            output,
            assigned,
            ..
        } => {
            let mut details =
                json!({"name": &**name, "output": text(output), "outputDetails": whole()});
            if !assigned.is_empty() {
                let variables: Map<String, Value> =
                    assigned.iter().map(|(n, v)| (n.clone(), text(v))).collect();
                details["assignedVariables"] = Value::Object(variables);
                details["assignedVariablesDetails"] = whole();
            }
            ("stateExitedEventDetails", details)
        }
        Detail::TaskScheduled {
            region,
            parameters,
            timeout_in_seconds,
            heartbeat_in_seconds,
            ..
        } => {
            let mut details = lambda();
            details["region"] = Value::from(region.as_str());
            details["parameters"] = text(parameters);
            optional(&mut details, "timeoutInSeconds", *timeout_in_seconds);
            optional(&mut details, "heartbeatInSeconds", *heartbeat_in_seconds);
            ("taskScheduledEventDetails", details)
        }
        Detail::TaskStarted { .. } => ("taskStartedEventDetails", lambda()),
        Detail::TaskSucceeded { output, .. } => {
            let mut details = lambda();
            details["output"] = text(output);
            details["outputDetails"] = whole();
            ("taskSucceededEventDetails", details)
        }
        Detail::TaskFailed { problem, .. } => ("taskFailedEventDetails", with(lambda(), problem)),
        Detail::TaskTimedOut { problem, .. } => {
            ("taskTimedOutEventDetails", with(lambda(), problem))
        }
        Detail::LambdaFunctionScheduled {
            resource,
            input,
            timeout_in_seconds,
        } => {
            let mut details = json!({
                "resource": &**resource, "input": text(input), "inputDetails": whole(),
            });
            optional(&mut details, "timeoutInSeconds", *timeout_in_seconds);
            ("lambdaFunctionScheduledEventDetails", details)
        }
        Detail::LambdaFunctionSucceeded { output } => (
            "lambdaFunctionSucceededEventDetails",
            json!({"output": text(output), "outputDetails": whole()}),
        ),
        Detail::LambdaFunctionFailed(problem) => ("lambdaFunctionFailedEventDetails", of(problem)),
        Detail::LambdaFunctionTimedOut(problem) => {
            ("lambdaFunctionTimedOutEventDetails", of(problem))
        }
        Detail::MapStateStarted { length } => {
            ("mapStateStartedEventDetails", json!({"length": length}))
        }
        Detail::MapIterationStarted(i) => ("mapIterationStartedEventDetails", iteration(i)),
        Detail::MapIterationSucceeded(i) => ("mapIterationSucceededEventDetails", iteration(i)),
        Detail::MapIterationFailed(i) => ("mapIterationFailedEventDetails", iteration(i)),
        Detail::MapIterationAborted(i) => ("mapIterationAbortedEventDetails", iteration(i)),
        Detail::EvaluationFailed {
            problem,
            location,
            state,
        } => {
            let mut details = with(json!({"state": &**state}), problem);
            if let Some(location) = location {
                details["location"] = Value::from(location.as_str());
            }
            ("evaluationFailedEventDetails", details)
        }
        Detail::LambdaFunctionStarted
        | Detail::StateAborted { .. }
        | Detail::MapStateSucceeded
        | Detail::MapStateFailed
        | Detail::ParallelStateStarted
        | Detail::ParallelStateSucceeded
        | Detail::ParallelStateFailed => return None,
    })
}

fn text(value: &Json) -> Value {
    Value::String(value.to_string())
}

fn lambda() -> Value {
    json!({"resourceType": "lambda", "resource": "invoke"})
}

fn iteration(iteration: &Iteration) -> Value {
    json!({"name": &*iteration.name, "index": iteration.index})
}

fn of(problem: &Problem) -> Value {
    with(json!({}), problem)
}

fn with(mut details: Value, problem: &Problem) -> Value {
    if let Some(error) = &problem.error {
        details["error"] = Value::from(error.as_str());
    }
    if let Some(cause) = &problem.cause {
        details["cause"] = Value::from(cause.as_str());
    }
    details
}

fn optional(details: &mut Value, field: &str, value: Option<u64>) {
    if let Some(value) = value {
        details[field] = Value::from(value);
    }
}
