//! What a function is, as the binary that runs it sees it.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use safelight_schema::Lane;
use serde_json::Value;

use crate::adapters::Adapters;
use crate::error::FunctionError;

/// Where a function stands in the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A Task of the trunk.
    Trunk,
    /// The Task of a branch of the function's name.
    Branch,
    /// Outside of the workflow, fed by a queue.
    Queue,
}

/// A function: its name, its place, and what makes its handler.
#[derive(Debug, Clone, Copy)]
pub struct Function {
    /// Its name; for a branch the branch's.
    pub name: &'static str,
    /// Where it stands.
    pub place: Place,
    /// Reads the settings and makes the handler.
    pub build: fn(Adapters) -> Result<Box<dyn Handler>, FunctionError>,
}

impl Function {
    /// The lane that a Task's events go to; none outside of the workflow.
    pub fn lane(&self) -> Option<Lane> {
        match self.place {
            Place::Trunk => Some(Lane::Trunk),
            Place::Branch => Some(Lane::Branch(self.name.into())),
            Place::Queue => None,
        }
    }

    /// Reads the settings as the function would, without anything for it to work with: a branch's
    /// settings are checked before its first image. `has_labels` is whether the host has a label
    /// service.
    pub fn check(&self, settings: Value, has_labels: bool) -> Result<(), FunctionError> {
        (self.build)(crate::nowhere::adapters(settings, has_labels)).map(drop)
    }
}

/// What is known of an invocation beside its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The request id that Lambda gave it.
    pub request_id: String,
    /// When Lambda ends it.
    pub deadline: DateTime<Utc>,
}

impl Invocation {
    /// How long is left at `now`, less `reserve`.
    pub fn left(&self, now: DateTime<Utc>, reserve: Duration) -> Duration {
        (self.deadline - now)
            .to_std()
            .unwrap_or_default()
            .saturating_sub(reserve)
    }
}

/// Handles one event at a time.
#[async_trait]
pub trait Handler: Send + Sync {
    /// The event's answer.
    async fn handle(&self, event: Value, invocation: &Invocation) -> Result<Value, FunctionError>;
}
