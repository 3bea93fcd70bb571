//! The bootstrap against a stand-in of the Lambda Runtime API: what a function answers, and what its
//! errors are called on the wire. The worker is this very file, started again.
#![allow(clippy::unwrap_used)]

use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use async_trait::async_trait;
use safelight_kit::testing::{Bench, HttpServer, Request, Response};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Invocation, Place};
use safelight_schema::error_name;
use serde_json::{Value, json};

const FUNCTION: Function = Function {
    name: "example",
    place: Place::Queue,
    build,
};

#[expect(
    clippy::unnecessary_wraps,
    reason = "the type of every function's builder"
)]
fn build(_: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    Ok(Box::new(Example))
}

struct Example;

#[async_trait]
impl Handler for Example {
    async fn handle(&self, event: Value, _: &Invocation) -> Result<Value, FunctionError> {
        assert!(event != "panic", "told to");
        if event == "fail" {
            return Err(FunctionError::new(&error_name::IMAGE_EMPTY, "no bytes"));
        }
        Ok(json!({ "echo": event }))
    }
}

/// Not a test: the worker's role.
#[test]
#[ignore = "started by the tests of this file"]
fn worker() {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        safelight_kit::run(FUNCTION, Bench::new().adapters()).unwrap();
    }
}

struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a worker that is given these events in turn; what it posts comes out of the receiver.
fn start(events: Vec<Value>) -> (HttpServer, Worker, Receiver<(String, Value)>) {
    let (posted, receiver) = channel();
    let posted = Mutex::new(posted);
    let events = Mutex::new(events.into_iter().enumerate());
    let server = HttpServer::start(move |request: Request| {
        if request.path.ends_with("/invocation/next") {
            let next = events.lock().unwrap().next();
            let Some((index, event)) = next else {
                return Response::new(500, "{}");
            };
            return Response::new(200, event.to_string())
                .with_header("lambda-runtime-aws-request-id", &format!("request-{index}"))
                .with_header("lambda-runtime-deadline-ms", "4102444800000")
                .with_header("content-type", "application/json");
        }
        let body = serde_json::from_slice(&request.body).unwrap();
        posted.lock().unwrap().send((request.path, body)).unwrap();
        Response::new(202, "{}")
    });
    let address = server.url().trim_start_matches("http://").to_owned();
    let worker = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "worker", "--ignored"])
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "example")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .spawn()
        .unwrap();
    (server, Worker(worker), receiver)
}

#[test]
fn answers_errors_and_panics_have_their_shape_on_the_wire() {
    let events = vec![
        json!("hello"),
        json!("fail"),
        json!("panic"),
        json!("again"),
    ];
    let (_server, _worker, posted) = start(events);
    let next = || posted.recv_timeout(Duration::from_secs(60)).unwrap();
    let (path, body) = next();
    assert!(path.ends_with("/request-0/response"), "{path}");
    assert_eq!(body, json!({ "echo": "hello" }));
    let (path, body) = next();
    assert!(path.ends_with("/request-1/error"), "{path}");
    assert_eq!(body["errorType"], "Image.Empty");
    assert_eq!(body["errorMessage"], "no bytes");
    let (path, body) = next();
    assert!(path.ends_with("/request-2/error"), "{path}");
    assert_eq!(body["errorType"], "Function.Panicked");
    // The worker lives on.
    let (path, _) = next();
    assert!(path.ends_with("/request-3/response"), "{path}");
}
