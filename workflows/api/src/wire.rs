//! AWS's shapes: errors, dates, answers.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use chrono::{DateTime, Utc};
use safelight_engine::EngineError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The content type of JSON 1.0.
const JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

/// What a caller is told instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    status: StatusCode,
    kind: String,
    message: String,
}

impl Fault {
    pub(crate) fn new(
        status: StatusCode,
        kind: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            status,
            kind: kind.into(),
            message: message.into(),
        }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    pub(crate) fn invalid_token() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidToken",
            "Invalid Token: 'Invalid token'",
        )
    }

    /// A field's value outside its documented bounds, in AWS's words.
    pub(crate) fn constraint(field: &str, value: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let body = json!({"__type": self.kind, "message": self.message});
        respond(self.status, body.to_string())
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        if error.is_callers() {
            return Self::new(StatusCode::BAD_REQUEST, error.name(), error.to_string());
        }
        let (status, kind) = match &error {
            EngineError::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"),
        };
        tracing::error!(error.name = error.name(), %error, "a request could not be served");
        // The store's own name says what to do: it is the reader's machine.
        Self::new(status, kind, format!("{}: {error}", error.name()))
    }
}

/// A request's body as what the action takes.
pub(crate) fn request<T: DeserializeOwned>(body: &Value) -> Result<T, Fault> {
    T::deserialize(body).map_err(|error| {
        let text = error.to_string();
        match text
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next())
        {
            Some(field) => Fault::constraint(field, "null", "Member must not be null"),
            None => Fault::new(StatusCode::BAD_REQUEST, "SerializationException", text),
        }
    })
}

/// A JSON answer.
pub(crate) fn answer<T: Serialize>(body: &T) -> Response<Body> {
    match serde_json::to_string(body) {
        Ok(text) => respond(StatusCode::OK, text),
        Err(error) => Fault::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalFailure",
            error.to_string(),
        )
        .into_response(),
    }
}

/// Seconds since 1970 with milliseconds: how JSON 1.0 carries a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Timestamp(pub(crate) DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.timestamp_millis() as f64 / 1000.0)
    }
}

fn respond(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON_1_0);
    let id = uuid::Uuid::new_v4().to_string();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn a_missing_field_is_named_in_awss_words() {
        #[derive(Debug, Deserialize)]
        struct Needs {
            #[expect(dead_code, reason = "only its absence matters")]
            name: String,
        }
        let fault = request::<Needs>(&json!({})).unwrap_err();
        assert_eq!(fault.kind, "ValidationException");
        assert!(
            fault.message.contains("Value null at 'name'"),
            "{}",
            fault.message
        );
        let fault = request::<Needs>(&json!({"name": 1})).unwrap_err();
        assert_eq!(fault.kind, "SerializationException");
    }

    #[test]
    fn times_keep_their_milliseconds() {
        let time = DateTime::from_timestamp_millis(1_763_712_000_123).unwrap();
        assert_eq!(
            serde_json::to_string(&Timestamp(time)).unwrap(),
            "1763712000.123"
        );
    }
}
