//! Photographs to measure with: a folder that is given, or one that `corpus.sh` makes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};

use crate::workspace::Workspace;

/// The folder of the photographs. Where none is given it is `target/corpus`, which is made once.
pub fn folder(workspace: &Workspace, given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = given {
        return folder
            .canonicalize()
            .with_context(|| format!("{} cannot be read", folder.display()));
    }
    let folder = workspace.target().join("corpus");
    if !folder.is_dir() {
        let script = workspace.root().join("apps/xtask/corpus.sh");
        eprintln!("$ {} {}", script.display(), folder.display());
        let status = Command::new(&script)
            .arg(&folder)
            .status()
            .context("corpus.sh cannot be run")?;
        if !status.success() {
            bail!("corpus.sh failed: {status}; give a folder of photographs with --corpus DIR");
        }
    }
    Ok(folder)
}

/// Every file below the folder, sorted, with hidden ones left out, as `safelight process` takes them.
pub fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, &mut found)?;
    ensure!(!found.is_empty(), "{} holds no files", folder.display());
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&entry.path(), found)?;
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Reads every file once, so that the first run finds them in the page cache as the last one does.
/// Gives their bytes in all.
pub fn warm(files: &[PathBuf]) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for file in files {
        let mut file = std::fs::File::open(file)
            .with_context(|| format!("{} cannot be read", file.display()))?;
        bytes += std::io::copy(&mut file, &mut std::io::sink())?;
    }
    Ok(bytes)
}
