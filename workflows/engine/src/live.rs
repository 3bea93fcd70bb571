//! One open execution in memory.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use safelight_decider::{Detail, Execution, ExecutionStatus, HistoryEvent, OpenTask, Problem};

use crate::handle::EngineHandle;
use crate::machine::Machine;
use crate::status::StatusChange;
use crate::task::{DispatchedTask, TaskCompletion};

pub(crate) struct Live {
    /// Its row.
    pub(crate) row: i64,
    pub(crate) arn: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) machine: Arc<Machine>,
    pub(crate) execution: Execution,
    pub(crate) start_date: DateTime<Utc>,
    /// As it was sent.
    pub(crate) input: Arc<str>,
    /// Events that no write has taken yet.
    pub(crate) unsaved: Vec<HistoryEvent>,
    /// Whether a write has taken its row.
    pub(crate) inserted: bool,
    /// Whether the next write takes it.
    pub(crate) dirty: bool,
    /// Whether a write has taken its end.
    pub(crate) ended: bool,
    /// The earliest of its entries in the timers.
    pub(crate) armed: Option<DateTime<Utc>>,
    /// When unsaved events are written even if nothing else happens.
    pub(crate) flush_at: Option<DateTime<Utc>>,
}

impl Live {
    /// When this execution has to be looked at again.
    pub(crate) fn wants_wake(&self) -> Option<DateTime<Utc>> {
        match (self.execution.next_wake(), self.flush_at) {
            (Some(wake), Some(flush)) => Some(wake.min(flush)),
            (wake, flush) => wake.or(flush),
        }
    }

    /// An open task as the runner gets it.
    pub(crate) fn dispatched(&self, task: OpenTask, engine: &EngineHandle) -> DispatchedTask {
        DispatchedTask {
            execution_arn: Arc::clone(&self.arn),
            execution_name: Arc::clone(&self.name),
            task_id: task.id,
            state_name: task.state_name,
            resource: task.resource,
            function_name: task.function_name,
            payload: task.payload,
            timeout_seconds: task.timeout_seconds,
            deadline: task.deadline,
            retry_count: task.retry_count,
            completion: TaskCompletion {
                engine: engine.clone(),
                execution_arn: Arc::clone(&self.arn),
                task_id: task.id,
            },
        }
    }

    /// That it started.
    pub(crate) fn started(&self) -> Arc<StatusChange> {
        Arc::new(self.change(ExecutionStatus::Running))
    }

    /// That it ended, if this event ends it.
    pub(crate) fn ended_by(&self, event: &HistoryEvent) -> Option<Arc<StatusChange>> {
        let problem = |status, problem: &Problem| (status, None, problem.clone());
        let (status, output, problem) = match &event.detail {
            Detail::ExecutionSucceeded { output } => (
                ExecutionStatus::Succeeded,
                Some(output.to_string().into()),
                Problem::default(),
            ),
            Detail::ExecutionFailed(found) => problem(ExecutionStatus::Failed, found),
            Detail::ExecutionTimedOut(found) => problem(ExecutionStatus::TimedOut, found),
            Detail::ExecutionAborted(found) => problem(ExecutionStatus::Aborted, found),
            _ => return None,
        };
        Some(Arc::new(StatusChange {
            status,
            stop_date: Some(event.timestamp),
            output,
            error: problem.error,
            cause: problem.cause,
            ..self.change(status)
        }))
    }

    fn change(&self, status: ExecutionStatus) -> StatusChange {
        StatusChange {
            execution_arn: Arc::clone(&self.arn),
            name: self.name.to_string(),
            state_machine_arn: Arc::clone(&self.machine.arn),
            status,
            start_date: self.start_date,
            stop_date: None,
            input: Arc::clone(&self.input),
            output: None,
            error: None,
            cause: None,
        }
    }

    /// Keeps an event that nobody waits for: it goes with the next write, or after `patience`.
    pub(crate) fn defer(&mut self, event: HistoryEvent, now: DateTime<Utc>, patience: TimeDelta) {
        self.execution.evolve(&self.machine.definition, &event);
        self.unsaved.push(event);
        if !self.dirty && self.flush_at.is_none() {
            self.flush_at = Some(now + patience);
        }
    }
}
