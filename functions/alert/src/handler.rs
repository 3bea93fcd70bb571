//! Reads what failed from the record, and posts what was not posted yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use safelight_kit::failures::{self, OpenFailure, OpenFailures, Window};
use safelight_kit::letters;
use safelight_kit::sqs::each_message;
use safelight_kit::{Adapters, Function, FunctionError, Handler, Invocation, Place};
use safelight_ports::queue::MAX_BATCH;
use safelight_schema::error_name;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::alarm::{self, Notice};
use crate::message::{self, Report};
use crate::slack::{self, Webhook};
use crate::state::{self, Alarm, Pending, State};

/// The function.
pub const FUNCTION: Function = Function {
    name: "alert",
    place: Place::Queue,
    build,
};

/// Time that is kept for writing down what was posted.
const RESERVE: Duration = Duration::from_secs(5);

/// The settings of `alert`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Name of the dead-letter queue.
    pub queue: String,
    /// How far back failures are looked for, days.
    pub lookback_days: u32,
    /// Most failures that are read for one message; the newest are.
    pub max_failures: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: letters::QUEUE.into(),
            lookback_days: 14,
            max_failures: 1_000,
        }
    }
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let webhook = match &adapters.webhook {
        Some(_) => None,
        None => Webhook::from_environment()?,
    };
    Ok(Box::new(Alert::new(adapters, webhook)?))
}

/// The handler.
pub struct Alert {
    adapters: Adapters,
    settings: Settings,
    webhook: Option<Webhook>,
    /// The messages of a batch are handled one after the other: the second alarm is to see what
    /// was posted for the first.
    turn: Mutex<()>,
}

/// What a message will say, and what is to be remembered when it was said.
enum Saying {
    Kinds {
        message: Value,
        fingerprints: BTreeSet<String>,
    },
    Recovery {
        message: Value,
    },
    /// Of alarms by name: whether they are on.
    Alarms {
        message: Value,
        told: BTreeMap<String, bool>,
    },
}

impl Saying {
    const fn message(&self) -> &Value {
        match self {
            Self::Kinds { message, .. }
            | Self::Recovery { message }
            | Self::Alarms { message, .. } => message,
        }
    }
}

#[async_trait]
impl Handler for Alert {
    async fn handle(&self, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
        if event.get("Records").is_none() {
            let notice = alarm::read_value(event)?;
            let posted = self.notice(&notice, invocation).await?;
            return Ok(json!({ "posted": posted }));
        }
        each_message(&event, FUNCTION.name, MAX_BATCH, |message| async move {
            let notice = alarm::read(&message.body)?;
            self.notice(&notice, invocation).await.map(drop)
        })
        .await
    }
}

impl Alert {
    /// An alert function that posts to `webhook`, or else to the one of the adapters; without any it
    /// posts nothing.
    pub fn new(adapters: Adapters, webhook: Option<Webhook>) -> Result<Self, FunctionError> {
        Ok(Self {
            settings: adapters.settings(FUNCTION.name)?,
            adapters,
            webhook,
            turn: Mutex::new(()),
        })
    }

    /// The webhook that took the place of one that Slack refuses, if there is one by now.
    async fn rotated(&self, refused: &Webhook) -> Option<Webhook> {
        // What the environment names does not change while a function lives.
        let secret = self
            .adapters
            .webhook
            .as_ref()
            .filter(|_| self.webhook.is_none())?;
        let text = secret.renewed().await.ok()?;
        Webhook::new(&text)
            .ok()
            .filter(|webhook| webhook != refused)
    }

    /// Handles one notification; whether something was posted.
    async fn notice(
        &self,
        notice: &Notice,
        invocation: &Invocation,
    ) -> Result<bool, FunctionError> {
        let _turn = self.turn.lock().await;
        let objects = self.adapters.objects.as_ref();
        let webhook = match self.webhook().await {
            Ok(Some(webhook)) => webhook,
            Ok(None) => {
                // Whoever has one later must not take this for the incident that it knows.
                return state::change(objects, |state| {
                    note(state, notice);
                })
                .await
                .map(|()| false);
            }
            Err(error) => {
                // The notice may have expired when there is a webhook; a recheck then tells of its alarm.
                state::change(objects, |state| {
                    note(state, notice);
                })
                .await?;
                return Err(error);
            }
        };
        for _ in 0..state::TRIES {
            let (before, condition) = state::load(objects).await?;
            let now = self.adapters.clock.now();
            if let Some(pending) = &before.pending
                && pending.until > now
            {
                return Err(FunctionError::new(
                    &error_name::SLACK_UNAVAILABLE,
                    "another alert is being posted; this one comes again",
                ));
            }
            let mut state = before.clone();
            state.pending = None;
            let saying = self.decide(&mut state, notice).await?;
            if saying.is_some() {
                state.pending = Some(Pending {
                    by: invocation.request_id.clone(),
                    until: invocation.deadline,
                });
            }
            if state != before && !state::save(objects, &state, &condition).await? {
                continue;
            }
            return match saying {
                None => Ok(false),
                Some(saying) => self.say(&webhook, &saying, invocation).await.map(|()| true),
            };
        }
        Err(state::contended())
    }

    /// The webhook as it is now: a secret may have been rotated.
    async fn webhook(&self) -> Result<Option<Webhook>, FunctionError> {
        let secret = match (&self.webhook, &self.adapters.webhook) {
            (Some(webhook), _) => return Ok(Some(webhook.clone())),
            (None, Some(secret)) => secret,
            (None, None) => return Ok(None),
        };
        let text = secret.text().await.map_err(|error| {
            FunctionError::new(&error_name::SLACK_UNAVAILABLE, error.to_string())
        })?;
        Webhook::new(&text).map(Some)
    }

    /// What is to be said; notes what the notice says of its alarm.
    async fn decide(
        &self,
        state: &mut State,
        notice: &Notice,
    ) -> Result<Option<Saying>, FunctionError> {
        if !note(state, notice) {
            return Ok(None);
        }
        match notice {
            Notice::Unknown => Ok(None),
            Notice::Recheck { alarm } => {
                let on = match alarm {
                    Some(alarm) => state.alarms.get(alarm).is_some_and(|alarm| alarm.on),
                    None => !state.on().is_empty(),
                };
                let found = if on { self.look(state).await? } else { None };
                Ok(found.or_else(|| alarms(state)))
            }
            Notice::Changed { alarm, .. } if !alarm::is_of_failures(alarm) => Ok(alarms(state)),
            Notice::Changed { on: true, .. } => self.look(state).await,
            Notice::Changed { on: false, .. } => self.clear(state).await,
        }
    }

    /// New kinds of failure, if there are any (invariant 1).
    async fn look(&self, state: &State) -> Result<Option<Saying>, FunctionError> {
        let found = self.open().await?;
        let is_new = |fingerprint: &String| !state.posted.contains_key(fingerprint);
        let told: Vec<&OpenFailure> = found
            .failures
            .iter()
            .filter(|failure| {
                failure
                    .kinds()
                    .iter()
                    .any(|kind| is_new(&kind.fingerprint()))
            })
            .collect();
        if told.is_empty() && state.announced {
            return Ok(None);
        }
        let on = state.on();
        let depth = self.adapters.queue.depth(&self.settings.queue).await?;
        let depth = depth.visible + depth.not_visible;
        if told.is_empty() && depth == 0 {
            // Whoever was at it was faster than the alarm.
            return Ok(None);
        }
        let message = message::report(&Report {
            alarms: on.iter().map(|(name, _)| *name).collect(),
            reason: on.first().map_or("", |(_, alarm)| alarm.reason.as_str()),
            failures: told.clone(),
            more: found.more,
            again: state.announced,
            depth,
        });
        let fingerprints = told
            .iter()
            .flat_map(|failure| failure.kinds())
            .map(|kind| kind.fingerprint())
            .collect();
        Ok(Some(Saying::Kinds {
            message,
            fingerprints,
        }))
    }

    /// Recovery: the last alarm of failures went off, or one did and no failure is open any more.
    async fn clear(&self, state: &State) -> Result<Option<Saying>, FunctionError> {
        if !state.announced {
            return Ok(None);
        }
        let found = self.open().await?;
        if !state.on().is_empty() && !found.failures.is_empty() {
            return Ok(None);
        }
        Ok(Some(Saying::Recovery {
            message: message::recovery(found.failures.len(), found.more),
        }))
    }

    async fn open(&self) -> Result<OpenFailures, FunctionError> {
        let now = self.adapters.clock.now();
        let window = Window {
            since: now - chrono::Duration::days(i64::from(self.settings.lookback_days)),
            now,
            limit: self.settings.max_failures,
        };
        failures::open(self.adapters.record.as_ref(), window).await
    }

    /// Posts, and notes that it was posted (invariant 3).
    async fn say(
        &self,
        webhook: &Webhook,
        saying: &Saying,
        invocation: &Invocation,
    ) -> Result<(), FunctionError> {
        let Adapters { objects, clock, .. } = &self.adapters;
        let post = async |webhook| {
            let patience = invocation.left(clock.now(), RESERVE);
            slack::post(webhook, saying.message(), clock.as_ref(), patience).await
        };
        let mut posted = post(webhook).await;
        if matches!(&posted, Err(error) if error.name() == error_name::SLACK_REFUSED.name)
            && let Some(rotated) = self.rotated(webhook).await
        {
            posted = post(&rotated).await;
        }
        let now = clock.now();
        let noted = state::change(objects.as_ref(), |state| {
            state.pending = None;
            match saying {
                _ if posted.is_err() => {}
                Saying::Kinds { fingerprints, .. } => {
                    state.announced = true;
                    let kinds = fingerprints.iter().cloned();
                    state
                        .posted
                        .extend(kinds.map(|fingerprint| (fingerprint, now)));
                }
                Saying::Recovery { .. } => {
                    state.announced = false;
                    state.posted.clear();
                }
                Saying::Alarms { told, .. } => {
                    for (name, on) in told {
                        if let Some(alarm) = state.alarms.get_mut(name) {
                            alarm.told = *on;
                        }
                    }
                }
            }
        })
        .await;
        posted.and(noted)
    }
}

/// Notes what a notice says of its alarm; false if something newer is known. With the first alarm of failures
/// that goes on an incident begins, whether or not anyone could be told how the last one ended.
fn note(state: &mut State, notice: &Notice) -> bool {
    match notice {
        Notice::Unknown | Notice::Recheck { .. } => true,
        Notice::Changed {
            alarm,
            on,
            time,
            reason,
            description,
        } => {
            let quiet = state.on().is_empty();
            let heard = Alarm {
                on: *on,
                changed: *time,
                reason: reason.clone(),
                description: description.clone(),
                told: false,
            };
            let news = state.hear(alarm, heard);
            if news && *on && quiet && alarm::is_of_failures(alarm) {
                state.announced = false;
                state.posted.clear();
            }
            news
        }
    }
}

/// The alarms that are no news of failures, where one went on or off that was not told of (invariant 6).
fn alarms(state: &State) -> Option<Saying> {
    let untold = state.untold();
    if untold.is_empty() {
        return None;
    }
    Some(Saying::Alarms {
        message: message::alarms(&untold),
        told: untold
            .iter()
            .map(|(name, alarm)| ((*name).to_owned(), alarm.on))
            .collect(),
    })
}

#[cfg(test)]
mod tests;
