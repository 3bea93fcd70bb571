//! The host with real worker processes: this very test program, started again in a worker role, and a
//! function in Python's standard library.
#![allow(clippy::unwrap_used, missing_docs)]

mod failures;
mod invocations;
mod lifecycle;
mod python;
mod support;
mod worker;
