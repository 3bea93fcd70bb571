//! A branch's folder: its manifest, and its states where it has any.

use std::path::{Path, PathBuf};

use safelight_schema::Manifest;
use serde_json::Value;

use crate::error::ComposeError;

/// The manifest's file name.
pub const MANIFEST: &str = "branch.json";
/// The file name of the states of a branch that is more than one task.
pub const STATES: &str = "states.asl.json";
/// Where the branches' folders are, seen from the root of the repository.
pub const BRANCHES: &str = "functions/branches";

/// A branch as its folder describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct BranchFolder {
    /// `branch.json`.
    pub manifest: Manifest,
    /// `states.asl.json`; absent where the branch is one task.
    pub states: Option<Value>,
}

impl BranchFolder {
    /// A branch of one task.
    pub const fn of(manifest: Manifest) -> Self {
        Self {
            manifest,
            states: None,
        }
    }

    /// Reads one folder.
    pub fn read(folder: &Path) -> Result<Self, ComposeError> {
        let path = folder.join(MANIFEST);
        let manifest = parse_manifest(&path, &text_of(&path)?)?;
        if folder
            .file_name()
            .is_none_or(|name| name != manifest.name.as_str())
        {
            return Err(ComposeError::Manifest {
                path,
                problem: format!("name: '{}' is not the name of its folder", manifest.name),
            });
        }
        let path = folder.join(STATES);
        let states = if path.exists() {
            let text = text_of(&path)?;
            let value = serde_json::from_str(&text)
                .map_err(|source| ComposeError::NotJson { path, source })?;
            Some(value)
        } else {
            None
        };
        Ok(Self { manifest, states })
    }

    /// Reads every folder below `branches`, in the order of their names. Every entry that is a folder
    /// has to be a branch; hidden ones are passed over.
    pub fn read_all(branches: &Path) -> Result<Vec<Self>, ComposeError> {
        let unreadable = |source| ComposeError::Unreadable {
            path: branches.to_path_buf(),
            source,
        };
        let mut folders: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(branches).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let hidden = entry.file_name().as_encoded_bytes().first() == Some(&b'.');
            if !hidden && entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
        folders.sort();
        folders.iter().map(|folder| Self::read(folder)).collect()
    }

    /// The branch's name.
    pub fn name(&self) -> &str {
        &self.manifest.name
    }
}

/// Reads a manifest; `path` is for the error's text.
pub fn parse_manifest(path: &Path, text: &str) -> Result<Manifest, ComposeError> {
    let refuse = |problem: String| ComposeError::Manifest {
        path: path.to_path_buf(),
        problem,
    };
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
    manifest
        .check()
        .map_err(|error| refuse(error.to_string()))?;
    Ok(manifest)
}

fn text_of(path: &Path) -> Result<String, ComposeError> {
    std::fs::read_to_string(path).map_err(|source| ComposeError::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"name": "sepia", "version": "1", "description": "Brown.", "owner": "team",
        "memory_mb": 256, "timeout_seconds": 30}"#;

    fn folder(manifest: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let branch = root.path().join("sepia");
        std::fs::create_dir(&branch).unwrap();
        std::fs::write(branch.join(MANIFEST), manifest).unwrap();
        root
    }

    #[test]
    fn reads_the_folders_in_the_order_of_their_names() {
        let root = folder(GOOD);
        let other = root.path().join("blur");
        std::fs::create_dir(&other).unwrap();
        std::fs::create_dir(root.path().join(".cache")).unwrap();
        std::fs::write(root.path().join("README.md"), "not a branch").unwrap();
        std::fs::write(other.join(MANIFEST), GOOD.replace("sepia", "blur")).unwrap();
        let names: Vec<String> = BranchFolder::read_all(root.path())
            .unwrap()
            .iter()
            .map(|folder| folder.name().to_owned())
            .collect();
        assert_eq!(names, ["blur", "sepia"]);
    }

    #[test]
    fn an_error_names_the_file_and_the_field() {
        for (manifest, words) in [
            (
                GOOD.replace("\"memory_mb\": 256", "\"memory_mb\": 1"),
                "memory_mb",
            ),
            (GOOD.replace("\"owner\"", "\"ownr\""), "ownr"),
            (GOOD.replace("\"name\": \"sepia\", ", ""), "name"),
            (GOOD.replace("\"sepia\"", "\"Sepia\""), "name"),
            (GOOD.replace("\"sepia\"", "\"blur\""), "name of its folder"),
            (
                GOOD.replace("\"version\": \"1\"", "\"version\": 1"),
                "invalid type",
            ),
            ("{".to_owned(), "EOF"),
        ] {
            let root = folder(&manifest);
            let error = BranchFolder::read_all(root.path()).unwrap_err().to_string();
            assert!(
                error.contains("branch.json") && error.contains(words),
                "{error}"
            );
        }
    }

    #[test]
    fn states_that_are_not_json_are_refused_by_the_name_of_their_file() {
        let root = folder(GOOD);
        std::fs::write(root.path().join("sepia").join(STATES), "{,}").unwrap();
        let error = BranchFolder::read_all(root.path()).unwrap_err().to_string();
        assert!(error.contains(STATES), "{error}");
    }

    #[test]
    fn a_folder_without_a_manifest_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("empty")).unwrap();
        let error = BranchFolder::read_all(root.path()).unwrap_err().to_string();
        assert!(error.contains(MANIFEST), "{error}");
    }
}
