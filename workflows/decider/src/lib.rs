//! The decider: an execution as a fold over its history, and what follows next.
//!
//! [`Execution::evolve`] folds an event in; [`Execution::decide`] and
//! [`Execution::task_signal`] give the next event. This crate never reads a
//! clock, a source of randomness, a file or a socket, and has no async: times
//! and seeds arrive in a [`Moment`]. It calls no function: the engine does,
//! for what [`Execution::open_tasks`] lists.
//!
//! Invariants:
//!
//! 1. The same events give the same execution, live or replayed, at every
//!    prefix. Expressions, jitter and times are evaluated when an event is
//!    decided, never when it is folded in; what they gave is in the event.
//! 2. Ids count from 1 without gaps; `previous_event_id` names the event that
//!    led to this one, as Step Functions numbers them.
//! 3. After the last event of an execution nothing follows: no decision, no
//!    signal, no timer.
//! 4. A signal that was heard before, or whose task is not open, changes
//!    nothing.
//! 5. Deciding costs what the next scope costs: no list of scopes is searched.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod decide;
mod event;
mod evolve;
mod execution;
mod failure;
mod here;
mod info;
mod json;
mod limits;
mod scope;
mod states;
mod to_api;
mod unwind;

pub use event::{Detail, HistoryEvent, Iteration, MapNote, Note, Problem, Service, StateType};
pub use execution::{Execution, OpenTask, ReplayError};
pub use failure::{Failure, RetryNote};
pub use info::{ExecutionInfo, ExecutionStatus, TaskSignal};
pub use json::Json;
pub use limits::{MAX_DATA_BYTES, MAX_EVENTS};
pub use safelight_asl::Moment;
