//! A definition as text, and its hash.

use safelight_schema::chain::digest_of;
use serde_json::Value;

/// The definition as it is committed: indented by two, with a newline at the end.
pub fn render(definition: &Value) -> String {
    // `{:#}` of a JSON value cannot fail: its keys are texts and its numbers finite.
    format!("{definition:#}\n")
}

/// SHA-256 of the definition's RFC 8785 form, in hex: blanks and the order of keys do not change it.
pub fn definition_hash(definition: &Value) -> String {
    digest_of(definition)
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
        let expected = safelight_schema::chain::sha256_hex(br#"{"a":"x","b":[1,2]}"#);
        assert_eq!(definition_hash(&one), expected);
    }
}
