//! A label service: Rekognition's DetectLabels, or what computes the same answer.

use async_trait::async_trait;
use safelight_schema::{ImageRef, error_name};
use serde_json::Value;

/// What can go wrong with a label service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// It asked to slow down.
    #[error("the label service is throttling: {0}")]
    Throttled(String),
    /// It failed, or could not be reached.
    #[error("the label service failed: {0}")]
    ServiceError(String),
    /// It refused the image or the credentials.
    #[error("the label service refused the image: {0}")]
    Refused(String),
}

impl LabelError {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Throttled(_) => error_name::LABEL_THROTTLED.name,
            Self::ServiceError(_) => error_name::LABEL_SERVICE_ERROR.name,
            Self::Refused(_) => error_name::LABEL_REFUSED.name,
        }
    }
}

/// A service that looks at one image and answers as DetectLabels does
/// (`Labels`, `ImageProperties`, `LabelModelVersion`).
#[async_trait]
pub trait Labels: Send + Sync {
    /// Labels of the image; `bytes` are its content, for services that cannot read the object.
    async fn detect(&self, image: &ImageRef, bytes: &[u8]) -> Result<Value, LabelError>;
}
