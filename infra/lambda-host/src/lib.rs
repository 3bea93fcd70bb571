//! A local host for Lambda functions: the Lambda Runtime API on loopback and a pool of worker
//! processes.
//!
//! [`LambdaHost::invoke`] hands an event to a worker process and returns what its handler returned,
//! or an error with the name that Lambda would give. Any program that polls the Runtime API
//! (version 2018-06-01) can be a worker. The [`worker`] module is the other side: what a worker of
//! ours does at its start.
//!
//! What it never does: look into an event, retry an invocation that reached a worker, listen
//! anywhere but on 127.0.0.1, or let what a worker does (a crash, a leak, an endless loop, an endless
//! line in its log) end or block the host.
//!
//! ```text
//!  invoke ──► queue of the function ──► supervisor (one task a worker) ──► parked `next`
//!                      ▲                     │   │   │                         │
//!                      └── slot is free ─────┘   │   └─ process: exit, memory  ▼
//!                                                └───── listener ◄──────── worker process
//! ```
//!
//! Invariants:
//! 1. A worker has one invocation at a time, and a listener of its own: the API carries no worker
//!    identity, so the port is the identity.
//! 2. Every invocation gets exactly one answer, in order of arrival within its function; between
//!    functions the one served longest ago goes first.
//! 3. An invocation is given to another worker only when no byte of it reached the first.
//! 4. A worker that timed out, outgrew its memory, was stopped by its caller or exited is killed with its
//!    process group, reaped and its port closed before its invocation is answered.
//! 5. Nothing is held without a limit: payloads, waiting invocations, connections, log lines.
//! 6. After [`LambdaHost::shutdown`] there is no child, no listener and no task of the host left. If the
//!    host is killed, idle workers see their connection close, and those that called
//!    [`worker::die_with_parent`] die at once.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod config;
mod error;
mod host;
mod logs;
mod memory;
mod process;
mod running;
mod runtime_api;
mod state;
mod supervisor;
pub mod worker;

pub use config::{FunctionConfig, HostOptions, InvokeOptions, RegisterError, WorkerCommand};
pub use error::{Fault, InvokeError};
pub use host::LambdaHost;
pub use state::FunctionStats;

/// Most bytes of an event, as Lambda limits a synchronous invocation.
pub const MAX_REQUEST_BYTES: usize = 6 * 1024 * 1024;

/// Most bytes of a response: Lambda's limit of 6 MB, and the 100 bytes it allows above it.
pub const MAX_RESPONSE_BYTES: usize = MAX_REQUEST_BYTES + 100;
