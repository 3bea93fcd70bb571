//! In-memory adapters, a settable clock and loopback servers, for the tests of functions.
//!
//! Not for production: everything is lost with the process. Panics where a test is wrong.
#![allow(clippy::unwrap_used)]

mod bench;
mod http;
mod objects;
mod queue;
mod record;
mod step_functions;

pub use bench::{
    Bench, FixedLabels, TINY_GIF, TestClock, facts, image, invocation, sqs_event, task_event,
    tiny_gif_event,
};
pub use http::{HttpServer, Request, Response};
pub use objects::MemoryObjects;
pub use queue::MemoryQueue;
pub use record::MemoryRecord;
pub use step_functions::StepFunctions;
