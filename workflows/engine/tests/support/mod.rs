//! What the engine's tests share: a database in a folder of its own, a clock that is moved by hand,
//! and a runner that answers at once or keeps tasks until it is told.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta};
use safelight_engine::{
    CreateStateMachine, DispatchedTask, Engine, EngineHandle, EngineOptions, ExecutionDescription,
    ExecutionStatus, HistoryEvent, HistoryQuery, ManualClock, StartExecution, Started, TaskRunner,
};
use safelight_sqlite::{CommitHook, Database, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for what must happen.
const DEADLINE: Duration = Duration::from_secs(60);

/// What a function answers.
pub type Answer = Result<Value, (String, String)>;
type Function = Box<dyn Fn(&DispatchedTask) -> Option<Answer> + Send + Sync>;

/// Answers tasks on the spot, or keeps those that its function has no answer for.
pub struct Runner {
    function: Function,
    pub seen: Mutex<Vec<DispatchedTask>>,
}

impl Runner {
    pub fn new(
        function: impl Fn(&DispatchedTask) -> Option<Answer> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            function: Box::new(function),
            seen: Mutex::new(Vec::new()),
        })
    }

    /// Keeps every task.
    pub fn keeping() -> Arc<Self> {
        Self::new(|_| None)
    }

    /// The task of this place in the order of dispatch, once it is there.
    pub async fn task(&self, index: usize) -> DispatchedTask {
        until(|| self.seen.lock().unwrap().get(index).cloned()).await
    }
}

impl TaskRunner for Runner {
    fn dispatch(&self, task: DispatchedTask) {
        let answer = (self.function)(&task);
        let completion = task.completion.clone();
        self.seen.lock().unwrap().push(task);
        match answer {
            Some(Ok(output)) => {
                completion.started();
                completion.succeeded(output);
            }
            Some(Err((error, cause))) => {
                completion.started();
                completion.failed(error, cause);
            }
            None => {}
        }
    }
}

pub fn clock() -> ManualClock {
    ManualClock::at(DateTime::from_timestamp_millis(1_795_248_000_000).unwrap())
}

/// One host's life: dropped, it is gone like a process.
pub struct Host {
    pub engine: Engine,
    pub database: Database,
    pub clock: ManualClock,
}

impl Host {
    pub fn open(folder: &TempDir, runner: Arc<dyn TaskRunner>, clock: ManualClock) -> Self {
        Self::open_with(folder, runner, clock, None, EngineOptions::default())
    }

    pub fn open_with(
        folder: &TempDir,
        runner: Arc<dyn TaskRunner>,
        clock: ManualClock,
        on_commit: Option<CommitHook>,
        options: EngineOptions,
    ) -> Self {
        let database = Database::open(
            folder.path().join("state.db"),
            Options {
                on_commit,
                ..Options::default()
            },
        )
        .unwrap();
        let options = EngineOptions {
            clock: Arc::new(clock.clone()),
            ..options
        };
        let engine = Engine::open(&database, runner, options).unwrap();
        Self {
            engine,
            database,
            clock,
        }
    }

    pub fn handle(&self) -> EngineHandle {
        self.engine.handle()
    }

    /// Creates a state machine; gives its ARN.
    pub async fn create(&self, name: &str, definition: &Value) -> String {
        create(&self.handle(), name, definition).await
    }

    /// Starts an execution with the input `{}`.
    pub async fn start(&self, machine: &str, name: &str) -> Started {
        let request = start_of(machine, name, "{}");
        self.handle().start_execution(request).await.unwrap()
    }

    /// Waits for the end of an execution, moving the clock on while it waits.
    pub async fn finish(&self, arn: &str) -> ExecutionDescription {
        let end = Instant::now() + DEADLINE;
        loop {
            let found = self.handle().describe_execution(arn).await.unwrap();
            if found.status != ExecutionStatus::Running {
                return found;
            }
            assert!(Instant::now() < end, "{arn} does not end");
            self.clock.advance(TimeDelta::seconds(1));
            tokio::task::yield_now().await;
        }
    }

    pub async fn history(&self, arn: &str) -> Vec<HistoryEvent> {
        let query = HistoryQuery {
            reverse: false,
            from: None,
            limit: 100_000,
        };
        self.handle().history(arn, query).await.unwrap().events
    }
}

pub async fn create(handle: &EngineHandle, name: &str, definition: &Value) -> String {
    let request = CreateStateMachine {
        name: name.to_owned(),
        definition: definition.to_string(),
        role_arn: "arn:aws:iam::000000000000:role/test".to_owned(),
        kind: None,
        configuration: "{}".to_owned(),
    };
    handle
        .create_state_machine(request)
        .await
        .unwrap()
        .state_machine_arn
}

pub fn start_of(machine: &str, name: &str, input: &str) -> StartExecution {
    StartExecution {
        state_machine_arn: machine.to_owned(),
        name: Some(name.to_owned()),
        input: Some(input.to_owned()),
    }
}

/// Polls until there is a value.
pub async fn until<T>(mut poll: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(Instant::now() < end, "it does not happen");
        tokio::task::yield_now().await;
    }
}

/// The types of a history's events, as the API names them.
pub fn types(events: &[HistoryEvent]) -> Vec<String> {
    events
        .iter()
        .map(|event| event.to_api()["type"].as_str().unwrap().to_owned())
        .collect()
}

/// A chain of Pass states.
pub fn passes(count: usize) -> Value {
    let states: serde_json::Map<String, Value> = (0..count)
        .map(|index| {
            let mut state = json!({"Type": "Pass"});
            if index + 1 < count {
                state["Next"] = json!(format!("S{}", index + 1));
            } else {
                state["End"] = json!(true);
            }
            (format!("S{index}"), state)
        })
        .collect();
    json!({"QueryLanguage": "JSONata", "StartAt": "S0", "States": states})
}

/// One Task, with these fields beside the usual ones.
pub fn task(fields: Value) -> Value {
    let mut state = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "work", "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        "End": true,
    });
    let Value::Object(fields) = fields else {
        panic!("an object")
    };
    state.as_object_mut().unwrap().extend(fields);
    json!({"QueryLanguage": "JSONata", "StartAt": "Work", "States": {"Work": state}})
}
