//! Folding an event in. Nothing is evaluated here: what an expression gave is
//! in the event or its note.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use safelight_asl::{StateIndex, StateKind, StateMachine};

use crate::event::{Detail, HistoryEvent, Note, Problem};
use crate::execution::Execution;
use crate::failure::Failure;
use crate::info::ExecutionStatus;
use crate::json::Json;
use crate::scope::{Current, Phase, Scope, ScopeId};
use crate::states;

/// Why an event cannot follow.
pub(crate) type Mismatch = &'static str;

pub(crate) const NO_SCOPE: Mismatch = "its scope has ended";
pub(crate) const WRONG_PHASE: Mismatch = "its scope does not wait for it";
const NO_STATE: Mismatch = "the state machine has no such state";

impl Execution {
    pub(crate) fn apply(
        &mut self,
        machine: &StateMachine,
        event: &HistoryEvent,
    ) -> Result<(), Mismatch> {
        if !self.is_running() {
            return Err("the execution has ended");
        }
        if event.id != self.last_id + 1 {
            return Err("its id is not the next one");
        }
        let empty = Note::default();
        let note = event.note.as_ref().unwrap_or(&empty);
        self.apply_detail(machine, event, note)?;
        self.last_id = event.id;
        Ok(())
    }

    fn apply_detail(
        &mut self,
        machine: &StateMachine,
        event: &HistoryEvent,
        note: &Note,
    ) -> Result<(), Mismatch> {
        let id = note.scope;
        match &event.detail {
            Detail::ExecutionStarted { .. } => return Err("a history begins only once"),
            Detail::ExecutionSucceeded { output } => {
                self.output = Some(output.clone());
                self.end(ExecutionStatus::Succeeded, Problem::default(), event);
            }
            Detail::ExecutionFailed(problem) => {
                self.end(ExecutionStatus::Failed, problem.clone(), event);
            }
            Detail::ExecutionTimedOut(problem) => {
                self.end(ExecutionStatus::TimedOut, problem.clone(), event);
            }
            Detail::ExecutionAborted(problem) => {
                self.end(ExecutionStatus::Aborted, problem.clone(), event);
            }
            Detail::StateEntered { name, input, .. } => {
                self.entered(machine, event, note, name, input)?;
            }
            Detail::StateExited {
                output, assigned, ..
            } => {
                let scope = self.take_last(id, event)?;
                if !assigned.is_empty() {
                    let variables = Arc::make_mut(&mut scope.variables);
                    for (name, value) in assigned {
                        variables.insert(name.clone(), Arc::clone(value.shared()));
                    }
                }
                self.exited(machine, note, output)?;
            }
            Detail::StateAborted { .. } | Detail::MapIterationAborted(_) => {
                self.aborted(id)?;
            }
            Detail::TaskScheduled { .. } | Detail::LambdaFunctionScheduled { .. } => {
                self.take_last(id, event)?;
                self.set_timer(id, None);
                states::task::scheduled(self, machine, id, event)?;
                self.calls.insert(event.id, id);
                self.set_runnable(id, false);
            }
            Detail::TaskStarted { .. } | Detail::LambdaFunctionStarted => {
                self.take_last(id, event)?;
                states::task::started(self, id, event)?;
            }
            Detail::TaskSucceeded { output, .. } | Detail::LambdaFunctionSucceeded { output } => {
                self.take_last(id, event)?;
                self.close_call(id)?;
                self.set_phase(id, Phase::Resulted(output.clone()), true)?;
            }
            Detail::TaskFailed { problem, .. }
            | Detail::TaskTimedOut { problem, .. }
            | Detail::LambdaFunctionFailed(problem)
            | Detail::LambdaFunctionTimedOut(problem) => {
                self.take_last(id, event)?;
                self.close_call(id)?;
                self.state_failed(
                    machine,
                    id,
                    Failure::of(problem.clone()),
                    note.retry.as_ref(),
                )?;
            }
            Detail::EvaluationFailed {
                problem, location, ..
            } => {
                let scope = self.take_last(id, event)?;
                let caught = matches!(scope.phase, Phase::Caught { .. });
                self.set_timer(id, None);
                let failure = Failure {
                    problem: problem.clone(),
                    location: location.clone(),
                };
                // A Catch that fails itself is handled by nothing.
                if caught {
                    self.flow_failed(machine, id, failure, note.retry.as_ref())?;
                } else {
                    self.state_failed(machine, id, failure, note.retry.as_ref())?;
                }
            }
            Detail::MapStateStarted { .. } => {
                self.take_last(id, event)?;
                self.set_timer(id, None);
                let map = note
                    .map
                    .as_ref()
                    .ok_or("the note with the items is missing")?;
                states::map::started(self, id, event, map)?;
            }
            Detail::MapIterationStarted(_) => {
                states::map::iteration_started(self, machine, id, event)?;
            }
            Detail::MapIterationSucceeded(_) => states::map::iteration_succeeded(self, id, event)?,
            Detail::MapIterationFailed(_) => {
                states::map::iteration_failed(self, machine, id, event, note)?;
            }
            Detail::ParallelStateStarted => {
                self.take_last(id, event)?;
                self.set_timer(id, None);
                states::parallel::started(self, machine, id, note)?;
            }
            // The exited event follows from what this one follows from.
            Detail::MapStateSucceeded | Detail::ParallelStateSucceeded => {
                let scope = self.scope_mut(id).ok_or(NO_SCOPE)?;
                let (Phase::MapDone(result) | Phase::BranchesDone(result)) = &scope.phase else {
                    return Err(WRONG_PHASE);
                };
                scope.phase = Phase::Resulted(result.clone());
            }
            Detail::MapStateFailed | Detail::ParallelStateFailed => {
                let scope = self.take_last(id, event)?;
                let Phase::Failing(failure) = &scope.phase else {
                    return Err(WRONG_PHASE);
                };
                let failure = failure.clone();
                self.catch_or_fail(machine, id, failure, note.retry.as_ref())?;
            }
        }
        Ok(())
    }

    fn end(&mut self, status: ExecutionStatus, problem: Problem, event: &HistoryEvent) {
        self.status = status;
        self.problem = problem;
        self.stop_time = Some(event.timestamp);
        self.scopes.clear();
        self.runnable.clear();
        self.timers.clear();
        self.calls.clear();
        self.deadline = None;
    }

    /// The scope, whose next event follows from this one.
    fn take_last(&mut self, id: ScopeId, event: &HistoryEvent) -> Result<&mut Scope, Mismatch> {
        let scope = self.scope_mut(id).ok_or(NO_SCOPE)?;
        scope.last = event.id;
        Ok(scope)
    }

    pub(crate) fn set_phase(
        &mut self,
        id: ScopeId,
        phase: Phase,
        runnable: bool,
    ) -> Result<(), Mismatch> {
        self.scope_mut(id).ok_or(NO_SCOPE)?.phase = phase;
        self.set_runnable(id, runnable);
        Ok(())
    }

    /// Queues the scope, or takes it out of the queue; one that is queued
    /// keeps its place, so that a scope goes on until it has to wait.
    pub(crate) fn set_runnable(&mut self, id: ScopeId, runnable: bool) {
        let Some(scope) = self.scope_mut(id) else {
            return;
        };
        if scope.queued == runnable {
            return;
        }
        scope.queued = runnable;
        if runnable {
            self.runnable.push_back(id);
        } else {
            self.unqueue(id);
        }
    }

    fn unqueue(&mut self, id: ScopeId) {
        if self.runnable.front() == Some(&id) {
            self.runnable.pop_front();
        } else {
            self.runnable.retain(|other| *other != id);
        }
    }

    pub(crate) fn set_timer(&mut self, id: ScopeId, due: Option<DateTime<Utc>>) {
        let Some(scope) = self.scope_mut(id) else {
            return;
        };
        let old = std::mem::replace(&mut scope.timer, due);
        if let Some(old) = old {
            self.timers.remove(&(old, id));
        }
        if let Some(due) = due {
            self.timers.insert((due, id));
        }
    }

    fn close_call(&mut self, id: ScopeId) -> Result<(), Mismatch> {
        let Some(Phase::Calling(call)) = self.scope(id).map(|s| &s.phase) else {
            return Err(WRONG_PHASE);
        };
        let scheduled = call.scheduled;
        self.calls.remove(&scheduled);
        self.set_timer(id, None);
        Ok(())
    }

    pub(crate) fn add_scope(&mut self, scope: Scope) -> ScopeId {
        let id = self.scopes.len() as ScopeId;
        self.scopes.push(Some(scope));
        self.runnable.push_back(id);
        id
    }

    /// Forgets a scope with its timer, its open call and its place in the queue.
    pub(crate) fn drop_scope(&mut self, id: ScopeId) -> Option<Scope> {
        self.set_timer(id, None);
        let scope = self.scopes.get_mut(id as usize)?.take()?;
        if scope.queued {
            self.unqueue(id);
        }
        if let Phase::Calling(call) = &scope.phase {
            self.calls.remove(&call.scheduled);
        }
        Some(scope)
    }

    fn entered(
        &mut self,
        machine: &StateMachine,
        event: &HistoryEvent,
        note: &Note,
        name: &str,
        input: &Json,
    ) -> Result<(), Mismatch> {
        let id = note.scope;
        let scope = self.scope_mut(id).ok_or(NO_SCOPE)?;
        let Phase::Enter { next, .. } = &scope.phase else {
            return Err(WRONG_PHASE);
        };
        let index: StateIndex = *next;
        let state = machine.flow(scope.flow).state(index);
        if *state.name != *name {
            return Err(NO_STATE);
        }
        scope.current = Some(Current {
            index,
            entered: event.id,
            before: event.previous_event_id,
            entered_time: event.timestamp,
            input: input.clone(),
            attempts: vec![0; state.retry.len()],
            retry_count: 0,
        });
        scope.last = event.id;
        scope.phase = Phase::Entered;
        match (&state.kind, &note.failure) {
            // A field of the state could not be evaluated.
            (_, Some(failure)) if failure.location.is_some() => {
                self.set_phase(id, Phase::Unevaluated(failure.clone()), true)
            }
            (StateKind::Wait(_), _) => {
                let due = note
                    .due
                    .ok_or("the note with the end of the wait is missing")?;
                self.set_phase(id, Phase::Waiting, false)?;
                self.set_timer(id, Some(due));
                Ok(())
            }
            (StateKind::Fail(_), Some(failure)) => {
                self.state_failed(machine, id, failure.clone(), note.retry.as_ref())
            }
            (StateKind::Fail(_), None) => self.state_failed(
                machine,
                id,
                Failure::of(Problem::default()),
                note.retry.as_ref(),
            ),
            _ => Ok(()),
        }
    }

    fn exited(
        &mut self,
        machine: &StateMachine,
        note: &Note,
        output: &Json,
    ) -> Result<(), Mismatch> {
        let id = note.scope;
        self.set_timer(id, None);
        let scope = self.scope_mut(id).ok_or(NO_SCOPE)?;
        scope.current = None;
        if let Some(next) = &note.next {
            let next = machine.flow(scope.flow).find(next).ok_or(NO_STATE)?;
            let input = output.clone();
            return self.set_phase(id, Phase::Enter { next, input }, true);
        }
        let parent = scope.parent;
        let branch = parent.filter(|p| {
            matches!(
                self.scope(p.scope).map(|s| &s.phase),
                Some(Phase::Branching(_))
            )
        });
        match branch {
            Some(parent) => states::parallel::branch_done(self, id, parent, output),
            None => self.set_phase(id, Phase::Done(output.clone()), true),
        }
    }
}
