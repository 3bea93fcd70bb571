//! The failures that are open: neither redriven, nor dropped, nor made obsolete by a later execution of the
//! image, nor erased. Read from the record.

use chrono::{DateTime, Datelike, Duration, TimeZone, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use safelight_ports::{PointerItem, Record};
use safelight_schema::key::{self, SHARDS};
use safelight_schema::{
    ErrorInfo, Event, EventData, FailedBranch, FailureClass, ImageRef, Lane, error_name,
};

use crate::error::FunctionError;
use crate::letters::{Kind, kinds};

/// Executions that are read at once.
const READERS: usize = 8;

/// Pointers of a page of the index.
const PAGE: u32 = 200;

/// An open failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenFailure {
    /// Execution name.
    pub execution: String,
    /// The image.
    pub image: ImageRef,
    /// Failed or rejected.
    pub class: FailureClass,
    /// The error that it ended with.
    pub error: ErrorInfo,
    /// The branches that failed.
    pub failed: Vec<FailedBranch>,
    /// When it failed.
    pub time: DateTime<Utc>,
}

impl OpenFailure {
    /// Its kinds.
    pub fn kinds(&self) -> Vec<Kind> {
        kinds(&self.error, &self.failed)
    }
}

/// Which failures are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Not before.
    pub since: DateTime<Utc>,
    /// Now.
    pub now: DateTime<Utc>,
    /// Most executions that are read; the newest are.
    pub limit: usize,
}

/// What was found, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenFailures {
    /// The failures.
    pub failures: Vec<OpenFailure>,
    /// Whether there may be more than were read.
    pub more: bool,
}

/// The open failures of the window, newest first.
pub async fn open(record: &dyn Record, window: Window) -> Result<OpenFailures, FunctionError> {
    let mut items = Vec::new();
    for month in months(window.since, window.now) {
        for shard in 0..SHARDS {
            let partition = key::failure_index(key::ANY_FAILURE, month, shard);
            items.extend(newest(record, &partition, window).await?);
        }
    }
    items.sort_by(|a, b| b.pointer.g1sk.cmp(&a.pointer.g1sk));
    let more = items.len() > window.limit;
    items.truncate(window.limit);
    let found: Vec<Option<OpenFailure>> = stream::iter(items)
        .map(|item| async move { one(record, &item.execution).await })
        .buffered(READERS)
        .try_collect()
        .await?;
    Ok(OpenFailures {
        failures: found.into_iter().flatten().collect(),
        more,
    })
}

/// The failure of one execution, if it is open.
pub async fn one(
    record: &dyn Record,
    execution: &str,
) -> Result<Option<OpenFailure>, FunctionError> {
    let Some(header) = record.header(execution).await? else {
        return Ok(None);
    };
    let operator = record.lane(execution, &Lane::Operator).await?;
    if operator.iter().any(|event| closes(&event.data)) {
        return Ok(None);
    }
    let trunk = record.lane(execution, &Lane::Trunk).await?;
    let failed = trunk.iter().rev().find_map(failure_in);
    // An execution that died in a state has no image.failed; its end tells.
    let Some((class, error, failed, time)) =
        failed.or_else(|| operator.iter().rev().find_map(failure_in))
    else {
        return Ok(None);
    };
    Ok(Some(OpenFailure {
        execution: execution.into(),
        image: header.input.image,
        class,
        error,
        failed,
        time,
    }))
}

type Found = (FailureClass, ErrorInfo, Vec<FailedBranch>, DateTime<Utc>);

fn failure_in(event: &Event) -> Option<Found> {
    match &event.data {
        EventData::ImageFailed {
            class,
            error,
            failed,
            ..
        } => Some((*class, error.clone(), failed.clone(), event.time)),
        EventData::ExecutionFailed { error } | EventData::ExecutionTimedOut { error } => {
            Some((FailureClass::Failed, error.clone(), Vec::new(), event.time))
        }
        _ => None,
    }
}

const fn closes(data: &EventData) -> bool {
    matches!(
        data,
        EventData::ExecutionRedriven { .. }
            | EventData::FailureDropped { .. }
            | EventData::FailureClosed { .. }
            | EventData::ImageErased { .. }
    )
}

/// Pointers of one partition, newest first, not before the window, one more than its limit.
async fn newest(
    record: &dyn Record,
    partition: &str,
    window: Window,
) -> Result<Vec<PointerItem>, FunctionError> {
    let since = safelight_schema::time::format(&window.since);
    let mut items = Vec::new();
    let mut next = None;
    loop {
        let page = record.find(partition, true, PAGE, next.as_deref()).await?;
        for item in page.items {
            if item.pointer.g1sk < since || items.len() > window.limit {
                return Ok(items);
            }
            items.push(item);
        }
        next = page.next;
        if next.is_none() {
            return Ok(items);
        }
    }
}

/// The first moment of every month that the window touches.
fn months(since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let first = |time: DateTime<Utc>| {
        Utc.with_ymd_and_hms(time.year(), time.month(), 1, 0, 0, 0)
            .single()
            .unwrap_or(time)
    };
    let (mut month, last) = (first(since), first(now));
    let mut months = Vec::new();
    while month <= last {
        months.push(month);
        month = first(month + Duration::days(32));
    }
    months
}

/// What to do about an error: the next step of its page, if it has one.
pub fn next_step(error: &str) -> Option<&'static str> {
    error_name::find(error).map(|entry| entry.next_step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letters::pointers;
    use crate::testing::{Bench, image};

    #[test]
    fn a_window_over_new_year_touches_both_months() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let found = months(at("2026-12-30T10:00:00Z"), at("2027-01-02T00:00:00Z"));
        assert_eq!(
            found,
            [at("2026-12-01T00:00:00Z"), at("2027-01-01T00:00:00Z")]
        );
    }

    async fn fail(bench: &Bench, execution: &str, error: &str) {
        bench
            .claim(&bench.header(execution, &image(&format!("{execution}.jpg"))))
            .await;
        let error = ErrorInfo::new(error, "because");
        let failed = EventData::ImageFailed {
            class: FailureClass::Failed,
            error: error.clone(),
            completed: Vec::new(),
            failed: Vec::new(),
        };
        let pointers = pointers(execution, &kinds(&error, &[]), bench.clock.time());
        let draft = bench.draft(execution, Lane::Trunk, failed);
        bench.record.append(&[draft], &pointers).await.unwrap();
    }

    #[tokio::test]
    async fn what_was_redriven_or_dropped_is_not_open() {
        let bench = Bench::new();
        for execution in ["x-1", "x-2", "x-3"] {
            fail(&bench, execution, "Image.DecodeFailed").await;
        }
        let dropped = EventData::FailureDropped {
            actor: "me".into(),
            reason: "known".into(),
        };
        let draft = bench.draft("x-2", Lane::Operator, dropped);
        bench.record.append(&[draft], &[]).await.unwrap();
        let now = bench.clock.time();
        let mut window = Window {
            since: now - Duration::days(3),
            now,
            limit: 100,
        };
        let found = open(bench.record.as_ref(), window).await.unwrap();
        let mut names: Vec<_> = found
            .failures
            .iter()
            .map(|f| f.execution.as_str())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["x-1", "x-3"]);
        assert!(!found.more);
        window.limit = 1;
        assert!(open(bench.record.as_ref(), window).await.unwrap().more);
        window.since = now + Duration::seconds(1);
        let later = open(bench.record.as_ref(), window).await.unwrap();
        assert!(later.failures.is_empty());
    }
}
