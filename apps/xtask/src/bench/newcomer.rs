//! A newcomer's minutes: the README's two commands in turn, from an empty target folder, when the
//! downloads are there.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::report::Target;
use super::{Measured, Row};
use crate::workspace::Workspace;

/// One of the README's commands.
struct Step {
    arguments: &'static [&'static str],
    /// Most minutes that it may take.
    most: f64,
    /// Exit codes that are fine.
    codes: &'static [i32],
}

const FIRST: Step = Step {
    arguments: &["run", "--release", "--", "process", "samples"],
    most: 6.0,
    // Some samples are there to be rejected.
    codes: &[0, 3],
};

const TESTS: Step = Step {
    arguments: &["test", "--workspace"],
    most: 30.0,
    codes: &[0],
};

/// Measures both.
pub fn measure(workspace: &Workspace) -> anyhow::Result<Measured> {
    workspace.run_cargo(&["fetch", "--locked"])?;
    let scratch = workspace.scratch()?;
    // Results and record of the first command stay out of the repository.
    let (out, state) = (scratch.path().join("results"), scratch.path().join("state"));
    let first = time(
        workspace,
        &FIRST,
        scratch.path(),
        &[("SAFELIGHT_OUT", &out), ("SAFELIGHT_STATE_DIR", &state)],
    )?;
    let tests = time(workspace, &TESTS, scratch.path(), &[])?;
    Ok((vec![first, tests], Vec::new()))
}

fn time(
    workspace: &Workspace,
    step: &Step,
    scratch: &Path,
    environment: &[(&str, &Path)],
) -> anyhow::Result<Row> {
    let mut command = workspace.cargo(step.arguments);
    command
        .env("CARGO_TARGET_DIR", scratch.join("target"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    workspace.note(&command);
    let begun = Instant::now();
    let status = command.status().context("cargo cannot be run")?;
    let minutes = begun.elapsed().as_secs_f64() / 60.0;
    let shown = format!("cargo {}", step.arguments.join(" "));
    ensure!(
        status.code().is_some_and(|code| step.codes.contains(&code)),
        "`{shown}` failed: {status}"
    );
    Ok(Row::aimed(
        format!("`{shown}`, build included, target empty before the first"),
        minutes,
        "minutes",
        Target::AtMost(step.most),
    ))
}
