//! Adapters of AWS services. Each is behind a cargo feature: the default build, for one machine, has
//! none of them.
//!
//! It never decides what is done with an answer, and never retries: the workflow does.
//!
//! Invariants, cited by the tests:
//! 1. What a service answers is handed on as it came, fields that this build does not know included.
//! 2. Throttling, faults of the service and refusals are three different errors.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "rekognition")]
mod rekognition;

#[cfg(feature = "rekognition")]
pub use rekognition::{ImageSource, Rekognition, rekognition_from_environment};
