//! The secret that workers and commands show to the host.

use safelight_schema::Token;
use uuid::Uuid;

/// A new token, from the system's random numbers.
pub fn random_token() -> Token {
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    Token::new(secret).expect("two UUIDs are not empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same() {
        let token = random_token();
        assert_eq!(token.secret().len(), 64);
        assert_ne!(token, random_token());
    }
}
