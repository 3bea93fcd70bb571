//! The actions, by noun.

mod execution;
mod history;
mod state_machine;

use axum::body::Body;
use axum::http::Response;
use safelight_engine::EngineHandle;
use serde_json::Value;

use crate::wire::Fault;

type Answer = Result<Response<Body>, Fault>;

/// Runs an action; `None` if there is none of this name.
pub(crate) async fn run(engine: &EngineHandle, action: &str, body: &Value) -> Option<Answer> {
    Some(match action {
        "StartExecution" => execution::start(engine, body).await,
        "StopExecution" => execution::stop(engine, body).await,
        "DescribeExecution" => execution::describe(engine, body).await,
        "ListExecutions" => execution::list(engine, body).await,
        "GetExecutionHistory" => history::get(engine, body).await,
        "CreateStateMachine" => state_machine::create(engine, body).await,
        "UpdateStateMachine" => state_machine::update(engine, body).await,
        "DeleteStateMachine" => state_machine::delete(engine, body).await,
        "DescribeStateMachine" => state_machine::describe(engine, body).await,
        "DescribeStateMachineForExecution" => {
            state_machine::describe_for_execution(engine, body).await
        }
        "ListStateMachines" => state_machine::list(engine, body).await,
        "ListStateMachineVersions" => state_machine::versions(engine, body).await,
        "ValidateStateMachineDefinition" => state_machine::validate(body),
        _ => return None,
    })
}

/// How many items of a page, out of `maxResults`: 0 and absence mean `default`.
fn page_size(requested: Option<i64>, default: u32) -> Result<u32, Fault> {
    match requested {
        None | Some(0) => Ok(default),
        Some(number @ 1..=1000) => Ok(number as u32),
        Some(number) if number > 1000 => Err(Fault::constraint(
            "maxResults",
            &format!("'{number}'"),
            "Member must have value less than or equal to 1000",
        )),
        Some(number) => Err(Fault::constraint(
            "maxResults",
            &format!("'{number}'"),
            "Member must have value greater than or equal to 0",
        )),
    }
}

/// A page token names where the next page begins; it is of one action only.
fn read_token<T: std::str::FromStr>(action: &str, token: Option<&str>) -> Result<Option<T>, Fault> {
    token
        .map(|token| {
            token
                .strip_prefix(action)
                .and_then(|rest| rest.strip_prefix('.'))
                .and_then(|rest| rest.parse().ok())
                .ok_or_else(Fault::invalid_token)
        })
        .transpose()
}

fn write_token(action: &str, position: impl std::fmt::Display) -> String {
    format!("{action}.{position}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tokens_are_read_back_and_anything_else_is_refused(position: i64, other in ".{0,40}") {
            let token = write_token("executions", position);
            prop_assert_eq!(read_token("executions", Some(&token)), Ok(Some(position)));
            prop_assert!(read_token::<i64>("events", Some(&token)).is_err());
            if !other.starts_with("executions.") {
                prop_assert!(read_token::<i64>("executions", Some(&other)).is_err());
            }
        }
    }

    #[test]
    fn pages_have_at_most_a_thousand_items() {
        assert_eq!(page_size(None, 100), Ok(100));
        assert_eq!(page_size(Some(0), 100), Ok(100));
        assert_eq!(page_size(Some(1000), 100), Ok(1000));
        assert!(page_size(Some(1001), 100).is_err());
        assert!(page_size(Some(-1), 100).is_err());
    }
}
