//! Adapters of AWS services. Each is behind a cargo feature: the build for one machine has none.
//!
//! It never decides what is done with an answer. A call is tried a few times, with full jitter; what
//! fails for longer than that is the workflow's, or the queue's, to try again.
//!
//! Invariants, cited by the tests:
//! 1. What a service answers is handed on as it came, fields that this build does not know included.
//! 2. Throttling, faults of the service and refusals are three different errors.
//! 3. An append is one item, written where nothing is: whole or not at all, and never over another.
//! 4. No secret is printed, nor in an error.
//!
//! The record answers reads consistently; the index is the one thing that may lag behind.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "dynamodb")]
mod dynamodb;
#[cfg(feature = "rekognition")]
mod rekognition;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "sdk")]
mod sdk;
#[cfg(feature = "secrets")]
mod secrets;
#[cfg(feature = "sqs")]
mod sqs;

#[cfg(feature = "dynamodb")]
pub use dynamodb::{DynamoRecord, Meter, Units};
#[cfg(feature = "rekognition")]
pub use rekognition::{ImageSource, Rekognition, rekognition_from_environment};
#[cfg(feature = "s3")]
pub use s3::{Listed, S3Objects};
#[cfg(feature = "sdk")]
pub use sdk::Sdk;
#[cfg(feature = "secrets")]
pub use secrets::{CachedSecret, KEPT};
#[cfg(feature = "sqs")]
pub use sqs::SqsQueues;
