//! What Safelight records and exchanges: event envelope and types, image facts, error names, keys,
//! branch manifests, dead letters.
//!
//! It never does I/O, reads no clock and draws no random number: ids, times and hashes are functions
//! of what they are given.
//!
//! Invariants, cited by the tests:
//! 1. An event's id depends only on execution, lane, state, epoch, attempt and kind, so a duplicate
//!    or a retried append is the same event.
//! 2. An event's hash covers every immutable field, its keys, and the hash before it in its lane.
//! 3. Every error name that any function or the engine can end with is listed in [`error_name`].
//! 4. A stored event of any version ever written can be read (`samples/`).
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod chain;
pub mod dead_letter;
pub mod error_name;
pub mod event;
pub mod header;
pub mod image;
pub mod key;
pub mod lane;
pub mod manifest;
pub mod summary;
pub mod task;
pub mod time;
pub mod token;

pub use chain::{Damage, DamageKind, Evidence, Seal, Tip};
pub use dead_letter::{DeadLetter, DeadLetterSchema, FailureClass};
pub use error_name::{ErrorInfo, ErrorName};
pub use event::{
    Draft, Event, EventData, FailedBranch, ObjectRef, SkippedBranch, StateVisit, WantedBranch,
};
pub use header::{ExecutionInput, Header};
pub use image::{ColourModel, Format, HeaderCost, ImageFacts, ImageRef};
pub use key::Pointer;
pub use lane::Lane;
pub use manifest::{Manifest, When};
pub use summary::{BranchSummary, Outcome, Summary};
pub use token::Token;
