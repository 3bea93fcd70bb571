//! The `safelight` command as built for release, in a working folder of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::usage::{self, Usage};
use crate::workspace::Workspace;

/// The command, and the folder that it runs in.
#[derive(Debug)]
pub struct Product<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    folder: PathBuf,
}

/// What `process --json` says of one image, as far as it is needed here.
#[derive(Debug, Clone, Deserialize)]
pub struct Row {
    /// The image, as it was named.
    pub image: String,
    /// Name of its execution.
    pub execution: String,
    /// `succeeded`, `rejected`, `failed` or `unchanged`.
    pub outcome: String,
    /// Its branches.
    pub branches: BTreeMap<String, Branch>,
}

/// What a row says of a branch.
#[derive(Debug, Clone, Deserialize)]
pub struct Branch {
    /// Files that it wrote.
    pub outputs: Vec<IgnoredAny>,
}

/// A run of `process` that has ended.
#[derive(Debug)]
pub struct Processed {
    /// One row an image.
    pub rows: Vec<Row>,
    /// What it cost.
    pub usage: Usage,
}

impl Processed {
    /// Images that succeeded.
    pub fn succeeded(&self) -> usize {
        self.rows
            .iter()
            .filter(|row| row.outcome == "succeeded")
            .count()
    }

    /// Files that the branches wrote.
    pub fn outputs(&self) -> usize {
        self.rows
            .iter()
            .flat_map(|row| row.branches.values())
            .map(|branch| branch.outputs.len())
            .sum()
    }
}

/// `process`, or another command, at work.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// The next row; none when the command has said everything.
    pub fn row(&mut self) -> anyhow::Result<Option<Row>> {
        let mut line = String::new();
        if self.lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if !line.ends_with('\n') {
            // Cut off by a kill.
            return Ok(None);
        }
        serde_json::from_str(&line)
            .map(Some)
            .with_context(|| format!("not a row of process --json: {line}"))
    }
}

impl Drop for Running {
    /// Nothing is left behind when a measure fails half-way.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Product<'a> {
    /// Builds it as the README's first command does. It runs in `folder`.
    pub fn build(workspace: &'a Workspace, folder: &Path) -> anyhow::Result<Self> {
        workspace.build(&["build", "--release"])?;
        Ok(Self {
            workspace,
            program: workspace.target().join("release/safelight"),
            folder: folder.to_owned(),
        })
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command with these arguments, without settings from the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SAFELIGHT_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    fn process_command(&self, images: &Path) -> Command {
        let mut command = self.command(&["process"]);
        command
            .arg(images)
            .args(["--out", "out", "--state-dir", "state", "--json"]);
        command
    }

    /// Takes away what earlier runs left, so that the next one begins from nothing.
    pub fn forget(&self) -> anyhow::Result<()> {
        for folder in ["out", "state"] {
            let folder = self.folder.join(folder);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)
                    .with_context(|| format!("{} cannot be removed", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Runs `process` over `images` to its end.
    pub fn process(&self, images: &Path) -> anyhow::Result<Processed> {
        let mut command = self.process_command(images);
        self.workspace.note(&command);
        let finished = usage::measure(&mut command)?;
        if !matches!(finished.status.code(), Some(0 | 3)) {
            bail!("`safelight process` failed: {}", finished.status);
        }
        let rows = finished
            .stdout
            .lines()
            .map(serde_json::from_str)
            .collect::<Result<_, _>>();
        Ok(Processed {
            rows: rows.context("not a row of process --json")?,
            usage: finished.usage,
        })
    }

    /// Starts `process` over `images`.
    pub fn start_process(&self, images: &Path) -> anyhow::Result<Running> {
        self.start(self.process_command(images))
    }

    /// Starts a command that writes rows.
    fn start(&self, mut command: Command) -> anyhow::Result<Running> {
        self.workspace.note(&command);
        let mut child = usage::spawn(&mut command)?;
        let stdout = child
            .stdout
            .take()
            .context("the command has no standard output")?;
        Ok(Running {
            child,
            lines: BufReader::new(stdout),
        })
    }

    /// Runs a command that prints one JSON document; exit codes up to `last_code` are fine.
    pub fn document<T: serde::de::DeserializeOwned>(
        &self,
        arguments: &[&str],
        last_code: i32,
    ) -> anyhow::Result<T> {
        let mut command = self.command(arguments);
        command.args(["--state-dir", "state", "--json"]);
        self.workspace.note(&command);
        let finished = usage::measure(&mut command)?;
        if finished.status.code().is_none_or(|code| code > last_code) {
            bail!(
                "`safelight {}` failed: {}",
                arguments.join(" "),
                finished.status
            );
        }
        serde_json::from_str(&finished.stdout)
            .with_context(|| format!("`safelight {}` did not print JSON", arguments.join(" ")))
    }

    /// Writes a command into the journal.
    pub fn note(&self, command: &Command) {
        self.workspace.note(command);
    }
}
