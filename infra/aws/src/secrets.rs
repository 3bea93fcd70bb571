//! Secrets Manager, for one secret: kept for a while, so that a rotation is noticed.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::{DisplayErrorContext, ProvideErrorMetadata};
use safelight_ports::{Secret, SecretError};
use tokio::sync::Mutex;

/// How long a secret is kept before it is asked for again.
pub const KEPT: Duration = Duration::from_secs(300);

/// One secret of Secrets Manager. What it holds does not print.
pub struct CachedSecret {
    client: Client,
    arn: String,
    kept_for: Duration,
    kept: Mutex<Option<(Instant, String)>>,
}

impl std::fmt::Debug for CachedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CachedSecret({})", self.arn)
    }
}

impl CachedSecret {
    /// The secret `arn`, asked for again after `kept_for`.
    pub fn new(client: Client, arn: impl Into<String>, kept_for: Duration) -> Self {
        Self {
            client,
            arn: arn.into(),
            kept_for,
            kept: Mutex::default(),
        }
    }

    async fn ask(&self) -> Result<String, SecretError> {
        let fail = |why: String| SecretError {
            name: self.arn.clone(),
            why,
        };
        let answer = self.client.get_secret_value().secret_id(&self.arn).send();
        let answer = answer.await.map_err(|error| {
            fail(match error.as_service_error() {
                Some(service) => format!(
                    "{}: {}",
                    service.code().unwrap_or("error"),
                    service.message().unwrap_or("no message")
                ),
                None => DisplayErrorContext(&error).to_string(),
            })
        })?;
        answer
            .secret_string()
            .map(|text| text.trim().to_owned())
            .ok_or_else(|| fail("it is binary, not text".into()))
    }
}

#[async_trait]
impl Secret for CachedSecret {
    /// The current version's text.
    async fn text(&self) -> Result<String, SecretError> {
        // Held while asking, so that many ask once.
        let mut kept = self.kept.lock().await;
        if let Some((asked, text)) = kept.as_ref()
            && asked.elapsed() < self.kept_for
        {
            return Ok(text.clone());
        }
        let text = self.ask().await?;
        *kept = Some((Instant::now(), text.clone()));
        Ok(text)
    }

    async fn renewed(&self) -> Result<String, SecretError> {
        *self.kept.lock().await = None;
        self.text().await
    }
}
