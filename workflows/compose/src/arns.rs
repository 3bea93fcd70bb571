//! The definition as it is deployed: with published versions of functions instead of their names.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::branch_states::FUNCTION_PREFIX;

/// Why a definition cannot be deployed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArnError {
    /// A function of the definition was given no ARN.
    #[error("there is no ARN of the function '{0}'")]
    Missing(String),
    /// An ARN names no published version.
    #[error("'{0}' is not the ARN of a published version: it must end in a number")]
    Unpublished(String),
}

/// Puts in each Task the ARN of a published version in place of its function's name.
pub fn with_arns(
    mut definition: Value,
    arns: &BTreeMap<String, String>,
) -> Result<Value, ArnError> {
    replace(&mut definition, arns)?;
    Ok(definition)
}

fn replace(value: &mut Value, arns: &BTreeMap<String, String>) -> Result<(), ArnError> {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get_mut("FunctionName")
                && let Some(function) = name.strip_prefix(FUNCTION_PREFIX)
            {
                let arn = arns
                    .get(function)
                    .ok_or_else(|| ArnError::Missing(function.to_owned()))?;
                if !is_published(arn) {
                    return Err(ArnError::Unpublished(arn.clone()));
                }
                name.clone_from(arn);
            }
            fields
                .values_mut()
                .try_for_each(|value| replace(value, arns))
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| replace(item, arns)),
        _ => Ok(()),
    }
}

fn is_published(arn: &str) -> bool {
    let mut parts = arn.split(':');
    let version = parts.next_back().unwrap_or("");
    arn.starts_with("arn:")
        && !version.is_empty()
        && version.chars().all(|digit| digit.is_ascii_digit())
        && parts.nth(5) == Some("function")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arns(names: &[&str]) -> BTreeMap<String, String> {
        let arn = |name: &str| format!("arn:aws:lambda:eu-west-1:000000000000:function:p-{name}:3");
        names
            .iter()
            .map(|name| ((*name).to_owned(), arn(name)))
            .collect()
    }

    fn image() -> Value {
        serde_json::from_str(crate::IMAGE_ASL).unwrap()
    }

    #[test]
    fn every_function_of_the_workflow_gets_its_arn() {
        let names = [
            "validate",
            "route",
            "complete",
            "fail",
            "label",
            "thumbnail",
            "compress",
        ];
        let text = with_arns(image(), &arns(&names)).unwrap().to_string();
        for name in names {
            assert!(text.contains(&format!(":function:p-{name}:3\"")), "{name}");
        }
        assert!(!text.contains("\"safelight-"));
    }

    #[test]
    fn a_function_without_a_published_version_is_refused() {
        let missing = with_arns(image(), &arns(&["validate"])).unwrap_err();
        assert!(matches!(missing, ArnError::Missing(_)), "{missing}");
        let mut latest = arns(&["validate"]);
        latest.insert(
            "validate".into(),
            "arn:aws:lambda:r:0:function:p-validate".into(),
        );
        let error = with_arns(image(), &latest).unwrap_err();
        assert!(matches!(error, ArnError::Unpublished(_)), "{error}");
    }
}
