//! Queues in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use safelight_ports::{Depth, Message, Queue, QueueError};

use super::TestClock;

struct Held {
    message: Message,
    visible: DateTime<Utc>,
}

/// Queues in memory; any name is a queue.
pub struct MemoryQueue {
    clock: Arc<TestClock>,
    queues: Mutex<BTreeMap<String, Vec<Held>>>,
    sent: Mutex<u64>,
    down: Mutex<bool>,
}

impl MemoryQueue {
    pub(super) fn new(clock: Arc<TestClock>) -> Self {
        Self {
            clock,
            queues: Mutex::default(),
            sent: Mutex::new(0),
            down: Mutex::new(false),
        }
    }

    /// Makes every call fail, or work again.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    /// The bodies in a queue, in order.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        let queues = self.queues.lock().unwrap();
        let held = queues.get(queue).map(Vec::as_slice).unwrap_or_default();
        held.iter().map(|held| held.message.body.clone()).collect()
    }

    fn check(&self) -> Result<(), QueueError> {
        if *self.down.lock().unwrap() {
            return Err(QueueError::Unavailable("the test says so".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, queue: &str, bodies: &[String]) -> Result<Vec<String>, QueueError> {
        self.check()?;
        for body in bodies {
            if body.len() > safelight_ports::queue::MAX_MESSAGE_BYTES {
                return Err(QueueError::TooLarge(body.len()));
            }
        }
        let mut ids = Vec::new();
        let mut queues = self.queues.lock().unwrap();
        for body in bodies {
            let mut sent = self.sent.lock().unwrap();
            *sent += 1;
            let id = format!("sent-{sent}");
            queues.entry(queue.into()).or_default().push(Held {
                message: Message {
                    id: id.clone(),
                    receipt: String::new(),
                    body: body.clone(),
                    receive_count: 0,
                    sent: self.clock.time(),
                },
                visible: self.clock.time(),
            });
            ids.push(id);
        }
        Ok(ids)
    }

    async fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.check()?;
        let now = self.clock.time();
        let mut queues = self.queues.lock().unwrap();
        let mut received = Vec::new();
        for held in queues.entry(queue.into()).or_default() {
            if held.visible <= now && received.len() < max {
                held.visible = now + visibility;
                held.message.receive_count += 1;
                held.message.receipt =
                    format!("{}/{}", held.message.id, held.message.receive_count);
                received.push(held.message.clone());
            }
        }
        Ok(received)
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<(), QueueError> {
        self.check()?;
        let mut queues = self.queues.lock().unwrap();
        let held = queues.entry(queue.into()).or_default();
        let before = held.len();
        held.retain(|held| held.message.receipt != receipt);
        if held.len() == before {
            return Err(QueueError::ReceiptInvalid);
        }
        Ok(())
    }

    async fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
    ) -> Result<(), QueueError> {
        self.check()?;
        let until = self.clock.time() + visibility;
        let mut queues = self.queues.lock().unwrap();
        let held = queues.entry(queue.into()).or_default();
        let found = held.iter_mut().find(|held| held.message.receipt == receipt);
        found.ok_or(QueueError::ReceiptInvalid)?.visible = until;
        Ok(())
    }

    async fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        self.check()?;
        let now = self.clock.time();
        let queues = self.queues.lock().unwrap();
        let held = queues.get(queue).map(Vec::as_slice).unwrap_or_default();
        let visible = held.iter().filter(|held| held.visible <= now).count();
        Ok(Depth {
            visible: visible as u64,
            not_visible: (held.len() - visible) as u64,
            oldest: held.iter().map(|held| held.message.sent).min(),
        })
    }
}
