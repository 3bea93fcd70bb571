//! Closes every execution whose end EventBridge tells of.

use async_trait::async_trait;
use safelight_kit::letters;
use safelight_kit::sqs::{SqsMessage, each_message, unwrap_sns};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Invocation, Place};
use safelight_schema::{error_name, time};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::close::Closing;

/// The function.
pub const FUNCTION: Function = Function {
    name: "record",
    place: Place::Queue,
    build,
};

/// Folder of the archived histories in the results bucket.
pub const ARCHIVE: &str = "archive";

/// Messages of a batch that are handled side by side: GetExecutionHistory is throttled at some 20 a second
/// for the whole account.
const SIDE_BY_SIDE: usize = 2;

/// The settings of `record`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Where the dead letter of an execution goes that died inside a state.
    pub queue: String,
    /// How far back the sweep looks for executions that were claimed and have no seal, hours.
    pub sweep_hours: u32,
    /// How old an execution is before the sweep asks about it, minutes: its event is still under way.
    pub sweep_after_minutes: u32,
    /// How long a function may run after it was called, seconds: Lambda's longest. 0 where what runs is
    /// ended before anyone is told of the end.
    pub longest_call_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: letters::QUEUE.into(),
            sweep_hours: 72,
            sweep_after_minutes: 15,
            longest_call_seconds: 900,
        }
    }
}

pub(crate) struct Closer {
    pub(crate) adapters: Adapters,
    pub(crate) settings: Settings,
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    adapters.workflow()?;
    Ok(Box::new(Closer {
        settings: adapters.settings(FUNCTION.name)?,
        adapters,
    }))
}

/// `Step Functions Execution Status Change`.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html>
#[derive(Debug, Deserialize)]
struct StatusChange {
    detail: Detail,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Detail {
    pub(crate) execution_arn: String,
    pub(crate) name: String,
    pub(crate) status: String,
    #[serde(default)]
    pub(crate) redrive_count: Option<u32>,
}

#[async_trait]
impl Handler for Closer {
    async fn handle(&self, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
        if event.get("sweep").is_some() {
            return Ok(json!(self.sweep(invocation).await?));
        }
        each_message(&event, FUNCTION.name, SIDE_BY_SIDE, |message| {
            self.message(message)
        })
        .await
    }
}

impl Closer {
    async fn message(&self, message: SqsMessage) -> Result<(), FunctionError> {
        let change: StatusChange =
            serde_json::from_str(&unwrap_sns(&message.body)).map_err(|error| {
                FunctionError::new(
                    &error_name::EVENT_UNREADABLE,
                    format!("the message is no change of an execution's status: {error}"),
                )
            })?;
        // Waiting for a redrive is no end either.
        if matches!(change.detail.status.as_str(), "RUNNING" | "PENDING_REDRIVE") {
            return Ok(());
        }
        match self.close(&change.detail).await? {
            Closing::Closed | Closing::Unclaimed => Ok(()),
            // The message comes again, later than that where its visibility timeout is longer.
            Closing::Open(until) => Err(FunctionError::new(
                &error_name::EXECUTION_CALL_OPEN,
                format!(
                    "{} has ended, and a function that it called may run until {}",
                    change.detail.name,
                    time::format(&until)
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;
    use safelight_kit::testing::{Bench, StepFunctions, image, sqs_event};
    use safelight_ports::Record;
    use safelight_schema::{DeadLetter, ErrorInfo, EventData, FailureClass, Lane, Outcome, chain};

    const ARN: &str = "arn:aws:states:us-east-1:000000000000:execution:image:x-1";

    fn change(status: &str) -> String {
        json!({
            "version": "0", "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": { "executionArn": ARN, "name": "x-1", "status": status },
        })
        .to_string()
    }

    fn events(last: &Value) -> Vec<Value> {
        let mut events = vec![
            json!({ "id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": 1_795_262_400.0,
                    "executionStartedEventDetails": { "input": "{}" } }),
            json!({ "id": 2, "previousEventId": 0, "type": "PassStateEntered", "timestamp": 1_795_262_400.5,
                    "stateEnteredEventDetails": { "name": "Facts" } }),
            json!({ "id": 3, "previousEventId": 2, "type": "PassStateExited", "timestamp": 1_795_262_400.6,
                    "stateExitedEventDetails": { "name": "Facts" } }),
        ];
        events.push(last.clone());
        events
    }

    async fn setting(last: &Value) -> (Bench, StepFunctions, Adapters) {
        let bench = Bench::new();
        let step_functions = StepFunctions::start(&json!({}));
        step_functions.set_history("x-1", events(last));
        bench.claim(&bench.header("x-1", &image("a.jpg"))).await;
        let mut adapters = bench.adapters();
        adapters.workflow = Some(step_functions.workflow());
        (bench, step_functions, adapters)
    }

    async fn call(bench: &Bench, adapters: &Adapters, body: String) -> Value {
        bench
            .call_with(&FUNCTION, adapters.clone(), sqs_event(&[body]))
            .await
            .unwrap()
    }

    fn succeeded() -> Value {
        json!({ "id": 4, "previousEventId": 3, "type": "ExecutionSucceeded", "timestamp": 1_795_262_401.0,
                "executionSucceededEventDetails": { "output": "{}" } })
    }

    fn failed(error: &str) -> Value {
        json!({ "id": 4, "previousEventId": 3, "type": "ExecutionFailed", "timestamp": 1_795_262_401.0,
                "executionFailedEventDetails": { "error": error, "cause": "because" } })
    }

    #[tokio::test]
    async fn an_ended_execution_is_archived_sealed_and_summarised_once() {
        let (bench, _step_functions, adapters) = setting(&succeeded()).await;
        for _ in 0..2 {
            let answer = call(&bench, &adapters, change("SUCCEEDED")).await;
            assert_eq!(answer, json!({ "batchItemFailures": [] }));
        }
        // Invariant 2.
        assert_eq!(
            bench.kinds("x-1", &Lane::History).await,
            ["history.archived.v1"]
        );
        assert_eq!(
            bench.kinds("x-1", &Lane::Operator).await,
            ["execution.succeeded.v1"]
        );
        assert_eq!(bench.record.seal("x-1").await.unwrap().unwrap().epoch, 0);
        let summary = bench.record.summary("x-1").await.unwrap().unwrap();
        assert_eq!(summary.outcome, Outcome::Succeeded);
        // Invariant 1, and the archive is whole, pages and unknown fields included.
        let lane = bench.lane("x-1", &Lane::History).await;
        let EventData::HistoryArchived {
            archive,
            events: count,
            states,
        } = &lane[0].data
        else {
            panic!("{lane:?}")
        };
        assert_eq!((*count, states.len()), (4, 1));
        assert_eq!(states[0].state, "Facts");
        let bytes = bench.objects.bytes("results", &archive.key).unwrap();
        assert_eq!(
            archive.key,
            format!("archive/{}.json", chain::sha256_hex(&bytes))
        );
        let stored: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            stored["events"][0]["executionStartedEventDetails"]["input"],
            "{}"
        );
        assert_eq!(bench.objects.keys("results").len(), 1);
        assert!(chain::verify(&bench.record.evidence("x-1").await.unwrap()).is_empty());
    }

    #[tokio::test]
    async fn what_still_runs_is_left_alone() {
        let (bench, step_functions, adapters) = setting(&succeeded()).await;
        call(&bench, &adapters, change("RUNNING")).await;
        assert!(step_functions.calls().is_empty());
        assert_eq!(bench.record.appends(), 0);
    }

    #[tokio::test]
    async fn an_execution_that_died_in_a_state_gets_its_letter_here() {
        // Invariants 2 and 3.
        let (bench, _step_functions, adapters) = setting(&failed("States.Runtime")).await;
        for _ in 0..2 {
            call(&bench, &adapters, change("FAILED")).await;
        }
        let letters = bench.queue.bodies("dead-letters");
        assert_eq!(letters.len(), 1);
        let letter = DeadLetter::read(&letters[0], "m", bench.clock.time());
        assert_eq!(letter.error, ErrorInfo::new("States.Runtime", "because"));
        assert_eq!(
            bench.kinds("x-1", &Lane::Operator).await,
            ["message.dead_lettered.v1", "execution.failed.v1"]
        );
        let open = safelight_kit::failures::one(bench.record.as_ref(), "x-1")
            .await
            .unwrap();
        assert_eq!(open.unwrap().error.name, "States.Runtime");
    }

    #[tokio::test]
    async fn what_fail_told_is_not_told_again() {
        // Invariant 3.
        let (bench, _step_functions, adapters) = setting(&failed("Label.Refused")).await;
        let told = EventData::ImageFailed {
            class: FailureClass::Failed,
            error: ErrorInfo::new("Label.Refused", "no"),
            completed: Vec::new(),
            failed: Vec::new(),
        };
        let draft = bench.draft("x-1", Lane::Trunk, told);
        bench.record.append(&[draft], &[]).await.unwrap();
        call(&bench, &adapters, change("FAILED")).await;
        assert!(bench.queue.bodies("dead-letters").is_empty());
        assert_eq!(
            bench.kinds("x-1", &Lane::Operator).await,
            ["execution.failed.v1"]
        );
    }

    #[tokio::test]
    async fn the_sweep_closes_what_nobody_told_of() {
        // Invariant 5: the event of x-1 never came; x-2 was stopped, and neither did its; x-3 runs;
        // x-4 was claimed and never started; x-5 is closed already.
        let (bench, step_functions, adapters) = setting(&succeeded()).await;
        let aborted = json!({ "id": 4, "previousEventId": 3, "type": "ExecutionAborted",
            "timestamp": 1_795_262_401.0,
            "executionAbortedEventDetails": { "error": "Operator", "cause": "stopped" } });
        let running = json!({ "id": 4, "previousEventId": 3, "type": "PassStateEntered",
            "timestamp": 1_795_262_401.0, "stateEnteredEventDetails": { "name": "Next" } });
        for (name, last) in [
            ("x-2", Some(&aborted)),
            ("x-3", Some(&running)),
            ("x-4", None),
        ] {
            // However long the image waited, or was there before a backfill.
            let mut header = bench.header(name, &image("a.jpg"));
            header.notified -= Duration::days(400);
            bench.claim(&header).await;
            if let Some(last) = last {
                step_functions.set_history(name, events(last));
            }
        }
        bench.clock.advance(std::time::Duration::from_secs(3_600));
        let sweep = || async {
            let handler = (FUNCTION.build)(adapters.clone()).unwrap();
            let mut invocation = safelight_kit::testing::invocation();
            invocation.deadline += Duration::hours(1);
            handler.handle(json!({ "sweep": {} }), &invocation).await
        };
        let expected = |closed: u64| {
            json!({ "looked_at": 4, "closed": closed, "running": 1, "unknown": 1, "failed": 0,
                    "unfinished": false })
        };
        assert_eq!(sweep().await.unwrap(), expected(2));
        assert_eq!(
            bench.kinds("x-2", &Lane::Operator).await,
            ["execution.aborted.v1"]
        );
        for (name, outcome) in [("x-1", Outcome::Succeeded), ("x-2", Outcome::Failed)] {
            let summary = bench.record.summary(name).await.unwrap().unwrap();
            assert_eq!(summary.outcome, outcome, "{name}");
            assert!(chain::verify(&bench.record.evidence(name).await.unwrap()).is_empty());
        }
        // Invariant 2: what the sweep closed it passes over, and a late event changes nothing.
        assert_eq!(sweep().await.unwrap(), expected(0));
        let appends = bench.record.appends();
        call(&bench, &adapters, change("SUCCEEDED")).await;
        assert_eq!(bench.record.appends(), appends);
        // What cannot be asked about is left to the next sweep.
        step_functions.fail_next("DescribeExecution", 6, 400, "ThrottlingException");
        assert_eq!(sweep().await.unwrap()["failed"], 2);
    }

    #[tokio::test]
    async fn a_seal_is_no_end_for_the_sweep() {
        // Invariants 4 and 5.
        let (bench, step_functions, adapters) = setting(&failed("States.Runtime")).await;
        let now = bench.clock.time();
        let sweep = || async {
            let handler = (FUNCTION.build)(adapters.clone()).unwrap();
            let mut invocation = safelight_kit::testing::invocation();
            invocation.deadline += Duration::hours(2);
            let said = handler.handle(json!({ "sweep": {} }), &invocation).await;
            said.unwrap()["closed"].clone()
        };
        // A close of x-1 died after the seal; x-2 was noted by a person before it was closed.
        bench.record.put_seal("x-1", now).await.unwrap();
        let header = bench.header("x-2", &image("a.jpg"));
        bench.claim(&header).await;
        step_functions.set_history("x-2", events(&succeeded()));
        let (actor, reason) = ("me".into(), "a mistake".into());
        let note = EventData::FailureDropped { actor, reason };
        let note = bench.draft("x-2", Lane::Operator, note);
        let note = bench.record.append(&[note], &[]).await.unwrap();
        bench.record.put_seal("x-2", now).await.unwrap();
        let summary = safelight_schema::Summary::of(&header, &note);
        bench.record.put_summary(&summary).await.unwrap();
        bench.clock.advance(std::time::Duration::from_secs(3_600));
        assert_eq!(sweep().await, 2);
        assert_eq!(sweep().await, 0);
        // Nobody is asked about what was closed.
        let asked =
            |calls: Vec<String>| calls.iter().filter(|it| *it == "DescribeExecution").count();
        assert_eq!(asked(step_functions.calls()), 2);
        // Step Functions redrives x-1, and the event of its second end is lost.
        let mut history = events(&failed("States.Runtime"));
        history.push(
            json!({ "id": 5, "previousEventId": 4, "type": "ExecutionRedriven",
            "timestamp": 1_795_262_402.0 }),
        );
        history.push(succeeded());
        step_functions.set_history("x-1", history);
        let completed = EventData::ImageCompleted {
            branches: Vec::new(),
        };
        let mut completed = bench.draft("x-1", Lane::Trunk, completed);
        completed.epoch = 1;
        bench.record.append(&[completed], &[]).await.unwrap();
        assert_eq!(sweep().await, 1);
        let summary = bench.record.summary("x-1").await.unwrap().unwrap();
        assert_eq!(summary.outcome, Outcome::Succeeded);
        assert_eq!(sweep().await, 0);
        for name in ["x-1", "x-2"] {
            assert!(chain::verify(&bench.record.evidence(name).await.unwrap()).is_empty());
        }
    }

    #[tokio::test]
    async fn what_start_died_before_it_could_say_is_said_before_the_seal() {
        // Invariant 6: StartExecution had answered, and its message comes again after the end.
        let (bench, step_functions, adapters) = setting(&succeeded()).await;
        let header = bench.header("x-2", &image("a.jpg"));
        let lease = Duration::seconds(60);
        bench.record.claim(&header, lease).await.unwrap();
        step_functions.set_history("x-2", events(&succeeded()));
        // A close that breaks off is finished by the next one.
        for calls in [2, 3, 4] {
            bench.record.set_down_after(Some(calls));
            call(&bench, &adapters, change("SUCCEEDED").replace("x-1", "x-2")).await;
        }
        bench.record.set_down_after(None);
        call(&bench, &adapters, change("SUCCEEDED").replace("x-1", "x-2")).await;
        let lane = bench.lane("x-2", &Lane::Trunk).await;
        let said = lane.iter().map(|event| event.data.kind());
        assert_eq!(said.collect::<Vec<_>>(), ["execution.started.v1"]);
        let claim = bench.record.claim(&header, lease).await.unwrap();
        assert!(matches!(claim, safelight_ports::Claim::Held(_)));
        // One who had its claim before says the same event.
        let drafts = [bench.draft("x-2", Lane::Trunk, lane[0].data.clone())];
        bench
            .record
            .mark_started_with("x-2", &drafts)
            .await
            .unwrap();
        assert!(chain::verify(&bench.record.evidence("x-2").await.unwrap()).is_empty());
    }

    #[tokio::test]
    async fn what_may_still_run_keeps_the_seal_waiting_and_not_for_ever() {
        // Invariant 7: x-1 was stopped while a function was in work, which writes when it is done.
        let (bench, step_functions, mut adapters) = setting(&succeeded()).await;
        let began = bench.clock.time().timestamp();
        let history = json!([
            { "id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": began },
            { "id": 2, "previousEventId": 1, "type": "TaskScheduled", "timestamp": began },
            { "id": 3, "previousEventId": 2, "type": "ExecutionAborted", "timestamp": began },
        ]);
        step_functions.set_history("x-1", history.as_array().unwrap().clone());
        let again = json!({ "batchItemFailures": [{ "itemIdentifier": "m-1" }] });
        assert_eq!(call(&bench, &adapters, change("ABORTED")).await, again);
        bench.clock.advance(std::time::Duration::from_secs(899));
        assert_eq!(call(&bench, &adapters, change("ABORTED")).await, again);
        assert!(bench.record.seal("x-1").await.unwrap().is_none());
        assert_eq!((bench.objects.writes(), bench.record.appends()), (0, 0));
        let late = EventData::StateSucceeded { duration_ms: 1 };
        let late = bench.draft("x-1", Lane::Branch("label".into()), late);
        bench.record.append(&[late], &[]).await.unwrap();
        bench.clock.advance(std::time::Duration::from_secs(1));
        let done = json!({ "batchItemFailures": [] });
        assert_eq!(call(&bench, &adapters, change("ABORTED")).await, done);
        assert!(bench.record.summary("x-1").await.unwrap().is_some());
        assert!(chain::verify(&bench.record.evidence("x-1").await.unwrap()).is_empty());
        // Where functions are ended with their execution nothing waits.
        bench.claim(&bench.header("x-2", &image("a.jpg"))).await;
        let mut history = history.as_array().unwrap().clone();
        for event in &mut history {
            event["timestamp"] = json!(bench.clock.time().timestamp());
        }
        step_functions.set_history("x-2", history);
        let of_x_2 = change("ABORTED").replace("x-1", "x-2");
        assert_eq!(call(&bench, &adapters, of_x_2.clone()).await, again);
        adapters.settings = json!({ "longest_call_seconds": 0 });
        assert_eq!(call(&bench, &adapters, of_x_2).await, done);
        assert!(bench.record.summary("x-2").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_history_that_lags_makes_the_message_come_again() {
        let running = json!({ "id": 4, "previousEventId": 3, "type": "PassStateEntered",
            "timestamp": 1.0, "stateEnteredEventDetails": { "name": "Last" } });
        let (bench, step_functions, adapters) = setting(&running).await;
        let answer = call(&bench, &adapters, change("SUCCEEDED")).await;
        assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "m-1");
        assert!(bench.record.summary("x-1").await.unwrap().is_none());
        step_functions.set_history("x-1", events(&succeeded()));
        call(&bench, &adapters, change("SUCCEEDED")).await;
        assert!(bench.record.summary("x-1").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_record_that_breaks_in_between_is_closed_by_the_next_delivery() {
        // Invariant 2: whatever was written before the fault.
        for calls in 0..7 {
            let (bench, _step_functions, adapters) = setting(&failed("States.Runtime")).await;
            bench.record.set_down_after(Some(calls));
            call(&bench, &adapters, change("FAILED")).await;
            bench.record.set_down_after(None);
            call(&bench, &adapters, change("FAILED")).await;
            assert_eq!(
                bench.kinds("x-1", &Lane::Operator).await,
                ["message.dead_lettered.v1", "execution.failed.v1"],
                "after {calls} calls"
            );
            assert!(bench.record.summary("x-1").await.unwrap().is_some());
            assert!(chain::verify(&bench.record.evidence("x-1").await.unwrap()).is_empty());
        }
    }
}
