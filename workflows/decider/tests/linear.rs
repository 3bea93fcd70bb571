//! Pass, Choice, Wait, Succeed, Fail: given a definition and an input, when it
//! runs, then this is its history and its end.
#![allow(clippy::unwrap_used, missing_docs, clippy::needless_pass_by_value)]

mod support;

use chrono::TimeDelta;
use safelight_decider::{Execution, Moment, ReplayError};
use serde_json::json;
use support::{Run, epoch, machine};

#[test]
fn a_plain_chain_passes_its_input_on() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "End": true}}});
    let mut run = Run::new(&definition, json!({"x": [1, 2.5, "é"]}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 PassStateEntered A
         3 2 PassStateExited A
         4 3 PassStateEntered B
         5 4 PassStateExited B
         6 5 ExecutionSucceeded",
    );
    run.succeeded(&json!({"x": [1, 2.5, "é"]}));
    assert_eq!(
        run.events[1].to_api(),
        json!({
            "timestamp": 1_700_000_000.0, "type": "PassStateEntered", "id": 2, "previousEventId": 0,
            "stateEnteredEventDetails": {"name": "A", "input": "{\"x\":[1,2.5,\"é\"]}", "inputDetails": {"truncated": false}}
        })
    );
    assert_eq!(
        run.details("ExecutionStarted"),
        json!({"input": "{\"x\":[1,2.5,\"é\"]}", "inputDetails": {"truncated": false}, "roleArn": "arn:aws:iam::111111111111:role/r"})
    );
    assert_eq!(
        run.details("ExecutionSucceeded"),
        json!({"output": "{\"x\":[1,2.5,\"é\"]}", "outputDetails": {"truncated": false}})
    );
}

#[test]
fn a_constant_result_replaces_the_input() {
    let definition =
        json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"r": 1}, "End": true}}});
    Run::new(&definition, json!({}))
        .finish()
        .succeeded(&json!({"r": 1}));
}

#[test]
fn variables_are_assigned_and_seen_by_later_states() {
    let definition = machine(
        "A",
        json!({
            "A": {"Type": "Pass", "Assign": {"x": "{% $states.input.n + 1 %}", "y": {"k": [true]}}, "Next": "B"},
            // Both sides see the old values.
            "B": {"Type": "Pass", "Assign": {"x": "{% $x * 10 %}", "z": "{% $x %}"}, "Next": "C"},
            "C": {"Type": "Pass", "Output": {"x": "{% $x %}", "y": "{% $y %}", "z": "{% $z %}"}, "End": true}
        }),
    );
    let mut run = Run::new(&definition, json!({"n": 1}));
    run.finish();
    run.succeeded(&json!({"x": 20, "y": {"k": [true]}, "z": 2}));
    let exited = run.details("PassStateExited");
    assert_eq!(
        exited["assignedVariables"],
        json!({"x": "2", "y": "{\"k\":[true]}"})
    );
    assert_eq!(
        exited["assignedVariablesDetails"],
        json!({"truncated": false})
    );
    assert_eq!(exited["output"], json!("{\"n\":1}"));
}

#[test]
fn the_context_names_execution_machine_and_state() {
    let definition = machine(
        "A",
        json!({"A": {"Type": "Pass", "Output": "{% $states.context %}", "End": true}}),
    );
    let mut run = Run::new(&definition, json!({"i": 1}));
    run.finish();
    run.succeeded(&json!({
        "Execution": {
            "Id": "arn:aws:states:eu-west-3:111111111111:execution:m:e", "Input": {"i": 1}, "Name": "e",
            "RoleArn": "arn:aws:iam::111111111111:role/r", "StartTime": "2023-11-14T22:13:20.000Z", "RedriveCount": 0
        },
        "State": {"EnteredTime": "2023-11-14T22:13:20.000Z", "Name": "A", "RetryCount": 0},
        "StateMachine": {"Id": "arn:aws:states:eu-west-3:111111111111:stateMachine:m", "Name": "m"}
    }));
}

#[test]
fn a_failed_expression_follows_from_what_came_before_the_state() {
    let definition = machine(
        "A",
        json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Output": {"r": "{% $none %}"}, "End": true}}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 PassStateEntered A
         3 2 PassStateExited A
         4 3 PassStateEntered B
         5 3 EvaluationFailed B States.QueryEvaluationError Output/r
         6 5 ExecutionFailed States.QueryEvaluationError",
    );
    let cause = "An error occurred while executing the state 'B' (entered at the event id #4). The JSONata expression '$none' specified for the field 'Output/r' returned nothing (undefined).";
    run.failed("States.QueryEvaluationError", cause);
    assert_eq!(
        run.details("EvaluationFailed"),
        json!({"state": "B", "error": "States.QueryEvaluationError", "cause": cause, "location": "Output/r"})
    );
}

#[test]
fn choice_takes_the_first_rule_that_holds() {
    let definition = machine(
        "C",
        json!({
            "C": {"Type": "Choice", "Output": "default", "Assign": {"by": "default"}, "Default": "D", "Choices": [
                {"Condition": "{% $states.input.n < 0 %}", "Next": "Low"},
                {"Condition": "{% $states.input.n < 10 %}", "Next": "D", "Output": "{% $states.input.n %}", "Assign": {"by": "rule"}}
            ]},
            "Low": {"Type": "Succeed", "Output": "low"},
            "D": {"Type": "Succeed", "Output": ["{% $states.input %}", "{% $by %}"]}
        }),
    );
    for (n, output) in [
        (-1, json!("low")),
        (5, json!([5, "rule"])),
        (50, json!(["default", "default"])),
    ] {
        Run::new(&definition, json!({"n": n}))
            .finish()
            .succeeded(&output);
    }
}

#[test]
fn choice_without_a_match_fails() {
    let rule = json!({"Condition": "{% false %}", "Next": "D"});
    let definition = machine(
        "C",
        json!({"C": {"Type": "Choice", "Choices": [rule]}, "D": {"Type": "Succeed"}}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 ChoiceStateEntered C
         3 2 ExecutionFailed States.NoChoiceMatched",
    );
}

#[test]
fn a_condition_must_be_true_or_false() {
    let rule = json!({"Condition": "{% 1 %}", "Next": "D"});
    let definition = machine(
        "C",
        json!({"C": {"Type": "Choice", "Choices": [rule]}, "D": {"Type": "Succeed"}}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.finish();
    run.failed(
        "States.QueryEvaluationError",
        "An error occurred while executing the state 'C' (entered at the event id #2). The JSONata expression '1' specified for the field 'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but was 'number' for value: 1",
    );
}

#[test]
fn wait_is_over_at_its_time_and_not_before() {
    for (wait, seconds) in [
        (json!({"Type": "Wait", "Seconds": 90, "End": true}), 90),
        (
            json!({"Type": "Wait", "Seconds": "{% $states.input.s * 2 %}", "End": true}),
            60,
        ),
        (
            json!({"Type": "Wait", "Timestamp": "2023-11-14T23:13:20+00:30", "End": true}),
            1_800,
        ),
        (
            json!({"Type": "Wait", "Timestamp": "{% '2023-11-14T22:13:50Z' %}", "End": true}),
            30,
        ),
    ] {
        let mut run = Run::new(&machine("W", json!({"W": wait})), json!({"s": 30}));
        run.settle();
        let due = epoch() + TimeDelta::seconds(seconds);
        assert_eq!(run.execution.next_wake(), Some(due));
        let early = Moment::new(due - TimeDelta::milliseconds(1), 9);
        assert_eq!(run.execution.decide(&run.machine, early), None);
        run.finish().expect(
            "1 0 ExecutionStarted
             2 0 WaitStateEntered W
             3 2 WaitStateExited W
             4 3 ExecutionSucceeded",
        );
        assert_eq!(run.elapsed(), TimeDelta::seconds(seconds));
    }
}

#[test]
fn a_wait_for_a_time_that_is_over_ends_at_once() {
    let wait = json!({"Type": "Wait", "Timestamp": "2001-01-01T00:00:00Z", "End": true});
    let mut run = Run::new(&machine("W", json!({"W": wait})), json!({}));
    run.settle();
    run.succeeded(&json!({}));
}

#[test]
fn a_wait_that_cannot_be_evaluated_fails() {
    let wait = json!({"Type": "Wait", "Timestamp": "{% $states.input.at %}", "End": true});
    let mut run = Run::new(
        &machine("W", json!({"W": wait})),
        json!({"at": "2016-13-05T21:29:29Z"}),
    );
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 WaitStateEntered W
         3 2 EvaluationFailed W States.QueryEvaluationError Timestamp
         4 3 ExecutionFailed States.QueryEvaluationError",
    );
    run.failed(
        "States.QueryEvaluationError",
        "An error occurred while executing the state 'W' (entered at the event id #2). The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: 2016-13-05T21:29:29Z",
    );
}

#[test]
fn fail_ends_with_error_and_cause_where_it_has_them() {
    for (fail, details) in [
        (json!({"Type": "Fail"}), json!({})),
        (json!({"Type": "Fail", "Error": "E"}), json!({"error": "E"})),
        (
            json!({"Type": "Fail", "Error": "{% 'E' & $states.input.n %}", "Cause": "{% $states.input.c %}"}),
            json!({"error": "E1", "cause": "why"}),
        ),
    ] {
        let mut run = Run::new(
            &machine("F", json!({"F": fail})),
            json!({"n": 1, "c": "why"}),
        );
        run.finish();
        assert_eq!(run.details("ExecutionFailed"), details);
        assert_eq!(run.events[2].previous_event_id, 2);
    }
    let fail = json!({"Type": "Fail", "Error": "{% 1 %}"});
    let mut run = Run::new(&machine("F", json!({"F": fail})), json!({}));
    run.finish();
    assert_eq!(
        run.execution.failure().unwrap().0,
        "States.QueryEvaluationError"
    );
}

#[test]
fn data_of_a_state_is_at_most_256_kib() {
    let definition = machine(
        "A",
        json!({"A": {"Type": "Pass", "Output": "{% $pad('', $states.input) %}", "End": true}}),
    );
    // Two quotes belong to the text.
    Run::new(&definition, json!(262_142)).finish();
    let mut run = Run::new(&definition, json!(262_143));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 PassStateEntered A
         3 2 ExecutionFailed States.DataLimitExceeded",
    );
}

#[test]
fn an_execution_ends_at_25_000_events() {
    let definition = machine(
        "A",
        json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.finish();
    assert_eq!(run.events.len(), 25_000);
    assert_eq!(run.execution.failure().unwrap().0, "States.Runtime");
}

#[test]
fn a_machine_times_out_even_while_it_waits() {
    let mut definition = machine(
        "W",
        json!({"W": {"Type": "Wait", "Seconds": 100, "End": true}}),
    );
    definition["TimeoutSeconds"] = json!(10);
    let mut run = Run::new(&definition, json!({}));
    run.finish();
    assert_eq!(run.execution.status().as_str(), "TIMED_OUT");
    assert_eq!(run.elapsed(), TimeDelta::seconds(10));
    assert_eq!(
        run.details("ExecutionTimedOut"),
        json!({"error": "States.Timeout"})
    );
    assert_eq!(run.execution.next_wake(), None);
}

#[test]
fn a_stopped_execution_is_over() {
    let definition = machine(
        "W",
        json!({"W": {"Type": "Wait", "Seconds": 100, "End": true}}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.settle();
    let at = run.moment();
    let stop = |run: &Run| {
        run.execution
            .stop(Some("E".to_owned()), Some("C".to_owned()), at)
    };
    let event = stop(&run).unwrap();
    run.push(event);
    assert_eq!(run.execution.status().as_str(), "ABORTED");
    assert_eq!(run.execution.failure(), Some(("E", "C")));
    assert_eq!(
        run.details("ExecutionAborted"),
        json!({"error": "E", "cause": "C"})
    );
    assert_eq!(stop(&run), None);
    assert_eq!(
        run.execution
            .decide(&run.machine, Moment::new(epoch() + TimeDelta::days(9), 1)),
        None
    );
}

#[test]
fn a_history_of_another_machine_is_refused() {
    let definition = |name: &str| machine(name, json!({name: {"Type": "Pass", "End": true}}));
    let mut run = Run::new(&definition("A"), json!({}));
    run.finish();
    let other = Run::new(&definition("B"), json!({})).machine;
    let replay =
        |machine, events: &[_]| Execution::replay(machine, run.info.clone(), events).unwrap_err();
    assert!(matches!(
        replay(&other, &run.events),
        ReplayError::Mismatch { id: 2, .. }
    ));
    assert_eq!(replay(&run.machine, &[]), ReplayError::Empty);
    let mut gap = run.events.clone();
    gap.remove(1);
    assert_eq!(
        replay(&run.machine, &gap),
        ReplayError::Order {
            expected: 2,
            found: 3
        }
    );
    assert!(matches!(
        replay(&run.machine, &run.events[1..]),
        ReplayError::Mismatch { .. }
    ));
    let mut doubled = run.events.clone();
    doubled.push(doubled[3].clone());
    assert!(matches!(
        replay(&run.machine, &doubled),
        ReplayError::Order { .. }
    ));
}
