//! For functions that have no queue.

use async_trait::async_trait;
use chrono::Duration;
use safelight_ports::{Depth, Message, Queue, QueueError};

/// Knows no queue, and needs no SDK for that.
pub(crate) struct NoQueue;

fn none<T>(queue: &str) -> Result<T, QueueError> {
    Err(QueueError::NoSuchQueue(queue.to_owned()))
}

#[async_trait]
impl Queue for NoQueue {
    async fn send(&self, queue: &str, _: &[String]) -> Result<Vec<String>, QueueError> {
        none(queue)
    }

    async fn receive(
        &self,
        queue: &str,
        _: usize,
        _: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        none(queue)
    }

    async fn delete(&self, queue: &str, _: &str) -> Result<(), QueueError> {
        none(queue)
    }

    async fn change_visibility(&self, queue: &str, _: &str, _: Duration) -> Result<(), QueueError> {
        none(queue)
    }

    async fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        none(queue)
    }
}
