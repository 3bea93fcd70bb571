//! A stand-in for the Step Functions API on loopback: the calls that functions make, in JSON 1.0.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::http::{HttpServer, Request, Response};
use crate::sfn::{LOCAL_REGION, Workflow, local_client};

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:image";

#[derive(Default)]
struct State {
    definition: String,
    /// The definitions that were published, the oldest first.
    versions: Vec<String>,
    executions: BTreeMap<String, String>,
    /// The state machine, or the version of it, that each execution was started of.
    machines: BTreeMap<String, String>,
    histories: BTreeMap<String, Vec<Value>>,
    faults: Vec<(String, u16, String)>,
    calls: Vec<String>,
}

/// The stand-in.
pub struct StepFunctions {
    server: HttpServer,
    state: Arc<Mutex<State>>,
}

impl StepFunctions {
    /// Starts it with a state machine of this definition.
    pub fn start(definition: &Value) -> Self {
        let state = Arc::new(Mutex::new(State {
            definition: definition.to_string(),
            ..State::default()
        }));
        let shared = Arc::clone(&state);
        let server =
            HttpServer::start(move |request| answer(&mut shared.lock().unwrap(), &request));
        Self { server, state }
    }

    /// The workflow behind it.
    pub fn workflow(&self) -> Workflow {
        Workflow::new(local_client(&self.server.url(), LOCAL_REGION), MACHINE)
    }

    /// Publishes a version of the state machine, of this definition.
    pub fn publish(&self, definition: &Value) {
        let mut state = self.state.lock().unwrap();
        state.definition = definition.to_string();
        state.versions.push(definition.to_string());
    }

    /// The ARN that each execution was started of, by name.
    pub fn machines(&self) -> BTreeMap<String, String> {
        self.state.lock().unwrap().machines.clone()
    }

    /// The input of every execution, by name.
    pub fn executions(&self) -> BTreeMap<String, Value> {
        let state = self.state.lock().unwrap();
        let executions = state.executions.iter();
        executions
            .map(|(name, input)| (name.clone(), serde_json::from_str(input).unwrap()))
            .collect()
    }

    /// Sets the history of an execution.
    pub fn set_history(&self, execution: &str, events: Vec<Value>) {
        let mut state = self.state.lock().unwrap();
        state.histories.insert(execution.into(), events);
    }

    /// The next calls of `operation` answer this error, `times` of them.
    pub fn fail_next(&self, operation: &str, times: usize, status: u16, error: &str) {
        let fault = (operation.to_owned(), status, error.to_owned());
        let mut state = self.state.lock().unwrap();
        state.faults.extend(std::iter::repeat_n(fault, times));
    }

    /// The operations that were called, in order.
    pub fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }
}

fn error(status: u16, kind: &str) -> Response {
    reply(
        status,
        &json!({ "__type": kind, "message": "the test says so" }),
    )
}

fn reply(status: u16, body: &Value) -> Response {
    Response::new(status, body.to_string())
        .with_header("content-type", "application/x-amz-json-1.0")
}

fn answer(state: &mut State, request: &Request) -> Response {
    let target = request.header("x-amz-target").unwrap_or_default();
    let operation = target.trim_start_matches("AWSStepFunctions.").to_owned();
    state.calls.push(operation.clone());
    let fault = state.faults.iter().position(|(of, ..)| *of == operation);
    if let Some(fault) = fault {
        let (_, status, kind) = state.faults.remove(fault);
        return error(status, &kind);
    }
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    match operation.as_str() {
        "StartExecution" => {
            let name = body["name"].as_str().unwrap().to_owned();
            let input = body["input"].as_str().unwrap().to_owned();
            let arn = format!(
                "{}:{name}",
                MACHINE.replace(":stateMachine:", ":execution:")
            );
            if state.executions.get(&name).is_some_and(|old| *old != input) {
                return error(400, "ExecutionAlreadyExists");
            }
            let machine = body["stateMachineArn"].as_str().unwrap().to_owned();
            state.machines.entry(name.clone()).or_insert(machine);
            state.executions.insert(name, input);
            reply(
                200,
                &json!({ "executionArn": arn, "startDate": 1_795_262_400.0 }),
            )
        }
        "ListStateMachineVersions" => {
            let newest_first = (1..=state.versions.len()).rev();
            let versions = newest_first.map(|version| {
                json!({
                    "stateMachineVersionArn": format!("{MACHINE}:{version}"),
                    "creationDate": 1_795_262_400.0,
                })
            });
            let most = body["maxResults"].as_u64().unwrap() as usize;
            let page: Vec<Value> = versions.take(most).collect();
            reply(200, &json!({ "stateMachineVersions": page }))
        }
        "DescribeStateMachine" => {
            let arn = body["stateMachineArn"].as_str().unwrap();
            let version = arn.strip_prefix(MACHINE).unwrap().strip_prefix(':');
            let definition = match version {
                Some(version) => &state.versions[version.parse::<usize>().unwrap() - 1],
                None => &state.definition,
            };
            reply(
                200,
                &json!({
                    "stateMachineArn": arn,
                    "name": "image",
                    "definition": definition,
                    "roleArn": "arn:aws:iam::000000000000:role/local",
                    "type": "STANDARD",
                    "creationDate": 1_795_262_400.0,
                }),
            )
        }
        "DescribeExecution" => {
            let arn = body["executionArn"].as_str().unwrap();
            let name = arn.rsplit(':').next().unwrap();
            let events = state.histories.get(name).map_or(&[][..], Vec::as_slice);
            let Some(last) = events.last() else {
                return error(400, "ExecutionDoesNotExist");
            };
            let redriven = events.iter().filter(|it| it["type"] == "ExecutionRedriven");
            let status = match last["type"].as_str().unwrap() {
                "ExecutionSucceeded" => "SUCCEEDED",
                "ExecutionFailed" => "FAILED",
                "ExecutionTimedOut" => "TIMED_OUT",
                "ExecutionAborted" => "ABORTED",
                _ => "RUNNING",
            };
            reply(
                200,
                &json!({
                    "executionArn": arn, "stateMachineArn": MACHINE, "name": name,
                    "status": status, "startDate": 1_795_262_400.0,
                    "redriveCount": redriven.count(),
                }),
            )
        }
        "GetExecutionHistory" => {
            let arn = body["executionArn"].as_str().unwrap();
            let name = arn.rsplit(':').next().unwrap();
            let Some(events) = state.histories.get(name) else {
                return error(400, "ExecutionDoesNotExist");
            };
            // Two events a page, so that every test reads pages.
            let start: usize = body["nextToken"].as_str().map_or(0, |t| t.parse().unwrap());
            let end = events.len().min(start + 2);
            let mut page = json!({ "events": events[start..end] });
            if end < events.len() {
                page["nextToken"] = end.to_string().into();
            }
            reply(200, &page)
        }
        other => error(400, other),
    }
}
