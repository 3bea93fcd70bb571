//! Why a request is refused, and how HTTP says so. The names are S3's where S3 has one, as those of
//! the local upload are.

use safelight_ports::ObjectsError;
use safelight_validate::HeaderError;
use serde_json::{Value, json};

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this is no request of an HTTP API: {0}")]
    NotARequest(String),
    #[error("the request passed no authorizer: send a token or a signature, as the API asks")]
    Unauthorized,
    #[error("{0} is not allowed here: PUT an image, or POST what it will be")]
    MethodNotAllowed(String),
    #[error("there is no bucket '{0}'")]
    NoSuchBucket(String),
    #[error(
        "the key '{0}' is not allowed: no empty, hidden, '.' or '..' parts, and at most 1024 bytes"
    )]
    InvalidKey(String),
    #[error("the body cannot be read: {0}")]
    IncompleteBody(String),
    #[error("the image would have {bytes} bytes; at most {limit} are taken")]
    EntityTooLarge { bytes: u64, limit: u64 },
    #[error("{0}")]
    NotAnImage(HeaderError),
    #[error("{0}")]
    Broken(HeaderError),
    #[error("the image cannot be kept: {0}")]
    Unavailable(ObjectsError),
}

impl Refusal {
    const fn status(&self) -> (u16, &'static str) {
        match self {
            Self::NotARequest(_) => (400, "InvalidRequest"),
            Self::Unauthorized => (401, "AccessDenied"),
            Self::MethodNotAllowed(_) => (405, "MethodNotAllowed"),
            Self::NoSuchBucket(_) => (404, "NoSuchBucket"),
            Self::InvalidKey(_) => (400, "InvalidKey"),
            Self::IncompleteBody(_) => (400, "IncompleteBody"),
            Self::EntityTooLarge { .. } => (413, "EntityTooLarge"),
            Self::NotAnImage(error) => (415, error.name().name),
            Self::Broken(error) => (422, error.name().name),
            Self::Unavailable(_) => (503, "ServiceUnavailable"),
        }
    }

    /// The answer.
    pub(crate) fn answer(&self) -> Value {
        let (status, name) = self.status();
        answer(
            status,
            &[],
            &json!({ "error": { "name": name, "cause": self.to_string() } }),
        )
    }
}

/// An answer as the HTTP API wants it.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Value {
    let mut all = serde_json::Map::new();
    all.insert("content-type".into(), "application/json".into());
    for (name, value) in headers {
        all.insert((*name).to_owned(), (*value).into());
    }
    json!({ "statusCode": status, "headers": all, "body": body.to_string(), "isBase64Encoded": false })
}
