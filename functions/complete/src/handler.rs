//! Writes `image.completed`.

use safelight_kit::task::{Done, Failure, Recorded, Task, TaskCall};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_schema::task::CompleteInput;
use safelight_schema::{EventData, Lane, error_name};
use serde::{Deserialize, Serialize};

/// The function.
pub const FUNCTION: Function = Function {
    name: "complete",
    place: Place::Trunk,
    build,
};

/// `complete` has no settings yet; unknown keys are errors all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {}

/// What `complete` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CompleteOutput {
    /// The branches that succeeded.
    pub branches: Vec<String>,
}

struct Complete;

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let Settings {} = adapters.settings(FUNCTION.name)?;
    Ok(Box::new(Recorded::new(
        FUNCTION.name,
        Lane::Trunk,
        adapters,
        Complete,
    )))
}

impl Task for Complete {
    type Input = CompleteInput;
    type Output = CompleteOutput;

    async fn run(&self, call: TaskCall<CompleteInput>) -> Result<Done<CompleteOutput>, Failure> {
        let results = call.input.results;
        if let Some(failed) = results.iter().find(|result| result.error.is_some()) {
            return Err(FunctionError::new(
                &error_name::INPUT_INVALID,
                format!(
                    "branch '{}' failed, so the image is not complete",
                    failed.branch
                ),
            )
            .into());
        }
        let branches: Vec<String> = results.into_iter().map(|result| result.branch).collect();
        Ok(Done {
            output: CompleteOutput {
                branches: branches.clone(),
            },
            events: vec![EventData::ImageCompleted { branches }],
            pointers: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, image, task_event};
    use serde_json::json;

    #[tokio::test]
    async fn the_branches_are_recorded_once() {
        let bench = Bench::new();
        let body =
            json!({ "results": [{ "branch": "label", "outputs": [] }, { "branch": "thumbnail" }] });
        let event = task_event("Complete", 0, &image("a.jpg"), &body);
        for _ in 0..2 {
            let answer = bench.call(&FUNCTION, event.clone()).await.unwrap();
            assert_eq!(answer, json!({ "branches": ["label", "thumbnail"] }));
        }
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            [
                "state.entered.v1",
                "image.completed.v1",
                "state.succeeded.v1"
            ]
        );
    }

    #[tokio::test]
    async fn a_failed_branch_is_not_complete() {
        // Invariant 1.
        let bench = Bench::new();
        let body = json!({ "results": [
            { "branch": "label", "error": { "name": "Label.Refused", "cause": "no" } },
        ] });
        let event = task_event("Complete", 0, &image("a.jpg"), &body);
        let error = bench.call(&FUNCTION, event).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            ["state.entered.v1", "state.failed.v1"]
        );
    }
}
