//! What was said already, and which alarms are on: one object, written under a condition.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use safelight_kit::FunctionError;
use safelight_ports::{ObjectMeta, Objects, ObjectsError, WriteCondition, Written};
use safelight_schema::{ImageRef, error_name};
use serde::{Deserialize, Serialize};

use crate::alarm::is_of_failures;

/// Key in the results bucket. One object for all alarms, since they share what was posted.
pub(crate) const KEY: &str = "alerts/state.json";

/// Largest state that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// How often a conditional write is tried again.
pub(crate) const TRIES: usize = 16;

/// An alarm as it was last heard of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Alarm {
    /// Whether it is on.
    pub on: bool,
    /// When it changed.
    pub changed: DateTime<Utc>,
    /// Why.
    pub reason: String,
    /// What it is about.
    #[serde(default)]
    pub description: String,
    /// Of an alarm whose news is that it is on: whether that was the last thing posted about it.
    #[serde(default)]
    pub told: bool,
}

/// A message that somebody is posting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Who.
    pub by: String,
    /// How long others wait for it.
    pub until: DateTime<Utc>,
}

/// The state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    /// The alarms by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// Whether failures were posted since all alarms of failures were off.
    pub announced: bool,
    /// Fingerprints of the kinds that were posted since then, and when.
    pub posted: BTreeMap<String, DateTime<Utc>>,
    /// A message that is being posted.
    pub pending: Option<Pending>,
}

impl State {
    /// Notes what was heard of an alarm; false if something newer was heard of it before.
    pub(crate) fn hear(&mut self, name: &str, mut heard: Alarm) -> bool {
        if let Some(known) = self.alarms.get(name) {
            if known.changed > heard.changed {
                return false;
            }
            heard.told = known.told;
        }
        self.alarms.insert(name.to_owned(), heard);
        true
    }

    /// The alarms whose news is that they are on or off, and of which the last post said otherwise.
    pub(crate) fn untold(&self) -> Vec<(&str, &Alarm)> {
        self.alarms
            .iter()
            .filter(|(name, alarm)| !is_of_failures(name) && alarm.on != alarm.told)
            .map(|(name, alarm)| (name.as_str(), alarm))
            .collect()
    }

    /// The alarms of failures that are on, the one that changed last first.
    pub(crate) fn on(&self) -> Vec<(&str, &Alarm)> {
        let on = self
            .alarms
            .iter()
            .filter(|(name, alarm)| is_of_failures(name) && alarm.on);
        let mut on: Vec<(&str, &Alarm)> = on.map(|(name, alarm)| (name.as_str(), alarm)).collect();
        on.sort_by_key(|(_, alarm)| std::cmp::Reverse(alarm.changed));
        on
    }
}

/// The state as it is, and the condition under which it may be replaced.
pub(crate) async fn load(objects: &dyn Objects) -> Result<(State, WriteCondition), FunctionError> {
    let bucket = objects.results_bucket();
    for _ in 0..TRIES {
        let Some(head) = objects.head(bucket, KEY).await? else {
            return Ok((State::default(), WriteCondition::IfAbsent));
        };
        let object = ImageRef {
            bucket: bucket.to_owned(),
            key: KEY.into(),
            version: None,
            etag: Some(head.etag.clone()),
            sequencer: None,
            bytes: None,
        };
        match objects.read(&object, MAX_BYTES).await {
            Ok(bytes) => {
                let state = serde_json::from_slice(&bytes).map_err(|error| {
                    FunctionError::new(
                        &error_name::OBJECTS_UNAVAILABLE,
                        format!("'{KEY}' cannot be read: {error}; delete it to begin anew"),
                    )
                })?;
                return Ok((state, WriteCondition::IfMatch(head.etag)));
            }
            // Somebody replaced it in between.
            Err(ObjectsError::Superseded { .. } | ObjectsError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended())
}

/// Replaces the state; false if somebody was faster.
pub(crate) async fn save(
    objects: &dyn Objects,
    state: &State,
    condition: &WriteCondition,
) -> Result<bool, FunctionError> {
    let bytes = serde_json::to_vec(state)
        .map_err(|error| FunctionError::new(&error_name::OBJECTS_UNAVAILABLE, error.to_string()))?;
    let meta = ObjectMeta {
        media_type: "application/json".into(),
        ..ObjectMeta::default()
    };
    let written = objects
        .write(objects.results_bucket(), KEY, &bytes, &meta, condition)
        .await?;
    Ok(matches!(written, Written::Done(_)))
}

/// Changes the state, whoever else does at the same time.
pub(crate) async fn change(
    objects: &dyn Objects,
    change: impl Fn(&mut State),
) -> Result<(), FunctionError> {
    for _ in 0..TRIES {
        let (mut state, condition) = load(objects).await?;
        change(&mut state);
        if save(objects, &state, &condition).await? {
            return Ok(());
        }
    }
    Err(contended())
}

pub(crate) fn contended() -> FunctionError {
    FunctionError::new(
        &error_name::OBJECTS_UNAVAILABLE,
        format!("'{KEY}' was changed by others {TRIES} times"),
    )
}
