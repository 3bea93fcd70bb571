//! State machines: create, update, delete, describe, list, validate.

use safelight_asl::{DefinitionError, StateMachine};
use safelight_engine::{
    CreateStateMachine, EngineHandle, StateMachineDescription, UpdateStateMachine,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::execution::page;
use super::{Answer, page_size, read_token, write_token};
use crate::wire::{Fault, Timestamp, answer, request};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateRequest {
    name: String,
    definition: String,
    role_arn: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    logging_configuration: Option<Value>,
    tracing_configuration: Option<Value>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

pub(super) async fn create(engine: &EngineHandle, body: &Value) -> Answer {
    let request: CreateRequest = request(body)?;
    refuse_versions(request.publish, request.version_description.is_some())?;
    let created = engine
        .create_state_machine(CreateStateMachine {
            configuration: configuration(
                request.logging_configuration,
                request.tracing_configuration,
            ),
            name: request.name,
            definition: request.definition,
            role_arn: request.role_arn,
            kind: request.kind,
        })
        .await?;
    Ok(answer(&json!({
        "stateMachineArn": created.state_machine_arn,
        "creationDate": Timestamp(created.creation_date),
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UpdateRequest {
    state_machine_arn: String,
    definition: Option<String>,
    role_arn: Option<String>,
    logging_configuration: Option<Value>,
    tracing_configuration: Option<Value>,
    #[serde(default)]
    publish: bool,
    version_description: Option<String>,
}

pub(super) async fn update(engine: &EngineHandle, body: &Value) -> Answer {
    let request: UpdateRequest = request(body)?;
    refuse_versions(request.publish, request.version_description.is_some())?;
    let configured =
        request.logging_configuration.is_some() || request.tracing_configuration.is_some();
    let updated = engine
        .update_state_machine(UpdateStateMachine {
            configuration: configured.then(|| {
                configuration(request.logging_configuration, request.tracing_configuration)
            }),
            state_machine_arn: request.state_machine_arn,
            definition: request.definition,
            role_arn: request.role_arn,
        })
        .await?;
    Ok(answer(&json!({
        "updateDate": Timestamp(updated.update_date),
        "revisionId": updated.revision_id,
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByArn {
    state_machine_arn: String,
}

pub(super) async fn delete(engine: &EngineHandle, body: &Value) -> Answer {
    let request: ByArn = request(body)?;
    engine
        .delete_state_machine(&request.state_machine_arn)
        .await?;
    Ok(answer(&json!({})))
}

pub(super) async fn describe(engine: &EngineHandle, body: &Value) -> Answer {
    let request: ByArn = request(body)?;
    let found = engine
        .describe_state_machine(&request.state_machine_arn)
        .await?;
    let mut description = described(&found);
    description.insert("status".to_owned(), json!(found.status));
    description.insert("type".to_owned(), json!("STANDARD"));
    description.insert(
        "creationDate".to_owned(),
        json!(Timestamp(found.creation_date)),
    );
    Ok(answer(&description))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByExecution {
    execution_arn: String,
}

pub(super) async fn describe_for_execution(engine: &EngineHandle, body: &Value) -> Answer {
    let request: ByExecution = request(body)?;
    let found = engine
        .describe_state_machine_for_execution(&request.execution_arn)
        .await?;
    let mut description = described(&found);
    description.insert("updateDate".to_owned(), json!(Timestamp(found.update_date)));
    Ok(answer(&description))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListRequest {
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    state_machine_arn: String,
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    creation_date: Timestamp,
}

pub(super) async fn list(engine: &EngineHandle, body: &Value) -> Answer {
    const TOKEN: &str = "stateMachines";
    let request: ListRequest = request(body)?;
    let limit = page_size(request.max_results, 100)?;
    let after: Option<String> = read_token(TOKEN, request.next_token.as_deref())?;
    let mut found = engine
        .list_state_machines(after.unwrap_or_default(), limit + 1)
        .await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| write_token(TOKEN, &last.state_machine_arn));
    let items: Vec<Item> = found
        .into_iter()
        .map(|found| Item {
            state_machine_arn: found.state_machine_arn,
            name: found.name,
            kind: "STANDARD",
            creation_date: Timestamp(found.creation_date),
        })
        .collect();
    Ok(answer(&page("stateMachines", &items, next)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionsRequest {
    state_machine_arn: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

/// No state machine has versions here, since none can be published.
pub(super) async fn versions(engine: &EngineHandle, body: &Value) -> Answer {
    let request: VersionsRequest = request(body)?;
    page_size(request.max_results, 100)?;
    if request.next_token.is_some() {
        return Err(Fault::invalid_token());
    }
    engine
        .describe_state_machine(&request.state_machine_arn)
        .await?;
    Ok(answer(&page("stateMachineVersions", &json!([]), None)))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ValidateRequest {
    definition: String,
    max_results: Option<i64>,
}

pub(super) fn validate(body: &Value) -> Answer {
    let request: ValidateRequest = request(body)?;
    let most = match request.max_results {
        None | Some(0) => 100,
        Some(number @ 1..=100) => number as usize,
        Some(number) => {
            return Err(Fault::constraint(
                "maxResults",
                &format!("'{number}'"),
                "Member must have value less than or equal to 100",
            ));
        }
    };
    let found = match StateMachine::parse(&request.definition) {
        Ok(_) => Vec::new(),
        Err(DefinitionError { diagnostics }) => diagnostics,
    };
    let diagnostics: Vec<Value> = found
        .iter()
        .take(most)
        .map(|found| {
            json!({
                "severity": "ERROR",
                "code": found.code.as_str(),
                "message": found.message,
                "location": found.location,
            })
        })
        .collect();
    Ok(answer(&json!({
        "result": if found.is_empty() { "OK" } else { "FAIL" },
        "truncated": found.len() > diagnostics.len(),
        "diagnostics": diagnostics,
    })))
}

fn described(found: &StateMachineDescription) -> Map<String, Value> {
    let mut description = Map::new();
    let mut put = |name: &str, value: Value| description.insert(name.to_owned(), value);
    put("stateMachineArn", json!(found.state_machine_arn));
    put("name", json!(found.name));
    put("definition", json!(found.definition));
    put("roleArn", json!(found.role_arn));
    if let Some(revision_id) = &found.revision_id {
        put("revisionId", json!(revision_id));
    }
    // It was written by `configuration`.
    if let Ok(Value::Object(configuration)) = serde_json::from_str(&found.configuration) {
        description.extend(configuration);
    }
    description
}

/// Logging and tracing as one text that is equal when they are. They are kept and told; this engine
/// writes no logs to CloudWatch and no traces to X-Ray.
fn configuration(logging: Option<Value>, tracing: Option<Value>) -> String {
    let mut logs = Map::new();
    logs.insert("level".to_owned(), json!("OFF"));
    logs.insert("includeExecutionData".to_owned(), json!(false));
    if let Some(Value::Object(logging)) = logging {
        logs.extend(logging);
    }
    json!({
        "loggingConfiguration": logs,
        "tracingConfiguration": tracing.unwrap_or_else(|| json!({"enabled": false})),
    })
    .to_string()
}

fn refuse_versions(publish: bool, described: bool) -> Result<(), Fault> {
    if described && !publish {
        return Err(Fault::validation(
            "Version description can only be set when publish is true",
        ));
    }
    if publish {
        return Err(Fault::validation(
            "publish: versions are not offered here: leave it out",
        ));
    }
    Ok(())
}
