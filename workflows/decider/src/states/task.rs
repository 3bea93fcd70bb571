//! Task.

use std::sync::Arc;

use chrono::TimeDelta;
use safelight_asl::{Resource, StateKind, StateMachine, Task, errors};
use serde_json::{Map, Value, json};

use crate::event::{Detail, HistoryEvent, Problem, Service};
use crate::evolve::Mismatch;
use crate::execution::Execution;
use crate::failure::Failure;
use crate::here::{Here, Step, Stop, timeout};
use crate::info::TaskSignal;
use crate::json::Json;
use crate::limits::MAX_DATA_BYTES;
use crate::scope::{Call, Phase, ScopeId};

/// The scheduled event, with evaluated arguments.
pub(crate) fn schedule(here: &Here<'_>, task: &Task) -> Result<Step, Stop> {
    let (arguments, timeout, heartbeat) = here.session(None, None, |session| {
        let arguments = match &task.arguments {
            Some(template) => Json::from(session.template(template, "Arguments")?),
            None => here.current.input.clone(),
        };
        let seconds = |template: &Option<_>, location| {
            template
                .as_ref()
                .map(|template| session.integer(template, location, 1))
                .transpose()
        };
        let timeout = seconds(&task.timeout_seconds, "TimeoutSeconds")?;
        let heartbeat = seconds(&task.heartbeat_seconds, "HeartbeatSeconds")?;
        Ok::<_, safelight_asl::EvaluationError>((arguments, timeout, heartbeat))
    })?;
    if arguments.is_longer_than(MAX_DATA_BYTES) {
        return Err(Stop::Other(here.data_limit(errors::DATA_LIMIT_EXCEEDED)));
    }
    let detail = match &task.resource {
        Resource::LambdaInvoke { .. } => {
            if arguments
                .get("FunctionName")
                .and_then(Value::as_str)
                .is_none()
            {
                return Err(Stop::Other(Failure::new(
                    errors::RUNTIME,
                    format!(
                        "{} The Arguments '{}' could not be used to start the Task: [The field 'FunctionName' is required but was missing]",
                        here.preface(),
                        *arguments
                    ),
                )));
            }
            Detail::TaskScheduled {
                service: Service::LambdaInvoke,
                region: here.execution.info.region().to_owned(),
                parameters: arguments,
                timeout_in_seconds: timeout,
                heartbeat_in_seconds: heartbeat,
            }
        }
        Resource::Function { arn } => Detail::LambdaFunctionScheduled {
            resource: Arc::clone(arn),
            input: arguments,
            timeout_in_seconds: timeout,
        },
    };
    Ok((detail, here.note()))
}

/// Remembers the open call.
pub(crate) fn scheduled(
    execution: &mut Execution,
    machine: &StateMachine,
    id: ScopeId,
    event: &HistoryEvent,
) -> Result<(), Mismatch> {
    let scope = execution.scope(id).ok_or("its scope has ended")?;
    let current = scope.current.as_ref().ok_or("its scope is in no state")?;
    let state = machine.flow(scope.flow).state(current.index);
    let StateKind::Task(task) = &state.kind else {
        return Err("its scope is in no Task");
    };
    let (function, payload, timeout_seconds) = match &event.detail {
        Detail::TaskScheduled {
            parameters,
            timeout_in_seconds,
            ..
        } => {
            let name = parameters.get("FunctionName").and_then(Value::as_str);
            let payload = parameters.get("Payload").cloned();
            (
                name.unwrap_or_default().to_owned(),
                Arc::new(payload.unwrap_or_else(|| json!({}))),
                *timeout_in_seconds,
            )
        }
        Detail::LambdaFunctionScheduled {
            resource,
            input,
            timeout_in_seconds,
        } => (
            resource.to_string(),
            Arc::clone(input.shared()),
            *timeout_in_seconds,
        ),
        _ => return Err("it schedules nothing"),
    };
    let call = Call {
        scheduled: event.id,
        started: false,
        state_name: Arc::clone(&state.name),
        resource: Arc::clone(task.resource.arn()),
        function,
        payload,
        timeout_seconds,
    };
    execution.set_phase(id, Phase::Calling(call), false)
}

/// The timeout counts from the start of the function.
pub(crate) fn started(
    execution: &mut Execution,
    id: ScopeId,
    event: &HistoryEvent,
) -> Result<(), Mismatch> {
    let Some(Phase::Calling(call)) = execution.scope_mut(id).map(|s| &mut s.phase) else {
        return Err("its scope calls nothing");
    };
    call.started = true;
    let due = call.timeout_seconds.and_then(|seconds| {
        let delta = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
        event.timestamp.checked_add_signed(delta)
    });
    execution.set_timer(id, due);
    Ok(())
}

/// What a signal becomes, and the failure in it; none if it says nothing new.
pub(crate) fn signalled(here: &Here<'_>, signal: TaskSignal) -> Option<(Detail, Option<Failure>)> {
    let (Phase::Calling(call), StateKind::Task(task)) = (&here.scope.phase, &here.state.kind)
    else {
        return None;
    };
    let direct = matches!(task.resource, Resource::Function { .. });
    let service = Service::LambdaInvoke;
    match signal {
        TaskSignal::Started if call.started => None,
        TaskSignal::Started if direct => Some((Detail::LambdaFunctionStarted, None)),
        TaskSignal::Started => Some((Detail::TaskStarted { service }, None)),
        TaskSignal::Succeeded(value) => {
            let output = if direct { value } else { wrapped(value) };
            let output = Json::from(output);
            if output.is_longer_than(MAX_DATA_BYTES) {
                return Some(failed(direct, here.data_limit(errors::DATA_LIMIT_EXCEEDED)));
            }
            let detail = if direct {
                Detail::LambdaFunctionSucceeded { output }
            } else {
                Detail::TaskSucceeded { service, output }
            };
            Some((detail, None))
        }
        TaskSignal::Failed { error, cause } => Some(failed(
            direct,
            Failure::of(Problem {
                error: Some(error),
                cause: Some(cause),
            }),
        )),
    }
}

fn failed(direct: bool, failure: Failure) -> (Detail, Option<Failure>) {
    let problem = failure.problem.clone();
    let detail = if direct {
        Detail::LambdaFunctionFailed(problem)
    } else {
        Detail::TaskFailed {
            service: Service::LambdaInvoke,
            problem,
        }
    };
    (detail, Some(failure))
}

/// The part of the answer of `lambda:invoke` that does not depend on HTTP.
fn wrapped(payload: Value) -> Value {
    let mut answer = Map::new();
    answer.insert("ExecutedVersion".to_owned(), Value::from("$LATEST"));
    answer.insert("Payload".to_owned(), payload);
    answer.insert("StatusCode".to_owned(), Value::from(200));
    Value::Object(answer)
}

pub(crate) fn timed_out(here: &Here<'_>) -> Detail {
    match &here.state.kind {
        StateKind::Task(Task {
            resource: Resource::Function { .. },
            ..
        }) => Detail::LambdaFunctionTimedOut(timeout()),
        _ => Detail::TaskTimedOut {
            service: Service::LambdaInvoke,
            problem: timeout(),
        },
    }
}
