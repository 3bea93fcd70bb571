//! The adapters of one machine: record and queues in SQLite, objects in folders, alarms, and the
//! loopback door through which worker processes reach the host's record and queues.
//!
//! It never decides what is recorded or sent, never listens by itself, and never hashes an image
//! that nobody asked to identify.
//!
//! Invariants, cited by the tests:
//! 1. What was acknowledged is on disk.
//! 2. A key names one file below its bucket's folder, or nothing: no key leaves the folder.
//! 3. An object is replaced whole or not at all, also between processes.
//! 4. One process owns the state folder; who else wants it is told who has it.
//! 5. A change of an alarm's state and the message about it are saved together.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alarm;
mod client;
mod clock;
mod file;
mod keys;
mod lock;
mod objects;
mod presign;
mod queue;
mod record;
mod refusal;
mod server;
mod token;

pub use client::HostClient;
pub use clock::Clock;
pub use file::etag as file_etag;
pub use keys::{MAX_COMPONENT as MAX_KEY_PART, of_path as key_of_path};
pub use lock::{HostFile, LockError, StateLock};
pub use objects::{FolderObjects, Folders, RESULTS_BUCKET};
pub use presign::ServeUploads;
pub use queue::{Browsed, MAX_RETENTION, QueueConfig, Redrive, SqliteQueue};
pub use record::SqliteRecord;
pub use server::router;
pub use token::random_token;
