//! Read-only connections, each on a thread of its own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::DatabaseError;
use crate::queue::Queue;

/// A queued read: it answers its caller itself.
pub(crate) type Read = Box<dyn FnOnce(&Connection) + Send>;

/// How a reader is opened.
#[derive(Debug, Clone)]
pub(crate) struct ReaderConfig {
    pub(crate) path: PathBuf,
    pub(crate) cache_kib: u32,
    pub(crate) busy_timeout: Duration,
}

impl ReaderConfig {
    pub(crate) fn open(&self) -> Result<Connection, DatabaseError> {
        let opening = |error| DatabaseError::opening(&self.path, error);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(opening)?;
        connection
            .busy_timeout(self.busy_timeout)
            .map_err(opening)?;
        connection
            .execute_batch(&format!(
                "PRAGMA query_only=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-{};",
                self.cache_kib
            ))
            .map_err(opening)?;
        connection.set_prepared_statement_cache_capacity(32);
        Ok(connection)
    }
}

/// Answers reads until the queue is closed and empty.
pub(crate) fn run(connection: &Connection, queue: &Arc<Queue<Read>>) {
    while let Some(reads) = queue.take(1) {
        for read in reads {
            read(connection);
        }
    }
}
