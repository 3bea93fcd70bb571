//! The tables: messages in the order of sending, and how many came in each minute.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use safelight_sqlite::DatabaseError;
use uuid::Uuid;

const MINUTE_MS: i64 = 60_000;

// `place` is the order of sending. Times are milliseconds since 1970. The index holds everything
// that choosing a message and measuring a queue need.
pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE messages (
        place INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        queue TEXT NOT NULL,
        sent INTEGER NOT NULL,
        visible INTEGER NOT NULL,
        receives INTEGER NOT NULL,
        body TEXT NOT NULL
    );
    CREATE INDEX messages_visible ON messages (queue, visible, sent);
    CREATE TABLE messages_sent (
        queue TEXT NOT NULL,
        minute INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        PRIMARY KEY (queue, minute)
    ) WITHOUT ROWID;
"];

/// A time of the tables.
pub(super) fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// The minute that a time is in, as the tables count them.
pub(super) fn minute(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis().div_euclid(MINUTE_MS)
}

/// Adds messages; answers their ids.
pub(super) fn insert(
    tx: &Connection,
    queue: &str,
    bodies: &[impl AsRef<str>],
    now: i64,
) -> Result<Vec<String>, DatabaseError> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO messages (id, queue, sent, visible, receives, body)
         VALUES (?1, ?2, ?3, ?3, 0, ?4)",
    )?;
    let mut ids = Vec::with_capacity(bodies.len());
    for body in bodies {
        let id = Uuid::new_v4().to_string();
        insert.execute(params![id, queue, now, body.as_ref()])?;
        ids.push(id);
    }
    count_sent(tx, queue, bodies.len(), now)?;
    Ok(ids)
}

/// Counts messages that came into a queue now.
pub(super) fn count_sent(
    tx: &Connection,
    queue: &str,
    messages: usize,
    now: i64,
) -> Result<(), DatabaseError> {
    let minute = now.div_euclid(MINUTE_MS);
    let count = i64::try_from(messages).unwrap_or(i64::MAX);
    let new = tx
        .prepare_cached(
            "INSERT INTO messages_sent (queue, minute, messages) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET messages = messages + excluded.messages
             RETURNING messages",
        )?
        .query_row(params![queue, minute, count], |row| row.get::<_, i64>(0))?
        == count;
    if new {
        // Once a minute at most: counts older than a day go.
        tx.prepare_cached("DELETE FROM messages_sent WHERE queue = ?1 AND minute < ?2")?
            .execute(params![queue, minute - 24 * 60])?;
    }
    Ok(())
}
