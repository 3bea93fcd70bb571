//! GetExecutionHistory.

use safelight_engine::{EngineHandle, HistoryQuery};
use serde::Deserialize;
use serde_json::Value;

use super::execution::page;
use super::{Answer, page_size, read_token, write_token};
use crate::wire::{answer, request};

const TOKEN: &str = "events";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HistoryRequest {
    execution_arn: String,
    max_results: Option<i64>,
    reverse_order: Option<bool>,
    next_token: Option<String>,
    include_execution_data: Option<bool>,
}

pub(super) async fn get(engine: &EngineHandle, body: &Value) -> Answer {
    let request: HistoryRequest = request(body)?;
    let query = HistoryQuery {
        reverse: request.reverse_order.unwrap_or(false),
        from: read_token(TOKEN, request.next_token.as_deref())?,
        limit: page_size(request.max_results, 1000)? as usize,
    };
    let found = engine.history(&request.execution_arn, query).await?;
    let with_data = request.include_execution_data.unwrap_or(true);
    let events: Vec<Value> = found
        .events
        .iter()
        .map(|event| {
            let mut event = event.to_api();
            if event.get("type").and_then(Value::as_str) == Some("ExecutionStarted") {
                echo_input(&mut event, &found.input);
            }
            if !with_data {
                drop_data(&mut event);
            }
            event
        })
        .collect();
    let next = found.next.map(|id| write_token(TOKEN, id));
    Ok(answer(&page("events", &events, next)))
}

/// The input of the first event is the text that was sent, not one made of its value.
fn echo_input(event: &mut Value, input: &str) {
    if let Some(details) = event
        .get_mut("executionStartedEventDetails")
        .and_then(Value::as_object_mut)
    {
        details.insert("input".to_owned(), Value::String(input.to_owned()));
    }
}

/// Without execution data, inputs and outputs are left out of every `…EventDetails`.
fn drop_data(event: &mut Value) {
    let details = event
        .as_object_mut()
        .into_iter()
        .flat_map(|event| event.iter_mut());
    for (_, details) in details.filter(|(name, _)| name.ends_with("EventDetails")) {
        if let Some(details) = details.as_object_mut() {
            for field in [
                "input",
                "output",
                "inputDetails",
                "outputDetails",
                "parameters",
                "assignedVariables",
            ] {
                details.shift_remove(field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn data_can_be_left_out() {
        let mut event = json!({
            "type": "PassStateEntered",
            "id": 2,
            "stateEnteredEventDetails": {"name": "P", "input": "{}", "inputDetails": {"truncated": false}},
        });
        drop_data(&mut event);
        assert_eq!(
            event,
            json!({"type": "PassStateEntered", "id": 2, "stateEnteredEventDetails": {"name": "P"}})
        );
    }
}
