//! `cargo xtask fuzz`: every fuzz target of fuzz/, one after the other, on the stable toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::workspace::Workspace;

/// Options of the fuzz run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Only these targets; all where none is given
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Of `cargo metadata`, what is needed here.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    targets: Vec<Target>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Runs them. The first finding ends it, with what cargo-fuzz says about it.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let program = cargo_fuzz(workspace)?;
    let targets = targets(workspace)?;
    let chosen: Vec<&String> = targets
        .iter()
        .filter(|target| options.targets.is_empty() || options.targets.contains(target))
        .collect();
    let unknown: Vec<_> = options
        .targets
        .iter()
        .filter(|target| !targets.contains(target))
        .collect();
    ensure!(
        unknown.is_empty(),
        "there is no fuzz target {unknown:?}; there are {}",
        targets.join(", ")
    );
    seeds(workspace)?;
    for target in &chosen {
        println!("== {target}: {} s", options.seconds);
        let limit = format!("-max_total_time={}", options.seconds);
        let status = Command::new(&program)
            // Called as cargo would call it: the subcommand is its first argument.
            .args(["fuzz", "run", target, "--", &limit])
            .current_dir(workspace.root())
            // Sanitizers are behind nightly flags; this makes the stable compiler take them.
            .env("RUSTC_BOOTSTRAP", "1")
            .status()
            .context("cargo-fuzz cannot be run")?;
        if !status.success() {
            bail!(
                "{target} found something ({status}): the input is below fuzz/artifacts/{target}/"
            );
        }
    }
    println!(
        "== {} targets ran for {} s each and found nothing",
        chosen.len(),
        options.seconds
    );
    Ok(())
}

/// Gives each target's corpus what the repository holds of its kind.
fn seeds(workspace: &Workspace) -> anyhow::Result<()> {
    let status = Command::new("sh")
        .arg("fuzz/seeds.sh")
        .current_dir(workspace.root())
        .status()
        .context("sh cannot be run")?;
    ensure!(status.success(), "fuzz/seeds.sh failed: {status}");
    Ok(())
}

/// cargo-fuzz, from target/tools or from the path.
fn cargo_fuzz(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let ours = workspace.target().join("tools/bin/cargo-fuzz");
    let found = [ours, PathBuf::from("cargo-fuzz")]
        .into_iter()
        .find(|program| runs(program));
    found.context(
        "cargo-fuzz is missing, and is not installed by itself; run \
         `cargo install --locked --root target/tools cargo-fuzz` (it needs a C++ compiler for libFuzzer)",
    )
}

fn runs(program: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .args(["fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn targets(workspace: &Workspace) -> anyhow::Result<Vec<String>> {
    let output = workspace
        .cargo(&[
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
            "fuzz/Cargo.toml",
        ])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    ensure!(
        output.status.success(),
        "`cargo metadata` failed: {}",
        output.status
    );
    binaries(&output.stdout)
}

fn binaries(metadata: &[u8]) -> anyhow::Result<Vec<String>> {
    let metadata: Metadata =
        serde_json::from_slice(metadata).context("`cargo metadata` cannot be read")?;
    let targets = metadata
        .packages
        .into_iter()
        .flat_map(|package| package.targets);
    let mut names: Vec<String> = targets
        .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
        .map(|target| target.name)
        .collect();
    names.sort();
    ensure!(!names.is_empty(), "fuzz/ has no targets");
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binary_is_a_target() {
        let metadata = br#"{"packages": [{"targets": [
            {"name": "jsonata", "kind": ["bin"]}, {"name": "safelight-fuzz", "kind": ["lib"]}, {"name": "header", "kind": ["bin"]}]}]}"#;
        assert_eq!(binaries(metadata).unwrap(), ["header", "jsonata"]);
        assert!(binaries(br#"{"packages": []}"#).is_err());
    }

    #[test]
    fn the_targets_of_this_repository_are_found() {
        assert!(
            targets(&Workspace::here())
                .unwrap()
                .contains(&"header".to_owned())
        );
    }
}
