//! `safelight branch`: branches, one folder each.

mod cargo;
pub mod list;
pub mod sync;
mod test;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use safelight_compose::scaffold::NewBranch;
use safelight_compose::sync::find_root;
use safelight_compose::{BranchFolder, folder, rules};
use safelight_schema::task::BranchRule;
use safelight_schema::{Format, Manifest};

use crate::commands::explain;
use crate::exit::Exit;
use crate::failure::{OrNextStep as _, with_next_step};

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
        /// Data as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Write what is generated from the branches' folders
    Sync {
        /// Write nothing; fail if something is not current
        #[arg(long)]
        check: bool,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
        /// Data as JSON on standard output
        #[arg(long)]
        json: bool,
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
            json,
        } => {
            let new = NewBranch {
                owner: owner.unwrap_or_else(git_user),
                name,
                formats,
            };
            sync::create(&repository.require()?, &new, json)
        }
        BranchCommand::Sync {
            check,
            repository,
            json,
        } => sync::synchronise(&repository.require()?, check, None, json),
        BranchCommand::List { repository, json } => list::run(&repository, json),
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
        BranchCommand::Test { name, repository } => test::run(&repository.require()?, &name),
    }
}

impl Repository {
    /// Its root, where there is one.
    pub fn find(&self) -> anyhow::Result<Option<PathBuf>> {
        let Some(root) = &self.root else {
            let here = std::env::current_dir().context("the working directory cannot be read")?;
            return Ok(find_root(&here));
        };
        if find_root(root).as_ref() == Some(root) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
