//! Composition: the trunk (`workflows/trunk.asl.json`) and the folders of the branches
//! (`functions/branches/*`) become one Amazon States Language definition, `workflows/image.asl.json`.
//!
//! [`compose`] is a function of its arguments. Only [`folder`], [`sync`] and [`scaffold`] touch files,
//! and only those of the repository whose root they are given. It never starts an execution, calls a
//! function or reads a clock.
//!
//! The trunk and a branch's `states.asl.json` hold the definition's own words, with these texts in
//! place of what composition knows better:
//!
//! | text | where | becomes |
//! |---|---|---|
//! | `@standard` | `Retry` | the retriers of [`retry::standard`] |
//! | `@context` | in `Payload` | the task's context, as `safelight_schema::task::TaskContext` |
//! | `@error` | `Assign` or `Output` of a `Catch` | `{name, cause}` of the error that was caught |
//! | `@branches` | the trunk | every branch's rule, so that rules and versions are bound to the definition |
//! | `@dispatch` | the trunk's `Choices` | a rule a branch; the flow around it takes the branches' states |
//! | `@function` | a branch's `FunctionName` | the branch's function |
//! | `@payload` | a branch's `Payload` | context, image, branch, version and facts |
//!
//! A function's name stands in the definition as plain text, `safelight-<function>`: deployed, it
//! is the ARN of a version ([`with_arns`]).
//!
//! Invariants, cited by the tests:
//! 1. The same trunk and branches give the same bytes, in whatever order the branches are given.
//! 2. What is composed is a valid definition, finds nothing at [`safelight_asl::lint`], and is smaller
//!    than 1 MB; no name is longer than 80 characters and none is used twice.
//! 3. A branch's states stand under `<branch>/` and lead to nothing outside of it.
//! 4. A branch that fails does not stop the others: every Task of it is caught.
//! 5. A branch leaves nothing behind: composed without it, the definition does not contain its name.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arns;
mod branch_states;
mod compose;
mod error;
pub mod folder;
pub mod graph;
mod placeholder;
mod render;
pub mod retry;
pub mod scaffold;
pub mod sync;

pub use arns::{ArnError, with_arns};
pub use branch_states::{FUNCTION_PREFIX, TASK_TIMEOUT_MARGIN_SECONDS, function_of};
pub use compose::{compose, rules};
pub use error::ComposeError;
pub use folder::BranchFolder;
pub use render::{definition_hash, render};

/// The trunk that this build was made with.
pub const TRUNK_ASL: &str = include_str!("../../trunk.asl.json");

/// The composed workflow that this build was made with.
pub const IMAGE_ASL: &str = include_str!("../../image.asl.json");
