//! Runs definitions against functions that a test writes down.
#![allow(
    clippy::unwrap_used,
    dead_code,
    missing_docs,
    clippy::needless_pass_by_value
)]

use std::collections::HashMap;
use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use safelight_asl::StateMachine;
use safelight_decider::{Execution, ExecutionInfo, HistoryEvent, Moment, TaskSignal};
use serde_json::{Value, json};

/// What a function does when it is called.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Answers with this value.
    Is(Value),
    /// Answers with its own event.
    Echo,
    /// Fails with this error.
    Fails(&'static str),
    /// Never answers.
    Hangs,
}

/// An execution, its history and the functions it calls.
pub struct Run {
    pub machine: StateMachine,
    pub info: ExecutionInfo,
    pub execution: Execution,
    pub events: Vec<HistoryEvent>,
    pub now: DateTime<Utc>,
    pub seed: u64,
    pub calls: HashMap<String, usize>,
    answers: HashMap<String, Vec<Answer>>,
}

pub fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000, 0).unwrap()
}

pub fn info(input: Value) -> ExecutionInfo {
    ExecutionInfo {
        execution_arn: "arn:aws:states:eu-west-3:111111111111:execution:m:e".to_owned(),
        name: "e".to_owned(),
        state_machine_arn: "arn:aws:states:eu-west-3:111111111111:stateMachine:m".to_owned(),
        state_machine_name: "m".to_owned(),
        role_arn: "arn:aws:iam::111111111111:role/r".to_owned(),
        start_time: epoch(),
        input,
        redrive_count: 0,
    }
}

impl Run {
    pub fn new(definition: &Value, input: Value) -> Self {
        let machine =
            StateMachine::parse(&definition.to_string()).unwrap_or_else(|e| panic!("{e}"));
        let info = info(input);
        let (execution, first) = Execution::begin(&machine, info.clone());
        Self {
            machine,
            info,
            execution,
            events: vec![first],
            now: epoch(),
            seed: 0,
            calls: HashMap::new(),
            answers: HashMap::new(),
        }
    }

    /// A function's answers, one a call; the last one is repeated.
    pub fn function(mut self, name: &str, answers: &[Answer]) -> Self {
        self.answers.insert(name.to_owned(), answers.to_vec());
        self
    }

    pub fn moment(&mut self) -> Moment {
        self.seed += 1;
        Moment::new(self.now, self.seed)
    }

    pub fn push(&mut self, event: HistoryEvent) {
        self.execution.evolve(&self.machine, &event);
        self.events.push(event);
    }

    /// Decides until nothing follows at this time.
    pub fn settle(&mut self) {
        loop {
            let at = self.moment();
            let Some(event) = self.execution.decide(&self.machine, at) else {
                return;
            };
            self.push(event);
        }
    }

    pub fn signal(&mut self, task: u64, signal: TaskSignal) -> bool {
        let at = self.moment();
        let event = self.execution.task_signal(&self.machine, task, signal, at);
        let heard = event.is_some();
        if let Some(event) = event {
            self.push(event);
        }
        heard
    }

    /// Lets the oldest open task take its next step; false if none can.
    pub fn work(&mut self) -> bool {
        for task in self.execution.open_tasks() {
            if !task.started {
                return self.signal(task.id, TaskSignal::Started);
            }
            let call = *self.calls.get(&task.function_name).unwrap_or(&0);
            let answers = self.answers.get(&task.function_name);
            let answers = answers.unwrap_or_else(|| panic!("no function {}", task.function_name));
            let signal = match &answers[call.min(answers.len() - 1)] {
                Answer::Is(value) => TaskSignal::Succeeded(value.clone()),
                Answer::Echo => TaskSignal::Succeeded((*task.payload).clone()),
                Answer::Fails(error) => TaskSignal::Failed {
                    error: (*error).to_owned(),
                    cause: "because".to_owned(),
                },
                Answer::Hangs => continue,
            };
            *self.calls.entry(task.function_name.clone()).or_default() += 1;
            return self.signal(task.id, signal);
        }
        false
    }

    /// Runs to the end, moving the clock to the next timer when all wait.
    pub fn finish(&mut self) -> &mut Self {
        while self.step() {}
        self.check_history();
        self
    }

    /// One round of `finish`; false at the end, or when nothing can happen.
    pub fn step(&mut self) -> bool {
        self.settle();
        if self.work() {
            return true;
        }
        match self.execution.next_wake() {
            Some(wake) => {
                assert!(wake > self.now, "a due timer was not fired");
                self.now = wake;
                true
            }
            None => false,
        }
    }

    /// Invariant 2, and that what is stored can be read again.
    fn check_history(&self) {
        for (i, event) in self.events.iter().enumerate() {
            assert_eq!(event.id, i as u64 + 1);
            assert!(event.previous_event_id < event.id);
            let text = serde_json::to_string(event).unwrap();
            assert_eq!(&serde_json::from_str::<HistoryEvent>(&text).unwrap(), event);
        }
        Execution::replay(&self.machine, self.info.clone(), &self.events).unwrap();
    }

    /// The history, one line an event: id, the one it follows from, its type,
    /// and what tells it from others of its type.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for event in &self.events {
            let api = event.to_api();
            let _ = write!(
                lines,
                "{} {} {}",
                event.id,
                event.previous_event_id,
                api["type"].as_str().unwrap()
            );
            let details = api.as_object().unwrap().values().find(|v| v.is_object());
            for field in ["name", "state", "index", "length", "error", "location"] {
                match details.and_then(|d| d.get(field)) {
                    Some(Value::String(text)) => lines.extend([" ", text]),
                    Some(Value::Number(n)) => lines.extend([" ", &n.to_string()]),
                    _ => {}
                }
            }
            lines.push('\n');
        }
        lines
    }

    /// Compares the history with lines that a test indents as it likes.
    pub fn expect(&mut self, expected: &str) -> &mut Self {
        let trimmed: Vec<&str> = expected.lines().map(str::trim).collect();
        assert_eq!(
            self.lines().trim_end(),
            trimmed
                .join(
                    "
"
                )
                .trim_end()
        );
        self
    }

    pub fn succeeded(&self, output: &Value) {
        assert_eq!(
            self.execution.status().as_str(),
            "SUCCEEDED",
            "{:?}",
            self.execution.problem()
        );
        assert_eq!(self.execution.output().unwrap(), output);
    }

    pub fn failed(&self, error: &str, cause: &str) {
        assert_eq!(self.execution.status().as_str(), "FAILED");
        assert_eq!(self.execution.failure(), Some((error, cause)));
    }

    pub fn elapsed(&self) -> TimeDelta {
        self.now - epoch()
    }

    /// The details of the first event of this type, as the API shows them.
    pub fn details(&self, type_name: &str) -> Value {
        let api = self
            .events
            .iter()
            .map(HistoryEvent::to_api)
            .find(|e| e["type"] == type_name)
            .unwrap_or_else(|| panic!("no {type_name} in\n{}", self.lines()));
        let details = api.as_object().unwrap().values().find(|v| v.is_object());
        details.cloned().unwrap_or(Value::Null)
    }
}

/// A machine with JSONata.
pub fn machine(start: &str, states: Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": start, "States": states})
}

/// A Task that calls `f` by `lambda:invoke`, with more fields.
pub fn task(function: &str, more: Value) -> Value {
    let mut task = json!({
        "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}"
    });
    for (name, value) in more.as_object().unwrap() {
        task[name] = value.clone();
    }
    if task.get("Next").is_none() {
        task["End"] = json!(true);
    }
    task
}

pub fn flow(start: &str, states: Value) -> Value {
    json!({"StartAt": start, "States": states})
}
