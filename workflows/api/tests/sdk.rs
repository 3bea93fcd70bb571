//! The API as AWS's own SDK sees it, over a socket.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Instant;

use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::{
    ExecutionStatus, HistoryEvent, HistoryEventType, ValidateStateMachineDefinitionResultCode,
};
use safelight_api::ApiOptions;
use safelight_schema::Token;
use serde_json::{Value, json};
use support::{DEADLINE, Functions, ROLE, Server, client, jsonata, only, task};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_with_tasks_retry_catch_map_and_wait() {
    let functions = Functions::default()
        .with("flaky", |task| {
            if task.payload["retry"].as_u64() < Some(2) {
                Err((
                    "Test.Passing".to_owned(),
                    r#"{"errorType":"Test.Passing"}"#.to_owned(),
                ))
            } else {
                Ok(json!({"items": [1, 2, 3]}))
            }
        })
        .with("double", |task| match task.payload["input"].as_i64() {
            Some(2) => Err(("Test.Bad".to_owned(), "two is refused".to_owned())),
            number => Ok(json!(number.unwrap() * 2)),
        });
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder, functions, ApiOptions::default()).await;
    let definition = jsonata(
        "Flaky",
        &json!({
            "Flaky": task("flaky", &json!({
                "Retry": [{"ErrorEquals": ["Test.Passing"], "IntervalSeconds": 2, "MaxAttempts": 3}], "Next": "Wait"})),
            "Wait": {"Type": "Wait", "Seconds": 30, "Next": "Each"},
            "Each": {
                "Type": "Map", "Items": "{% $states.input.items %}",
                "ItemProcessor": {"StartAt": "Double", "States": {
                    "Double": task("double", &json!({"Catch": [{"ErrorEquals": ["Test.Bad"], "Next": "Refused", "Output": "{% $states.errorOutput %}"}], "End": true})),
                    "Refused": {"Type": "Pass", "End": true}}},
                "End": true},
        }),
    );
    let machine = server.machine("m", &definition).await;
    let arn = server.begin(&machine, "n", &json!({"a": 1})).await;
    let (status, output, _) = server.finish(&arn).await;
    assert_eq!(status, ExecutionStatus::Succeeded);
    let output: Value = serde_json::from_str(&output.unwrap()).unwrap();
    assert_eq!(
        output,
        json!([2, {"Error": "Test.Bad", "Cause": "two is refused"}, 6])
    );
    let events = server.history(&arn).await;
    let count = |kind: HistoryEventType| events.iter().filter(|event| event.r#type == kind).count();
    assert_eq!(count(HistoryEventType::TaskFailed), 3);
    assert_eq!(count(HistoryEventType::TaskSucceeded), 3);
    assert_eq!(count(HistoryEventType::MapIterationSucceeded), 3);
    let started = events[0].execution_started_event_details().unwrap();
    assert_eq!(started.input(), Some(r#"{"a":1}"#));
    assert_eq!(started.role_arn(), Some(ROLE));
    assert_eq!(
        events[1].state_entered_event_details().unwrap().name(),
        "Flaky"
    );
    let failed = events
        .iter()
        .find_map(HistoryEvent::task_failed_event_details)
        .unwrap();
    assert_eq!(failed.error(), Some("Test.Passing"));
    assert_eq!(failed.cause(), Some(r#"{"errorType":"Test.Passing"}"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_has_pages_an_order_and_can_leave_data_out() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder, Functions::default(), ApiOptions::default()).await;
    let machine = server
        .machine("m", &only(&json!({"Type": "Pass", "End": true})))
        .await;
    let arn = server.begin(&machine, "n", &json!({"secret": 1})).await;
    server.finish(&arn).await;
    let pages = server
        .client
        .get_execution_history()
        .execution_arn(&arn)
        .max_results(3)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        pages.iter().map(HistoryEvent::id).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    let reversed = server
        .client
        .get_execution_history()
        .execution_arn(&arn)
        .reverse_order(true)
        .max_results(1)
        .include_execution_data(false)
        .send()
        .await
        .unwrap();
    assert_eq!(
        reversed.events[0].r#type,
        HistoryEventType::ExecutionSucceeded
    );
    assert!(!format!("{:?}", reversed.events).contains("secret"));
    assert!(reversed.next_token.is_some());
    let forged = server
        .client
        .get_execution_history()
        .execution_arn(&arn)
        .next_token("executions.1")
        .send()
        .await
        .unwrap_err();
    assert!(forged.into_service_error().is_invalid_token());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn executions_are_listed_by_status_in_pages_latest_first() {
    let folder = tempfile::tempdir().unwrap();
    let functions = Functions::default().with("odd", |task| {
        if task.payload["input"].as_i64().unwrap() % 2 == 1 {
            Err(("Test.Odd".to_owned(), "odd".to_owned()))
        } else {
            Ok(json!({}))
        }
    });
    let server = Server::start(&folder, functions, ApiOptions::default()).await;
    let machine = server
        .machine("m", &only(&task("odd", &json!({"End": true}))))
        .await;
    for number in 0..7 {
        let arn = server
            .begin(&machine, &format!("n{number}"), &json!(number))
            .await;
        server.finish(&arn).await;
    }
    let list = |filter: Option<ExecutionStatus>| {
        server
            .client
            .list_executions()
            .state_machine_arn(&machine)
            .set_status_filter(filter)
            .max_results(2)
            .into_paginator()
            .items()
            .send()
            .try_collect()
    };
    let names = |items: Vec<aws_sdk_sfn::types::ExecutionListItem>| -> Vec<String> {
        items.into_iter().map(|item| item.name).collect()
    };
    assert_eq!(
        names(list(None).await.unwrap()),
        ["n6", "n5", "n4", "n3", "n2", "n1", "n0"]
    );
    assert_eq!(
        names(list(Some(ExecutionStatus::Failed)).await.unwrap()),
        ["n5", "n3", "n1"]
    );
    assert_eq!(
        names(list(Some(ExecutionStatus::Succeeded)).await.unwrap()),
        ["n6", "n4", "n2", "n0"]
    );
    assert!(
        list(Some(ExecutionStatus::Running))
            .await
            .unwrap()
            .is_empty()
    );
    let unknown = server
        .client
        .list_executions()
        .state_machine_arn(machine.replace(":m", ":other"))
        .send()
        .await
        .unwrap_err();
    assert!(
        unknown
            .into_service_error()
            .is_state_machine_does_not_exist()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_twice_stopping_and_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder, Functions::default(), ApiOptions::default()).await;
    let machine = server
        .machine("m", &only(&task("open", &json!({"End": true}))))
        .await;
    let arn = server.begin(&machine, "n", &json!({})).await;
    assert_eq!(server.begin(&machine, "n", &json!({})).await, arn);
    let other = server
        .client
        .start_execution()
        .state_machine_arn(&machine)
        .name("n")
        .input(r#"{"other": 1}"#)
        .send()
        .await
        .unwrap_err();
    assert!(other.into_service_error().is_execution_already_exists());
    server
        .client
        .stop_execution()
        .execution_arn(&arn)
        .error("Test.Stop")
        .cause("enough")
        .send()
        .await
        .unwrap();
    let (status, _, error) = server.finish(&arn).await;
    assert_eq!(
        (status, error.as_deref()),
        (ExecutionStatus::Aborted, Some("Test.Stop"))
    );
    let start = || server.client.start_execution().state_machine_arn(&machine);
    let error = start()
        .name("a b")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_invalid_name(), "{error:?}");
    let error = start()
        .input("not json")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_invalid_execution_input(), "{error:?}");
    let large = format!("\"{}\"", "x".repeat(262_144));
    let error = start()
        .input(large)
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_invalid_execution_input(), "{error:?}");
    let error = server
        .client
        .describe_execution()
        .execution_arn(arn.replace(":n", ":nobody"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_execution_does_not_exist(), "{error:?}");
    let error = server
        .client
        .describe_execution()
        .execution_arn("nonsense")
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_invalid_arn());
    let error = server.client.list_activities().send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnknownOperationException"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_machines_are_created_described_updated_listed_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder, Functions::default(), ApiOptions::default()).await;
    let definition = only(&json!({"Type": "Pass", "End": true}));
    let machine = server.machine("m", &definition).await;
    assert_eq!(
        server.machine("m", &definition).await,
        machine,
        "it is idempotent"
    );
    let create = |name: &str, definition: &Value| {
        server
            .client
            .create_state_machine()
            .name(name)
            .definition(definition.to_string())
            .role_arn(ROLE)
            .send()
    };
    let error = create("m", &only(&json!({"Type": "Succeed"})))
        .await
        .unwrap_err()
        .into_service_error();
    assert!(error.is_state_machine_already_exists());
    assert!(
        create("a/b", &definition)
            .await
            .unwrap_err()
            .into_service_error()
            .is_invalid_name()
    );
    let error = create("broken", &only(&json!({"Type": "Pass", "Next": "Nowhere"})))
        .await
        .unwrap_err();
    assert!(
        error.message().unwrap().contains("/States/Only/Next"),
        "{error:?}"
    );
    assert!(error.into_service_error().is_invalid_definition());
    let described = server
        .client
        .describe_state_machine()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap();
    assert_eq!(described.definition, definition.to_string());
    assert_eq!(described.role_arn, ROLE);
    assert_eq!(
        described.creation_date.to_millis().unwrap(),
        1_795_248_000_000
    );
    server
        .client
        .update_state_machine()
        .state_machine_arn(&machine)
        .definition(only(&json!({"Type": "Succeed"})).to_string())
        .send()
        .await
        .unwrap();
    for name in ["a", "z"] {
        server.machine(name, &definition).await;
    }
    let listed = server
        .client
        .list_state_machines()
        .max_results(1)
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|item| item.name.as_str())
            .collect::<Vec<_>>(),
        ["a", "m", "z"]
    );
    let versions = || server.client.list_state_machine_versions();
    let listed = versions().state_machine_arn(&machine).send().await.unwrap();
    assert!(listed.state_machine_versions().is_empty());
    let error = versions()
        .state_machine_arn(format!("{machine}x"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("StateMachineDoesNotExist"));
    server
        .client
        .delete_state_machine()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap();
    let error = server
        .client
        .describe_state_machine()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap_err();
    assert!(error.into_service_error().is_state_machine_does_not_exist());
    let validated = server
        .client
        .validate_state_machine_definition()
        .definition(only(&json!({"Type": "Pass"})).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(
        validated.result,
        ValidateStateMachineDefinitionResultCode::Fail
    );
    assert!(
        validated.diagnostics[0]
            .location
            .as_deref()
            .unwrap()
            .starts_with("/States/Only")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_goes_on_where_the_last_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let definition = jsonata(
        "Wait",
        &json!({"Wait": {"Type": "Wait", "Seconds": 60, "Next": "Work"}, "Work": task("work", &json!({"End": true}))}),
    );
    let server = Server::start(&folder, Functions::default(), ApiOptions::default()).await;
    let machine = server.machine("m", &definition).await;
    let waiting = server.begin(&machine, "waiting", &json!({})).await;
    let working = server
        .begin(
            &server
                .machine("w", &only(&task("work", &json!({"End": true}))))
                .await,
            "working",
            &json!({}),
        )
        .await;
    let end = Instant::now() + DEADLINE;
    while server.functions.open.lock().unwrap().is_empty() {
        assert!(Instant::now() < end, "no task");
        tokio::task::yield_now().await;
    }
    drop(server);
    let functions = Functions::default().with("work", |_| Ok(json!("second life")));
    let server = Server::start(&folder, functions, ApiOptions::default()).await;
    for arn in [waiting, working] {
        let (status, output, _) = server.finish(&arn).await;
        assert_eq!(status, ExecutionStatus::Succeeded);
        assert_eq!(output.as_deref(), Some(r#""second life""#));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_call() {
    let folder = tempfile::tempdir().unwrap();
    let options = ApiOptions {
        token: Token::new("s3cret"),
        body_limit: 10_000,
        ..ApiOptions::default()
    };
    let server = Server::start(&folder, Functions::default(), options).await;
    let error = server
        .client
        .list_state_machines()
        .send()
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    let trusted = client(server.address, "s3cret");
    assert!(trusted.list_state_machines().send().await.is_ok());
    let large = trusted
        .start_execution()
        .state_machine_arn("arn:aws:states:us-east-1:000000000000:stateMachine:m")
        .input("x".repeat(20_000))
        .send()
        .await
        .unwrap_err();
    assert_eq!(large.code(), Some("ValidationException"));
    let foreign = trusted
        .list_state_machines()
        .customize()
        .mutate_request(|request| {
            request.headers_mut().insert("host", "rebound.example");
        })
        .send()
        .await
        .unwrap_err();
    assert_eq!(foreign.code(), Some("AccessDeniedException"));
}
