//! The one route, and what happens before an action.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use axum::routing::post;
use safelight_engine::EngineHandle;
use safelight_schema::Token;
use serde_json::Value;

use crate::guard;
use crate::operations;
use crate::wire::Fault;

/// What an action's name begins with in `X-Amz-Target`.
const TARGET: &str = "AWSStepFunctions.";

/// Who may call, and how much.
#[derive(Debug, Clone)]
pub struct ApiOptions {
    /// Names in `Host`, without a port, that are served besides loopback ones.
    pub allowed_hosts: Vec<String>,
    /// If set, every request must carry it.
    pub token: Option<Token>,
    /// Most bytes of a request. A definition has at most 1 MiB, and more as an escaped text.
    pub body_limit: usize,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            token: None,
            body_limit: 4 * 1024 * 1024,
        }
    }
}

struct Api {
    engine: EngineHandle,
    options: ApiOptions,
}

/// The API, at `POST /`.
pub fn router(engine: EngineHandle, options: ApiOptions) -> Router {
    Router::new()
        .route("/", post(serve))
        .with_state(Arc::new(Api { engine, options }))
}

async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response<Body> {
    match dispatch(&api, request).await {
        Ok(response) => response,
        Err(fault) => fault.into_response(),
    }
}

async fn dispatch(api: &Api, request: Request) -> Result<Response<Body>, Fault> {
    guard::check(request.headers(), &api.options)?;
    let action = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .and_then(|target| target.strip_prefix(TARGET))
        .map(str::to_owned)
        .ok_or_else(|| unknown("the X-Amz-Target header names no action of Step Functions"))?;
    let bytes = to_bytes(request.into_body(), api.options.body_limit)
        .await
        .map_err(|error| {
            Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ValidationException",
                format!(
                    "the body could not be read, or has more than {} bytes: {error}",
                    api.options.body_limit
                ),
            )
        })?;
    let body: Value = serde_json::from_slice(&bytes).map_err(|error| {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "SerializationException",
            error.to_string(),
        )
    })?;
    drop(bytes);
    operations::run(&api.engine, &action, &body)
        .await
        .unwrap_or_else(|| Err(unknown(&format!("{action} is not offered"))))
}

fn unknown(message: &str) -> Fault {
    Fault::new(
        StatusCode::BAD_REQUEST,
        "UnknownOperationException",
        message,
    )
}
