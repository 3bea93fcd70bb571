//! `safelight workflow`: the definition that images run through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use safelight_asl::lint;
use safelight_compose::{IMAGE_ASL, compose, definition_hash, folder, graph, render, sync};
use safelight_schema::{Manifest, error_name};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::commands::branch::Repository;
use crate::commands::cost::{self, Cost, Prices};
use crate::exit::Exit;
use crate::failure::{OrNextStep as _, usage};
use crate::terminal;

/// The workflow commands.
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Print the definition: trunk and branches composed
    Render {
        /// JSON object of function names and the ARNs of their published versions, to deploy it with
        #[arg(long, value_name = "FILE")]
        arns: Option<PathBuf>,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
    },
    /// Check a definition: is it valid, and does it keep our rules?
    Validate {
        /// Definition [default: the composed one]
        file: Option<PathBuf>,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
        /// Data as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// What images cost on AWS, item by item
    Cost {
        /// Images
        #[arg(long, default_value_t = 1_000_000)]
        images: u64,
        /// Branches that every image goes to [default: all]
        #[arg(long, value_delimiter = ',', value_name = "BRANCH")]
        branches: Option<Vec<String>>,
        /// Prices and what is assumed, in the form of workflows/prices.json [default: that one]
        #[arg(long, value_name = "FILE")]
        prices: Option<PathBuf>,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
        /// Data as JSON on standard output
        #[arg(long)]
        json: bool,
    },
    /// Draw it
    Graph {
        /// How
        #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
        format: GraphFormat,
        /// The repository.
        #[command(flatten)]
        repository: Repository,
        /// Data as JSON on standard output: a line for each state
        #[arg(long, conflicts_with = "format")]
        json: bool,
    },
}

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// An indented list
    Text,
    /// A Mermaid flowchart
    Mermaid,
}

/// A state, as `workflow graph --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GraphState {
    /// Its name.
    pub state: String,
    /// Its type, such as `Choice`.
    pub kind: String,
    /// The Map or Parallel state that it is in; null at the top.
    pub inside: Option<String>,
    /// Whether its flow starts with it.
    pub starts: bool,
    /// Where it leads.
    pub ways: Vec<GraphWay>,
}

/// A way from one state to another.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GraphWay {
    /// The state that it leads to.
    pub to: String,
    /// When it is taken: a condition, `otherwise`, or `error` and names; null where it is the only one.
    pub when: Option<String>,
}

impl From<graph::Node> for GraphState {
    fn from(node: graph::Node) -> Self {
        let ways = node.ways.into_iter().map(|way| GraphWay {
            to: way.to,
            when: way.when,
        });
        Self {
            state: node.state,
            kind: node.kind,
            inside: node.inside,
            starts: node.starts,
            ways: ways.collect(),
        }
    }
}

/// What `workflow validate` found.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Validation {
    /// The definition: a file, or `composed`.
    pub definition: String,
    /// Size of the definition, bytes.
    pub bytes: usize,
    /// SHA-256 of its RFC 8785 form; null where it is not JSON.
    pub hash: Option<String>,
    /// What is to be mended; empty where nothing is.
    pub findings: Vec<Found>,
}

/// One thing to mend.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Found {
    /// Name of the rule.
    pub rule: String,
    /// The state, or the place in the definition.
    pub state: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub advice: String,
}

/// Runs the command.
pub fn run(command: WorkflowCommand) -> anyhow::Result<Exit> {
    match command {
        WorkflowCommand::Render { arns, repository } => {
            let definition = definition(&repository)?;
            match arns {
                Some(file) => print!("{}", with_arns(&definition, &file)?),
                None => print!("{definition}"),
            }
            Ok(Exit::Fine)
        }
        WorkflowCommand::Cost {
            images,
            branches,
            prices,
            repository,
            json,
        } => {
            let branches = branches.as_deref();
            let computed = costs(images, branches, prices.as_deref(), &repository)?;
            cost::print(&computed, json)?;
            Ok(Exit::Fine)
        }
        WorkflowCommand::Validate {
            file,
            repository,
            json,
        } => {
            let (name, text) = match file {
                Some(file) => {
                    let text = std::fs::read_to_string(&file).or_next_step(
                        &format!("{} cannot be read", file.display()),
                        "name a definition that is there",
                    )?;
                    (file.display().to_string(), text)
                }
                None => ("composed".to_owned(), definition(&repository)?),
            };
            let validation = validate(name, &text);
            print_validation(&validation, json)?;
            Ok(if validation.findings.is_empty() {
                Exit::Fine
            } else {
                Exit::Error
            })
        }
        WorkflowCommand::Graph {
            format,
            repository,
            json,
        } => {
            let definition: Value = serde_json::from_str(&definition(&repository)?)
                .context("the definition is not JSON")?;
            if json {
                for node in graph::nodes(&definition) {
                    println!("{}", serde_json::to_string(&GraphState::from(node))?);
                }
                return Ok(Exit::Fine);
            }
            let picture = match format {
                GraphFormat::Text => graph::text(&definition),
                GraphFormat::Mermaid => graph::mermaid(&definition),
            };
            print!("{picture}");
            Ok(Exit::Fine)
        }
    }
}

fn costs(
    images: u64,
    wanted: Option<&[String]>,
    prices: Option<&Path>,
    repository: &Repository,
) -> anyhow::Result<Cost> {
    let manifests: Vec<Manifest> = match repository.find()? {
        Some(root) => safelight_compose::BranchFolder::read_all(&root.join(folder::BRANCHES))
            .or_next_step("the branches cannot be read", "mend what is named")?
            .into_iter()
            .map(|folder| folder.manifest)
            .collect(),
        None => safelight_functions::manifests()?,
    };
    let names: Vec<&str> = manifests.iter().map(|it| it.name.as_str()).collect();
    let unknown = |name: &&String| !names.contains(&name.as_str());
    if let Some(name) = wanted.into_iter().flatten().find(unknown) {
        return Err(usage(
            format!("there is no branch '{name}'"),
            format!("there are {}", names.join(", ")),
        ));
    }
    let chosen: Vec<&Manifest> = manifests
        .iter()
        .filter(|it| wanted.is_none_or(|wanted| wanted.contains(&it.name)))
        .collect();
    let definition = serde_json::from_str(&definition(repository)?)?;
    cost::cost(&definition, &chosen, &Prices::read(prices)?, images)
}

/// The definition with the ARN of a published version in place of each function's name.
fn with_arns(definition: &str, file: &Path) -> anyhow::Result<String> {
    let next =
        "give an object such as {\"validate\": \"arn:aws:lambda:…:function:safelight-validate:7\"}";
    let text = std::fs::read_to_string(file)
        .or_next_step(&format!("{} cannot be read", file.display()), next)?;
    let arns: BTreeMap<String, String> = serde_json::from_str(&text)
        .or_next_step(&format!("{} names no functions", file.display()), next)?;
    let definition: Value =
        serde_json::from_str(definition).context("the definition is not JSON")?;
    let deployed = safelight_compose::with_arns(definition, &arns)
        .or_next_step("the definition cannot be deployed", next)?;
    Ok(render(&deployed))
}

/// The definition of the repository; outside of one, that of this binary.
fn definition(repository: &Repository) -> anyhow::Result<String> {
    let Some(root) = repository.find()? else {
        return Ok(IMAGE_ASL.to_owned());
    };
    let next = "mend what is named; docs/branches.md says how a branch's states are written";
    let trunk = sync::trunk(&root).or_next_step("the trunk cannot be read", next)?;
    let folders = safelight_compose::BranchFolder::read_all(&root.join(folder::BRANCHES))
        .or_next_step("the branches cannot be read", next)?;
    let composed =
        compose(&trunk, &folders).or_next_step("the workflow cannot be composed", next)?;
    Ok(render(&composed))
}

fn validate(definition: String, text: &str) -> Validation {
    let findings = lint::check(text, |name| error_name::find(name).is_some());
    Validation {
        definition,
        bytes: text.len(),
        hash: serde_json::from_str(text)
            .ok()
            .as_ref()
            .map(definition_hash),
        findings: findings
            .into_iter()
            .map(|finding| Found {
                rule: finding.rule.to_owned(),
                state: finding.state,
                message: finding.message,
                advice: finding.advice.to_owned(),
            })
            .collect(),
    }
}

fn print_validation(validation: &Validation, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(validation)?);
        return Ok(());
    }
    if validation.findings.is_empty() {
        println!(
            "{}: valid, {}, hash {}",
            validation.definition,
            terminal::size(validation.bytes as u64),
            validation.hash.as_deref().unwrap_or("none")
        );
        return Ok(());
    }
    let mut table = terminal::table(&["State", "Rule", "What is wrong", "What to do"]);
    for found in &validation.findings {
        table.add_row([
            &terminal::safe(&found.state),
            &found.rule,
            &terminal::safe(&found.message),
            &found.advice,
        ]);
    }
    println!("{table}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workflow_of_this_binary_is_valid() {
        let validation = validate("composed".into(), IMAGE_ASL);
        assert!(validation.findings.is_empty(), "{:?}", validation.findings);
        assert_eq!(validation.hash.map(|hash| hash.len()), Some(64));
    }

    #[test]
    fn a_fault_is_found_and_keeps_to_the_schema() {
        let schema = schemars::schema_for!(Validation).to_value();
        for text in [
            "{",
            "{}",
            r#"{"StartAt": "A", "States": {"A": {"Type": "Pass"}}}"#,
        ] {
            let validation = validate("x.json".into(), text);
            assert!(!validation.findings.is_empty(), "{text}");
            let value = serde_json::to_value(&validation).unwrap();
            assert!(jsonschema::is_valid(&schema, &value), "{value}");
        }
    }
}
