//! Workers that crash, hang, grow or lie: the name that Lambda gives, and a fresh worker afterwards.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::join_all;
use safelight_lambda_host::{
    Fault, FunctionConfig, HostOptions, InvokeError, LambdaHost, WorkerCommand,
};
use serde_json::{Value, json};

use super::support::{
    Gate, function, host_with, invoke, is_alive, kill_9, stats, until, worker_of,
};

/// Runs `event` on a function that has a worker; the error, once a fresh worker answered.
async fn broken_by(config: FunctionConfig, event: Value) -> InvokeError {
    let host = host_with(config);
    let before = worker_of(&host, "f").await;
    let error = invoke(&host, "f", event).await.unwrap_err();
    // Invariant 4.
    assert!(!is_alive(before), "reaped before the answer");
    assert_ne!(worker_of(&host, "f").await, before);
    let stats = stats(&host, "f");
    assert_eq!((stats.workers, stats.cold_starts, stats.errors), (1, 2, 1));
    host.shutdown().await;
    error
}

fn assert_worker_fault(error: &InvokeError, name: &str, ending: &str) {
    assert_eq!(error.name(), name, "{error}");
    assert_eq!(error.fault, Fault::Worker);
    assert!(error.error_message.starts_with("RequestId: "), "{error}");
    assert!(error.error_message.ends_with(ending), "{error}");
    let cause: Value = serde_json::from_str(&error.cause()).unwrap();
    assert_eq!(cause["errorType"], name);
    assert_eq!(cause["errorMessage"], error.error_message);
}

#[tokio::test]
async fn a_handlers_error_passes_through_and_the_worker_stays() {
    let host = host_with(function("f"));
    let before = worker_of(&host, "f").await;
    let error = invoke(&host, "f", json!({ "do": "error" }))
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Function);
    assert_eq!(error.name(), "Image.Truncated");
    assert_eq!(error.error_message, "the file ends before its pixels do");
    assert_eq!(worker_of(&host, "f").await, before);
    host.shutdown().await;
}

#[tokio::test]
async fn a_panic_is_the_handlers_error_and_the_worker_stays() {
    let host = host_with(function("f"));
    let before = worker_of(&host, "f").await;
    let error = invoke(&host, "f", json!({ "do": "panic" }))
        .await
        .unwrap_err();
    assert_eq!(error.fault, Fault::Function);
    assert!(
        error.error_message.contains("a bug in the handler"),
        "{error}"
    );
    assert_eq!(worker_of(&host, "f").await, before);
    host.shutdown().await;
}

#[tokio::test]
async fn an_exit_is_an_exit_error_with_the_last_lines_of_the_log() {
    let error = broken_by(function("f"), json!({ "do": "exit", "code": 3 })).await;
    assert_worker_fault(
        &error,
        "Runtime.ExitError",
        " Error: Runtime exited with error: exit status 3",
    );
    assert!(error.cause().contains("about to exit"));
}

#[tokio::test]
async fn an_exit_without_an_error_is_an_exit_error_too() {
    let error = broken_by(function("f"), json!({ "do": "exit", "code": 0 })).await;
    assert_worker_fault(
        &error,
        "Runtime.ExitError",
        " Error: Runtime exited without providing a reason",
    );
}

#[tokio::test]
async fn an_abort_that_is_not_for_memory_is_an_exit_error() {
    let error = broken_by(function("f"), json!({ "do": "abort" })).await;
    assert_worker_fault(
        &error,
        "Runtime.ExitError",
        " Error: Runtime exited with error: signal: aborted",
    );
}

#[tokio::test]
async fn a_worker_killed_in_mid_invocation_is_an_exit_error() {
    let host = host_with(function("f"));
    let gate = Gate::open();
    let answer = invoke(&host, "f", gate.event("hold"));
    let kill = async {
        let held = gate.arrival().await;
        kill_9(held.process);
        held.ended().await;
    };
    let error = tokio::join!(answer, kill).0.unwrap_err();
    assert_worker_fault(
        &error,
        "Runtime.ExitError",
        " Error: Runtime exited with error: signal: killed",
    );
    worker_of(&host, "f").await;
    host.shutdown().await;
}

// Invariant 3.
#[tokio::test]
async fn a_worker_killed_while_idle_costs_no_invocation() {
    let host = host_with(function("f"));
    let before = worker_of(&host, "f").await;
    until(|| stats(&host, "f").idle == 1).await;
    kill_9(before);
    until(|| stats(&host, "f").workers == 0).await;
    assert_ne!(worker_of(&host, "f").await, before);
    assert_eq!(stats(&host, "f").errors, 0);
    host.shutdown().await;
}

#[tokio::test]
async fn an_invocation_past_its_timeout_is_killed() {
    let host = host_with(FunctionConfig {
        timeout: Duration::from_millis(250),
        ..function("f")
    });
    let error = invoke(&host, "f", json!({ "do": "hang" }))
        .await
        .unwrap_err();
    assert_worker_fault(
        &error,
        "Sandbox.Timedout",
        " Error: Task timed out after 0.25 seconds",
    );
    assert_eq!(stats(&host, "f").workers, 0);
    host.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_grows_past_its_memory_is_killed_by_the_host() {
    let mut config = function("f");
    config.memory_mb = 96;
    config.command.env = vec![("WORKER_INIT".to_owned(), "unlimited".to_owned())];
    let error = broken_by(config, json!({ "do": "leak" })).await;
    assert_worker_fault(
        &error,
        "Runtime.OutOfMemory",
        " Error: Runtime exited with error: signal: killed",
    );
}

#[tokio::test]
async fn a_leak_in_a_worker_with_its_own_limit_is_out_of_memory_too() {
    let config = FunctionConfig {
        memory_mb: 96,
        ..function("f")
    };
    let error = broken_by(config, json!({ "do": "leak" })).await;
    assert_eq!(error.name(), "Runtime.OutOfMemory");
}

#[tokio::test]
async fn one_huge_allocation_is_refused_by_the_workers_own_limit() {
    let event = json!({ "do": "allocate", "bytes": 8_u64 << 30 });
    let error = broken_by(function("f"), event).await;
    assert_eq!(error.name(), "Runtime.OutOfMemory");
}

#[tokio::test]
async fn a_response_above_6_mb_is_refused_and_the_worker_stays() {
    let host = host_with(FunctionConfig {
        memory_mb: 512,
        ..function("f")
    });
    let before = worker_of(&host, "f").await;
    let event = json!({ "do": "string", "bytes": 7 << 20 });
    let error = invoke(&host, "f", event).await.unwrap_err();
    assert_eq!(error.name(), "Function.ResponseSizeTooLarge");
    assert_eq!(
        error.error_message,
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    );
    assert_eq!(worker_of(&host, "f").await, before);
    host.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_exits_before_it_is_ready_is_an_init_error() {
    let mut config = function("f");
    config.concurrency = 4;
    config.command.env = vec![("WORKER_INIT".to_owned(), "exit".to_owned())];
    let host = host_with(config);
    let answers = join_all((0..40).map(|_| invoke(&host, "f", json!({})))).await;
    let mut requests = std::collections::BTreeSet::new();
    for answer in answers {
        let error = answer.unwrap_err();
        assert_worker_fault(
            &error,
            "Runtime.InitError",
            " Error: Runtime exited with error: exit status 7",
        );
        let said = |line: &String| line.contains("cannot read the model");
        assert!(error.log_tail.iter().any(said), "{:?}", error.log_tail);
        requests.insert(error.error_message);
    }
    assert_eq!(requests.len(), 40, "each names its own request");
    let stats = stats(&host, "f");
    assert_eq!(
        (stats.workers, stats.invocations, stats.errors),
        (0, 40, 40)
    );
    assert!(stats.cold_starts <= 4, "no start for each: {stats:?}");
    host.shutdown().await;
}

#[tokio::test]
async fn a_worker_that_never_gets_ready_times_out() {
    let host = LambdaHost::new(HostOptions {
        init_timeout: Duration::from_millis(250),
        ..HostOptions::default()
    })
    .unwrap();
    let mut config = function("f");
    config.command.env = vec![("WORKER_INIT".to_owned(), "hang".to_owned())];
    host.register(config).unwrap();
    let error = invoke(&host, "f", json!({})).await.unwrap_err();
    assert_worker_fault(
        &error,
        "Sandbox.Timedout",
        " Error: Task timed out after 0.25 seconds",
    );
    host.shutdown().await;
}

#[tokio::test]
async fn a_command_that_cannot_start_is_an_invalid_entrypoint() {
    let not_executable = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    for program in [PathBuf::from("/nonexistent/worker"), not_executable] {
        let host = host_with(FunctionConfig {
            command: WorkerCommand {
                program: program.clone(),
                ..WorkerCommand::default()
            },
            ..function("f")
        });
        let error = invoke(&host, "f", json!({})).await.unwrap_err();
        assert_worker_fault(&error, "Runtime.InvalidEntrypoint", ")");
        assert!(error.error_message.contains(program.to_str().unwrap()));
        host.shutdown().await;
    }
}

#[tokio::test]
async fn a_function_that_starts_again_after_failed_starts_recovers() {
    let directory = std::env::temp_dir().join(format!("safelight-host-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let program = directory.join("worker");
    let host = host_with(FunctionConfig {
        command: WorkerCommand {
            program: program.clone(),
            ..function("f").command
        },
        ..function("f")
    });
    for _ in 0..2 {
        let error = invoke(&host, "f", json!({})).await.unwrap_err();
        assert_eq!(error.name(), "Runtime.InvalidEntrypoint");
    }
    std::os::unix::fs::symlink(std::env::current_exe().unwrap(), &program).unwrap();
    worker_of(&host, "f").await;
    host.shutdown().await;
    std::fs::remove_dir_all(&directory).unwrap();
}
