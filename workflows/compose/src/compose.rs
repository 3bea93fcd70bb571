//! Trunk and branches, composed.

use std::collections::BTreeMap;

use safelight_asl::lint;
use safelight_schema::error_name;
use safelight_schema::task::BranchRule;
use serde_json::{Map, Value, json};

use crate::branch_states;
use crate::error::ComposeError;
use crate::folder::BranchFolder;
use crate::placeholder;
use crate::render::render;

const COMMENT: &str = "Written by `safelight branch sync` from workflows/trunk.asl.json and functions/branches/*. Change those, not this.";

/// The workflow of this trunk and these branches, valid and linted (invariants 1 to 5).
pub fn compose(trunk: &Value, branches: &[BranchFolder]) -> Result<Value, ComposeError> {
    let mut by_name: BTreeMap<&str, &BranchFolder> = BTreeMap::new();
    for folder in branches {
        folder
            .manifest
            .check()
            .map_err(|error| ComposeError::Manifest {
                path: folder.name().into(),
                problem: error.to_string(),
            })?;
        if by_name.insert(folder.name(), folder).is_some() {
            return Err(ComposeError::Duplicate(folder.name().to_owned()));
        }
    }
    let rules = serde_json::to_value(rules(branches)).unwrap_or_default();
    if let Some((location, text)) = expressions_in(&rules, "").into_iter().next() {
        return Err(ComposeError::States {
            branch: branch_at(&rules, &location),
            location: format!("branch.json ({location})"),
            problem: format!("'{text}' would be read as an expression of the workflow"),
        });
    }
    let mut definition = trunk.clone();
    let Some(fields) = definition.as_object_mut() else {
        return Err(trunk_error("/", "must be an object"));
    };
    fields.insert("Comment".into(), COMMENT.into());
    insert_branches(fields, by_name.values().copied())?;
    let definition = placeholder::expand(definition, "", &|text| match text {
        "@branches" => Some(rules.clone()),
        _ => placeholder::common(text),
    })
    .map_err(|(location, text)| {
        trunk_error(&location, format!("'{text}' stands for nothing here"))
    })?;
    let findings = lint::check(&render(&definition), |name| {
        error_name::find(name).is_some()
    });
    if findings.is_empty() {
        Ok(definition)
    } else {
        Err(ComposeError::Findings(findings))
    }
}

/// The rule of every branch, as the composed workflow gives them to `route`: by name.
pub fn rules(branches: &[BranchFolder]) -> Vec<BranchRule> {
    let mut rules: Vec<BranchRule> = branches
        .iter()
        .map(|folder| BranchRule {
            branch: folder.manifest.name.clone(),
            version: folder.manifest.version.clone(),
            when: folder.manifest.when.clone(),
        })
        .collect();
    rules.sort_by(|one, other| one.branch.cmp(&other.branch));
    rules
}

/// Puts the branches' states into the flow that holds the dispatch, and its rules into the Choice.
fn insert_branches<'a>(
    trunk: &mut Map<String, Value>,
    branches: impl Iterator<Item = &'a BranchFolder>,
) -> Result<(), ComposeError> {
    let states = dispatch_flow(trunk)
        .ok_or_else(|| trunk_error("/States", "no Choice has \"Choices\": \"@dispatch\""))?;
    let mut choices = Vec::new();
    for folder in branches {
        let branch = branch_states::of(folder)?;
        choices.push(json!({
            "Condition": format!("{{% $states.input = '{}' %}}", folder.name()),
            "Next": branch.start_at,
        }));
        for (name, state) in branch.states {
            if states.contains_key(&name) {
                return Err(trunk_error(&name, "is a name of a branch's state, too"));
            }
            states.insert(name, state);
        }
    }
    for state in states.values_mut() {
        if is_dispatch(state) {
            if choices.is_empty() {
                // A Choice without rules is not valid: the Default's state takes its place.
                let default = state.get("Default").cloned().unwrap_or_default();
                *state = json!({"Type": "Pass", "Next": default});
            } else if let Some(field) = state.get_mut("Choices") {
                *field = Value::Array(std::mem::take(&mut choices));
            }
        }
    }
    Ok(())
}

fn is_dispatch(state: &Value) -> bool {
    state
        .get("Choices")
        .is_some_and(|choices| choices == "@dispatch")
}

/// The states of the flow that holds the dispatch.
fn dispatch_flow(flow: &mut Map<String, Value>) -> Option<&mut Map<String, Value>> {
    let states = flow.get_mut("States")?.as_object_mut()?;
    if states.values().any(is_dispatch) {
        return Some(states);
    }
    states
        .values_mut()
        .filter_map(|state| state.get_mut("ItemProcessor")?.as_object_mut())
        .find_map(dispatch_flow)
}

/// The texts in `value` that a template would evaluate, with their places.
fn expressions_in(value: &Value, location: &str) -> Vec<(String, String)> {
    match value {
        Value::String(text) if text.starts_with("{%") || text.starts_with('@') => {
            vec![(location.to_owned(), text.clone())]
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .flat_map(|(index, item)| expressions_in(item, &format!("{location}/{index}")))
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, item)| expressions_in(item, &format!("{location}/{name}")))
            .collect(),
        _ => Vec::new(),
    }
}

/// The branch whose rule holds the place.
fn branch_at(rules: &Value, location: &str) -> String {
    let index = location.split('/').nth(1).unwrap_or_default();
    rules
        .pointer(&format!("/{index}/branch"))
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn trunk_error(location: &str, problem: impl Into<String>) -> ComposeError {
    ComposeError::Trunk {
        location: location.to_owned(),
        problem: problem.into(),
    }
}
