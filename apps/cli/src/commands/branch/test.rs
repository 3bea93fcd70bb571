//! `safelight branch test`: a branch's own tests.

use std::path::Path;
use std::process::Command;

use safelight_compose::{BranchFolder, folder};

use super::cargo::{cargo, succeed};
use super::folders;
use crate::exit::Exit;
use crate::failure::with_next_step;

/// What a branch in another language is tested by: a program in its folder.
const OWN_TEST: &str = "test";

/// Runs the tests of branch `name`.
pub fn run(root: &Path, name: &str) -> anyhow::Result<Exit> {
    let folders = folders(root)?;
    let Some(branch) = folders.iter().find(|folder| folder.name() == name) else {
        let names: Vec<&str> = folders.iter().map(BranchFolder::name).collect();
        return Err(with_next_step(
            format!("there is no branch '{name}'"),
            format!("choose one of {}", names.join(", ")),
        ));
    };
    let command = if branch.manifest.command.is_some() {
        let folder = root.join(folder::BRANCHES).join(name);
        let program = folder.join(OWN_TEST);
        if !program.is_file() {
            return Err(with_next_step(
                format!("the branch '{name}' has no test"),
                format!(
                    "write a program {}/{name}/{OWN_TEST} that ends with 0 when all is well",
                    folder::BRANCHES
                ),
            ));
        }
        let mut command = Command::new(program);
        command.current_dir(folder);
        command
    } else {
        let mut cargo = cargo(root);
        cargo.args([
            "test",
            "--quiet",
            "--package",
            &format!("safelight-branch-{name}"),
        ]);
        cargo
    };
    succeed(
        command,
        &format!("the tests of '{name}' failed"),
        "see what they printed",
    )?;
    Ok(Exit::Fine)
}
