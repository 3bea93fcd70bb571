//! Invocations a second, and CPU time an invocation, of the host and of its workers.
//!
//! `cargo run --release -p safelight-lambda-host --example throughput [invocations] [workers]`
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use safelight_lambda_host::{
    FunctionConfig, HostOptions, InvokeOptions, LambdaHost, WorkerCommand, worker,
};
use serde_json::{Value, json};

fn main() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        return work();
    }
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<usize>().expect("a number"));
    let invocations = arguments.next().unwrap_or(50_000);
    let workers = arguments.next().unwrap_or(2);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(invocations, workers));
}

fn work() {
    worker::die_with_parent().unwrap();
    worker::limit_self(128).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handler = |event: LambdaEvent<Value>| async move {
        Ok::<_, Diagnostic>(json!({ "event": event.payload, "pid": std::process::id() }))
    };
    runtime
        .block_on(lambda_runtime::run(service_fn(handler)))
        .unwrap();
}

async fn measure(invocations: usize, workers: usize) {
    let host = LambdaHost::new(HostOptions::default()).unwrap();
    host.register(FunctionConfig {
        name: "echo".to_owned(),
        command: WorkerCommand {
            program: std::env::current_exe().unwrap(),
            ..WorkerCommand::default()
        },
        memory_mb: 128,
        timeout: Duration::from_secs(30),
        concurrency: workers,
        version: "1".to_owned(),
    })
    .unwrap();
    let begun = Instant::now();
    invoke(&host).await;
    println!(
        "first answer after {:.1} ms",
        begun.elapsed().as_secs_f64() * 1e3
    );

    let (host_before, begun) = (cpu_ms(std::process::id()), Instant::now());
    let callers: Vec<_> = (0..workers)
        .map(|_| {
            let host = host.clone();
            tokio::spawn(async move {
                let mut pids = std::collections::BTreeSet::new();
                for _ in 0..invocations / workers {
                    pids.insert(invoke(&host).await);
                }
                pids
            })
        })
        .collect();
    let mut pids = std::collections::BTreeSet::new();
    for caller in callers {
        pids.extend(caller.await.unwrap());
    }
    let wall = begun.elapsed();
    let host_ms = cpu_ms(std::process::id()) - host_before;
    let worker_ms: f64 = pids.iter().map(|pid| cpu_ms(*pid)).sum();
    let each = |ms: f64| ms * 1e3 / invocations as f64;
    println!(
        "invocations/s            {:>8.0}",
        invocations as f64 / wall.as_secs_f64()
    );
    println!("host CPU an invocation   {:>8.1} µs", each(host_ms));
    println!("worker CPU an invocation {:>8.1} µs", each(worker_ms));
    println!("{:?}", host.stats());
    host.shutdown().await;
}

async fn invoke(host: &LambdaHost) -> u32 {
    let payload = Bytes::from_static(br#"{"bucket":"images","key":"photos/a.jpg"}"#);
    let options = InvokeOptions::default();
    let answer = host.invoke("echo", payload, options).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    u32::try_from(answer["pid"].as_u64().unwrap()).unwrap()
}

/// User and system time of a process, in milliseconds, from `/proc` (100 ticks a second).
fn cpu_ms(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields[index].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) * 10.0
}
