//! Durable executions of ten Pass states in process: the engine's own example, on a disk.

use std::process::Command;

use anyhow::{Context as _, ensure};

use super::report::Target;
use super::{Bench, Measured, Row};
use crate::usage::{self, median};

/// States of one execution.
const STATES: f64 = 10.0;

/// What the example prints, as far as it is needed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Run {
    executions_a_second: f64,
    cpu_seconds: f64,
}

impl Run {
    /// Reads "… N executions/s, N CPU s, …".
    fn read(text: &str) -> Option<Self> {
        let before = |unit: &str| {
            text.split(unit)
                .next()?
                .split_whitespace()
                .last()?
                .parse::<f64>()
                .ok()
        };
        text.contains(" CPU s").then_some(())?;
        Some(Self {
            executions_a_second: before(" executions/s")?,
            cpu_seconds: before(" CPU s")?,
        })
    }
}

/// Measures it; median of the runs.
pub fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let executions = if bench.quick { 2_000 } else { 20_000 };
    let concurrency = 256;
    let workspace = bench.workspace;
    let example = "pass_throughput";
    workspace.build(&[
        "build",
        "--release",
        "--package",
        "safelight-engine",
        "--example",
        example,
    ])?;
    let mut runs = Vec::new();
    for _ in 0..bench.runs() {
        let mut command = Command::new(workspace.target().join("release/examples").join(example));
        command
            .args([executions.to_string(), concurrency.to_string()])
            .current_dir(bench.product.folder());
        workspace.note(&command);
        let finished = usage::measure(&mut command)?;
        ensure!(
            finished.status.success(),
            "{example} failed: {}",
            finished.status
        );
        runs.push(
            Run::read(&finished.stdout)
                .with_context(|| format!("{example} printed: {}", finished.stdout))?,
        );
    }
    let rate = median(runs.iter().map(|run| run.executions_a_second).collect())
        .context("nothing was run")?;
    let cpu =
        median(runs.iter().map(|run| run.cpu_seconds).collect()).context("nothing was run")?;
    let rows = vec![
        Row::aimed(
            format!("Durable executions of ten Pass states in process ({concurrency} at a time)"),
            rate,
            "a second",
            Target::AtLeast(2_000.0),
        ),
        Row::fact(
            "CPU of 1,000 Pass states",
            cpu * 1e6 / (f64::from(executions) * STATES),
            "ms",
        ),
    ];
    Ok((rows, Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_example_prints() {
        let text = "2000 executions of ten Pass states, 256 at a time: 0.50 s, 4012 executions/s, 0.73 CPU s, 9 KiB resident\n";
        assert_eq!(
            Run::read(text),
            Some(Run {
                executions_a_second: 4012.0,
                cpu_seconds: 0.73
            })
        );
        assert_eq!(Run::read("something else"), None);
    }
}
