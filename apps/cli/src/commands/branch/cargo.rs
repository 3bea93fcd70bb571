//! Cargo, and how a program that was asked for something ended.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::failure::{OrNextStep as _, with_next_step};

/// Cargo, as the one that runs us if it does.
pub fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut cargo = Command::new(program);
    cargo.current_dir(root);
    cargo
}

/// Runs a program to its end; anything but success is an error.
pub fn succeed(mut command: Command, what: &str, next: &str) -> anyhow::Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().or_next_step(
        &format!("{what}: {program} cannot be started"),
        "install Rust: https://rustup.rs",
    )?;
    if status.success() {
        Ok(())
    } else {
        Err(with_next_step(
            format!("{what}: {program} ended with {status}"),
            next,
        ))
    }
}
