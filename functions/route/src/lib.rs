//! Route: which branches want an image, and for each other branch, why not.
//!
//! [`rules`] is pure, and is what `safelight branch explain` shows. It never looks at the image itself:
//! its header's facts decide.
//!
//! Invariants, cited by the tests:
//! 1. Every branch is either wanted or skipped with a reason, in the order of the rules.
//! 2. The same facts, key, rules and settings give the same answer.
//! 3. At most 24 branches are wanted.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod rules;

mod handler;

pub use handler::{FUNCTION, Settings};
pub use rules::{BranchSettings, SkipReason, explain, explain_with};
