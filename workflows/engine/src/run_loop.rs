//! The loop: the one thread that owns every open execution.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::Connection;
use safelight_asl::{Moment, Random};
use safelight_decider::{Detail, Execution, ExecutionInfo, TaskSignal};
use safelight_sqlite::DatabaseError;

use crate::append::{self, Append, Effects};
use crate::error::EngineError;
use crate::handle::{EngineHandle, Shared, Started};
use crate::live::Live;
use crate::message::{Message, Reply, Start};
use crate::query::{self, Known};
use crate::status::StatusHook;
use crate::task::TaskRunner;
use crate::timers::Timers;

/// Messages taken in before a write is begun.
const MESSAGES_PER_TURN: usize = 4096;
/// Events that one execution may add before the others get a turn, and before a write: each may carry
/// 256 KiB, so this bounds the memory of a write.
const EVENTS_PER_TURN: usize = 128;
/// The longest sleep: a wall clock that was set is noticed within it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

pub(crate) struct Loop {
    pub(crate) shared: Arc<Shared>,
    pub(crate) receiver: Receiver<Message>,
    pub(crate) runner: Arc<dyn TaskRunner>,
    pub(crate) hook: Option<StatusHook>,
    pub(crate) random: Random,
    /// How long an event that nobody waits for may stay in memory.
    pub(crate) patience: TimeDelta,
    /// For the names of finished executions.
    pub(crate) reader: Connection,
    pub(crate) live: HashMap<Arc<str>, Live>,
    pub(crate) timers: Timers,
    pub(crate) next_row: i64,
    /// Executions that have something to write.
    pub(crate) dirty: Vec<Arc<str>>,
    /// Executions that have more to decide.
    pub(crate) ready: VecDeque<Arc<str>>,
    /// What the next write lets happen.
    pub(crate) pending: Effects,
    /// What the write in flight lets happen.
    pub(crate) in_flight: Option<Effects>,
    pub(crate) stopping: bool,
}

impl Loop {
    /// Runs until it is told to stop, or the store fails.
    pub(crate) fn run(mut self) {
        let open: Vec<_> = self.live.keys().cloned().collect();
        for arn in open {
            self.turn(&arn);
        }
        let halted = loop {
            self.run_ready();
            self.fire_due();
            self.begin_write();
            self.publish();
            if self.stopping && self.in_flight.is_none() {
                break None;
            }
            if let Err(error) = self.take_messages() {
                break Some(error);
            }
        };
        if let Some(error) = &halted {
            tracing::error!(error.name = error.name(), %error, "the engine stops: its store failed");
            for effects in [
                self.in_flight.take(),
                Some(std::mem::take(&mut self.pending)),
            ] {
                for reply in effects.into_iter().flat_map(|effects| effects.replies) {
                    reply(Some(error));
                }
            }
        }
        self.shared.condition.send_modify(|condition| {
            condition.halted = halted;
            condition.ended = true;
        });
    }

    /// Waits for messages and takes in what is there; an error is the store's.
    fn take_messages(&mut self) -> Result<(), DatabaseError> {
        let sleep = if self.ready.is_empty() || self.in_flight.is_some() {
            self.timers.next().map_or(LONGEST_SLEEP, |at| {
                (at - self.shared.clock.now())
                    .to_std()
                    .unwrap_or_default()
                    .min(LONGEST_SLEEP)
            })
        } else {
            Duration::ZERO
        };
        match self.receiver.recv_timeout(sleep) {
            Ok(message) => self.take(message)?,
            Err(RecvTimeoutError::Timeout) => return Ok(()),
            Err(RecvTimeoutError::Disconnected) => self.stopping = true,
        }
        for _ in 1..MESSAGES_PER_TURN {
            match self.receiver.try_recv() {
                Ok(message) => self.take(message)?,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn take(&mut self, message: Message) -> Result<(), DatabaseError> {
        match message {
            Message::Committed(result) => {
                result?;
                if let Some(effects) = self.in_flight.take() {
                    self.perform(effects);
                }
            }
            Message::Wake => {}
            Message::Shutdown => self.stop(),
            // Callers are told by the dropped reply; a task's result is asked for again.
            _ if self.stopping => {}
            Message::Start(start) => self.start(*start),
            Message::Stop {
                arn,
                error,
                cause,
                reply,
            } => self.stop_execution(&arn, error, cause, reply),
            Message::Signal { arn, task, signal } => self.signal(&arn, task, signal),
            Message::Fence(sender) => {
                self.publish();
                let _ = sender.send(());
            }
        }
        Ok(())
    }

    fn start(&mut self, start: Start) {
        if let Some(live) = self.live.get(&start.arn) {
            let same = live.input == start.text && !live.ended;
            let answer = if same {
                Ok(Started {
                    execution_arn: live.arn.to_string(),
                    start_date: live.start_date,
                })
            } else {
                Err(EngineError::ExecutionAlreadyExists(start.arn.to_string()))
            };
            return self.reply(start.reply, answer);
        }
        if !start.fresh {
            match query::known(&self.reader, &start.arn) {
                Ok(Known::Free) => {}
                Ok(Known::Open | Known::Ended(_)) => {
                    let error = EngineError::ExecutionAlreadyExists(start.arn.to_string());
                    return self.reply(start.reply, Err(error));
                }
                Err(error) => return self.reply(start.reply, Err(error)),
            }
        }
        let start_date = self.shared.clock.now();
        let info = ExecutionInfo {
            execution_arn: start.arn.to_string(),
            name: start.name.to_string(),
            state_machine_arn: start.machine.arn.to_string(),
            state_machine_name: start.machine.name.to_string(),
            role_arn: start.machine.role_arn.clone(),
            start_time: start_date,
            input: start.input,
            redrive_count: 0,
        };
        let (execution, first) = Execution::begin(&start.machine.definition, info);
        let arn = start.arn;
        let row = self.next_row;
        self.next_row += 1;
        self.live.insert(
            Arc::clone(&arn),
            Live {
                row,
                arn: Arc::clone(&arn),
                name: start.name,
                machine: start.machine,
                execution,
                start_date,
                input: start.text,
                unsaved: vec![first],
                inserted: false,
                dirty: false,
                ended: false,
                armed: None,
                flush_at: None,
            },
        );
        let started = Started {
            execution_arn: arn.to_string(),
            start_date,
        };
        self.reply(start.reply, Ok(started));
        self.turn(&arn);
    }

    fn stop_execution(
        &mut self,
        arn: &Arc<str>,
        error: Option<String>,
        cause: Option<String>,
        reply: Reply<DateTime<Utc>>,
    ) {
        let Some(live) = self.live.get_mut(arn) else {
            let answer = match query::known(&self.reader, arn) {
                Ok(Known::Ended(date)) => Ok(date),
                Ok(Known::Free | Known::Open) => {
                    Err(EngineError::ExecutionDoesNotExist(arn.to_string()))
                }
                Err(error) => Err(error),
            };
            return self.reply(reply, answer);
        };
        let at = Moment::new(self.shared.clock.now(), self.random.next_u64());
        if let Some(event) = live.execution.stop(error, cause, at) {
            live.execution.evolve(&live.machine.definition, &event);
            live.unsaved.push(event);
        }
        self.reply(reply, Ok(at.now));
        self.turn(arn);
    }

    fn signal(&mut self, arn: &Arc<str>, task: u64, signal: TaskSignal) {
        let Some(live) = self.live.get_mut(arn) else {
            return;
        };
        let at = Moment::new(self.shared.clock.now(), self.random.next_u64());
        let started = signal == TaskSignal::Started;
        let Some(event) = live
            .execution
            .task_signal(&live.machine.definition, task, signal, at)
        else {
            return;
        };
        if started {
            live.defer(event, at.now, self.patience);
            self.arm(arn);
        } else {
            live.execution.evolve(&live.machine.definition, &event);
            live.unsaved.push(event);
            self.turn(arn);
        }
    }

    /// Lets the decider go on until it has nothing more to say, and notes what is to be written.
    fn turn(&mut self, arn: &Arc<str>) {
        let Some(live) = self.live.get_mut(arn) else {
            return;
        };
        if live.ended {
            return;
        }
        let now = self.shared.clock.now();
        for count in 0.. {
            if count == EVENTS_PER_TURN {
                self.ready.push_back(Arc::clone(arn));
                break;
            }
            let at = Moment::new(now, self.random.next_u64());
            let Some(event) = live.execution.decide(&live.machine.definition, at) else {
                break;
            };
            live.execution.evolve(&live.machine.definition, &event);
            live.unsaved.push(event);
        }
        if !live.unsaved.is_empty() && !live.dirty {
            live.dirty = true;
            live.flush_at = None;
            self.dirty.push(Arc::clone(arn));
        }
        self.arm(arn);
    }

    /// Goes on with long turns, but not ahead of the disk: what is unsaved stays bounded.
    fn run_ready(&mut self) {
        if self.in_flight.is_some() {
            return;
        }
        for _ in 0..self.ready.len() {
            if let Some(arn) = self.ready.pop_front() {
                self.turn(&arn);
            }
        }
    }

    fn fire_due(&mut self) {
        let now = self.shared.clock.now();
        // Taken first: an execution that wants to be woken at once again must not starve the others.
        let due: Vec<_> = std::iter::from_fn(|| self.timers.pop_due(now)).collect();
        for (at, arn) in due {
            if let Some(live) = self.live.get_mut(&arn)
                && live.armed == Some(at)
            {
                live.armed = None;
                self.turn(&arn);
            }
        }
        let live = &self.live;
        self.timers.sweep(live.len(), |at, arn| {
            live.get(arn).is_some_and(|live| live.armed == Some(at))
        });
    }

    fn arm(&mut self, arn: &Arc<str>) {
        let Some(live) = self.live.get_mut(arn) else {
            return;
        };
        // A later time is armed when the earlier entry fires.
        if let Some(at) = live.wants_wake()
            && live.armed.is_none_or(|armed| at < armed)
        {
            live.armed = Some(at);
            self.timers.arm(at, Arc::clone(arn));
        }
    }

    fn reply<T: Send + 'static>(&mut self, reply: Reply<T>, answer: Result<T, EngineError>) {
        self.pending.replies.push(Box::new(move |failure| {
            // A caller that went away needs no answer.
            let _ = reply.send(match failure {
                None => answer,
                Some(error) => Err(EngineError::Store(error.clone())),
            });
        }));
    }

    /// Hands everything new to the writer, unless it still has the last write.
    fn begin_write(&mut self) {
        if self.in_flight.is_some() || (self.dirty.is_empty() && self.pending.is_empty()) {
            return;
        }
        let dirty = std::mem::take(&mut self.dirty);
        let appends: Vec<Append> = dirty
            .iter()
            .filter_map(|arn| self.take_append(arn))
            .collect();
        let effects = std::mem::take(&mut self.pending);
        if appends.is_empty() {
            // Nothing in it waits for the disk.
            return self.perform(effects);
        }
        self.in_flight = Some(effects);
        let hook = self.hook.clone();
        let sender = self.shared.sender.clone();
        self.shared.database.write_then(
            move |tx| append::store(tx, &appends, hook.as_ref()),
            move |result| {
                // The loop outlives its write.
                let _ = sender.send(Message::Committed(result));
            },
        );
    }

    fn take_append(&mut self, arn: &Arc<str>) -> Option<Append> {
        let live = self.live.get_mut(arn)?;
        live.dirty = false;
        let events = std::mem::take(&mut live.unsaved);
        let started = (!live.inserted).then(|| live.started());
        live.inserted = true;
        let ended = events.iter().find_map(|event| live.ended_by(event));
        live.ended |= ended.is_some();
        let handle = EngineHandle {
            shared: Arc::clone(&self.shared),
        };
        for event in &events {
            if matches!(
                event.detail,
                Detail::TaskScheduled { .. } | Detail::LambdaFunctionScheduled { .. }
            ) {
                let task = live.execution.open_task(event.id);
                self.pending
                    .tasks
                    .extend(task.map(|task| live.dispatched(task, &handle)));
            }
        }
        if ended.is_some() {
            self.pending.ended.push(Arc::clone(arn));
        }
        self.pending
            .changes
            .extend(started.iter().chain(&ended).cloned());
        Some(Append {
            row: live.row,
            revision: live.machine.revision,
            events,
            started,
            ended,
        })
    }

    /// Lets happen what a durable write allows (invariant 1).
    fn perform(&mut self, effects: Effects) {
        for arn in &effects.ended {
            self.live.remove(arn);
        }
        if self.live.capacity() > 4096 && self.live.len() * 8 < self.live.capacity() {
            self.live.shrink_to(self.live.len() * 2);
        }
        // An engine that stops hands no more out: they are handed out when it is opened again.
        for task in effects.tasks.into_iter().filter(|_| !self.stopping) {
            self.runner.dispatch(task);
        }
        for reply in effects.replies {
            reply(None);
        }
        for change in effects.changes {
            // Nobody has to watch.
            let _ = self.shared.changes.send(change);
        }
    }

    fn publish(&self) {
        let open = self.live.len();
        self.shared.condition.send_if_modified(|condition| {
            let changed = condition.open != open;
            condition.open = open;
            changed
        });
    }

    /// Writes what nobody waited for; the executions go on when the engine is opened again.
    fn stop(&mut self) {
        self.stopping = true;
        for live in self
            .live
            .values_mut()
            .filter(|live| !live.dirty && !live.unsaved.is_empty())
        {
            live.dirty = true;
            self.dirty.push(Arc::clone(&live.arn));
        }
    }
}
