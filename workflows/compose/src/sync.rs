//! What is written from the branches' folders: the workflow, the workspace's members, and the list of
//! branches that `functions/all` links. Nothing else changes when a branch is added or removed.
//!
//! The members are listed and not a glob: cargo refuses a folder of a glob that is no crate, and a
//! branch in another language is none.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::compose::compose;
use crate::error::ComposeError;
use crate::folder::{BRANCHES, BranchFolder};
use crate::render::render;

/// The trunk, seen from the root.
pub const TRUNK: &str = "workflows/trunk.asl.json";
/// The composed workflow, seen from the root.
pub const IMAGE: &str = "workflows/image.asl.json";
/// The workspace's manifest with the generated block, seen from the root.
pub const WORKSPACE: &str = "Cargo.toml";
/// The manifest of `functions/all` with the generated block, seen from the root.
pub const ALL_MANIFEST: &str = "functions/all/Cargo.toml";
/// The generated list of branches, seen from the root.
pub const ALL_BRANCHES: &str = "functions/all/src/branches.rs";
/// Cargo's lock file, seen from the root.
pub const LOCK: &str = "Cargo.lock";

const BLOCK_BEGIN: &str = "# Branches: written by `safelight branch sync`.";
const BLOCK_END: &str = "# End of branches.";

/// Why nothing was synced.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The workflow cannot be composed.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it has to be.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// A generated file whose content has to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file, seen from the root.
    pub path: &'static str,
    /// What is to be in it.
    pub content: String,
}

/// What a sync has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Files that are not current.
    pub changes: Vec<Change>,
    /// Whether cargo has to write its lock file again.
    pub lock_is_stale: bool,
    /// Every branch that there is.
    pub branches: Vec<String>,
}

impl Plan {
    /// Whether everything is current.
    pub const fn is_current(&self) -> bool {
        self.changes.is_empty() && !self.lock_is_stale
    }

    /// Writes the files; the lock file is cargo's own to write.
    pub fn write(&self, root: &Path) -> Result<(), SyncError> {
        for change in &self.changes {
            let path = root.join(change.path);
            std::fs::write(&path, &change.content)
                .map_err(|source| SyncError::File { path, source })?;
        }
        Ok(())
    }
}

/// The root of the repository that `start` lies in: the nearest folder above it that holds the
/// branches and the trunk.
pub fn find_root(start: &Path) -> Option<PathBuf> {
    start
        .ancestors()
        .find(|folder| folder.join(BRANCHES).is_dir() && folder.join(TRUNK).is_file())
        .map(Path::to_path_buf)
}

/// Compares what is there with what the folders give.
pub fn plan(root: &Path) -> Result<Plan, SyncError> {
    let folders = BranchFolder::read_all(&root.join(BRANCHES))?;
    let definition = compose(&trunk(root)?, &folders)?;
    let rust = rust_branches(root, &folders)?;
    let member = |branch: &str| format!("\"{BRANCHES}/{branch}\",");
    let dependency = |branch: &str| {
        format!(
            "{} = {{ path = \"../branches/{branch}\" }}",
            package_of(branch)
        )
    };
    let wanted = [
        (IMAGE, render(&definition)),
        (WORKSPACE, with_block(root, WORKSPACE, &rust, member)?),
        (
            ALL_MANIFEST,
            with_block(root, ALL_MANIFEST, &rust, dependency)?,
        ),
        (ALL_BRANCHES, branches_source(&folders)),
    ];
    let changes = wanted
        .into_iter()
        .filter(|(path, content)| {
            std::fs::read_to_string(root.join(path)).ok().as_ref() != Some(content)
        })
        .map(|(path, content)| Change { path, content })
        .collect();
    Ok(Plan {
        changes,
        lock_is_stale: locked_branches(root)?.is_none_or(|locked| locked != rust),
        branches: folders
            .iter()
            .map(|folder| folder.name().to_owned())
            .collect(),
    })
}

/// The trunk as it stands in the repository.
pub fn trunk(root: &Path) -> Result<Value, SyncError> {
    let path = root.join(TRUNK);
    serde_json::from_str(&read(root, TRUNK)?)
        .map_err(|source| ComposeError::NotJson { path, source }.into())
}

fn read(root: &Path, path: &str) -> Result<String, SyncError> {
    let path = root.join(path);
    std::fs::read_to_string(&path).map_err(|source| SyncError::File { path, source })
}

/// The branches that are crates; each has to be called as the generated lines call it.
fn rust_branches(root: &Path, folders: &[BranchFolder]) -> Result<BTreeSet<String>, SyncError> {
    let mut names = BTreeSet::new();
    for folder in folders
        .iter()
        .filter(|folder| folder.manifest.command.is_none())
    {
        let file = format!("{BRANCHES}/{}/Cargo.toml", folder.name());
        let content = |problem: String| SyncError::Content {
            path: root.join(&file),
            problem,
        };
        let manifest: toml::Table = read(root, &file)?
            .parse()
            .map_err(|error: toml::de::Error| content(error.message().to_owned()))?;
        let package = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(toml::Value::as_str);
        let expected = package_of(folder.name());
        if package != Some(expected.as_str()) {
            return Err(content(format!("package.name must be '{expected}'")));
        }
        names.insert(folder.name().to_owned());
    }
    Ok(names)
}

/// The crate of a branch.
fn package_of(branch: &str) -> String {
    format!("{PACKAGE_PREFIX}{branch}")
}

const PACKAGE_PREFIX: &str = "safelight-branch-";

/// A manifest with the lines between the two comments written again, a line a branch.
fn with_block(
    root: &Path,
    file: &str,
    rust: &BTreeSet<String>,
    line: impl Fn(&str) -> String,
) -> Result<String, SyncError> {
    let manifest = read(root, file)?;
    let parts = manifest.split_once(BLOCK_BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(BLOCK_END)?;
        Some((before, after))
    });
    let Some((before, after)) = parts else {
        return Err(SyncError::Content {
            path: root.join(file),
            problem: format!("the lines '{BLOCK_BEGIN}' and '{BLOCK_END}' are missing"),
        });
    };
    // The lines stand as far in as the comments do.
    let indent = before.rsplit('\n').next().unwrap_or_default();
    let mut lines = String::new();
    for branch in rust {
        // Writing to a String does not fail.
        let _ = writeln!(lines, "{indent}{}", line(branch));
    }
    Ok(format!(
        "{before}{BLOCK_BEGIN}\n{lines}{indent}{BLOCK_END}{after}"
    ))
}

/// `branches.rs` of `functions/all`.
fn branches_source(folders: &[BranchFolder]) -> String {
    let mut source = String::from(
        "//! The branches. Written by `safelight branch sync` from functions/branches/*: change those.\n\n\
         use safelight_kit::Function;\n\n\
         /// The function of every branch that is a crate, by name.\n\
         pub const FUNCTIONS: &[Function] = &[\n",
    );
    // Writing to a String does not fail, here and below.
    for folder in folders
        .iter()
        .filter(|folder| folder.manifest.command.is_none())
    {
        let _ = writeln!(
            source,
            "    {}::FUNCTION,",
            package_of(folder.name()).replace('-', "_")
        );
    }
    source.push_str(
        "];\n\n\
         /// Every branch's name and its `branch.json`, by name; also of the branches that are commands.\n\
         #[rustfmt::skip]\n\
         pub const MANIFESTS: &[(&str, &str)] = &[\n",
    );
    for folder in folders {
        let _ = writeln!(
            source,
            "    (\"{0}\", include_str!(\"../../branches/{0}/branch.json\")),",
            folder.name()
        );
    }
    source.push_str(
        "];\n\n\
         /// The name and the `states.asl.json` of every branch that has one, by name.\n\
         #[rustfmt::skip]\n\
         pub static STATES: &[(&str, &str)] = &[\n",
    );
    for folder in folders.iter().filter(|folder| folder.states.is_some()) {
        let _ = writeln!(
            source,
            "    (\"{0}\", include_str!(\"../../branches/{0}/states.asl.json\")),",
            folder.name()
        );
    }
    source.push_str("];\n");
    source
}

/// The branches that the lock file knows as crates and as dependencies of `functions/all`; `None` if
/// it is missing or the two differ.
fn locked_branches(root: &Path) -> Result<Option<BTreeSet<String>>, SyncError> {
    let path = root.join(LOCK);
    if !path.exists() {
        return Ok(None);
    }
    let lock: toml::Table = read(root, LOCK)?
        .parse()
        .map_err(|error: toml::de::Error| SyncError::Content {
            path,
            problem: error.message().to_owned(),
        })?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    let (mut crates, mut linked) = (BTreeSet::new(), BTreeSet::new());
    for package in packages.into_iter().flatten() {
        let name = package
            .get("name")
            .and_then(toml::Value::as_str)
            .unwrap_or_default();
        if let Some(branch) = name.strip_prefix(PACKAGE_PREFIX) {
            crates.insert(branch.to_owned());
        }
        if name == "safelight-functions" {
            let dependencies = package.get("dependencies").and_then(toml::Value::as_array);
            linked.extend(
                dependencies
                    .into_iter()
                    .flatten()
                    .filter_map(|dependency| dependency.as_str()?.strip_prefix(PACKAGE_PREFIX))
                    .map(str::to_owned),
            );
        }
    }
    Ok((crates == linked).then_some(crates))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "[package]\nname = \"safelight-functions\"\n\n[dependencies]\nserde = \"1\"\n\
        # Branches: written by `safelight branch sync`.\n# End of branches.\n\n[lints]\nworkspace = true\n";

    const MEMBERS: &str = "[workspace]\nmembers = [\n    \"schema\",\n    \
        # Branches: written by `safelight branch sync`.\n    # End of branches.\n    \"apps/cli\",\n]\n";

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in [BRANCHES, "workflows", "functions/all/src"] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        std::fs::write(root.path().join(TRUNK), crate::TRUNK_ASL).unwrap();
        std::fs::write(root.path().join(ALL_MANIFEST), ALL).unwrap();
        std::fs::write(root.path().join(WORKSPACE), MEMBERS).unwrap();
        root
    }

    fn add(root: &Path, name: &str, command: bool) {
        let folder = root.join(BRANCHES).join(name);
        std::fs::create_dir(&folder).unwrap();
        let command = if command {
            r#", "command": ["./run"]"#
        } else {
            ""
        };
        let manifest = format!(
            r#"{{"name": "{name}", "version": "1", "description": "d", "owner": "o", "memory_mb": 128, "timeout_seconds": 3{command}}}"#
        );
        std::fs::write(folder.join("branch.json"), manifest).unwrap();
        if command.is_empty() {
            let manifest = format!("[package]\nname = \"safelight-branch-{name}\"\n");
            std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        }
    }

    const FILES: [&str; 4] = [IMAGE, WORKSPACE, ALL_MANIFEST, ALL_BRANCHES];

    fn lock(root: &Path, branches: &[&str]) {
        let mut text = String::new();
        for branch in branches {
            let _ = write!(
                text,
                "[[package]]\nname = \"safelight-branch-{branch}\"\n\n"
            );
        }
        let names: Vec<String> = branches
            .iter()
            .map(|branch| format!("\"safelight-branch-{branch}\""))
            .collect();
        let _ = write!(
            text,
            "[[package]]\nname = \"safelight-functions\"\ndependencies = [{}]\n",
            names.join(", ")
        );
        std::fs::write(root.join(LOCK), text).unwrap();
    }

    fn text(root: &Path, path: &str) -> String {
        std::fs::read_to_string(root.join(path)).unwrap()
    }

    #[test]
    fn adds_a_branch_and_removes_it_without_a_trace() {
        let root = repository();
        let root = root.path();
        add(root, "sepia", false);
        lock(root, &["sepia"]);
        plan(root).unwrap().write(root).unwrap();
        let before: Vec<String> = FILES.map(|path| text(root, path)).into();

        add(root, "blur", false);
        add(root, "ocr", true);
        let added = plan(root).unwrap();
        assert_eq!(added.changes.len(), 4);
        assert_eq!(added.branches, ["blur", "ocr", "sepia"]);
        assert!(added.lock_is_stale);
        added.write(root).unwrap();
        lock(root, &["blur", "sepia"]);
        assert!(
            plan(root).unwrap().is_current(),
            "a second sync has nothing to do"
        );
        let manifest = text(root, ALL_MANIFEST);
        assert!(manifest.contains("safelight-branch-blur = { path = \"../branches/blur\" }"));
        assert!(manifest.contains("[lints]") && !manifest.contains("ocr"));
        assert_eq!(
            text(root, WORKSPACE),
            "[workspace]\nmembers = [\n    \"schema\",\n    \
             # Branches: written by `safelight branch sync`.\n    \"functions/branches/blur\",\n    \
             \"functions/branches/sepia\",\n    # End of branches.\n    \"apps/cli\",\n]\n"
        );
        let source = text(root, ALL_BRANCHES);
        assert!(source.contains("safelight_branch_blur::FUNCTION"));
        assert!(source.contains("branches/ocr/branch.json") && !source.contains("branch_ocr"));
        assert!(text(root, IMAGE).contains("ocr/Run"));

        for gone in ["blur", "ocr"] {
            std::fs::remove_dir_all(root.join(BRANCHES).join(gone)).unwrap();
        }
        let removed = plan(root).unwrap();
        assert!(removed.lock_is_stale);
        removed.write(root).unwrap();
        let after: Vec<String> = FILES.map(|path| text(root, path)).into();
        assert_eq!(before, after);
    }

    #[test]
    fn a_crate_of_another_name_is_refused() {
        let root = repository();
        add(root.path(), "sepia", false);
        let file = root.path().join(BRANCHES).join("sepia/Cargo.toml");
        std::fs::write(file, "[package]\nname = \"sepia\"\n").unwrap();
        let error = plan(root.path()).unwrap_err().to_string();
        assert!(error.contains("safelight-branch-sepia"), "{error}");
    }

    #[test]
    fn a_rust_branch_needs_its_crate() {
        let root = repository();
        add(root.path(), "sepia", false);
        std::fs::remove_file(root.path().join(BRANCHES).join("sepia/Cargo.toml")).unwrap();
        let error = plan(root.path()).unwrap_err().to_string();
        assert!(error.contains("sepia/Cargo.toml"), "{error}");
    }

    #[test]
    fn a_manifest_without_the_block_says_which_lines_are_missing() {
        let root = repository();
        std::fs::write(root.path().join(ALL_MANIFEST), "[dependencies]\n").unwrap();
        let error = plan(root.path()).unwrap_err().to_string();
        assert!(error.contains(BLOCK_BEGIN), "{error}");
    }

    #[test]
    fn the_root_is_found_from_below() {
        let root = repository();
        add(root.path(), "sepia", false);
        let below = root.path().join(BRANCHES).join("sepia");
        assert_eq!(find_root(&below), Some(root.path().to_path_buf()));
        assert_eq!(find_root(Path::new("/")), None);
    }
}
