//! What reaches the loop.

use std::sync::Arc;

use safelight_decider::TaskSignal;
use safelight_sqlite::DatabaseError;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::error::EngineError;
use crate::handle::Started;
use crate::machine::Machine;

use chrono::{DateTime, Utc};

/// Where a caller waits.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// A start whose parts were checked.
pub(crate) struct Start {
    pub(crate) machine: Arc<Machine>,
    pub(crate) arn: Arc<str>,
    pub(crate) name: Arc<str>,
    /// The name was made here, so no execution has it.
    pub(crate) fresh: bool,
    pub(crate) text: Arc<str>,
    pub(crate) input: Value,
    pub(crate) reply: Reply<Started>,
}

pub(crate) enum Message {
    Start(Box<Start>),
    Stop {
        arn: Arc<str>,
        error: Option<String>,
        cause: Option<String>,
        reply: Reply<DateTime<Utc>>,
    },
    Signal {
        arn: Arc<str>,
        task: u64,
        signal: TaskSignal,
    },
    /// The write in flight is durable, or failed.
    Committed(Result<(), DatabaseError>),
    /// The clock was moved.
    Wake,
    /// Answered when everything that was sent before it was taken in.
    Fence(oneshot::Sender<()>),
    Shutdown,
}
