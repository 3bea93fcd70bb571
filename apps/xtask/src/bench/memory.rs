//! Resident memory of the host process: at rest, and while many images go through.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::report::Target;
use super::{Bench, Measured, Row};
use crate::distinct;
use crate::usage::resident_mib;

/// How long the host is looked at while it has nothing to do.
const REST: Duration = Duration::from_secs(3);

/// Images that are still to be done when the last sample is taken, so that the host is at work.
const MORE: usize = 100;

/// The host of `serve` on an empty folder: its most during some seconds after it listens.
pub fn idle(bench: &Bench) -> anyhow::Result<Measured> {
    let folder = bench.product.folder();
    std::fs::create_dir_all(folder.join("inbox"))?;
    bench.product.forget()?;
    let listen = ["serve", "--watch", "inbox", "--listen", "127.0.0.1:0"];
    let mut command = bench.product.command(&listen);
    command.args(["--out", "out", "--state-dir", "state"]);
    bench.product.note(&command);
    let mut child = command
        .stderr(Stdio::piped())
        .spawn()
        .context("`safelight serve` cannot be started")?;
    let stderr = child
        .stderr
        .take()
        .context("`safelight serve` has no standard error")?;
    let mut lines = BufReader::new(stderr).lines();
    let mut said = Vec::new();
    let listening = lines.by_ref().map_while(Result::ok).any(|line| {
        let found = line.contains("listening");
        said.push(line);
        found
    });
    // Read on, so that it never waits for a reader.
    let reader = thread::spawn(move || lines.for_each(drop));
    let mut most = 0.0_f64;
    if listening {
        for _ in 0..10 {
            thread::sleep(REST / 10);
            most = most.max(resident_mib(child.id()).unwrap_or(0.0));
        }
    }
    let pid = Pid::from_child(&child);
    // It may have ended by itself.
    let _ = kill_process(pid, Signal::TERM);
    child.wait()?;
    let _ = reader.join();
    ensure!(
        listening && most > 0.0,
        "`safelight serve` did not listen; it said: {}",
        said.join(" / ")
    );
    bench.product.forget()?;
    Ok((
        vec![Row::aimed(
            "Memory of the idle host",
            most,
            "MiB",
            Target::AtMost(40.0),
        )],
        Vec::new(),
    ))
}

/// The host of `process` while images go through, sampled five times at equal steps.
pub fn many(bench: &Bench) -> anyhow::Result<Measured> {
    let step = if bench.quick { 200 } else { 2_000 };
    let count = 5 * step;
    let images = bench.product.folder().join("many");
    distinct::write_tiny_pngs(&images, count + MORE)?;
    bench.product.forget()?;
    let mut running = bench.product.start_process(&images)?;
    let pid = running.child.id();
    let (mut seen, mut samples) = (0, Vec::new());
    while running.row()?.is_some() {
        seen += 1;
        if seen % step == 0 {
            samples.extend(resident_mib(pid));
        }
    }
    let status = running.child.wait()?;
    ensure!(status.success(), "`safelight process` failed: {status}");
    ensure!(
        samples.len() == 5,
        "{} images gave {} samples",
        seen,
        samples.len()
    );
    bench.product.forget()?;
    let (second, last) = (samples[1], samples[4]);
    let shown: Vec<String> = samples.iter().map(|mib| format!("{mib:.1}")).collect();
    let rows = vec![Row::aimed(
        format!(
            "Memory of the host after {count} images ÷ after {} (MiB at each step: {})",
            2 * step,
            shown.join(", ")
        ),
        last / second,
        "×",
        Target::AtMost(1.1),
    )];
    Ok((rows, Vec::new()))
}
