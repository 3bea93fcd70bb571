//! How a database is opened.

use std::sync::Arc;
use std::time::Duration;

/// Called with the number of each commit of this process, from 1.
pub type CommitHook = Arc<dyn Fn(u64) + Send + Sync>;

/// How a database is opened. The defaults keep a host under 40 MiB.
#[derive(Clone)]
pub struct Options {
    /// Writes that may wait before a writer has to: bounds memory under load.
    pub queue_capacity: usize,
    /// Most writes of one commit.
    pub batch_limit: usize,
    /// Read-only connections, each with a thread.
    pub readers: usize,
    /// Page cache of the writer, in KiB.
    pub writer_cache_kib: u32,
    /// Page cache of each reader, in KiB.
    pub reader_cache_kib: u32,
    /// How long to wait for another process that holds the file.
    pub busy_timeout: Duration,
    /// Most pages (4096 bytes each) that the file may have; `None` leaves it to the disk.
    pub max_page_count: Option<u32>,
    /// Called on the writer's thread after each durable commit and before its replies are released.
    /// If it panics the writer stops there, as if the process had been killed.
    pub on_commit: Option<CommitHook>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_capacity: 4096,
            batch_limit: 1024,
            readers: 2,
            writer_cache_kib: 4096,
            reader_cache_kib: 1024,
            busy_timeout: Duration::from_secs(5),
            max_page_count: None,
            on_commit: None,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("queue_capacity", &self.queue_capacity)
            .field("batch_limit", &self.batch_limit)
            .field("readers", &self.readers)
            .field("max_page_count", &self.max_page_count)
            .field("on_commit", &self.on_commit.is_some())
            .finish_non_exhaustive()
    }
}
