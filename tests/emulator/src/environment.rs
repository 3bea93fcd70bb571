//! The virtual environment.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed. `cryptography` is what its KMS needs.
const PACKAGES: [&str; 2] = ["ministack[full]==1.5.33", "cryptography"];

/// Why there is no emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable(pub String);

/// A Python virtual environment with packages in it.
#[derive(Debug, Clone)]
pub struct Environment {
    folder: PathBuf,
}

/// Where cargo builds.
pub(crate) fn target() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let root = root.unwrap_or(Path::new(".")).to_owned();
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}

impl Environment {
    /// The emulator's.
    pub fn of_emulator() -> Result<Self, Unavailable> {
        Self::with("emulator-1.5.33", &PACKAGES)
    }

    /// An environment below `target/python/`, made with these packages when it is not there.
    pub fn with(name: &str, packages: &[&str]) -> Result<Self, Unavailable> {
        let unavailable =
            |what: &str, error: &dyn std::fmt::Display| Unavailable(format!("{what}: {error}"));
        let parent = target().join("python");
        let folder = parent.join(name);
        fs::create_dir_all(&parent).map_err(|error| unavailable("target/python", &error))?;
        // Test binaries that run at once make it once.
        let lock = File::create(parent.join(format!("{name}.lock")))
            .and_then(|file| file.lock().map(|()| file))
            .map_err(|error| unavailable("target/python", &error))?;
        let ready = folder.join("ready");
        if !ready.exists() {
            // What an interrupted installation left is of no use.
            let _ = fs::remove_dir_all(&folder);
            let made = call(Command::new("python3").args(["-m", "venv"]).arg(&folder));
            made.map_err(|why| unavailable("python3 -m venv", &why))?;
            let mut install = Command::new(folder.join("bin/python"));
            install
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .args(packages);
            call(&mut install)
                .map_err(|why| unavailable(&format!("pip install {}", packages.join(" ")), &why))?;
            File::create(&ready).map_err(|error| unavailable("target/python", &error))?;
        }
        drop(lock);
        Ok(Self { folder })
    }

    /// A program of it, such as `python`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join("bin").join(name)
    }
}

fn call(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    Err(last.unwrap_or("it failed and said nothing").to_owned())
}
