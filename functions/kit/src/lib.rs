//! What every function shares: the Lambda bootstrap, the recorder around a Task, the results writer,
//! the shapes of SQS and SNS, the Step Functions client, and the limits.
//!
//! It never names an adapter: a `main.rs` builds [`Adapters`] and calls [`run`]. It never decides what
//! a function does with an image.
//!
//! Invariants, cited by the tests:
//! 1. A Task is recorded as entered (or retried) before its result events and how it ended, in the same
//!    append, or in an earlier one where its function takes longer than [`task::ENTERED_WITHIN`]; if
//!    the record cannot be written, the invocation fails.
//! 2. An error's name is one of `schema::error_name`; a panic has one too.
//! 3. An output over 8 KiB is refused before it is recorded as a success.
//! 4. A late, older version of an image never overwrites a newer one's results; the same bytes of the
//!    same version again change nothing.
//! 5. The same invocation twice leaves the record, the results and the queues as one does.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod branch;
pub mod clock;
pub mod failures;
pub mod letters;
pub mod order;
pub mod payload;
pub mod results;
pub mod sfn;
pub mod sqs;
pub mod task;
#[cfg(feature = "testing")]
pub mod testing;

mod adapters;
mod error;
mod function;
mod nowhere;
mod run;

pub use adapters::Adapters;
pub use clock::{Clock, SystemClock};
pub use error::FunctionError;
pub use function::{Function, Handler, Invocation, Place};
pub use run::{RunError, init_tracing, run, serve};
pub use task::{Done, Failure, Task, TaskCall};

/// Largest output of a function, bytes (DESIGN: the workflow). Results go to object storage.
pub const MAX_OUTPUT_BYTES: usize = 8 << 10;

/// Largest payload that an event carries itself, bytes; above it the event keeps the hash.
pub const MAX_INLINE_BYTES: usize = 4 << 10;

/// Longest cause of an error, bytes; what is longer is cut, and says so.
pub const MAX_CAUSE_BYTES: usize = 2 << 10;
