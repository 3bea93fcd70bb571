//! Adapters with nothing behind them: enough to build a function, not to call it.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use safelight_ports::{
    Claim, Depth, LabelError, Labels, Message, ObjectHead, ObjectMeta, Objects, ObjectsError, Page,
    Queue, QueueError, Record, RecordError, WriteCondition, Written,
};
use safelight_schema::{Draft, Event, Evidence, Header, ImageRef, Lane, Pointer, Seal, Summary};
use serde_json::Value;

use crate::adapters::Adapters;

/// Why every call fails.
const NOWHERE: &str = "the function was only built, so that its settings could be read";

/// Adapters of which every call fails.
pub(crate) fn adapters(settings: Value, has_labels: bool) -> Adapters {
    let mut adapters = Adapters::new(Arc::new(Nowhere), Arc::new(Nowhere), Arc::new(Nowhere));
    adapters.settings = settings;
    if has_labels {
        adapters.labels = Some(Arc::new(Nowhere));
    }
    adapters
}

struct Nowhere;

fn no_record<T>() -> Result<T, RecordError> {
    Err(RecordError::Unavailable(NOWHERE.into()))
}

fn no_queue<T>() -> Result<T, QueueError> {
    Err(QueueError::Unavailable(NOWHERE.into()))
}

fn no_objects<T>() -> Result<T, ObjectsError> {
    Err(ObjectsError::Unavailable(NOWHERE.into()))
}

#[async_trait]
impl Record for Nowhere {
    async fn claim(&self, _: &Header, _: Duration) -> Result<Claim, RecordError> {
        no_record()
    }

    async fn mark_started(&self, _: &str) -> Result<(), RecordError> {
        no_record()
    }

    async fn append(&self, _: &[Draft], _: &[Pointer]) -> Result<Vec<Event>, RecordError> {
        no_record()
    }

    async fn lane(&self, _: &str, _: &Lane) -> Result<Vec<Event>, RecordError> {
        no_record()
    }

    async fn events(&self, _: &str) -> Result<Vec<Event>, RecordError> {
        no_record()
    }

    async fn header(&self, _: &str) -> Result<Option<Header>, RecordError> {
        no_record()
    }

    async fn seal(&self, _: &str) -> Result<Option<Seal>, RecordError> {
        no_record()
    }

    async fn put_seal(&self, _: &str, _: DateTime<Utc>) -> Result<Seal, RecordError> {
        no_record()
    }

    async fn put_summary(&self, _: &Summary) -> Result<(), RecordError> {
        no_record()
    }

    async fn summary(&self, _: &str) -> Result<Option<Summary>, RecordError> {
        no_record()
    }

    async fn find(&self, _: &str, _: bool, _: u32, _: Option<&str>) -> Result<Page, RecordError> {
        no_record()
    }

    async fn evidence(&self, _: &str) -> Result<Evidence, RecordError> {
        no_record()
    }

    async fn executions(&self, _: Option<&str>, _: u32) -> Result<Vec<String>, RecordError> {
        no_record()
    }
}

#[async_trait]
impl Queue for Nowhere {
    async fn send(&self, _: &str, _: &[String]) -> Result<Vec<String>, QueueError> {
        no_queue()
    }

    async fn receive(&self, _: &str, _: usize, _: Duration) -> Result<Vec<Message>, QueueError> {
        no_queue()
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), QueueError> {
        no_queue()
    }

    async fn change_visibility(&self, _: &str, _: &str, _: Duration) -> Result<(), QueueError> {
        no_queue()
    }

    async fn depth(&self, _: &str) -> Result<Depth, QueueError> {
        no_queue()
    }
}

#[async_trait]
impl Objects for Nowhere {
    fn results_bucket(&self) -> &'static str {
        "nowhere"
    }

    async fn head(&self, _: &str, _: &str) -> Result<Option<ObjectHead>, ObjectsError> {
        no_objects()
    }

    async fn read_range(&self, _: &ImageRef, _: Range<u64>) -> Result<Vec<u8>, ObjectsError> {
        no_objects()
    }

    async fn read(&self, _: &ImageRef, _: u64) -> Result<Vec<u8>, ObjectsError> {
        no_objects()
    }

    async fn write(
        &self,
        _: &str,
        _: &str,
        _: &[u8],
        _: &ObjectMeta,
        _: &WriteCondition,
    ) -> Result<Written, ObjectsError> {
        no_objects()
    }

    async fn delete(&self, _: &str, _: &str) -> Result<(), ObjectsError> {
        no_objects()
    }
}

#[async_trait]
impl Labels for Nowhere {
    async fn detect(&self, _: &ImageRef, _: &[u8]) -> Result<Value, LabelError> {
        Err(LabelError::ServiceError(NOWHERE.into()))
    }
}
