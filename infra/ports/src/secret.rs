//! One secret, wherever it is kept.

use async_trait::async_trait;

/// A secret could not be read. Its value is in no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret {name} cannot be read: {why}")]
pub struct SecretError {
    /// Which.
    pub name: String,
    /// Why.
    pub why: String,
}

/// One secret: an environment variable, or what Secrets Manager keeps.
#[async_trait]
pub trait Secret: Send + Sync {
    /// Its text, as it is now; it may change while a function lives.
    async fn text(&self) -> Result<String, SecretError>;

    /// Its text, asked for anew: for whoever was refused with what was kept.
    async fn renewed(&self) -> Result<String, SecretError> {
        self.text().await
    }
}
