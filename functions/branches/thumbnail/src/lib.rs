//! The thumbnail branch: a smaller picture of the image.
//!
//! What it does: one decode, and for each size one resize and one encode, upright, in the image's
//! colours unless sRGB is asked for.
//! What it never does: enlarge unless that is set, read or write an object (the handler does), decide by file extension.
//!
//! Invariants:
//! 1. A side of the thumbnail is `scale` × the upright side, rounded half up, at least one pixel, and
//!    never longer than the side it came from; so it is in a box, unless `enlarge` is set.
//! 2. The same input and settings give the same bytes.
//! 3. An animation is either kept whole or reduced to its first frame, as set; details say which.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod settings;
pub mod thumbnail;

mod handler;
mod plan;

pub use handler::FUNCTION;
pub use settings::{Animated, Background, ColourPolicy, Fit, OutputFormat, Settings, Size};
pub use thumbnail::{BranchError, Details, Made, Outcome, run};
