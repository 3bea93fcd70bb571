//! Validate: what an image is, from the few bytes that say so, and whether the policy takes it.
//!
//! [`Prober`] asks for byte ranges and is given bytes; it never performs I/O itself, so that the same
//! code reads a file, an S3 object by ranged GETs, or a slice under a fuzzer. [`probe_slice`] and
//! [`probe_with`] drive it. [`policy`] holds what a team allows.
//!
//! It never looks at a pixel, never trusts a file's extension, and never follows a reference out of
//! the file.
//!
//! Invariants:
//! 1. At most [`MAX_READS`] reads and [`MAX_BYTES`] bytes in all, whatever the file says.
//! 2. No allocation is sized by a number in the file: memory is the bytes that were fed.
//! 3. Every input ends in facts or in one named error, after finitely many steps; nothing panics.
//! 4. The same bytes give the same answer, however they are cut into ranges.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod detect;
mod error;
mod exif;
mod formats;
mod handler;
pub mod policy;
mod prober;
mod source;

pub use error::HeaderError;
pub use handler::FUNCTION;
pub use policy::{ExtensionAction, Policy, PolicyError, Warning};
pub use prober::{MAX_BYTES, MAX_READS, Prober, Step, probe_slice, probe_with};
