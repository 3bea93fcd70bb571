//! `safelight branch new` and `sync`: a branch's folder, and what is generated from all of them.

use std::path::Path;

use safelight_compose::scaffold::{self, NewBranch};
use safelight_compose::sync;
use schemars::JsonSchema;
use serde::Serialize;

use super::cargo::{cargo, succeed};
use crate::exit::Exit;
use crate::failure::{OrNextStep as _, with_next_step};
use crate::terminal;

/// What `branch new` and `branch sync` print with `--json`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Synced {
    /// The folder of the new branch; null where none was made.
    pub made: Option<String>,
    /// Generated files that were not current; with `--check` they still are not.
    pub changes: Vec<String>,
    /// Every branch.
    pub branches: Vec<String>,
}

/// Writes a new branch and what is generated from it.
pub fn create(root: &Path, new: &NewBranch, json: bool) -> anyhow::Result<Exit> {
    let folder =
        scaffold::write(root, new).or_next_step("no branch was made", "choose another name")?;
    synchronise(root, false, Some(&folder), json)?;
    eprintln!(
        "next: safelight branch test {0}, then change functions/branches/{0}/src into your branch",
        new.name
    );
    Ok(Exit::Fine)
}

/// Writes what is not current and prints its names.
pub fn synchronise(
    root: &Path,
    check: bool,
    made: Option<&Path>,
    json: bool,
) -> anyhow::Result<Exit> {
    let plan = sync::plan(root).or_next_step(
        "the branches do not fit together",
        "mend what is named, then run `safelight branch sync`",
    )?;
    let lock = plan.lock_is_stale.then_some(sync::LOCK);
    let changes = plan.changes.iter().map(|change| change.path).chain(lock);
    let synced = Synced {
        made: made.map(|folder| shown(root, folder)),
        changes: changes.map(str::to_owned).collect(),
        branches: plan.branches.clone(),
    };
    print(&synced, json)?;
    if plan.is_current() {
        return Ok(Exit::Fine);
    }
    if check {
        return Err(with_next_step(
            "the files above are not current",
            "run `safelight branch sync`",
        ));
    }
    plan.write(root).or_next_step(
        "the generated files were not written",
        "make them writable, then run it again",
    )?;
    if plan.lock_is_stale {
        let mut cargo = cargo(root);
        cargo.args(["update", "--workspace", "--offline", "--quiet"]);
        succeed(
            cargo,
            "Cargo.lock was not written",
            "run `cargo metadata` and see what it says",
        )?;
    }
    Ok(Exit::Fine)
}

fn print(synced: &Synced, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(synced)?);
        return Ok(());
    }
    for path in synced.made.iter().chain(&synced.changes) {
        println!("{path}");
    }
    if synced.changes.is_empty() {
        eprintln!(
            "everything is current: {}",
            terminal::count(synced.branches.len(), "branch")
        );
    }
    Ok(())
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use safelight_compose::folder;

    use super::*;

    #[test]
    fn a_new_branch_is_written_synced_and_gone_again() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in [folder::BRANCHES, "workflows", "functions/all/src"] {
            std::fs::create_dir_all(at(folder)).unwrap();
        }
        std::fs::write(at(sync::TRUNK), safelight_compose::TRUNK_ASL).unwrap();
        std::fs::write(
            at(sync::WORKSPACE),
            "[workspace]\nresolver = \"3\"\nmembers = [\n    \"functions/all\",\n    \
             # Branches: written by `safelight branch sync`.\n    # End of branches.\n]\n",
        )
        .unwrap();
        std::fs::write(
            at(sync::ALL_MANIFEST),
            "[package]\nname = \"safelight-functions\"\nedition = \"2024\"\n\n[dependencies]\n\
             # Branches: written by `safelight branch sync`.\n# End of branches.\n",
        )
        .unwrap();
        std::fs::write(at("functions/all/src/lib.rs"), "").unwrap();
        assert_eq!(
            synchronise(root.path(), false, None, false).unwrap(),
            Exit::Fine
        );
        assert_eq!(
            synchronise(root.path(), true, None, true).unwrap(),
            Exit::Fine
        );

        // A command branch: cargo has nothing to do with it.
        let branch = at("functions/branches/ocr");
        std::fs::create_dir(&branch).unwrap();
        std::fs::write(
            branch.join("branch.json"),
            r#"{"name": "ocr", "version": "1", "description": "d", "owner": "o", "memory_mb": 128,
                "timeout_seconds": 3, "command": ["python3", "main.py"]}"#,
        )
        .unwrap();
        let error =
            crate::failure::render(&synchronise(root.path(), true, None, true).unwrap_err());
        assert!(error.contains("branch sync"), "{error}");
        synchronise(root.path(), false, None, false).unwrap();
        let workflow = || std::fs::read_to_string(at(sync::IMAGE)).unwrap();
        assert!(workflow().contains("ocr/Run"));
        let error =
            crate::failure::render(&super::super::test::run(root.path(), "ocr").unwrap_err());
        assert!(error.contains("ocr/test"), "{error}");

        std::fs::remove_dir_all(&branch).unwrap();
        synchronise(root.path(), false, None, false).unwrap();
        assert!(!workflow().contains("ocr"));
    }
}
