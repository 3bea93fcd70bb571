//! Complete: records that every branch that wanted the image succeeded.
//!
//! It never looks at results: what a branch wrote is in the branch's own event.
//!
//! Invariants, cited by the tests:
//! 1. `image.completed` is written only when no branch failed.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod handler;

pub use handler::{FUNCTION, Settings};
