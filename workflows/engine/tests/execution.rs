//! Executions from start to end. Numbers are the invariants of the crate's documentation.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::TimeDelta;
use safelight_engine::{EngineError, EngineOptions, ExecutionStatus, HistoryQuery, StopExecution};
use safelight_sqlite::DatabaseError;
use serde_json::{Value, json};
use support::{Host, Runner, clock, create, passes, start_of, task, types, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pass_states_run_in_one_write() {
    // 1, 3, 5
    let folder = tempfile::tempdir().unwrap();
    let commits = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&commits);
    let host = Host::open_with(
        &folder,
        Runner::keeping(),
        clock(),
        Some(Arc::new(move |number| seen.store(number, Ordering::SeqCst))),
        EngineOptions::default(),
    );
    let machine = host.create("passes", &passes(10)).await;
    let before = commits.load(Ordering::SeqCst);
    let started = host
        .handle()
        .start_execution(start_of(&machine, "one", r#"{ "a":  1 }"#))
        .await
        .unwrap();
    assert_eq!(commits.load(Ordering::SeqCst), before + 1);
    let found = host
        .handle()
        .describe_execution(&started.execution_arn)
        .await
        .unwrap();
    assert_eq!(found.status, ExecutionStatus::Succeeded);
    assert_eq!(
        found.input, r#"{ "a":  1 }"#,
        "the input is told as it was sent"
    );
    assert_eq!(found.output.as_deref(), Some(r#"{"a":1}"#));
    assert_eq!(found.start_date, started.start_date);
    let events = host.history(&started.execution_arn).await;
    assert_eq!(events.len(), 22);
    assert!(events.iter().zip(1..).all(|(event, id)| event.id == id));
    until(|| (host.handle().open_executions() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_used_once() {
    // 6
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let host = Host::open(&folder, runner.clone(), clock());
    let machine = host.create("m", &task(json!({}))).await;
    let handle = host.handle();
    let first = handle
        .start_execution(start_of(&machine, "n", "{}"))
        .await
        .unwrap();
    let again = handle
        .start_execution(start_of(&machine, "n", "{}"))
        .await
        .unwrap();
    assert_eq!(first, again);
    let exists = EngineError::ExecutionAlreadyExists(first.execution_arn.clone());
    let other = handle
        .start_execution(start_of(&machine, "n", r#"{"a":1}"#))
        .await;
    assert_eq!(other, Err(exists.clone()));
    runner.task(0).await.completion.succeeded(json!("done"));
    assert_eq!(
        host.finish(&first.execution_arn).await.output.as_deref(),
        Some(r#""done""#)
    );
    let closed = handle.start_execution(start_of(&machine, "n", "{}")).await;
    assert_eq!(closed, Err(exists));
    assert_eq!(runner.seen.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_start_from_many_callers_is_one_execution() {
    // 6
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let host = Host::open(&folder, runner.clone(), clock());
    let machine = host.create("m", &task(json!({}))).await;
    let starts: Vec<_> = (0..50)
        .map(|_| {
            let handle = host.handle();
            let request = start_of(&machine, "n", "{}");
            tokio::spawn(async move { handle.start_execution(request).await })
        })
        .collect();
    let mut arns = Vec::new();
    for start in starts {
        arns.push(start.await.unwrap().unwrap().execution_arn);
    }
    arns.dedup();
    assert_eq!(arns.len(), 1);
    runner.task(0).await;
    assert_eq!(host.handle().open_executions(), 1);
    assert_eq!(runner.seen.lock().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_dispatched_only_when_it_is_durable() {
    // 1: the runner looks into the database when it gets a task.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let runner = Runner::new(move |task| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let text: String = connection
            .query_row(
                "SELECT group_concat(events) FROM history JOIN executions USING (execution_id) WHERE execution_arn = ?1",
                [&*task.execution_arn],
                |row| row.get(0),
            )
            .unwrap();
        Some(Ok(json!({"durable": text.contains("TaskScheduled")})))
    });
    let host = Host::open(&folder, runner, clock());
    let machine = host.create("m", &task(json!({}))).await;
    let started = host.start(&machine, "n").await;
    let found = host.finish(&started.execution_arn).await;
    assert_eq!(found.output.as_deref(), Some(r#"{"durable":true}"#));
    let types = types(&host.history(&started.execution_arn).await);
    assert_eq!(
        types,
        [
            "ExecutionStarted",
            "TaskStateEntered",
            "TaskScheduled",
            "TaskStarted",
            "TaskSucceeded",
            "TaskStateExited",
            "ExecutionSucceeded"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_waits_by_the_clock_and_catch_takes_what_is_left() {
    // 7
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::new(|_| Some(Err(("Test.Failed".to_owned(), "again".to_owned()))));
    let clock = clock();
    let host = Host::open(&folder, runner.clone(), clock.clone());
    let mut definition = task(json!({
        "Retry": [{"ErrorEquals": ["Test.Failed"], "IntervalSeconds": 100, "MaxAttempts": 2, "BackoffRate": 2}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught", "Output": "{% $states.errorOutput.Error %}"}],
    }));
    definition["States"]["Caught"] = json!({"Type": "Pass", "End": true});
    let machine = host.create("m", &definition).await;
    let started = host.start(&machine, "n").await;
    let found = host.finish(&started.execution_arn).await;
    assert_eq!(found.output.as_deref(), Some(r#""Test.Failed""#));
    assert_eq!(runner.seen.lock().unwrap().len(), 3);
    let waited = found.stop_date.unwrap() - found.start_date;
    assert!(waited >= TimeDelta::seconds(300), "{waited}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_ends_when_the_clock_says_so() {
    // 7
    let folder = tempfile::tempdir().unwrap();
    let host = Host::open(&folder, Runner::keeping(), clock());
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "W", "States": {
        "W": {"Type": "Wait", "Seconds": 86400, "Next": "P"}, "P": {"Type": "Pass", "End": true}}});
    let machine = host.create("m", &definition).await;
    let started = host.start(&machine, "n").await;
    host.clock.advance(TimeDelta::seconds(86_399));
    let found = host
        .handle()
        .describe_execution(&started.execution_arn)
        .await
        .unwrap();
    assert_eq!(found.status, ExecutionStatus::Running);
    let found = host.finish(&started.execution_arn).await;
    assert_eq!(found.status, ExecutionStatus::Succeeded);
    assert!(found.stop_date.unwrap() - found.start_date >= TimeDelta::seconds(86_400));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_takes_too_long_times_out_and_its_late_result_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let host = Host::open(&folder, runner.clone(), clock());
    let machine = host.create("m", &task(json!({"TimeoutSeconds": 30}))).await;
    let started = host.start(&machine, "n").await;
    let task = runner.task(0).await;
    assert_eq!(task.timeout_seconds, Some(30));
    task.completion.started();
    let found = host.finish(&started.execution_arn).await;
    assert_eq!(found.error.as_deref(), Some("States.Timeout"));
    let length = host.history(&started.execution_arn).await.len();
    task.completion.succeeded(json!("late"));
    let machine = create(&host.handle(), "other", &passes(1)).await;
    host.start(&machine, "after").await;
    assert_eq!(host.history(&started.execution_arn).await.len(), length);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_execution_is_aborted_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let host = Host::open(&folder, runner.clone(), clock());
    let machine = host.create("m", &task(json!({}))).await;
    let handle = host.handle();
    let started = handle
        .start_execution(start_of(&machine, "n", "{}"))
        .await
        .unwrap();
    let task = runner.task(0).await;
    let stop = StopExecution {
        execution_arn: started.execution_arn.clone(),
        error: Some("Test.Stopped".to_owned()),
        cause: Some("enough".to_owned()),
    };
    let date = handle.stop_execution(stop.clone()).await.unwrap();
    task.completion.succeeded(json!(1));
    let found = handle
        .describe_execution(&started.execution_arn)
        .await
        .unwrap();
    assert_eq!(found.status, ExecutionStatus::Aborted);
    assert_eq!(found.error.as_deref(), Some("Test.Stopped"));
    assert_eq!(found.cause.as_deref(), Some("enough"));
    assert_eq!(found.stop_date, Some(date));
    host.clock.advance(TimeDelta::seconds(10));
    assert_eq!(
        handle.stop_execution(stop).await,
        Ok(date),
        "it keeps its end"
    );
    let nobody = StopExecution {
        execution_arn: started.execution_arn.replace(":n", ":nobody"),
        ..StopExecution::default()
    };
    assert_eq!(
        handle.stop_execution(nobody).await.unwrap_err().name(),
        "ExecutionDoesNotExist"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_hook_writes_in_the_same_transaction() {
    // 4
    let folder = tempfile::tempdir().unwrap();
    let outbox = "CREATE TABLE IF NOT EXISTS outbox (detail TEXT NOT NULL)";
    let options = EngineOptions {
        status_hook: Some(Arc::new(move |tx, change| {
            tx.execute_batch(outbox)?;
            let there: bool = tx.query_row(
                "SELECT EXISTS (SELECT 1 FROM executions WHERE execution_arn = ?1)",
                [&*change.execution_arn],
                |row| row.get(0),
            )?;
            assert!(there);
            tx.execute(
                "INSERT INTO outbox VALUES (?1)",
                [change.event_detail().to_string()],
            )?;
            Ok(())
        })),
        ..EngineOptions::default()
    };
    let host = Host::open_with(&folder, Runner::keeping(), clock(), None, options);
    let mut changes = host.handle().status_changes();
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "F", "States": {
        "F": {"Type": "Fail", "Error": "Test.Failed", "Cause": "asked to"}}});
    let machine = host.create("m", &definition).await;
    let started = host.start(&machine, "n").await;
    let details: Vec<Value> = host
        .database
        .read::<_, DatabaseError, _>(|connection| {
            let mut statement = connection.prepare("SELECT detail FROM outbox ORDER BY rowid")?;
            let rows = statement
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(rows)
        })
        .await
        .unwrap()
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    assert_eq!(details.len(), 2);
    assert_eq!(details[0]["status"], "RUNNING");
    assert_eq!(details[1]["status"], "FAILED");
    assert_eq!(details[1]["error"], "Test.Failed");
    assert_eq!(details[1]["executionArn"], started.execution_arn);
    assert_eq!(
        changes.recv().await.unwrap().status,
        ExecutionStatus::Running
    );
    assert_eq!(
        changes.recv().await.unwrap().status,
        ExecutionStatus::Failed
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_is_read_in_pages_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::new(|_| Some(Ok(json!({}))));
    let host = Host::open(&folder, runner, clock());
    let machine = host.create("m", &task(json!({}))).await;
    let started = host.start(&machine, "n").await;
    host.finish(&started.execution_arn).await;
    let all: Vec<u64> = host
        .history(&started.execution_arn)
        .await
        .iter()
        .map(|event| event.id)
        .collect();
    for reverse in [false, true] {
        for limit in 1..=all.len() + 1 {
            let mut found = Vec::new();
            let mut from = None;
            loop {
                let query = HistoryQuery {
                    reverse,
                    from,
                    limit,
                };
                let page = host
                    .handle()
                    .history(&started.execution_arn, query)
                    .await
                    .unwrap();
                assert!(page.events.len() <= limit);
                found.extend(page.events.iter().map(|event| event.id));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
            if reverse {
                found.reverse();
            }
            assert_eq!(found, all, "reverse {reverse}, pages of {limit}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tasks_start_costs_no_write_but_is_not_kept_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let commits = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&commits);
    let runner = Runner::keeping();
    let host = Host::open_with(
        &folder,
        runner.clone(),
        clock(),
        Some(Arc::new(move |number| seen.store(number, Ordering::SeqCst))),
        EngineOptions::default(),
    );
    let machine = host.create("m", &task(json!({}))).await;
    let handle = host.handle();
    let quick = handle
        .start_execution(start_of(&machine, "quick", "{}"))
        .await
        .unwrap();
    let before = commits.load(Ordering::SeqCst);
    let completion = runner.task(0).await.completion;
    completion.started();
    completion.succeeded(json!(1));
    until(|| (handle.open_executions() == 0).then_some(())).await;
    assert_eq!(commits.load(Ordering::SeqCst), before + 1);
    assert!(types(&host.history(&quick.execution_arn).await).contains(&"TaskStarted".to_owned()));

    let slow = handle
        .start_execution(start_of(&machine, "slow", "{}"))
        .await
        .unwrap();
    runner.task(1).await.completion.started();
    let mut found = types(&host.history(&slow.execution_arn).await);
    while found.last().map(String::as_str) != Some("TaskStarted") {
        host.clock.advance(TimeDelta::milliseconds(100));
        found = types(&host.history(&slow.execution_arn).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loop_without_end_ends_and_starves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::open(&folder, Runner::keeping(), clock());
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "C"}], "Default": "A"},
        "C": {"Type": "Succeed"}}});
    let endless = host.create("endless", &definition).await;
    let short = host.create("short", &passes(2)).await;
    let handle = host.handle();
    let endless = handle
        .start_execution(start_of(&endless, "n", "{}"))
        .await
        .unwrap();
    let short = handle
        .start_execution(start_of(&short, "n", "{}"))
        .await
        .unwrap();
    let found = handle
        .describe_execution(&short.execution_arn)
        .await
        .unwrap();
    assert_eq!(found.status, ExecutionStatus::Succeeded);
    let found = host.finish(&endless.execution_arn).await;
    assert_eq!(found.status, ExecutionStatus::Failed);
    assert_eq!(found.error.as_deref(), Some("States.Runtime"));
    assert_eq!(host.history(&endless.execution_arn).await.len(), 25_000);
}
