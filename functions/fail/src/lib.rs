//! Fail: records what failed, sends the dead letter, and says the error that the execution ends with.
//!
//! It never retries anything and never hides a branch's error behind another one.
//!
//! Invariants, cited by the tests:
//! 1. An execution has one dead letter, however often `fail` is called; only a crash between sending
//!    and recording can make a second.
//! 2. The execution ends with the only failed branch's own error, or with `Branches.Failed`.
//! 3. A cause is text for a person, never the JSON that a Lambda wrapped it in.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod cause;

mod handler;

pub use handler::{FUNCTION, Settings};
