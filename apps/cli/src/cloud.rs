//! A deployment on AWS, as the commands see it: the same record, queues and objects behind other adapters.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use safelight_aws::{DynamoRecord, S3Objects, Sdk, SqsQueues};
use safelight_kit::sfn::Workflow;
use safelight_local::Browsed;
use safelight_ports::{Message, Objects as _, ObjectsError, Queue, QueueError, Record};
use safelight_schema::{ImageRef, ObjectRef};
use tokio::sync::Mutex;

use crate::config::AwsConfig;
use crate::dead_letters;
use crate::failure::with_next_step;
use crate::host::{DEAD_LETTERS, INGEST, close};

/// How long messages are hidden while a command looks at them, and by how much longer for each that
/// waits: the first must not be back before the last was seen and dealt with.
const HIDDEN: Duration = Duration::minutes(2);
const HIDDEN_EACH: Duration = Duration::milliseconds(200);

/// How long after its end an execution must be in the record. The sweep comes every hour, and an
/// execution with a call that may still run is left to its next.
const CLOSED_AFTER: Duration = Duration::hours(3);

/// Largest archived object that is read, bytes.
const MAX_OBJECT: u64 = 256 << 20;

/// A deployment.
pub struct Cloud {
    record: DynamoRecord,
    objects: Arc<S3Objects>,
    queue: SqsQueues,
    workflow: Workflow,
    images_bucket: Option<String>,
    /// Receipts by queue and message id, of messages that are to be taken away.
    held: Mutex<BTreeMap<(String, String), String>>,
}

impl Cloud {
    /// The deployment that the configuration names. Nothing is called.
    pub async fn open(config: &AwsConfig) -> Self {
        let sdk = Sdk::of_machine().await;
        let objects = Arc::new(S3Objects::new(sdk.s3(), &config.results_bucket));
        let urls = [
            (INGEST.to_owned(), config.ingest_queue_url.clone()),
            (
                DEAD_LETTERS.to_owned(),
                config.dead_letter_queue_url.clone(),
            ),
        ];
        Self {
            record: DynamoRecord::new(sdk.dynamodb(), &config.table, Arc::clone(&objects) as _)
                .with_retention_days(config.retention_days),
            queue: SqsQueues::new(sdk.sqs(), urls),
            workflow: Workflow::new(sdk.step_functions(), &config.state_machine_arn),
            images_bucket: config.images_bucket.clone(),
            objects,
            held: Mutex::default(),
        }
    }

    /// The record.
    pub const fn record(&self) -> &DynamoRecord {
        &self.record
    }

    /// The queues.
    pub const fn queue(&self) -> &SqsQueues {
        &self.queue
    }

    /// The objects.
    pub fn objects(&self) -> &S3Objects {
        &self.objects
    }

    /// Bucket and key of everything that a text may mean: `s3://bucket/key`, `bucket/key`, or a key of
    /// the bucket of the images.
    pub fn images_called(&self, subject: &str) -> Vec<(String, String)> {
        let whole = subject.strip_prefix("s3://").unwrap_or(subject);
        let named = whole.split_once('/');
        let named = named.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
        let own = self.images_bucket.clone();
        named
            .into_iter()
            .chain(own.map(|bucket| (bucket, subject.to_owned())))
            .collect()
    }

    /// Every message of a queue, oldest first. SQS shows no message without handing it out: what is
    /// seen is made visible again at once, and the dead-letter queue counts no receives.
    pub async fn browse(&self, queue: &str) -> anyhow::Result<Vec<Browsed>> {
        let received = self.receive_all(queue).await?;
        let receipts: Vec<String> = received.values().map(|it| it.receipt.clone()).collect();
        self.queue.release(queue, &receipts).await?;
        let mut seen: Vec<Browsed> = received
            .into_values()
            .map(|message| Browsed {
                id: message.id,
                body: message.body,
                receive_count: message.receive_count,
                sent: message.sent,
                visible: true,
            })
            .collect();
        seen.sort_by(|a, b| (a.sent, &a.id).cmp(&(b.sent, &b.id)));
        Ok(seen)
    }

    async fn receive_all(&self, queue: &str) -> anyhow::Result<BTreeMap<String, Message>> {
        let waiting = self.queue.depth(queue).await?.visible;
        let hidden = HIDDEN + HIDDEN_EACH * i32::try_from(waiting).unwrap_or(i32::MAX);
        Ok(self.queue.receive_all(queue, hidden).await?)
    }

    /// Takes out of the dead-letter queue what a later run stands for, and writes that into the record.
    /// On one machine the host does so by itself; here it is done by the commands that change the queue.
    pub async fn close_obsolete(&self) -> anyhow::Result<()> {
        let messages = self.browse(DEAD_LETTERS).await?;
        for letter in dead_letters::read(&self.record, messages, None)
            .await?
            .obsolete
        {
            close(&self.record, &letter).await?;
            for message in &letter.messages {
                self.take_away(DEAD_LETTERS, message).await?;
            }
        }
        self.release().await
    }

    /// Takes a message out of a queue by its id. False if it is not there: it is gone, or somebody else
    /// is looking at it, and it stays.
    pub async fn take_away(&self, queue: &str, id: &str) -> anyhow::Result<bool> {
        let mut held = self.held.lock().await;
        let place = (queue.to_owned(), id.to_owned());
        if !held.contains_key(&place) {
            // Deleting asks for a receipt, and only receiving gives one.
            for (id, message) in self.receive_all(queue).await? {
                held.insert((queue.to_owned(), id), message.receipt);
            }
        }
        let Some(receipt) = held.remove(&place) else {
            return Ok(false);
        };
        match self.queue.delete(queue, &receipt).await {
            Ok(()) => Ok(true),
            Err(QueueError::ReceiptInvalid) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes visible again what was received and not taken away.
    pub async fn release(&self) -> anyhow::Result<()> {
        let mut receipts = BTreeMap::<String, Vec<String>>::new();
        for ((queue, _), receipt) in std::mem::take(&mut *self.held.lock().await) {
            receipts.entry(queue).or_default().push(receipt);
        }
        for (queue, receipts) in receipts {
            self.queue.release(&queue, &receipts).await?;
        }
        Ok(())
    }

    /// Every execution that Step Functions knows, and whether its end must be in the record by now.
    pub async fn executions(&self) -> anyhow::Result<BTreeMap<String, bool>> {
        let now = Utc::now();
        let listed = self.workflow.executions().await.map_err(|error| {
            with_next_step(
                error.cause().to_owned(),
                "run `safelight doctor`; the role needs states:ListExecutions",
            )
        })?;
        Ok(listed
            .into_iter()
            .map(|execution| (execution.name, is_due(execution.ended, now)))
            .collect())
    }

    /// An archived object; none if it is not there.
    pub async fn object(&self, object: &ObjectRef) -> anyhow::Result<Option<Vec<u8>>> {
        let image = ImageRef {
            bucket: self.objects.results_bucket().to_owned(),
            key: object.key.clone(),
            version: None,
            etag: None,
            sequencer: None,
            bytes: None,
        };
        match self.objects.read(&image, MAX_OBJECT).await {
            Ok(body) => Ok(Some(body)),
            Err(ObjectsError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What `doctor` asks, by name: whether it answers, and what it says.
    pub async fn probe(&self) -> Vec<(&'static str, Result<String, String>)> {
        let table = self.record.summary("doctor").await;
        let bucket = self.objects.results_bucket();
        let results = self.objects.head(bucket, "doctor").await;
        let letters = self.queue.depth(DEAD_LETTERS).await;
        let ingest = self.queue.depth(INGEST).await;
        let definition = self
            .workflow
            .definition(self.workflow.state_machine_arn())
            .await;
        let depth = |depth: safelight_ports::Depth| {
            format!("{} waiting, {} in work", depth.visible, depth.not_visible)
        };
        vec![
            (
                "record",
                table
                    .map(|_| "the table answers".into())
                    .map_err(|e| e.to_string()),
            ),
            (
                "results",
                results
                    .map(|_| format!("{bucket} answers"))
                    .map_err(|error| error.to_string()),
            ),
            ("ingest", ingest.map(depth).map_err(|e| e.to_string())),
            (
                "dead letters",
                letters.map(depth).map_err(|e| e.to_string()),
            ),
            (
                "workflow",
                definition
                    .map(|_| self.workflow.state_machine_arn().to_owned())
                    .map_err(|error| error.cause().to_owned()),
            ),
        ]
    }
}

/// Whether the record must have the end of an execution by now.
fn is_due(ended: Option<DateTime<Utc>>, now: DateTime<Utc>) -> bool {
    ended.is_some_and(|ended| ended + CLOSED_AFTER < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_missed_when_two_sweeps_have_looked() {
        let ended = DateTime::from_timestamp(1_795_262_400, 0).unwrap();
        let after = |hours: i64| is_due(Some(ended), ended + Duration::hours(hours));
        assert!(!after(1) && !after(2) && after(4));
        assert!(!is_due(None, ended), "it runs");
    }
}
