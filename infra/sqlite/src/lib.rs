//! One SQLite database file, shared by every local component that must not lose anything.
//!
//! It opens the file, runs each component's migrations, and owns the only connection that writes:
//! writes are queued, and one thread drains what is queued, runs each in a savepoint of one
//! transaction, commits once and only then answers. Reads go to a few read-only connections.
//!
//! It never interprets what is stored, never retries a write (a closure runs at most once), and
//! never answers before the disk has the data.
//!
//! ```text
//!  write ─┐                      ┌─ savepoint 1 ─┐
//!  write ─┼─► bounded queue ─►  BEGIN  savepoint 2  COMMIT (fsync) ─► on_commit ─► replies
//!  write ─┘     (one thread)     └─ savepoint 3 ─┘
//! ```
//!
//! Invariants
//!
//! 1. A reply `Ok` means that the write is on disk (WAL, `synchronous=FULL`).
//! 2. A write that fails, or panics, undoes itself and nothing else.
//! 3. When the commit fails, every write of that commit gets the reason, and nothing of it is kept.
//! 4. Writes become visible in the order in which they were queued.
//! 5. `Options::on_commit` runs after the commit is durable and before any of its replies.
//! 6. After `shutdown` the log is folded into the file, and a write gets `Store.Closed`.
//! 7. A migration runs once, whole or not at all; a file written by a newer program is refused.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod database;
mod error;
mod migrate;
mod options;
mod queue;
mod reader;
mod writer;

pub use database::Database;
pub use error::DatabaseError;
pub use options::{CommitHook, Options};
pub use rusqlite;

/// A write or a read that needs no error of its own returns this.
pub type Result<T> = std::result::Result<T, DatabaseError>;
