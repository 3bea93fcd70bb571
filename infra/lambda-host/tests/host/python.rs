//! The Runtime API as any other program sees it, by a function in Python's standard library.

use bytes::Bytes;
use safelight_lambda_host::{Fault, FunctionConfig, InvokeOptions, MAX_RESPONSE_BYTES};
use serde_json::{Value, json};

use super::support::{host_with, invoke, python_function, stats};

#[tokio::test]
async fn an_event_comes_with_its_headers_and_lambdas_environment() {
    let host = host_with(FunctionConfig {
        timeout: std::time::Duration::from_secs(900),
        ..python_function("f")
    });
    let before = now_ms();
    let options = InvokeOptions {
        client_context: Some(r#"{"custom":1}"#.to_owned()),
        trace_id: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ..InvokeOptions::default()
    };
    let payload = Bytes::from_static(br#"{"a":[1,2]}"#);
    let answer = host.invoke("f", payload, options).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["event"], json!({ "a": [1, 2] }));

    let header = |name: &str| answer["headers"][name].as_str().unwrap_or_default();
    assert_eq!(header("lambda-runtime-aws-request-id").len(), 36);
    assert_eq!(
        header("lambda-runtime-invoked-function-arn"),
        "arn:aws:lambda:us-east-1:000000000000:function:f"
    );
    assert_eq!(header("lambda-runtime-client-context"), r#"{"custom":1}"#);
    assert_eq!(
        header("lambda-runtime-trace-id"),
        "Root=1-5759e988-bd862e3fe1be46a994272793"
    );
    let deadline: u128 = header("lambda-runtime-deadline-ms").parse().unwrap();
    assert!((before..=now_ms() + 900_000).contains(&deadline));

    let variable = |name: &str| answer["environment"][name].as_str();
    assert_eq!(variable("AWS_LAMBDA_FUNCTION_NAME"), Some("f"));
    assert_eq!(variable("AWS_LAMBDA_FUNCTION_VERSION"), Some("$LATEST"));
    assert_eq!(variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), Some("256"));
    assert_eq!(variable("AWS_REGION"), Some("us-east-1"));
    assert_eq!(variable("_HANDLER"), Some("f"));
    assert!(variable("LAMBDA_TASK_ROOT").is_some());
    assert!(variable("PATH").is_some());
    assert_eq!(
        variable("CARGO_PKG_NAME"),
        None,
        "the host's own stay with it"
    );
    host.shutdown().await;
}

#[tokio::test]
async fn an_error_document_passes_through() {
    let host = host_with(python_function("f"));
    let body = r#"{"errorType": "ValueError", "errorMessage": "no", "stackTrace": ["line 1"]}"#;
    let error = invoke(&host, "f", json!({ "do": "fail", "body": body }))
        .await
        .unwrap_err();
    assert_eq!(
        (error.fault, error.cause().as_str()),
        (Fault::Function, body)
    );
    assert_eq!(error.stack_trace, ["line 1"]);
    let event = json!({ "do": "fail", "body": "garbage", "header": "Function.Broken" });
    let error = invoke(&host, "f", event).await.unwrap_err();
    assert_eq!(error.name(), "Function.Broken");
    host.shutdown().await;
}

#[tokio::test]
async fn a_response_that_is_not_json_is_refused_and_the_worker_stays() {
    let host = host_with(python_function("f"));
    for body in ["{\"a\":", "", "\"\u{ff}\"", "{} {}"] {
        let error = invoke(&host, "f", json!({ "do": "respond", "body": body }))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Runtime.InvalidResponse", "{body:?}");
    }
    invoke(&host, "f", json!({})).await.unwrap();
    assert_eq!(stats(&host, "f").cold_starts, 1);
    host.shutdown().await;
}

#[tokio::test]
async fn the_response_limit_is_exact_and_the_worker_is_told() {
    let host = host_with(python_function("f"));
    let event = |bytes: usize| json!({ "do": "grow-response", "bytes": bytes });
    let answer = invoke(&host, "f", event(MAX_RESPONSE_BYTES)).await.unwrap();
    assert_eq!(answer.as_str().unwrap().len(), MAX_RESPONSE_BYTES - 2);
    let error = invoke(&host, "f", event(MAX_RESPONSE_BYTES + 1))
        .await
        .unwrap_err();
    assert_eq!(error.name(), "Function.ResponseSizeTooLarge");
    let answer = invoke(&host, "f", json!({})).await.unwrap();
    assert_eq!(
        answer["posted"],
        json!([[202, null], [413, "RequestEntityTooLarge"]])
    );
    host.shutdown().await;
}

#[tokio::test]
async fn a_response_in_chunks_is_put_together() {
    let host = host_with(python_function("f"));
    let answer = invoke(&host, "f", json!({ "do": "chunked" }))
        .await
        .unwrap();
    assert_eq!(answer, Value::String("x".repeat(100_000)));
    host.shutdown().await;
}

#[tokio::test]
async fn only_the_current_invocation_can_be_answered_once_and_not_by_a_browser() {
    let host = host_with(python_function("f"));
    let answer = invoke(&host, "f", json!({ "do": "misbehave" }))
        .await
        .unwrap();
    assert_eq!(answer, "right");
    let answer = invoke(&host, "f", json!({})).await.unwrap();
    assert_eq!(
        answer["posted"],
        json!([
            [400, "InvalidRequestID"],
            [400, "InvalidRequestID"],
            [403, "Forbidden"],
            [403, "Forbidden"],
            [404, "NotFound"],
            [403, "InvalidStateTransition"],
            [405, "MethodNotAllowed"],
            [202, null],
            [400, "InvalidRequestID"],
        ])
    );
    host.shutdown().await;
}

#[tokio::test]
async fn an_init_error_that_is_posted_keeps_its_name() {
    for (posted, name) in [
        (
            r#"{"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"}"#,
            "Runtime.ImportModuleError",
        ),
        (r#"{"errorMessage": "no model"}"#, "Runtime.InitError"),
    ] {
        let mut config = python_function("f");
        config.command.env = vec![("INIT_ERROR".to_owned(), posted.to_owned())];
        let host = host_with(config);
        let error = invoke(&host, "f", json!({})).await.unwrap_err();
        assert_eq!(error.name(), name);
        host.shutdown().await;
    }
}

fn now_ms() -> u128 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_millis()
}
