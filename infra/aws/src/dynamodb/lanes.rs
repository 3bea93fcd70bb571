//! Lanes as they were last seen, so that the second append of an invocation reads nothing.
//!
//! A lane only grows, and an append is conditional on the place after the last event that is known:
//! if the lane grew meanwhile, the append is refused, and the lane is read again. So what is kept here
//! may be old, and nothing is lost by it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use safelight_schema::{Event, EventData, Pointer};
use uuid::Uuid;

/// Lanes that are kept: an invocation touches one or two, a batch of ten messages ten.
const KEPT: usize = 64;

/// A lane.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct SeenLane {
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Index keys that its items carry.
    pub pointers: Vec<(String, String)>,
}

impl SeenLane {
    /// The event of that id.
    pub(crate) fn find(&self, id: Uuid) -> Option<&Event> {
        self.events.iter().find(|event| event.id == id)
    }

    /// Whether an item of it carries the pointer's index keys.
    pub(crate) fn carries(&self, pointer: &Pointer) -> bool {
        self.pointers
            .iter()
            .any(|(pk, sk)| *pk == pointer.g1pk && *sk == pointer.g1sk)
    }

    /// Whether it says that StartExecution has answered.
    pub(crate) fn is_started(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event.data, EventData::ExecutionStarted { .. }))
    }
}

/// The lanes that were seen last.
#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<VecDeque<((String, String), SeenLane)>>);

impl Lanes {
    /// Takes a lane out.
    pub(crate) fn take(&self, pk: &str, prefix: &str) -> Option<SeenLane> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let index = kept
            .iter()
            .position(|((known, lane), _)| known == pk && lane == prefix)?;
        kept.remove(index).map(|(_, lane)| lane)
    }

    /// Keeps a lane.
    pub(crate) fn keep(&self, pk: &str, prefix: &str, lane: SeenLane) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|((known, other), _)| known != pk || other != prefix);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(((pk.to_owned(), prefix.to_owned()), lane));
    }
}
