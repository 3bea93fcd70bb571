//! The composed workflow, run by the decider against answers from a script: the payloads are what
//! `safelight_schema::task` says, and every way through the trunk ends as it should.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use safelight_asl::StateMachine;
use safelight_compose::{BranchFolder, TRUNK_ASL, compose, render};
use safelight_decider::{Detail, Execution, ExecutionInfo, ExecutionStatus, Moment, TaskSignal};
use safelight_schema::manifest::{Manifest, When};
use safelight_schema::task::{
    BranchInput, CompleteInput, FailInput, RouteInput, TaskPayload, ValidateInput,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What a function answers: by its name, one after the other; the last one stays.
type Script = BTreeMap<&'static str, Vec<Result<Value, (&'static str, String)>>>;

struct Outcome {
    execution: Execution,
    /// Names of the states that were entered, in order.
    entered: Vec<String>,
    /// Function and payload of every call.
    calls: Vec<(String, Value)>,
    /// Seconds between the start and the end.
    seconds: i64,
}

impl Outcome {
    fn failure(&self) -> (&str, &str) {
        self.execution.failure().unwrap()
    }

    /// The only call of a function, read as its input type.
    fn call<T: DeserializeOwned>(&self, function: &str) -> TaskPayload<T> {
        let mut calls = self.calls.iter().filter(|(name, _)| name == function);
        let (_, payload) = calls
            .next()
            .unwrap_or_else(|| panic!("{function} was not called"));
        assert!(calls.next().is_none(), "{function} was called again");
        serde_json::from_value(payload.clone()).unwrap()
    }

    fn count(&self, function: &str) -> usize {
        self.calls
            .iter()
            .filter(|(name, _)| name == function)
            .count()
    }
}

fn folder(name: &str) -> BranchFolder {
    BranchFolder::of(Manifest {
        name: name.into(),
        version: "3".into(),
        description: "A branch.".into(),
        owner: "team".into(),
        when: When::default(),
        memory_mb: 256,
        timeout_seconds: 20,
        concurrency: None,
        permissions: Vec::new(),
        command: None,
    })
}

fn input() -> Value {
    json!({"image": {"bucket": "in", "key": "a b+c%.jpg", "version": "v1"}})
}

fn facts() -> Value {
    json!({
        "format": "jpeg", "bytes": 10, "width": 3, "height": 2, "megapixels": 0.0, "frames": 1,
        "frames_exact": true, "animated": false, "bit_depth": 8, "colour_model": "ycbcr",
        "alpha": false, "orientation": 1, "icc": false
    })
}

fn script(wanted: &[&str]) -> Script {
    let mut script = Script::from([
        (
            "safelight-validate",
            vec![Ok(json!({"facts": facts(), "warnings": []}))],
        ),
        (
            "safelight-route",
            vec![Ok(json!({"wanted": wanted, "skipped": []}))],
        ),
        ("safelight-complete", vec![Ok(json!({}))]),
        (
            "safelight-fail",
            vec![Ok(
                json!({"error": {"name": "Image.Recorded", "cause": "said fail"}}),
            )],
        ),
    ]);
    for (function, branch) in [
        ("safelight-a", "a"),
        ("safelight-b", "b"),
        ("safelight-c", "c"),
    ] {
        let answer = json!({"branch": branch, "outputs": [], "details": {"error": "not one"}});
        script.insert(function, vec![Ok(answer)]);
    }
    script
}

fn run(input: &Value, script: Script) -> Outcome {
    let trunk = serde_json::from_str(TRUNK_ASL).unwrap();
    let definition = compose(&trunk, &[folder("a"), folder("b"), folder("c")]).unwrap();
    run_definition(&definition, input, script)
}

fn run_definition(definition: &Value, input: &Value, mut script: Script) -> Outcome {
    let machine = StateMachine::parse(&render(definition)).unwrap();
    let start: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
    let info = ExecutionInfo {
        execution_arn: "arn:aws:states:eu-west-1:0:execution:image:20260102-x".into(),
        name: "20260102-x".into(),
        state_machine_arn: "arn:aws:states:eu-west-1:0:stateMachine:image".into(),
        state_machine_name: "image".into(),
        role_arn: "arn:aws:iam::0:role/safelight".into(),
        start_time: start,
        input: input.clone(),
        redrive_count: 0,
    };
    let (mut execution, _) = Execution::begin(&machine, info);
    let mut moment = Moment::new(start, 1);
    let (mut entered, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        moment.seed += 1;
        if let Some(event) = execution.decide(&machine, moment) {
            if let Detail::StateEntered { name, .. } = &event.detail {
                entered.push(name.to_string());
            }
            execution.evolve(&machine, &event);
            continue;
        }
        if let Some(task) = execution.open_tasks().into_iter().next() {
            let signal = if task.started {
                calls.push((task.function_name.clone(), task.payload.as_ref().clone()));
                let answers = script
                    .get_mut(task.function_name.as_str())
                    .unwrap_or_else(|| panic!("no answer for {}", task.function_name));
                let answer = if answers.len() > 1 {
                    answers.remove(0)
                } else {
                    answers[0].clone()
                };
                match answer {
                    Ok(payload) => TaskSignal::Succeeded(payload),
                    Err((error, cause)) => TaskSignal::Failed {
                        error: error.into(),
                        cause,
                    },
                }
            } else {
                TaskSignal::Started
            };
            let event = execution
                .task_signal(&machine, task.id, signal, moment)
                .unwrap();
            execution.evolve(&machine, &event);
            continue;
        }
        match execution.next_wake() {
            Some(wake) => moment.now = wake.max(moment.now + TimeDelta::milliseconds(1)),
            None => break,
        }
    }
    assert!(!execution.is_running(), "it did not end: {entered:?}");
    Outcome {
        seconds: (moment.now - start).num_seconds(),
        execution,
        entered,
        calls,
    }
}

#[test]
fn a_clean_run_of_three_branches_enters_eleven_states() {
    let outcome = run(&input(), script(&["a", "b", "c"]));
    assert_eq!(outcome.execution.status(), ExecutionStatus::Succeeded);
    assert_eq!(outcome.entered.len(), 11, "{:?}", outcome.entered);
    let output = outcome.execution.output().unwrap();
    assert_eq!(output["image"], input()["image"]);
    assert_eq!(output["results"][2]["branch"], "c");
    assert_eq!(output["results"][2]["details"]["error"], "not one");

    let validate = outcome.call::<ValidateInput>("safelight-validate");
    assert_eq!(validate.context.execution, "20260102-x");
    assert_eq!(validate.context.state, "Validate");
    assert_eq!((validate.context.attempt, validate.context.epoch), (0, 0));
    assert_eq!(validate.context.redrive_of, None);
    assert_eq!(validate.image.key, "a b+c%.jpg");
    let route = outcome.call::<RouteInput>("safelight-route");
    assert_eq!(route.body.only, None);
    assert_eq!(route.body.branches.len(), 3);
    assert_eq!(route.body.branches[0].version, "3");
    let branch = outcome.call::<BranchInput>("safelight-b");
    assert_eq!(
        (branch.body.branch.as_str(), branch.context.state.as_str()),
        ("b", "b/Run")
    );
    assert_eq!(branch.body.facts.width, 3);
    let complete = outcome.call::<CompleteInput>("safelight-complete");
    let branches: Vec<_> = complete
        .body
        .results
        .iter()
        .map(|result| result.branch.as_str())
        .collect();
    assert_eq!(branches, ["a", "b", "c"]);
    assert!(
        complete
            .body
            .results
            .iter()
            .all(|result| result.error.is_none())
    );
}

#[test]
fn one_branch_and_none_are_runs_too() {
    let one = run(&input(), script(&["b"]));
    assert_eq!(one.execution.status(), ExecutionStatus::Succeeded);
    assert_eq!(
        one.call::<CompleteInput>("safelight-complete")
            .body
            .results
            .len(),
        1
    );
    assert_eq!(
        one.execution.output().unwrap()["results"]
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let none = run(&input(), script(&[]));
    assert_eq!(none.execution.status(), ExecutionStatus::Succeeded);
    assert_eq!(
        none.entered,
        ["Validate", "Route", "EachBranch", "Outcome", "Complete"]
    );
    assert!(
        none.call::<CompleteInput>("safelight-complete")
            .body
            .results
            .is_empty()
    );
}

#[test]
fn a_redrive_says_of_what_and_only_which() {
    let mut input = input();
    input["redriveOf"] = "20260101-y".into();
    input["only"] = json!(["b"]);
    let outcome = run(&input, script(&["b"]));
    for function in [
        "safelight-validate",
        "safelight-route",
        "safelight-b",
        "safelight-complete",
    ] {
        let payload = outcome.call::<Value>(function);
        assert_eq!(
            payload.context.redrive_of.as_deref(),
            Some("20260101-y"),
            "{function}"
        );
    }
    let route = outcome.call::<RouteInput>("safelight-route");
    assert_eq!(route.body.only, Some(vec!["b".to_owned()]));
}

#[test]
fn a_branch_that_fails_stops_no_other() {
    let mut script = script(&["a", "b", "c"]);
    let cause = format!("{}€", "x".repeat(5_000));
    script.insert("safelight-a", vec![Err(("Image.DecodeFailed", cause))]);
    let outcome = run(&input(), script);
    assert_eq!(
        (outcome.count("safelight-b"), outcome.count("safelight-c")),
        (1, 1)
    );
    assert_eq!(
        outcome.count("safelight-a"),
        1,
        "Image.* is never tried again"
    );
    assert!(outcome.entered.contains(&"a/Failed".to_owned()));
    assert_eq!(outcome.count("safelight-complete"), 0);
    let fail = outcome.call::<FailInput>("safelight-fail");
    assert!(fail.body.error.is_none() && fail.body.failed_state.is_none());
    let error = fail.body.results[0].error.clone().unwrap();
    assert_eq!(error.name, "Image.DecodeFailed");
    assert_eq!(error.cause.chars().count(), 4_000);
    assert!(fail.body.results[1].error.is_none());
    assert_eq!(outcome.execution.status(), ExecutionStatus::Failed);
    assert_eq!(outcome.failure(), ("Image.Recorded", "said fail"));
}

#[test]
fn each_state_of_the_trunk_fails_into_fail() {
    let cases = [
        ("safelight-validate", "Validate", "Image.Truncated", 0),
        ("safelight-route", "Route", "Branch.TooMany", 0),
        ("safelight-complete", "Complete", "Output.TooLarge", 1),
    ];
    for (function, state, error, results) in cases {
        let mut script = script(&["a"]);
        script.insert(function, vec![Err((error, "why".into()))]);
        let mut input = input();
        input["redriveOf"] = "20260101-y".into();
        let outcome = run(&input, script);
        let fail = outcome.call::<FailInput>("safelight-fail");
        assert_eq!(fail.body.failed_state.as_deref(), Some(state));
        let caught = fail.body.error.unwrap();
        assert_eq!(
            (caught.name.as_str(), caught.cause.as_str()),
            (error, "why")
        );
        assert_eq!(fail.body.results.len(), results, "{state}");
        assert_eq!(fail.context.redrive_of.as_deref(), Some("20260101-y"));
        assert_eq!(fail.image.bucket, "in");
        assert_eq!(
            outcome.failure(),
            ("Image.Recorded", "said fail"),
            "{state}"
        );
    }
}

#[test]
fn a_branch_that_the_workflow_does_not_have_is_an_error_of_its_own() {
    let outcome = run(&input(), script(&["a", "gone"]));
    let fail = outcome.call::<FailInput>("safelight-fail");
    let error = fail.body.results[1].error.clone().unwrap();
    assert_eq!(error.name, "Branch.Unknown");
    assert!(error.cause.contains("gone"), "{}", error.cause);
    assert_eq!(outcome.count("safelight-a"), 1);
}

#[test]
fn where_fail_itself_fails_the_execution_ends_with_the_error_that_led_there() {
    let failing = |mut script: Script| {
        script.insert("safelight-fail", vec![Err(("Input.Invalid", "no".into()))]);
        script
    };
    let mut one = script(&["a", "b"]);
    one.insert(
        "safelight-a",
        vec![Err(("Image.DecodeFailed", "bad pixels".into()))],
    );
    let outcome = run(&input(), failing(one.clone()));
    let (error, cause) = outcome.failure();
    assert_eq!(error, "Image.DecodeFailed");
    assert!(
        cause.contains("a: Image.DecodeFailed: bad pixels"),
        "{cause}"
    );
    assert!(cause.contains("Input.Invalid"), "{cause}");

    let mut two = one;
    two.insert(
        "safelight-b",
        vec![Err(("Image.Truncated", "short".into()))],
    );
    let outcome = run(&input(), failing(two));
    let (error, cause) = outcome.failure();
    assert_eq!(error, "Branches.Failed");
    assert!(cause.contains("b: Image.Truncated: short"), "{cause}");

    let mut trunk = script(&["a"]);
    trunk.insert(
        "safelight-validate",
        vec![Err(("Image.Empty", "nothing".into()))],
    );
    let outcome = run(&input(), failing(trunk));
    let (error, cause) = outcome.failure();
    assert_eq!(error, "Image.Empty");
    assert!(cause.starts_with("nothing"), "{cause}");
}

#[test]
fn what_passes_is_tried_again_and_says_which_attempt_it_is() {
    let mut script = script(&["a"]);
    script.insert(
        "safelight-a",
        vec![
            Err(("Label.Throttled", "slow down".into())),
            Err(("Record.Unavailable", "locked".into())),
            Err(("Runtime.ExitError", "killed".into())),
            Ok(json!({"branch": "a", "outputs": [], "details": null})),
        ],
    );
    let outcome = run(&input(), script);
    assert_eq!(outcome.execution.status(), ExecutionStatus::Succeeded);
    let attempts: Vec<&Value> = outcome
        .calls
        .iter()
        .filter(|(name, _)| name == "safelight-a")
        .map(|(_, payload)| &payload["context"]["attempt"])
        .collect();
    assert_eq!(attempts, [&json!(0), &json!(1), &json!(2), &json!(3)]);
    assert!(
        outcome.seconds <= 4,
        "the first delays are short: {} s",
        outcome.seconds
    );
}

#[test]
fn a_crash_is_tried_twice_more_a_fault_of_a_service_six_times_memory_never() {
    for (error, calls) in [
        ("Sandbox.Timedout", 3),
        ("Lambda.Unknown", 3),
        ("Objects.Unavailable", 7),
        ("Label.Throttled", 201),
        ("Runtime.OutOfMemory", 1),
        ("Image.Truncated", 1),
    ] {
        let mut script = script(&["a"]);
        script.insert("safelight-a", vec![Err((error, "again".into()))]);
        let outcome = run(&input(), script);
        assert_eq!(outcome.count("safelight-a"), calls, "{error}");
        let fail = outcome.call::<FailInput>("safelight-fail");
        assert_eq!(fail.body.results[0].error.clone().unwrap().name, error);
    }
}

#[test]
fn an_odd_answer_of_a_function_in_another_language_fails_no_expression() {
    for answer in [
        json!(null),
        json!("text"),
        json!([1, 2]),
        json!({"error": {"name": "x"}}),
    ] {
        let mut script = script(&["a", "b"]);
        script.insert("safelight-a", vec![Ok(answer.clone())]);
        let outcome = run(&input(), script);
        assert_eq!(
            outcome.execution.status(),
            ExecutionStatus::Succeeded,
            "{answer}"
        );
    }
}

#[test]
fn a_branch_of_several_states_runs_them() {
    let states = json!({
        "StartAt": "Find",
        "States": {
            "Find": {
                "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                "Arguments": {"FunctionName": "@function", "Payload": "@payload"},
                "Output": "{% $states.result.Payload.details %}",
                "Next": "Any"
            },
            "Any": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $states.input.pages > 0 %}", "Next": "Done"}],
                "Default": "None"
            },
            "Done": {"Type": "Pass", "Output": {"branch": "a"}, "End": true},
            "None": {"Type": "Fail", "Error": "Image.DecodeFailed", "Cause": "no text"}
        }
    });
    let a = BranchFolder {
        states: Some(states),
        ..folder("a")
    };
    let trunk = serde_json::from_str(TRUNK_ASL).unwrap();
    let definition = compose(&trunk, &[a, folder("b")]).unwrap();
    for (pages, status) in [
        (1, ExecutionStatus::Succeeded),
        (0, ExecutionStatus::Failed),
    ] {
        let mut script = script(&["a", "b"]);
        script.insert(
            "safelight-a",
            vec![Ok(json!({"details": {"pages": pages}}))],
        );
        let outcome = run_definition(&definition, &input(), script);
        assert_eq!(outcome.execution.status(), status);
        assert_eq!(outcome.count("safelight-b"), 1);
        if pages == 0 {
            let fail = outcome.call::<FailInput>("safelight-fail");
            let error = fail.body.results[0].error.clone().unwrap();
            assert_eq!(
                (error.name.as_str(), error.cause.as_str()),
                ("Image.DecodeFailed", "no text")
            );
        }
    }
}
