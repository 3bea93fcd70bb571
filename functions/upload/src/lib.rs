//! Upload: images over HTTP, as an API Gateway HTTP API gives requests to a function (payload format
//! 2.0). A small image comes through the function; for a large one it gives leave, by a presigned
//! request, to put it into the bucket. On one machine `safelight serve` takes the same PUT itself.
//!
//! It never decides who may come in: the API's authorizer does, and this only refuses what passed
//! none. It never starts an execution: the bucket's notification does.
//!
//! Invariants, cited by the tests:
//! 1. What passed no authorizer is refused before anything else is looked at.
//! 2. What is no image by its content is refused, whatever its name says.
//! 3. An object is written whole, with the media type of its content, or not at all.
//! 4. Leave is given for one object, one size and one media type, and not for long.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod content;
mod handler;
mod refusal;
mod request;

pub use handler::{FUNCTION, Settings};
