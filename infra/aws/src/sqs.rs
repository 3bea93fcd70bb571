//! Queues in SQS.
//!
//! A receipt handle of an earlier receive deletes nothing: a standard queue of SQS says nothing of it
//! then, where other adapters (and the emulator) say that the handle is not valid any more.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};
use chrono::{DateTime, Duration, Utc};
use safelight_ports::queue::{MAX_BATCH, MAX_MESSAGE_BYTES};
use safelight_ports::{Depth, Message, Queue, QueueError};

/// Largest message of a queue that Terraform's provider 5 made, bytes, and so the largest batch: a queue has
/// its own limit, and those made otherwise take [`MAX_MESSAGE_BYTES`].
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
const MAX_BATCH_BYTES: usize = 256 << 10;

/// Sends of what a batch refused in part.
const TRIES: usize = 3;

/// How long an answer waits for messages where all are to be seen, seconds. Without it only some of the
/// queue's servers are asked, and what lies on the others is missing.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html>
const WAIT_SECONDS: i32 = 2;

/// So many answers in a row without a message that was not seen yet mean that all were seen: what was
/// seen first is visible again.
const OLD_ANSWERS: u32 = 3;

/// Queues in SQS, by their name in the settings.
#[derive(Debug, Clone)]
pub struct SqsQueues {
    client: Client,
    urls: BTreeMap<String, String>,
}

impl SqsQueues {
    /// Queues behind `client`: name in the settings, and URL.
    pub fn new(client: Client, urls: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            client,
            urls: urls.into_iter().collect(),
        }
    }

    fn url(&self, queue: &str) -> Result<&str, QueueError> {
        self.urls
            .get(queue)
            .map(String::as_str)
            .ok_or_else(|| QueueError::NoSuchQueue(queue.to_owned()))
    }

    /// Asks for messages, which may be `wait` seconds on their way.
    async fn ask(
        &self,
        queue: &str,
        max: usize,
        visibility: Duration,
        wait: i32,
    ) -> Result<Vec<Message>, QueueError> {
        let received = self
            .client
            .receive_message()
            .queue_url(self.url(queue)?)
            .max_number_of_messages(max.clamp(1, MAX_BATCH) as i32)
            .visibility_timeout(visibility.num_seconds().clamp(0, 43_200) as i32)
            .wait_time_seconds(wait)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|error| failed("ReceiveMessage", queue, &error))?;
        Ok(received.messages().iter().map(message).collect())
    }

    /// Sends up to ten messages; those that SQS refuses by its own fault are sent again, so that it is
    /// all or an error.
    async fn send_batch(&self, queue: &str, batch: &[String]) -> Result<Vec<String>, QueueError> {
        let url = self.url(queue)?;
        let mut ids = vec![String::new(); batch.len()];
        let mut open: Vec<usize> = (0..batch.len()).collect();
        let mut why = String::new();
        for _ in 0..TRIES {
            let mut request = self.client.send_message_batch().queue_url(url);
            for index in &open {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(index.to_string())
                    .message_body(&batch[*index])
                    .build()
                    .map_err(|error| QueueError::Unavailable(error.to_string()))?;
                request = request.entries(entry);
            }
            let sent = match request.send().await {
                Ok(sent) => sent,
                Err(error) if error.code().map(short) == Some("BatchRequestTooLong") => {
                    return Err(QueueError::TooLarge(batch.iter().map(String::len).sum()));
                }
                Err(error) => return Err(failed("SendMessageBatch", queue, &error)),
            };
            let refused = sent.failed().iter().filter(|it| it.sender_fault());
            let mut refused = refused.filter_map(|it| batch.get(it.id().parse::<usize>().ok()?));
            if let Some(large) = refused.find(|body| body.len() > MAX_BATCH_BYTES) {
                return Err(QueueError::TooLarge(large.len()));
            }
            for done in sent.successful() {
                let index = done.id().parse::<usize>().ok();
                let index = index.filter(|index| *index < ids.len());
                if let Some(index) = index {
                    done.message_id().clone_into(&mut ids[index]);
                }
            }
            open.retain(|index| ids[*index].is_empty());
            let Some(refused) = sent.failed().first() else {
                break;
            };
            why = format!("{}: {}", refused.code(), refused.message().unwrap_or(""));
        }
        if open.is_empty() {
            Ok(ids)
        } else {
            Err(QueueError::Unavailable(format!(
                "SendMessageBatch refused {} of {} messages: {why}",
                open.len(),
                batch.len()
            )))
        }
    }
}

/// What a person needs who looks at a queue: SQS shows no message without handing it out.
impl SqsQueues {
    /// Every visible message, by id, each hidden for so long.
    pub async fn receive_all(
        &self,
        queue: &str,
        visibility: Duration,
    ) -> Result<BTreeMap<String, Message>, QueueError> {
        let mut received = BTreeMap::new();
        let mut old = 0;
        while old < OLD_ANSWERS {
            let wait = WAIT_SECONDS;
            let messages = self.ask(queue, MAX_BATCH, visibility, wait).await?;
            if messages.is_empty() {
                break;
            }
            let before = received.len();
            // Of a message that came again the new receipt is the valid one.
            received.extend(messages.into_iter().map(|it| (it.id.clone(), it)));
            old = if received.len() == before { old + 1 } else { 0 };
        }
        Ok(received)
    }

    /// Makes messages visible again. A receipt that is not valid any more is passed over: its message is
    /// visible, another's, or gone.
    pub async fn release(&self, queue: &str, receipts: &[String]) -> Result<(), QueueError> {
        for batch in receipts.chunks(MAX_BATCH) {
            let mut change = self
                .client
                .change_message_visibility_batch()
                .queue_url(self.url(queue)?);
            for (index, receipt) in batch.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(0)
                    .build()
                    .map_err(|error| QueueError::Unavailable(error.to_string()))?;
                change = change.entries(entry);
            }
            let changed = change
                .send()
                .await
                .map_err(|error| failed("ChangeMessageVisibilityBatch", queue, &error))?;
            if let Some(refused) = changed.failed().iter().find(|it| !it.sender_fault()) {
                return Err(QueueError::Unavailable(format!(
                    "ChangeMessageVisibilityBatch: {}: {}",
                    refused.code(),
                    refused.message().unwrap_or("")
                )));
            }
        }
        Ok(())
    }
}

/// Batches of at most ten messages that fit a request.
fn batches(bodies: &[String]) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let mut rest = bodies;
    while !rest.is_empty() {
        let (mut count, mut bytes) = (0, 0);
        for body in rest.iter().take(MAX_BATCH) {
            bytes += body.len();
            if count > 0 && bytes > MAX_BATCH_BYTES {
                break;
            }
            count += 1;
        }
        let (batch, more) = rest.split_at(count);
        batches.push(batch);
        rest = more;
    }
    batches
}

#[async_trait]
impl Queue for SqsQueues {
    async fn send(&self, queue: &str, bodies: &[String]) -> Result<Vec<String>, QueueError> {
        self.url(queue)?;
        if let Some(large) = bodies.iter().find(|body| body.len() > MAX_MESSAGE_BYTES) {
            return Err(QueueError::TooLarge(large.len()));
        }
        let mut ids = Vec::with_capacity(bodies.len());
        for batch in batches(bodies) {
            ids.extend(self.send_batch(queue, batch).await?);
        }
        Ok(ids)
    }

    async fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Duration,
    ) -> Result<Vec<Message>, QueueError> {
        self.ask(queue, max, visibility, 0).await
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<(), QueueError> {
        some(receipt)?;
        let deleted = self
            .client
            .delete_message()
            .queue_url(self.url(queue)?)
            .receipt_handle(receipt)
            .send()
            .await;
        deleted
            .map(drop)
            .map_err(|error| failed("DeleteMessage", queue, &error))
    }

    async fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
    ) -> Result<(), QueueError> {
        some(receipt)?;
        let changed = self
            .client
            .change_message_visibility()
            .queue_url(self.url(queue)?)
            .receipt_handle(receipt)
            .visibility_timeout(visibility.num_seconds().clamp(0, 43_200) as i32)
            .send()
            .await;
        changed
            .map(drop)
            .map_err(|error| failed("ChangeMessageVisibility", queue, &error))
    }

    /// SQS does not say how old the oldest message is (CloudWatch does): `oldest` is absent.
    async fn depth(&self, queue: &str) -> Result<Depth, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(self.url(queue)?)
            .set_attribute_names(Some(names.to_vec()))
            .send()
            .await
            .map_err(|error| failed("GetQueueAttributes", queue, &error))?;
        let [visible, in_flight, delayed] = names.map(|name| {
            let text = answer.attributes().and_then(|all| all.get(&name));
            text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0)
        });
        Ok(Depth {
            visible,
            not_visible: in_flight + delayed,
            oldest: None,
        })
    }
}

/// An empty receipt handle is none, which SQS would take for a missing parameter.
fn some(receipt: &str) -> Result<(), QueueError> {
    if receipt.is_empty() {
        Err(QueueError::ReceiptInvalid)
    } else {
        Ok(())
    }
}

fn message(message: &aws_sdk_sqs::types::Message) -> Message {
    let attribute = |name| {
        let all = message.attributes();
        all.and_then(|all| all.get(&name)).map(String::as_str)
    };
    let receive_count = attribute(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent = attribute(MessageSystemAttributeName::SentTimestamp);
    Message {
        id: message.message_id().unwrap_or("").to_owned(),
        receipt: message.receipt_handle().unwrap_or("").to_owned(),
        body: message.body().unwrap_or("").to_owned(),
        receive_count: receive_count.and_then(|it| it.parse().ok()).unwrap_or(1),
        sent: sent
            .and_then(|it| it.parse().ok())
            .and_then(DateTime::from_timestamp_millis)
            .unwrap_or_else(Utc::now),
    }
}

/// The last part of an error's code: in front are the service and the protocol.
fn short(code: &str) -> &str {
    code.rsplit(['#', '.']).next().unwrap_or(code)
}

fn failed<E>(operation: &str, queue: &str, error: &SdkError<E>) -> QueueError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(service) = error.as_service_error() else {
        return QueueError::Unavailable(format!("{operation}: {}", DisplayErrorContext(error)));
    };
    let code = short(service.code().unwrap_or("error"));
    match code {
        "QueueDoesNotExist" | "NonExistentQueue" => QueueError::NoSuchQueue(queue.to_owned()),
        // A handle of an earlier receive, or of a message that is gone, and what never was one.
        "ReceiptHandleIsInvalid" | "InvalidParameterValue" | "MessageNotInflight" => {
            QueueError::ReceiptInvalid
        }
        _ => QueueError::Unavailable(format!(
            "{operation}: {code}: {}",
            service.message().unwrap_or("no message")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_fit_a_request() {
        let small = vec!["x".to_owned(); 23];
        let sizes: Vec<usize> = batches(&small).iter().map(|it| it.len()).collect();
        assert_eq!(sizes, [10, 10, 3]);
        let large = vec!["x".repeat(MAX_BATCH_BYTES / 2); 5];
        let sizes: Vec<usize> = batches(&large).iter().map(|it| it.len()).collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert!(batches(&[]).is_empty());
    }
}
