//! Opening a database that has open executions: fold their histories, hand their tasks out again.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use safelight_decider::{Execution, ExecutionInfo};

use crate::error::EngineError;
use crate::live::Live;
use crate::machine::{self, Machine, date};
use crate::query;

struct Row {
    id: i64,
    arn: String,
    machine_arn: String,
    revision: i64,
    name: String,
    start_date: i64,
    input: String,
}

/// Every open execution, as it was when the last write was made (invariant 2). The error is of the
/// first that cannot be folded: going on without it would lose it.
pub(crate) fn open_executions(connection: &Connection) -> Result<Vec<Live>, EngineError> {
    let mut statement = connection.prepare(
        "SELECT execution_id, execution_arn, state_machine_arn, revision, name, start_date, input
         FROM executions WHERE status = 'RUNNING' ORDER BY execution_id",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Row {
            id: row.get(0)?,
            arn: row.get(1)?,
            machine_arn: row.get(2)?,
            revision: row.get(3)?,
            name: row.get(4)?,
            start_date: row.get(5)?,
            input: row.get(6)?,
        })
    })?;
    let mut machines = HashMap::new();
    let mut open = Vec::new();
    for row in rows {
        let row = row?;
        let machine = machine_of(connection, &mut machines, &row)?;
        open.push(fold(connection, row, machine)?);
    }
    Ok(open)
}

/// The row that the next execution gets.
pub(crate) fn next_row(connection: &Connection) -> Result<i64, EngineError> {
    let last: Option<i64> =
        connection.query_row("SELECT max(execution_id) FROM executions", [], |row| {
            row.get(0)
        })?;
    Ok(last.unwrap_or(0) + 1)
}

fn machine_of(
    connection: &Connection,
    machines: &mut HashMap<i64, Arc<Machine>>,
    row: &Row,
) -> Result<Arc<Machine>, EngineError> {
    if let Some(machine) = machines.get(&row.revision) {
        return Ok(Arc::clone(machine));
    }
    let (definition, role_arn, ..) = machine::revision(connection, row.revision)?;
    let definition = machine::parse(&definition).map_err(|error| EngineError::Unreadable {
        execution: row.arn.clone(),
        reason: format!("this version refuses its definition ({error}): stop it with the version that started it"),
    })?;
    let machine = Arc::new(Machine {
        name: row
            .machine_arn
            .rsplit(':')
            .next()
            .unwrap_or_default()
            .into(),
        arn: row.machine_arn.as_str().into(),
        role_arn,
        revision: row.revision,
        definition,
    });
    machines.insert(row.revision, Arc::clone(&machine));
    Ok(machine)
}

fn fold(connection: &Connection, row: Row, machine: Arc<Machine>) -> Result<Live, EngineError> {
    let unreadable = |reason: String| EngineError::Unreadable {
        execution: row.arn.clone(),
        reason,
    };
    let events = query::all_events(connection, row.id, &row.arn)?;
    let input = serde_json::from_str(&row.input)
        .map_err(|error| unreadable(format!("its stored input is damaged: {error}")))?;
    let start_date = date(row.start_date);
    let info = ExecutionInfo {
        execution_arn: row.arn.clone(),
        name: row.name.clone(),
        state_machine_arn: row.machine_arn.clone(),
        state_machine_name: machine.name.to_string(),
        role_arn: machine.role_arn.clone(),
        start_time: start_date,
        input,
        redrive_count: 0,
    };
    let execution = Execution::replay(&machine.definition, info, &events)
        .map_err(|error| unreadable(format!("its history does not fit its definition: {error}")))?;
    Ok(Live {
        row: row.id,
        arn: row.arn.into(),
        name: row.name.into(),
        machine,
        execution,
        start_date,
        input: row.input.into(),
        unsaved: Vec::new(),
        inserted: true,
        dirty: false,
        ended: false,
        armed: None,
        flush_at: None,
    })
}
