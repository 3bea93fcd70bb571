//! `safelight branch`: branches, one folder each.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use safelight_compose::scaffold::{self, NewBranch};
use safelight_compose::{BranchFolder, folder, rules, sync};
use safelight_schema::task::BranchRule;
use safelight_schema::{Format, Manifest, When};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::explain;
use crate::exit::Exit;
use crate::failure::{OrNextStep as _, with_next_step};
use crate::terminal;

/// Where the branches are.
#[derive(Debug, Clone, Args)]
pub struct Repository {
    /// Folder of the repository [default: the one that the working directory lies in]
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// The branch commands.
#[derive(Debug, Subcommand)]
pub enum BranchCommand {
    /// Write a branch that works, to be changed into yours, and sync
    New {
        /// Name: lower-case letters, digits and hyphens
        name: String,
        /// Formats that it takes; all where none is given
        #[arg(long, value_name = "FORMAT,…", value_delimiter = ',', value_parser = format)]
        formats: Vec<Format>,
        /// Who answers for it [default: git's user.name]
        #[arg(long)]
        owner: Option<String>,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
    },
    /// Write what is generated from the branches' folders
    Sync {
        /// Write nothing; fail if something is not current
        #[arg(long)]
        check: bool,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
    },
    /// Every branch
    List {
        /// The repository.
        #[command(flatten)]
        repository: Repository,
        /// Data as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Which branches an image goes to, and why not to the others
    Explain {
        /// The image
        image: PathBuf,
        /// Key to apply the rules to [default: the path]
        #[arg(long)]
        key: Option<String>,
        /// Configuration file [default: ./safelight.toml, if it is there]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
        /// Data as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Run a branch's own tests
    Test {
        /// Name of the branch
        name: String,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
    },
}

/// Runs the command.
pub fn run(command: BranchCommand) -> anyhow::Result<Exit> {
    match command {
        BranchCommand::New {
            name,
            formats,
            owner,
            repository,
        } => {
            let new = NewBranch {
                owner: owner.unwrap_or_else(git_user),
                name,
                formats,
            };
            create(&repository.require()?, &new)
        }
        BranchCommand::Sync { check, repository } => synchronise(&repository.require()?, check),
        BranchCommand::List { repository, json } => list(&repository, json),
        BranchCommand::Explain {
            image,
            key,
            config,
            repository,
            json,
        } => {
            let rules = repository.rules()?;
            explain::run(
                &explain::Request {
                    image,
                    key,
                    config,
                    json,
                },
                &rules,
            )
        }
        BranchCommand::Test { name, repository } => test(&repository.require()?, &name),
    }
}

impl Repository {
    /// Its root, where there is one.
    pub fn find(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some(root) = &self.root else {
            let here = std::env::current_dir().context("the working directory cannot be read")?;
            return Ok(sync::find_root(&here));
        };
        if sync::find_root(root).as_ref() == Some(root) {
            return Ok(Some(root.clone()));
        }
        Err(with_next_step(
            format!("{} holds no {}", root.display(), folder::BRANCHES),
            "give the root of a clone of Safelight with --root",
        ))
    }

    /// Its root.
    pub fn require(&self) -> anyhow::Result<PathBuf> {
        self.find()?.ok_or_else(|| {
            with_next_step(
                format!(
                    "no folder above the working directory holds {}",
                    folder::BRANCHES
                ),
                "go to a clone of Safelight, or name one with --root DIR",
            )
        })
    }

    /// The branches of the repository; outside of one, those of this binary.
    fn manifests(&self) -> anyhow::Result<Vec<Manifest>> {
        match self.find()? {
            Some(root) => Ok(folders(&root)?
                .into_iter()
                .map(|folder| folder.manifest)
                .collect()),
            None => Ok(safelight_functions::manifests()?),
        }
    }

    /// The rules of the repository; outside of one, those of this binary.
    fn rules(&self) -> anyhow::Result<Vec<BranchRule>> {
        let folders: Vec<BranchFolder> = self
            .manifests()?
            .into_iter()
            .map(BranchFolder::of)
            .collect();
        Ok(rules(&folders))
    }
}

fn folders(root: &Path) -> anyhow::Result<Vec<BranchFolder>> {
    BranchFolder::read_all(&root.join(folder::BRANCHES)).or_next_step(
        "the branches cannot be read",
        "mend the file that is named; docs/branches.md lists the fields",
    )
}

fn format(name: &str) -> Result<Format, String> {
    Format::ALL
        .into_iter()
        .find(|format| format.name() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
            format!("it has to be one of {}", names.join(", "))
        })
}

/// Who git says is working here.
fn git_user() -> String {
    Command::new("git")
        .args(["config", "user.name"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "nobody yet".to_owned())
}

fn create(root: &Path, new: &NewBranch) -> anyhow::Result<Exit> {
    let folder =
        scaffold::write(root, new).or_next_step("no branch was made", "choose another name")?;
    println!("{}", shown(root, &folder));
    synchronise(root, false)?;
    eprintln!(
        "next: safelight branch test {0}, then change functions/branches/{0}/src into your branch",
        new.name
    );
    Ok(Exit::Fine)
}

fn shown(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Writes what is not current and prints its names.
fn synchronise(root: &Path, check: bool) -> anyhow::Result<Exit> {
    let plan = sync::plan(root).or_next_step(
        "the branches do not fit together",
        "mend what is named, then run `safelight branch sync`",
    )?;
    if plan.is_current() {
        eprintln!("everything is current: {} branches", plan.branches.len());
        return Ok(Exit::Fine);
    }
    for change in &plan.changes {
        println!("{}", change.path);
    }
    if plan.lock_is_stale {
        println!("{}", sync::LOCK);
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

/// Cargo, as the one that runs us if it does.
fn cargo(root: &Path) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut cargo = Command::new(program);
    cargo.current_dir(root);
    cargo
}

fn succeed(mut command: Command, what: &str, next: &str) -> anyhow::Result<()> {
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

/// A line of `branch list`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListedBranch {
    /// Branch name.
    pub name: String,
    /// Version of its manifest.
    pub version: String,
    /// What it does.
    pub description: String,
    /// Who answers for it.
    pub owner: String,
    /// When it applies.
    pub when: When,
    /// Memory of its function, MiB.
    pub memory_mb: u32,
    /// Timeout of its function, seconds.
    pub timeout_seconds: u32,
    /// Its command, where it is not a Rust crate.
    pub command: Option<Vec<String>>,
    /// Whether this binary has it, in this version.
    pub built: bool,
}

fn list(repository: &Repository, json: bool) -> anyhow::Result<Exit> {
    let built = safelight_functions::manifests()?;
    let branches: Vec<ListedBranch> = repository
        .manifests()?
        .into_iter()
        .map(|manifest| ListedBranch {
            built: built.contains(&manifest),
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            owner: manifest.owner,
            when: manifest.when,
            memory_mb: manifest.memory_mb,
            timeout_seconds: manifest.timeout_seconds,
            command: manifest.command,
        })
        .collect();
    if json {
        for branch in &branches {
            println!("{}", serde_json::to_string(branch)?);
        }
        return Ok(Exit::Fine);
    }
    let mut table = terminal::table(&["Branch", "Version", "Takes", "Owner", "What it does"]);
    for branch in &branches {
        table.add_row([
            &branch.name,
            &branch.version,
            &takes(&branch.when),
            &terminal::safe(&branch.owner),
            &terminal::safe(&branch.description),
        ]);
    }
    println!("{table}");
    if branches.iter().any(|branch| !branch.built) {
        eprintln!("some of them are not in this binary yet: build it again");
    }
    Ok(Exit::Fine)
}

/// A manifest's conditions, as a person says them.
fn takes(when: &When) -> String {
    let names = |formats: &mut dyn Iterator<Item = &Format>| {
        formats
            .map(|format| format.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut parts = vec![match &when.formats {
        Some(formats) => names(&mut formats.iter()),
        None => "every format".to_owned(),
    }];
    if !when.formats_with_feature.is_empty() {
        parts.push(format!(
            "{} if built in",
            names(&mut when.formats_with_feature.keys())
        ));
    }
    let range = |least: Option<String>, most: Option<String>, what: &str| match (least, most) {
        (None, None) => None,
        (Some(least), None) => Some(format!("{what} from {least}")),
        (None, Some(most)) => Some(format!("{what} up to {most}")),
        (Some(least), Some(most)) => Some(format!("{what} {least} to {most}")),
    };
    let text = |number: Option<f64>| number.map(|number| number.to_string());
    parts.extend(range(
        when.min_bytes.map(terminal::size),
        when.max_bytes.map(terminal::size),
        "size",
    ));
    parts.extend(range(
        text(when.min_side.map(f64::from)),
        text(when.max_side.map(f64::from)),
        "sides",
    ));
    parts.extend(range(
        text(when.min_megapixels),
        text(when.max_megapixels),
        "megapixels",
    ));
    if let Some(prefixes) = &when.key_prefixes {
        parts.push(format!(
            "keys {}",
            prefixes
                .iter()
                .map(|prefix| format!("{prefix}*"))
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    parts.extend(when.narrow.iter().map(|narrowing| {
        format!(
            "with {} {}: {}",
            narrowing.setting,
            narrowing.value,
            takes(&narrowing.when)
        )
    }));
    terminal::safe(&parts.join("; "))
}

/// What a branch in another language is tested by: a program in its folder.
const OWN_TEST: &str = "test";

fn test(root: &Path, name: &str) -> anyhow::Result<Exit> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_as_a_person_says_them() {
        let when = When {
            formats: Some(vec![Format::Jpeg, Format::Png]),
            formats_with_feature: [(Format::Heic, "heic".to_owned())].into(),
            max_bytes: Some(15_000_000),
            min_side: Some(80),
            max_side: Some(4_000),
            min_megapixels: Some(0.5),
            key_prefixes: Some(vec!["photos/".into()]),
            ..When::default()
        };
        assert_eq!(
            takes(&when),
            "jpeg, png; heic if built in; size up to 15 MB; sides 80 to 4000; megapixels from 0.5; keys photos/*"
        );
        assert_eq!(takes(&When::default()), "every format");
    }

    #[test]
    fn a_format_is_one_of_ours() {
        assert_eq!(format("webp"), Ok(Format::Webp));
        assert!(format("psd").unwrap_err().contains("jpeg"));
    }

    #[test]
    fn a_root_that_is_none_is_an_error_with_a_next_step() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository {
            root: Some(folder.path().to_path_buf()),
        };
        let error = crate::failure::render(&repository.require().unwrap_err());
        assert!(
            error.contains("functions/branches") && error.contains("--root"),
            "{error}"
        );
    }

    #[test]
    fn a_listed_branch_keeps_to_its_schema() {
        let branch = ListedBranch {
            name: "a".into(),
            version: "1".into(),
            description: "d".into(),
            owner: "o".into(),
            when: When::default(),
            memory_mb: 128,
            timeout_seconds: 3,
            command: None,
            built: true,
        };
        let schema = schemars::schema_for!(ListedBranch).to_value();
        let value = serde_json::to_value(&branch).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{value}");
    }

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
        assert_eq!(synchronise(root.path(), false).unwrap(), Exit::Fine);
        assert_eq!(synchronise(root.path(), true).unwrap(), Exit::Fine);

        // A command branch: cargo has nothing to do with it.
        let branch = at("functions/branches/ocr");
        std::fs::create_dir(&branch).unwrap();
        std::fs::write(
            branch.join("branch.json"),
            r#"{"name": "ocr", "version": "1", "description": "d", "owner": "o", "memory_mb": 128,
                "timeout_seconds": 3, "command": ["python3", "main.py"]}"#,
        )
        .unwrap();
        let error = crate::failure::render(&synchronise(root.path(), true).unwrap_err());
        assert!(error.contains("branch sync"), "{error}");
        synchronise(root.path(), false).unwrap();
        let workflow = || std::fs::read_to_string(at(sync::IMAGE)).unwrap();
        assert!(workflow().contains("ocr/Run"));
        let error = crate::failure::render(&test(root.path(), "ocr").unwrap_err());
        assert!(error.contains("ocr/test"), "{error}");

        std::fs::remove_dir_all(&branch).unwrap();
        synchronise(root.path(), false).unwrap();
        assert!(!workflow().contains("ocr"));
    }
}
