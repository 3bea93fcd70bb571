//! What the workflow is made of: its hash and the versions of its branches, for the header.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use safelight_kit::sfn::Workflow;
use safelight_kit::{Clock, FunctionError};
use safelight_schema::chain::digest_of;
use serde_json::Value;
use tokio::sync::Mutex;

/// How long a definition is kept before it is asked for again: a deployment may change it.
const KEPT: Duration = Duration::seconds(60);

/// A definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// SHA-256 of its RFC 8785 form, hex, as `safelight workflow validate` says it.
    pub hash: String,
    /// Version of every branch.
    pub branches: BTreeMap<String, String>,
}

impl Definition {
    fn of(text: &str) -> Self {
        let mut branches = BTreeMap::new();
        let value: Value = serde_json::from_str(text).unwrap_or_default();
        collect(&value, &mut branches);
        Self {
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

/// The definition of the workflow, asked for once in a while.
#[derive(Debug, Default)]
pub(crate) struct Definitions(Mutex<Option<(DateTime<Utc>, Definition)>>);

impl Definitions {
    /// The definition as it is, or was a short while ago.
    pub async fn get(
        &self,
        workflow: &Workflow,
        clock: &dyn Clock,
    ) -> Result<Definition, FunctionError> {
        // Held while asking, so that a batch asks once.
        let mut kept = self.0.lock().await;
        let now = clock.now();
        if let Some((asked, definition)) = kept.as_ref()
            && now - *asked < KEPT
        {
            return Ok(definition.clone());
        }
        let definition = Definition::of(&workflow.definition().await?);
        *kept = Some((now, definition.clone()));
        Ok(definition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_branches_are_found_wherever_the_rules_are() {
        let text = json!({ "States": { "Route": { "Arguments": { "Payload": { "branches": [
            { "branch": "label", "version": "1.2", "when": {} },
            { "branch": "thumbnail", "version": "3", "when": { "min_side": 3 } },
            { "branch": "no rule" },
        ] } } } } })
        .to_string();
        let definition = Definition::of(&text);
        assert_eq!(definition.branches.len(), 2);
        assert_eq!(definition.branches["label"], "1.2");
        assert_eq!(
            definition.hash,
            digest_of(&serde_json::from_str::<Value>(&text).unwrap())
        );
    }
}
