//! The label branch: what pixels honestly tell, in the shape of Rekognition's `DetectLabels`.
//!
//! What it does: the local provider `properties` — quality, dominant colours, and a few labels that
//! follow from pixels alone (Photograph, Graphic, Line Art, Document, Black And White, Blurred, Dark,
//! Transparent).
//! What it never does: name an object that it did not see. There is no model of things in here.
//!
//! Invariants:
//! 1. One decode an image, measured on a picture of at most [`features::LONGEST_SIDE`] pixels a side.
//! 2. Every number is within its range: confidence, quality and percentages from 0 to 100.
//! 3. Foreground and background are given only where transparency tells them apart.
//! 4. The same bytes and settings give the same JSON.
//!
//! Formulas, ranges, precision and recall: `docs/labels.md`.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod colours;
pub mod features;
pub mod model;
pub mod properties;
pub mod quality;
pub mod response;

mod handler;

pub use handler::{BranchSettings, FUNCTION, Provider};
pub use properties::{BranchError, Details, Outcome, Settings, run};
pub use response::DetectLabels;
