//! What follows next: from pure transitions, from due timers, from signals.

use std::sync::Arc;

use safelight_asl::{Moment, State, StateIndex, StateKind, StateMachine, errors};

use crate::event::{Detail, HistoryEvent, Note, StateType};
use crate::execution::Execution;
use crate::failure::Failure;
use crate::here::{Here, timeout};
use crate::info::TaskSignal;
use crate::json::Json;
use crate::limits::MAX_EVENTS;
use crate::scope::{Abort, Current, Phase, Scope, ScopeId};
use crate::states;

impl Execution {
    /// The next event that follows with no outside help at this moment: a pure
    /// transition, a due timer, a timeout. None means: nothing before
    /// [`Execution::next_wake`] or a signal. Fold the event in, then ask again.
    pub fn decide(&self, machine: &StateMachine, at: Moment) -> Option<HistoryEvent> {
        if !self.is_running() {
            return None;
        }
        if self.last_id + 1 >= MAX_EVENTS {
            return Some(self.end_at_limit(at));
        }
        if self.deadline.is_some_and(|deadline| deadline <= at.now) {
            return Some(self.event(0, at, Detail::ExecutionTimedOut(timeout()), None));
        }
        if let Some(id) = self.runnable.front() {
            return self.advance(machine, *id, at);
        }
        let (due, id) = self.timers.first()?;
        if *due > at.now {
            return None;
        }
        self.fire(machine, *id, at)
    }

    /// The event that a signal about a task leads to; none if the task is not
    /// open any more, or the signal came before.
    pub fn task_signal(
        &self,
        machine: &StateMachine,
        task: u64,
        signal: TaskSignal,
        at: Moment,
    ) -> Option<HistoryEvent> {
        if !self.is_running() || self.last_id + 1 >= MAX_EVENTS {
            return None;
        }
        let here = self.here(machine, *self.calls.get(&task)?, at)?;
        let (detail, failure) = states::task::signalled(&here, signal)?;
        let retry = failure.and_then(|failure| here.plan(&failure, true));
        let note = Note {
            retry,
            ..here.note()
        };
        Some(self.event(here.scope.last, at, detail, Some(note)))
    }

    pub(crate) fn event(
        &self,
        previous: u64,
        at: Moment,
        detail: Detail,
        note: Option<Note>,
    ) -> HistoryEvent {
        HistoryEvent {
            id: self.last_id + 1,
            previous_event_id: previous,
            timestamp: at.now,
            detail,
            // A note that says nothing is none.
            note: note.filter(|note| *note != Note::default()),
        }
    }

    fn end_at_limit(&self, at: Moment) -> HistoryEvent {
        let failure = Failure::new(
            errors::RUNTIME,
            format!("The execution reached the maximum number of history events ({MAX_EVENTS})."),
        );
        self.event(
            self.last_id,
            at,
            Detail::ExecutionFailed(failure.problem),
            None,
        )
    }

    pub(crate) fn here<'a>(
        &'a self,
        machine: &'a StateMachine,
        id: ScopeId,
        at: Moment,
    ) -> Option<Here<'a>> {
        let scope = self.scope(id)?;
        let current = scope.current.as_ref()?;
        Some(Here {
            execution: self,
            machine,
            id,
            scope,
            current,
            state: machine.flow(scope.flow).state(current.index),
            at,
        })
    }

    /// The next event of a scope that can go on.
    fn advance(&self, machine: &StateMachine, id: ScopeId, at: Moment) -> Option<HistoryEvent> {
        let scope = self.scope(id)?;
        let note = Note {
            scope: id,
            ..Note::default()
        };
        match &scope.phase {
            Phase::Enter { next, input } => {
                let state = machine.flow(scope.flow).state(*next);
                return Some(self.enter(machine, id, scope, (*next, state), input, at));
            }
            Phase::Done(output) => {
                let detail = match scope.parent {
                    None => Detail::ExecutionSucceeded {
                        output: output.clone(),
                    },
                    Some(parent) => Detail::MapIterationSucceeded(states::map::iteration(
                        self, machine, parent,
                    )?),
                };
                return Some(self.event(scope.last, at, detail, Some(note)));
            }
            Phase::Failed(failure) => return self.end_scope(machine, id, failure, false, at),
            _ => {}
        }
        let here = self.here(machine, id, at)?;
        let step = match &scope.phase {
            Phase::Entered => here.begin(),
            Phase::Unevaluated(failure) => {
                return Some(here.unevaluated(failure.clone(), scope.last));
            }
            Phase::Resulted(result) => here.exit(Some(result)),
            Phase::MapDone(_) => Ok((Detail::MapStateSucceeded, note)),
            Phase::BranchesDone(_) => Ok((Detail::ParallelStateSucceeded, note)),
            Phase::Caught { failure, catcher } => here.exit_caught(failure, *catcher),
            Phase::Mapping(run) => {
                let previous = run.next_start()?;
                let detail = states::map::start_iteration(&here, run);
                return Some(self.event(previous, at, detail, Some(note)));
            }
            Phase::Aborting(aborting) => {
                let detail = match aborting.list.front()? {
                    Abort::State(state) => Detail::StateAborted { state: *state },
                    Abort::Iteration(iteration) => Detail::MapIterationAborted(iteration.clone()),
                };
                Ok((detail, note))
            }
            Phase::Failing(failure) => {
                let detail = match here.state.kind {
                    StateKind::Map(_) => Detail::MapStateFailed,
                    _ => Detail::ParallelStateFailed,
                };
                let retry = here.plan(failure, false);
                Ok((detail, Note { retry, ..note }))
            }
            Phase::Enter { .. }
            | Phase::Done(_)
            | Phase::Failed(_)
            | Phase::Waiting
            | Phase::Retrying
            | Phase::Calling(_)
            | Phase::Branching(_) => return None,
        };
        here.finish(step)
    }

    /// What a due timer leads to.
    fn fire(&self, machine: &StateMachine, id: ScopeId, at: Moment) -> Option<HistoryEvent> {
        let here = self.here(machine, id, at)?;
        let step = match &here.scope.phase {
            Phase::Waiting => here.exit(None),
            Phase::Retrying => here.begin(),
            Phase::Calling(_) => {
                let detail = states::task::timed_out(&here);
                let retry = here.plan(&Failure::of(timeout()), true);
                Ok((
                    detail,
                    Note {
                        retry,
                        ..here.note()
                    },
                ))
            }
            _ => return None,
        };
        here.finish(step)
    }

    fn enter(
        &self,
        machine: &StateMachine,
        id: ScopeId,
        scope: &Scope,
        (index, state): (StateIndex, &State),
        input: &Json,
        at: Moment,
    ) -> HistoryEvent {
        let detail = Detail::StateEntered {
            state: StateType::of(&state.kind),
            name: Arc::clone(&state.name),
            input: input.clone(),
        };
        let mut note = Note {
            scope: id,
            ..Note::default()
        };
        // What these two evaluate has no event of its own: it is remembered
        // with the entered event.
        if matches!(state.kind, StateKind::Wait(_) | StateKind::Fail(_)) {
            let current = Current {
                index,
                entered: self.last_id + 1,
                before: scope.last,
                entered_time: at.now,
                input: input.clone(),
                attempts: Vec::new(),
                retry_count: 0,
            };
            let here = Here {
                execution: self,
                machine,
                id,
                scope,
                current: &current,
                state,
                at,
            };
            match &state.kind {
                StateKind::Wait(wait) => states::wait::enter(&here, wait, &mut note),
                StateKind::Fail(fail) => states::fail::enter(&here, fail, &mut note),
                _ => {}
            }
        }
        self.event(scope.last, at, detail, Some(note))
    }

    /// The event that ends a flow that has failed. `own` says that the note
    /// has to carry the failure, since no event has told it.
    pub(crate) fn end_scope(
        &self,
        machine: &StateMachine,
        id: ScopeId,
        failure: &Failure,
        own: bool,
        at: Moment,
    ) -> Option<HistoryEvent> {
        let scope = self.scope(id)?;
        let Some(parent) = scope.parent else {
            let detail = Detail::ExecutionFailed(failure.problem.clone());
            return Some(self.event(scope.last, at, detail, None));
        };
        let iteration = states::map::iteration(self, machine, parent)?;
        let map = self.here(machine, parent.scope, at)?;
        let retry = match &map.scope.phase {
            Phase::Mapping(run) if run.failures < run.tolerated_failures => None,
            _ => map.own_retry(&states::map::failure_of(map.scope, failure)),
        };
        let note = Note {
            scope: id,
            failure: own.then(|| failure.clone()),
            retry,
            ..Note::default()
        };
        Some(self.event(
            scope.last,
            at,
            Detail::MapIterationFailed(iteration),
            Some(note),
        ))
    }
}
