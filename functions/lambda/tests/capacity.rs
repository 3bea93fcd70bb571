//! What an image with three branches costs in DynamoDB: the real functions, on a table of the emulator.
//!
//! Write units are what the emulator answers in ConsumedCapacity; it counts them by size, the index
//! included, as AWS documents. Its read units are one a call whatever was read, so that they are also
//! counted here from what was read: 4 KB a unit, consistent.
#![allow(clippy::unwrap_used)]

use std::process::ExitCode;
use std::sync::Arc;

use safelight_aws::{DynamoRecord, Meter, S3Objects, Sdk, Units};
use safelight_emulator::{Emulator, Test, run};
use safelight_kit::testing::{Bench, StepFunctions, facts, invocation, sqs_event};
use safelight_kit::{Adapters, Function};
use safelight_ports::{ObjectMeta, Objects, Record, WriteCondition};
use safelight_schema::{ImageRef, Outcome, chain};
use serde_json::{Value, json};

#[path = "../../../infra/aws/tests/support/mod.rs"]
#[expect(dead_code, reason = "shared with the conformance suites")]
mod support;

const MOST: Units = Units {
    write: 25.0,
    read: 20.0,
};

fn main() -> ExitCode {
    run([Test {
        name: "an_image_with_three_branches_costs_at_most_25_write_and_20_read_units",
        run: |emulator| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.unwrap().block_on(measure(emulator));
        },
    }])
}

/// Table and bucket, and how a function that starts anew sees them.
struct Place {
    sdk: Sdk,
    meter: Arc<Meter>,
    bench: Bench,
    step_functions: StepFunctions,
}

impl Place {
    async fn new(emulator: &Emulator) -> Self {
        let sdk = Sdk::of_endpoint(&emulator.endpoint(), Emulator::REGION, "test", "test");
        support::table(&sdk, "record").await;
        support::bucket(&sdk, "photos").await;
        support::bucket(&sdk, "results").await;
        let mut definition: Value =
            serde_json::from_str(include_str!("../../../workflows/image.asl.json")).unwrap();
        publish(&mut definition);
        Self {
            sdk,
            meter: Arc::default(),
            bench: Bench::new(),
            step_functions: StepFunctions::start(&definition),
        }
    }

    fn objects(&self) -> Arc<dyn Objects> {
        Arc::new(S3Objects::new(self.sdk.s3(), "results"))
    }

    fn record(&self, meter: &Arc<Meter>) -> DynamoRecord {
        DynamoRecord::new(self.sdk.dynamodb(), "record", self.objects())
            .with_meter(Arc::clone(meter))
    }

    /// A call of a function whose environment is new: what an adapter kept is gone.
    async fn call(&self, function: &str, event: Value) -> Value {
        let function: Function = safelight_functions::find(function).unwrap();
        let mut adapters: Adapters = self.bench.adapters();
        adapters.record = Arc::new(self.record(&self.meter));
        adapters.objects = self.objects();
        adapters.workflow = Some(self.step_functions.workflow());
        let handler = (function.build)(adapters).unwrap();
        handler.handle(event, &invocation()).await.unwrap()
    }
}

/// The names of functions become the ARNs of published versions, which is what a header holds.
fn publish(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(name)) = fields.get_mut("FunctionName") {
                *name = format!("arn:aws:lambda:eu-west-1:000000000000:function:{name}:12");
            }
            fields.values_mut().for_each(publish);
        }
        Value::Array(items) => items.iter_mut().for_each(publish),
        _ => {}
    }
}

async fn measure(emulator: &Emulator) {
    let place = Place::new(emulator).await;
    let body = include_bytes!("../../../samples/photos/lake-at-dawn.jpg");
    let key = "photos/2026/summer/lake at noon.jpg";
    let meta = ObjectMeta {
        media_type: "image/jpeg".into(),
        ..ObjectMeta::default()
    };
    let put = place.objects();
    let put = put.write("photos", key, body, &meta, &WriteCondition::Always);
    put.await.unwrap();
    let head = place.objects().head("photos", key).await.unwrap().unwrap();
    let notification = json!({ "Records": [{
        "eventName": "ObjectCreated:Put", "eventTime": "2026-11-21T11:59:58.000Z",
        "s3": { "bucket": { "name": "photos" }, "object": {
            "key": key.replace(' ', "+"), "size": head.bytes, "eTag": head.etag,
            "sequencer": "0055AED6DCD90281E5",
        } },
    }] });
    let answer = place
        .call("start", sqs_event(&[notification.to_string()]))
        .await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));
    let (name, input) = place
        .step_functions
        .executions()
        .into_iter()
        .next()
        .unwrap();
    let image: ImageRef = serde_json::from_value(input["image"].clone()).unwrap();

    let task = |state: &str, body: Value| {
        let mut event = json!({
            "context": { "execution": name, "state": state, "attempt": 0, "epoch": 0 },
            "image": image,
        });
        let fields = body.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(fields);
        event
    };
    let validated = place.call("validate", task("Validate", json!({}))).await;
    let facts = if validated["facts"].is_null() {
        json!(facts())
    } else {
        validated["facts"].clone()
    };
    let branches = ["compress", "label", "thumbnail"];
    let rules: Vec<Value> = branches
        .iter()
        .map(|branch| json!({ "branch": branch, "version": "1.0.0", "when": {} }))
        .collect();
    let routed = json!({ "facts": facts, "branches": rules, "only": null });
    let routed = place.call("route", task("Route", routed)).await;
    assert_eq!(routed["wanted"], json!(branches));
    let mut results = Vec::new();
    for branch in branches {
        let body = json!({ "branch": branch, "version": "1.0.0", "facts": facts });
        let state = format!("{branch}/Run");
        place.call(branch, task(&state, body)).await;
        results.push(json!({ "branch": branch }));
    }
    let results = json!({ "results": results });
    place.call("complete", task("Complete", results)).await;
    place.step_functions.set_history(&name, history(&branches));
    let change = json!({ "detail": {
        "executionArn": format!("arn:aws:states:us-east-1:000000000000:execution:image:{name}"),
        "name": name, "status": "SUCCEEDED",
    } });
    let answer = place.call("record", sqs_event(&[change.to_string()])).await;
    assert_eq!(answer, json!({ "batchItemFailures": [] }));

    let units = place.meter.units();
    println!(
        "an image with three branches: {} write units and {} read units",
        units.write, units.read
    );
    let record = place.record(&Arc::default());
    let summary = record.summary(&name).await.unwrap().unwrap();
    assert_eq!(summary.outcome, Outcome::Succeeded);
    assert_eq!(summary.branches.len(), 3);
    assert_eq!(chain::verify(&record.evidence(&name).await.unwrap()), []);
    assert!(units.write > 15.0, "it counts");
    assert!(units.write <= MOST.write, "{units:?}");
    assert!(units.read <= MOST.read, "{units:?}");
}

/// The states that no function enters, around those that one does.
fn history(branches: &[&str]) -> Vec<Value> {
    let mut events = vec![
        json!({ "id": 1, "type": "ExecutionStarted", "timestamp": 1_795_262_398.5,
        "executionStartedEventDetails": { "input": "{}" } }),
    ];
    let mut visit = |kind: &str, state: &str| {
        let previous = events.len() as u64;
        let time = 1_795_262_399.0 + previous as f64 / 10.0;
        events.push(json!({ "id": previous + 1, "previousEventId": previous,
            "type": format!("{kind}StateEntered"), "timestamp": time,
            "stateEnteredEventDetails": { "name": state, "input": "{}" } }));
        events.push(json!({ "id": previous + 2, "previousEventId": previous + 1,
            "type": format!("{kind}StateExited"), "timestamp": time + 0.05,
            "stateExitedEventDetails": { "name": state, "output": "{}" } }));
    };
    visit("Task", "Validate");
    visit("Task", "Route");
    visit("Map", "EachBranch");
    for branch in branches {
        visit("Choice", "Dispatch");
        visit("Task", &format!("{branch}/Run"));
    }
    visit("Choice", "Outcome");
    visit("Task", "Complete");
    let last = events.len() as u64;
    events.push(
        json!({ "id": last + 1, "previousEventId": last, "type": "ExecutionSucceeded",
        "timestamp": 1_795_262_402.0, "executionSucceededEventDetails": { "output": "{}" } }),
    );
    events
}
