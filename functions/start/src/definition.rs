//! What the workflow is made of: its hash and the versions of its branches, for the header.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use safelight_kit::sfn::Workflow;
use safelight_kit::{Clock, FunctionError};
use safelight_schema::chain::digest_of;
use serde_json::Value;
use tokio::sync::Mutex;

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// What executions of it are started of: a published version, which never changes; or the state
    /// machine, where nothing was published.
    pub machine_arn: String,
    /// SHA-256 of its RFC 8785 form, hex, as `safelight workflow validate` says it.
    pub hash: String,
    /// Of every branch: the ARN of the published version of its function, where the definition names
    /// one; else the version of its manifest.
    pub branches: BTreeMap<String, String>,
}

impl Definition {
    fn of(machine_arn: String, text: &str) -> Self {
        let mut branches = BTreeMap::new();
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        collect(&value, &mut branches);
        let mut arns = BTreeMap::new();
        functions(&value, &mut arns);
        for (branch, version) in &mut branches {
            if let Some(arns) = arns.get(branch) {
                *version = arns.join(" ");
            }
        }
        Self {
            machine_arn,
            hash: digest_of(&value),
            branches,
        }
    }
}

/// Finds the rules that the composed workflow hands to route: `{branch, version, when}`.
fn collect(value: &Value, branches: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            if let (Some(Value::String(branch)), Some(Value::String(version)), Some(_)) = (
                fields.get("branch"),
                fields.get("version"),
                fields.get("when"),
            ) {
                branches.insert(branch.clone(), version.clone());
            }
            fields.values().for_each(|value| collect(value, branches));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, branches)),
        _ => {}
    }
}

/// Finds the version-qualified functions of the states `<branch>/…`.
fn functions(value: &Value, found: &mut BTreeMap<String, Vec<String>>) {
    let Value::Object(fields) = value else {
        if let Value::Array(items) = value {
            for item in items {
                functions(item, found);
            }
        }
        return;
    };
    if let Some(Value::Object(states)) = fields.get("States") {
        for (name, state) in states {
            let function = state
                .pointer("/Arguments/FunctionName")
                .and_then(Value::as_str);
            if let (Some((branch, _)), Some(arn)) = (name.split_once('/'), function)
                && is_version(arn)
            {
                let arns = found.entry(branch.to_owned()).or_default();
                if !arns.iter().any(|known| known == arn) {
                    arns.push(arn.to_owned());
                }
            }
        }
    }
    fields.values().for_each(|value| functions(value, found));
}

/// `arn:<partition>:lambda:<region>:<account>:function:<name>:<version>`
fn is_version(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    matches!(parts[..], ["arn", _, "lambda", _, _, "function", _, version]
        if version.chars().all(|digit| digit.is_ascii_digit()))
}

/// The definition that executions are started of.
#[derive(Debug)]
pub(crate) struct Definitions {
    /// How long it is kept before a newer one is asked for.
    keep: Duration,
    kept: Mutex<Option<(DateTime<Utc>, Definition)>>,
}

impl Definitions {
    pub fn new(keep: Duration) -> Self {
        Self {
            keep,
            kept: Mutex::new(None),
        }
    }

    /// The newest definition, or the one that was a short while ago.
    pub async fn get(
        &self,
        workflow: &Workflow,
        clock: &dyn Clock,
    ) -> Result<Definition, FunctionError> {
        // Held while asking, so that a batch asks once.
        let mut kept = self.kept.lock().await;
        let now = clock.now();
        if let Some((asked, definition)) = kept.as_ref()
            && now - *asked < self.keep
        {
            return Ok(definition.clone());
        }
        let version = workflow.newest_version().await?;
        let definition = match kept.take() {
            // A version is asked for once.
            Some((_, same)) if version.as_deref() == Some(&same.machine_arn) => same,
            _ => {
                let arn = version.unwrap_or_else(|| workflow.state_machine_arn().to_owned());
                let text = workflow.definition(&arn).await?;
                Definition::of(arn, &text)
            }
        };
        *kept = Some((now, definition.clone()));
        Ok(definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MACHINE: &str = "arn:aws:states:eu-west-1:000000000000:stateMachine:image";

    #[test]
    fn a_published_function_is_the_version_of_its_branch() {
        let arn = "arn:aws:lambda:eu-west-1:000000000000:function:safelight-label:7";
        let task =
            |function: &str| json!({ "Type": "Task", "Arguments": { "FunctionName": function } });
        let text = json!({
            "rules": [
                { "branch": "label", "version": "1.2", "when": {} },
                { "branch": "thumbnail", "version": "3", "when": {} },
            ],
            "States": { "EachBranch": { "ItemProcessor": { "States": {
                "label/Run": task(arn), "label/Again": task(arn),
                "thumbnail/Run": task("safelight-thumbnail"),
            } } } },
        });
        let definition = Definition::of(MACHINE.into(), &text.to_string());
        assert_eq!(definition.branches["label"], arn);
        // Neither a name nor $LATEST says which code ran.
        assert_eq!(definition.branches["thumbnail"], "3");
        assert!(!is_version(&arn.replace(":7", ":$LATEST")));
    }

    #[test]
    fn the_branches_are_found_wherever_the_rules_are() {
        let text = json!({ "States": { "Route": { "Arguments": { "Payload": { "branches": [
            { "branch": "label", "version": "1.2", "when": {} },
            { "branch": "thumbnail", "version": "3", "when": { "min_side": 3 } },
            { "branch": "no rule" },
        ] } } } } })
        .to_string();
        let definition = Definition::of(MACHINE.into(), &text);
        assert_eq!(definition.branches.len(), 2);
        assert_eq!(definition.branches["label"], "1.2");
        assert_eq!(
            definition.hash,
            digest_of(&serde_json::from_str::<Value>(&text).unwrap())
        );
    }
}
