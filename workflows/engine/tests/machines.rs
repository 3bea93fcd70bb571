//! State machines: their definitions, names and ends.
#![allow(clippy::unwrap_used)]

mod support;

use safelight_engine::EngineError;
use serde_json::json;
use support::{Host, Runner, clock, passes, start_of, task};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_can_change_under_open_executions() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let clock = clock();
    let host = Host::open(&folder, runner.clone(), clock.clone());
    let machine = host.create("m", &task(json!({"Output": "old"}))).await;
    let first = host.start(&machine, "first").await;
    runner.task(0).await;
    let updated = host
        .handle()
        .update_state_machine(safelight_engine::UpdateStateMachine {
            state_machine_arn: machine.clone(),
            definition: Some(task(json!({"Output": "new"})).to_string()),
            ..Default::default()
        })
        .await
        .unwrap();
    // 2: the revision is kept over a restart, too.
    drop(host);
    let runner = Runner::new(|_| Some(Ok(json!({}))));
    let host = Host::open(&folder, runner, clock);
    let second = host.start(&machine, "second").await;
    assert_eq!(
        host.finish(&first.execution_arn).await.output.as_deref(),
        Some(r#""old""#)
    );
    assert_eq!(
        host.finish(&second.execution_arn).await.output.as_deref(),
        Some(r#""new""#)
    );
    let described = host
        .handle()
        .describe_state_machine(&machine)
        .await
        .unwrap();
    assert_eq!(described.revision_id, Some(updated.revision_id));
    let of_first = host
        .handle()
        .describe_state_machine_for_execution(&first.execution_arn)
        .await
        .unwrap();
    assert!(of_first.definition.contains("old"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creating_again_is_the_same_machine_and_deleting_frees_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let runner = Runner::keeping();
    let host = Host::open(&folder, runner.clone(), clock());
    let handle = host.handle();
    let machine = host.create("m", &task(json!({}))).await;
    assert_eq!(host.create("m", &task(json!({}))).await, machine);
    let other = safelight_engine::CreateStateMachine {
        name: "m".to_owned(),
        definition: passes(1).to_string(),
        configuration: "{}".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        refused(handle.create_state_machine(other.clone()).await),
        "StateMachineAlreadyExists"
    );
    let started = handle
        .start_execution(start_of(&machine, "n", "{}"))
        .await
        .unwrap();
    let task = runner.task(0).await;
    handle.delete_state_machine(&machine).await.unwrap();
    assert_eq!(
        handle
            .describe_state_machine(&machine)
            .await
            .unwrap()
            .status,
        "DELETING"
    );
    assert_eq!(
        refused(handle.create_state_machine(other.clone()).await),
        "StateMachineDeleting"
    );
    assert_eq!(
        refused(
            handle
                .start_execution(start_of(&machine, "late", "{}"))
                .await
        ),
        "StateMachineDoesNotExist"
    );
    task.completion.succeeded(json!(1));
    host.finish(&started.execution_arn).await;
    assert_eq!(
        refused(handle.describe_state_machine(&machine).await),
        "StateMachineDoesNotExist"
    );
    assert!(handle.create_state_machine(other).await.is_ok());
}

/// The name of the error that a request was refused with.
fn refused<T: std::fmt::Debug>(answer: Result<T, EngineError>) -> String {
    answer.unwrap_err().name().to_string()
}
