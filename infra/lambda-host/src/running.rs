//! A running worker: its process, its port, its log and its memory, and what it may signal.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

use hyper::header::HeaderValue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::config::FunctionConfig;
use crate::error::InvokeError;
use crate::host::Inner;
use crate::logs::Logs;
use crate::memory::MemoryWatch;
use crate::process::{self, WorkerProcess};
use crate::runtime_api::{Delivery, Event, RuntimeApi};
use crate::state::Job;

/// What a supervisor waits for.
pub(crate) enum Signal {
    Event(Event),
    Exited(Option<ExitStatus>),
    Deadline,
    OutOfMemory,
    /// Its caller wants the invocation ended.
    Stopped,
    Closing,
}

/// A running worker and all that belongs to it. Dropping it ends all of it.
pub(crate) struct Worker {
    pub inner: Arc<Inner>,
    pub config: Arc<FunctionConfig>,
    pub arn: HeaderValue,
    pub id: u64,
    pub process: WorkerProcess,
    pub api: RuntimeApi,
    pub events: mpsc::Receiver<Event>,
    pub closing: watch::Receiver<bool>,
    pub logs: Logs,
    pub memory: MemoryWatch,
    pub parked: Option<oneshot::Sender<Delivery>>,
    /// Of the invocation that runs.
    pub stopping: Option<watch::Receiver<bool>>,
}

impl Worker {
    /// Listens, then starts the process.
    pub(crate) async fn start(
        inner: &Arc<Inner>,
        config: &Arc<FunctionConfig>,
        name: &Arc<str>,
        arn: HeaderValue,
        id: u64,
        job: &Job,
    ) -> Result<Self, InvokeError> {
        let of_the_host =
            |error: io::Error| InvokeError::host("ServiceException", error.to_string());
        let (sender, events) = mpsc::channel(4);
        let api = RuntimeApi::start(sender).await.map_err(of_the_host)?;
        let command = process::command(&inner.options, config, id, api.address());
        let mut process = inner.spawner.spawn(command).await.map_err(|error| {
            if process::is_entrypoint_fault(&error) {
                let program = config.command.program.to_string_lossy();
                InvokeError::invalid_entrypoint(job.request, &program, &error.to_string())
            } else {
                of_the_host(error)
            }
        })?;
        let (stdout, stderr) = process.pipes();
        Ok(Self {
            inner: Arc::clone(inner),
            config: Arc::clone(config),
            arn,
            id,
            memory: MemoryWatch::of(process.id().unwrap_or_default()),
            process,
            api,
            events,
            closing: inner.closing(),
            logs: Logs::follow(name, id, stdout, stderr),
            parked: None,
            stopping: None,
        })
    }

    /// Waits for the next thing of any kind. What the worker said comes before its end.
    pub(crate) async fn signal(&mut self, deadline: Option<Instant>, watch_memory: bool) -> Signal {
        loop {
            let tick = watch_memory.then(|| Instant::now() + self.inner.options.memory_interval);
            let wake = deadline.into_iter().chain(tick).min();
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return Signal::Event(event),
                status = self.process.wait() => {
                    // The event may have come between the two looks.
                    return self.events.try_recv().map_or(Signal::Exited(status), Signal::Event);
                }
                _ = self.closing.wait_for(|closing| *closing) => return Signal::Closing,
                () = stopped(&mut self.stopping) => return Signal::Stopped,
                () = sleep_until(wake) => {}
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                return Signal::Deadline;
            }
            if watch_memory && self.memory.look() > self.config.memory_bytes() {
                return Signal::OutOfMemory;
            }
        }
    }

    /// Kills the process if it lives, reaps it, reads the rest of its log and closes its port.
    pub(crate) async fn stop(&mut self) {
        self.process.kill();
        self.process.wait().await;
        self.logs.settle().await;
        self.api.stop().await;
    }

    /// Whether a process that ended did so for want of memory: Rust's runtime aborts and says so when an
    /// allocation fails, and a system short of memory kills the largest.
    pub(crate) fn ran_out_of_memory(&self, status: Option<ExitStatus>) -> bool {
        const KILLED: i32 = 9;
        const ABORTED: i32 = 6;
        let near_limit = self.memory.peak() >= self.config.memory_bytes() / 10 * 9;
        match status.and_then(|status| status.signal()) {
            Some(KILLED) => near_limit,
            Some(ABORTED) => near_limit || self.logs.allocation_failed(),
            _ => false,
        }
    }
}

/// Ends when the caller of an invocation wants it ended.
pub(crate) async fn stopped(stop: &mut Option<watch::Receiver<bool>>) {
    if let Some(stop) = stop
        && stop.wait_for(|stop| *stop).await.is_ok()
    {
        return;
    }
    // Nobody can say so (any more).
    std::future::pending::<()>().await;
}

pub(crate) async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
