//! Task: signals, Retry, Catch, timeouts.
#![allow(clippy::unwrap_used, missing_docs, clippy::needless_pass_by_value)]

mod support;

use chrono::TimeDelta;
use safelight_decider::TaskSignal;
use serde_json::{Value, json};
use support::Answer::{Echo, Fails, Hangs, Is};
use support::{Answer, Run, epoch, machine, task};

fn run(more: Value, answers: &[Answer]) -> Run {
    let definition = machine("T", json!({"T": task("f", more)}));
    Run::new(&definition, json!({"k": 1})).function("f", answers)
}

/// A Task whose Catch leads to a Pass named `Caught`.
fn caught(more: Value, answers: &[Answer]) -> Run {
    let mut state = task("f", more);
    if state.get("Catch").is_none() {
        state["Catch"] = json!([{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]);
    }
    let definition = machine(
        "T",
        json!({"T": state, "Caught": {"Type": "Pass", "End": true}}),
    );
    Run::new(&definition, json!({"k": 1})).function("f", answers)
}

#[test]
fn a_call_of_lambda_invoke() {
    let mut run = run(
        json!({"TimeoutSeconds": "{% 30 %}", "HeartbeatSeconds": 5, "Output": "{% $states.result %}"}),
        &[Echo],
    );
    run.settle();
    let open = run.execution.open_tasks();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (
            open[0].id,
            &*open[0].state_name,
            open[0].function_name.as_str()
        ),
        (3, "T", "f")
    );
    assert_eq!(
        (&*open[0].payload, open[0].timeout_seconds, open[0].deadline),
        (&json!({"k": 1}), Some(30), None)
    );
    assert_eq!(&*open[0].resource, "arn:aws:states:::lambda:invoke");
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 2 TaskScheduled
         4 3 TaskStarted
         5 4 TaskSucceeded
         6 5 TaskStateExited T
         7 6 ExecutionSucceeded",
    );
    run.succeeded(&json!({"ExecutedVersion": "$LATEST", "Payload": {"k": 1}, "StatusCode": 200}));
    assert_eq!(
        run.details("TaskScheduled"),
        json!({
            "resourceType": "lambda", "resource": "invoke", "region": "eu-west-3",
            "parameters": "{\"FunctionName\":\"f\",\"Payload\":{\"k\":1}}",
            "timeoutInSeconds": 30, "heartbeatInSeconds": 5
        })
    );
    assert_eq!(
        run.details("TaskStarted"),
        json!({"resourceType": "lambda", "resource": "invoke"})
    );
    assert_eq!(
        run.details("TaskSucceeded"),
        json!({
            "resourceType": "lambda", "resource": "invoke", "outputDetails": {"truncated": false},
            "output": "{\"ExecutedVersion\":\"$LATEST\",\"Payload\":{\"k\":1},\"StatusCode\":200}"
        })
    );
}

#[test]
fn a_call_by_the_function_s_arn() {
    let arn = "arn:aws:lambda:eu-west-3:111111111111:function:f";
    let state = |more: Value| {
        let mut state = json!({"Type": "Task", "Resource": arn, "TimeoutSeconds": 9, "End": true});
        for (name, value) in more.as_object().unwrap() {
            state[name] = value.clone();
        }
        machine("T", json!({"T": state}))
    };
    let mut good = Run::new(&state(json!({})), json!({"k": 1})).function(arn, &[Echo]);
    good.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 2 LambdaFunctionScheduled
         4 3 LambdaFunctionStarted
         5 4 LambdaFunctionSucceeded
         6 5 TaskStateExited T
         7 6 ExecutionSucceeded",
    );
    good.succeeded(&json!({"k": 1}));
    assert_eq!(
        good.details("LambdaFunctionScheduled"),
        json!({"resource": arn, "input": "{\"k\":1}", "inputDetails": {"truncated": false}, "timeoutInSeconds": 9})
    );
    let mut bad =
        Run::new(&state(json!({"Arguments": {"a": 1}})), json!({})).function(arn, &[Fails("E")]);
    bad.finish();
    assert_eq!(
        bad.details("LambdaFunctionFailed"),
        json!({"error": "E", "cause": "because"})
    );
    assert_eq!(
        bad.details("LambdaFunctionScheduled")["input"],
        json!("{\"a\":1}")
    );
    let mut late = Run::new(&state(json!({})), json!({})).function(arn, &[Hangs]);
    late.finish();
    assert_eq!(
        late.details("LambdaFunctionTimedOut"),
        json!({"error": "States.Timeout"})
    );
    late.failed("States.Timeout", "");
}

#[test]
fn a_failure_without_handlers_ends_the_execution() {
    let mut run = run(json!({}), &[Fails("Image.Empty")]);
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 2 TaskScheduled
         4 3 TaskStarted
         5 4 TaskFailed Image.Empty
         6 5 ExecutionFailed Image.Empty",
    );
    run.failed("Image.Empty", "because");
    assert_eq!(
        run.details("TaskFailed"),
        json!({"resourceType": "lambda", "resource": "invoke", "error": "Image.Empty", "cause": "because"})
    );
}

#[test]
fn a_retry_calls_again_when_its_delay_is_over() {
    let retry = json!([{"ErrorEquals": ["E"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 3, "MaxDelaySeconds": 10}]);
    let mut run = run(
        json!({"Retry": retry}),
        &[Fails("E"), Fails("E"), Fails("E"), Echo],
    );
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 2 TaskScheduled
         4 3 TaskStarted
         5 4 TaskFailed E
         6 5 TaskScheduled
         7 6 TaskStarted
         8 7 TaskFailed E
         9 8 TaskScheduled
         10 9 TaskStarted
         11 10 TaskFailed E
         12 11 TaskScheduled
         13 12 TaskStarted
         14 13 TaskSucceeded
         15 14 TaskStateExited T
         16 15 ExecutionSucceeded",
    );
    let at: Vec<i64> = [5, 8, 11]
        .map(|i| (run.events[i].timestamp - epoch()).num_seconds())
        .to_vec();
    assert_eq!(at, [2, 2 + 6, 2 + 6 + 10]);
}

#[test]
fn jitter_is_drawn_once_and_kept() {
    let retry = json!([{"ErrorEquals": ["E"], "IntervalSeconds": 100, "JitterStrategy": "FULL"}]);
    let mut run = run(json!({"Retry": retry}), &[Fails("E"), Echo]);
    while run.events.len() < 5 {
        run.step();
    }
    let due = run.execution.next_wake().unwrap();
    assert!(due >= epoch() && due < epoch() + TimeDelta::seconds(100));
    for _ in 0..5 {
        assert_eq!(run.execution.next_wake(), Some(due));
        run.settle();
    }
    run.finish().succeeded(&json!({"k": 1}));
    assert_eq!(run.now, due);
}

#[test]
fn attempts_are_counted_for_each_retrier() {
    let retry = json!([{"ErrorEquals": ["A"], "MaxAttempts": 2}, {"ErrorEquals": ["B", "C"], "MaxAttempts": 1}]);
    for (answers, calls, end) in [
        (vec![Fails("A"), Fails("B"), Fails("A"), Echo], 4, None),
        (vec![Fails("A"), Fails("A"), Fails("A"), Echo], 3, Some("A")),
        (vec![Fails("B"), Fails("C"), Echo], 2, Some("C")),
        (vec![Fails("D"), Echo], 1, Some("D")),
    ] {
        let mut run = run(json!({"Retry": retry}), &answers);
        run.finish();
        assert_eq!(run.calls["f"], calls, "{answers:?}");
        assert_eq!(run.execution.failure().map(|f| f.0), end);
    }
}

#[test]
fn an_exhausted_retrier_leaves_the_error_to_catch() {
    let retry = json!([{"ErrorEquals": ["E"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"]}]);
    let mut run = caught(json!({"Retry": retry}), &[Fails("E")]);
    run.finish();
    assert_eq!(run.calls["f"], 2);
    run.succeeded(&json!({"Error": "E", "Cause": "because"}));
}

#[test]
fn the_retry_count_is_in_the_context() {
    let retry = json!([{"ErrorEquals": ["E"], "MaxAttempts": 5}]);
    let arguments =
        json!({"FunctionName": "f", "Payload": "{% $states.context.State.RetryCount %}"});
    let mut run = run(
        json!({"Retry": retry, "Arguments": arguments}),
        &[Fails("E"), Fails("E"), Echo],
    );
    run.finish().succeeded(&json!(2));
}

#[test]
fn catch_takes_the_first_entry_that_matches() {
    let catch = json!([
        {"ErrorEquals": ["A", "B"], "Next": "Caught", "Output": "{% $states.errorOutput.Error & $states.input.k %}", "Assign": {"e": "{% $states.errorOutput %}"}},
        {"ErrorEquals": ["States.TaskFailed"], "Next": "Caught"}
    ]);
    let mut first = caught(json!({"Catch": catch}), &[Fails("B")]);
    first.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 2 TaskScheduled
         4 3 TaskStarted
         5 4 TaskFailed B
         6 5 TaskStateExited T
         7 6 PassStateEntered Caught
         8 7 PassStateExited Caught
         9 8 ExecutionSucceeded",
    );
    first.succeeded(&json!("B1"));
    assert_eq!(
        first.details("TaskStateExited")["assignedVariables"],
        json!({"e": "{\"Error\":\"B\",\"Cause\":\"because\"}"})
    );
    let mut second = caught(json!({"Catch": catch}), &[Fails("C")]);
    second
        .finish()
        .succeeded(&json!({"Error": "C", "Cause": "because"}));
    // States.TaskFailed is for every error but a timeout.
    let mut late = caught(json!({"Catch": catch, "TimeoutSeconds": 5}), &[Hangs]);
    late.finish().failed("States.Timeout", "");
}

#[test]
fn a_catch_that_cannot_be_evaluated_fails_for_good() {
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Next": "Caught", "Output": "{% $none %}"}]);
    let mut run = caught(json!({"Catch": catch}), &[Fails("E")]);
    run.finish();
    let (error, cause) = run.execution.failure().unwrap();
    assert_eq!(error, "States.QueryEvaluationError");
    assert!(
        cause.contains("specified for the field 'Catch[0]/Output'"),
        "{cause}"
    );
}

#[test]
fn arguments_that_cannot_be_evaluated_can_be_caught() {
    let mut run = caught(json!({"Arguments": "{% $none %}"}), &[Echo]);
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 0 EvaluationFailed T States.QueryEvaluationError Arguments
         4 3 TaskStateExited T
         5 4 PassStateEntered Caught
         6 5 PassStateExited Caught
         7 6 ExecutionSucceeded",
    );
}

#[test]
fn the_output_of_a_task_that_cannot_be_evaluated_can_be_retried() {
    let retry = json!([{"ErrorEquals": ["States.QueryEvaluationError"], "MaxAttempts": 1}]);
    let more = json!({"Retry": retry, "Output": "{% $states.result.Payload.ok %}"});
    let mut run = run(more, &[Is(json!({})), Is(json!({"ok": 7}))]);
    run.finish().succeeded(&json!(7));
    assert_eq!(run.calls["f"], 2);
}

#[test]
fn arguments_without_a_function_s_name_cannot_be_caught() {
    let mut run = caught(json!({"Arguments": {"Payload": 1}}), &[Echo]);
    run.finish();
    assert_eq!(run.execution.failure().unwrap().0, "States.Runtime");
}

#[test]
fn the_timeout_counts_from_the_start_of_the_function() {
    let mut run = run(json!({"TimeoutSeconds": 30}), &[Hangs]);
    run.settle();
    assert_eq!(run.execution.next_wake(), None);
    run.now += TimeDelta::hours(5);
    assert!(run.signal(3, TaskSignal::Started));
    let deadline = run.now + TimeDelta::seconds(30);
    assert_eq!(run.execution.next_wake(), Some(deadline));
    assert_eq!(run.execution.open_tasks()[0].deadline, Some(deadline));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 TaskStateEntered T
         3 2 TaskScheduled
         4 3 TaskStarted
         5 4 TaskTimedOut States.Timeout
         6 5 ExecutionFailed States.Timeout",
    );
    assert_eq!(
        run.details("TaskTimedOut"),
        json!({"resourceType": "lambda", "resource": "invoke", "error": "States.Timeout"})
    );
}

#[test]
fn a_timeout_can_be_retried() {
    let retry = json!([{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}]);
    let mut run = run(json!({"Retry": retry, "TimeoutSeconds": 5}), &[Hangs]);
    while run.events.len() < 7 {
        run.step();
    }
    let task = run.execution.open_tasks()[0].id;
    run.signal(task, TaskSignal::Succeeded(json!("late")));
    run.finish().succeeded(&json!("late"));
}

#[test]
fn a_result_that_is_too_long_fails_and_states_all_does_not_catch_it() {
    let long = Is(json!("x".repeat(262_144)));
    let mut run = caught(json!({"Retry": [{"ErrorEquals": ["States.ALL"]}]}), &[long]);
    run.finish();
    assert_eq!(run.calls["f"], 1);
    assert_eq!(
        run.execution.failure().unwrap().0,
        "States.DataLimitExceeded"
    );
    assert_eq!(
        run.details("TaskFailed")["error"],
        json!("States.DataLimitExceeded")
    );
}

#[test]
fn stale_and_repeated_signals_change_nothing() {
    let mut run = run(json!({}), &[Echo]);
    run.settle();
    assert!(!run.signal(99, TaskSignal::Started));
    assert!(run.signal(3, TaskSignal::Started));
    assert!(!run.signal(3, TaskSignal::Started));
    assert!(run.signal(3, TaskSignal::Succeeded(json!(1))));
    let failed = TaskSignal::Failed {
        error: "E".to_owned(),
        cause: String::new(),
    };
    for signal in [TaskSignal::Started, TaskSignal::Succeeded(json!(2)), failed] {
        assert!(!run.signal(3, signal));
    }
    assert!(run.execution.open_tasks().is_empty());
    run.finish().succeeded(&json!(1));
    assert!(!run.signal(3, TaskSignal::Started));
}
