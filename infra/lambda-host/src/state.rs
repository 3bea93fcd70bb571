//! The pool's books: what waits, what runs, which workers there are. Pure: the caller holds the lock
//! and acts on what is returned.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::{FunctionConfig, HostOptions};
use crate::error::InvokeError;

/// An invocation that waits or runs.
#[derive(Debug)]
pub(crate) struct Job {
    /// Index of the function.
    pub function: usize,
    pub request: Uuid,
    pub request_id: HeaderValue,
    pub payload: Bytes,
    pub trace_id: HeaderValue,
    pub client_context: Option<HeaderValue>,
    pub deadline: Option<Instant>,
    /// Becomes true when the caller wants it ended.
    pub stop: Option<watch::Receiver<bool>>,
    pub queued_at: Instant,
    /// How many workers ended before they took it.
    pub redeliveries: u8,
    pub reply: oneshot::Sender<Result<Bytes, InvokeError>>,
}

/// What a function's pool has done and does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FunctionStats {
    /// The function's name.
    pub function: String,
    /// Worker processes, those that start included.
    pub workers: usize,
    /// Of them, waiting for an invocation.
    pub idle: usize,
    /// Invocations that wait for a worker.
    pub waiting: usize,
    /// Invocations that a worker has.
    pub in_flight: usize,
    /// Invocations that were answered, well or not.
    pub invocations: u64,
    /// Workers that were started.
    pub cold_starts: u64,
    /// Invocations that were answered with an error.
    pub errors: u64,
    /// Invocations that were refused because too many waited.
    pub throttles: u64,
}

#[derive(Debug)]
pub(crate) struct Function {
    pub config: Arc<FunctionConfig>,
    pub name: Arc<str>,
    pub arn: HeaderValue,
    pub waiting: VecDeque<Job>,
    /// The most recently used last.
    pub idle: Vec<Idle>,
    pub workers: usize,
    /// Workers that have not polled `next` yet.
    pub starting: usize,
    pub in_flight: usize,
    /// Starts that failed since the last that did not.
    failed_starts: u32,
    not_before: Option<Instant>,
    /// When this function was last served, in turns.
    turn: u64,
    pub totals: FunctionStats,
}

/// A worker that waits for an invocation.
#[derive(Debug)]
pub(crate) struct Idle {
    pub worker: u64,
    pub work: oneshot::Sender<Job>,
}

/// A worker to be started for an invocation.
#[derive(Debug)]
pub(crate) struct Start {
    pub worker: u64,
    pub job: Job,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Open,
    /// What is there is finished, nothing is added.
    Draining,
    Closed,
}

#[derive(Debug)]
pub(crate) struct State {
    pub phase: Phase,
    pub names: HashMap<String, usize>,
    pub functions: Vec<Function>,
    in_flight: usize,
    turn: u64,
    next_worker: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Open,
            names: HashMap::new(),
            functions: Vec::new(),
            in_flight: 0,
            turn: 0,
            next_worker: 1,
        }
    }
}

impl Function {
    pub(crate) fn new(config: FunctionConfig, arn: HeaderValue) -> Self {
        Self {
            name: Arc::from(config.name.as_str()),
            totals: FunctionStats {
                function: config.name.clone(),
                ..FunctionStats::default()
            },
            config: Arc::new(config),
            arn,
            waiting: VecDeque::new(),
            idle: Vec::new(),
            workers: 0,
            starting: 0,
            in_flight: 0,
            failed_starts: 0,
            not_before: None,
            turn: 0,
        }
    }

    pub(crate) fn stats(&self) -> FunctionStats {
        FunctionStats {
            workers: self.workers,
            idle: self.idle.len(),
            waiting: self.waiting.iter().filter(|job| is_wanted(job)).count(),
            in_flight: self.in_flight,
            ..self.totals.clone()
        }
    }

    /// While starts fail, one worker at a time tries again, after a pause.
    fn may_start(&self, now: Instant) -> bool {
        let sound = self.failed_starts == 0
            || (self.starting == 0 && self.not_before.is_none_or(|pause| now >= pause));
        self.workers < self.config.concurrency && sound
    }

    /// Forgets invocations that nobody waits for any more.
    fn forget_abandoned(&mut self) {
        self.waiting.retain(is_wanted);
    }
}

impl State {
    /// Adds an invocation to its function's queue, or gives it back if too many wait.
    pub(crate) fn enqueue(&mut self, job: Job, max_waiting: usize) -> Result<(), Box<Job>> {
        let Some(function) = self.functions.get_mut(job.function) else {
            return Err(Box::new(job));
        };
        let free = function
            .config
            .concurrency
            .saturating_sub(function.in_flight);
        let limit = max_waiting.saturating_add(free);
        if function.waiting.len() >= limit {
            function.forget_abandoned();
        }
        if function.waiting.len() >= limit {
            function.totals.throttles += 1;
            return Err(Box::new(job));
        }
        function.waiting.push_back(job);
        Ok(())
    }

    /// Takes an invocation out of its queue, if it still waits there.
    pub(crate) fn abandon(&mut self, function: &str, request: Uuid) -> bool {
        let index = self.names.get(function).copied();
        let Some(function) = index.and_then(|index| self.functions.get_mut(index)) else {
            return false;
        };
        let before = function.waiting.len();
        function.waiting.retain(|job| job.request != request);
        let abandoned = function.waiting.len() < before;
        function.totals.invocations += u64::from(abandoned);
        function.totals.errors += u64::from(abandoned);
        abandoned
    }

    /// Gives invocations to idle workers as far as the limits allow; returns the workers to be started.
    /// The function that was served longest ago goes first.
    pub(crate) fn dispatch(&mut self, options: &HostOptions, now: Instant) -> Vec<Start> {
        let mut starts = Vec::new();
        let max_in_flight = options.max_in_flight.unwrap_or(usize::MAX).max(1);
        while self.phase < Phase::Closed && self.in_flight < max_in_flight {
            let Some(function) = self
                .functions
                .iter_mut()
                .filter(|function| !function.waiting.is_empty())
                .filter(|function| !function.idle.is_empty() || function.may_start(now))
                .min_by_key(|function| function.turn)
            else {
                break;
            };
            let Some(job) = function.waiting.pop_front().filter(is_wanted) else {
                continue;
            };
            self.turn += 1;
            function.turn = self.turn;
            if let Some(idle) = function.idle.pop() {
                if let Err(job) = idle.work.send(job) {
                    function.waiting.push_front(job);
                    continue;
                }
            } else {
                function.workers += 1;
                function.starting += 1;
                function.totals.cold_starts += 1;
                starts.push(Start {
                    worker: self.next_worker,
                    job,
                });
                self.next_worker += 1;
            }
            function.in_flight += 1;
            self.in_flight += 1;
        }
        starts
    }

    /// A worker polled `next` for the first time.
    pub(crate) fn started(&mut self, function: usize) {
        if let Some(function) = self.functions.get_mut(function) {
            function.starting -= 1;
            function.failed_starts = 0;
            function.not_before = None;
        }
    }

    /// A worker could not be started. Returns the pause before the next try, and the invocations that
    /// fail with it: all that wait, when no other worker could take them.
    pub(crate) fn start_failed(
        &mut self,
        function: usize,
        options: &HostOptions,
        now: Instant,
    ) -> (Duration, Vec<Job>) {
        let Some(function) = self.functions.get_mut(function) else {
            return (Duration::ZERO, Vec::new());
        };
        let doublings = function.failed_starts.min(16);
        let pause = options
            .init_backoff
            .saturating_mul(1 << doublings)
            .min(options.max_init_backoff);
        function.failed_starts += 1;
        function.not_before = Some(now + pause);
        let alone = function.workers == 0;
        let failed: Vec<Job> = if alone {
            function.waiting.drain(..).filter(is_wanted).collect()
        } else {
            Vec::new()
        };
        function.totals.invocations += failed.len() as u64;
        function.totals.errors += failed.len() as u64;
        (pause, failed)
    }

    /// An invocation that a worker had is answered.
    pub(crate) fn completed(&mut self, function: usize, failed: bool) {
        self.released(function);
        if let Some(function) = self.functions.get_mut(function) {
            function.totals.invocations += 1;
            function.totals.errors += u64::from(failed);
        }
    }

    /// An invocation whose worker ended before taking it goes to the front again.
    pub(crate) fn requeue(&mut self, job: Job) {
        self.released(job.function);
        if let Some(function) = self.functions.get_mut(job.function) {
            function.waiting.push_front(job);
        }
    }

    /// A worker waits for work.
    pub(crate) fn park(&mut self, function: usize, idle: Idle) {
        if let Some(function) = self.functions.get_mut(function) {
            function.idle.push(idle);
        }
    }

    /// A worker is not idle any more, if it still was.
    pub(crate) fn unpark(&mut self, function: usize, worker: u64) -> bool {
        let Some(function) = self.functions.get_mut(function) else {
            return false;
        };
        let before = function.idle.len();
        function.idle.retain(|idle| idle.worker != worker);
        function.idle.len() < before
    }

    /// As `unpark`, but only when enough other workers are idle.
    pub(crate) fn retire(&mut self, function: usize, worker: u64, keep: usize) -> bool {
        let spare = self
            .functions
            .get(function)
            .is_some_and(|function| function.idle.len() > keep);
        spare && self.unpark(function, worker)
    }

    /// A worker has ended.
    pub(crate) fn ended(&mut self, function: usize, worker: u64, was_starting: bool) {
        self.unpark(function, worker);
        if let Some(function) = self.functions.get_mut(function) {
            function.workers -= 1;
            function.starting -= usize::from(was_starting);
        }
    }

    /// Nothing waits and nothing runs.
    pub(crate) fn is_quiet(&mut self) -> bool {
        for function in &mut self.functions {
            function.forget_abandoned();
        }
        self.in_flight == 0
            && self
                .functions
                .iter()
                .all(|function| function.waiting.is_empty())
    }

    pub(crate) fn has_workers(&self) -> bool {
        self.functions.iter().any(|function| function.workers > 0)
    }

    /// Refuses everything from now on; returns what waited.
    pub(crate) fn close(&mut self) -> Vec<Job> {
        self.phase = Phase::Closed;
        self.functions
            .iter_mut()
            .flat_map(|function| function.waiting.drain(..))
            .collect()
    }

    fn released(&mut self, function: usize) {
        self.in_flight -= 1;
        if let Some(function) = self.functions.get_mut(function) {
            function.in_flight -= 1;
        }
    }
}

fn is_wanted(job: &Job) -> bool {
    !job.reply.is_closed()
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
