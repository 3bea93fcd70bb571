//! The scheduled sweep: finds executions whose end nobody told of, and closes those that ended.
//!
//! EventBridge delivers changes of an execution's status by best effort, so one may never come. An
//! execution that was claimed in the window and was not closed is asked about; what ended is closed as
//! its event would have closed it, and what still runs is left alone.

use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};
use futures::StreamExt;
use safelight_kit::{Adapters, FunctionError, Invocation};
use safelight_schema::key::{self, SHARDS};
use safelight_schema::{Event, EventData, Outcome, time};
use serde::Serialize;

use crate::close::Closing;
use crate::handler::{Closer, Detail};

/// Executions that are looked at side by side: below the quota of GetExecutionHistory.
const SIDE_BY_SIDE: usize = 4;

/// Partitions that the beginning moves on by in a minute: prime, so that it meets every one.
const STRIDE: usize = 7_919;

/// Pointers of a page of the index.
const PAGE: u32 = 200;

/// Time that is kept for closing what is being closed.
const RESERVE: StdDuration = StdDuration::from_secs(20);

/// What a sweep did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Swept {
    /// Executions of the window.
    pub looked_at: u64,
    /// Closed now.
    pub closed: u64,
    /// Still running, or what they called may be.
    pub running: u64,
    /// Claimed, but unknown to Step Functions: never started.
    pub unknown: u64,
    /// Could not be asked about or closed; the next sweep tries again.
    pub failed: u64,
    /// Whether the time was over before the window was.
    pub unfinished: bool,
}

enum Fate {
    ClosedBefore,
    Running,
    Unknown,
    Closed,
}

impl Closer {
    /// Looks at every execution of the window.
    pub(crate) async fn sweep(&self, invocation: &Invocation) -> Result<Swept, FunctionError> {
        let now = self.adapters.clock.now();
        let since = now - Duration::hours(i64::from(self.settings.sweep_hours));
        let until = now - Duration::minutes(i64::from(self.settings.sweep_after_minutes));
        let mut partitions: Vec<String> = days(since, until)
            .flat_map(|date| (0..SHARDS).map(move |shard| key::time_index(date, shard)))
            .collect();
        // A sweep that has no time for all begins elsewhere the next time, so that none is left out
        // for ever.
        let minutes = usize::try_from(now.timestamp() / 60).unwrap_or(0);
        let first = minutes.wrapping_mul(STRIDE) % partitions.len().max(1);
        partitions.rotate_left(first);
        let mut swept = Swept::default();
        for partition in partitions {
            self.partition(&partition, (since, until), invocation, &mut swept)
                .await?;
            if swept.unfinished {
                break;
            }
        }
        // Nobody reads the answer.
        if swept.failed > 0 || swept.unfinished {
            let Swept {
                looked_at,
                closed,
                failed,
                unfinished,
                ..
            } = swept;
            tracing::warn!(
                sweep.looked_at = looked_at,
                sweep.closed = closed,
                sweep.failed = failed,
                sweep.unfinished = unfinished,
                "the sweep left executions to the next one"
            );
        }
        Ok(swept)
    }

    async fn partition(
        &self,
        partition: &str,
        (since, until): (DateTime<Utc>, DateTime<Utc>),
        invocation: &Invocation,
        swept: &mut Swept,
    ) -> Result<(), FunctionError> {
        let Adapters { record, clock, .. } = &self.adapters;
        let (since, until) = (time::format(&since), time::format(&until));
        let mut next = None;
        loop {
            let page = record.find(partition, false, PAGE, next.as_deref()).await?;
            let names = page
                .items
                .into_iter()
                .filter(|item| item.pointer.g1sk >= since && item.pointer.g1sk < until)
                .map(|item| item.execution);
            let mut fates = futures::stream::iter(names)
                .map(|name| async move {
                    let fate = self.look(&name).await;
                    (name, fate)
                })
                .buffer_unordered(SIDE_BY_SIDE);
            while let Some((name, fate)) = fates.next().await {
                swept.looked_at += 1;
                match fate {
                    Ok(Fate::ClosedBefore) => {}
                    Ok(Fate::Running) => swept.running += 1,
                    Ok(Fate::Unknown) => swept.unknown += 1,
                    Ok(Fate::Closed) => swept.closed += 1,
                    Err(error) => {
                        swept.failed += 1;
                        tracing::warn!(
                            execution.id = name,
                            error.name = error.name(),
                            error.cause = error.cause(),
                            "the execution was not closed; the next sweep tries again"
                        );
                    }
                }
                if invocation.left(clock.now(), RESERVE).is_zero() {
                    swept.unfinished = true;
                    return Ok(());
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Whether the record has the execution's end, which its summary then says. The seal says nothing of
    /// that: a close may have died after it, and who redrives a failure seals, too.
    async fn was_closed(&self, name: &str) -> Result<bool, FunctionError> {
        let record = &self.adapters.record;
        let outcome = record.summary(name).await?.map(|summary| summary.outcome);
        match outcome {
            None | Some(Outcome::Running) => Ok(false),
            Some(Outcome::Succeeded | Outcome::Rejected) => Ok(true),
            // Step Functions may have redriven it: then a function wrote what is not under that end.
            Some(Outcome::Failed) => {
                let events = record.events(name).await?;
                let ends = events.iter().filter(|event| is_end(event));
                let ended = ends.map(|event| event.epoch).max();
                Ok(events.iter().map(|event| event.epoch).max() <= ended)
            }
        }
    }

    /// Looks at one execution, and closes it if it ended.
    async fn look(&self, name: &str) -> Result<Fate, FunctionError> {
        if self.was_closed(name).await? {
            return Ok(Fate::ClosedBefore);
        }
        let workflow = self.adapters.workflow()?;
        let execution_arn = workflow.execution_arn(name);
        let Some(status) = workflow.status(&execution_arn).await? else {
            return Ok(Fate::Unknown);
        };
        if !status.ended() {
            return Ok(Fate::Running);
        }
        let detail = Detail {
            execution_arn,
            name: name.to_owned(),
            status: status.status,
            redrive_count: status.redrive_count,
        };
        Ok(match self.close(&detail).await? {
            Closing::Closed => Fate::Closed,
            Closing::Open(_) => Fate::Running,
            Closing::Unclaimed => Fate::Unknown,
        })
    }
}

fn is_end(event: &Event) -> bool {
    matches!(
        event.data,
        EventData::ExecutionSucceeded {}
            | EventData::ExecutionFailed { .. }
            | EventData::ExecutionTimedOut { .. }
            | EventData::ExecutionAborted { .. }
    )
}

/// The days that the window touches.
fn days(since: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
    let last = until.date_naive();
    (0..)
        .map(move |days| since + Duration::days(days))
        .take_while(move |day| day.date_naive() <= last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_touches_every_day_in_it() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let found: Vec<String> = days(at("2026-11-29T23:00:00Z"), at("2026-12-01T00:30:00Z"))
            .map(|day| day.format("%m-%d").to_string())
            .collect();
        assert_eq!(found, ["11-29", "11-30", "12-01"]);
    }
}
