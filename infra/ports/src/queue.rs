//! Queues in SQS's words: visibility timeout, receipt handle, receive count, dead-letter queue.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};

/// Largest message, bytes (SQS quota, 2025: 1 MiB).
pub const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// Most messages in a batch (SQS).
pub const MAX_BATCH: usize = 10;

/// A received message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Message id; the same on every receive.
    pub id: String,
    /// Receipt handle: of this receive only.
    pub receipt: String,
    /// Body.
    pub body: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
    /// When it was sent.
    pub sent: DateTime<Utc>,
}

/// How a queue stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Depth {
    /// ApproximateNumberOfMessagesVisible.
    pub visible: u64,
    /// ApproximateNumberOfMessagesNotVisible: received, or delayed.
    pub not_visible: u64,
    /// When the oldest message was sent.
    pub oldest: Option<DateTime<Utc>>,
}

/// What can go wrong with a queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum QueueError {
    /// The store did not answer, or refused: what, and what to do.
    #[error("the queue is not available: {0}")]
    Unavailable(String),
    /// There is no such queue.
    #[error("there is no queue '{0}'")]
    NoSuchQueue(String),
    /// The message is over [`MAX_MESSAGE_BYTES`], or what the queue takes.
    #[error("a message of {0} bytes is too large for the queue")]
    TooLarge(usize),
    /// The receipt handle is of an earlier receive, or the message is gone.
    #[error("the receipt handle is not valid any more")]
    ReceiptInvalid,
}

impl QueueError {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        error_name::QUEUE_UNAVAILABLE.name
    }
}

/// Queues by name.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends messages, all or none; answers their ids.
    async fn send(&self, queue: &str, bodies: &[String]) -> Result<Vec<String>, QueueError>;

    /// Receives up to `max` (at most 10) visible messages and hides them for `visibility`. A message
    /// received more often than the queue's maximum goes to its dead-letter queue instead.
    async fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError>;

    /// Deletes a message.
    async fn delete(&self, queue: &str, receipt: &str) -> Result<(), QueueError>;

    /// Makes a received message visible again after `visibility` from now (zero: at once).
    async fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
    ) -> Result<(), QueueError>;

    /// How the queue stands.
    async fn depth(&self, queue: &str) -> Result<Depth, QueueError>;
}
