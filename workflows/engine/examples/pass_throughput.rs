//! How many durable executions of ten Pass states a second, in process.
//!
//! `cargo run --release -p safelight-engine --example pass_throughput [EXECUTIONS] [CONCURRENCY]`

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use safelight_engine::{
    CreateStateMachine, DispatchedTask, Engine, EngineError, EngineOptions, HistoryQuery,
    StartExecution, TaskRunner,
};
use safelight_sqlite::{Database, DatabaseError, Options};
use serde_json::{Map, Value, json};

struct NoTasks;

impl TaskRunner for NoTasks {
    fn dispatch(&self, task: DispatchedTask) {
        task.completion
            .failed("Lambda.Unknown", "this program has no functions");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let executions: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let concurrency: usize = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let folder = tempfile::tempdir_in(".")?;
    let database = Database::open(folder.path().join("state.db"), Options::default())?;
    let engine = Engine::open(&database, Arc::new(NoTasks), EngineOptions::default())?;
    let handle = engine.handle();
    let machine = handle
        .create_state_machine(CreateStateMachine {
            name: "passes".to_owned(),
            definition: ten_passes().to_string(),
            configuration: "{}".to_owned(),
            ..CreateStateMachine::default()
        })
        .await?
        .state_machine_arn;
    let next = Arc::new(AtomicUsize::new(0));
    let (cpu, begun) = (cpu_seconds(), Instant::now());
    let starters: Vec<_> = (0..concurrency)
        .map(|_| {
            let (handle, machine, next) = (handle.clone(), machine.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= executions {
                        return Ok::<_, EngineError>(());
                    }
                    let request = StartExecution {
                        state_machine_arn: machine.clone(),
                        name: Some(format!("execution-{number}")),
                        input: Some(json!({"i": number}).to_string()),
                    };
                    handle.start_execution(request).await?;
                }
            })
        })
        .collect();
    for starter in starters {
        starter.await??;
    }
    let measured = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let last = last_arn(&machine, executions);
    let query = HistoryQuery {
        reverse: false,
        from: None,
        limit: 100,
    };
    let events = handle.history(&last, query).await?.events.len();
    let succeeded: i64 = database
        .read(|connection| -> Result<i64, DatabaseError> {
            let sql = "SELECT count(*) FROM executions WHERE status = 'SUCCEEDED'";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        })
        .await?;
    let (seconds, cpu) = measured;
    println!("{succeeded} succeeded; {events} history events each");
    println!(
        "{executions} executions of ten Pass states, {concurrency} at a time: {seconds:.2} s, {:.0} executions/s, {:.2} CPU s, {} KiB resident",
        executions as f64 / seconds,
        cpu,
        resident_kib(),
    );
    engine.shutdown();
    Ok(())
}

fn last_arn(machine: &str, executions: usize) -> String {
    let last = executions.saturating_sub(1);
    format!(
        "{}:execution-{last}",
        machine.replace(":stateMachine:", ":execution:")
    )
}

fn ten_passes() -> Value {
    let states: Map<String, Value> = (0..10)
        .map(|index| {
            let state = if index < 9 {
                json!({"Type": "Pass", "Next": format!("S{}", index + 1)})
            } else {
                json!({"Type": "Pass", "End": true})
            };
            (format!("S{index}"), state)
        })
        .collect();
    json!({"QueryLanguage": "JSONata", "StartAt": "S0", "States": states})
}

/// User and system time of this process, from Linux's /proc at its usual 100 ticks a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| {
        fields
            .get(index)
            .and_then(|text| text.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / 100.0
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
