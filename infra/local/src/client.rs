//! The host's record and queues, as a worker process or a command reaches them.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Bytes;
use chrono::{DateTime, Duration, Utc};
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use safelight_ports::{
    Append, Claim, Depth, Message, Page, Queue, QueueError, Record, RecordError,
};
use safelight_schema::{Draft, Event, Evidence, Header, Lane, Pointer, Seal, Summary, Token, time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::queue::Browsed;
use crate::server::REFUSED;

/// How often a connection is tried before it is given up, doubling a pause of 10 ms in between.
const CONNECT_TRIES: u32 = 6;

/// A client of the host's door (see [`crate::router`]). Clones share its connections.
#[derive(Debug, Clone)]
pub struct HostClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client<HttpConnector, Full<Bytes>>,
    address: SocketAddr,
    authorization: HeaderValue,
}

/// Why a call has no result.
enum CallError<E> {
    /// The port's own answer.
    Refused(E),
    /// The host could not be asked.
    Unavailable(String),
}

impl HostClient {
    /// A client of the host at `address`. It connects when it is used.
    pub fn new(address: SocketAddr, token: &Token) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", token.secret()))
            // A token that no header can hold is no host's.
            .unwrap_or(HeaderValue::from_static("Bearer"));
        authorization.set_sensitive(true);
        Self {
            inner: Arc::new(Inner {
                client: Client::builder(TokioExecutor::new()).build(connector),
                address,
                authorization,
            }),
        }
    }

    /// The oldest messages, hidden ones too, without receiving them.
    pub async fn browse(&self, queue: &str, limit: u32) -> Result<Vec<Browsed>, QueueError> {
        self.queue("browse", &(queue, limit)).await
    }

    /// Deletes a message by its id, received or not; says whether it was there.
    pub async fn delete_by_id(&self, queue: &str, id: &str) -> Result<bool, QueueError> {
        self.queue("delete_by_id", &(queue, id)).await
    }

    /// Sends a message of `from` to `to` as if it were new, and takes it out of `from`; says whether
    /// it was there.
    pub async fn move_by_id(&self, from: &str, id: &str, to: &str) -> Result<bool, QueueError> {
        self.queue("move_by_id", &(from, id, to)).await
    }

    async fn record<T: DeserializeOwned>(
        &self,
        operation: &str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T, RecordError> {
        let answer = self.call("record", operation, arguments).await;
        answer.map_err(|error| match error {
            CallError::Refused(error) => error,
            CallError::Unavailable(why) => RecordError::Unavailable(why),
        })
    }

    async fn queue<T: DeserializeOwned>(
        &self,
        operation: &str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T, QueueError> {
        let answer = self.call("queue", operation, arguments).await;
        answer.map_err(|error| match error {
            CallError::Refused(error) => error,
            CallError::Unavailable(why) => QueueError::Unavailable(why),
        })
    }

    async fn call<T: DeserializeOwned, E: DeserializeOwned>(
        &self,
        port: &str,
        operation: &str,
        arguments: &(impl Serialize + Sync),
    ) -> Result<T, CallError<E>> {
        let body = serde_json::to_vec(arguments)
            .map_err(|error| CallError::Unavailable(error.to_string()))?;
        let (status, body) = self
            .post(port, operation, Bytes::from(body))
            .await
            .map_err(CallError::Unavailable)?;
        let unreadable = |error: serde_json::Error| {
            let address = self.inner.address;
            CallError::Unavailable(format!(
                "the host at {address} gave an answer that cannot be read: {error}"
            ))
        };
        match status {
            StatusCode::OK => serde_json::from_slice(&body).map_err(unreadable),
            REFUSED => {
                let error = serde_json::from_slice(&body).map_err(unreadable)?;
                Err(CallError::Refused(error))
            }
            _ => Err(CallError::Unavailable(format!(
                "the host at {} refused {port}/{operation} with status {status}: {}",
                self.inner.address,
                String::from_utf8_lossy(&body).trim()
            ))),
        }
    }

    /// Only a failed connection is tried again: what was sent may have been done.
    async fn post(
        &self,
        port: &str,
        operation: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), String> {
        let inner = &self.inner;
        let unreachable = |error: &dyn std::error::Error| {
            let mut text = error.to_string();
            let mut source = error.source();
            while let Some(cause) = source {
                text.push_str(": ");
                text.push_str(&cause.to_string());
                source = cause.source();
            }
            format!(
                "the host at {} did not answer ({text}): see whether it is still running",
                inner.address
            )
        };
        let uri = format!("http://{}/host/{port}/{operation}", inner.address);
        let mut tries = 1;
        let response = loop {
            let request = Request::post(uri.as_str())
                .header(AUTHORIZATION, inner.authorization.clone())
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(Full::new(body.clone()))
                .map_err(|error| unreachable(&error))?;
            match inner.client.request(request).await {
                Ok(response) => break response,
                Err(error) if error.is_connect() && tries < CONNECT_TRIES => {
                    let pause = std::time::Duration::from_millis(10 << (tries - 1));
                    tokio::time::sleep(pause).await;
                    tries += 1;
                }
                Err(error) => return Err(unreachable(&error)),
            }
        };
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| unreachable(&error))?;
        Ok((status, body.to_bytes()))
    }
}

#[async_trait]
impl Record for HostClient {
    async fn claim(&self, header: &Header, lease: Duration) -> Result<Claim, RecordError> {
        self.record("claim", &(header, lease.num_milliseconds()))
            .await
    }

    async fn claim_with(
        &self,
        header: &Header,
        lease: Duration,
        drafts: &[Draft],
    ) -> Result<Claim, RecordError> {
        self.record("claim_with", &(header, lease.num_milliseconds(), drafts))
            .await
    }

    async fn mark_started(&self, execution: &str) -> Result<(), RecordError> {
        self.record("mark_started", &(execution,)).await
    }

    async fn mark_started_with(
        &self,
        execution: &str,
        drafts: &[Draft],
    ) -> Result<(), RecordError> {
        self.record("mark_started_with", &(execution, drafts)).await
    }

    async fn append(
        &self,
        drafts: &[Draft],
        pointers: &[Pointer],
    ) -> Result<Vec<Event>, RecordError> {
        self.record("append", &(drafts, pointers)).await
    }

    async fn lane(&self, execution: &str, lane: &Lane) -> Result<Vec<Event>, RecordError> {
        self.record("lane", &(execution, lane)).await
    }

    async fn events(&self, execution: &str) -> Result<Vec<Event>, RecordError> {
        self.record("events", &(execution,)).await
    }

    async fn header(&self, execution: &str) -> Result<Option<Header>, RecordError> {
        self.record("header", &(execution,)).await
    }

    async fn seal(&self, execution: &str) -> Result<Option<Seal>, RecordError> {
        self.record("seal", &(execution,)).await
    }

    async fn put_seal(&self, execution: &str, at: DateTime<Utc>) -> Result<Seal, RecordError> {
        self.record("put_seal", &(execution, time::format(&at)))
            .await
    }

    async fn put_summary(&self, summary: &Summary) -> Result<(), RecordError> {
        self.record("put_summary", &(summary,)).await
    }

    async fn close(
        &self,
        execution: &str,
        appends: &[Append],
        at: DateTime<Utc>,
    ) -> Result<Summary, RecordError> {
        self.record("close", &(execution, appends, time::format(&at)))
            .await
    }

    async fn summary(&self, execution: &str) -> Result<Option<Summary>, RecordError> {
        self.record("summary", &(execution,)).await
    }

    async fn find(
        &self,
        partition: &str,
        newest_first: bool,
        limit: u32,
        next: Option<&str>,
    ) -> Result<Page, RecordError> {
        self.record("find", &(partition, newest_first, limit, next))
            .await
    }

    async fn evidence(&self, execution: &str) -> Result<Evidence, RecordError> {
        self.record("evidence", &(execution,)).await
    }

    async fn executions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, RecordError> {
        self.record("executions", &(after, limit)).await
    }
}

#[async_trait]
impl Queue for HostClient {
    async fn send(&self, queue: &str, bodies: &[String]) -> Result<Vec<String>, QueueError> {
        self.queue("send", &(queue, bodies)).await
    }

    async fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.queue("receive", &(queue, max, visibility.num_milliseconds()))
            .await
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<(), QueueError> {
        self.queue("delete", &(queue, receipt)).await
    }

    async fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
    ) -> Result<(), QueueError> {
        let milliseconds = visibility.num_milliseconds();
        self.queue("change_visibility", &(queue, receipt, milliseconds))
            .await
    }

    async fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        self.queue("depth", &(queue,)).await
    }
}
