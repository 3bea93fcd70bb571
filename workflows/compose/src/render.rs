//! A definition as text, and its hash.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The definition as it is committed: indented by two, with a newline at the end.
pub fn render(definition: &Value) -> String {
    // `{:#}` of a JSON value cannot fail: its keys are texts and its numbers finite.
    format!("{definition:#}\n")
}

/// SHA-256 of the definition's RFC 8785 form, in hex: blanks and the order of keys do not change it.
pub fn definition_hash(definition: &Value) -> String {
    let bytes = serde_json_canonicalizer::to_vec(definition).unwrap_or_default();
    Sha256::digest(&bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            // Writing to a String does not fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_is_of_the_content_not_of_the_layout() {
        let one: Value = serde_json::from_str(r#"{"b": [1, 2], "a": "x"}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a":"x","b":[1,2]}"#).unwrap();
        assert_eq!(definition_hash(&one), definition_hash(&other));
        assert_ne!(
            definition_hash(&one),
            definition_hash(&json!({"a": "x", "b": [2, 1]}))
        );
        // SHA-256 of `{"a":"x","b":[1,2]}`.
        let text = r#"{"a":"x","b":[1,2]}"#;
        let expected: String = Sha256::digest(text)
            .iter()
            .fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
        assert_eq!(definition_hash(&one), expected);
    }
}
