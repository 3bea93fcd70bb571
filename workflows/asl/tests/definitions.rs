//! Invariants 1 and 2: what is accepted, and what a refusal says.
#![allow(clippy::unwrap_used, missing_docs, clippy::needless_pass_by_value)]

use safelight_asl::{FlowId, QueryLanguage, StateKind, StateMachine, Transition};
use serde_json::{Value, json};

fn problems(definition: &Value) -> Vec<String> {
    match StateMachine::parse(&definition.to_string()) {
        Ok(_) => Vec::new(),
        Err(e) => e.diagnostics.iter().map(ToString::to_string).collect(),
    }
}

/// A machine of one state with JSONata.
fn one(state: &Value) -> Value {
    json!({"QueryLanguage": "JSONata", "StartAt": "S", "States": {"S": state, "F": {"Type": "Fail"}}})
}

/// What is wrong with one state, without the code and the unreachable `F`.
fn state_problems(state: &Value) -> Vec<String> {
    problems(&one(state))
        .into_iter()
        .filter(|p| !p.contains("\"F\" is not reachable"))
        .map(|p| p.split_once(": ").unwrap().1.to_owned())
        .collect()
}

fn task(more: Value) -> Value {
    let mut task =
        json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true});
    merge(&mut task, more);
    task
}

fn map(more: Value) -> Value {
    let flow = json!({"StartAt": "I", "States": {"I": {"Type": "Pass", "End": true}}});
    let mut map = json!({"Type": "Map", "ItemProcessor": flow, "End": true});
    merge(&mut map, more);
    map
}

fn merge(into: &mut Value, more: Value) {
    for (name, value) in more.as_object().unwrap() {
        into[name] = value.clone();
    }
}

#[test]
fn every_state_type_is_read() {
    let branch = json!({"StartAt": "B", "States": {"B": {"Type": "Succeed", "Output": 1}}});
    let definition = json!({
        "Comment": "all", "Version": "1.0", "TimeoutSeconds": 60, "QueryLanguage": "JSONata", "StartAt": "Task",
        "States": {
            "Task": task(json!({
                "Comment": "c", "Arguments": {"FunctionName": "f", "Payload": "{% $states.input %}"},
                "TimeoutSeconds": "{% 30 %}", "HeartbeatSeconds": 5, "End": false, "Next": "Map",
                "Output": "{% $states.result.Payload %}", "Assign": {"x": "{% 1 %}"},
                "Retry": [{"ErrorEquals": ["A"], "IntervalSeconds": 2, "BackoffRate": 1.5, "MaxAttempts": 4,
                           "MaxDelaySeconds": 30, "JitterStrategy": "FULL", "Comment": "r"}],
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Fail", "Output": "{% $states.errorOutput %}",
                           "Assign": {"y": 1}, "Comment": "k"}]
            })),
            "Map": map(json!({
                "Items": "{% $states.input %}", "ItemSelector": {"i": "{% $states.context.Map.Item.Value %}"},
                "MaxConcurrency": 4, "ToleratedFailureCount": 1, "ToleratedFailurePercentage": "{% 10 %}",
                "End": false, "Next": "Choice"
            })),
            "Choice": {"Type": "Choice", "Default": "Wait", "Choices": [
                {"Condition": "{% $x = 1 %}", "Next": "Parallel", "Assign": {"z": 1}, "Output": 1, "Comment": "c"}
            ]},
            "Wait": {"Type": "Wait", "Seconds": "{% 1 %}", "Next": "Until"},
            "Until": {"Type": "Wait", "Timestamp": "2026-01-01T00:00:00Z", "Next": "Parallel"},
            "Parallel": {"Type": "Parallel", "Branches": [branch], "Arguments": {"a": 1}, "Next": "Pass"},
            "Pass": {"Type": "Pass", "Output": {"a": ["{% 1 %}"]}, "Next": "Succeed"},
            "Succeed": {"Type": "Succeed"},
            "Fail": {"Type": "Fail", "Error": "{% 'E' %}", "Cause": "C"}
        }
    });
    let machine = StateMachine::parse(&definition.to_string()).unwrap();
    assert_eq!(machine.timeout_seconds(), Some(60));
    assert_eq!(machine.query_language(), QueryLanguage::Jsonata);
    assert_eq!(machine.flows().len(), 3);
    let root = machine.flow(FlowId::ROOT);
    let first = root.state(root.start_at());
    assert_eq!(&*first.name, "Task");
    assert!(matches!(first.kind, StateKind::Task(_)));
    assert_eq!(
        first.transition,
        Transition::Next(root.find("Map").unwrap())
    );
    assert_eq!(first.catch[0].next, root.find("Fail").unwrap());
    let retrier = &first.retry[0];
    assert!(
        retrier.full_jitter && retrier.max_delay_seconds == Some(30) && retrier.max_attempts == 4
    );
}

#[test]
fn retry_has_the_language_s_defaults() {
    let machine =
        StateMachine::parse(&one(&task(json!({"Retry": [{"ErrorEquals": ["A"]}]}))).to_string());
    // "F" is not reachable here: the defaults are read from a machine without it.
    assert!(machine.is_err());
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "S",
        "States": {"S": task(json!({"Retry": [{"ErrorEquals": ["A"]}]}))}});
    let machine = StateMachine::parse(&definition.to_string()).unwrap();
    let retrier = &machine.flows()[0].states()[0].retry[0];
    assert_eq!((retrier.interval_seconds, retrier.max_attempts), (1, 3));
    assert!((retrier.backoff_rate - 2.0).abs() < f64::EPSILON);
    assert!(!retrier.full_jitter && retrier.max_delay_seconds.is_none());
}

#[test]
fn plain_chains_need_no_query_language() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "B"},
        "B": {"Type": "Pass", "Result": {"a": 1}, "Next": "C"},
        "C": {"Type": "Wait", "Seconds": 1, "Next": "D"},
        "D": {"Type": "Succeed"}
    }});
    assert_eq!(problems(&definition), Vec::<String>::new());
}

#[test]
fn jsonpath_is_refused_with_the_way_out() {
    for state in [
        json!({"Type": "Pass", "End": true, "InputPath": "$.a"}),
        json!({"Type": "Pass", "End": true, "ResultPath": "$.a"}),
        json!({"Type": "Pass", "End": true, "Parameters": {}}),
        json!({"Type": "Pass", "End": true, "Output": 1}),
        json!({"Type": "Wait", "SecondsPath": "$.a", "End": true}),
        json!({"Type": "Choice", "Choices": [{"Variable": "$.a", "IsNull": true, "Next": "S"}]}),
        json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true}),
        map(json!({})),
    ] {
        let found = problems(&json!({"StartAt": "S", "States": {"S": state}}));
        assert!(
            found
                .iter()
                .any(|p| p.contains("set 'QueryLanguage' to 'JSONata'")),
            "{state}: {found:?}"
        );
    }
}

#[test]
fn a_state_may_choose_jsonata_but_not_jsonpath() {
    let chosen = json!({"StartAt": "S", "States": {
        "S": {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": true}}});
    assert_eq!(problems(&chosen), Vec::<String>::new());
    let found = state_problems(&json!({"Type": "Pass", "QueryLanguage": "JSONPath", "End": true}));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with(" at /States/S/QueryLanguage"),
        "{found:?}"
    );
}

#[test]
fn each_fault_is_named_with_its_place() {
    let all = json!({"ErrorEquals": ["States.ALL"], "Next": "F"});
    let cases = [
        (
            json!({"Type": "Pass"}),
            "A state must have either the field 'Next' or the field 'End' set to true at /States/S",
        ),
        (
            json!({"Type": "Pass", "End": true, "Next": "F"}),
            "A state cannot have both the fields 'Next' and 'End' at /States/S",
        ),
        (
            json!({"Type": "Pass", "Next": "X"}),
            "Missing 'Next' target: X at /States/S/Next",
        ),
        (
            json!({"Type": "Pass", "End": true, "Colour": 1}),
            "The field 'Colour' is not supported at /States/S/Colour",
        ),
        (
            json!({"Type": "Pass", "End": true, "InputPath": "$"}),
            "The field 'InputPath' is not supported when the 'QueryLanguage' is 'JSONata' at /States/S/InputPath",
        ),
        (
            json!({"Type": "Pass", "End": true, "Result": 1}),
            "The field 'Result' is not supported when the 'QueryLanguage' is 'JSONata' at /States/S/Result",
        ),
        (
            json!({"Type": "Pass", "End": 1}),
            "Value is not a boolean at /States/S/End",
        ),
        (
            json!({"Type": "Pass", "End": true, "Comment": 1}),
            "Value is not a string at /States/S/Comment",
        ),
        (
            json!({"Type": "Walk", "End": true}),
            "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map] at /States/S/Type",
        ),
        (
            json!({"End": true}),
            "The field 'Type' is required but was missing at /States/S",
        ),
        (json!(1), "Value is not an object at /States/S"),
        (
            json!({"Type": "Pass", "End": true, "Assign": {"1a": 1}}),
            "The name of a variable is a letter or underscore, then letters, digits or underscores, at most 80 characters, and not 'states' at /States/S/Assign/1a",
        ),
        (
            json!({"Type": "Pass", "End": true, "Assign": 1}),
            "Value is not an object at /States/S/Assign",
        ),
        (
            task(json!({"Resource": "arn:aws:states:::sqs:sendMessage"})),
            "Value is not a supported resource: arn:aws:states:::lambda:invoke or the ARN of a Lambda function at /States/S/Resource",
        ),
        (
            task(json!({"TimeoutSeconds": 0})),
            "Value is not a number from 1 to 99999999 at /States/S/TimeoutSeconds",
        ),
        (
            task(json!({"TimeoutSeconds": "soon"})),
            "Value is not a number or a JSONata expression at /States/S/TimeoutSeconds",
        ),
        (
            task(json!({"TimeoutSeconds": 5, "HeartbeatSeconds": 5})),
            "'HeartbeatSeconds' must be smaller than 'TimeoutSeconds' at /States/S/HeartbeatSeconds",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": []}]})),
            "Value cannot be empty at /States/S/Retry[0]/ErrorEquals",
        ),
        (
            task(json!({"Retry": [{}]})),
            "The field 'ErrorEquals' is required but was missing at /States/S/Retry[0]",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": ["A"], "BackoffRate": 0.5}]})),
            "Value is not a number from 1 at /States/S/Retry[0]/BackoffRate",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": ["A"], "JitterStrategy": "HALF"}]})),
            "The field 'JitterStrategy' should have one of these values: [FULL, NONE] at /States/S/Retry[0]/JitterStrategy",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": ["A"], "MaxAttempts": -1}]})),
            "Value is not a whole number from 0 to 99999999 at /States/S/Retry[0]/MaxAttempts",
        ),
        (
            task(json!({"Retry": [{"ErrorEquals": ["A"], "Tries": 1}]})),
            "The field 'Tries' is not supported at /States/S/Retry[0]/Tries",
        ),
        (
            task(json!({"Catch": [all, {"ErrorEquals": ["A"], "Next": "F"}]})),
            "'States.ALL' must be in the last entry at /States/S/Catch[0]/ErrorEquals",
        ),
        (
            task(json!({"Catch": [{"ErrorEquals": ["A", "States.ALL"], "Next": "F"}]})),
            "'States.ALL' must appear alone at /States/S/Catch[0]/ErrorEquals",
        ),
        (
            task(json!({"Catch": [{"ErrorEquals": ["A"], "Next": "X"}]})),
            "Missing 'Next' target: X at /States/S/Catch[0]/Next",
        ),
        (
            task(json!({"Catch": [{"ErrorEquals": ["A"], "Next": "F", "ResultPath": "$"}]})),
            "The field 'ResultPath' is not supported when the 'QueryLanguage' is 'JSONata' at /States/S/Catch[0]/ResultPath",
        ),
        (
            json!({"Type": "Wait", "End": true}),
            "A Wait state must contain exactly one of the fields [Seconds, Timestamp] at /States/S",
        ),
        (
            json!({"Type": "Wait", "Seconds": -1, "End": true}),
            "Value is not a number from 0 to 99999999 at /States/S/Seconds",
        ),
        (
            json!({"Type": "Wait", "Timestamp": "noon", "End": true}),
            "Value is not a timestamp at /States/S/Timestamp",
        ),
        (
            json!({"Type": "Choice", "Choices": []}),
            "Value cannot be empty at /States/S/Choices",
        ),
        (
            json!({"Type": "Choice", "Choices": [{"Next": "F"}]}),
            "The field 'Condition' is required but was missing at /States/S/Choices[0]",
        ),
        (
            json!({"Type": "Choice", "Choices": [{"Condition": "yes", "Next": "F"}]}),
            "Value is not a boolean or a JSONata expression at /States/S/Choices[0]/Condition",
        ),
        (
            json!({"Type": "Parallel", "Branches": [], "End": true}),
            "Value cannot be empty at /States/S/Branches",
        ),
        (
            json!({"Type": "Map", "End": true}),
            "The field 'ItemProcessor' is required but was missing at /States/S",
        ),
        (
            map(json!({"Items": 3})),
            "Value is not an array or a JSONata expression at /States/S/Items",
        ),
        (
            map(json!({"ToleratedFailurePercentage": 101})),
            "Value is not a number from 0 to 100 at /States/S/ToleratedFailurePercentage",
        ),
        (
            map(
                json!({"ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "I", "States": {"I": {"Type": "Succeed"}}}}),
            ),
            "The field 'Mode' should have one of these values: [INLINE]; DISTRIBUTED is not supported yet at /States/S/ItemProcessor/ProcessorConfig/Mode",
        ),
        (
            map(json!({"ItemProcessor": {"StartAt": "X", "States": {"I": {"Type": "Succeed"}}}})),
            "Missing 'StartAt' target: X at /States/S/ItemProcessor/StartAt",
        ),
        (
            json!({"Type": "Succeed", "Next": "F"}),
            "The field 'Next' is not supported at /States/S/Next",
        ),
        (
            json!({"Type": "Fail", "Error": 1}),
            "Value is not a string or a JSONata expression at /States/S/Error",
        ),
    ];
    for (state, expected) in cases {
        assert_eq!(state_problems(&state), [expected], "{state}");
    }
}

#[test]
fn an_expression_that_does_not_parse_is_located() {
    let found = state_problems(
        &json!({"Type": "Pass", "End": true, "Output": {"a": [1, "{% $states. %}"]}}),
    );
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("The JSONata expression is not valid: "),
        "{found:?}"
    );
    assert!(found[0].ends_with(" at /States/S/Output/a[1]"), "{found:?}");
}

#[test]
fn all_faults_are_reported_at_once() {
    let definition = json!({
        "StartAt": "X", "Version": "2.0", "TimeoutSeconds": "1", "Speed": 1,
        "States": {"A": {"Type": "Pass", "Next": "Y"}, "B": {"Type": "Fly"}}
    });
    let found = problems(&definition);
    for part in [
        "/Version",
        "/TimeoutSeconds",
        "/Speed",
        "/StartAt",
        "/States/A/Next",
        "/States/B/Type",
    ] {
        assert!(
            found.iter().any(|p| p.ends_with(&format!(" at {part}"))),
            "{part}: {found:?}"
        );
    }
    let text = StateMachine::parse(&definition.to_string())
        .unwrap_err()
        .to_string();
    assert!(
        text.starts_with("Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: "),
        "{text}"
    );
}

#[test]
fn unreachable_states_are_named() {
    let definition = json!({"StartAt": "A", "States": {
        "A": {"Type": "Succeed"}, "B": {"Type": "Pass", "Next": "A"}}});
    assert_eq!(
        problems(&definition),
        ["MISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B"]
    );
}

#[test]
fn what_is_no_definition_is_refused() {
    for text in [
        "",
        "[]",
        "1",
        "{",
        "null",
        "{\"StartAt\":\"A\"}",
        "{\"StartAt\":\"A\",\"States\":{}}",
    ] {
        assert!(StateMachine::parse(text).is_err(), "{text}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(StateMachine::parse(&deep).is_err());
}

proptest::proptest! {
    #[test]
    fn reading_never_panics(text in "\\PC{0,200}") {
        let _ = StateMachine::parse(&text);
    }

    #[test]
    fn odd_fields_never_panic(field in "[A-Za-z]{1,16}", value in "[-0-9a-z{}%\\[\\]\":,$ ]{0,30}") {
        let value: Value = serde_json::from_str(&value).unwrap_or(Value::String(value));
        for base in [task(json!({})), map(json!({})), json!({"Type": "Choice"}), json!({"Type": "Wait"})] {
            let mut state = base;
            state[&field] = value.clone();
            let _ = StateMachine::parse(&one(&state).to_string());
        }
    }
}
