//! The host that functions are registered with and invoked on.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hyper::header::HeaderValue;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

use crate::MAX_REQUEST_BYTES;
use crate::config::{FunctionConfig, HostOptions, InvokeOptions, RegisterError};
use crate::error::InvokeError;
use crate::process::Spawner;
use crate::running::{sleep_until, stopped};
use crate::state::{Function, FunctionStats, Job, Phase, Start, State};
use crate::supervisor;

/// Runs functions in worker processes. Clones share one host; when the last is dropped the workers are
/// killed, as by [`LambdaHost::shutdown`] but without waiting.
#[derive(Debug, Clone)]
pub struct LambdaHost {
    inner: Arc<Inner>,
    _close: Arc<CloseOnDrop>,
}

impl LambdaHost {
    /// A host without functions. Fails only if a thread cannot be started.
    pub fn new(options: HostOptions) -> io::Result<Self> {
        let inner = Arc::new(Inner {
            options,
            spawner: Spawner::start()?,
            state: Mutex::default(),
            closing: watch::Sender::new(false),
            changed: Notify::new(),
        });
        Ok(Self {
            _close: Arc::new(CloseOnDrop(Arc::clone(&inner))),
            inner,
        })
    }

    /// Adds a function. Its first worker starts with its first invocation.
    pub fn register(&self, config: FunctionConfig) -> Result<(), RegisterError> {
        config.check()?;
        let arn = HeaderValue::from_str(&config.arn(&self.inner.options)).map_err(|_| {
            RegisterError::Invalid {
                function: config.name.clone(),
                field: "arn",
            }
        })?;
        let mut state = self.inner.state();
        if state.names.contains_key(&config.name) {
            return Err(RegisterError::Duplicate(config.name));
        }
        let index = state.functions.len();
        state.names.insert(config.name.clone(), index);
        state.functions.push(Function::new(config, arn));
        Ok(())
    }

    /// Hands `payload`, which is JSON, to a worker of `function` and returns its response, which is JSON.
    ///
    /// Waits in the function's queue while all its workers are busy. If the future is dropped, an
    /// invocation that waits is forgotten, and one that runs goes on to its end, as on Lambda. Needs a
    /// Tokio runtime.
    pub async fn invoke(
        &self,
        function: &str,
        payload: Bytes,
        options: InvokeOptions,
    ) -> Result<Bytes, InvokeError> {
        let deadline = options.deadline.map(Instant::from_std);
        let mut stop = options.stop.clone();
        let queued_at = Instant::now();
        let (request, mut answer) = self.inner.enqueue(function, payload, options, deadline)?;
        let given_up = tokio::select! {
            biased;
            answered = &mut answer => {
                return answered.unwrap_or_else(|_| Err(InvokeError::stopping()));
            }
            () = stopped(&mut stop) => InvokeError::stopped(),
            () = sleep_until(deadline) => {
                let limit = deadline.map_or(Duration::ZERO, |it| it.saturating_duration_since(queued_at));
                InvokeError::timed_out(request, limit)
            }
        };
        if self.inner.state().abandon(function, request) {
            return Err(given_up);
        }
        // A worker has it, and its supervisor keeps the deadline and hears of the stop.
        drop(stop);
        let answered = answer.await;
        answered.unwrap_or_else(|_| Err(InvokeError::stopping()))
    }

    /// Accepts no more invocations and waits until those that wait or run are answered. The workers
    /// stay until [`LambdaHost::shutdown`].
    pub async fn drain(&self) {
        {
            let mut state = self.inner.state();
            state.phase = state.phase.max(Phase::Draining);
        }
        self.inner.until(State::is_quiet).await;
    }

    /// Kills every worker and waits until all are reaped and their ports closed. Invocations that wait or
    /// run fail with `ServiceException`.
    pub async fn shutdown(&self) {
        self.inner.close();
        self.inner.until(|state| !state.has_workers()).await;
    }

    /// What every function's pool has done and does, in order of registration.
    pub fn stats(&self) -> Vec<FunctionStats> {
        let state = self.inner.state();
        state.functions.iter().map(Function::stats).collect()
    }
}

#[derive(Debug)]
struct CloseOnDrop(Arc<Inner>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What supervisors share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub options: HostOptions,
    pub spawner: Spawner,
    state: Mutex<State>,
    closing: watch::Sender<bool>,
    /// Something that `until` waits for may have happened.
    changed: Notify,
}

impl Inner {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.closing.subscribe()
    }

    /// Changes the books, then gives out what work they allow.
    pub(crate) fn update<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, starts) = {
            let mut state = self.state();
            let result = change(&mut state);
            (result, state.dispatch(&self.options, Instant::now()))
        };
        self.start(starts);
        self.changed.notify_waiters();
        result
    }

    /// Looks for work again after a pause.
    pub(crate) fn dispatch_after(self: &Arc<Self>, pause: Duration) {
        let inner = Arc::clone(self);
        let mut closing = self.closing();
        tokio::spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(pause) => inner.update(|_| ()),
                _ = closing.wait_for(|closing| *closing) => {}
            }
        });
    }

    fn enqueue(
        self: &Arc<Self>,
        name: &str,
        payload: Bytes,
        options: InvokeOptions,
        deadline: Option<Instant>,
    ) -> Result<(Uuid, Answer), InvokeError> {
        if payload.len() > MAX_REQUEST_BYTES {
            let message = format!(
                "{} byte payload is too large for the RequestResponse invocation type (limit {MAX_REQUEST_BYTES} bytes)",
                payload.len()
            );
            return Err(InvokeError::host("RequestTooLargeException", message));
        }
        is_json(&payload).map_err(|reason| {
            let message = format!("Could not parse request body into json: {reason}");
            InvokeError::host("InvalidRequestContentException", message)
        })?;
        let request = Uuid::new_v4();
        let trace_id = options.trace_id.unwrap_or_else(|| trace_id(request));
        let (reply, answer) = oneshot::channel();
        let job = Job {
            function: 0,
            request,
            request_id: header(
                request
                    .hyphenated()
                    .encode_lower(&mut Uuid::encode_buffer()),
            )?,
            payload,
            trace_id: header(&trace_id)?,
            client_context: options.client_context.as_deref().map(header).transpose()?,
            deadline,
            stop: options.stop,
            queued_at: Instant::now(),
            redeliveries: 0,
            reply,
        };
        self.update(|state| match state.phase {
            Phase::Open => {
                let Some(function) = state.names.get(name).copied() else {
                    return Err(InvokeError::unknown_function(name));
                };
                state
                    .enqueue(Job { function, ..job }, self.options.max_waiting)
                    .map_err(|_| InvokeError::too_many_requests())
            }
            Phase::Draining | Phase::Closed => Err(InvokeError::stopping()),
        })?;
        Ok((request, answer))
    }

    fn start(self: &Arc<Self>, starts: Vec<Start>) {
        // Without a runtime there is nothing to run on: the invocations' futures end with the jobs.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        for Start { worker, job } in starts {
            runtime.spawn(supervisor::supervise(Arc::clone(self), worker, job));
        }
    }

    fn close(&self) {
        let waiting = self.state().close();
        for job in waiting {
            // A caller that is gone needs no answer.
            let _ = job.reply.send(Err(InvokeError::stopping()));
        }
        self.closing.send_replace(true);
        self.changed.notify_waiters();
    }

    async fn until(&self, mut reached: impl FnMut(&mut State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(&mut self.state()) {
                return;
            }
            changed.await;
        }
    }
}

type Answer = oneshot::Receiver<Result<Bytes, InvokeError>>;

/// Whether a body is one JSON text, without building it.
pub(crate) fn is_json(body: &[u8]) -> Result<(), String> {
    // Skipping a string does not look into it.
    std::str::from_utf8(body).map_err(|error| error.to_string())?;
    serde_json::from_slice::<serde::de::IgnoredAny>(body)
        .map(|_| ())
        .map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<HeaderValue, InvokeError> {
    HeaderValue::from_str(text).map_err(|_| {
        InvokeError::host(
            "InvalidRequestContentException",
            "The client context and the trace id may not hold control characters.",
        )
    })
}

/// An X-Ray trace id, derived from the request id.
fn trace_id(request: Uuid) -> String {
    let seconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let random = request.as_u128() & ((1 << 96) - 1);
    format!(
        "Root=1-{:08x}-{random:024x};Sampled=0",
        seconds & 0xffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_other_bytes() {
        for good in [&b"{}"[..], b" [1, \"\xc3\xa9\"] ", b"null", b"1e3"] {
            assert_eq!(is_json(good), Ok(()));
        }
        for bad in [&b""[..], b"{", b"{} {}", b"\"\xff\"", b"nul"] {
            assert!(is_json(bad).is_err(), "{bad:?}");
        }
        let deep = [b'['].repeat(1_000_000);
        assert!(is_json(&deep).is_err());
    }

    #[test]
    fn a_trace_id_has_the_form_of_x_ray() {
        let text = trace_id(Uuid::from_u128(u128::MAX));
        let (root, sampled) = text.split_once(';').unwrap();
        let parts: Vec<&str> = root.split('-').collect();
        assert_eq!(parts[0], "Root=1");
        assert_eq!((parts[1].len(), parts[2].len()), (8, 24));
        assert_eq!(sampled, "Sampled=0");
    }
}
