//! The compress branch: the same picture in fewer bytes.
//!
//! What it does: recompresses JPEG and lossy WebP at a quality, as what they are or as AVIF, and
//! everything else without loss.
//! What it never does: make a file larger, flatten an animation, drop a page, touch an object (the
//! handler does).
//!
//! Invariants:
//! 1. The output is never larger than the input: then it is the input, byte for byte, and details
//!    say `kept_original` and why.
//! 2. Lossless formats come out with the same pixels.
//! 3. Colour profiles stay, but in AVIF, whose colours are sRGB's and the details say so; orientation
//!    is applied to the pixels; EXIF goes unless it is to be kept.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod compress;

mod handler;

pub use compress::{BranchError, Details, JpegChroma, LossyFormat, Outcome, Settings, run};
pub use handler::FUNCTION;
