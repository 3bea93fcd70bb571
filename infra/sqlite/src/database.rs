//! The handle that components share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::error::DatabaseError;
use crate::migrate;
use crate::options::Options;
use crate::queue::Queue;
use crate::reader::{self, Read, ReaderConfig};
use crate::writer::{Job, Write, WriteQueue, Writer, panicked};

/// Marks the file as ours (`PRAGMA application_id`).
const APPLICATION_ID: i32 = 0x5AFE_117E;
/// The layout of the file itself (`PRAGMA user_version`); components count their own migrations.
const FORMAT: i32 = 1;

/// One open database. Clones share it; the last one dropped shuts it down.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    writes: Arc<WriteQueue>,
    reads: Arc<Queue<Read>>,
    readers: ReaderConfig,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Database {
    /// Opens or creates the file, and starts its threads. The folder must exist.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Self, DatabaseError> {
        let path = path.as_ref();
        let connection = open_writer(path, &options)?;
        let readers = ReaderConfig {
            path: path.to_owned(),
            cache_kib: options.reader_cache_kib,
            busy_timeout: options.busy_timeout,
        };
        let inner = Inner {
            writes: Arc::new(Queue::new(options.queue_capacity)),
            reads: Arc::new(Queue::new(options.queue_capacity)),
            readers,
            threads: Mutex::new(Vec::new()),
        };
        for _ in 0..options.readers.max(1) {
            let connection = inner.readers.open()?;
            let queue = Arc::clone(&inner.reads);
            inner.spawn("sqlite-reader", move || reader::run(&connection, &queue))?;
        }
        let writer = Writer {
            connection,
            queue: Arc::clone(&inner.writes),
            batch_limit: options.batch_limit,
            on_commit: options.on_commit,
            commits: 0,
        };
        inner.spawn("sqlite-writer", move || writer.run())?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Opens an existing file for reading only, beside the process that writes it. Writes and
    /// migrations get `Store.Closed`; `shutdown` leaves the file as it is.
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, DatabaseError> {
        let path = path.as_ref();
        let options = Options::default();
        let inner = Inner {
            writes: Arc::new(Queue::new(1)),
            reads: Arc::new(Queue::new(options.queue_capacity)),
            readers: ReaderConfig {
                path: path.to_owned(),
                cache_kib: options.reader_cache_kib,
                busy_timeout: options.busy_timeout,
            },
            threads: Mutex::new(Vec::new()),
        };
        inner.writes.close();
        let connection = inner.readers.open()?;
        check_owner(&connection, path)?;
        let queue = Arc::clone(&inner.reads);
        inner.spawn("sqlite-reader", move || reader::run(&connection, &queue))?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Queues a write and waits until it is durable. It runs once it is queued, even if this future
    /// is dropped; it must neither begin nor end a transaction.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let write: Box<dyn Job> = Box::new(Write::new(work, move |result| {
            // The caller may have gone away: the write is kept all the same.
            let _ = sender.send(result);
        }));
        // A job that is given back answers when it is dropped.
        drop(self.inner.writes.push_async(write).await);
        receiver
            .await
            .unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }

    /// As `write`, for a thread that may wait. Never call it from inside a write or a read, nor on a
    /// thread of an async runtime.
    pub fn write_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.write_then(work, move |result| {
            let _ = sender.send(result);
        });
        receiver
            .recv()
            .unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }

    /// Queues a write (waiting only for room in the queue) and calls `then` when it is durable or
    /// has failed: exactly once, on the writer's thread, so `then` must be short.
    pub fn write_then<T, E, F, R>(&self, work: F, then: R)
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        R: FnOnce(Result<T, E>) + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let write: Box<dyn Job> = Box::new(Write::new(work, then));
        drop(self.inner.writes.push_blocking(write));
    }

    /// Reads on one of the read-only connections: a consistent view of what is durable if the
    /// closure is one statement; begin a transaction in it for more.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let read = boxed_read(work, move |result| {
            let _ = sender.send(result);
        });
        drop(self.inner.reads.push_async(read).await);
        receiver
            .await
            .unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }

    /// As `read`, for a thread that may wait.
    pub fn read_blocking<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        let read = boxed_read(work, move |result| {
            let _ = sender.send(result);
        });
        drop(self.inner.reads.push_blocking(read));
        receiver
            .recv()
            .unwrap_or_else(|_| Err(DatabaseError::Closed.into()))
    }

    /// A read-only connection of the caller's own, for a thread that reads all the time.
    pub fn reader(&self) -> Result<Connection, DatabaseError> {
        self.inner.readers.open()
    }

    /// Runs those of a component's migrations that this file has not had. Steps are only ever
    /// appended: one that ran must not change.
    pub fn migrate(&self, component: &str, steps: &[&str]) -> Result<(), DatabaseError> {
        let component = component.to_owned();
        let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
        self.write_blocking(move |tx| migrate::migrate(tx, &component, &steps))
    }

    /// Refuses further writes and reads, finishes what is queued, folds the log into the file, and
    /// closes it. Blocks until done; further calls do nothing.
    pub fn shutdown(&self) {
        self.inner.shutdown();
    }
}

impl Inner {
    fn spawn(&self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), DatabaseError> {
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(work)
            .map_err(|error| DatabaseError::NotOpened(format!("no thread: {error}")))?;
        self.threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(thread);
        Ok(())
    }

    fn shutdown(&self) {
        self.reads.close();
        self.writes.close();
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // The last handle may be dropped by a reply, on the writer's own thread.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn boxed_read<T, E, F, R>(work: F, reply: R) -> Read
where
    F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    E: From<DatabaseError> + 'static,
    R: FnOnce(Result<T, E>) + Send + 'static,
    T: 'static,
{
    Box::new(move |connection| {
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|panic| Err(panicked(&*panic).into()));
        // A read that was left open would pin the log: it could never be folded.
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        reply(result);
    })
}

fn open_writer(path: &Path, options: &Options) -> Result<Connection, DatabaseError> {
    let opening = |error| DatabaseError::opening(path, error);
    let connection = Connection::open(path).map_err(opening)?;
    connection
        .busy_timeout(options.busy_timeout)
        .map_err(opening)?;
    check_owner(&connection, path)?;
    connection
        .execute_batch(&format!(
            "PRAGMA journal_mode=WAL;
             PRAGMA synchronous=FULL;
             PRAGMA foreign_keys=ON;
             PRAGMA mmap_size=0;
             PRAGMA cache_size=-{};
             PRAGMA temp_store=MEMORY;
             PRAGMA wal_autocheckpoint=1000;
             PRAGMA journal_size_limit=16777216;
             PRAGMA trusted_schema=OFF;",
            options.writer_cache_kib
        ))
        .map_err(opening)?;
    if let Some(pages) = options.max_page_count {
        connection
            .query_row(&format!("PRAGMA max_page_count={pages}"), [], |_| Ok(()))
            .map_err(opening)?;
    }
    connection
        .execute_batch(&format!(
            "BEGIN IMMEDIATE;
             PRAGMA application_id={APPLICATION_ID};
             PRAGMA user_version={FORMAT};
             {};
             COMMIT;",
            migrate::TABLE
        ))
        .map_err(opening)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Refuses a file of another program or of a later format before anything is written to it.
fn check_owner(connection: &Connection, path: &Path) -> Result<(), DatabaseError> {
    let number = |sql: &str| -> Result<i32, DatabaseError> {
        connection
            .query_row(sql, [], |row| row.get(0))
            .map_err(|error| DatabaseError::opening(path, error))
    };
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        return Err(DatabaseError::Foreign(path.display().to_string()));
    }
    let format = number("PRAGMA user_version")?;
    if format > FORMAT {
        return Err(DatabaseError::TooNew(format!(
            "{}: format {format}",
            path.display()
        )));
    }
    Ok(())
}
