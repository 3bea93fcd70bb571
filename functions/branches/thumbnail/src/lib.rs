//! The thumbnail branch: a smaller picture of the image.
//!
//! What it does: one decode, one resize, one encode, upright, in the image's colours.
//! What it never does: enlarge, read or write an object (the handler does), decide by file extension.
//!
//! Invariants:
//! 1. A side of the thumbnail is `scale` × the upright side, rounded half up, at least one pixel,
//!    and never longer than the side it came from.
//! 2. The same input and settings give the same bytes.
//! 3. An animation is either kept whole or reduced to its first frame, as set; details say which.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod thumbnail;

mod handler;

pub use handler::FUNCTION;
pub use thumbnail::{Animated, BranchError, Details, Outcome, Settings, run};
