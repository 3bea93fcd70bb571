//! The branches of a run: the crates that this binary links, and the commands whose folders are there.
//!
//! A branch that is a command needs no build: inside a clone its folder is read at the start. Outside of
//! one there are those that were there when this binary was built.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use safelight_compose::sync::find_root;
use safelight_compose::{BranchFolder, IMAGE_ASL, TRUNK_ASL, compose, folder, render};

use crate::failure::OrNextStep as _;

/// What to do about a branch's folder that cannot be used.
const NEXT: &str = "mend the file that is named; docs/branches.md lists the fields";

/// The branches, by name.
#[derive(Debug)]
pub struct Branches {
    /// Their folders.
    pub folders: Vec<BranchFolder>,
    /// The clone that the working directory lies in, if it does.
    pub root: Option<PathBuf>,
}

impl Branches {
    /// The branches of a run in this working directory.
    pub fn here() -> anyhow::Result<Self> {
        let here = std::env::current_dir().context("the working directory cannot be read")?;
        Self::at(find_root(&here))
    }

    fn at(root: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut folders = linked()?;
        if let Some(root) = &root {
            folders.retain(|folder| folder.manifest.command.is_none());
            let commands = commands(&root.join(folder::BRANCHES), &folders)?;
            folders.extend(commands);
            folders.sort_by(|left, right| left.name().cmp(right.name()));
        }
        Ok(Self { folders, root })
    }

    /// Their names.
    pub fn names(&self) -> Vec<&str> {
        self.folders.iter().map(BranchFolder::name).collect()
    }

    /// Those that an image did not go through, as `name version`: new since then, or of another version.
    pub fn missed(&self, gone_through: &BTreeMap<String, String>) -> Vec<String> {
        let manifests = self.folders.iter().map(|folder| &folder.manifest);
        let missed = manifests.filter(|it| gone_through.get(&it.name) != Some(&it.version));
        missed
            .map(|it| format!("{} {}", it.name, it.version))
            .collect()
    }

    /// The workflow that runs them.
    pub fn definition(&self) -> anyhow::Result<String> {
        if self.folders == linked()? {
            return Ok(IMAGE_ASL.to_owned());
        }
        let trunk = serde_json::from_str(TRUNK_ASL).context("the trunk is not JSON")?;
        let composed =
            compose(&trunk, &self.folders).or_next_step("the workflow cannot be composed", NEXT)?;
        Ok(render(&composed))
    }
}

/// The branches that this binary was built with.
fn linked() -> anyhow::Result<Vec<BranchFolder>> {
    let folder = |manifest: safelight_schema::Manifest| {
        let states = safelight_functions::states(&manifest.name).map(serde_json::from_str);
        Ok(BranchFolder {
            states: states.transpose()?,
            manifest,
        })
    };
    safelight_functions::manifests()?
        .into_iter()
        .map(folder)
        .collect()
}

/// The branches below a folder that are commands. A crate is passed over: what counts of it is linked,
/// or is not built yet.
fn commands(branches: &Path, crates: &[BranchFolder]) -> anyhow::Result<Vec<BranchFolder>> {
    let what = "the branches cannot be read";
    let mut found = Vec::new();
    for entry in std::fs::read_dir(branches).or_next_step(what, NEXT)? {
        let path = entry.or_next_step(what, NEXT)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_crate = crates.iter().any(|folder| folder.name() == name);
        if is_crate || name.starts_with('.') || !path.is_dir() {
            continue;
        }
        let branch = BranchFolder::read(&path).or_next_step(what, NEXT)?;
        if branch.manifest.command.is_some() {
            found.push(branch);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_commands_the_workflow_is_the_one_that_is_committed() {
        let branches = Branches::at(None).unwrap();
        assert_eq!(branches.definition().unwrap(), IMAGE_ASL);
        let trunk = serde_json::from_str(TRUNK_ASL).unwrap();
        let composed = render(&compose(&trunk, &branches.folders).unwrap());
        assert_eq!(composed, IMAGE_ASL, "what is linked is what was composed");
    }

    #[test]
    fn a_command_is_there_as_soon_as_its_folder_is() {
        let root = tempfile::tempdir().unwrap();
        let branch = root.path().join(folder::BRANCHES).join("note");
        std::fs::create_dir_all(&branch).unwrap();
        // A crate that is not built yet, and one that is linked: what its folder says does not count.
        for (name, manifest) in [
            (
                "later",
                r#"{"name": "later", "version": "1", "description": "d", "owner": "o",
                    "memory_mb": 128, "timeout_seconds": 3}"#,
            ),
            ("label", "{"),
        ] {
            let folder = root.path().join(folder::BRANCHES).join(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(folder::MANIFEST), manifest).unwrap();
        }
        let manifest = r#"{"name": "note", "version": "1", "description": "d", "owner": "o",
            "memory_mb": 128, "timeout_seconds": 3, "command": ["python3", "main.py"]}"#;
        std::fs::write(branch.join(folder::MANIFEST), manifest).unwrap();
        let with = Branches::at(Some(root.path().to_owned())).unwrap();
        let mut names = Branches::at(None).unwrap().names().join(" ");
        names = names.replace("label", "label note");
        assert_eq!(with.names().join(" "), names);
        assert!(with.definition().unwrap().contains("note/Run"));

        std::fs::write(branch.join(folder::MANIFEST), "{").unwrap();
        let error = Branches::at(Some(root.path().to_owned())).unwrap_err();
        let text = crate::failure::render(&error);
        assert!(
            text.contains("note/branch.json") && text.contains("\n  next: "),
            "{text}"
        );
    }
}
