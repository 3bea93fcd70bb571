//! What a valid definition should still not do: the product's own rules.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::errors;
use crate::machine::{State, StateMachine};
use crate::states::StateKind;

/// One thing to mend in a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The name of the rule; stable.
    pub rule: &'static str,
    /// The state, or the location of a definition that cannot be read; empty
    /// for the definition as a whole.
    pub state: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
}

/// `States.ALL` stands alone, in the last entry.
pub const STATES_ALL_LAST: &str = "states-all-last";
/// A heartbeat is shorter than its timeout.
pub const HEARTBEAT_BELOW_TIMEOUT: &str = "heartbeat-below-timeout";
/// Every Task has Retry.
pub const TASK_HAS_RETRY: &str = "task-has-retry";
/// Every Task has Catch.
pub const TASK_HAS_CATCH: &str = "task-has-catch";
/// Every Task has TimeoutSeconds.
pub const TASK_HAS_TIMEOUT: &str = "task-has-timeout";
/// Every name in ErrorEquals is one that something can raise.
pub const KNOWN_ERROR_NAME: &str = "known-error-name";
/// No two states of the whole machine share a name.
pub const UNIQUE_STATE_NAME: &str = "unique-state-name";
/// A name has at most 80 characters.
pub const STATE_NAME_LENGTH: &str = "state-name-length";
/// A definition is smaller than 1 MB.
pub const DEFINITION_SIZE: &str = "definition-size";
/// The definition is one at all.
pub const VALID_DEFINITION: &str = "valid-definition";

/// Checks a definition. `is_known_error` tells the error names of the product;
/// those of the engine, Lambda and the host are known here.
pub fn check(definition: &str, is_known_error: impl Fn(&str) -> bool) -> Vec<Finding> {
    let machine = match StateMachine::parse(definition) {
        Ok(machine) => machine,
        Err(error) => return error.diagnostics.into_iter().map(from_diagnostic).collect(),
    };
    let mut findings = Vec::new();
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for flow in machine.flows() {
        for state in flow.states() {
            if let Some(first) = seen.insert(&state.name, &state.location) {
                findings.push(Finding {
                    rule: UNIQUE_STATE_NAME,
                    state: state.name.to_string(),
                    message: format!("the name is used at {first} and at {}", state.location),
                    advice: "Prefix the names of a branch's states with the branch's name and a slash.",
                });
            }
            check_task(state, &mut findings);
            check_error_names(state, &is_known_error, &mut findings);
        }
    }
    findings
}

fn from_diagnostic(diagnostic: Diagnostic) -> Finding {
    let (rule, advice) = match diagnostic.code {
        Code::StatesAllNotLast => (
            STATES_ALL_LAST,
            "Put States.ALL into an entry of its own, after all others.",
        ),
        Code::HeartbeatNotBelowTimeout => (
            HEARTBEAT_BELOW_TIMEOUT,
            "Make HeartbeatSeconds smaller than TimeoutSeconds.",
        ),
        Code::NameTooLong => (STATE_NAME_LENGTH, "Shorten the name to 80 characters."),
        Code::DefinitionTooLarge => (
            DEFINITION_SIZE,
            "Split the workflow, or move constants out of the definition.",
        ),
        Code::InvalidJsonDescription
        | Code::SchemaValidationFailed
        | Code::MissingTransitionTarget => (VALID_DEFINITION, "Mend the definition at this place."),
    };
    Finding {
        rule,
        state: diagnostic.location,
        message: diagnostic.message,
        advice,
    }
}

fn check_task(state: &State, findings: &mut Vec<Finding>) {
    let StateKind::Task(task) = &state.kind else {
        return;
    };
    let mut missing = |absent: bool, rule, field: &str, advice| {
        if absent {
            findings.push(Finding {
                rule,
                state: state.name.to_string(),
                message: format!("the Task has no {field}"),
                advice,
            });
        }
    };
    missing(
        state.retry.is_empty(),
        TASK_HAS_RETRY,
        "Retry",
        "Add a Retry for throttling, service errors and timeouts.",
    );
    missing(
        state.catch.is_empty(),
        TASK_HAS_CATCH,
        "Catch",
        "Add a Catch of States.ALL that leads to the state that records the failure.",
    );
    missing(
        task.timeout_seconds.is_none(),
        TASK_HAS_TIMEOUT,
        "TimeoutSeconds",
        "Add TimeoutSeconds, somewhat above the function's own timeout.",
    );
}

fn check_error_names(state: &State, is_known: &impl Fn(&str) -> bool, findings: &mut Vec<Finding>) {
    let retried = state.retry.iter().flat_map(|r| &r.error_equals);
    let caught = state.catch.iter().flat_map(|c| &c.error_equals);
    for name in retried.chain(caught) {
        if !errors::is_engine_error(name) && !is_known(name) {
            findings.push(Finding {
                rule: KNOWN_ERROR_NAME,
                state: state.name.to_string(),
                message: format!("nothing raises an error named {name}"),
                advice: "Use a name from the error list, or add the name to it.",
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn task() -> Value {
        json!({
            "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
            "Arguments": {"FunctionName": "f"}, "TimeoutSeconds": 60, "HeartbeatSeconds": 10,
            "Retry": [{"ErrorEquals": ["Lambda.TooManyRequestsException", "Image.Slow"]}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}]
        })
    }

    fn rules(task: &Value) -> Vec<&'static str> {
        let machine = json!({
            "QueryLanguage": "JSONata", "StartAt": "T",
            "States": {"T": task, "Failed": {"Type": "Fail"}}
        });
        let mut rules: Vec<_> = check(&machine.to_string(), |name| name == "Image.Slow")
            .into_iter()
            .map(|f| f.rule)
            .collect();
        rules.dedup();
        rules
    }

    fn with(field: &str, value: Value) -> Value {
        let mut task = task();
        task[field] = value;
        task
    }

    fn without(field: &str) -> Value {
        let mut task = task();
        task.as_object_mut().unwrap().remove(field);
        task
    }

    #[test]
    fn a_good_task_has_no_findings() {
        assert!(rules(&task()).is_empty());
    }

    #[test]
    fn each_rule_finds_its_fault() {
        let all = json!({"ErrorEquals": ["States.ALL"]});
        let cases = [
            (without("Retry"), TASK_HAS_RETRY),
            (without("TimeoutSeconds"), TASK_HAS_TIMEOUT),
            (with("HeartbeatSeconds", json!(60)), HEARTBEAT_BELOW_TIMEOUT),
            (
                with("Retry", json!([{"ErrorEquals": ["Image.Unheard"]}])),
                KNOWN_ERROR_NAME,
            ),
            (
                with("Retry", json!([all, {"ErrorEquals": ["Image.Slow"]}])),
                STATES_ALL_LAST,
            ),
            (
                with(
                    "Retry",
                    json!([{"ErrorEquals": ["Image.Slow", "States.ALL"]}]),
                ),
                STATES_ALL_LAST,
            ),
            (with("Unheard", json!(1)), VALID_DEFINITION),
        ];
        for (task, rule) in cases {
            assert_eq!(rules(&task), [rule]);
        }
    }

    #[test]
    fn a_task_without_catch_is_found() {
        let machine = json!({
            "QueryLanguage": "JSONata", "StartAt": "T", "States": {"T": without("Catch")}
        });
        let findings = check(&machine.to_string(), |_| true);
        assert_eq!(findings.len(), 1);
        assert_eq!(
            (findings[0].rule, findings[0].state.as_str()),
            (TASK_HAS_CATCH, "T")
        );
    }

    #[test]
    fn names_are_unique_over_all_flows_and_short() {
        let branch = json!({"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": true}}});
        let machine = json!({
            "QueryLanguage": "JSONata", "StartAt": "P",
            "States": {"P": {"Type": "Parallel", "End": true, "Branches": [branch, branch]}}
        });
        let findings = check(&machine.to_string(), |_| true);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].rule, UNIQUE_STATE_NAME);

        let long = "n".repeat(81);
        let machine = json!({"StartAt": long, "States": {&long: {"Type": "Succeed"}}});
        assert_eq!(
            check(&machine.to_string(), |_| true)[0].rule,
            STATE_NAME_LENGTH
        );
        let large = " ".repeat(1_048_577);
        assert_eq!(check(&large, |_| true)[0].rule, DEFINITION_SIZE);
    }
}
