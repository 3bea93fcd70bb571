//! One process of ours that judges file after file, and what ends it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::tools::{Tool, Tools};

/// What the three branches may take in all: the timeouts of their manifests, added up.
const DEADLINE: Duration = Duration::from_secs(240);
/// What one branch may take: the smallest of them.
const BRANCH_SECONDS: f64 = 60.0;

/// How a file ended.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// The file.
    pub file: PathBuf,
    /// Name of the error that validate refused it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Format by content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Width, upright.
    #[serde(default)]
    pub width: u32,
    /// Height, upright.
    #[serde(default)]
    pub height: u32,
    /// `ok`, or the name of its error, for each branch.
    #[serde(default)]
    pub label: String,
    /// Likewise.
    #[serde(default)]
    pub thumbnail: String,
    /// Likewise.
    #[serde(default)]
    pub compress: String,
    /// Every panic, caught or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub panics: Vec<String>,
    /// Time in all.
    #[serde(default)]
    pub seconds: f64,
    /// Time of the slowest branch.
    #[serde(default)]
    pub branch_seconds: f64,
    /// Most memory while it was worked on.
    #[serde(default)]
    pub peak_mib: f64,
    /// How the process ended, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub died: Option<String>,
}

impl Outcome {
    /// In a word or two.
    pub fn in_short(&self) -> String {
        if let Some(died) = &self.died {
            return died.clone();
        }
        if let Some(rejected) = &self.rejected {
            return format!("rejected: {rejected}");
        }
        let branches = [&self.label, &self.thumbnail, &self.compress];
        match branches.iter().find(|end| **end != "ok") {
            None => "ok".to_owned(),
            Some(name) => format!("failed: {name}"),
        }
    }

    /// Whether validate and every branch took it.
    pub fn is_ok(&self) -> bool {
        self.in_short() == "ok"
    }

    /// What has to be mended.
    pub fn findings(&self) -> Vec<String> {
        let mut found: Vec<String> = self.died.iter().cloned().collect();
        found.extend(self.panics.iter().map(|panic| format!("a panic: {panic}")));
        let named = |name: &String| name.is_empty() || name == "ok" || name.starts_with("Image.");
        let ends = [&self.label, &self.thumbnail, &self.compress];
        for name in ends.into_iter().chain(&self.rejected) {
            if !named(name) {
                found.push(format!("an end without a name of an image error: {name}"));
            }
        }
        if self.branch_seconds > BRANCH_SECONDS {
            found.push(format!("a branch took {:.1} s", self.branch_seconds));
        }
        found
    }
}

/// Name of a file, with the folder that it is in.
pub fn name_of(file: &Path) -> String {
    let parts: Vec<_> = file
        .iter()
        .rev()
        .take(2)
        .map(|part| part.to_string_lossy())
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// The process, started again when it ended.
pub struct Lab<'a> {
    tools: &'a Tools<'a>,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Lab<'a> {
    /// None is started yet.
    pub fn new(tools: &'a Tools<'a>) -> Self {
        Self {
            tools,
            running: None,
        }
    }

    /// How one file ends.
    pub fn outcome(&mut self, file: &Path) -> anyhow::Result<Outcome> {
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(start(self.tools)?),
        };
        writeln!(running.input, "{}", file.display())?;
        let died = match running.lines.recv_timeout(DEADLINE) {
            Ok(line) => return serde_json::from_str(&line).context("not an outcome"),
            Err(RecvTimeoutError::Timeout) => "timeout".to_owned(),
            Err(RecvTimeoutError::Disconnected) => format!("crash: {}", running.child.wait()?),
        };
        self.running = None;
        Ok(Outcome {
            file: file.to_owned(),
            died: Some(died),
            ..Outcome::default()
        })
    }
}

fn start(tools: &Tools<'_>) -> anyhow::Result<Running> {
    let mut child = tools
        .command(Tool::Safelight)
        .arg("outcome")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("image-lab cannot be started")?;
    let input = child.stdin.take().context("no standard input")?;
    let output = child.stdout.take().context("no standard output")?;
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(Running {
        child,
        input,
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_is_found() {
        let mut outcome = Outcome {
            label: "ok".into(),
            thumbnail: "Image.Truncated".into(),
            compress: "ok".into(),
            ..Outcome::default()
        };
        assert_eq!(outcome.findings(), Vec::<String>::new());
        assert_eq!(outcome.in_short(), "failed: Image.Truncated");
        outcome.compress = "Task.Failed".into();
        outcome.panics.push("at a place".into());
        outcome.branch_seconds = 61.0;
        assert_eq!(outcome.findings().len(), 3);
        outcome.died = Some("timeout".into());
        assert_eq!(outcome.in_short(), "timeout");
        assert_eq!(outcome.findings().len(), 4);
    }
}
