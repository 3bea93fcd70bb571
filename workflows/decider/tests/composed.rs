//! Map and Parallel: order, limits, failures inside, and what they end.
#![allow(clippy::unwrap_used, missing_docs, clippy::needless_pass_by_value)]

mod support;

use chrono::TimeDelta;
use safelight_decider::TaskSignal;
use serde_json::{Value, json};
use support::Answer::{Echo, Fails, Hangs};
use support::{Run, flow, machine, task};

fn map(processor: Value, more: Value) -> Value {
    let mut map = json!({"Type": "Map", "ItemProcessor": processor});
    for (name, value) in more.as_object().unwrap() {
        map[name] = value.clone();
    }
    if map.get("Next").is_none() {
        map["End"] = json!(true);
    }
    map
}

fn parallel(branches: &[Value], more: Value) -> Value {
    let mut parallel = json!({"Type": "Parallel", "Branches": branches});
    for (name, value) in more.as_object().unwrap() {
        parallel[name] = value.clone();
    }
    if parallel.get("Next").is_none() {
        parallel["End"] = json!(true);
    }
    parallel
}

fn pass() -> Value {
    flow("I", json!({"I": {"Type": "Pass", "End": true}}))
}

fn calls(more: Value) -> Value {
    flow("I", json!({"I": task("f", more)}))
}

/// Fails for items that are above 1.
fn fails_above_one() -> Value {
    flow(
        "C",
        json!({
            "C": {"Type": "Choice", "Default": "I", "Choices": [{"Condition": "{% $states.input > 1 %}", "Next": "X"}]},
            "I": {"Type": "Pass", "End": true},
            "X": {"Type": "Fail", "Error": "Big", "Cause": "{% $string($states.input) %}"}
        }),
    )
}

#[test]
fn a_map_with_one_at_a_time() {
    let definition = machine("M", json!({"M": map(pass(), json!({"MaxConcurrency": 1}))}));
    let mut run = Run::new(&definition, json!(["a", "b"]));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 2 MapStateStarted 2
         4 3 MapIterationStarted M 0
         5 4 PassStateEntered I
         6 5 PassStateExited I
         7 6 MapIterationSucceeded M 0
         8 6 MapIterationStarted M 1
         9 8 PassStateEntered I
         10 9 PassStateExited I
         11 10 MapIterationSucceeded M 1
         12 11 MapStateSucceeded
         13 11 MapStateExited M
         14 13 ExecutionSucceeded",
    );
    run.succeeded(&json!(["a", "b"]));
    assert_eq!(
        run.details("MapIterationStarted"),
        json!({"name": "M", "index": 0})
    );
}

#[test]
fn a_map_starts_as_many_as_it_may_at_once() {
    let definition = machine(
        "M",
        json!({"M": map(calls(json!({})), json!({"MaxConcurrency": "{% 2 %}"}))}),
    );
    let mut run = Run::new(&definition, json!([1, 2, 3])).function("f", &[Echo]);
    run.settle();
    run.expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 2 MapStateStarted 3
         4 3 MapIterationStarted M 0
         5 3 MapIterationStarted M 1
         6 4 TaskStateEntered I
         7 6 TaskScheduled
         8 5 TaskStateEntered I
         9 8 TaskScheduled",
    );
    assert_eq!(run.execution.open_tasks().len(), 2);
    run.finish().succeeded(&json!([1, 2, 3]));
}

#[test]
fn results_stand_in_the_order_of_the_items_not_of_their_ends() {
    let definition = machine("M", json!({"M": map(calls(json!({})), json!({}))}));
    let mut run = Run::new(&definition, json!([1, 2, 3]));
    run.settle();
    let open: Vec<u64> = run.execution.open_tasks().iter().map(|t| t.id).collect();
    assert_eq!(open.len(), 3);
    for (n, id) in [2, 0, 1].into_iter().map(|i| (i, open[i])) {
        assert!(run.signal(id, TaskSignal::Started));
        assert!(run.signal(id, TaskSignal::Succeeded(json!(n * 10))));
        run.settle();
    }
    run.succeeded(&json!([0, 10, 20]));
}

#[test]
fn an_empty_map_succeeds() {
    let definition = machine(
        "M",
        json!({"M": map(pass(), json!({"Items": "{% [] %}", "Output": {"n": "{% $states.result %}"}}))}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 2 MapStateStarted 0
         4 3 MapStateSucceeded
         5 3 MapStateExited M
         6 5 ExecutionSucceeded",
    );
    run.succeeded(&json!({"n": []}));
}

#[test]
fn the_item_selector_sees_the_item_and_the_state_s_input() {
    let more = json!({
        "Items": "{% $states.input.list %}",
        "ItemSelector": {
            "item": "{% $states.context.Map.Item.Value %}", "at": "{% $states.context.Map.Item.Index %}",
            "whole": "{% $count($states.input.list) %}", "v": "{% $v %}"
        }
    });
    let inner = flow(
        "I",
        json!({"I": {"Type": "Pass", "End": true, "Output": {
            "in": "{% $states.input %}", "value": "{% $states.context.Map.Item.Value %}"}}}),
    );
    let mut states = json!({"M": map(inner, more)});
    states["A"] = json!({"Type": "Pass", "Assign": {"v": 7}, "Next": "M"});
    let mut run = Run::new(&machine("A", states), json!({"list": ["a", "b"]}));
    run.finish().succeeded(&json!([
        {"in": {"item": "a", "at": 0, "whole": 2, "v": 7}, "value": "a"},
        {"in": {"item": "b", "at": 1, "whole": 2, "v": 7}, "value": "b"}
    ]));
}

#[test]
fn variables_of_an_iteration_stay_inside() {
    let inner = flow(
        "I",
        json!({"I": {"Type": "Pass", "Assign": {"v": "{% $states.input %}"}, "Next": "J"},
               "J": {"Type": "Pass", "Output": "{% $v %}", "End": true}}),
    );
    let states = json!({
        "A": {"Type": "Pass", "Assign": {"v": "outer"}, "Next": "M"},
        "M": map(inner, json!({"Items": [1, 2], "Next": "Z"})),
        "Z": {"Type": "Pass", "Output": ["{% $v %}", "{% $states.input %}"], "End": true}
    });
    Run::new(&machine("A", states), json!({}))
        .finish()
        .succeeded(&json!(["outer", [1, 2]]));
}

#[test]
fn items_must_be_an_array() {
    let definition = machine("M", json!({"M": map(pass(), json!({"Items": "{% 1 %}"}))}));
    let mut run = Run::new(&definition, json!({}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 0 EvaluationFailed M States.QueryEvaluationError Items
         4 3 MapStateFailed
         5 4 ExecutionFailed States.QueryEvaluationError",
    );
}

#[test]
fn a_failed_iteration_fails_the_map() {
    let definition = machine(
        "M",
        json!({"M": map(fails_above_one(), json!({"MaxConcurrency": 1}))}),
    );
    let mut run = Run::new(&definition, json!([1, 2, 3]));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 2 MapStateStarted 3
         4 3 MapIterationStarted M 0
         5 4 ChoiceStateEntered C
         6 5 ChoiceStateExited C
         7 6 PassStateEntered I
         8 7 PassStateExited I
         9 8 MapIterationSucceeded M 0
         10 8 MapIterationStarted M 1
         11 10 ChoiceStateEntered C
         12 11 ChoiceStateExited C
         13 12 FailStateEntered X
         14 13 MapIterationFailed M 1
         15 13 MapStateFailed
         16 15 ExecutionFailed Big",
    );
    run.failed("Big", "2");
}

#[test]
fn a_map_can_be_caught_and_retried() {
    let handlers = json!({
        "MaxConcurrency": 1, "Items": [2], "Next": "Good",
        "Retry": [{"ErrorEquals": ["Big"], "IntervalSeconds": 4, "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["Big"], "Next": "Bad"}]
    });
    let states = json!({"M": map(fails_above_one(), handlers), "Good": {"Type": "Succeed"}, "Bad": {"Type": "Succeed"}});
    let mut run = Run::new(&machine("M", states), json!({}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 2 MapStateStarted 1
         4 3 MapIterationStarted M 0
         5 4 ChoiceStateEntered C
         6 5 ChoiceStateExited C
         7 6 FailStateEntered X
         8 7 MapIterationFailed M 0
         9 7 MapStateStarted 1
         10 9 MapIterationStarted M 0
         11 10 ChoiceStateEntered C
         12 11 ChoiceStateExited C
         13 12 FailStateEntered X
         14 13 MapIterationFailed M 0
         15 13 MapStateFailed
         16 15 MapStateExited M
         17 16 SucceedStateEntered Bad
         18 17 SucceedStateExited Bad
         19 18 ExecutionSucceeded",
    );
    assert_eq!(run.elapsed(), TimeDelta::seconds(4));
    run.succeeded(&json!({"Error": "Big", "Cause": "2"}));
}

#[test]
fn a_failed_iteration_ends_the_others() {
    let definition = machine("M", json!({"M": map(calls(json!({})), json!({}))}));
    let mut run = Run::new(&definition, json!([1, 2, 3]));
    run.settle();
    let open: Vec<u64> = run.execution.open_tasks().iter().map(|t| t.id).collect();
    run.signal(open[1], TaskSignal::Started);
    run.signal(
        open[1],
        TaskSignal::Failed {
            error: "E".to_owned(),
            cause: "c".to_owned(),
        },
    );
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 MapStateEntered M
         3 2 MapStateStarted 3
         4 3 MapIterationStarted M 0
         5 3 MapIterationStarted M 1
         6 3 MapIterationStarted M 2
         7 4 TaskStateEntered I
         8 7 TaskScheduled
         9 5 TaskStateEntered I
         10 9 TaskScheduled
         11 6 TaskStateEntered I
         12 11 TaskScheduled
         13 10 TaskStarted
         14 13 TaskFailed E
         15 14 MapIterationFailed M 1
         16 14 TaskStateAborted
         17 14 MapIterationAborted M 0
         18 14 TaskStateAborted
         19 14 MapIterationAborted M 2
         20 14 TaskStateAborted
         21 14 MapStateFailed
         22 21 ExecutionFailed E",
    );
    assert!(run.execution.open_tasks().is_empty());
    assert!(!run.signal(open[0], TaskSignal::Succeeded(json!(1))));
}

#[test]
fn a_map_tolerates_as_many_failures_as_it_says() {
    for (limits, ok) in [
        (json!({"ToleratedFailureCount": 2}), true),
        (json!({"ToleratedFailureCount": "{% 1 %}"}), false),
        (json!({"ToleratedFailurePercentage": 50}), true),
        (json!({"ToleratedFailurePercentage": 49}), false),
        (
            json!({"ToleratedFailureCount": 4, "ToleratedFailurePercentage": 25}),
            false,
        ),
    ] {
        let definition = machine("M", json!({"M": map(fails_above_one(), limits)}));
        let mut run = Run::new(&definition, json!([0, 2, 1, 3]));
        run.finish();
        if ok {
            run.succeeded(&json!([0, 1]));
        } else {
            assert_eq!(
                run.execution.failure().unwrap().0,
                "States.ExceedToleratedFailureThreshold"
            );
        }
    }
}

#[test]
fn a_choice_without_a_match_fails_its_iteration() {
    let inner = flow(
        "C",
        json!({"C": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "S"}]}, "S": {"Type": "Succeed"}}),
    );
    let states = json!({
        "M": map(inner, json!({"Items": [1], "Catch": [{"ErrorEquals": ["States.NoChoiceMatched"], "Next": "S2"}]})),
        "S2": {"Type": "Succeed", "Output": "caught"}
    });
    let mut run = Run::new(&machine("M", states), json!({}));
    run.finish().succeeded(&json!("caught"));
}

#[test]
fn a_parallel_runs_its_branches_side_by_side() {
    let branch = |name: &str| {
        flow(
            name,
            json!({name: {"Type": "Pass", "Output": {name: "{% $states.input %}"}, "End": true}}),
        )
    };
    let definition = machine(
        "P",
        json!({"P": parallel(&[branch("A"), branch("B")], json!({"Arguments": "{% 1 + 1 %}"}))}),
    );
    let mut run = Run::new(&definition, json!({}));
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 ParallelStateEntered P
         3 2 ParallelStateStarted
         4 3 PassStateEntered A
         5 4 PassStateExited A
         6 3 PassStateEntered B
         7 6 PassStateExited B
         8 7 ParallelStateSucceeded
         9 7 ParallelStateExited P
         10 9 ExecutionSucceeded",
    );
    run.succeeded(&json!([{"A": 2}, {"B": 2}]));
}

#[test]
fn a_failed_branch_ends_the_others() {
    let failing = flow(
        "F",
        json!({"F": {"Type": "Fail", "Error": "E", "Cause": "c"}}),
    );
    let waiting = flow(
        "W",
        json!({"W": {"Type": "Wait", "Seconds": 60, "End": true}}),
    );
    let states = json!({
        "P": parallel(&[calls(json!({})), waiting, failing], json!({"Catch": [{"ErrorEquals": ["E"], "Next": "C"}]})),
        "C": {"Type": "Pass", "End": true}
    });
    let mut run = Run::new(&machine("P", states), json!({})).function("f", &[Hangs]);
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 ParallelStateEntered P
         3 2 ParallelStateStarted
         4 3 TaskStateEntered I
         5 4 TaskScheduled
         6 3 WaitStateEntered W
         7 3 FailStateEntered F
         8 7 TaskStateAborted
         9 7 WaitStateAborted
         10 7 ParallelStateFailed
         11 10 ParallelStateExited P
         12 11 PassStateEntered C
         13 12 PassStateExited C
         14 13 ExecutionSucceeded",
    );
    run.succeeded(&json!({"Error": "E", "Cause": "c"}));
}

#[test]
fn a_parallel_is_retried_as_a_whole() {
    let handlers =
        json!({"Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 3, "MaxAttempts": 1}]});
    let definition = machine("P", json!({"P": parallel(&[calls(json!({}))], handlers)}));
    let mut run = Run::new(&definition, json!({})).function("f", &[Fails("E"), Echo]);
    run.finish().expect(
        "1 0 ExecutionStarted
         2 0 ParallelStateEntered P
         3 2 ParallelStateStarted
         4 3 TaskStateEntered I
         5 4 TaskScheduled
         6 5 TaskStarted
         7 6 TaskFailed E
         8 7 TaskStateAborted
         9 7 ParallelStateStarted
         10 9 TaskStateEntered I
         11 10 TaskScheduled
         12 11 TaskStarted
         13 12 TaskSucceeded
         14 13 TaskStateExited I
         15 14 ParallelStateSucceeded
         16 14 ParallelStateExited P
         17 16 ExecutionSucceeded",
    );
    assert_eq!(run.elapsed(), TimeDelta::seconds(3));
}

#[test]
fn a_parallel_retries_a_failure_that_no_event_tells() {
    let inner = flow(
        "C",
        json!({"C": {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "S"}]}, "S": {"Type": "Succeed"}}),
    );
    let handlers = json!({"Retry": [{"ErrorEquals": ["States.NoChoiceMatched"], "IntervalSeconds": 3, "MaxAttempts": 2}]});
    let definition = machine("P", json!({"P": parallel(&[inner], handlers)}));
    let mut run = Run::new(&definition, json!({}));
    run.finish();
    assert_eq!(run.elapsed(), TimeDelta::seconds(3 + 6));
    assert_eq!(run.execution.failure().unwrap().0, "States.NoChoiceMatched");
}

#[test]
fn failures_climb_through_nested_states() {
    let failing = flow("F", json!({"F": {"Type": "Fail", "Error": "Deep"}}));
    let inner = flow(
        "Q",
        json!({"Q": parallel(&[failing, calls(json!({}))], json!({}))}),
    );
    let middle = flow("M", json!({"M": map(inner, json!({"Items": [1, 2]}))}));
    let retry = json!({"Retry": [{"ErrorEquals": ["Deep"], "MaxAttempts": 1}]});
    let definition = machine("P", json!({"P": parallel(&[middle], retry)}));
    let mut run = Run::new(&definition, json!({})).function("f", &[Hangs]);
    run.finish();
    assert_eq!(run.execution.failure().unwrap().0, "Deep");
    let started = run.lines().matches("ParallelStateStarted").count();
    // The outer one twice, the inner one once or twice for each of these.
    assert!(started >= 4, "{}", run.lines());
    assert!(run.execution.open_tasks().is_empty());
    assert_eq!(run.execution.next_wake(), None);
}

#[test]
fn many_items_stay_quick() {
    let definition = machine(
        "M",
        json!({"M": map(pass(), json!({"MaxConcurrency": 40}))}),
    );
    let items: Vec<u32> = (0..4_000).collect();
    let mut run = Run::new(&definition, json!(items));
    run.finish().succeeded(&json!(items));
}
