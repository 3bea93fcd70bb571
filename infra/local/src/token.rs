//! The secret that a process shows to the host.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A bearer token. It does not print.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// A new one, from the system's random numbers.
    pub fn random() -> Self {
        Self(format!(
            "{}{}",
            Uuid::new_v4().simple(),
            Uuid::new_v4().simple()
        ))
    }

    /// One that was handed over, such as in a worker's environment.
    pub const fn from_secret(secret: String) -> Self {
        Self(secret)
    }

    /// The secret itself.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether an `Authorization` header shows it. The time it takes does not depend on where the
    /// two differ.
    pub fn is_shown_by(&self, authorization: &[u8]) -> bool {
        let Some(shown) = authorization.strip_prefix(b"Bearer ") else {
            return false;
        };
        let expected = self.0.as_bytes();
        let difference = shown
            .iter()
            .zip(expected)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        shown.len() == expected.len() && difference == 0
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
        let token = Token::random();
        let header = format!("Bearer {}", token.secret());
        assert!(token.is_shown_by(header.as_bytes()));
        for wrong in ["", "Bearer ", token.secret(), &header[..20], "Basic x"] {
            assert!(!token.is_shown_by(wrong.as_bytes()), "{wrong}");
        }
        assert!(!token.is_shown_by(format!("{header}0").as_bytes()));
        assert!(!format!("{token:?}").contains(token.secret()));
        assert_ne!(token, Token::random());
    }
}
