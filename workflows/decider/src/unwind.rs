//! What a failure does to the scopes around it.

use std::collections::VecDeque;
use std::sync::Arc;

use safelight_asl::{StateKind, StateMachine};

use crate::event::{Iteration, StateType};
use crate::execution::Execution;
use crate::failure::{self, Failure, RetryNote};
use crate::scope::{Abort, Aborting, Phase, ScopeId};

use crate::evolve::{Mismatch, NO_SCOPE, WRONG_PHASE};

impl Execution {
    /// A state has failed: retry it, catch it, or let its flow fail.
    pub(crate) fn state_failed(
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

    pub(crate) fn catch_or_fail(
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
    pub(crate) fn flow_failed(
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

    pub(crate) fn aborted(&mut self, id: ScopeId) -> Result<(), Mismatch> {
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
