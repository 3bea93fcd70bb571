//! The engine's tables.

use safelight_sqlite::{Database, DatabaseError};

/// Times are milliseconds since 1970, UTC. `execution_id` grows with the start, so it is also the
/// order of a listing. A history row holds the events of one write (invariant 3).
const STEPS: &[&str] = &["
CREATE TABLE state_machines (
    state_machine_arn TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    revision INTEGER NOT NULL,
    status TEXT NOT NULL,
    configuration TEXT NOT NULL,
    creation_date INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE state_machine_revisions (
    revision INTEGER PRIMARY KEY AUTOINCREMENT,
    revision_id TEXT NOT NULL,
    state_machine_arn TEXT NOT NULL,
    definition TEXT NOT NULL,
    role_arn TEXT NOT NULL,
    update_date INTEGER NOT NULL
);

CREATE TABLE executions (
    execution_id INTEGER PRIMARY KEY,
    execution_arn TEXT NOT NULL UNIQUE,
    state_machine_arn TEXT NOT NULL,
    revision INTEGER NOT NULL,
    name TEXT NOT NULL,
    status TEXT NOT NULL,
    start_date INTEGER NOT NULL,
    stop_date INTEGER,
    input TEXT NOT NULL,
    output TEXT,
    error TEXT,
    cause TEXT
);
CREATE INDEX executions_of_machine ON executions (state_machine_arn, execution_id);
CREATE INDEX executions_running ON executions (state_machine_arn, execution_id) WHERE status = 'RUNNING';
CREATE INDEX executions_failed ON executions (state_machine_arn, execution_id) WHERE status = 'FAILED';
CREATE INDEX executions_timed_out ON executions (state_machine_arn, execution_id) WHERE status = 'TIMED_OUT';
CREATE INDEX executions_aborted ON executions (state_machine_arn, execution_id) WHERE status = 'ABORTED';

CREATE TABLE history (
    execution_id INTEGER NOT NULL,
    first_event_id INTEGER NOT NULL,
    events TEXT NOT NULL,
    PRIMARY KEY (execution_id, first_event_id)
) WITHOUT ROWID;
"];

/// Makes the tables that are missing.
pub(crate) fn migrate(database: &Database) -> Result<(), DatabaseError> {
    database.migrate("engine", STEPS)
}
