//! The adapters of AWS, from the environment variables of docs/aws.md.

use std::sync::Arc;

use anyhow::Context as _;
use safelight_aws::{
    CachedSecret, DynamoRecord, ImageSource, KEPT, Rekognition, S3Objects, Sdk, SqsQueues,
};
use safelight_kit::sfn::{STATE_MACHINE_ARN, Workflow};
use safelight_kit::{Adapters, letters};
use safelight_ports::{Objects, Queue};

use crate::needs::Needed;
use crate::no_queue::NoQueue;

const TABLE: &str = "SAFELIGHT_TABLE";
const RESULTS: &str = "SAFELIGHT_RESULTS_BUCKET";
const DEAD_LETTERS: &str = "SAFELIGHT_DEAD_LETTER_QUEUE_URL";
const WEBHOOK: &str = "SAFELIGHT_SLACK_WEBHOOK_SECRET_ARN";
const RETENTION: &str = "SAFELIGHT_RETENTION_DAYS";

fn optional(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &str) -> anyhow::Result<String> {
    optional(name).with_context(|| format!("{name} is not set: docs/aws.md says what it is"))
}

/// What the function works with.
pub(crate) fn adapters<N: Needed>() -> anyhow::Result<Adapters> {
    let sdk = Sdk::of_lambda();
    let s3 = S3Objects::new(sdk.s3(), required(RESULTS)?);
    let objects: Arc<dyn Objects> = Arc::new(s3.clone());
    let retention = optional(RETENTION)
        .map(|days| {
            days.parse()
                .with_context(|| format!("{RETENTION}: '{days}'"))
        })
        .transpose()?;
    let record = DynamoRecord::new(sdk.dynamodb(), required(TABLE)?, Arc::clone(&objects))
        .with_retention_days(retention);
    let queue: Arc<dyn Queue> = if const { N::NEEDS.queue } {
        let urls = [(letters::QUEUE.to_owned(), required(DEAD_LETTERS)?)];
        Arc::new(SqsQueues::new(sdk.sqs(), urls))
    } else {
        Arc::new(NoQueue)
    };
    let mut adapters = Adapters::new(Arc::new(record), queue, objects).with_settings()?;
    if const { N::NEEDS.workflow } {
        let arn = required(STATE_MACHINE_ARN)?;
        adapters.workflow = Some(Workflow::new(sdk.step_functions(), arn));
    }
    if const { N::NEEDS.presign } {
        adapters.presign = Some(Arc::new(s3));
    }
    if const { N::NEEDS.labels } {
        let service = Rekognition::new(sdk.rekognition(), ImageSource::S3);
        adapters.labels = Some(Arc::new(service));
    }
    if const { N::NEEDS.webhook }
        && let Some(arn) = optional(WEBHOOK)
    {
        adapters.webhook = Some(Arc::new(CachedSecret::new(sdk.secrets(), arn, KEPT)));
    }
    Ok(adapters)
}
