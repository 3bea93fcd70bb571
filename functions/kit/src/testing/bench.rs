//! A test bench: adapters in memory, and the payloads that the workflow would make.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use safelight_ports::{Claim, LabelError, Labels, Record};
use safelight_schema::task::BranchInput;
use safelight_schema::{
    ColourModel, Draft, Event, EventData, ExecutionInput, Format, Header, ImageFacts, ImageRef,
    Lane,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{MemoryObjects, MemoryQueue, MemoryRecord};
use crate::{Adapters, Clock, Function, FunctionError, Invocation};

/// A clock that stands until it is told, or until somebody sleeps on it.
#[derive(Debug)]
pub struct TestClock {
    now: Mutex<DateTime<Utc>>,
    slept: Mutex<Vec<Duration>>,
}

impl TestClock {
    /// The time now.
    pub fn time(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    /// Moves it.
    pub fn advance(&self, by: Duration) {
        *self.now.lock().unwrap() += by;
    }

    /// What was slept on it.
    pub fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        self.time()
    }

    async fn sleep(&self, duration: Duration) {
        self.slept.lock().unwrap().push(duration);
        self.advance(duration);
    }
}

/// A label service that always answers the same.
pub struct FixedLabels(pub Result<Value, LabelError>);

#[async_trait]
impl Labels for FixedLabels {
    async fn detect(&self, _: &ImageRef, _: &[u8]) -> Result<Value, LabelError> {
        self.0.clone()
    }
}

/// Adapters in memory.
#[derive(Clone)]
pub struct Bench {
    /// The record.
    pub record: Arc<MemoryRecord>,
    /// The queues.
    pub queue: Arc<MemoryQueue>,
    /// The objects; results go to the bucket `results`.
    pub objects: Arc<MemoryObjects>,
    /// The clock; it stands at 2026-11-21T12:00:00Z.
    pub clock: Arc<TestClock>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// Nothing in it.
    pub fn new() -> Self {
        let clock = Arc::new(TestClock {
            now: Mutex::new("2026-11-21T12:00:00Z".parse().unwrap()),
            slept: Mutex::default(),
        });
        Self {
            record: Arc::new(MemoryRecord::default()),
            queue: Arc::new(MemoryQueue::new(Arc::clone(&clock))),
            objects: Arc::new(MemoryObjects::default()),
            clock,
        }
    }

    /// The adapters of a function.
    pub fn adapters(&self) -> Adapters {
        let mut adapters = Adapters::new(
            self.record.clone(),
            self.queue.clone(),
            self.objects.clone(),
        );
        adapters.presign = Some(self.objects.clone());
        adapters.clock = self.clock.clone();
        adapters.function_version = "test".into();
        adapters
    }

    /// Calls a function with default settings, as the runtime would.
    pub async fn call(&self, function: &Function, event: Value) -> Result<Value, FunctionError> {
        self.call_with(function, self.adapters(), event).await
    }

    /// Calls a function with these adapters, as the runtime would.
    pub async fn call_with(
        &self,
        function: &Function,
        adapters: Adapters,
        event: Value,
    ) -> Result<Value, FunctionError> {
        let handler = (function.build)(adapters)?;
        crate::run::guarded(handler.as_ref(), function.name, event, &invocation()).await
    }

    /// A header for an execution of `image`.
    pub fn header(&self, execution: &str, image: &ImageRef) -> Header {
        Header {
            execution: execution.into(),
            input: ExecutionInput {
                image: image.clone(),
                redrive_of: None,
                only: None,
            },
            workflow_hash: "0".repeat(64),
            branches: BTreeMap::new(),
            notified: self.clock.time(),
            claimed_by: "m-1".into(),
            claimed: self.clock.time(),
            started: false,
        }
    }

    /// Claims a header and marks it started.
    pub async fn claim(&self, header: &Header) {
        let claim = self
            .record
            .claim(header, chrono::Duration::seconds(60))
            .await
            .unwrap();
        assert_eq!(claim, Claim::Granted);
        self.record.mark_started(&header.execution).await.unwrap();
    }

    /// A draft about no state.
    pub fn draft(&self, execution: &str, lane: Lane, data: EventData) -> Draft {
        Draft {
            execution: execution.into(),
            lane,
            state: None,
            epoch: 0,
            attempt: 0,
            source: "/safelight/test".into(),
            subject: "photos/test".into(),
            time: self.clock.time(),
            data,
        }
    }

    /// The events of a lane.
    pub async fn lane(&self, execution: &str, lane: &Lane) -> Vec<Event> {
        self.record.lane(execution, lane).await.unwrap()
    }

    /// The types of the events of a lane.
    pub async fn kinds(&self, execution: &str, lane: &Lane) -> Vec<&'static str> {
        let events = self.lane(execution, lane).await;
        events.iter().map(|event| event.data.kind()).collect()
    }
}

/// An invocation with a minute left on the bench's clock.
pub fn invocation() -> Invocation {
    Invocation {
        request_id: "request-1".into(),
        deadline: "2026-11-21T12:01:00Z".parse().unwrap(),
    }
}

/// An image in the bucket `photos`, with a sequencer.
pub fn image(key: &str) -> ImageRef {
    ImageRef {
        bucket: "photos".into(),
        key: key.into(),
        version: None,
        etag: None,
        sequencer: Some("0055AED6DCD90281E5".into()),
        bytes: None,
    }
}

/// A JPEG of 640 × 480.
pub fn facts() -> ImageFacts {
    ImageFacts {
        format: Format::Jpeg,
        bytes: 40_000,
        width: 640,
        height: 480,
        megapixels: 0.3072,
        frames: 1,
        frames_exact: true,
        animated: false,
        bit_depth: 8,
        colour_model: ColourModel::Ycbcr,
        alpha: false,
        orientation: 1,
        icc: false,
    }
}

/// The payload of a Task of execution `x-1`.
pub fn task_event(state: &str, attempt: u32, image: &ImageRef, body: &impl Serialize) -> Value {
    let mut event = json!({
        "context": { "execution": "x-1", "state": state, "attempt": attempt, "epoch": 0 },
        "image": image,
    });
    let fields = serde_json::to_value(body).unwrap();
    let (Value::Object(event_fields), Value::Object(fields)) = (&mut event, fields) else {
        unreachable!("a payload is an object")
    };
    event_fields.extend(fields);
    event
}

/// A GIF of 2 × 1 pixels, one black and one white.
pub const TINY_GIF: &[u8] =
    b"GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x44\x0a\x00\x3b";

/// What the workflow gives to branch `name` for [`TINY_GIF`] under the key `a.gif`.
pub fn tiny_gif_event(name: &str) -> Value {
    let input = BranchInput {
        branch: name.into(),
        version: "1".into(),
        facts: ImageFacts {
            format: Format::Gif,
            ..facts()
        },
    };
    task_event(&format!("{name}/Run"), 0, &image("a.gif"), &input)
}

/// A batch of SQS messages with these bodies, called `m-1`, `m-2`, ….
pub fn sqs_event(bodies: &[String]) -> Value {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            json!({
                "messageId": format!("m-{}", index + 1),
                "receiptHandle": "r",
                "body": body,
                "attributes": { "ApproximateReceiveCount": "1" },
                "eventSource": "aws:sqs",
            })
        })
        .collect();
    json!({ "Records": records })
}
