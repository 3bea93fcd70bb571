//! Every function: the trunk's, those that queues feed, and the branches'.
//!
//! It never decides anything: it is the list that the `safelight` binary links, so that there is one
//! file to install. `branches.rs` is generated.
//!
//! Invariants:
//! 1. No two functions have one name.
//! 2. Every branch that is a crate has a manifest of its name that passes its own check.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod branches;

use safelight_kit::Function;
use safelight_schema::Manifest;

pub use safelight_fail::cause::readable;

/// The functions that are no branch's.
const OWN: &[Function] = &[
    safelight_start::FUNCTION,
    safelight_validate::FUNCTION,
    safelight_route::FUNCTION,
    safelight_complete::FUNCTION,
    safelight_fail::FUNCTION,
    safelight_record::FUNCTION,
    safelight_alert::FUNCTION,
];

fn all() -> impl Iterator<Item = &'static Function> {
    OWN.iter().chain(branches::FUNCTIONS)
}

/// The function of that name.
pub fn find(name: &str) -> Option<Function> {
    all().find(|function| function.name == name).copied()
}

/// The function of that name, found while a program is compiled: what it links is then that function
/// alone.
pub const fn find_const(name: &str) -> Option<Function> {
    match find_in(OWN, name) {
        None => find_in(branches::FUNCTIONS, name),
        found => found,
    }
}

const fn find_in(functions: &[Function], name: &str) -> Option<Function> {
    let mut index = 0;
    while index < functions.len() {
        if same(functions[index].name, name) {
            return Some(functions[index]);
        }
        index += 1;
    }
    None
}

/// The `branch.json` of the branch of that name, found while a program is compiled.
pub const fn manifest_const(name: &str) -> Option<&'static str> {
    let mut index = 0;
    while index < branches::MANIFESTS.len() {
        let (branch, manifest) = branches::MANIFESTS[index];
        if same(branch, name) {
            return Some(manifest);
        }
        index += 1;
    }
    None
}

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|function| function.name)
}

/// Why a `branch.json` that is linked in cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("functions/branches/{branch}/branch.json: {problem}")]
pub struct ManifestError {
    /// The branch.
    pub branch: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// The manifests of all branches, by name.
pub fn manifests() -> Result<Vec<Manifest>, ManifestError> {
    branches::MANIFESTS
        .iter()
        .map(|(branch, text)| {
            let error = |problem: String| ManifestError { branch, problem };
            let manifest: Manifest =
                serde_json::from_str(text).map_err(|problem| error(problem.to_string()))?;
            manifest
                .check()
                .map_err(|problem| error(problem.to_string()))?;
            if manifest.name != *branch {
                return Err(error(format!("its name is '{}'", manifest.name)));
            }
            Ok(manifest)
        })
        .collect()
}

/// The states of a branch that is more than one task.
pub fn states(branch: &str) -> Option<&'static str> {
    let found = branches::STATES.iter().find(|(name, _)| *name == branch);
    found.map(|(_, states)| *states)
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::Place;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_found() {
        // Invariant 1.
        let unique: BTreeSet<&str> = names().collect();
        assert_eq!(unique.len(), names().count());
        for name in names() {
            assert_eq!(find(name).unwrap().name, name);
            assert_eq!(find_const(name).unwrap().name, name);
        }
        assert!(find_const("no such function").is_none());
        assert!(find("no such function").is_none());
    }

    #[test]
    fn every_branch_has_its_manifest() {
        // Invariant 2.
        let manifests = manifests().unwrap();
        for function in branches::FUNCTIONS {
            assert_eq!(function.place, Place::Branch);
            assert!(
                manifest_const(function.name)
                    .unwrap()
                    .contains(function.name)
            );
            assert!(
                manifests
                    .iter()
                    .any(|manifest| manifest.name == function.name)
            );
        }
    }
}
