//! What the API's tests share: the API on loopback over an engine, functions that answer, and AWS's own client.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEvent};
use chrono::{DateTime, TimeDelta};
use safelight_api::{ApiOptions, router};
use safelight_engine::{DispatchedTask, Engine, EngineOptions, ManualClock, TaskRunner};
use safelight_sqlite::{Database, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

pub const ROLE: &str = "arn:aws:iam::000000000000:role/test";

/// How long a test waits for what must happen.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub type Answer = Result<Value, (String, String)>;
type Function = Box<dyn Fn(&DispatchedTask) -> Answer + Send + Sync>;

/// Functions by name; a task of a name that is not there is kept open.
#[derive(Default)]
pub struct Functions {
    functions: HashMap<&'static str, Function>,
    pub open: Mutex<Vec<DispatchedTask>>,
}

impl Functions {
    pub fn with(
        mut self,
        name: &'static str,
        function: impl Fn(&DispatchedTask) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.functions.insert(name, Box::new(function));
        self
    }
}

impl TaskRunner for Functions {
    fn dispatch(&self, task: DispatchedTask) {
        match self.functions.get(task.function_name.as_str()) {
            None => self.open.lock().unwrap().push(task),
            Some(function) => {
                task.completion.started();
                match function(&task) {
                    Ok(output) => task.completion.succeeded(output),
                    Err((error, cause)) => task.completion.failed(error, cause),
                }
            }
        }
    }
}

/// The API on loopback over an engine with a clock that is moved by hand, and a client of it.
pub struct Server {
    pub client: Client,
    pub address: SocketAddr,
    pub clock: ManualClock,
    pub functions: Arc<Functions>,
    serving: tokio::task::JoinHandle<()>,
    // Dropped after the server's task has ended.
    _engine: Engine,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub async fn start(folder: &TempDir, functions: Functions, options: ApiOptions) -> Self {
        let clock = ManualClock::at(DateTime::from_timestamp_millis(1_795_248_000_000).unwrap());
        let functions = Arc::new(functions);
        let database = Database::open(folder.path().join("state.db"), Options::default()).unwrap();
        let engine_options = EngineOptions {
            clock: Arc::new(clock.clone()),
            ..EngineOptions::default()
        };
        let engine = Engine::open(&database, functions.clone(), engine_options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = router(engine.handle(), options);
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            client: client(address, "test"),
            address,
            clock,
            functions,
            serving,
            _engine: engine,
        }
    }

    pub async fn machine(&self, name: &str, definition: &Value) -> String {
        self.client
            .create_state_machine()
            .name(name)
            .definition(definition.to_string())
            .role_arn(ROLE)
            .send()
            .await
            .unwrap()
            .state_machine_arn
    }

    pub async fn begin(&self, machine: &str, name: &str, input: &Value) -> String {
        self.client
            .start_execution()
            .state_machine_arn(machine)
            .name(name)
            .input(input.to_string())
            .send()
            .await
            .unwrap()
            .execution_arn
    }

    /// Waits for the end of an execution, moving the clock on while it waits.
    pub async fn finish(&self, arn: &str) -> (ExecutionStatus, Option<String>, Option<String>) {
        let end = Instant::now() + DEADLINE;
        loop {
            let found = self
                .client
                .describe_execution()
                .execution_arn(arn)
                .send()
                .await
                .unwrap();
            if found.status != ExecutionStatus::Running {
                return (found.status, found.output, found.error);
            }
            assert!(Instant::now() < end, "{arn} does not end");
            self.clock.advance(TimeDelta::seconds(1));
        }
    }

    pub async fn history(&self, arn: &str) -> Vec<HistoryEvent> {
        self.client
            .get_execution_history()
            .execution_arn(arn)
            .send()
            .await
            .unwrap()
            .events
    }
}

pub fn client(address: SocketAddr, key: &str) -> Client {
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://{address}"))
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(key, "secret", None, None, "test"))
        .build();
    Client::from_conf(config)
}

pub fn task(function: &str, extra: &Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": {"input": "{% $states.input %}", "retry": "{% $states.context.State.RetryCount %}"}},
        "Output": "{% $states.result.Payload %}",
    });
    state
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    state
}

pub fn jsonata(start: &str, states: &Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states})
}

pub fn only(state: &Value) -> Value {
    jsonata("Only", &json!({"Only": state}))
}
