//! The state of an execution, and what can be asked of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use safelight_asl::{FlowId, Moment, StateMachine, Variables};
use serde_json::Value;

use crate::event::{Detail, HistoryEvent, Problem};
use crate::info::{ExecutionInfo, ExecutionStatus};
use crate::json::Json;
use crate::scope::{Phase, ROOT, Scope, ScopeId};

/// An execution, folded from its history so far.
#[derive(Debug, Clone)]
pub struct Execution {
    pub(crate) info: ExecutionInfo,
    /// The input, shared with events.
    pub(crate) input: Json,
    pub(crate) status: ExecutionStatus,
    pub(crate) output: Option<Json>,
    pub(crate) problem: Problem,
    pub(crate) last_id: u64,
    pub(crate) stop_time: Option<DateTime<Utc>>,
    /// By scope number; ended scopes leave a gap.
    pub(crate) scopes: Vec<Option<Scope>>,
    /// Scopes that can go on at once; the first one does.
    pub(crate) runnable: VecDeque<ScopeId>,
    pub(crate) timers: BTreeSet<(DateTime<Utc>, ScopeId)>,
    pub(crate) deadline: Option<DateTime<Utc>>,
    /// Open calls, by the id of their scheduled event.
    pub(crate) calls: BTreeMap<u64, ScopeId>,
}

/// A task that is scheduled and not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenTask {
    /// The id of its scheduled event: what signals are addressed to.
    pub id: u64,
    /// The state's name.
    pub state_name: Arc<str>,
    /// The state's `Resource`.
    pub resource: Arc<str>,
    /// The function's name or ARN, as the definition or the arguments give it.
    pub function_name: String,
    /// The function's event.
    pub payload: Arc<Value>,
    /// `TimeoutSeconds`, counted from the start of the task.
    pub timeout_seconds: Option<u64>,
    /// When it times out; none before it has started.
    pub deadline: Option<DateTime<Utc>>,
    /// Whether it has started.
    pub started: bool,
    /// Retries of the state before this call.
    pub retry_count: u64,
}

/// A stored history that is not one of this machine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// There is no event.
    #[error("the history is empty")]
    Empty,
    /// Ids are not 1, 2, 3, …
    #[error("event {found} stands where event {expected} belongs")]
    Order {
        /// The id that belongs there.
        expected: u64,
        /// The id that stands there.
        found: u64,
    },
    /// An event cannot follow from those before it.
    #[error("event {id} cannot follow: {reason}")]
    Mismatch {
        /// The event's id.
        id: u64,
        /// Why not.
        reason: &'static str,
    },
}

impl Execution {
    /// A new execution and its first event, which is folded in already.
    pub fn begin(machine: &StateMachine, info: ExecutionInfo) -> (Self, HistoryEvent) {
        let input = Json::from(info.input.clone());
        let event = HistoryEvent {
            id: 1,
            previous_event_id: 0,
            timestamp: info.start_time,
            detail: Detail::ExecutionStarted {
                input: input.clone(),
                role_arn: info.role_arn.clone(),
            },
            note: None,
        };
        (Self::started(machine, info, input), event)
    }

    fn started(machine: &StateMachine, info: ExecutionInfo, input: Json) -> Self {
        let root = Scope {
            parent: None,
            flow: FlowId::ROOT,
            variables: Arc::new(Variables::new()),
            last: 0,
            current: None,
            phase: Phase::Enter {
                next: machine.flow(FlowId::ROOT).start_at(),
                input: input.clone(),
            },
            timer: None,
            item: None,
            queued: true,
        };
        let deadline = machine.timeout_seconds().and_then(|seconds| {
            let seconds = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
            info.start_time.checked_add_signed(seconds)
        });
        Self {
            info,
            input,
            status: ExecutionStatus::Running,
            output: None,
            problem: Problem::default(),
            last_id: 1,
            stop_time: None,
            scopes: vec![Some(root)],
            runnable: VecDeque::from([ROOT]),
            timers: BTreeSet::new(),
            deadline,
            calls: BTreeMap::new(),
        }
    }

    /// The execution that a stored history leads to.
    pub fn replay(
        machine: &StateMachine,
        info: ExecutionInfo,
        events: &[HistoryEvent],
    ) -> Result<Self, ReplayError> {
        let (first, rest) = events.split_first().ok_or(ReplayError::Empty)?;
        let Detail::ExecutionStarted { input, .. } = &first.detail else {
            return Err(ReplayError::Mismatch {
                id: first.id,
                reason: "a history begins with ExecutionStarted",
            });
        };
        let mut execution = Self::started(machine, info, input.clone());
        if first.id != 1 {
            return Err(ReplayError::Order {
                expected: 1,
                found: first.id,
            });
        }
        for event in rest {
            if event.id != execution.last_id + 1 {
                return Err(ReplayError::Order {
                    expected: execution.last_id + 1,
                    found: event.id,
                });
            }
            execution
                .apply(machine, event)
                .map_err(|reason| ReplayError::Mismatch {
                    id: event.id,
                    reason,
                })?;
        }
        Ok(execution)
    }

    /// Folds one event in. An event that this execution did not decide is left
    /// out; [`Execution::replay`] reports it instead.
    pub fn evolve(&mut self, machine: &StateMachine, event: &HistoryEvent) {
        let applied = self.apply(machine, event);
        debug_assert!(applied.is_ok(), "{applied:?}: {event:?}");
    }

    /// `ExecutionAborted`; none if the execution is over.
    pub fn stop(
        &self,
        error: Option<String>,
        cause: Option<String>,
        at: Moment,
    ) -> Option<HistoryEvent> {
        self.is_running().then(|| HistoryEvent {
            id: self.last_id + 1,
            previous_event_id: 0,
            timestamp: at.now,
            detail: Detail::ExecutionAborted(Problem { error, cause }),
            note: None,
        })
    }

    /// Tasks that are scheduled and not finished, oldest first.
    pub fn open_tasks(&self) -> Vec<OpenTask> {
        self.calls
            .values()
            .filter_map(|scope| self.open_task_of(*scope))
            .collect()
    }

    /// One of them, by the id of its scheduled event.
    pub fn open_task(&self, id: u64) -> Option<OpenTask> {
        self.open_task_of(*self.calls.get(&id)?)
    }

    fn open_task_of(&self, id: ScopeId) -> Option<OpenTask> {
        let scope = self.scope(id)?;
        let Phase::Calling(call) = &scope.phase else {
            return None;
        };
        Some(OpenTask {
            id: call.scheduled,
            state_name: Arc::clone(&call.state_name),
            resource: Arc::clone(&call.resource),
            function_name: call.function.clone(),
            payload: Arc::clone(&call.payload),
            timeout_seconds: call.timeout_seconds,
            deadline: scope.timer,
            started: call.started,
            retry_count: scope
                .current
                .as_ref()
                .map_or(0, |current| current.retry_count),
        })
    }

    /// The earliest time at which something happens by itself.
    pub fn next_wake(&self) -> Option<DateTime<Utc>> {
        if !self.is_running() {
            return None;
        }
        let timer = self.timers.first().map(|(due, _)| *due);
        match (timer, self.deadline) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Where it stands.
    pub const fn status(&self) -> ExecutionStatus {
        self.status
    }

    /// Whether it is not at its end.
    pub fn is_running(&self) -> bool {
        self.status == ExecutionStatus::Running
    }

    /// The output of an execution that has succeeded.
    pub fn output(&self) -> Option<&Value> {
        self.output.as_deref()
    }

    /// Error and cause of an execution that ended otherwise; empty where it
    /// has none.
    pub fn failure(&self) -> Option<(&str, &str)> {
        match self.status {
            ExecutionStatus::Running | ExecutionStatus::Succeeded => None,
            ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => {
                Some((
                    self.problem.error.as_deref().unwrap_or_default(),
                    self.problem.cause.as_deref().unwrap_or_default(),
                ))
            }
        }
    }

    /// Error and cause as they were given, each of which may be missing.
    pub const fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What it is called.
    pub const fn info(&self) -> &ExecutionInfo {
        &self.info
    }

    /// When it ended.
    pub const fn stop_time(&self) -> Option<DateTime<Utc>> {
        self.stop_time
    }

    /// The id of the last event that was folded in.
    pub const fn last_event_id(&self) -> u64 {
        self.last_id
    }

    pub(crate) fn scope(&self, id: ScopeId) -> Option<&Scope> {
        self.scopes.get(id as usize)?.as_ref()
    }

    pub(crate) fn scope_mut(&mut self, id: ScopeId) -> Option<&mut Scope> {
        self.scopes.get_mut(id as usize)?.as_mut()
    }
}
