//! A bounded queue from many callers, waiting or async, to a few threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// The queue. Closing it lets what is queued be taken and refuses the rest.
pub(crate) struct Queue<J> {
    state: Mutex<State<J>>,
    filled: Condvar,
    room: Condvar,
    room_async: Notify,
    capacity: usize,
}

struct State<J> {
    jobs: VecDeque<J>,
    closed: bool,
}

impl<J> Queue<J> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                closed: false,
            }),
            filled: Condvar::new(),
            room: Condvar::new(),
            room_async: Notify::new(),
            capacity: capacity.max(1),
        }
    }

    /// Queues a job, waiting for room; gives it back when the queue is closed.
    pub(crate) fn push_blocking(&self, job: J) -> Result<(), J> {
        let mut state = self.lock();
        while state.jobs.len() >= self.capacity && !state.closed {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.push(state, job)
    }

    /// Queues a job, awaiting room; gives it back when the queue is closed.
    pub(crate) async fn push_async(&self, job: J) -> Result<(), J> {
        loop {
            // Registered before the look at the queue: a wake-up in between is not lost.
            let room = self.room_async.notified();
            {
                let state = self.lock();
                if state.jobs.len() < self.capacity || state.closed {
                    return self.push(state, job);
                }
            }
            room.await;
        }
    }

    /// Waits for jobs and takes at most `limit` of them in order; `None` when closed and empty.
    pub(crate) fn take(&self, limit: usize) -> Option<Vec<J>> {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let was_full = state.jobs.len() >= self.capacity;
        let taken = state.jobs.len().min(limit.max(1));
        let jobs = state.jobs.drain(..taken).collect();
        drop(state);
        if was_full {
            self.room.notify_all();
            self.room_async.notify_waiters();
        }
        Some(jobs)
    }

    /// Refuses further jobs; what is queued is still taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.room.notify_all();
        self.room_async.notify_waiters();
    }

    /// Closes the queue and gives back what nobody will take.
    pub(crate) fn abandon(&self) -> VecDeque<J> {
        self.close();
        std::mem::take(&mut self.lock().jobs)
    }

    fn push(&self, mut state: MutexGuard<'_, State<J>>, job: J) -> Result<(), J> {
        if state.closed {
            return Err(job);
        }
        state.jobs.push_back(job);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// No code that can panic runs under the lock, so a poisoned one is still consistent.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
