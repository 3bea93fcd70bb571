//! What `safelight branch new` writes: a branch that works, to be changed into the one that is wanted.

use std::path::{Path, PathBuf};

use safelight_schema::Format;
use safelight_schema::manifest::is_branch_name;
use serde_json::json;

use crate::folder::BRANCHES;

/// Templates, by where they go below the branch's folder.
const TEXTS: [(&str, &str); 7] = [
    (
        "Cargo.toml",
        include_str!("../templates/branch/Cargo.toml.txt"),
    ),
    (
        "README.md",
        include_str!("../templates/branch/README.md.txt"),
    ),
    ("src/lib.rs", include_str!("../templates/branch/lib.rs.txt")),
    (
        "src/{{module}}.rs",
        include_str!("../templates/branch/module.rs.txt"),
    ),
    (
        "src/handler.rs",
        include_str!("../templates/branch/handler.rs.txt"),
    ),
    (
        "tests/golden.rs",
        include_str!("../templates/branch/golden.rs.txt"),
    ),
    (
        "golden/example.png.json",
        include_str!("../templates/branch/golden.json"),
    ),
];

const FIXTURE: &[u8] = include_bytes!("../templates/branch/example.png");

/// Modules that the branch's crate has already, and words that cannot name one: Rust's keywords.
const NOT_A_MODULE: [&str; 56] = [
    "handler", "lib", "main", "as", "async", "await", "break", "const", "continue", "crate", "dyn",
    "else", "enum", "extern", "false", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "match", "mod", "move", "mut", "pub", "ref", "return", "self", "static", "struct", "super",
    "trait", "true", "type", "unsafe", "use", "where", "while", "abstract", "become", "box", "do",
    "final", "macro", "override", "priv", "try", "typeof", "unsized", "virtual", "yield", "core",
    "std",
];

/// A branch that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBranch {
    /// Its name.
    pub name: String,
    /// Who answers for it.
    pub owner: String,
    /// Formats that it takes; all where empty.
    pub formats: Vec<Format>,
}

/// Why a branch was not made.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldError {
    /// The name cannot be one.
    #[error(
        "'{0}' cannot name a branch: lower-case letters, digits and hyphens, starting with a letter, at most 32, and no function of the product"
    )]
    Name(String),
    /// It is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The files of a new branch, by where they go below its folder.
pub fn files(new: &NewBranch) -> Vec<(PathBuf, Vec<u8>)> {
    let crate_part = new.name.replace('-', "_");
    let module = if NOT_A_MODULE.contains(&crate_part.as_str()) {
        format!("{crate_part}_branch")
    } else {
        crate_part.clone()
    };
    let fill = |text: &str| {
        text.replace("{{name}}", &new.name)
            .replace("{{module}}", &module)
            .replace("{{crate}}", &crate_part)
    };
    let mut files: Vec<(PathBuf, Vec<u8>)> = TEXTS
        .iter()
        .map(|(path, text)| (fill(path).into(), fill(text).into_bytes()))
        .collect();
    files.push(("branch.json".into(), manifest(new).into_bytes()));
    files.push(("fixtures/example.png".into(), FIXTURE.to_vec()));
    files.sort();
    files
}

/// Writes a new branch; answers its folder.
pub fn write(root: &Path, new: &NewBranch) -> Result<PathBuf, ScaffoldError> {
    if !is_branch_name(&new.name) || crate::branch_states::RESERVED.contains(&new.name.as_str()) {
        return Err(ScaffoldError::Name(new.name.clone()));
    }
    let folder = root.join(BRANCHES).join(&new.name);
    if folder.exists() {
        return Err(ScaffoldError::Exists(folder));
    }
    for (path, bytes) in files(new) {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(&folder).to_path_buf();
        let failed = |path: PathBuf| move |source| ScaffoldError::File { path, source };
        std::fs::create_dir_all(&parent).map_err(failed(parent.clone()))?;
        std::fs::write(&path, bytes).map_err(failed(path.clone()))?;
    }
    Ok(folder)
}

fn manifest(new: &NewBranch) -> String {
    let mut when = json!({});
    if !new.formats.is_empty() {
        when["formats"] = json!(new.formats);
    }
    let manifest = json!({
        "name": new.name,
        "version": "1",
        "description": "What the image is, and the digest of its bytes.",
        "owner": new.owner,
        "when": when,
        "memory_mb": 1024,
        "timeout_seconds": 30
    });
    format!("{manifest:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::BranchFolder;

    fn new(name: &str) -> NewBranch {
        NewBranch {
            name: name.into(),
            owner: "A \"quoted\" team".into(),
            formats: vec![Format::Jpeg, Format::Png],
        }
    }

    #[test]
    fn what_is_written_is_a_branch() {
        let root = tempfile::tempdir().unwrap();
        let folder = write(root.path(), &new("line-count")).unwrap();
        let branch = BranchFolder::read(&folder).unwrap();
        assert_eq!(branch.manifest.owner, "A \"quoted\" team");
        assert_eq!(
            branch.manifest.when.formats,
            Some(vec![Format::Jpeg, Format::Png])
        );
        assert!(folder.join("src/line_count.rs").exists());
        for (path, bytes) in files(&new("line-count")) {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            assert!(
                !text.contains("{{name") && !text.contains("{{module"),
                "{}",
                path.display()
            );
            assert!(!text.contains("{{crate"), "{}", path.display());
        }
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        let folder = write(root.path(), &new("sepia")).unwrap();
        std::fs::write(folder.join("branch.json"), "mine").unwrap();
        assert!(matches!(
            write(root.path(), &new("sepia")),
            Err(ScaffoldError::Exists(_))
        ));
        assert_eq!(
            std::fs::read_to_string(folder.join("branch.json")).unwrap(),
            "mine"
        );
    }

    #[test]
    fn names_that_cannot_be_are_refused_before_anything_is_written() {
        let root = tempfile::tempdir().unwrap();
        for name in ["../up", "Upper", "", "9lives", "validate", "a_b"] {
            assert!(
                matches!(write(root.path(), &new(name)), Err(ScaffoldError::Name(_))),
                "{name}"
            );
        }
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_keyword_names_no_module() {
        let paths: Vec<PathBuf> = files(&new("match"))
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert!(
            paths.contains(&PathBuf::from("src/match_branch.rs")),
            "{paths:?}"
        );
    }

    #[test]
    fn the_golden_file_is_of_the_fixture() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../templates/branch/golden.json")).unwrap();
        assert_eq!(golden["bytes"], FIXTURE.len());
        assert_eq!(
            golden["sha256"],
            safelight_schema::chain::sha256_hex(FIXTURE)
        );
    }
}
