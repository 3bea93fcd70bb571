//! Writes `image.failed`, sends the dead letter, and writes `message.dead_lettered`.

use safelight_kit::letters::{self, fingerprint_of, kinds, pointers, redrive_command};
use safelight_kit::task::{Done, Failure, Recorded, Task, TaskCall};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_schema::task::{FailInput, FailOutput};
use safelight_schema::{
    DeadLetter, DeadLetterSchema, ErrorInfo, EventData, FailedBranch, FailureClass, ImageRef, Lane,
    error_name,
};
use serde::Deserialize;

use crate::cause::readable;

/// The function.
pub const FUNCTION: Function = Function {
    name: "fail",
    place: Place::Trunk,
    build,
};

/// The settings of `fail`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name of the dead-letter queue.
    pub queue: String,
    /// Whether rejected images become dead letters, too, or are recorded only.
    pub dead_letter_rejected: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: letters::QUEUE.into(),
            dead_letter_rejected: true,
        }
    }
}

struct Fail {
    adapters: Adapters,
    settings: Settings,
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let task = Fail {
        settings: adapters.settings(FUNCTION.name)?,
        adapters: adapters.clone(),
    };
    Ok(Box::new(Recorded::new(
        FUNCTION.name,
        Lane::Trunk,
        adapters,
        task,
    )))
}

/// What failed, told apart.
struct Verdict {
    class: FailureClass,
    error: ErrorInfo,
    completed: Vec<String>,
    failed: Vec<FailedBranch>,
}

fn judge(input: FailInput) -> Result<Verdict, FunctionError> {
    let (mut completed, mut failed) = (Vec::new(), Vec::new());
    for result in input.results {
        match result.error {
            None => completed.push(result.branch),
            Some(error) => failed.push(FailedBranch {
                branch: result.branch,
                error: readable(&error),
            }),
        }
    }
    let error = match (&input.error, failed.as_slice()) {
        (Some(error), _) => readable(error),
        (None, [only]) => only.error.clone(),
        (None, []) => {
            return Err(FunctionError::new(
                &error_name::INPUT_INVALID,
                "nothing failed: there is neither an error nor a failed branch",
            ));
        }
        (None, several) => {
            let names: Vec<String> = several
                .iter()
                .map(|failed| format!("{} ({})", failed.branch, failed.error.name))
                .collect();
            ErrorInfo::new(error_name::BRANCHES_FAILED.name, names.join(", "))
        }
    };
    // Before the branches only validate says Image.*: it refused the image.
    let rejected = failed.is_empty() && completed.is_empty() && error.name.starts_with("Image.");
    Ok(Verdict {
        class: if rejected {
            FailureClass::Rejected
        } else {
            FailureClass::Failed
        },
        error,
        completed,
        failed,
    })
}

impl Task for Fail {
    type Input = FailInput;
    type Output = FailOutput;

    async fn run(&self, call: TaskCall<FailInput>) -> Result<Done<FailOutput>, Failure> {
        let execution = &call.context.execution;
        let verdict = judge(call.input)?;
        let kinds = kinds(&verdict.error, &verdict.failed);
        let mut done = Done {
            output: FailOutput {
                error: verdict.error.clone(),
            },
            events: vec![EventData::ImageFailed {
                class: verdict.class,
                error: verdict.error.clone(),
                completed: verdict.completed.clone(),
                failed: verdict.failed.clone(),
            }],
            pointers: Vec::new(),
        };
        let recorded_only =
            verdict.class == FailureClass::Rejected && !self.settings.dead_letter_rejected;
        if !recorded_only {
            self.bury(execution, &call.image, &verdict).await?;
            done.events.push(EventData::MessageDeadLettered {
                class: verdict.class,
                queue: self.settings.queue.clone(),
                fingerprint: fingerprint_of(&kinds),
            });
            done.pointers = pointers(execution, &kinds, self.adapters.clock.now());
        }
        Ok(done)
    }
}

impl Fail {
    /// Sends the dead letter, unless the record says that it was sent (invariant 1).
    async fn bury(
        &self,
        execution: &str,
        image: &ImageRef,
        verdict: &Verdict,
    ) -> Result<(), FunctionError> {
        let record = self.adapters.record.as_ref();
        if letters::sent(record, execution, &Lane::Trunk)
            .await?
            .is_some()
        {
            return Ok(());
        }
        let letter = DeadLetter {
            schema: DeadLetterSchema::V1,
            class: verdict.class,
            image: image.clone(),
            execution: execution.into(),
            error: verdict.error.clone(),
            branches: verdict
                .failed
                .iter()
                .map(|failed| failed.branch.clone())
                .collect(),
            time: self.adapters.clock.now(),
            redrive: redrive_command(execution),
            raw: None,
        };
        let queue = self.adapters.queue.as_ref();
        letters::send(queue, &self.settings.queue, &letter).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, image, task_event};
    use serde_json::{Value, json};

    fn event(body: &Value) -> Value {
        task_event("Fail", 0, &image("a.jpg"), body)
    }

    fn branch(name: &str, error: Option<&str>) -> Value {
        match error {
            None => json!({ "branch": name, "outputs": [] }),
            Some(error) => json!({ "branch": name, "error": {
                "name": error,
                "cause": json!({ "errorType": error, "errorMessage": format!("{name} broke") })
                    .to_string(),
            } }),
        }
    }

    fn letters_of(bench: &Bench) -> Vec<DeadLetter> {
        let bodies = bench.queue.bodies("dead-letters");
        bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }

    const LANE: [&str; 4] = [
        "state.entered.v1",
        "image.failed.v1",
        "message.dead_lettered.v1",
        "state.succeeded.v1",
    ];

    #[tokio::test]
    async fn one_failed_branch_ends_with_its_own_error_and_one_letter() {
        // Invariants 1, 2 and 3.
        let bench = Bench::new();
        let body = json!({ "results": [branch("label", Some("Label.Refused")), branch("thumbnail", None)] });
        for _ in 0..2 {
            let answer = bench.call(&FUNCTION, event(&body)).await.unwrap();
            assert_eq!(
                answer,
                json!({ "error": { "name": "Label.Refused", "cause": "label broke" } })
            );
        }
        let letters = letters_of(&bench);
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].branches, ["label"]);
        assert_eq!(
            letters[0].redrive,
            "safelight failures redrive --execution x-1"
        );
        assert_eq!(bench.kinds("x-1", &Lane::Trunk).await, LANE);
        let pointers = bench.record.pointers("x-1");
        assert_eq!(pointers.len(), 2);
        assert_eq!(pointers[1].sk, "P#F#all");
    }

    #[tokio::test]
    async fn several_failed_branches_are_named() {
        // Invariant 2.
        let bench = Bench::new();
        let body = json!({ "results": [
            branch("label", Some("Label.Refused")), branch("compress", Some("Sandbox.Timedout")),
        ] });
        let answer = bench.call(&FUNCTION, event(&body)).await.unwrap();
        assert_eq!(answer["error"]["name"], "Branches.Failed");
        assert_eq!(
            answer["error"]["cause"],
            "label (Label.Refused), compress (Sandbox.Timedout)"
        );
        assert_eq!(bench.record.pointers("x-1").len(), 3);
    }

    fn rejected() -> Value {
        json!({ "error": { "name": "Image.Empty", "cause": "no bytes" }, "failedState": "Validate" })
    }

    #[tokio::test]
    async fn what_validate_refuses_is_rejected() {
        let bench = Bench::new();
        let answer = bench.call(&FUNCTION, event(&rejected())).await.unwrap();
        assert_eq!(answer["error"]["name"], "Image.Empty");
        assert_eq!(letters_of(&bench)[0].class, FailureClass::Rejected);
        let body = json!({ "error": { "name": "Record.Unavailable", "cause": "" }, "failedState": "Route" });
        let other = Bench::new();
        other.call(&FUNCTION, event(&body)).await.unwrap();
        assert_eq!(letters_of(&other)[0].class, FailureClass::Failed);
    }

    #[tokio::test]
    async fn rejected_images_can_be_recorded_only() {
        let bench = Bench::new();
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "dead_letter_rejected": false });
        bench
            .call_with(&FUNCTION, adapters, event(&rejected()))
            .await
            .unwrap();
        assert!(letters_of(&bench).is_empty());
        assert!(bench.record.pointers("x-1").is_empty());
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            ["state.entered.v1", "image.failed.v1", "state.succeeded.v1"]
        );
    }

    #[tokio::test]
    async fn a_letter_that_was_not_sent_is_sent_by_the_retry() {
        // Invariant 1.
        let bench = Bench::new();
        bench.queue.set_down(true);
        let error = bench.call(&FUNCTION, event(&rejected())).await.unwrap_err();
        assert_eq!(error.name(), "Queue.Unavailable");
        bench.queue.set_down(false);
        let retry = task_event("Fail", 1, &image("a.jpg"), &rejected());
        bench.call(&FUNCTION, retry).await.unwrap();
        assert_eq!(letters_of(&bench).len(), 1);
    }

    #[tokio::test]
    async fn nothing_failed_is_an_invalid_input() {
        let bench = Bench::new();
        let body = json!({ "results": [branch("label", None)] });
        let error = bench.call(&FUNCTION, event(&body)).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
    }
}
