//! Folding an event in. Nothing is evaluated here: what an expression gave is
//! in the event or its note.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use safelight_asl::{StateIndex, StateKind, StateMachine};

use crate::event::{Detail, HistoryEvent, Iteration, Note, Problem, StateType};
use crate::execution::Execution;
use crate::failure::{self, Failure, RetryNote};
use crate::info::ExecutionStatus;
use crate::json::Json;
use crate::scope::{Abort, Aborting, Current, Phase, Scope, ScopeId};
use crate::states;

/// Why an event cannot follow.
pub(crate) type Mismatch = &'static str;

const NO_SCOPE: Mismatch = "its scope has ended";
const WRONG_PHASE: Mismatch = "its scope does not wait for it";
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

    /// A state has failed: retry it, catch it, or let its flow fail.
    fn state_failed(
        &mut self,
        machine: &StateMachine,
        id: ScopeId,
        failure: Failure,
        retry: Option<&RetryNote>,
    ) -> Result<(), Mismatch> {
        if let Some(retry) = retry.filter(|retry| retry.scope == id) {
            return self.retry(retry);
        }
        let scope = self.scope(id).ok_or(NO_SCOPE)?;
        let current = scope.current.as_ref().ok_or(WRONG_PHASE)?;
        let state = machine.flow(scope.flow).state(current.index);
        if matches!(state.kind, StateKind::Map(_) | StateKind::Parallel(_)) {
            return self.set_phase(id, Phase::Failing(failure), true);
        }
        self.catch_or_fail(machine, id, failure, retry)
    }

    fn catch_or_fail(
        &mut self,
        machine: &StateMachine,
        id: ScopeId,
        failure: Failure,
        retry: Option<&RetryNote>,
    ) -> Result<(), Mismatch> {
        let scope = self.scope(id).ok_or(NO_SCOPE)?;
        let current = scope.current.as_ref().ok_or(WRONG_PHASE)?;
        let state = machine.flow(scope.flow).state(current.index);
        match failure::catcher(state, &failure) {
            Some((catcher, _)) => self.set_phase(id, Phase::Caught { failure, catcher }, true),
            None => self.flow_failed(machine, id, failure, retry),
        }
    }

    /// A flow has failed. An iteration says so in an event; of a branch, only
    /// what it ended is told.
    fn flow_failed(
        &mut self,
        machine: &StateMachine,
        id: ScopeId,
        failure: Failure,
        retry: Option<&RetryNote>,
    ) -> Result<(), Mismatch> {
        let parent = self.scope(id).ok_or(NO_SCOPE)?.parent;
        let branching = parent.and_then(|p| match self.scope(p.scope).map(|s| &s.phase) {
            Some(Phase::Branching(run)) => Some((p.scope, run.scopes.clone())),
            _ => None,
        });
        let Some((parallel, scopes)) = branching else {
            return self.set_phase(id, Phase::Failed(failure), true);
        };
        let last = self.scope(id).ok_or(NO_SCOPE)?.last;
        let aborts = scopes
            .into_iter()
            .flat_map(|branch| self.abort(machine, branch, branch == id))
            .collect();
        self.fail_composed(parallel, last, failure, retry, aborts)
    }

    /// A Map or Parallel has failed: tells what that ended, then retries,
    /// catches or fails it.
    pub(crate) fn fail_composed(
        &mut self,
        id: ScopeId,
        last: u64,
        failure: Failure,
        retry: Option<&RetryNote>,
        aborts: VecDeque<Abort>,
    ) -> Result<(), Mismatch> {
        let retry = retry.filter(|retry| retry.scope == id);
        if let Some(retry) = retry {
            self.count_retry(retry)?;
        }
        self.scope_mut(id).ok_or(NO_SCOPE)?.last = last;
        let aborting = Aborting {
            failure,
            retry: retry.map(|retry| retry.due),
            list: aborts,
        };
        self.set_phase(id, Phase::Aborting(Box::new(aborting)), true)?;
        self.after_aborts(id)
    }

    fn aborted(&mut self, id: ScopeId) -> Result<(), Mismatch> {
        let Some(Phase::Aborting(aborting)) = self.scope_mut(id).map(|s| &mut s.phase) else {
            return Err(WRONG_PHASE);
        };
        aborting.list.pop_front().ok_or(WRONG_PHASE)?;
        self.after_aborts(id)
    }

    fn after_aborts(&mut self, id: ScopeId) -> Result<(), Mismatch> {
        let Some(Phase::Aborting(aborting)) = self.scope(id).map(|s| &s.phase) else {
            return Err(WRONG_PHASE);
        };
        if !aborting.list.is_empty() {
            return Ok(());
        }
        if let Some(due) = aborting.retry {
            self.set_phase(id, Phase::Retrying, false)?;
            self.set_timer(id, Some(due));
            return Ok(());
        }
        let failure = aborting.failure.clone();
        self.set_phase(id, Phase::Failing(failure), true)
    }

    fn retry(&mut self, retry: &RetryNote) -> Result<(), Mismatch> {
        self.count_retry(retry)?;
        self.set_phase(retry.scope, Phase::Retrying, false)?;
        self.set_timer(retry.scope, Some(retry.due));
        Ok(())
    }

    fn count_retry(&mut self, retry: &RetryNote) -> Result<(), Mismatch> {
        let scope = self.scope_mut(retry.scope).ok_or(NO_SCOPE)?;
        let current = scope.current.as_mut().ok_or(WRONG_PHASE)?;
        let attempts = current
            .attempts
            .get_mut(retry.retrier)
            .ok_or("the state has no such Retry")?;
        *attempts += 1;
        current.retry_count += 1;
        Ok(())
    }

    /// Drops a scope and what runs inside it, and lists what has to be told.
    pub(crate) fn abort(
        &mut self,
        machine: &StateMachine,
        id: ScopeId,
        failed: bool,
    ) -> Vec<Abort> {
        let Some(scope) = self.drop_scope(id) else {
            return Vec::new();
        };
        let mut list = Vec::new();
        let Some(current) = &scope.current else {
            return list;
        };
        let state = machine.flow(scope.flow).state(current.index);
        let composed = matches!(state.kind, StateKind::Map(_) | StateKind::Parallel(_));
        let told =
            matches!(state.kind, StateKind::Task(_) | StateKind::Wait(_)) || (composed && !failed);
        if told {
            list.push(Abort::State(StateType::of(&state.kind)));
        }
        match &scope.phase {
            Phase::Mapping(run) => {
                for (index, iteration) in &run.running {
                    list.push(Abort::Iteration(Iteration {
                        name: Arc::clone(&state.name),
                        index: *index as u64,
                    }));
                    list.extend(self.abort(machine, *iteration, false));
                }
            }
            Phase::Branching(run) => {
                for branch in &run.scopes {
                    list.extend(self.abort(machine, *branch, false));
                }
            }
            _ => {}
        }
        list
    }
}
