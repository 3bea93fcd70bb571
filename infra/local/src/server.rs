//! The host's door for its own workers and commands: its record and queues over loopback HTTP.
//!
//! `POST /host/record/<operation>` and `/host/queue/<operation>` with a bearer token. Operations are
//! the methods of the ports; the body is a JSON array of their arguments in order, durations as
//! milliseconds. The answer is the method's result as JSON, with status 200, or its error, with
//! status 422; any other status says in words what is wrong with the request.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Router, http::HeaderValue};
use chrono::{DateTime, Duration, Utc};
use safelight_ports::{Append, Queue, Record};
use safelight_schema::{Draft, Header, Lane, Pointer, Summary, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::queue::SqliteQueue;

/// Largest request: ten messages of 1 MiB, escaped.
const MAX_BODY: usize = 64 << 20;

/// Status of an answer that is the port's error.
pub(crate) const REFUSED: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

struct Host {
    record: Arc<dyn Record>,
    queue: SqliteQueue,
    token: Token,
}

/// The routes; whoever listens adds them to its own.
pub fn router(record: Arc<dyn Record>, queue: SqliteQueue, token: Token) -> Router {
    let host = Arc::new(Host {
        record,
        queue,
        token,
    });
    Router::new()
        .route("/host/record/{operation}", post(record_operation))
        .route("/host/queue/{operation}", post(queue_operation))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        // Before anything of the body is read.
        .layer(middleware::from_fn_with_state(Arc::clone(&host), authorize))
        .with_state(host)
}

async fn authorize(State(host): State<Arc<Host>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    if shown.is_some_and(|shown| host.token.is_shown_by(shown.as_bytes())) {
        return next.run(request).await;
    }
    let message = "the token is missing or not this host's: read it from host.json\n";
    (StatusCode::UNAUTHORIZED, message).into_response()
}

/// A request that no port was asked about.
struct BadRequest(StatusCode, String);

impl BadRequest {
    fn unknown(operation: &str) -> Self {
        let message = format!("there is no operation '{operation}'\n");
        Self(StatusCode::NOT_FOUND, message)
    }
}

impl IntoResponse for BadRequest {
    fn into_response(self) -> Response {
        (self.0, self.1).into_response()
    }
}

fn arguments<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadRequest> {
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the arguments cannot be read: {error}\n");
        BadRequest(StatusCode::BAD_REQUEST, message)
    })
}

fn answer<T: Serialize, E: Serialize>(result: Result<T, E>) -> Response {
    let (status, body) = match result {
        Ok(value) => (StatusCode::OK, serde_json::to_vec(&value)),
        Err(error) => (REFUSED, serde_json::to_vec(&error)),
    };
    match body {
        Ok(body) => {
            let json = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, json)], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn record_operation(
    State(host): State<Arc<Host>>,
    Path(operation): Path<String>,
    body: Bytes,
) -> Result<Response, BadRequest> {
    let record = &*host.record;
    Ok(match operation.as_str() {
        "claim" => {
            let (header, lease): (Header, i64) = arguments(&body)?;
            answer(record.claim(&header, Duration::milliseconds(lease)).await)
        }
        "claim_with" => {
            let (header, lease, drafts): (Header, i64, Vec<Draft>) = arguments(&body)?;
            let lease = Duration::milliseconds(lease);
            answer(record.claim_with(&header, lease, &drafts).await)
        }
        "mark_started" => {
            let (execution,): (String,) = arguments(&body)?;
            answer(record.mark_started(&execution).await)
        }
        "mark_started_with" => {
            let (execution, drafts): (String, Vec<Draft>) = arguments(&body)?;
            answer(record.mark_started_with(&execution, &drafts).await)
        }
        "append" => {
            let (drafts, pointers): (Vec<Draft>, Vec<Pointer>) = arguments(&body)?;
            answer(record.append(&drafts, &pointers).await)
        }
        "lane" => {
            let (execution, lane): (String, Lane) = arguments(&body)?;
            answer(record.lane(&execution, &lane).await)
        }
        "events" => {
            let (execution,): (String,) = arguments(&body)?;
            answer(record.events(&execution).await)
        }
        "header" => {
            let (execution,): (String,) = arguments(&body)?;
            answer(record.header(&execution).await)
        }
        "seal" => {
            let (execution,): (String,) = arguments(&body)?;
            answer(record.seal(&execution).await)
        }
        "put_seal" => {
            let (execution, time): (String, DateTime<Utc>) = arguments(&body)?;
            answer(record.put_seal(&execution, time).await)
        }
        "put_summary" => {
            let (summary,): (Summary,) = arguments(&body)?;
            answer(record.put_summary(&summary).await)
        }
        "close" => {
            let (execution, appends, time): (String, Vec<Append>, DateTime<Utc>) =
                arguments(&body)?;
            answer(record.close(&execution, &appends, time).await)
        }
        "summary" => {
            let (execution,): (String,) = arguments(&body)?;
            answer(record.summary(&execution).await)
        }
        "find" => {
            let (partition, newest_first, limit, next): (String, bool, u32, Option<String>) =
                arguments(&body)?;
            let page = record.find(&partition, newest_first, limit, next.as_deref());
            answer(page.await)
        }
        "evidence" => {
            let (execution,): (String,) = arguments(&body)?;
            answer(record.evidence(&execution).await)
        }
        "executions" => {
            let (after, limit): (Option<String>, u32) = arguments(&body)?;
            answer(record.executions(after.as_deref(), limit).await)
        }
        unknown => return Err(BadRequest::unknown(unknown)),
    })
}

async fn queue_operation(
    State(host): State<Arc<Host>>,
    Path(operation): Path<String>,
    body: Bytes,
) -> Result<Response, BadRequest> {
    let queue = &host.queue;
    Ok(match operation.as_str() {
        "send" => {
            let (name, bodies): (String, Vec<String>) = arguments(&body)?;
            answer(queue.send(&name, &bodies).await)
        }
        "receive" => {
            let (name, max, hidden): (String, usize, i64) = arguments(&body)?;
            let hidden = Duration::milliseconds(hidden);
            answer(queue.receive(&name, max, hidden).await)
        }
        "delete" => {
            let (name, receipt): (String, String) = arguments(&body)?;
            answer(queue.delete(&name, &receipt).await)
        }
        "change_visibility" => {
            let (name, receipt, hidden): (String, String, i64) = arguments(&body)?;
            let hidden = Duration::milliseconds(hidden);
            answer(queue.change_visibility(&name, &receipt, hidden).await)
        }
        "depth" => {
            let (name,): (String,) = arguments(&body)?;
            answer(queue.depth(&name).await)
        }
        "browse" => {
            let (name, limit): (String, u32) = arguments(&body)?;
            answer(queue.browse(&name, limit).await)
        }
        "delete_by_id" => {
            let (name, id): (String, String) = arguments(&body)?;
            answer(queue.delete_by_id(&name, &id).await)
        }
        "move_by_id" => {
            let (from, id, to): (String, String, String) = arguments(&body)?;
            answer(queue.move_by_id(&from, &id, &to).await)
        }
        unknown => return Err(BadRequest::unknown(unknown)),
    })
}
