//! Executions: start, stop, describe, list.

use safelight_engine::{
    EngineHandle, ExecutionDescription, ExecutionStatus, ExecutionSummary, StartExecution,
    StopExecution,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Answer, page_size, read_token, write_token};
use crate::wire::{Fault, Timestamp, answer, request};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartRequest {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
}

pub(super) async fn start(engine: &EngineHandle, body: &Value) -> Answer {
    let request: StartRequest = request(body)?;
    let started = engine
        .start_execution(StartExecution {
            state_machine_arn: request.state_machine_arn,
            name: request.name,
            input: request.input,
        })
        .await?;
    Ok(answer(&json!({
        "executionArn": started.execution_arn,
        "startDate": Timestamp(started.start_date),
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopRequest {
    execution_arn: String,
    error: Option<String>,
    cause: Option<String>,
}

pub(super) async fn stop(engine: &EngineHandle, body: &Value) -> Answer {
    let request: StopRequest = request(body)?;
    for (field, value, most) in [
        ("error", &request.error, 256),
        ("cause", &request.cause, 32_768),
    ] {
        if value
            .as_ref()
            .is_some_and(|value| value.chars().count() > most)
        {
            let constraint = format!("Member must have length less than or equal to {most}");
            return Err(Fault::constraint(field, "that was sent", &constraint));
        }
    }
    let stop_date = engine
        .stop_execution(StopExecution {
            execution_arn: request.execution_arn,
            error: request.error,
            cause: request.cause,
        })
        .await?;
    Ok(answer(&json!({"stopDate": Timestamp(stop_date)})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeRequest {
    execution_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Description {
    execution_arn: String,
    state_machine_arn: String,
    name: String,
    status: &'static str,
    start_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<Timestamp>,
    input: String,
    input_details: Included,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_details: Option<Included>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    redrive_count: u32,
    redrive_status: &'static str,
    redrive_status_reason: &'static str,
}

#[derive(Serialize)]
struct Included {
    included: bool,
}

impl From<ExecutionDescription> for Description {
    fn from(found: ExecutionDescription) -> Self {
        Self {
            redrive_status_reason: match found.status {
                ExecutionStatus::Running => "Execution is RUNNING and cannot be redriven",
                ExecutionStatus::Succeeded => "Execution is SUCCEEDED and cannot be redriven",
                _ => "RedriveExecution is not offered here: start a new execution",
            },
            execution_arn: found.execution_arn,
            state_machine_arn: found.state_machine_arn,
            name: found.name,
            status: found.status.as_str(),
            start_date: Timestamp(found.start_date),
            stop_date: found.stop_date.map(Timestamp),
            input: found.input,
            input_details: Included { included: true },
            output_details: found
                .output
                .is_some()
                .then_some(Included { included: true }),
            output: found.output,
            error: found.error,
            cause: found.cause,
            redrive_count: 0,
            redrive_status: "NOT_REDRIVABLE",
        }
    }
}

pub(super) async fn describe(engine: &EngineHandle, body: &Value) -> Answer {
    let request: DescribeRequest = request(body)?;
    let found = engine.describe_execution(&request.execution_arn).await?;
    Ok(answer(&Description::from(found)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListRequest {
    state_machine_arn: Option<String>,
    status_filter: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    execution_arn: String,
    state_machine_arn: String,
    name: String,
    status: &'static str,
    start_date: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_date: Option<Timestamp>,
    redrive_count: u32,
}

impl From<ExecutionSummary> for Item {
    fn from(found: ExecutionSummary) -> Self {
        Self {
            execution_arn: found.execution_arn,
            state_machine_arn: found.state_machine_arn,
            name: found.name,
            status: found.status.as_str(),
            start_date: Timestamp(found.start_date),
            stop_date: found.stop_date.map(Timestamp),
            redrive_count: 0,
        }
    }
}

pub(super) async fn list(engine: &EngineHandle, body: &Value) -> Answer {
    const TOKEN: &str = "executions";
    let request: ListRequest = request(body)?;
    let arn = request
        .state_machine_arn
        .ok_or_else(|| Fault::validation("stateMachineArn is needed: map runs are not offered"))?;
    let limit = page_size(request.max_results, 100)?;
    let before = read_token(TOKEN, request.next_token.as_deref())?;
    let filter = match request.status_filter.as_deref() {
        None => None,
        // Nothing is ever waiting for a redrive here.
        Some("PENDING_REDRIVE") => return Ok(answer(&json!({"executions": []}))),
        Some(word) => Some(status(word)?),
    };
    // One more than asked for tells whether there is another page.
    let mut found = engine
        .list_executions(&arn, filter, before, limit + 1)
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| write_token(TOKEN, last.position));
    let items: Vec<Item> = found.into_iter().map(Item::from).collect();
    Ok(answer(&page("executions", &items, next)))
}

/// A page of items; the token only if there are more.
pub(super) fn page<T: Serialize>(field: &str, items: &T, next: Option<String>) -> Value {
    let mut page = json!({ field: items });
    if let (Some(page), Some(token)) = (page.as_object_mut(), next) {
        page.insert("nextToken".to_owned(), Value::String(token));
    }
    page
}

fn status(word: &str) -> Result<ExecutionStatus, Fault> {
    use ExecutionStatus::{Aborted, Failed, Running, Succeeded, TimedOut};
    [Running, Succeeded, Failed, TimedOut, Aborted]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| {
            Fault::constraint(
                "statusFilter",
                "that was sent",
                "Member must satisfy enum value set: [SUCCEEDED, TIMED_OUT, PENDING_REDRIVE, ABORTED, FAILED, RUNNING]",
            )
        })
}
