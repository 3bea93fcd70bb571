//! Invocations that go well, and the order and number in which they run.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::join_all;
use safelight_lambda_host::{
    Fault, FunctionConfig, HostOptions, InvokeOptions, LambdaHost, MAX_REQUEST_BYTES, RegisterError,
};
use serde_json::json;
use tokio::sync::watch;

use super::support::{Gate, function, host, host_with, invoke, is_alive, stats, until, worker_of};

#[tokio::test]
async fn an_event_goes_to_the_handler_and_its_answer_comes_back() {
    let host = host_with(FunctionConfig {
        version: "7".to_owned(),
        ..function("f")
    });
    let answer = invoke(&host, "f", json!({ "key": "한글 + %" }))
        .await
        .unwrap();
    assert_eq!(answer["event"], json!({ "key": "한글 + %" }));
    assert_eq!(
        answer["arn"],
        "arn:aws:lambda:us-east-1:000000000000:function:f:7"
    );
    assert_eq!(answer["memory"], 256);
    host.shutdown().await;
}

#[tokio::test]
async fn a_thousand_invocations_leave_one_worker() {
    let host = host_with(function("f"));
    let mut workers = std::collections::BTreeSet::new();
    for _ in 0..1_000 {
        workers.insert(worker_of(&host, "f").await);
    }
    let stats = stats(&host, "f");
    assert_eq!(workers.len(), 1);
    assert_eq!(
        (
            stats.workers,
            stats.cold_starts,
            stats.invocations,
            stats.errors,
            stats.in_flight
        ),
        (1, 1, 1_000, 0, 0)
    );
    host.shutdown().await;
}

// Invariant 2.
#[tokio::test]
async fn invocations_of_a_function_run_in_order_of_arrival() {
    let host = host_with(function("f"));
    let answers =
        join_all((0..50).map(|number| invoke(&host, "f", json!({ "number": number })))).await;
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = answer.unwrap();
        assert_eq!(answer["event"]["number"], number);
        assert_eq!(answer["count"], number);
    }
    host.shutdown().await;
}

// Invariant 1.
#[tokio::test]
async fn as_many_run_at_once_as_the_concurrency_allows() {
    let host = host_with(FunctionConfig {
        concurrency: 2,
        ..function("f")
    });
    let gate = Gate::open();
    let answers = join_all((0..3).map(|_| invoke(&host, "f", gate.event("hold"))));
    let test = async {
        let first = gate.arrival().await;
        let second = gate.arrival().await;
        assert_ne!(first.process, second.process);
        let now = stats(&host, "f");
        assert_eq!((now.in_flight, now.waiting, now.workers), (2, 1, 2));
        first.release();
        gate.arrival().await.release();
        second.release();
    };
    let (answers, ()) = tokio::join!(answers, test);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(stats(&host, "f").cold_starts, 2);
    host.shutdown().await;
}

#[tokio::test]
async fn a_limit_of_the_host_holds_over_all_functions() {
    let host = LambdaHost::new(HostOptions {
        max_in_flight: Some(1),
        ..HostOptions::default()
    })
    .unwrap();
    host.register(function("a")).unwrap();
    host.register(function("b")).unwrap();
    let gate = Gate::open();
    let first = invoke(&host, "a", gate.event("hold"));
    let test = async {
        let held = gate.arrival().await;
        let second = invoke(&host, "b", json!({}));
        let release = async {
            until(|| stats(&host, "b").waiting == 1).await;
            assert_eq!(stats(&host, "b").workers, 0);
            held.release();
        };
        tokio::join!(second, release).0
    };
    let (first, second) = tokio::join!(first, test);
    assert!(first.is_ok() && second.is_ok());
    host.shutdown().await;
}

#[tokio::test]
async fn idle_workers_beyond_one_are_stopped_after_a_while() {
    let host = LambdaHost::new(HostOptions {
        idle_timeout: Duration::from_millis(50),
        ..HostOptions::default()
    })
    .unwrap();
    host.register(FunctionConfig {
        concurrency: 3,
        ..function("f")
    })
    .unwrap();
    let gate = Gate::open();
    let answers = join_all((0..3).map(|_| invoke(&host, "f", gate.event("hold"))));
    let test = async {
        let held = [
            gate.arrival().await,
            gate.arrival().await,
            gate.arrival().await,
        ];
        held.into_iter().for_each(super::support::Held::release);
    };
    tokio::join!(answers, test);
    until(|| stats(&host, "f").workers == 1).await;
    worker_of(&host, "f").await;
    assert_eq!(stats(&host, "f").cold_starts, 3);
    host.shutdown().await;
}

#[tokio::test]
async fn an_event_that_nobody_waits_for_is_forgotten() {
    let host = host_with(function("f"));
    let gate = Gate::open();
    let first = invoke(&host, "f", gate.event("hold"));
    let test = async {
        let held = gate.arrival().await;
        let mut second = Box::pin(invoke(&host, "f", json!({})));
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(stats(&host, "f").waiting, 1);
        drop(second);
        assert_eq!(stats(&host, "f").waiting, 0);
        held.release();
    };
    tokio::join!(first, test).0.unwrap();
    let answer = invoke(&host, "f", json!({})).await.unwrap();
    assert_eq!(answer["count"], 1);
    host.shutdown().await;
}

#[tokio::test]
async fn a_deadline_ends_an_event_that_still_waits() {
    let host = host_with(function("f"));
    let gate = Gate::open();
    let first = invoke(&host, "f", gate.event("hold"));
    let test = async {
        let held = gate.arrival().await;
        let options = InvokeOptions {
            deadline: Some(Instant::now()),
            ..InvokeOptions::default()
        };
        let late = host.invoke("f", Bytes::from_static(b"{}"), options).await;
        assert_eq!(late.unwrap_err().name(), "Sandbox.Timedout");
        held.release();
    };
    tokio::join!(first, test).0.unwrap();
    host.shutdown().await;
}

#[tokio::test]
async fn a_stop_ends_the_event_that_runs_with_its_worker_and_one_that_waits() {
    // Invariant 4.
    let host = host_with(function("f"));
    let gate = Gate::open();
    let (stop, stopped) = watch::channel(false);
    let options = InvokeOptions {
        stop: Some(stopped),
        ..InvokeOptions::default()
    };
    let event = Bytes::from(gate.event("hold").to_string());
    let running = host.invoke("f", event, options.clone());
    let waiting = host.invoke("f", Bytes::from_static(b"{}"), options.clone());
    let other = invoke(&host, "f", json!({}));
    let test = async {
        let held = gate.arrival().await;
        until(|| stats(&host, "f").waiting == 2).await;
        stop.send_replace(true);
        held
    };
    let (running, waiting, other, held) = tokio::join!(running, waiting, other, test);
    for answer in [running, waiting] {
        assert_eq!(answer.unwrap_err().name(), "Lambda.ServiceException");
    }
    assert!(!is_alive(held.process));
    // Who did not ask for it is served by another worker.
    assert_ne!(other.unwrap()["pid"], held.process);
    let late = host.invoke("f", Bytes::from_static(b"{}"), options).await;
    assert_eq!(
        late.unwrap_err().error_message,
        "The invocation was stopped."
    );
    host.shutdown().await;
}

#[tokio::test]
async fn a_stop_that_comes_after_the_answer_is_no_harm() {
    let host = host_with(function("f"));
    let worker = worker_of(&host, "f").await;
    let (stop, stopped) = watch::channel(false);
    let options = InvokeOptions {
        stop: Some(stopped),
        ..InvokeOptions::default()
    };
    let answer = host.invoke("f", Bytes::from_static(b"{}"), options).await;
    answer.unwrap();
    stop.send_replace(true);
    // Nothing of the invocation is left.
    stop.closed().await;
    assert_eq!(worker_of(&host, "f").await, worker);
    host.shutdown().await;
}

#[tokio::test]
async fn too_many_waiting_events_are_refused() {
    let host = LambdaHost::new(HostOptions {
        max_waiting: 1,
        ..HostOptions::default()
    })
    .unwrap();
    host.register(function("f")).unwrap();
    let gate = Gate::open();
    let first = invoke(&host, "f", gate.event("hold"));
    let test = async {
        let held = gate.arrival().await;
        let second = invoke(&host, "f", json!({}));
        let third = async {
            until(|| stats(&host, "f").waiting == 1).await;
            let error = invoke(&host, "f", json!({})).await.unwrap_err();
            assert_eq!(error.name(), "Lambda.TooManyRequestsException");
            assert_eq!(error.fault, Fault::Host);
            held.release();
        };
        tokio::join!(second, third).0
    };
    let (first, second) = tokio::join!(first, test);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(stats(&host, "f").throttles, 1);
    host.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_an_event_is_refused_before_a_worker_starts() {
    let host = host_with(function("f"));
    let refused = |name: &'static str, payload: Bytes, options: InvokeOptions| {
        let host = host.clone();
        async move {
            host.invoke(name, payload, options)
                .await
                .unwrap_err()
                .name()
                .into_owned()
        }
    };
    let plain = InvokeOptions::default;
    let large = Bytes::from(format!("\"{}\"", "x".repeat(MAX_REQUEST_BYTES)));
    assert_eq!(
        refused("f", large, plain()).await,
        "Lambda.RequestTooLargeException"
    );
    assert_eq!(
        refused("f", Bytes::from_static(b"{"), plain()).await,
        "Lambda.InvalidRequestContentException"
    );
    let options = InvokeOptions {
        client_context: Some("{}\r\nx: y".to_owned()),
        ..plain()
    };
    assert_eq!(
        refused("f", Bytes::from_static(b"{}"), options).await,
        "Lambda.InvalidRequestContentException"
    );
    assert_eq!(
        refused("g", Bytes::from_static(b"{}"), plain()).await,
        "Lambda.ResourceNotFoundException"
    );
    assert_eq!(stats(&host, "f").cold_starts, 0);
}

#[tokio::test]
async fn an_event_and_a_response_of_nearly_6_mb_pass() {
    let host = host_with(FunctionConfig {
        memory_mb: 512,
        ..function("f")
    });
    let text = "x".repeat(MAX_REQUEST_BYTES - 1_000);
    let answer = invoke(&host, "f", json!({ "text": text })).await.unwrap();
    assert_eq!(answer["event"]["text"], text);
    host.shutdown().await;
}

#[test]
fn a_name_is_registered_once() {
    let host = host();
    host.register(function("f")).unwrap();
    assert_eq!(
        host.register(function("f")),
        Err(RegisterError::Duplicate("f".to_owned()))
    );
    assert!(matches!(
        host.register(function("a b")),
        Err(RegisterError::Invalid { field: "name", .. })
    ));
}
