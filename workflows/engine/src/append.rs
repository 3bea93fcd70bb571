//! The write of one turn: what it holds, and how it is stored.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use safelight_decider::{ExecutionStatus, HistoryEvent};
use safelight_sqlite::DatabaseError;

use crate::status::{StatusChange, StatusHook};
use crate::task::DispatchedTask;

/// What one execution adds in one turn.
pub(crate) struct Append {
    pub(crate) row: i64,
    pub(crate) revision: i64,
    pub(crate) events: Vec<HistoryEvent>,
    pub(crate) started: Option<Arc<StatusChange>>,
    pub(crate) ended: Option<Arc<StatusChange>>,
}

/// Answers a caller.
pub(crate) type Answer = Box<dyn FnOnce(Option<&DatabaseError>) + Send>;

/// What is performed once the write is durable, and only then (invariant 1).
#[derive(Default)]
pub(crate) struct Effects {
    /// Called with the store's error if the write failed.
    pub(crate) replies: Vec<Answer>,
    pub(crate) tasks: Vec<DispatchedTask>,
    pub(crate) changes: Vec<Arc<StatusChange>>,
    /// Executions that leave memory.
    pub(crate) ended: Vec<Arc<str>>,
}

impl Effects {
    pub(crate) fn is_empty(&self) -> bool {
        self.replies.is_empty()
            && self.tasks.is_empty()
            && self.changes.is_empty()
            && self.ended.is_empty()
    }
}

/// Stores the appends of a turn.
pub(crate) fn store(
    tx: &Connection,
    appends: &[Append],
    hook: Option<&StatusHook>,
) -> Result<(), DatabaseError> {
    let mut text = Vec::new();
    for append in appends {
        store_status(tx, append)?;
        if let Some(first) = append.events.first() {
            text.clear();
            serde_json::to_writer(&mut text, &append.events).map_err(|error| {
                DatabaseError::Statement(format!("an event has no JSON form: {error}"))
            })?;
            let text = std::str::from_utf8(&text).map_err(|error| {
                DatabaseError::Statement(format!("an event has no JSON form: {error}"))
            })?;
            tx.prepare_cached(
                "INSERT INTO history (execution_id, first_event_id, events) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![append.row, first.id as i64, text])?;
        }
        if let Some(hook) = hook {
            for change in [&append.started, &append.ended].into_iter().flatten() {
                hook(tx, change)?;
            }
        }
    }
    Ok(())
}

fn store_status(tx: &Connection, append: &Append) -> Result<(), DatabaseError> {
    // An execution that starts and ends in one turn is written once.
    let now = append.ended.as_deref().or(append.started.as_deref());
    let Some(change) = now else { return Ok(()) };
    let stop_date = change
        .stop_date
        .map(|date: DateTime<Utc>| date.timestamp_millis());
    if append.started.is_some() {
        tx.prepare_cached(
            "INSERT INTO executions (execution_id, execution_arn, state_machine_arn, revision, name, status,
                start_date, stop_date, input, output, error, cause)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            append.row,
            &*change.execution_arn,
            &*change.state_machine_arn,
            append.revision,
            change.name,
            change.status.as_str(),
            change.start_date.timestamp_millis(),
            stop_date,
            &*change.input,
            change.output.as_deref(),
            change.error,
            change.cause,
        ])?;
    } else {
        debug_assert!(change.status != ExecutionStatus::Running);
        tx.prepare_cached(
            "UPDATE executions SET status = ?2, stop_date = ?3, output = ?4, error = ?5, cause = ?6
             WHERE execution_id = ?1",
        )?
        .execute(params![
            append.row,
            change.status.as_str(),
            stop_date,
            change.output.as_deref(),
            change.error,
            change.cause,
        ])?;
    }
    Ok(())
}
