//! How an engine stops: drained, by its store, by its runner.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use safelight_engine::{EngineError, EngineOptions, ExecutionStatus, StartExecution};
use safelight_sqlite::{Database, Options};
use serde_json::json;
use support::{Host, Runner, clock, create, passes, start_of, task, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_refuses_starts_and_waits_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let host = Host::open(&folder, runner.clone(), clock());
    let machine = host.create("m", &task(json!({}))).await;
    let started = host.start(&machine, "n").await;
    let handle = host.handle();
    let drained = tokio::spawn(async move { handle.drain().await });
    let request = StartExecution {
        state_machine_arn: machine.clone(),
        ..StartExecution::default()
    };
    loop {
        if host.handle().start_execution(request.clone()).await == Err(EngineError::Unavailable) {
            break;
        }
    }
    assert!(!drained.is_finished());
    let mut finished = 0;
    until(|| {
        let tasks = runner.seen.lock().unwrap();
        for task in tasks.iter().skip(finished) {
            task.completion.succeeded(json!(1));
        }
        finished = tasks.len();
        drained.is_finished().then_some(())
    })
    .await;
    assert_eq!(drained.await.unwrap(), Ok(()));
    assert_eq!(
        host.finish(&started.execution_arn).await.status,
        ExecutionStatus::Succeeded
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_engine_with_its_name() {
    // 8
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = Database::open(
        &path,
        Options {
            max_page_count: Some(64),
            ..Options::default()
        },
    )
    .unwrap();
    let engine =
        safelight_engine::Engine::open(&database, Runner::keeping(), EngineOptions::default())
            .unwrap();
    let handle = engine.handle();
    let machine = create(&handle, "m", &passes(3)).await;
    let input = json!({"filler": "x".repeat(3000)}).to_string();
    let mut acknowledged = Vec::new();
    let error = loop {
        let request = StartExecution {
            state_machine_arn: machine.clone(),
            input: Some(input.clone()),
            ..StartExecution::default()
        };
        match handle.start_execution(request).await {
            Ok(started) => acknowledged.push(started.execution_arn),
            Err(error) => break error,
        }
    };
    assert_eq!(error.name(), "Store.Full");
    assert_eq!(handle.stopped().await.unwrap_err().name(), "Store.Full");
    let later = handle
        .start_execution(start_of(&machine, "later", "{}"))
        .await;
    assert_eq!(later.unwrap_err().name(), "Store.Full");
    engine.shutdown();
    database.shutdown();
    assert!(!acknowledged.is_empty());
    let host = Host::open(&folder, Runner::keeping(), clock());
    for arn in acknowledged {
        assert_eq!(host.finish(&arn).await.status, ExecutionStatus::Succeeded);
    }
}

struct Panics;

impl safelight_engine::TaskRunner for Panics {
    fn dispatch(&self, _: safelight_engine::DispatchedTask) {
        panic!("asked to");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_panics_stops_the_engine_and_nothing_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let host = Host::open(&folder, Arc::new(Panics), clock());
    let machine = host.create("m", &task(json!({}))).await;
    let handle = host.handle();
    // The start may be acknowledged or not; it is durable either way.
    drop(handle.start_execution(start_of(&machine, "n", "{}")).await);
    assert_eq!(handle.stopped().await.unwrap_err().name(), "Store.Panicked");
    assert!(
        handle
            .start_execution(start_of(&machine, "later", "{}"))
            .await
            .is_err()
    );
    drop(host);
    let runner = Runner::new(|_| Some(Ok(json!("done"))));
    let host = Host::open(&folder, runner, clock());
    let arn = machine.replace(":stateMachine:", ":execution:") + ":n";
    assert_eq!(host.finish(&arn).await.output.as_deref(), Some(r#""done""#));
}
