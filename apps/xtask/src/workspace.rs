//! The repository: where things are, how they are built, and which commands were run.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The repository, and a journal of the commands that were run in it.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    builds: bool,
    journal: RefCell<Vec<(String, u32)>>,
}

impl Workspace {
    /// The repository that this program was built from.
    pub fn here() -> Self {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.ancestors().nth(2).unwrap_or(manifest).to_owned();
        let target = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| root.join(dir));
        Self {
            root,
            target,
            builds: true,
            journal: RefCell::default(),
        }
    }

    /// The same repository; without builds, what was built before is used as it is.
    pub fn with_builds(self, builds: bool) -> Self {
        Self { builds, ..self }
    }

    /// Whether anything is built.
    pub fn builds(&self) -> bool {
        self.builds
    }

    /// Its root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo builds.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// A folder in the target folder, which goes when it is dropped.
    pub fn scratch(&self) -> anyhow::Result<tempfile::TempDir> {
        std::fs::create_dir_all(&self.target)?;
        tempfile::Builder::new()
            .prefix("xtask-")
            .tempdir_in(&self.target)
            .with_context(|| format!("no folder can be made in {}", self.target.display()))
    }

    /// `cargo` with these arguments, in the root.
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        // What `cargo run` tells this program is not meant for the builds that it starts.
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PKG_")
                || name.starts_with("CARGO_MANIFEST_")
                || name == "CARGO"
            {
                command.env_remove(name);
            }
        }
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// Builds with cargo, unless nothing is to be built.
    pub fn build(&self, arguments: &[&str]) -> anyhow::Result<()> {
        if self.builds {
            self.run_cargo(arguments)
        } else {
            Ok(())
        }
    }

    /// Runs cargo and says so; its output goes to standard error.
    pub fn run_cargo(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let mut command = self.cargo(arguments);
        self.note(&command);
        eprintln!("$ {}", self.shown(&command));
        let status = command.status().context("cargo cannot be run")?;
        ensure!(
            status.success(),
            "`{}` failed: {status}",
            self.shown(&command)
        );
        Ok(())
    }

    /// Writes a command into the journal; the same command again is counted.
    pub fn note(&self, command: &Command) {
        let shown = self.shown(command);
        let mut journal = self.journal.borrow_mut();
        match journal.iter_mut().find(|(known, _)| *known == shown) {
            Some((_, times)) => *times += 1,
            None => journal.push((shown, 1)),
        }
    }

    /// The commands that were run, in order of their first run, with how often.
    pub fn journal(&self) -> Vec<(String, u32)> {
        self.journal.borrow().clone()
    }

    /// A command as it would be typed in the root.
    fn shown(&self, command: &Command) -> String {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        words
            .map(|word| self.short(word))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn short(&self, word: &OsStr) -> String {
        let path = Path::new(word);
        if path.file_name() == Some(OsStr::new("cargo")) {
            return "cargo".into();
        }
        path.strip_prefix(&self.root)
            .unwrap_or(path)
            .display()
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_the_repository() {
        let workspace = Workspace::here();
        assert!(workspace.root().join("workflows/trunk.asl.json").is_file());
    }

    #[test]
    fn the_journal_counts_and_shortens() {
        let workspace = Workspace::here();
        let mut command = Command::new(workspace.root().join("target/release/safelight"));
        command.args(["process", "in"]);
        workspace.note(&command);
        workspace.note(&workspace.cargo(&["build"]));
        workspace.note(&command);
        assert_eq!(
            workspace.journal(),
            [
                ("target/release/safelight process in".to_owned(), 2),
                ("cargo build".to_owned(), 1),
            ]
        );
    }
}
