//! The Step Functions API, JSON 1.0, over the engine: what AWS's SDKs, boto3 and the `aws` command
//! speak.
//!
//! It turns requests into calls of `EngineHandle` and answers into AWS's shapes. It decides nothing
//! about executions, keeps no state, and never answers an action that it does not have with
//! anything but `UnknownOperationException`. Tags are accepted and not kept.
//!
//! Invariants
//!
//! 1. Every answer, errors included, is JSON in AWS's shape with a request id.
//! 2. A request whose `Host` is not a loopback name, or one that was configured, is refused before
//!    its body is read: a web page that rebinds its name to this machine gets nothing.
//! 3. With a token configured, a request without it is refused before its body is read.
//! 4. No body above the limit is read into memory.
//! 5. What was wrong with a request says so by AWS's exception; a fault of the engine is a 5xx, which
//!    AWS's clients retry.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod guard;
mod operations;
mod router;
mod wire;

pub use router::{ApiOptions, router};
