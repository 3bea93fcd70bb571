//! One flow in progress: the top level, an iteration of a Map, a branch.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use safelight_asl::{FlowId, StateIndex, Variables};
use serde_json::Value;

use crate::event::{Iteration, StateType};
use crate::failure::Failure;
use crate::json::Json;

/// A scope's number: 0 is the top level.
pub(crate) type ScopeId = u32;

/// The top level.
pub(crate) const ROOT: ScopeId = 0;

#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) parent: Option<Parent>,
    pub(crate) flow: FlowId,
    pub(crate) variables: Arc<Variables>,
    /// The event that the next one follows from.
    pub(crate) last: u64,
    pub(crate) current: Option<Current>,
    pub(crate) phase: Phase,
    /// The timer of the phase: a wait, a retry, a task's timeout.
    pub(crate) timer: Option<DateTime<Utc>>,
    /// The nearest enclosing Map's item, for `$states.context.Map`.
    pub(crate) item: Option<(u64, Arc<Value>)>,
    pub(crate) queued: bool,
}

/// Which place of which scope a scope fills.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent {
    pub(crate) scope: ScopeId,
    pub(crate) index: usize,
}

/// The state that a scope is in.
#[derive(Debug, Clone)]
pub(crate) struct Current {
    pub(crate) index: StateIndex,
    pub(crate) entered: u64,
    /// What the entered event followed from.
    pub(crate) before: u64,
    pub(crate) entered_time: DateTime<Utc>,
    pub(crate) input: Json,
    /// Retries so far, for each entry of `Retry`.
    pub(crate) attempts: Vec<u64>,
    pub(crate) retry_count: u64,
}

/// What a scope does next.
#[derive(Debug, Clone)]
pub(crate) enum Phase {
    /// Enters a state.
    Enter { next: StateIndex, input: Json },
    /// Is in a state that has done nothing yet.
    Entered,
    /// Waits for its timer to leave a Wait.
    Waiting,
    /// Waits for its timer to begin the state again.
    Retrying,
    /// Knows that an expression of the state has failed.
    Unevaluated(Failure),
    /// Waits for a function.
    Calling(Call),
    /// Has the result of a Task, Map or Parallel.
    Resulted(Json),
    /// All iterations of the Map are done.
    MapDone(Json),
    /// Leaves the state by an entry of its `Catch`.
    Caught { failure: Failure, catcher: usize },
    /// Runs iterations.
    Mapping(Box<MapRun>),
    /// Runs branches.
    Branching(BranchRun),
    /// All branches are done.
    BranchesDone(Json),
    /// Tells what a failure inside a Map or Parallel ended.
    Aborting(Box<Aborting>),
    /// The Map or Parallel has failed for good.
    Failing(Failure),
    /// The flow is done.
    Done(Json),
    /// The flow has failed.
    Failed(Failure),
}

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) scheduled: u64,
    pub(crate) started: bool,
    pub(crate) state_name: Arc<str>,
    pub(crate) resource: Arc<str>,
    pub(crate) function: String,
    pub(crate) payload: Arc<Value>,
    pub(crate) timeout_seconds: Option<u64>,
}

#[derive(Debug, Clone)]
pub(crate) struct MapRun {
    pub(crate) items: Json,
    pub(crate) inputs: Option<Vec<Json>>,
    pub(crate) tolerated_failures: u64,
    /// The event that the Map began with: iterations that need not wait for
    /// another one follow from it.
    pub(crate) started: u64,
    /// Iterations that may begin at once.
    pub(crate) free: u64,
    /// The last events of iterations whose places are free again.
    pub(crate) freed: VecDeque<u64>,
    pub(crate) next: usize,
    pub(crate) failures: u64,
    pub(crate) done: usize,
    pub(crate) results: Vec<Option<Json>>,
    /// The scopes of running iterations, by index.
    pub(crate) running: BTreeMap<usize, ScopeId>,
}

impl MapRun {
    pub(crate) fn length(&self) -> usize {
        self.items.as_array().map_or(0, Vec::len)
    }

    /// The event that the next iteration follows from, if one may begin.
    pub(crate) fn next_start(&self) -> Option<u64> {
        if self.next >= self.length() {
            None
        } else if self.free > 0 {
            Some(self.started)
        } else {
            self.freed.front().copied()
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct BranchRun {
    pub(crate) results: Vec<Option<Json>>,
    pub(crate) done: usize,
    pub(crate) scopes: Vec<ScopeId>,
}

#[derive(Debug, Clone)]
pub(crate) struct Aborting {
    pub(crate) failure: Failure,
    /// When the whole state begins again, once all is told.
    pub(crate) retry: Option<DateTime<Utc>>,
    pub(crate) list: VecDeque<Abort>,
}

/// One thing that a failure ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Abort {
    State(StateType),
    Iteration(Iteration),
}
