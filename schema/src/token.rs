//! The secret that a caller shows.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A bearer token. It does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// A token; an empty one would let everybody in and is none.
    pub fn new(secret: impl Into<String>) -> Option<Self> {
        let secret = secret.into();
        (!secret.is_empty()).then_some(Self(secret))
    }

    /// The secret itself, for the one place that shows it.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether `shown` is it. The time that it takes does not depend on where the two differ.
    pub fn matches(&self, shown: &[u8]) -> bool {
        let expected = self.0.as_bytes();
        let difference = shown
            .iter()
            .zip(expected)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        !expected.is_empty() && shown.len() == expected.len() && difference == 0
    }

    /// Whether the value of an `Authorization` header shows it.
    pub fn is_shown_by(&self, authorization: &[u8]) -> bool {
        authorization
            .strip_prefix(b"Bearer ")
            .is_some_and(|shown| self.matches(shown))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_accepted_and_none_prints() {
        let token = Token::new("s3cret").unwrap();
        assert!(token.matches(b"s3cret") && token.is_shown_by(b"Bearer s3cret"));
        for wrong in ["", "Bearer ", "s3cret", "Bearer s3cre", "Basic s3cret"] {
            assert!(!token.is_shown_by(wrong.as_bytes()), "{wrong}");
        }
        assert!(!token.is_shown_by(b"Bearer s3cret0"));
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn an_empty_token_lets_nobody_in() {
        assert_eq!(Token::new(""), None);
        let read: Token = serde_json::from_str("\"\"").unwrap();
        assert!(!read.is_shown_by(b"Bearer "));
    }
}
