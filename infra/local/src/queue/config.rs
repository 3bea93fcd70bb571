//! How queues work: visibility, retention, where dead letters go.

use chrono::Duration;

/// Longest that SQS keeps a message.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_RETENTION: Duration = Duration::days(14);

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue.
    pub dead_letter_queue: String,
    /// A message that was received so often is not received again.
    pub max_receive_count: u32,
}

/// How one queue works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// How long a received message is hidden, where its receiver does not say.
    pub visibility: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Its dead-letter queue.
    pub redrive: Option<Redrive>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            visibility: Duration::seconds(30),
            retention: MAX_RETENTION,
            redrive: None,
        }
    }
}
