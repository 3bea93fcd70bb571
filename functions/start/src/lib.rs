//! Start: queue messages in, one execution for each version of each image out.
//!
//! [`event`] reads the notifications (S3, SNS, EventBridge, and our own redrives); the handler claims
//! each image in the record and starts its execution.
//!
//! It never reads an object and never decides what is done with an image.
//!
//! Invariants, cited by the tests:
//! 1. One version of an image has one execution, however often and through whatever it is notified.
//! 2. A message is done only when every image that it names has an execution, and what cannot be read
//!    of it is in the dead-letter queue as a whole; all else makes it come again.
//! 3. What the product wrote itself starts nothing.
//! 4. No message panics, whatever its bytes.
//! 5. What the header says of the workflow is what the execution was started of.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod event;

mod definition;
mod handler;

pub use handler::{FUNCTION, Settings};
