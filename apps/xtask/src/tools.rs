//! The image functions and what they are compared with, behind one command line each.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::workspace::Workspace;

/// A program that does pieces of work to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// The pure image functions (apps/xtask/image-lab).
    Safelight,
    /// sharp, from npm.
    Sharp,
    /// Pillow, from PyPI.
    Pillow,
    /// ImageMagick, from Debian.
    Magick,
}

/// What a piece of work over many files came to.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Tally {
    /// Files.
    pub files: usize,
    /// Of them, those that nothing came of.
    pub failed: usize,
    /// Bytes that were made.
    pub bytes: u64,
    /// CPU time, seconds, from the first file to the last.
    pub cpu: f64,
}

/// Where the programs are.
#[derive(Debug)]
pub struct Tools<'a> {
    workspace: &'a Workspace,
    rivals: PathBuf,
}

impl<'a> Tools<'a> {
    /// Builds ours, and installs the others below the target folder where they are not yet.
    /// `features`: of ours, those that it is built with.
    pub fn ready(workspace: &'a Workspace, features: &[String]) -> anyhow::Result<Self> {
        let home = workspace.root().join("apps/xtask/image-lab");
        if workspace.builds() {
            std::fs::copy(workspace.root().join("Cargo.lock"), home.join("Cargo.lock"))
                .context("the product's Cargo.lock cannot be copied")?;
        }
        let target = workspace.target().to_string_lossy();
        workspace.build(&[
            "build",
            "--release",
            "--manifest-path",
            "apps/xtask/image-lab/Cargo.toml",
            "--target-dir",
            &target,
            "--features",
            &features.join(","),
        ])?;
        let rivals = workspace.target().join("rivals");
        if !rivals.is_dir() {
            let mut install = Command::new(workspace.root().join("apps/xtask/rivals/install.sh"));
            install.arg(&rivals);
            workspace.note(&install);
            let status = install.status().context("install.sh cannot be run")?;
            ensure!(status.success(), "install.sh failed: {status}");
        }
        Ok(Self { workspace, rivals })
    }

    /// The folder of the others.
    pub fn rivals(&self) -> &Path {
        &self.rivals
    }

    /// Does `work` to the files, and writes what it makes into `out` where that is given.
    pub fn time(
        &self,
        tool: Tool,
        work: &str,
        files: &[PathBuf],
        out: Option<&Path>,
    ) -> anyhow::Result<Tally> {
        if let Some(out) = out {
            std::fs::create_dir_all(out)?;
        }
        let mut command = self.command(tool);
        command.args(["time", work]).args(out);
        self.ask(command, &lines(files))
    }

    /// The most memory, MiB, of a process that does `work` to one file.
    pub fn peak(&self, work: &str, file: &Path) -> anyhow::Result<f64> {
        #[derive(Deserialize)]
        struct Peak {
            peak_mib: f64,
        }
        let mut command = self.command(Tool::Safelight);
        command.args(["peak", work]);
        Ok(self
            .ask::<Peak>(command, &lines(&[file.to_owned()]))?
            .peak_mib)
    }

    /// SSIMULACRA2 of each pair of a reference and a picture.
    pub fn scores(&self, pairs: &[(PathBuf, PathBuf)]) -> anyhow::Result<Vec<f64>> {
        let mut command = self.command(Tool::Safelight);
        command.arg("score");
        let mut lines = String::new();
        for (left, right) in pairs {
            // Writing to a String does not fail, here and below.
            let _ = writeln!(lines, "{}\t{}", left.display(), right.display());
        }
        self.ask(command, &lines)
    }

    /// The program, to be given its arguments.
    pub fn command(&self, tool: Tool) -> Command {
        let drivers = self.workspace.root().join("apps/xtask/rivals");
        match tool {
            Tool::Safelight => Command::new(self.workspace.target().join("release/image-lab")),
            Tool::Sharp => {
                let mut command = Command::new("node");
                // A module is looked for beside the file that asks for it.
                command.arg(self.rivals.join("node/sharp.mjs"));
                command
            }
            Tool::Pillow => {
                let mut command = Command::new(self.rivals.join("python/bin/python3"));
                command.arg(drivers.join("pillow.py"));
                command
            }
            Tool::Magick => {
                let mut command = Command::new("python3");
                command
                    .arg(drivers.join("magick.py"))
                    .arg(self.rivals.join("magick"));
                command
            }
        }
    }

    /// Runs a command that reads lines and prints one value of JSON.
    fn ask<T: DeserializeOwned>(&self, command: Command, input: &str) -> anyhow::Result<T> {
        let output = self.output(command, input)?;
        serde_json::from_str(&output).with_context(|| format!("not what was asked for: {output}"))
    }

    /// Runs a command that reads lines; gives its standard output.
    pub fn output(&self, mut command: Command, input: &str) -> anyhow::Result<String> {
        self.workspace.note(&command);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        if let Some(mut pipe) = child.stdin.take() {
            // All of them read their input to the end before they write.
            pipe.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "{program} failed: {}",
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// Paths, a line each.
pub fn lines(files: &[PathBuf]) -> String {
    let mut lines = String::new();
    for file in files {
        let _ = writeln!(lines, "{}", file.display());
    }
    lines
}
