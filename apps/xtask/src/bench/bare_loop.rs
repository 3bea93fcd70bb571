//! The bare loop (apps/xtask/bare-loop), built and run beside the product.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::usage::{self, Usage};
use crate::workspace::Workspace;

/// The built program.
#[derive(Debug)]
pub struct BareLoop<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
    folder: PathBuf,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Looped {
    /// What was done.
    pub tally: Tally,
    /// What it cost.
    pub usage: Usage,
}

/// What the program prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Tally {
    /// Files.
    pub images: usize,
    /// Of them, those that every wanted branch had a result for.
    pub succeeded: usize,
    /// Results.
    pub outputs: usize,
}

impl<'a> BareLoop<'a> {
    /// Builds it, with the very versions of its dependencies that the product has. It runs in `folder`.
    pub fn build(workspace: &'a Workspace, folder: &Path) -> anyhow::Result<Self> {
        let home = workspace.root().join("apps/xtask/bare-loop");
        std::fs::copy(workspace.root().join("Cargo.lock"), home.join("Cargo.lock"))
            .context("the product's Cargo.lock cannot be copied")?;
        let manifest = "apps/xtask/bare-loop/Cargo.toml";
        let target = workspace.target().to_string_lossy();
        workspace.build(&[
            "build",
            "--release",
            "--manifest-path",
            manifest,
            "--target-dir",
            &target,
        ])?;
        Ok(Self {
            workspace,
            program: workspace.target().join("release/bare-loop"),
            folder: folder.to_owned(),
        })
    }

    /// Runs it over `images` from nothing.
    pub fn run(&self, images: &Path) -> anyhow::Result<Looped> {
        let out = self.folder.join("bare");
        if out.exists() {
            std::fs::remove_dir_all(&out)?;
        }
        let mut command = Command::new(&self.program);
        command
            .arg(self.workspace.root().join("functions/branches"))
            .arg(images)
            .arg("bare")
            .current_dir(&self.folder);
        self.workspace.note(&command);
        let finished = usage::measure(&mut command)?;
        ensure!(
            finished.status.success(),
            "the bare loop failed: {}",
            finished.status
        );
        Ok(Looped {
            tally: serde_json::from_str(&finished.stdout)
                .context("the bare loop printed no tally")?,
            usage: finished.usage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(path: &Path) -> toml::Table {
        std::fs::read_to_string(path).unwrap().parse().unwrap()
    }

    /// Both programs that are measured in the product's place have its release profile; packages that they are
    /// not linked with are left out of theirs, since cargo warns of those.
    #[test]
    fn it_is_built_as_the_product_is() {
        let root = Workspace::here().root().to_owned();
        let release = |path: &str| {
            let mut profile = table(&root.join(path))["profile"]["release"].clone();
            let packages = profile.as_table_mut().unwrap().remove("package");
            (profile, packages.unwrap())
        };
        let (product, packages) = release("Cargo.toml");
        for lab in ["bare-loop", "image-lab"] {
            let (profile, its) = release(&format!("apps/xtask/{lab}/Cargo.toml"));
            assert_eq!(profile, product, "{lab}");
            for (package, settings) in its.as_table().unwrap() {
                assert_eq!(Some(settings), packages.get(package), "{lab}: {package}");
            }
        }
    }
}
