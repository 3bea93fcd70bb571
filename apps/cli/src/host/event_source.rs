//! An event source mapping: polls a queue and invokes a function with batches, as Lambda does for SQS.
//!
//! Source of the shapes and of partial batch answers: AWS Lambda Developer Guide, "Using Lambda with
//! Amazon SQS". A message is deleted only when its function has answered for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Duration;
use safelight_engine::StatusChange;
use safelight_lambda_host::{InvokeOptions, LambdaHost};
use safelight_local::SqliteQueue;
use safelight_ports::queue::{MAX_BATCH, Message, Queue as _};
use serde_json::{Value, json};
use tokio::sync::{broadcast, watch};

use super::calls::Calls;
use super::ended_execution;

/// Longest wait before a failed message is tried again.
const MAX_BACKOFF_SECONDS: i64 = 30;

/// Wait after the queue could not be read.
const AFTER_AN_ERROR: std::time::Duration = std::time::Duration::from_secs(1);

/// What is told of every batch: the messages that the function has dealt with.
pub type OnDone = Arc<dyn Fn(&[Message]) + Send + Sync>;

/// Holds a source back while it says no.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// A queue and the function that takes from it.
pub struct EventSource {
    /// Name of the queue.
    pub queue: &'static str,
    /// Name of the function in the Lambda host.
    pub function: String,
    /// How long a received message is hidden.
    pub visibility: Duration,
    /// Whether a batch may be taken now.
    pub gate: Gate,
    /// Whose calls are ended before the function hears that their execution has: of the queue that
    /// tells of ended executions.
    pub calls: Option<Calls>,
    /// Tells when the gate may have opened.
    pub changes: Option<broadcast::Receiver<Arc<StatusChange>>>,
    /// Called with the messages that were dealt with.
    pub on_done: OnDone,
}

impl EventSource {
    /// Polls until `stop` is set; a batch that was taken is finished first.
    pub async fn run(
        mut self,
        queue: SqliteQueue,
        lambda: LambdaHost,
        mut stop: watch::Receiver<bool>,
    ) {
        while !*stop.borrow() {
            if !(self.gate)() {
                tokio::select! {
                    () = self.changed() => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            match queue.receive(self.queue, MAX_BATCH, self.visibility).await {
                Ok(messages) if messages.is_empty() => {
                    tokio::select! {
                        _ = queue.wait(self.queue) => {}
                        _ = stop.changed() => {}
                    }
                }
                Ok(messages) => self.batch(&queue, &lambda, messages).await,
                Err(error) => {
                    tracing::error!(queue = self.queue, %error, "the queue cannot be read");
                    tokio::select! {
                        () = tokio::time::sleep(AFTER_AN_ERROR) => {}
                        _ = stop.changed() => {}
                    }
                }
            }
        }
    }

    /// Ends when the gate may have opened.
    async fn changed(&mut self) {
        match &mut self.changes {
            Some(changes) => {
                // A lagging receiver has missed changes: look again as well.
                let _ = changes.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    async fn batch(&self, queue: &SqliteQueue, lambda: &LambdaHost, messages: Vec<Message>) {
        if let Some(calls) = &self.calls {
            for execution in messages.iter().filter_map(|it| ended_execution(&it.body)) {
                calls.end(&execution).await;
            }
        }
        let event = sqs_event(self.queue, &messages).to_string();
        let answer = lambda
            .invoke(&self.function, event.into(), InvokeOptions::default())
            .await
            .map_err(|error| error.to_string())
            .and_then(|body| failures_of(&body));
        let failed = match answer {
            Ok(failed) => failed,
            Err(error) => {
                tracing::warn!(
                    function = self.function,
                    error,
                    "a batch failed and comes again"
                );
                messages.iter().map(|message| message.id.clone()).collect()
            }
        };
        let (again, done): (Vec<Message>, Vec<Message>) = messages
            .into_iter()
            .partition(|message| failed.contains(&message.id));
        let receipts: Vec<String> = done.iter().map(|message| message.receipt.clone()).collect();
        if let Err(error) = queue.delete_batch(self.queue, &receipts).await {
            tracing::error!(queue = self.queue, %error, "handled messages cannot be deleted and come again");
        }
        for message in &again {
            let wait = backoff(message.receive_count);
            if let Err(error) = queue
                .change_visibility(self.queue, &message.receipt, wait)
                .await
            {
                tracing::error!(queue = self.queue, %error, "a failed message comes again when its visibility timeout ends");
            }
        }
        (self.on_done)(&done);
    }
}

/// 1, 2, 4 … seconds, at most [`MAX_BACKOFF_SECONDS`].
fn backoff(receive_count: u32) -> Duration {
    let doublings = receive_count.saturating_sub(1).min(5);
    Duration::seconds((1_i64 << doublings).min(MAX_BACKOFF_SECONDS))
}

/// The event that Lambda makes of received messages.
fn sqs_event(queue: &str, messages: &[Message]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|message| {
            json!({
                "messageId": message.id,
                "receiptHandle": message.receipt,
                "body": message.body,
                "attributes": {
                    "ApproximateReceiveCount": message.receive_count.to_string(),
                    "SentTimestamp": message.sent.timestamp_millis().to_string(),
                },
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({ "Records": records })
}

/// The message ids that the function did not deal with.
fn failures_of(body: &[u8]) -> Result<BTreeSet<String>, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))?;
    match &answer["batchItemFailures"] {
        Value::Null => Ok(BTreeSet::new()),
        Value::Array(items) => items
            .iter()
            .map(|item| match &item["itemIdentifier"] {
                Value::String(id) => Ok(id.clone()),
                // Lambda treats a malformed answer as the failure of the whole batch.
                _ => Err("an itemIdentifier is missing".to_owned()),
            })
            .collect(),
        _ => Err("batchItemFailures is not a list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_answer_fails_the_whole_batch() {
        assert_eq!(failures_of(b"{}").unwrap(), BTreeSet::new());
        let one = failures_of(br#"{"batchItemFailures":[{"itemIdentifier":"a"}]}"#).unwrap();
        assert!(one.contains("a"));
        for bad in [
            &b"nonsense"[..],
            br#"{"batchItemFailures":[{}]}"#,
            br#"{"batchItemFailures":3}"#,
        ] {
            assert!(failures_of(bad).is_err());
        }
    }

    #[test]
    fn the_wait_grows_to_a_limit() {
        let waits: Vec<i64> = (1..9).map(|count| backoff(count).num_seconds()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    }
}
