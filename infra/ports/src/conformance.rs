//! Conformance suites, one a port: every adapter runs them in its tests. Each panics with what it
//! expected, and cites the invariant of the crate that it is about.
//!
//! Names that a suite makes are new in every run, so a store that is shared will do.
#![expect(
    clippy::unwrap_used,
    reason = "a suite panics where an adapter does not conform"
)]

mod objects;
mod queue;
mod record;

pub use objects::{ObjectsUnderTest, objects};
pub use queue::{QueueUnderTest, queue};
pub use record::record;

use std::sync::atomic::{AtomicU64, Ordering};

/// A name that no other test and no earlier run used.
fn unique(prefix: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = chrono::Utc::now().timestamp_micros();
    format!("{prefix}-{now:x}-{}-{number}", std::process::id())
}
