//! Nothing may be left behind.

use std::net::TcpStream;
use std::process::{Command, Stdio};

use safelight_lambda_host::{FunctionConfig, LambdaHost};
use serde_json::json;

use super::support::{
    Gate, function, host_with, invoke, is_alive, kill_9, stats, until, worker_of,
};

// Invariant 6.
#[tokio::test]
async fn shutdown_in_mid_invocation_leaves_no_child_and_no_port() {
    let host = host_with(FunctionConfig {
        concurrency: 2,
        ..function("f")
    });
    let echo = invoke(&host, "f", json!({})).await.unwrap();
    let port = echo["api"].as_str().unwrap().to_owned();
    let gate = Gate::open();
    let running = futures::future::join_all((0..3).map(|_| invoke(&host, "f", gate.event("hold"))));
    let test = async {
        let held = [gate.arrival().await, gate.arrival().await];
        host.shutdown().await;
        for held in held {
            assert!(!is_alive(held.process));
            held.ended().await;
        }
    };
    let (answers, ()) = tokio::join!(running, test);
    for answer in answers {
        assert_eq!(answer.unwrap_err().name(), "Lambda.ServiceException");
    }
    assert_eq!(stats(&host, "f").workers, 0);
    until(|| TcpStream::connect(&port).is_err()).await;
    let late = invoke(&host, "f", json!({})).await.unwrap_err();
    assert_eq!(late.name(), "Lambda.ServiceException");
}

#[tokio::test]
async fn drain_finishes_what_runs_and_waits_and_adds_nothing() {
    let host = host_with(function("f"));
    let gate = Gate::open();
    let running = invoke(&host, "f", gate.event("hold"));
    let waiting = invoke(&host, "f", json!({}));
    let test = async {
        let held = gate.arrival().await;
        let mut drain = Box::pin(host.drain());
        assert!(futures::poll!(&mut drain).is_pending());
        let late = invoke(&host, "f", json!({})).await.unwrap_err();
        assert_eq!(late.name(), "Lambda.ServiceException");
        held.release();
        drain.await;
    };
    let (running, waiting, ()) = tokio::join!(running, waiting, test);
    assert!(running.is_ok() && waiting.is_ok());
    let stats = stats(&host, "f");
    assert_eq!((stats.in_flight, stats.waiting), (0, 0));
    host.shutdown().await;
}

#[tokio::test]
async fn dropping_the_last_handle_kills_the_workers() {
    let host = host_with(function("f"));
    let clone = host.clone();
    let worker = worker_of(&host, "f").await;
    drop(host);
    assert_eq!(worker_of(&clone, "f").await, worker);
    drop(clone);
    until(|| !is_alive(worker)).await;
}

#[test]
fn dropping_the_runtime_kills_the_workers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let host = host_with(function("f"));
    let worker = runtime.block_on(worker_of(&host, "f"));
    drop(runtime);
    let waiter = tokio::runtime::Runtime::new().unwrap();
    waiter.block_on(until(|| !is_running(worker)));
}

#[tokio::test]
async fn what_a_worker_started_ends_with_it() {
    let host = host_with(function("f"));
    let gate = Gate::open();
    let answer = invoke(&host, "f", gate.event("abandon"));
    let test = async {
        let held = gate.arrival().await;
        let grandchild = held.process;
        assert!(is_running(grandchild));
        held.release();
        grandchild
    };
    let (answer, grandchild) = tokio::join!(answer, test);
    assert_eq!(answer.unwrap_err().name(), "Runtime.ExitError");
    until(|| !is_running(grandchild)).await;
    host.shutdown().await;
}

#[tokio::test]
async fn a_busy_worker_dies_with_a_host_that_is_killed() {
    let gate = Gate::open();
    let mut host = Command::new(std::env::current_exe().unwrap())
        .args([
            "lifecycle::host_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("HOST_EVENT", gate.event("hold").to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let held = gate.arrival().await;
    kill_9(host.id());
    host.wait().unwrap();
    held.ended().await;
}

#[tokio::test]
#[ignore = "not a test: the host process that another one kills"]
async fn host_process() {
    let Ok(event) = std::env::var("HOST_EVENT") else {
        return;
    };
    let host: LambdaHost = host_with(function("f"));
    let answer = invoke(&host, "f", serde_json::from_str(&event).unwrap()).await;
    panic!("the test should have killed this process: {answer:?}");
}

/// Alive, and not a zombie that its new parent has not reaped yet.
fn is_running(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    })
}
