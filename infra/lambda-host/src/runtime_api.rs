//! The Lambda Runtime API, version 2018-06-01, of one worker.
//!
//! ```text
//! GET  /2018-06-01/runtime/invocation/next           held open until there is an event
//! POST /2018-06-01/runtime/invocation/{id}/response  202
//! POST /2018-06-01/runtime/invocation/{id}/error     202
//! POST /2018-06-01/runtime/init/error                202
//! ```
//!
//! Other local processes can reach the port too, so: a request id that is not the current one is
//! refused, and so is anything a browser sends (it always names its origin, or another host).

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::MAX_RESPONSE_BYTES;

const PREFIX: &str = "/2018-06-01/runtime/";
/// A worker needs one connection; some clients open one a request.
const MAX_CONNECTIONS: usize = 16;
/// How much of a body above the limit is read and thrown away, so that its sender can read the answer.
const MAX_DISCARDED_BYTES: usize = 64 * 1024 * 1024;

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE_MS: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const FUNCTION_ARN: HeaderName = HeaderName::from_static("lambda-runtime-invoked-function-arn");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const FUNCTION_ERROR_TYPE: &str = "lambda-runtime-function-error-type";

/// What `next` hands out.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub payload: Bytes,
    pub request_id: HeaderValue,
    /// Milliseconds since 1970.
    pub deadline_ms: u64,
    pub function_arn: HeaderValue,
    pub trace_id: HeaderValue,
    pub client_context: Option<HeaderValue>,
}

/// What a worker says.
#[derive(Debug)]
pub(crate) enum Event {
    /// It polls `next`, and waits for a delivery.
    Parked(oneshot::Sender<Delivery>),
    /// The current invocation's response.
    Response(Bytes),
    /// The current invocation's response or error is above the limit.
    TooLarge,
    /// The current invocation's error.
    Failure(Posted),
    /// It could not get ready.
    InitFailure(Posted),
}

/// An error document and the header that names it.
#[derive(Debug)]
pub(crate) struct Posted {
    pub body: Bytes,
    pub error_type: Option<String>,
}

/// A listener and its connections. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    current: Arc<Mutex<Option<Uuid>>>,
    /// `None` once it was stopped.
    task: Option<JoinHandle<()>>,
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1; what the worker says goes to `events`.
    pub(crate) async fn start(events: mpsc::Sender<Event>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let current = Arc::default();
        let shared = Arc::new(Shared {
            authority: address.to_string(),
            current: Arc::clone(&current),
            events,
        });
        Ok(Self {
            address,
            current,
            task: Some(tokio::spawn(listen(listener, shared))),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the invocation that the worker may answer, once.
    pub(crate) fn expect(&self, request: Option<Uuid>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = request;
    }

    /// Closes the listener and every connection.
    pub(crate) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            // An error is the cancellation that was asked for.
            let _ = task.await;
        }
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

struct Shared {
    authority: String,
    current: Arc<Mutex<Option<Uuid>>>,
    events: mpsc::Sender<Event>,
}

impl Shared {
    /// True once for the current invocation.
    fn claim(&self, request: &str) -> bool {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed =
            current.is_some_and(|current| Uuid::try_parse(request).is_ok_and(|id| id == current));
        if claimed {
            *current = None;
        }
        claimed
    }

    fn is_busy(&self) -> bool {
        self.current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < MAX_CONNECTIONS => {
                    // Without it every answer waits for an acknowledgement.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(TokioIo::new(stream), Arc::clone(&shared)));
                }
                Ok(_) => tracing::warn!(port = %shared.authority, "too many connections to one worker's port"),
                Err(error) => {
                    tracing::warn!(port = %shared.authority, %error, "a connection could not be accepted");
                    // Out of file descriptors: trying at once would only spin.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TokioIo<tokio::net::TcpStream>, shared: Arc<Shared>) {
    let service = service_fn(|request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(answer(request, &shared).await) }
    });
    let mut builder = http1::Builder::new();
    builder.auto_date_header(false).max_buf_size(128 * 1024);
    // A connection that breaks is the worker's business: its process is watched.
    let _ = builder.serve_connection(stream, service).await;
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Response<Full<Bytes>> {
    let (request, mut body) = request.into_parts();
    let response = route(&request, &mut body, shared).await;
    // What was refused is read to its end all the same: its sender may look for an answer only then.
    let mut discarded = 0;
    while discarded < MAX_DISCARDED_BYTES {
        match frame(&mut body).await {
            Ok(Some(data)) => discarded += data.len(),
            Ok(None) | Err(_) => break,
        }
    }
    response
}

async fn route(request: &Parts, body: &mut Incoming, shared: &Shared) -> Response<Full<Bytes>> {
    let host = request.headers.get(HOST);
    if request.headers.contains_key(ORIGIN)
        || host.is_some_and(|host| host.as_bytes() != shared.authority.as_bytes())
    {
        return refusal(StatusCode::FORBIDDEN, "Forbidden", "Not for browsers");
    }
    let Some(route) = request.uri.path().strip_prefix(PREFIX) else {
        return refusal(StatusCode::NOT_FOUND, "NotFound", "No such resource");
    };
    let invocation = route
        .strip_prefix("invocation/")
        .and_then(|route| route.split_once('/'));
    match (&request.method, route, invocation) {
        (&Method::GET, "invocation/next", _) => next(shared).await,
        (&Method::POST, "init/error", _) => init_error(request, body, shared).await,
        (&Method::POST, _, Some((id, "response"))) => {
            let body = read(body).await;
            conclude(id, body.map(Event::Response), shared).await
        }
        (&Method::POST, _, Some((id, "error"))) => {
            let error_type = error_type(request);
            let body = read(body).await;
            let event = body.map(|body| Event::Failure(Posted { body, error_type }));
            conclude(id, event, shared).await
        }
        (_, "invocation/next" | "init/error", _) | (_, _, Some((_, "response" | "error"))) => {
            refusal(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "No such method",
            )
        }
        _ => refusal(StatusCode::NOT_FOUND, "NotFound", "No such resource"),
    }
}

async fn next(shared: &Shared) -> Response<Full<Bytes>> {
    if shared.is_busy() {
        return refusal(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "The current invocation has no response yet",
        );
    }
    let (parked, delivery) = oneshot::channel();
    let told = shared.events.send(Event::Parked(parked)).await;
    let (Ok(()), Ok(delivery)) = (told, delivery.await) else {
        return refusal(
            StatusCode::GONE,
            "Runtime.PollReplaced",
            "Another poll took its place, or the host stops",
        );
    };
    let mut response = Response::new(Full::new(delivery.payload));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(REQUEST_ID, delivery.request_id);
    headers.insert(DEADLINE_MS, HeaderValue::from(delivery.deadline_ms));
    headers.insert(FUNCTION_ARN, delivery.function_arn);
    headers.insert(TRACE_ID, delivery.trace_id);
    if let Some(context) = delivery.client_context {
        headers.insert(CLIENT_CONTEXT, context);
    }
    response
}

async fn conclude(
    id: &str,
    event: Result<Event, Unread>,
    shared: &Shared,
) -> Response<Full<Bytes>> {
    let (event, answer) = match event {
        Ok(event) => (event, accepted()),
        Err(Unread::TooLarge) => (Event::TooLarge, too_large()),
        // A body that breaks off leaves the invocation as it was.
        Err(Unread::Broken) => return broken(),
    };
    if !shared.claim(id) {
        return refusal(
            StatusCode::BAD_REQUEST,
            "InvalidRequestID",
            "Invalid request ID",
        );
    }
    tell(shared, event, answer).await
}

async fn init_error(
    request: &Parts,
    body: &mut Incoming,
    shared: &Shared,
) -> Response<Full<Bytes>> {
    let error_type = error_type(request);
    match read(body).await {
        Ok(body) => {
            let event = Event::InitFailure(Posted { body, error_type });
            tell(shared, event, accepted()).await
        }
        Err(Unread::TooLarge) => too_large(),
        Err(Unread::Broken) => broken(),
    }
}

async fn tell(
    shared: &Shared,
    event: Event,
    answer: Response<Full<Bytes>>,
) -> Response<Full<Bytes>> {
    match shared.events.send(event).await {
        Ok(()) => answer,
        Err(_) => refusal(StatusCode::GONE, "Gone", "The host stops"),
    }
}

fn error_type(request: &Parts) -> Option<String> {
    let value = request.headers.get(FUNCTION_ERROR_TYPE)?;
    let text = value.to_str().ok()?;
    Some(text.chars().take(256).collect())
}

enum Unread {
    TooLarge,
    Broken,
}

async fn read(body: &mut Incoming) -> Result<Bytes, Unread> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MAX_RESPONSE_BYTES {
        return Err(Unread::TooLarge);
    }
    let first = frame(body).await?.unwrap_or_default();
    if body.is_end_stream() && first.len() <= MAX_RESPONSE_BYTES {
        // Small bodies come in one piece: no copy.
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(announced);
    let mut data = Some(first);
    while let Some(more) = data {
        if whole.len() + more.len() > MAX_RESPONSE_BYTES {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&more);
        data = frame(body).await?;
    }
    Ok(whole.freeze())
}

async fn frame(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    match body.frame().await {
        None => Ok(None),
        // Trailers carry nothing that is used.
        Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap_or_default())),
        Some(Err(_)) => Err(Unread::Broken),
    }
}

fn accepted() -> Response<Full<Bytes>> {
    json(
        StatusCode::ACCEPTED,
        Bytes::from_static(br#"{"status":"OK"}"#),
    )
}

fn too_large() -> Response<Full<Bytes>> {
    let message = format!("Exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes).");
    refusal(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestEntityTooLarge",
        &message,
    )
}

fn broken() -> Response<Full<Bytes>> {
    refusal(
        StatusCode::BAD_REQUEST,
        "InvalidRequest",
        "The body ended early",
    )
}

fn refusal(status: StatusCode, error_type: &str, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "errorType": error_type, "errorMessage": message });
    json(status, Bytes::from(body.to_string()))
}

fn json(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
