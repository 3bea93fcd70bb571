//! Claims each image in the record and starts its execution.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use safelight_kit::letters;
use safelight_kit::sqs::{SqsMessage, each_message};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Invocation, Place};
use safelight_ports::queue::MAX_BATCH;
use safelight_ports::{Claim, QueueError};
use safelight_schema::{
    DeadLetter, Draft, EventData, ExecutionInput, Header, Lane, error_name, key,
};
use serde::Deserialize;
use serde_json::Value;

use crate::definition::Definitions;
use crate::event::{self, Arrival, Notice, Unreadable};

/// The function.
pub const FUNCTION: Function = Function {
    name: "start",
    place: Place::Queue,
    build,
};

/// Folders of the results bucket that the product writes to.
const OWN_FOLDERS: [&str; 4] = ["results/", "payloads/", "archive/", "alerts/"];

/// The settings of `start`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long a claim whose execution was not started is left to its message, seconds.
    pub lease_seconds: u32,
    /// How long a version of the workflow is started before a newer one is asked for, seconds.
    pub version_seconds: u32,
    /// Where messages go that cannot be read.
    pub queue: String,
    /// Whether images arrive in the results bucket too: then only the product's own folders there
    /// are passed over, else all of that bucket.
    pub results_bucket_is_shared: bool,
    /// Key prefixes, of any bucket, that start nothing.
    pub ignore_prefixes: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_seconds: 60,
            version_seconds: 60,
            queue: letters::QUEUE.into(),
            results_bucket_is_shared: false,
            ignore_prefixes: Vec::new(),
        }
    }
}

struct Start {
    adapters: Adapters,
    settings: Settings,
    definitions: Definitions,
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    adapters.workflow()?;
    let settings: Settings = adapters.settings(FUNCTION.name)?;
    let keep = Duration::seconds(i64::from(settings.version_seconds));
    Ok(Box::new(Start {
        adapters,
        settings,
        definitions: Definitions::new(keep),
    }))
}

#[async_trait]
impl Handler for Start {
    async fn handle(&self, event: Value, _: &Invocation) -> Result<Value, FunctionError> {
        each_message(&event, FUNCTION.name, MAX_BATCH, |message| {
            self.message(message)
        })
        .await
    }
}

impl Start {
    async fn message(&self, message: SqsMessage) -> Result<(), FunctionError> {
        match event::read(&message.body) {
            Ok(Notice::Arrivals(arrivals)) => self.arrivals(arrivals, &message.message_id).await,
            Ok(Notice::Redrive(redrive)) => {
                let now = self.adapters.clock.now();
                self.start(&redrive.execution, redrive.input, now, &message.message_id)
                    .await
            }
            Err(why) => {
                let text = why.to_string();
                if let Unreadable::Record { others, .. } = why {
                    self.arrivals(others, &message.message_id).await?;
                }
                self.bury(message, text).await
            }
        }
    }

    async fn arrivals(
        &self,
        arrivals: Vec<Arrival>,
        message_id: &str,
    ) -> Result<(), FunctionError> {
        for Arrival { image, notified } in arrivals {
            if self.is_own(&image.bucket, &image.key) {
                continue;
            }
            let name = key::execution_name(&image, notified);
            let input = ExecutionInput {
                image,
                redrive_of: None,
                only: None,
            };
            self.start(&name, input, notified, message_id).await?;
        }
        Ok(())
    }

    /// Whether the product wrote the object itself (invariant 3).
    fn is_own(&self, bucket: &str, key: &str) -> bool {
        let prefixed = |prefix: &str| key.starts_with(prefix);
        if self.settings.ignore_prefixes.iter().any(|p| prefixed(p)) {
            return true;
        }
        bucket == self.adapters.objects.results_bucket()
            && (!self.settings.results_bucket_is_shared || OWN_FOLDERS.into_iter().any(prefixed))
    }

    async fn start(
        &self,
        name: &str,
        input: ExecutionInput,
        notified: DateTime<Utc>,
        message_id: &str,
    ) -> Result<(), FunctionError> {
        let Adapters { record, clock, .. } = &self.adapters;
        let workflow = self.adapters.workflow()?;
        let definition = self.definitions.get(workflow, clock.as_ref()).await?;
        let header = Header {
            execution: name.into(),
            input,
            workflow_hash: definition.hash.clone(),
            branches: definition.branches.clone(),
            notified,
            claimed_by: message_id.into(),
            claimed: clock.now(),
            started: false,
        };
        let lease = Duration::seconds(i64::from(self.settings.lease_seconds));
        let received = self.draft(
            &header,
            EventData::ImageReceived {
                image: header.input.image.clone(),
                message_id: message_id.into(),
                redrive_of: header.input.redrive_of.clone(),
            },
        );
        // A claim that is alive or finished: a duplicate (invariant 1).
        if let Claim::Held(_) = record.claim_with(&header, lease, &[received]).await? {
            return Ok(());
        }
        let text = serde_json::to_string(&header.input)
            .map_err(|error| FunctionError::new(&error_name::INPUT_INVALID, error.to_string()))?;
        // One of that name is this very one: a claim was taken over after StartExecution answered.
        let started = workflow.start(&definition.machine_arn, name, &text).await?;
        let started = self.draft(
            &header,
            EventData::ExecutionStarted {
                execution_arn: started.execution_arn().into(),
                workflow_hash: definition.hash,
                branches: definition.branches,
            },
        );
        record.mark_started_with(name, &[started]).await?;
        Ok(())
    }

    fn draft(&self, header: &Header, data: EventData) -> Draft {
        Draft {
            execution: header.execution.clone(),
            lane: Lane::Trunk,
            state: None,
            epoch: 0,
            attempt: 0,
            source: "/safelight/start".into(),
            subject: header.input.image.subject(),
            time: self.adapters.clock.now(),
            data,
        }
    }

    /// Sends what cannot be read to the dead-letter queue, so that it is not lost (invariant 2).
    async fn bury(&self, message: SqsMessage, why: String) -> Result<(), FunctionError> {
        let Adapters { queue, clock, .. } = &self.adapters;
        let name = &self.settings.queue;
        let SqsMessage { message_id, body } = message;
        let letter = DeadLetter::unreadable(body.clone(), &message_id, why, clock.now());
        let text = serde_json::to_string(&letter)
            .map_err(|error| FunctionError::new(&error_name::INPUT_INVALID, error.to_string()))?;
        match queue.send(name, &[text]).await {
            // With its envelope it is too large for a message. Without one it fits, since it came in
            // one, and whoever reads the queue takes it for what it is.
            Err(QueueError::TooLarge(_)) => queue.send(name, &[body]).await?,
            sent => sent?,
        };
        letters::log(&letter);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, StepFunctions, sqs_event};
    use safelight_ports::Record;
    use safelight_schema::FailureClass;
    use serde_json::json;

    fn notification(key: &str) -> String {
        json!({ "Records": [{
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-11-21T11:59:58Z",
            "s3": {
                "bucket": { "name": "photos" },
                "object": { "key": key, "size": 10, "eTag": "e", "sequencer": "0055" },
            },
        }] })
        .to_string()
    }

    fn setting() -> (Bench, StepFunctions, Adapters) {
        let bench = Bench::new();
        let step_functions = StepFunctions::start(&json!({ "StartAt": "Validate", "rules": [
            { "branch": "label", "version": "1", "when": {} },
        ] }));
        let mut adapters = bench.adapters();
        adapters.workflow = Some(step_functions.workflow());
        (bench, step_functions, adapters)
    }

    async fn call(bench: &Bench, adapters: &Adapters, bodies: &[String]) -> Value {
        bench
            .call_with(&FUNCTION, adapters.clone(), sqs_event(bodies))
            .await
            .unwrap()
    }

    fn nothing_failed() -> Value {
        json!({ "batchItemFailures": [] })
    }

    #[tokio::test]
    async fn an_image_is_claimed_recorded_and_started_once() {
        let (bench, step_functions, adapters) = setting();
        let body = notification("my+photo.jpg");
        let answer = call(&bench, &adapters, &[body.clone(), body.clone()]).await;
        assert_eq!(answer, nothing_failed());
        let executions = step_functions.executions();
        let (name, input) = executions.iter().next().unwrap();
        assert_eq!(executions.len(), 1);
        assert_eq!(input["image"]["key"], "my photo.jpg");
        assert!(name.starts_with("20261121-") && name.len() == 41, "{name}");
        assert_eq!(
            bench.kinds(name, &Lane::Trunk).await,
            ["image.received.v1", "execution.started.v1"]
        );
        let header = bench.record.header(name).await.unwrap().unwrap();
        assert!(header.started);
        assert_eq!(header.branches["label"], "1");
        // Invariant 1: once more, another day.
        let appends = bench.record.appends();
        bench.clock.advance(std::time::Duration::from_secs(90_000));
        assert_eq!(call(&bench, &adapters, &[body]).await, nothing_failed());
        assert_eq!(bench.record.appends(), appends);
        assert_eq!(step_functions.executions().len(), 1);
    }

    #[tokio::test]
    async fn the_header_says_the_version_that_the_execution_is_started_of() {
        let (bench, step_functions, adapters) = setting();
        let of_version = |version: &str| {
            json!({ "StartAt": "Validate", "rules": [
                { "branch": "label", "version": version, "when": {} },
            ] })
        };
        // Invariant 5, in a warm function: what was deployed since it last asked is not started yet, nor claimed to be.
        let start = (FUNCTION.build)(adapters).unwrap();
        let seen = async |key: &str| {
            let before = step_functions.machines();
            let event = sqs_event(&[notification(key)]);
            let invocation = safelight_kit::testing::invocation();
            assert_eq!(
                start.handle(event, &invocation).await.unwrap(),
                nothing_failed()
            );
            let mut machines = step_functions.machines();
            machines.retain(|name, _| !before.contains_key(name));
            let (name, arn) = machines.into_iter().next().unwrap();
            let header = bench.record.header(&name).await.unwrap().unwrap();
            let version = arn.split_once(":stateMachine:image").unwrap().1;
            (version.to_owned(), header.branches["label"].clone())
        };
        assert_eq!(seen("a.jpg").await, (String::new(), "1".into()));
        let minute = std::time::Duration::from_secs(60);
        for (key, version) in [("b.jpg", "4"), ("c.jpg", "5")] {
            step_functions.publish(&of_version(version));
            bench.clock.advance(minute);
            let number = if version == "4" { ":1" } else { ":2" };
            assert_eq!(seen(key).await, (number.into(), version.into()));
        }
        step_functions.publish(&of_version("6"));
        assert_eq!(seen("d.jpg").await, (":2".into(), "5".into()));
        bench.clock.advance(minute);
        assert_eq!(seen("e.jpg").await, (":3".into(), "6".into()));
        // A version never changes, so it is read once.
        bench.clock.advance(minute);
        assert_eq!(seen("f.jpg").await, (":3".into(), "6".into()));
        let calls = step_functions.calls();
        let of = |action: &str| calls.iter().filter(|call| *call == action).count();
        assert_eq!(
            (of("ListStateMachineVersions"), of("DescribeStateMachine")),
            (5, 4)
        );
    }

    #[tokio::test]
    async fn throttling_makes_the_message_come_again() {
        let (bench, step_functions, adapters) = setting();
        let body = notification("a.jpg");
        // The client itself tries three times.
        step_functions.fail_next("StartExecution", 3, 400, "ThrottlingException");
        let answer = call(&bench, &adapters, std::slice::from_ref(&body)).await;
        assert_eq!(
            answer,
            json!({ "batchItemFailures": [{ "itemIdentifier": "m-1" }] })
        );
        assert!(bench.queue.bodies("dead-letters").is_empty());
        assert_eq!(call(&bench, &adapters, &[body]).await, nothing_failed());
        assert_eq!(step_functions.executions().len(), 1);
    }

    #[tokio::test]
    async fn a_claim_that_was_not_started_is_taken_up_by_its_own_message() {
        let (bench, step_functions, adapters) = setting();
        let body = notification("a.jpg");
        // Claim, image.received, then the record is gone: StartExecution answers, nobody hears it.
        bench.record.set_down_after(Some(2));
        let answer = call(&bench, &adapters, std::slice::from_ref(&body)).await;
        assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "m-1");
        bench.record.set_down_after(None);
        assert_eq!(call(&bench, &adapters, &[body]).await, nothing_failed());
        let executions = step_functions.executions();
        assert_eq!(executions.len(), 1);
        let name = executions.keys().next().unwrap();
        assert_eq!(
            bench.kinds(name, &Lane::Trunk).await,
            ["image.received.v1", "execution.started.v1"]
        );
        assert!(bench.record.header(name).await.unwrap().unwrap().started);
    }

    #[tokio::test]
    async fn an_execution_of_that_name_is_a_duplicate() {
        let (bench, step_functions, adapters) = setting();
        let body = notification("a.jpg");
        step_functions.fail_next("StartExecution", 1, 400, "ExecutionAlreadyExists");
        assert_eq!(call(&bench, &adapters, &[body]).await, nothing_failed());
    }

    #[tokio::test]
    async fn what_the_product_wrote_starts_nothing() {
        // Invariant 3.
        let (bench, step_functions, mut adapters) = setting();
        let own = |bucket: &str, key: &str| {
            notification(key).replace("\"photos\"", &format!("\"{bucket}\""))
        };
        call(&bench, &adapters, &[own("results", "any.jpg")]).await;
        assert!(step_functions.executions().is_empty());
        adapters.settings =
            json!({ "results_bucket_is_shared": true, "ignore_prefixes": ["tmp/"] });
        let bodies = [
            own("results", "results/thumbnail/a.jpg/x.jpg"),
            own("photos", "tmp/a.jpg"),
            own("results", "any.jpg"),
        ];
        call(&bench, &adapters, &bodies).await;
        assert_eq!(step_functions.executions().len(), 1);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_buried_with_its_raw_body() {
        // Invariant 2.
        let (bench, step_functions, adapters) = setting();
        let raw = "{\"no\": \"notification\"}".to_owned();
        assert_eq!(
            call(&bench, &adapters, std::slice::from_ref(&raw)).await,
            nothing_failed()
        );
        let letters = bench.queue.bodies("dead-letters");
        let letter = DeadLetter::read(&letters[0], "m-1", bench.clock.time());
        assert_eq!(letter.class, FailureClass::Start);
        assert_eq!(letter.raw.as_deref(), Some(raw.as_str()));
        assert_eq!(letter.error.name, "Event.Unreadable");
        assert!(step_functions.executions().is_empty());
        // So large that its letter fits no message: it is sent as it is.
        let large = "\"".repeat(safelight_ports::queue::MAX_MESSAGE_BYTES - 10);
        call(&bench, &adapters, std::slice::from_ref(&large)).await;
        assert_eq!(bench.queue.bodies("dead-letters")[1], large);
        // Without a dead-letter queue it comes again.
        bench.queue.set_down(true);
        let answer = call(&bench, &adapters, &[raw]).await;
        assert_eq!(answer["batchItemFailures"][0]["itemIdentifier"], "m-1");
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_keeps_no_other_from_starting() {
        // Invariant 2: the message itself is in the dead-letter queue, too.
        let (bench, step_functions, adapters) = setting();
        let mut body: Value = serde_json::from_str(&notification("a.jpg")).unwrap();
        let good = body["Records"][0].clone();
        let mut last = good.clone();
        last["s3"]["object"]["key"] = "b.jpg".into();
        body["Records"] = json!([good, { "eventName": "ObjectCreated:Put" }, last]);
        for _ in 0..2 {
            let answer = call(&bench, &adapters, &[body.to_string()]).await;
            assert_eq!(answer, nothing_failed());
        }
        assert_eq!(step_functions.executions().len(), 2);
        let letters = bench.queue.bodies("dead-letters");
        let letter = DeadLetter::read(&letters[0], "m-1", bench.clock.time());
        assert!(letter.error.cause.starts_with("record 2: "), "{letter:?}");
        assert_eq!(letter.raw, Some(body.to_string()));
    }

    #[tokio::test]
    async fn a_redrive_starts_with_its_own_name_and_input() {
        let (bench, step_functions, adapters) = setting();
        let input = json!({
            "image": { "bucket": "photos", "key": "a.jpg" },
            "redriveOf": "20261121-00", "only": ["label"],
        });
        let body = json!({ "redrive": { "execution": "20261121-00-r5", "input": input } });
        let body = body.to_string();
        call(&bench, &adapters, &[body.clone(), body]).await;
        assert_eq!(step_functions.executions()["20261121-00-r5"], input);
        assert_eq!(step_functions.executions().len(), 1);
    }
}
