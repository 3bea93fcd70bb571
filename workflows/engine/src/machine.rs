//! State machines as they are stored: a row for each, and a row for each revision of its definition.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use safelight_asl::StateMachine;

use crate::arn::check_name;
use crate::error::EngineError;

/// Most bytes of a definition (AWS's quota).
const MAX_DEFINITION_BYTES: usize = 1_048_576;

/// One revision of a state machine, ready to run. Executions keep the one that they started with.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) arn: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) role_arn: String,
    pub(crate) revision: i64,
    pub(crate) definition: Arc<StateMachine>,
}

/// What `CreateStateMachine` takes.
#[derive(Debug, Clone, Default)]
pub struct CreateStateMachine {
    /// The name.
    pub name: String,
    /// The definition: a JSON text.
    pub definition: String,
    /// The role. It is kept and told, and grants nothing here.
    pub role_arn: String,
    /// `STANDARD`, which is also the default.
    pub kind: Option<String>,
    /// What else takes part in the idempotency check (logging and tracing), as a JSON text that is
    /// equal when the configuration is.
    pub configuration: String,
}

/// What `UpdateStateMachine` takes: at least one field.
#[derive(Debug, Clone, Default)]
pub struct UpdateStateMachine {
    /// The state machine.
    pub state_machine_arn: String,
    /// Its new definition.
    pub definition: Option<String>,
    /// Its new role.
    pub role_arn: Option<String>,
    /// Its new logging and tracing.
    pub configuration: Option<String>,
}

/// The answer to `UpdateStateMachine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Updated {
    /// When.
    pub update_date: DateTime<Utc>,
    /// The new revision.
    pub revision_id: String,
}

/// The answer to `DescribeStateMachine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachineDescription {
    /// Its ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE` or `DELETING`.
    pub status: String,
    /// The definition, as it was sent.
    pub definition: String,
    /// Its role.
    pub role_arn: String,
    /// Logging and tracing, as JSON text.
    pub configuration: String,
    /// When the state machine was created.
    pub creation_date: DateTime<Utc>,
    /// When this revision was made.
    pub update_date: DateTime<Utc>,
    /// This revision; `None` for the first, as AWS has it.
    pub revision_id: Option<String>,
}

/// One line of `ListStateMachines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachineSummary {
    /// Its ARN.
    pub state_machine_arn: String,
    /// Its name.
    pub name: String,
    /// When it was created.
    pub creation_date: DateTime<Utc>,
}

/// Reads a definition, or says everything that is wrong with it and where.
pub(crate) fn parse(definition: &str) -> Result<Arc<StateMachine>, EngineError> {
    if definition.len() > MAX_DEFINITION_BYTES {
        return Err(EngineError::InvalidDefinition(format!(
            "Invalid State Machine Definition: 'DEFINITION_TOO_LARGE: {} bytes, at most {MAX_DEFINITION_BYTES}'",
            definition.len()
        )));
    }
    StateMachine::parse(definition)
        .map(Arc::new)
        .map_err(|error| EngineError::InvalidDefinition(error.to_string()))
}

impl CreateStateMachine {
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        check_name(&self.name)?;
        match self.kind.as_deref() {
            None | Some("STANDARD") => Ok(()),
            Some(other) => Err(EngineError::StateMachineTypeNotSupported(other.to_owned())),
        }
    }
}

/// A state machine's row together with its current revision.
pub(crate) struct Stored {
    pub(crate) description: StateMachineDescription,
    pub(crate) revision: i64,
}

const SELECT: &str =
    "SELECT m.state_machine_arn, m.name, m.status, r.definition, r.role_arn, m.configuration,
    m.creation_date, r.update_date, r.revision_id, r.revision
    FROM state_machines m JOIN state_machine_revisions r ON r.revision = m.revision";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let creation_date = date(row.get(6)?);
    let update_date = date(row.get(7)?);
    let revision_id: String = row.get(8)?;
    Ok(Stored {
        description: StateMachineDescription {
            state_machine_arn: row.get(0)?,
            name: row.get(1)?,
            status: row.get(2)?,
            definition: row.get(3)?,
            role_arn: row.get(4)?,
            configuration: row.get(5)?,
            creation_date,
            update_date,
            revision_id: (!revision_id.is_empty()).then_some(revision_id),
        },
        revision: row.get(9)?,
    })
}

/// A stored time. An impossible one cannot be written by this program; it reads as 1970.
pub(crate) fn date(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// The state machine of this ARN. One that is being deleted and has no open execution any more is
/// gone.
pub(crate) fn find(connection: &Connection, arn: &str) -> Result<Option<Stored>, EngineError> {
    let found = connection
        .prepare_cached(&format!("{SELECT} WHERE m.state_machine_arn = ?1"))?
        .query_row([arn], from_row)
        .optional()?;
    match found {
        Some(stored)
            if stored.description.status != "ACTIVE" && !has_open_executions(connection, arn)? =>
        {
            Ok(None)
        }
        found => Ok(found),
    }
}

/// The state machines that can be started.
pub(crate) fn active(connection: &Connection) -> Result<Vec<Stored>, EngineError> {
    let mut statement = connection.prepare(&format!("{SELECT} WHERE m.status = 'ACTIVE'"))?;
    let rows = statement
        .query_map([], from_row)?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

/// At most `limit` state machines whose ARN comes after `after`.
pub(crate) fn list(
    connection: &Connection,
    after: &str,
    limit: u32,
) -> Result<Vec<StateMachineSummary>, EngineError> {
    let mut statement = connection.prepare_cached(
        "SELECT state_machine_arn, name, creation_date FROM state_machines
         WHERE status = 'ACTIVE' AND state_machine_arn > ?1 ORDER BY state_machine_arn LIMIT ?2",
    )?;
    let rows = statement
        .query_map(params![after, limit], |row| {
            Ok(StateMachineSummary {
                state_machine_arn: row.get(0)?,
                name: row.get(1)?,
                creation_date: date(row.get(2)?),
            })
        })?
        .collect::<Result<_, _>>()?;
    Ok(rows)
}

fn has_open_executions(connection: &Connection, arn: &str) -> Result<bool, EngineError> {
    let open = connection
        .prepare_cached(
            "SELECT 1 FROM executions WHERE state_machine_arn = ?1 AND status = 'RUNNING' LIMIT 1",
        )?
        .exists([arn])?;
    Ok(open)
}

/// Creates, or finds the one that an equal request created. Gives the stored row.
pub(crate) fn create(
    tx: &Connection,
    arn: &str,
    request: &CreateStateMachine,
    now: DateTime<Utc>,
) -> Result<Stored, EngineError> {
    if let Some(existing) = find(tx, arn)? {
        let description = &existing.description;
        if description.status != "ACTIVE" {
            return Err(EngineError::StateMachineDeleting(arn.to_owned()));
        }
        // Another role is not another state machine: AWS ignores the difference.
        if description.definition == request.definition
            && description.configuration == request.configuration
        {
            return Ok(existing);
        }
        return Err(EngineError::StateMachineAlreadyExists(arn.to_owned()));
    }
    let revision = add_revision(tx, arn, "", &request.definition, &request.role_arn, now)?;
    tx.execute(
        "INSERT OR REPLACE INTO state_machines (state_machine_arn, name, revision, status, configuration, creation_date)
         VALUES (?1, ?2, ?3, 'ACTIVE', ?4, ?5)",
        params![arn, request.name, revision, request.configuration, now.timestamp_millis()],
    )?;
    find(tx, arn)?.ok_or_else(|| EngineError::StateMachineDoesNotExist(arn.to_owned()))
}

/// Adds a revision. Open executions keep theirs.
pub(crate) fn update(
    tx: &Connection,
    request: &UpdateStateMachine,
    revision_id: &str,
    now: DateTime<Utc>,
) -> Result<Stored, EngineError> {
    let arn = request.state_machine_arn.as_str();
    let missing = || EngineError::StateMachineDoesNotExist(arn.to_owned());
    let current = find(tx, arn)?.ok_or_else(missing)?.description;
    if current.status != "ACTIVE" {
        return Err(EngineError::StateMachineDeleting(arn.to_owned()));
    }
    let definition = request.definition.as_ref().unwrap_or(&current.definition);
    let role_arn = request.role_arn.as_ref().unwrap_or(&current.role_arn);
    let configuration = request
        .configuration
        .as_ref()
        .unwrap_or(&current.configuration);
    let revision = add_revision(tx, arn, revision_id, definition, role_arn, now)?;
    tx.execute(
        "UPDATE state_machines SET revision = ?2, configuration = ?3 WHERE state_machine_arn = ?1",
        params![arn, revision, configuration],
    )?;
    find(tx, arn)?.ok_or_else(missing)
}

/// Marks a state machine as being deleted; it is gone when its last execution has ended. Deleting
/// one that is not there is no error, as on AWS.
pub(crate) fn delete(tx: &Connection, arn: &str) -> Result<(), EngineError> {
    tx.execute(
        "UPDATE state_machines SET status = 'DELETING' WHERE state_machine_arn = ?1",
        [arn],
    )?;
    Ok(())
}

/// The definition of a revision.
pub(crate) fn revision(
    connection: &Connection,
    revision: i64,
) -> Result<(String, String, DateTime<Utc>, String), EngineError> {
    let found = connection
        .prepare_cached(
            "SELECT definition, role_arn, update_date, revision_id FROM state_machine_revisions WHERE revision = ?1",
        )?
        .query_row([revision], |row| {
            Ok((row.get(0)?, row.get(1)?, date(row.get(2)?), row.get(3)?))
        })?;
    Ok(found)
}

fn add_revision(
    tx: &Connection,
    arn: &str,
    revision_id: &str,
    definition: &str,
    role_arn: &str,
    now: DateTime<Utc>,
) -> Result<i64, EngineError> {
    tx.execute(
        "INSERT INTO state_machine_revisions (revision_id, state_machine_arn, definition, role_arn, update_date)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        params![revision_id, arn, definition, role_arn, now.timestamp_millis()],
    )?;
    Ok(tx.last_insert_rowid())
}
