//! `cargo xtask package`: a zip for Lambda of every function, in target/lambda/<function>/bootstrap.zip.
//!
//! cargo-lambda and zig come from PyPI into an environment below target/. cargo-lambda would silently
//! ask rustup for a missing target, so it is never let look for one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use safelight_emulator::{Environment, Unavailable};

use crate::workspace::Workspace;

/// What builds. cargo-lambda calls zig as the linker, for the C library of Amazon Linux 2023.
const TOOLS: [&str; 2] = ["cargo-lambda==1.9.2", "ziglang==0.17.1"];

/// The C library of Amazon Linux 2023.
const GLIBC: &str = "2.34";

/// Largest zip of a function that decodes nothing, and of one that does, bytes.
const MAX_ZIP: u64 = 6 << 20;
const MAX_ZIP_WITH_CODECS: u64 = 12 << 20;

/// What to build.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Functions to build; all where none is named
    functions: Vec<String>,
    /// For Graviton. Needs `rustup target add aarch64-unknown-linux-gnu`
    #[arg(long)]
    arm64: bool,
}

/// A function that is packaged.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Packaged {
    name: String,
    /// Its crate, where it has a `main.rs` of its own; else `safelight-lambda` is built with its name.
    own_crate: Option<String>,
    is_branch: bool,
}

/// Builds, and says how large each zip is.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let all = packaged(workspace.root())?;
    for name in &options.functions {
        let known = all.iter().any(|it| it.name == *name);
        ensure!(known, "there is no function '{name}' that is a crate");
    }
    let chosen = all
        .iter()
        .filter(|it| options.functions.is_empty() || options.functions.contains(&it.name));
    let target = if options.arm64 {
        "aarch64-unknown-linux-gnu"
    } else {
        "x86_64-unknown-linux-gnu"
    };
    has_target(workspace, target)?;
    let tools = Environment::with("package", &TOOLS)
        .map_err(|Unavailable(why)| anyhow::anyhow!("cargo-lambda cannot be had: {why}"))?;
    let mut too_large = Vec::new();
    for function in chosen {
        let zip = build(workspace, &tools, target, function)?;
        let bytes = fs::metadata(&zip)?.len();
        println!(
            "{:<12} {:>5.2} MB  {}",
            function.name,
            bytes as f64 / 1e6,
            zip.strip_prefix(workspace.root()).unwrap_or(&zip).display()
        );
        let most = if function.is_branch {
            MAX_ZIP_WITH_CODECS
        } else {
            MAX_ZIP
        };
        if bytes > most {
            too_large.push(function.name.clone());
        }
    }
    ensure!(
        too_large.is_empty(),
        "larger than docs/aws.md allows: {}",
        too_large.join(", ")
    );
    Ok(())
}

/// The functions: folders with a manifest that are crates.
fn packaged(root: &Path) -> anyhow::Result<Vec<Packaged>> {
    let mut found = Vec::new();
    for (parent, manifest, is_branch) in [
        ("functions", "function.json", false),
        ("functions/branches", "branch.json", true),
    ] {
        for entry in fs::read_dir(root.join(parent))? {
            let folder = entry?.path();
            if !folder.join(manifest).is_file() {
                continue;
            }
            let name = folder.file_name().and_then(|name| name.to_str());
            let name = name
                .context("a function's folder is named in UTF-8")?
                .to_owned();
            // A branch in another language has a runtime of its own: docs/aws.md.
            if !folder.join("Cargo.toml").is_file() {
                continue;
            }
            let own_crate = folder.join("src/main.rs").is_file();
            found.push(Packaged {
                own_crate: own_crate.then(|| format!("safelight-{name}")),
                name,
                is_branch,
            });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn has_target(workspace: &Workspace, target: &str) -> anyhow::Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(workspace.root())
        .output()
        .context("rustc cannot be run")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if !output.status.success() || !folder.is_dir() {
        bail!("the target {target} is not installed: `rustup target add {target}`");
    }
    Ok(())
}

fn build(
    workspace: &Workspace,
    tools: &Environment,
    target: &str,
    function: &Packaged,
) -> anyhow::Result<PathBuf> {
    let lambda = workspace.target().join("lambda");
    let out = lambda.join(".build");
    let package = function.own_crate.as_deref().unwrap_or("safelight-lambda");
    let mut command = Command::new(tools.program("cargo-lambda"));
    command
        .args([
            "lambda",
            "build",
            "--profile",
            "lambda",
            "--package",
            package,
        ])
        .args([
            "--bin",
            "bootstrap",
            "--output-format",
            "zip",
            "--lambda-dir",
        ])
        .arg(&out)
        // Its own would abort on a panic, and panics have a name here (`Function.Panicked`).
        .args(["--disable-optimizations", "--skip-target-check", "--target"])
        .arg(format!("{target}.{GLIBC}"))
        .env("SAFELIGHT_FUNCTION", &function.name)
        .env("PATH", path_with(tools)?)
        .current_dir(workspace.root());
    workspace.note(&command);
    eprintln!("$ cargo lambda build  # {}", function.name);
    let status = command.status().context("cargo-lambda cannot be run")?;
    ensure!(
        status.success(),
        "cargo-lambda failed for '{}'",
        function.name
    );
    let folder = lambda.join(&function.name);
    fs::create_dir_all(&folder)?;
    let zip = folder.join("bootstrap.zip");
    fs::rename(out.join("bootstrap/bootstrap.zip"), &zip)
        .context("cargo-lambda wrote no bootstrap.zip")?;
    Ok(zip)
}

/// cargo-lambda finds zig by way of the first `python3`.
fn path_with(tools: &Environment) -> anyhow::Result<std::ffi::OsString> {
    let own = tools.program("python3");
    let own = own.parent().unwrap_or(Path::new(".")).to_owned();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(own).chain(std::env::split_paths(&rest));
    Ok(std::env::join_paths(folders)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_with_a_manifest_is_packaged() {
        let found = packaged(Workspace::here().root()).unwrap();
        let names: Vec<&str> = found.iter().map(|it| it.name.as_str()).collect();
        for name in [
            "alert", "complete", "fail", "record", "route", "start", "validate",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert!(
            found
                .iter()
                .any(|it| it.is_branch && it.name == "thumbnail")
        );
        assert!(!names.contains(&"kit") && !names.contains(&"lambda"));
    }
}
