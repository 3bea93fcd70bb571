//! Durable execution of state machines on one machine.
//!
//! One thread, the loop, owns every open execution. It drains what callers, runners and timers
//! brought, lets the decider say what happens next, and appends the new history events of all
//! executions in one write. Only when that is on disk does it perform: answer callers, hand tasks
//! to the runner, tell who watches. While one write commits, the next is computed.
//!
//! ```text
//!  start, stop ──┐             ┌─ decide, evolve ─┐                    ┌─► replies
//!  task results ─┼─► the loop ─┤  until nothing   ├─► one write, fsync ┼─► TaskRunner::dispatch
//!  timers ───────┘             └─ more to decide ─┘                    └─► status changes
//! ```
//!
//! It never evaluates a state itself (that is the decider's), never runs a task itself (that is the
//! runner's), and never retries a commit: when the store fails, it stops, and a restart goes on
//! from what is on disk.
//!
//! Invariants
//!
//! 1. Append, then perform: nothing is visible outside before the event that caused it is durable.
//! 2. An execution is a fold over its history. After a kill at any instant, opening the same
//!    database goes on as if nothing had happened: nothing acknowledged is lost, a task whose
//!    result was recorded never runs again, a task in flight may.
//! 3. Events of one execution are numbered 1, 2, 3 … without gaps; each write appends one row of
//!    them, never changes one.
//! 4. The status hook runs in the transaction that makes the change.
//! 5. A finished execution leaves memory; what is asked about it is read from the database.
//! 6. A name is used once per state machine: a start with the same name and input, while that
//!    execution is open, is that execution; any other is `ExecutionAlreadyExists`.
//! 7. Time and randomness enter here, and only as the decider's `Moment`.
//! 8. When the store fails, every waiting caller gets the store's error, and nothing is performed.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod append;
mod arn;
mod catalog;
mod clock;
mod engine;
mod error;
mod handle;
mod live;
mod machine;
mod message;
mod query;
mod recovery;
mod run_loop;
mod status;
mod tables;
mod task;
mod timers;

pub use arn::Names;
pub use clock::{Clock, ManualClock, SystemClock};
pub use engine::{Engine, EngineOptions};
pub use error::EngineError;
pub use handle::{EngineHandle, StartExecution, Started, StopExecution};
pub use machine::{
    CreateStateMachine, StateMachineDescription, StateMachineSummary, UpdateStateMachine, Updated,
};
pub use query::{
    ExecutionDescription, ExecutionSummary, HistoryPage, HistoryQuery, execution_statuses,
};
pub use safelight_decider::{ExecutionStatus, HistoryEvent};
pub use status::{StatusChange, StatusHook};
pub use task::{DispatchedTask, TaskCompletion, TaskRunner};
