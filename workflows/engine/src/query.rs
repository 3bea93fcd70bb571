//! What can be asked about executions: read from the database, finished or not.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use safelight_decider::{ExecutionStatus, HistoryEvent};
use safelight_sqlite::Database;

use crate::error::EngineError;
use crate::machine::date;
use crate::status::status_from_word;

/// The answer to `DescribeExecution`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionDescription {
    /// Its ARN.
    pub execution_arn: String,
    /// Its state machine's ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// When it started.
    pub start_date: DateTime<Utc>,
    /// When it ended.
    pub stop_date: Option<DateTime<Utc>>,
    /// Its input, as it was sent.
    pub input: String,
    /// Its output, as JSON, if it succeeded.
    pub output: Option<String>,
    /// Its error's name, if it did not.
    pub error: Option<String>,
    /// Its error's cause.
    pub cause: Option<String>,
    pub(crate) row: i64,
    pub(crate) revision: i64,
}

/// One line of `ListExecutions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionSummary {
    /// Its ARN.
    pub execution_arn: String,
    /// Its state machine's ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: ExecutionStatus,
    /// When it started.
    pub start_date: DateTime<Utc>,
    /// When it ended.
    pub stop_date: Option<DateTime<Utc>>,
    /// Where the listing goes on after this line.
    pub position: i64,
}

/// Which events of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Latest first.
    pub reverse: bool,
    /// The first event to answer; `None` begins at the end that `reverse` says.
    pub from: Option<u64>,
    /// Most events to answer.
    pub limit: usize,
}

/// A page of history.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The events, in the order asked for.
    pub events: Vec<HistoryEvent>,
    /// The event that the next page begins with.
    pub next: Option<u64>,
    /// The execution's input as it was sent: the first event carries it.
    pub input: String,
}

/// The execution of this ARN.
pub(crate) fn describe(
    connection: &Connection,
    arn: &str,
) -> Result<ExecutionDescription, EngineError> {
    connection
        .prepare_cached(
            "SELECT execution_arn, state_machine_arn, name, status, start_date, stop_date, input, output, error,
                cause, execution_id, revision
             FROM executions WHERE execution_arn = ?1",
        )?
        .query_row([arn], |row| {
            Ok(ExecutionDescription {
                execution_arn: row.get(0)?,
                state_machine_arn: row.get(1)?,
                name: row.get(2)?,
                status: status(row, 3)?,
                start_date: date(row.get(4)?),
                stop_date: row.get::<_, Option<i64>>(5)?.map(date),
                input: row.get(6)?,
                output: row.get(7)?,
                error: row.get(8)?,
                cause: row.get(9)?,
                row: row.get(10)?,
                revision: row.get(11)?,
            })
        })
        .optional()?
        .ok_or_else(|| EngineError::ExecutionDoesNotExist(arn.to_owned()))
}

/// What is stored of an ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// No execution has it.
    Free,
    /// An open execution has it.
    Open,
    /// The execution that has it ended then.
    Ended(DateTime<Utc>),
}

/// Whether an execution has this ARN, and when it ended.
pub(crate) fn known(connection: &Connection, arn: &str) -> Result<Known, EngineError> {
    let found = connection
        .prepare_cached("SELECT stop_date FROM executions WHERE execution_arn = ?1")?
        .query_row([arn], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(match found {
        None => Known::Free,
        Some(None) => Known::Open,
        Some(Some(milliseconds)) => Known::Ended(date(milliseconds)),
    })
}

/// At most `limit` executions of a state machine, latest first, that come before `before`.
pub(crate) fn list(
    connection: &Connection,
    state_machine_arn: &str,
    filter: Option<ExecutionStatus>,
    before: i64,
    limit: u32,
) -> Result<Vec<ExecutionSummary>, EngineError> {
    // The word stands in the statement, not in a parameter, so that its partial index is used.
    let filter = filter.map_or_else(String::new, |status| {
        format!(" AND status = '{}'", status.as_str())
    });
    let mut statement = connection.prepare_cached(&format!(
        "SELECT execution_arn, state_machine_arn, name, status, start_date, stop_date, execution_id FROM executions
         WHERE state_machine_arn = ?1 AND execution_id < ?2{filter} ORDER BY execution_id DESC LIMIT ?3"
    ))?;
    let rows = statement
        .query_map(params![state_machine_arn, before, limit], |row| {
            Ok(ExecutionSummary {
                execution_arn: row.get(0)?,
                state_machine_arn: row.get(1)?,
                name: row.get(2)?,
                status: status(row, 3)?,
                start_date: date(row.get(4)?),
                stop_date: row.get::<_, Option<i64>>(5)?.map(date),
                position: row.get(6)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

/// Name and status of every execution, for who reads the database beside the engine.
pub async fn execution_statuses(
    database: &Database,
) -> Result<BTreeMap<String, ExecutionStatus>, EngineError> {
    database
        .read(|connection| {
            let mut statement = connection.prepare_cached("SELECT name, status FROM executions")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, status(row, 1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
}

/// A page of an execution's history.
pub(crate) fn history(
    connection: &Connection,
    arn: &str,
    query: HistoryQuery,
) -> Result<HistoryPage, EngineError> {
    let execution = describe(connection, arn)?;
    let limit = query.limit.max(1);
    // One more than asked for tells where the next page begins.
    let mut events = Vec::new();
    let sql = if query.reverse {
        "SELECT events FROM history WHERE execution_id = ?1 AND first_event_id <= ?2 ORDER BY first_event_id DESC"
    } else {
        "SELECT events FROM history WHERE execution_id = ?1 AND first_event_id >=
            coalesce((SELECT max(first_event_id) FROM history WHERE execution_id = ?1 AND first_event_id <= ?2), 0)
         ORDER BY first_event_id"
    };
    let from = query
        .from
        .unwrap_or(if query.reverse { i64::MAX as u64 } else { 1 });
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![
        execution.row,
        i64::try_from(from).unwrap_or(i64::MAX)
    ])?;
    while let Some(row) = rows.next()? {
        let mut segment = read_segment(
            arn,
            row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
        )?;
        if query.reverse {
            segment.reverse();
            segment.retain(|event| event.id <= from);
        } else {
            segment.retain(|event| event.id >= from);
        }
        events.extend(segment);
        if events.len() > limit {
            break;
        }
    }
    let next = events.get(limit).map(|event| event.id);
    events.truncate(limit);
    Ok(HistoryPage {
        events,
        next,
        input: execution.input,
    })
}

/// Every event of an execution, in order.
pub(crate) fn all_events(
    connection: &Connection,
    row: i64,
    arn: &str,
) -> Result<Vec<HistoryEvent>, EngineError> {
    let mut statement = connection.prepare_cached(
        "SELECT events FROM history WHERE execution_id = ?1 ORDER BY first_event_id",
    )?;
    let mut rows = statement.query([row])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.extend(read_segment(
            arn,
            row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
        )?);
    }
    Ok(events)
}

fn read_segment(arn: &str, text: &str) -> Result<Vec<HistoryEvent>, EngineError> {
    serde_json::from_str(text).map_err(|error| EngineError::Unreadable {
        execution: arn.to_owned(),
        reason: format!("its history is damaged, or of a newer version: {error}"),
    })
}

fn status(row: &Row<'_>, column: usize) -> rusqlite::Result<ExecutionStatus> {
    let word: String = row.get(column)?;
    status_from_word(&word).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            format!("{word} is no status").into(),
        )
    })
}
