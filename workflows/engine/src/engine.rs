//! Opening and closing the engine.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use chrono::TimeDelta;
use safelight_asl::Random;
use safelight_sqlite::{Database, DatabaseError};
use tokio::sync::{broadcast, watch};

use crate::append::Effects;
use crate::arn::Names;
use crate::catalog::Catalog;
use crate::clock::{Clock, SystemClock};
use crate::error::EngineError;
use crate::handle::{Condition, EngineHandle, Shared};
use crate::message::Message;
use crate::recovery;
use crate::run_loop::Loop;
use crate::status::StatusHook;
use crate::tables;
use crate::task::TaskRunner;
use crate::timers::Timers;

/// Status changes that a slow watcher may lag behind.
const CHANGES_KEPT: usize = 4096;

/// How an engine is opened.
#[derive(Clone)]
pub struct EngineOptions {
    /// Region and account of its ARNs.
    pub names: Names,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// What runs in the transaction that starts or ends an execution.
    pub status_hook: Option<StatusHook>,
    /// How long an event that nobody waits for (a task's start) may stay unwritten.
    pub patience: TimeDelta,
    /// Where the decider's randomness begins; drawn from the system if `None`.
    pub seed: Option<u64>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            names: Names::default(),
            clock: Arc::new(SystemClock),
            status_hook: None,
            patience: TimeDelta::seconds(1),
            seed: None,
        }
    }
}

/// A running engine. Dropped, it stops as `shutdown` does.
pub struct Engine {
    handle: EngineHandle,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Makes the tables that are missing, folds every open execution, hands its open tasks to the
    /// runner again, and starts the loop. Blocks while it reads.
    pub fn open(
        database: &Database,
        runner: Arc<dyn TaskRunner>,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        tables::migrate(database)?;
        let reader = database.reader()?;
        let catalog = Catalog::load(&reader)?;
        let open = recovery::open_executions(&reader)?;
        let next_row = recovery::next_row(&reader)?;
        let (sender, receiver) = mpsc::channel();
        let wake = sender.clone();
        options.clock.on_jump(Box::new(move || {
            let _ = wake.send(Message::Wake);
        }));
        let condition = Condition {
            open: open.len(),
            ..Condition::default()
        };
        let handle = EngineHandle {
            shared: Arc::new(Shared {
                database: database.clone(),
                names: options.names,
                catalog,
                clock: options.clock,
                sender,
                draining: AtomicBool::new(false),
                condition: watch::Sender::new(condition),
                changes: broadcast::Sender::new(CHANGES_KEPT),
            }),
        };
        let mut live = HashMap::with_capacity(open.len());
        let mut pending = Effects::default();
        for execution in open {
            // Their scheduling is durable: they are handed out before anything new is written.
            let tasks = execution.execution.open_tasks();
            pending.tasks.extend(
                tasks
                    .into_iter()
                    .map(|task| execution.dispatched(task, &handle)),
            );
            live.insert(Arc::clone(&execution.arn), execution);
        }
        let run_loop = Loop {
            shared: Arc::clone(&handle.shared),
            receiver,
            runner,
            hook: options.status_hook,
            random: Random::new(options.seed.unwrap_or_else(rand::random)),
            patience: options.patience,
            reader,
            live,
            timers: Timers::default(),
            next_row,
            dirty: Vec::new(),
            ready: VecDeque::new(),
            pending,
            in_flight: None,
            stopping: false,
        };
        let shared = Arc::clone(&handle.shared);
        let thread = std::thread::Builder::new()
            .name("engine".to_owned())
            .spawn(move || watch_over(&shared, || run_loop.run()))
            .map_err(|error| DatabaseError::NotOpened(format!("no thread: {error}")))?;
        Ok(Self {
            handle,
            thread: Some(thread),
        })
    }

    /// A handle for callers, runners and the API.
    pub fn handle(&self) -> EngineHandle {
        self.handle.clone()
    }

    /// Refuses everything new, waits for the write in flight, and stops. Open executions go on when
    /// the database is opened again. Blocks.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        // A loop that has stopped by itself is joined all the same.
        let _ = self.handle.shared.sender.send(Message::Shutdown);
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// Runs the loop; if it panics (a runner's or a hook's fault), whoever waits is told.
fn watch_over(shared: &Shared, run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        tracing::error!("the engine stops: a runner panicked; open it again to go on");
        shared.condition.send_modify(|condition| {
            condition.halted = Some(DatabaseError::Panicked("the engine's thread".to_owned()));
            condition.ended = true;
        });
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}
