//! The one thread that writes: drain, run each in a savepoint, commit once, answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rusqlite::Connection;

use crate::error::{DatabaseError, take_last_fault};
use crate::options::CommitHook;
use crate::queue::Queue;

/// A queued write.
pub(crate) trait Job: Send {
    /// Runs the write once; says whether to keep what it did.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Replaces a success by this failure: the write was not kept.
    fn fail(&mut self, error: &DatabaseError);
    /// Answers the caller.
    fn release(self: Box<Self>);
}

/// A write with its caller. It answers exactly once: dropped unanswered, it says `Store.Closed`.
pub(crate) struct Write<T, E, F, R>
where
    E: From<DatabaseError>,
    R: FnOnce(Result<T, E>),
{
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: Option<R>,
}

impl<T, E, F, R> Write<T, E, F, R>
where
    E: From<DatabaseError>,
    R: FnOnce(Result<T, E>),
{
    pub(crate) fn new(work: F, reply: R) -> Self {
        Self {
            work: Some(work),
            result: None,
            reply: Some(reply),
        }
    }

    fn answer(&mut self) {
        let result = self
            .result
            .take()
            .unwrap_or_else(|| Err(E::from(DatabaseError::Closed)));
        if let Some(reply) = self.reply.take() {
            reply(result);
        }
    }
}

impl<T, E, F, R> Drop for Write<T, E, F, R>
where
    E: From<DatabaseError>,
    R: FnOnce(Result<T, E>),
{
    fn drop(&mut self) {
        if self.reply.is_some() {
            self.result = None;
            self.answer();
        }
    }
}

impl<T, E, F, R> Job for Write<T, E, F, R>
where
    T: Send,
    E: From<DatabaseError> + Send,
    F: FnOnce(&Connection) -> Result<T, E> + Send,
    R: FnOnce(Result<T, E>) + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let result = catch_unwind(AssertUnwindSafe(|| work(connection)))
            .unwrap_or_else(|panic| Err(E::from(panicked(&*panic))));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn fail(&mut self, error: &DatabaseError) {
        if !matches!(self.result, Some(Err(_))) {
            self.result = Some(Err(E::from(error.clone())));
        }
    }

    fn release(mut self: Box<Self>) {
        self.answer();
    }
}

/// What a panic said.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> DatabaseError {
    let text = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned());
    DatabaseError::Panicked(text.unwrap_or_else(|| "no message".to_owned()))
}

/// The queue as the writer's thread sees it.
pub(crate) type WriteQueue = Queue<Box<dyn Job>>;

/// What the writer's thread owns.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) queue: Arc<WriteQueue>,
    pub(crate) batch_limit: usize,
    pub(crate) on_commit: Option<CommitHook>,
    pub(crate) commits: u64,
}

impl Writer {
    /// Works until the queue is closed and empty, then folds the log into the file.
    pub(crate) fn run(mut self) {
        // Whatever ends this thread, nobody is left waiting.
        let guard = Abandon(Arc::clone(&self.queue));
        while let Some(mut jobs) = self.queue.take(self.batch_limit) {
            while !jobs.is_empty() {
                jobs = self.transaction(jobs);
            }
        }
        if let Err(error) = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        {
            tracing::warn!(%error, "the database log could not be folded into its file; it is read at the next start");
        }
        drop(guard);
    }

    /// Runs jobs in one transaction and answers them. Gives back those that have to run in another,
    /// because SQLite rolled the whole transaction back under the one before them.
    fn transaction(&mut self, mut jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            Self::answer(jobs, Some(&DatabaseError::from(error)));
            return Vec::new();
        }
        let mut kept = 0_usize;
        for index in 0..jobs.len() {
            let Some(job) = jobs.get_mut(index) else {
                break;
            };
            take_last_fault();
            match self.savepoint(job.as_mut()) {
                Ok(true) => kept += 1,
                Ok(false) => {}
                Err(error) => job.fail(&error),
            }
            if self.connection.is_autocommit() {
                let reason = take_last_fault().unwrap_or(DatabaseError::Undone);
                let rest = jobs.split_off(index + 1);
                Self::answer(jobs, Some(&reason));
                return rest;
            }
        }
        let failure = if kept == 0 {
            self.rollback()
        } else {
            self.commit()
        };
        if failure.is_none() && kept > 0 {
            self.commits += 1;
            if let Some(hook) = &self.on_commit {
                hook(self.commits);
            }
        }
        Self::answer(jobs, failure.as_ref());
        Vec::new()
    }

    fn savepoint(&self, job: &mut dyn Job) -> Result<bool, DatabaseError> {
        self.cached("SAVEPOINT write")?;
        let keep = job.run(&self.connection);
        if self.connection.is_autocommit() {
            return Ok(false);
        }
        if !keep {
            self.cached("ROLLBACK TO write")?;
        }
        self.cached("RELEASE write")?;
        Ok(keep)
    }

    fn commit(&self) -> Option<DatabaseError> {
        let error = DatabaseError::from(self.cached("COMMIT").err()?);
        tracing::error!(error.name = error.name(), %error, "a commit failed: its writes were undone");
        if !self.connection.is_autocommit() {
            self.rollback();
        }
        Some(error)
    }

    fn rollback(&self) -> Option<DatabaseError> {
        self.cached("ROLLBACK").err().map(DatabaseError::from)
    }

    fn cached(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn answer(jobs: Vec<Box<dyn Job>>, failure: Option<&DatabaseError>) {
        for mut job in jobs {
            if let Some(error) = failure {
                job.fail(error);
            }
            job.release();
        }
    }
}

struct Abandon(Arc<WriteQueue>);

impl Drop for Abandon {
    fn drop(&mut self) {
        // Dropping a job answers it.
        drop(self.0.abandon());
    }
}
