//! One worker's life, from its start to its end, in one task that owns all of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::InvokeError;
use crate::host::{Inner, is_json};
use crate::running::{Signal, Worker};
use crate::runtime_api::{Delivery, Event};
use crate::state::{Idle, Job};

/// How many workers may end before one takes an invocation.
const MAX_REDELIVERIES: u8 = 2;
/// Shortest time that a worker gets after its response to poll `next` again.
const MIN_RETURN: Duration = Duration::from_secs(1);

/// Starts a worker for `job`, and keeps giving it invocations until it ends or is not needed.
pub(crate) async fn supervise(inner: Arc<Inner>, id: u64, job: Job) {
    let (config, name, arn) = {
        let state = inner.state();
        let Some(function) = state.functions.get(job.function) else {
            return;
        };
        (
            Arc::clone(&function.config),
            Arc::clone(&function.name),
            function.arn.clone(),
        )
    };
    let mut seat = Seat {
        inner: Arc::clone(&inner),
        function: job.function,
        worker: id,
        starting: true,
        taken: true,
    };
    let started = Worker::start(&inner, &config, &name, arn, id, &job).await;
    let mut worker = match started {
        Ok(worker) => worker,
        Err(error) => return start_failed(seat, job, error),
    };
    if let Err(error) = worker.get_ready(&job).await {
        return start_failed(seat, job, error);
    }
    seat.started();
    let mut next = Some(job);
    while let Some(job) = next {
        if let Err(left) = worker.run(job, &seat).await {
            worker.stop().await;
            seat.leave();
            left.settle(&inner);
            return;
        }
        next = match worker.wait_for_work(&seat).await {
            Ok(job) => Some(job),
            Err(job) => {
                worker.stop().await;
                seat.leave();
                if let Some(job) = job {
                    Left::Untaken(job).settle(&inner);
                }
                None
            }
        };
    }
}

fn start_failed(mut seat: Seat, job: Job, error: InvokeError) {
    let inner = Arc::clone(&seat.inner);
    seat.taken = false;
    let (pause, others) = inner.update(|state| {
        state.ended(seat.function, seat.worker, true);
        state.completed(job.function, true);
        state.start_failed(seat.function, &inner.options, Instant::now())
    });
    inner.dispatch_after(pause);
    for other in others {
        let error = error.for_request(job.request, other.request);
        // A caller that is gone needs no answer.
        let _ = other.reply.send(Err(error));
    }
    let _ = job.reply.send(Err(error));
}

/// A worker's place among its function's workers, given up when dropped.
struct Seat {
    inner: Arc<Inner>,
    function: usize,
    worker: u64,
    starting: bool,
    taken: bool,
}

impl Seat {
    fn started(&mut self) {
        self.starting = false;
        self.inner.update(|state| state.started(self.function));
    }

    fn leave(&mut self) {
        if self.taken {
            self.taken = false;
            self.inner
                .update(|state| state.ended(self.function, self.worker, self.starting));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What is left of an invocation when its worker ended.
enum Left {
    /// It was answered before.
    Nothing,
    /// It never reached the worker.
    Untaken(Job),
    Failed(Job, InvokeError),
}

impl Left {
    fn settle(self, inner: &Arc<Inner>) {
        match self {
            Self::Nothing => {}
            Self::Untaken(mut job) if job.redeliveries < MAX_REDELIVERIES => {
                job.redeliveries += 1;
                inner.update(|state| state.requeue(job));
            }
            Self::Untaken(job) => {
                let error = InvokeError::exited(job.request, None);
                complete(inner, job, Err(error));
            }
            Self::Failed(job, error) => complete(inner, job, Err(error)),
        }
    }
}

fn complete(inner: &Arc<Inner>, job: Job, result: Result<Bytes, InvokeError>) {
    inner.update(|state| state.completed(job.function, result.is_err()));
    // A caller that is gone needs no answer.
    let _ = job.reply.send(result);
}

impl Worker {
    /// Waits for the first `next`. After an error the worker is gone.
    async fn get_ready(&mut self, job: &Job) -> Result<(), InvokeError> {
        let begun = Instant::now();
        let deadline = earlier(begun + self.inner.options.init_timeout, job.deadline);
        let error = loop {
            match self.signal(Some(deadline), true).await {
                Signal::Event(Event::Parked(parked)) => {
                    self.parked = Some(parked);
                    return Ok(());
                }
                Signal::Event(Event::InitFailure(posted)) => {
                    break InvokeError::posted(
                        &posted.body,
                        posted.error_type.as_deref(),
                        "Runtime.InitError",
                    );
                }
                // Only a running invocation is stopped by its caller.
                Signal::Event(_) | Signal::Stopped => {}
                Signal::Exited(status) => {
                    self.stop().await;
                    let error = if self.ran_out_of_memory(status) {
                        InvokeError::out_of_memory(job.request)
                    } else {
                        InvokeError::init_exited(job.request, status)
                    };
                    return Err(error.with_log_tail(self.logs.tail()));
                }
                Signal::Deadline => {
                    let limit = deadline.saturating_duration_since(begun);
                    break InvokeError::timed_out(job.request, limit);
                }
                Signal::OutOfMemory => break InvokeError::out_of_memory(job.request),
                Signal::Closing => break InvokeError::stopping(),
            }
        };
        self.stop().await;
        Err(error.with_log_tail(self.logs.tail()))
    }

    /// Runs one invocation, to the `next` that follows it.
    async fn run(&mut self, job: Job, seat: &Seat) -> Result<(), Left> {
        let begun = Instant::now();
        if job.deadline.is_some_and(|deadline| deadline <= begun) {
            let waited = begun.saturating_duration_since(job.queued_at);
            let error = InvokeError::timed_out(job.request, waited);
            complete(&seat.inner, job, Err(error));
            return Ok(());
        }
        if job.stop.as_ref().is_some_and(|stop| *stop.borrow()) {
            complete(&seat.inner, job, Err(InvokeError::stopped()));
            return Ok(());
        }
        let deadline = earlier(begun + self.config.timeout, job.deadline);
        let job = self.deliver(job, deadline).await?;
        self.stopping.clone_from(&job.stop);
        let result = loop {
            match self.signal(Some(deadline), true).await {
                Signal::Event(Event::Response(body)) => {
                    break match is_json(&body) {
                        Ok(()) => Ok(body),
                        Err(reason) => Err(InvokeError::invalid_response(job.request, &reason)),
                    };
                }
                Signal::Event(Event::Failure(posted)) => {
                    break Err(InvokeError::posted(
                        &posted.body,
                        posted.error_type.as_deref(),
                        "Function.Unknown",
                    ));
                }
                Signal::Event(Event::TooLarge) => break Err(InvokeError::response_too_large()),
                Signal::Event(Event::Parked(parked)) => self.parked = Some(parked),
                Signal::Event(Event::InitFailure(_)) => {}
                Signal::Exited(status) => {
                    self.stop().await;
                    let error = if self.ran_out_of_memory(status) {
                        InvokeError::out_of_memory(job.request)
                    } else {
                        InvokeError::exited(job.request, status)
                    };
                    return Err(self.failed(job, error));
                }
                Signal::Deadline => {
                    self.stop().await;
                    let limit = deadline.saturating_duration_since(begun);
                    let error = InvokeError::timed_out(job.request, limit);
                    return Err(self.failed(job, error));
                }
                Signal::OutOfMemory => {
                    self.stop().await;
                    let error = InvokeError::out_of_memory(job.request);
                    return Err(self.failed(job, error));
                }
                Signal::Stopped => {
                    self.stop().await;
                    return Err(Left::Failed(job, InvokeError::stopped()));
                }
                Signal::Closing => {
                    self.stop().await;
                    return Err(Left::Failed(job, InvokeError::stopping()));
                }
            }
        };
        self.stopping = None;
        complete(&seat.inner, job, result);
        self.come_back(deadline).await
    }

    /// Hands an invocation to the parked poll; if that broke, to the one that follows it.
    async fn deliver(&mut self, job: Job, deadline: Instant) -> Result<Job, Left> {
        let mut delivery = Delivery {
            payload: job.payload.clone(),
            request_id: job.request_id.clone(),
            deadline_ms: epoch_ms(deadline),
            function_arn: self.arn.clone(),
            trace_id: job.trace_id.clone(),
            client_context: job.client_context.clone(),
        };
        loop {
            if let Some(parked) = self.parked.take() {
                self.api.expect(Some(job.request));
                match parked.send(delivery) {
                    Ok(()) => return Ok(job),
                    Err(back) => delivery = back,
                }
                self.api.expect(None);
            }
            match self.signal(Some(deadline), false).await {
                Signal::Event(Event::Parked(parked)) => self.parked = Some(parked),
                Signal::Event(_) => {}
                Signal::Exited(_)
                | Signal::Deadline
                | Signal::OutOfMemory
                | Signal::Stopped
                | Signal::Closing => return Err(Left::Untaken(job)),
            }
        }
    }

    /// Waits until a worker that has answered polls `next`.
    async fn come_back(&mut self, deadline: Instant) -> Result<(), Left> {
        let deadline = deadline.max(Instant::now() + MIN_RETURN);
        while self.parked.is_none() {
            match self.signal(Some(deadline), true).await {
                Signal::Event(Event::Parked(parked)) => self.parked = Some(parked),
                Signal::Event(_) => {}
                Signal::Exited(_) | Signal::Stopped | Signal::Closing => {
                    return Err(Left::Nothing);
                }
                Signal::Deadline | Signal::OutOfMemory => {
                    tracing::warn!(
                        function = self.config.name,
                        worker = self.id,
                        "a worker did not come back after its response and is killed"
                    );
                    return Err(Left::Nothing);
                }
            }
        }
        Ok(())
    }

    /// Waits for an invocation. The worker is to end on `Err`, which holds an invocation that was given
    /// to it in that instant.
    async fn wait_for_work(&mut self, seat: &Seat) -> Result<Job, Option<Job>> {
        let Seat {
            function, worker, ..
        } = *seat;
        let (work, mut given) = oneshot::channel();
        self.inner
            .update(|state| state.park(function, Idle { worker, work }));
        let idle_timeout = self.inner.options.idle_timeout;
        let keep = self.inner.options.keep_idle;
        let mut deadline = Instant::now() + idle_timeout;
        loop {
            let signal = tokio::select! {
                biased;
                job = &mut given => return job.map_err(|_| None),
                signal = self.signal(Some(deadline), false) => signal,
            };
            match signal {
                Signal::Event(Event::Parked(parked)) => self.parked = Some(parked),
                Signal::Event(_) => {}
                Signal::Exited(_) | Signal::Stopped | Signal::Closing | Signal::OutOfMemory => {
                    break;
                }
                Signal::Deadline => {
                    if self
                        .inner
                        .update(|state| state.retire(function, worker, keep))
                    {
                        break;
                    }
                    deadline = Instant::now() + idle_timeout;
                }
            }
        }
        self.inner.state().unpark(function, worker);
        // Work is handed over under the lock: from here on none can come.
        Err(given.try_recv().ok())
    }

    fn failed(&self, job: Job, error: InvokeError) -> Left {
        Left::Failed(job, error.with_log_tail(self.logs.tail()))
    }
}

fn earlier(limit: Instant, deadline: Option<Instant>) -> Instant {
    deadline.map_or(limit, |deadline| deadline.min(limit))
}

/// A deadline as milliseconds since 1970.
fn epoch_ms(deadline: Instant) -> u64 {
    let at = SystemTime::now() + deadline.saturating_duration_since(Instant::now());
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
