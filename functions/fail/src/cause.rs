//! The causes that Step Functions hands on: for a Lambda they are JSON around the message.

use safelight_schema::ErrorInfo;
use serde_json::Value;

/// How deep a message may be wrapped.
const DEPTH: usize = 4;

/// The error with a readable cause (invariant 3).
pub fn readable(error: &ErrorInfo) -> ErrorInfo {
    ErrorInfo::new(error.name.clone(), unwrap(&error.cause))
}

/// Most characters of the last line that a function wrote.
const LAST_LINE: usize = 200;

/// The message in `{"errorType": …, "errorMessage": …}`, or the text itself. Of a function that ended, the last
/// line that it wrote is added: without it nobody could tell why.
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
            (_, Some(message)) if !message.is_empty() => {
                match fields.get("logTail").and_then(last_line) {
                    Some(line) => return format!("{message}; the last line it wrote: {line}"),
                    None => message.to_owned(),
                }
            }
            (Some(kind), _) => kind.to_owned(),
            _ => break,
        };
    }
    text
}

fn last_line(tail: &Value) -> Option<String> {
    let lines = tail.as_array()?.iter().rev().filter_map(Value::as_str);
    let line = lines.map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(LAST_LINE).collect())
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
            (
                r#"{"errorMessage":"exit status 1","logTail":["Traceback","ValueError: boom"," "]}"#,
                "exit status 1; the last line it wrote: ValueError: boom",
            ),
            (
                r#"{"errorMessage":"exit status 1","logTail":[]}"#,
                "exit status 1",
            ),
            ("plain text", "plain text"),
            (r#"{"other":1}"#, r#"{"other":1}"#),
            ("", ""),
        ] {
            assert_eq!(unwrap(cause), message);
        }
    }
}
