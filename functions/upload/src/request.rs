//! A request as the HTTP API gives it.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::refusal::Refusal;

/// The parts of the event that are looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    version: String,
    #[serde(default)]
    path_parameters: Option<PathParameters>,
    request_context: Context,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Debug, Deserialize)]
struct PathParameters {
    bucket: String,
    key: String,
}

#[derive(Debug, Deserialize)]
struct Context {
    http: Http,
    #[serde(default)]
    authorizer: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Http {
    method: String,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// Keep the body.
    Put,
    /// Give leave to put what the body describes.
    Post,
}

/// A request that passed an authorizer.
#[derive(Debug)]
pub(crate) struct Request {
    pub method: Method,
    /// The bucket's name in the path.
    pub bucket: String,
    pub key: String,
    pub body: Vec<u8>,
}

/// Reads a request (invariant 1).
pub(crate) fn read(event: Value) -> Result<Request, Refusal> {
    let event: Event =
        serde_json::from_value(event).map_err(|error| Refusal::NotARequest(error.to_string()))?;
    if event.version != "2.0" {
        return Err(Refusal::NotARequest(format!(
            "its payload format is {}, not 2.0",
            event.version
        )));
    }
    let passed = event.request_context.authorizer.is_some_and(|authorizer| {
        // One of the kinds that the API has: a token's claims, a signature's principal, a function's.
        ["jwt", "iam", "lambda"]
            .iter()
            .any(|kind| authorizer.get(kind).is_some_and(Value::is_object))
    });
    if !passed {
        return Err(Refusal::Unauthorized);
    }
    let method = match event.request_context.http.method.as_str() {
        "PUT" => Method::Put,
        "POST" => Method::Post,
        other => return Err(Refusal::MethodNotAllowed(other.to_owned())),
    };
    let PathParameters { bucket, key } = event
        .path_parameters
        .ok_or_else(|| Refusal::InvalidKey(String::new()))?;
    check_key(&key)?;
    let body = match event.body {
        None => Vec::new(),
        Some(text) if event.is_base64_encoded => STANDARD
            .decode(text)
            .map_err(|error| Refusal::IncompleteBody(error.to_string()))?,
        Some(text) => text.into_bytes(),
    };
    Ok(Request {
        method,
        bucket,
        key,
        body,
    })
}

/// The rule of the local upload: every part of a key is a plain name.
fn check_key(key: &str) -> Result<(), Refusal> {
    let plain =
        |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\0', '\\']);
    if key.len() > 1024 || !key.split('/').all(plain) {
        return Err(Refusal::InvalidKey(key.to_owned()));
    }
    Ok(())
}
