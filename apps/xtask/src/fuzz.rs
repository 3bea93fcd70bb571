//! `cargo xtask fuzz`: every fuzz target of fuzz/, one after the other, on the stable toolchain.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;

use crate::workspace::Workspace;

/// The crates of fuzz targets, each a workspace of its own.
const CRATES: [&str; 2] = ["fuzz", "fuzz/pixels"];

/// Options of the fuzz run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How long each target runs
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
    /// Features of the pictures' targets: avif, heic
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    features: Vec<String>,
    /// Only these targets; all that the features allow where none is given
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

/// A fuzz target.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
    #[serde(default, rename = "required-features")]
    features: Vec<String>,
    /// The folder of its crate, from the root.
    #[serde(skip)]
    folder: &'static str,
}

impl Target {
    /// Runs a command of cargo-fuzz for it.
    fn cargo_fuzz(
        &self,
        program: &Path,
        workspace: &Workspace,
        command: &str,
        arguments: &[&str],
    ) -> anyhow::Result<ExitStatus> {
        Command::new(program)
            // Called as cargo would call it: the subcommand is its first argument.
            .args(["fuzz", command, "--fuzz-dir", self.folder])
            .args(["--features", &self.features.join(",")])
            .arg(&self.name)
            .args(arguments)
            .current_dir(workspace.root())
            // Sanitizers are behind nightly flags; this makes the stable compiler take them.
            .env("RUSTC_BOOTSTRAP", "1")
            .status()
            .context("cargo-fuzz cannot be run")
    }
}

/// Runs them. The first finding ends it, with what cargo-fuzz says about it.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let program = cargo_fuzz(workspace)?;
    let mut targets = Vec::new();
    for folder in CRATES {
        targets.extend(targets_of(workspace, folder)?);
    }
    let chosen = chosen(&targets, options)?;
    seeds(workspace)?;
    // Built before any runs, so that what does not build is not taken for a finding.
    for target in &chosen {
        let status = target.cargo_fuzz(&program, workspace, "build", &[])?;
        ensure!(
            status.success(),
            "the fuzz target {} cannot be built ({status}): what the compiler says is above",
            target.name
        );
    }
    let limit = format!("-max_total_time={}", options.seconds);
    for target in &chosen {
        let Target { name, folder, .. } = target;
        println!("== {name}: {} s", options.seconds);
        // Threads of a decoder may still be ending when leaks are looked for, and hold a little memory.
        let arguments = ["--", &limit, "-detect_leaks=0"];
        let status = target.cargo_fuzz(&program, workspace, "run", &arguments)?;
        if !status.success() {
            bail!(
                "{name} found something ({status}): the input is below {folder}/artifacts/{name}/"
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

/// The targets that are named, or all; those whose features are not there are skipped by name.
fn chosen<'a>(targets: &'a [Target], options: &Options) -> anyhow::Result<Vec<&'a Target>> {
    let known = || targets.iter().map(|target| target.name.as_str());
    for name in &options.targets {
        ensure!(
            known().any(|known| known == name),
            "there is no fuzz target {name:?}; there are {}",
            known().collect::<Vec<_>>().join(", ")
        );
    }
    let mut chosen = Vec::new();
    for target in targets {
        let named = options.targets.contains(&target.name);
        let missing = target
            .features
            .iter()
            .find(|&feature| !options.features.contains(feature));
        match missing {
            Some(feature) if named => bail!("{} needs --features {feature}", target.name),
            Some(feature) if options.targets.is_empty() => {
                println!("SKIPPED: {} (without --features {feature})", target.name);
            }
            None if named || options.targets.is_empty() => chosen.push(target),
            _ => {}
        }
    }
    Ok(chosen)
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

fn targets_of(workspace: &Workspace, folder: &'static str) -> anyhow::Result<Vec<Target>> {
    let manifest = format!("{folder}/Cargo.toml");
    let output = workspace
        .cargo(&[
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--manifest-path",
            &manifest,
        ])
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    ensure!(
        output.status.success(),
        "`cargo metadata` failed: {}",
        output.status
    );
    binaries(&output.stdout, folder)
}

fn binaries(metadata: &[u8], folder: &'static str) -> anyhow::Result<Vec<Target>> {
    let metadata: Metadata =
        serde_json::from_slice(metadata).context("`cargo metadata` cannot be read")?;
    let targets = metadata
        .packages
        .into_iter()
        .flat_map(|package| package.targets);
    let mut targets: Vec<Target> = targets
        .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
        .map(|target| Target { folder, ..target })
        .collect();
    targets.sort_by(|one, other| one.name.cmp(&other.name));
    ensure!(!targets.is_empty(), "{folder} has no targets");
    Ok(targets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = br#"{"packages": [{"targets": [
        {"name": "png", "kind": ["bin"]},
        {"name": "safelight-fuzz", "kind": ["lib"]},
        {"name": "avif", "kind": ["bin"], "required-features": ["avif"]}]}]}"#;

    fn names(targets: &str, features: &str) -> anyhow::Result<Vec<String>> {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        let options = Options {
            seconds: 1,
            features: list(features),
            targets: list(targets),
        };
        let known = binaries(TWO, "fuzz").unwrap();
        let chosen = chosen(&known, &options)?;
        Ok(chosen.iter().map(|target| target.name.clone()).collect())
    }

    #[test]
    fn every_binary_is_a_target_that_its_features_allow() {
        assert_eq!(names("", "").unwrap(), ["png"]);
        assert_eq!(names("", "avif").unwrap(), ["avif", "png"]);
        assert_eq!(names("avif", "avif").unwrap(), ["avif"]);
        assert!(
            names("avif", "")
                .unwrap_err()
                .to_string()
                .contains("--features avif")
        );
        assert!(
            names("gif", "")
                .unwrap_err()
                .to_string()
                .contains("avif, png")
        );
        assert!(binaries(br#"{"packages": []}"#, "fuzz").is_err());
    }

    #[test]
    fn the_targets_of_this_repository_are_found() {
        let workspace = Workspace::here();
        for (folder, name) in CRATES.into_iter().zip(["header", "jxl"]) {
            let found = targets_of(&workspace, folder).unwrap();
            assert!(found.iter().any(|target| target.name == name), "{found:?}");
        }
    }
}
