//! The causes that Step Functions hands on: for a Lambda they are JSON around the message.

use safelight_schema::ErrorInfo;
use serde_json::Value;

/// How deep a message may be wrapped.
const DEPTH: usize = 4;

/// The error with a readable cause (invariant 3).
pub fn readable(error: &ErrorInfo) -> ErrorInfo {
    ErrorInfo::new(error.name.clone(), unwrap(&error.cause))
}

/// The message in `{"errorType": …, "errorMessage": …}`, or the text itself.
pub fn unwrap(cause: &str) -> String {
    let mut text = cause.to_owned();
    for _ in 0..DEPTH {
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(&text) else {
            break;
        };
        let (kind, message) = (fields.get("errorType"), fields.get("errorMessage"));
        text = match (
            kind.and_then(Value::as_str),
            message.and_then(Value::as_str),
        ) {
            (_, Some(message)) if !message.is_empty() => message.to_owned(),
            (Some(kind), _) => kind.to_owned(),
            _ => break,
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lambda_cause_becomes_its_message() {
        for (cause, message) in [
            (
                r#"{"errorType":"Image.Empty","errorMessage":"no bytes"}"#,
                "no bytes",
            ),
            (r#"{"errorType":"Sandbox.Timedout"}"#, "Sandbox.Timedout"),
            (
                r#"{"errorMessage":"{\"errorMessage\":\"inner\"}"}"#,
                "inner",
            ),
            ("plain text", "plain text"),
            (r#"{"other":1}"#, r#"{"other":1}"#),
            ("", ""),
        ] {
            assert_eq!(unwrap(cause), message);
        }
    }
}
