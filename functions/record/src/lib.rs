//! Record: closes the record of an execution that ended.
//!
//! It reads the engine's whole history, keeps it as one content-addressed object, writes the states
//! that no function could write, the end, the seal and the summary. An execution that died inside a
//! state, so that `fail` never ran, gets its dead letter here.
//!
//! It never changes what was written before and never decides how an execution ended.
//!
//! Invariants, cited by the tests:
//! 1. Every state that the engine entered is in `history.archived`.
//! 2. Closing twice is closing once.
//! 3. Whatever failed has a dead letter: from `fail`, or else from here.
//! 4. The summary is written last: an execution is closed when it says how that ended.
//! 5. What ended is closed, even if nobody tells of its end: the sweep asks.
//! 6. What `start` died before it could say is said before the seal, since nobody can after it.
//! 7. What a function of the execution writes is under the seal: while one may still run there is none.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod history;

mod calls;
mod close;
mod handler;
mod sweep;

pub use handler::{FUNCTION, Settings};
