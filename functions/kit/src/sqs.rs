//! The shapes in which Lambda hands over messages: SQS batches, and SNS envelopes within them.

use std::borrow::Cow;
use std::future::Future;

use futures::StreamExt as _;
use futures::stream;
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::FunctionError;

/// A batch as Lambda's event source mapping hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqsEvent {
    /// The messages.
    #[serde(rename = "Records")]
    pub records: Vec<SqsMessage>,
}

/// One message of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SqsMessage {
    /// Message id; the same on every receive.
    pub message_id: String,
    /// Body.
    pub body: String,
}

/// What a function answers to a batch: `ReportBatchItemFailures`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    /// The messages that are to come again.
    pub batch_item_failures: Vec<BatchItemFailure>,
}

/// A message that is to come again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchItemFailure {
    /// Its message id.
    pub item_identifier: String,
}

/// Reads a batch and handles its messages, so many side by side; those that fail are to come again.
pub async fn each_message<F, R>(
    event: &Value,
    function: &str,
    side_by_side: usize,
    handle: F,
) -> Result<Value, FunctionError>
where
    F: Fn(SqsMessage) -> R,
    R: Future<Output = Result<(), FunctionError>>,
{
    let batch = SqsEvent::deserialize(event).map_err(|error| {
        FunctionError::new(
            &error_name::INPUT_INVALID,
            format!("the event of '{function}' is not a batch of SQS messages: {error}"),
        )
    })?;
    let outcomes = stream::iter(batch.records).map(|message| {
        let id = message.message_id.clone();
        let outcome = handle(message);
        async move { (id, outcome.await) }
    });
    let mut outcomes = std::pin::pin!(outcomes.buffered(side_by_side));
    let mut response = BatchResponse::default();
    while let Some((id, outcome)) = outcomes.next().await {
        if let Err(error) = outcome {
            tracing::warn!(
                function.name = function,
                message.id = id,
                error.name = error.name(),
                error.cause = error.cause(),
                "the message was not done and comes again"
            );
            response.batch_item_failures.push(BatchItemFailure {
                item_identifier: id,
            });
        }
    }
    serde_json::to_value(response)
        .map_err(|error| FunctionError::new(&error_name::OUTPUT_TOO_LARGE, error.to_string()))
}

/// The message that SNS delivered in `body`, or `body` itself (raw delivery, or no SNS at all).
pub fn unwrap_sns(body: &str) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "Type")]
        kind: String,
        #[serde(rename = "TopicArn")]
        _topic: String,
        #[serde(rename = "Message")]
        message: String,
    }
    match serde_json::from_str::<Envelope>(body) {
        Ok(envelope) if envelope.kind == "Notification" => Cow::Owned(envelope.message),
        _ => Cow::Borrowed(body),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;
    use serde_json::json;

    #[tokio::test]
    async fn only_what_failed_comes_again() {
        let event = json!({ "Records": [
            { "messageId": "1", "body": "good", "awsRegion": "eu-west-1" },
            { "messageId": "2", "body": "bad" },
        ] });
        let answer = each_message(&event, "test", 10, |message| async move {
            if message.body == "bad" {
                return Err(FunctionError::new(&error_name::QUEUE_UNAVAILABLE, "down"));
            }
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(
            answer,
            json!({ "batchItemFailures": [{ "itemIdentifier": "2" }] })
        );
    }

    #[tokio::test]
    async fn so_many_are_handled_side_by_side_and_no_more() {
        let messages = (0..10).map(|id| json!({ "messageId": id.to_string(), "body": "" }));
        let event = json!({ "Records": messages.collect::<Vec<_>>() });
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        each_message(&event, "test", 2, |_| async {
            most.fetch_max(running.fetch_add(1, Relaxed) + 1, Relaxed);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Relaxed);
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(most.into_inner(), 2);
    }

    #[tokio::test]
    async fn what_is_no_batch_is_an_error() {
        let error = each_message(&json!({}), "test", 10, |_| async { Ok(()) })
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
    }

    #[test]
    fn sns_is_unwrapped_and_raw_delivery_is_left() {
        let wrapped =
            json!({ "Type": "Notification", "TopicArn": "arn:aws:sns:x", "Message": "{}" });
        assert_eq!(unwrap_sns(&wrapped.to_string()), "{}");
        assert_eq!(unwrap_sns("{\"Message\":1}"), "{\"Message\":1}");
        assert_eq!(unwrap_sns("no json"), "no json");
    }
}
