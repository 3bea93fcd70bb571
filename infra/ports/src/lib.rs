//! The few traits behind which AWS and one machine look the same: record, queue, objects, labels,
//! a secret.
//!
//! It never names an adapter. Each trait has two real ones and a conformance suite (`conformance`,
//! behind a feature of that name) that every adapter must pass.
//!
//! Invariants, cited by the suites:
//! 1. An append whose ids are in the lane already changes nothing and answers what is stored.
//! 2. Of two claims of one execution exactly one is granted while the first is alive.
//! 3. A message is gone only when it was deleted with a receipt that is still its own.
//! 4. A conditional write that does not meet its condition changes nothing.
#![cfg_attr(test, allow(clippy::unwrap_used))]

#[cfg(feature = "conformance")]
pub mod conformance;
pub mod labels;
pub mod objects;
pub mod presign;
pub mod queue;
pub mod record;
pub mod secret;

pub use labels::{LabelError, Labels};
pub use objects::{ObjectHead, ObjectMeta, Objects, ObjectsError, WriteCondition, Written};
pub use presign::{Leave, Presign};
pub use queue::{Depth, Message, Queue, QueueError};
pub use record::{Append, Claim, Page, PointerItem, Record, RecordError};
pub use secret::{Secret, SecretError};
