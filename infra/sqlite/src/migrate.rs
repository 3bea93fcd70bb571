//! Named, ordered migrations: each component owns its tables.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::DatabaseError;

/// Made when a database is opened; not itself migrated.
pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS migrations (
    component TEXT NOT NULL,
    step INTEGER NOT NULL,
    statements TEXT NOT NULL,
    PRIMARY KEY (component, step)
) WITHOUT ROWID";

/// Runs the steps that this database has not had, in order (invariant 7).
pub(crate) fn migrate(
    connection: &Connection,
    component: &str,
    steps: &[String],
) -> Result<(), DatabaseError> {
    let applied: i64 = connection.query_row(
        "SELECT count(*) FROM migrations WHERE component = ?1",
        [component],
        |row| row.get(0),
    )?;
    let applied = usize::try_from(applied).unwrap_or(usize::MAX);
    if applied > steps.len() {
        return Err(DatabaseError::TooNew(format!(
            "{component}: step {applied}, this program knows {}",
            steps.len()
        )));
    }
    for (index, statements) in steps.iter().enumerate() {
        let step = i64::try_from(index).unwrap_or(i64::MAX);
        if index < applied {
            let stored: Option<String> = connection
                .query_row(
                    "SELECT statements FROM migrations WHERE component = ?1 AND step = ?2",
                    params![component, step],
                    |row| row.get(0),
                )
                .optional()?;
            if stored.as_ref() != Some(statements) {
                return Err(DatabaseError::MigrationChanged(format!(
                    "{component}: step {step}"
                )));
            }
        } else {
            connection.execute_batch(statements)?;
            connection.execute(
                "INSERT INTO migrations (component, step, statements) VALUES (?1, ?2, ?3)",
                params![component, step, statements],
            )?;
        }
    }
    Ok(())
}
