//! The texts with @ that stand for what composition knows better.

use serde_json::{Map, Value, json};

/// Characters of a cause that the workflow carries on.
const CAUSE_CHARACTERS: u32 = 4_000;

/// Replaces every text with @ in `value`. `replace` answers with what stands for it, or `None` if it
/// does not know the word; the error is the location and the text.
pub(crate) fn expand(
    value: Value,
    location: &str,
    replace: &impl Fn(&str) -> Option<Value>,
) -> Result<Value, (String, String)> {
    Ok(match value {
        Value::String(text) if is_placeholder(&text) => match replace(&text) {
            Some(value) => value,
            None => return Err((location.to_owned(), text)),
        },
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .enumerate()
                .map(|(index, item)| expand(item, &format!("{location}[{index}]"), replace))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| {
                    let value = expand(value, &format!("{location}/{name}"), replace)?;
                    Ok((name, value))
                })
                .collect::<Result<Map<_, _>, (String, String)>>()?,
        ),
        other => other,
    })
}

/// `@` and lower-case letters, and nothing else.
fn is_placeholder(text: &str) -> bool {
    text.strip_prefix('@')
        .is_some_and(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// What is known everywhere: `@standard`, `@context` and `@error`.
pub(crate) fn common(text: &str) -> Option<Value> {
    match text {
        "@standard" => Some(crate::retry::standard()),
        "@context" => Some(context()),
        "@error" => Some(error_of("$states.errorOutput")),
        _ => None,
    }
}

/// The context of a Task. Step Functions leaves RedriveCount out in some places; none is 0.
pub(crate) fn context() -> Value {
    json!({
        "execution": "{% $states.context.Execution.Name %}",
        "state": "{% $states.context.State.Name %}",
        "attempt": "{% $exists($states.context.State.RetryCount) ? $states.context.State.RetryCount : 0 %}",
        "epoch": "{% $exists($states.context.Execution.RedriveCount) ? $states.context.Execution.RedriveCount : 0 %}",
        "redriveOf": "{% $redriveOf %}"
    })
}

/// `{name, cause}` of an error output; the cause is cut, since a Map's whole output is limited.
pub(crate) fn error_of(error_output: &str) -> Value {
    json!({
        "name": format!("{{% {error_output}.Error %}}"),
        "cause": format!(
            "{{% $exists({error_output}.Cause) ? $substring({error_output}.Cause, 0, {CAUSE_CHARACTERS}) : '' %}}"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_texts_only() {
        let value = json!({"a": "@standard", "b": ["@ standard", "x@standard", "@", "a@b.c"]});
        let expanded =
            expand(value, "", &|text| (text == "@standard").then(|| json!([1]))).unwrap();
        assert_eq!(
            expanded,
            json!({"a": [1], "b": ["@ standard", "x@standard", "@", "a@b.c"]})
        );
    }

    #[test]
    fn an_unknown_word_is_an_error_with_its_place() {
        let value = json!({"States": {"A": {"Retry": ["@standrad"]}}});
        let error = expand(value, "", &common).unwrap_err();
        assert_eq!(error, ("/States/A/Retry[0]".into(), "@standrad".into()));
    }
}
