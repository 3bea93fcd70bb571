//! Invariant 2: the host is killed after each commit in turn, and the run ends as if it had not been.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use safelight_engine::{EngineOptions, ExecutionDescription, ExecutionStatus, HistoryEvent};
use serde_json::{Value, json};
use support::{Host, Runner, clock, create, start_of, types};
use tempfile::TempDir;

/// A run with a task that is retried, a Map of tasks of which one fails and is caught, a Choice, a
/// Wait and a Parallel.
fn definition() -> Value {
    let task = |function: &str, extra: Value| {
        let mut state = json!({
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": function, "Payload": {
                "input": "{% $states.input %}", "retry": "{% $states.context.State.RetryCount %}"}},
            "Output": "{% $states.result.Payload %}",
        });
        state
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        state
    };
    json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Flaky",
        "States": {
            "Flaky": task("flaky", json!({
                "Retry": [{"ErrorEquals": ["Test.Passing"], "IntervalSeconds": 5, "MaxAttempts": 3, "BackoffRate": 2, "JitterStrategy": "FULL"}],
                "Next": "Each"})),
            "Each": {
                "Type": "Map",
                "Items": [1, 2, 3],
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "One",
                    "States": {
                        "One": task("one", json!({
                            "Catch": [{"ErrorEquals": ["Test.Bad"], "Next": "Bad", "Output": "{% $states.errorOutput.Error %}"}],
                            "End": true})),
                        "Bad": {"Type": "Pass", "End": true},
                    },
                },
                "Next": "Pause",
            },
            "Pause": {"Type": "Wait", "Seconds": 60, "Next": "Which"},
            "Which": {"Type": "Choice", "Choices": [{"Condition": "{% $count($states.input) = 3 %}", "Next": "Both"}], "Default": "Wrong"},
            "Wrong": {"Type": "Fail", "Error": "Test.Wrong"},
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "Left", "States": {"Left": task("left", json!({"End": true}))}},
                    {"StartAt": "Right", "States": {"Right": {"Type": "Pass", "Output": "right", "End": true}}},
                ],
                "End": true,
            },
        },
    })
}

fn runner() -> Arc<Runner> {
    Runner::new(|task| {
        let payload = &task.payload;
        let fail = |error: &str| Some(Err((error.to_owned(), "as asked".to_owned())));
        match task.function_name.as_str() {
            "flaky" if payload["retry"].as_u64() < Some(2) => fail("Test.Passing"),
            "one" if payload["input"] == 2 => fail("Test.Bad"),
            name => Some(Ok(json!({"did": name, "with": payload["input"]}))),
        }
    })
}

/// What must be the same, however often the run was interrupted: everything but times and the
/// order of concurrent iterations.
fn outcome(found: &ExecutionDescription, events: &[HistoryEvent]) -> Value {
    let mut counts = BTreeMap::new();
    for kind in types(events) {
        // A task's start may be lost with the process that saw it.
        if kind != "TaskStarted" {
            *counts.entry(kind).or_insert(0) += 1;
        }
    }
    json!({"status": found.status.as_str(), "output": found.output, "events": counts})
}

async fn undisturbed() -> Value {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::open(&folder, runner(), clock());
    let machine = host.create("m", &definition()).await;
    let started = host.start(&machine, "n").await;
    let found = host.finish(&started.execution_arn).await;
    outcome(&found, &host.history(&started.execution_arn).await)
}

/// Runs until the kill after commit `kill`; says whether it came before the end.
async fn killed_after(folder: &TempDir, kill: u64) -> bool {
    let host = Host::open_with(
        folder,
        runner(),
        clock(),
        Some(Arc::new(move |number| {
            assert!(number < kill, "killed here");
        })),
        EngineOptions::default(),
    );
    let handle = host.handle();
    let request = safelight_engine::CreateStateMachine {
        name: "m".to_owned(),
        definition: definition().to_string(),
        configuration: "{}".to_owned(),
        ..Default::default()
    };
    let Ok(machine) = handle.create_state_machine(request).await else {
        return true;
    };
    let Ok(started) = handle
        .start_execution(start_of(&machine.state_machine_arn, "n", "{}"))
        .await
    else {
        return true;
    };
    let mut stopped = Box::pin(handle.stopped());
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return true,
            found = handle.describe_execution(&started.execution_arn) => match found {
                Ok(found) if found.status != ExecutionStatus::Running => return false,
                _ => host.clock.advance(TimeDelta::seconds(1)),
            },
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_after_any_commit_changes_nothing() {
    let expected = undisturbed().await;
    assert_eq!(expected["status"], "SUCCEEDED", "{expected}");
    // The first commit of this process is the migration of the engine's tables, without which the
    // host does not open.
    let mut kills = 0;
    for kill in 2.. {
        let folder = tempfile::tempdir().unwrap();
        if !killed_after(&folder, kill).await {
            break;
        }
        kills += 1;
        let runner = runner();
        let host = Host::open(&folder, runner.clone(), clock());
        let machine = create(&host.handle(), "m", &definition()).await;
        // The start may not have been acknowledged: asking again is the same execution.
        let arn = match host
            .handle()
            .start_execution(start_of(&machine, "n", "{}"))
            .await
        {
            Ok(started) => started.execution_arn,
            Err(safelight_engine::EngineError::ExecutionAlreadyExists(arn)) => arn,
            Err(error) => panic!("{error}"),
        };
        let found = host.finish(&arn).await;
        let events = host.history(&arn).await;
        assert_eq!(
            outcome(&found, &events),
            expected,
            "killed after commit {kill}"
        );
        assert!(
            events.iter().zip(1..).all(|(event, id)| event.id == id),
            "killed after commit {kill}"
        );
    }
    assert!(kills >= 6, "only {kills} kills");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_result_is_never_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let clock = clock();
    let first = Runner::new(|task| (task.function_name == "flaky").then(|| Ok(json!(1))));
    let host = Host::open(&folder, first.clone(), clock.clone());
    let machine = host.create("m", &definition()).await;
    let started = host.start(&machine, "n").await;
    // One of the three items is done, and that is durable before the fourth dispatch is seen.
    first.task(3).await;
    let done = first.task(1).await;
    done.completion.succeeded(json!("first life"));
    support::until(|| {
        let connection = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
        let found: bool = connection
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM history WHERE events LIKE '%first life%')",
                [],
                |row| row.get(0),
            )
            .unwrap();
        found.then_some(())
    })
    .await;
    drop(host);
    let second = runner();
    let host = Host::open(&folder, second.clone(), clock);
    let found = host.finish(&started.execution_arn).await;
    assert_eq!(found.status, ExecutionStatus::Succeeded);
    assert!(
        host.history(&started.execution_arn)
            .await
            .iter()
            .any(|event| event.to_api().to_string().contains("first life"))
    );
    let again: Vec<u64> = second
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|task| task.task_id)
        .collect();
    assert!(!again.contains(&done.task_id));
    assert_eq!(again.len(), 3, "two open items, then Left: {again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_was_due_while_the_host_was_down_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 60, "End": true}}});
    let first = clock();
    let host = Host::open(&folder, Runner::keeping(), first.clone());
    let machine = host.create("m", &definition).await;
    let started = host.start(&machine, "n").await;
    drop(host);
    let later = clock();
    later.advance(TimeDelta::hours(1));
    let host = Host::open(&folder, Runner::keeping(), later);
    let mut open = host.handle().open_executions();
    while open > 0 {
        tokio::task::yield_now().await;
        open = host.handle().open_executions();
    }
    let found = host
        .handle()
        .describe_execution(&started.execution_arn)
        .await
        .unwrap();
    assert_eq!(found.status, ExecutionStatus::Succeeded);
}
