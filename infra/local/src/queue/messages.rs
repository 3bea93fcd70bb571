//! The tables: messages in the order of sending, and how many came in every ten seconds.

use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};
use safelight_sqlite::DatabaseError;
use uuid::Uuid;

/// The shortest period of an alarm.
const SLOT_MS: i64 = 10_000;

/// How long counts are kept.
const KEPT_SLOTS: i64 = 24 * 60 * 6;

// `place` is the order of sending. Times are milliseconds since 1970. The index holds everything
// that choosing a message and measuring a queue need.
pub(super) const MIGRATIONS: &[&str] = &[
    "
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
",
    "
    DROP TABLE messages_sent;
    CREATE TABLE messages_sent (
        queue TEXT NOT NULL,
        slot INTEGER NOT NULL,
        messages INTEGER NOT NULL,
        PRIMARY KEY (queue, slot)
    ) WITHOUT ROWID;
",
];

/// A time of the tables.
pub(super) fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// The ten seconds that a time is in, as the tables count them.
pub(super) fn slot(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis().div_euclid(SLOT_MS)
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
    let slot = now.div_euclid(SLOT_MS);
    let count = i64::try_from(messages).unwrap_or(i64::MAX);
    let new = tx
        .prepare_cached(
            "INSERT INTO messages_sent (queue, slot, messages) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET messages = messages + excluded.messages
             RETURNING messages",
        )?
        .query_row(params![queue, slot, count], |row| row.get::<_, i64>(0))?
        == count;
    if new {
        // Once a slot at most: counts older than a day go.
        tx.prepare_cached("DELETE FROM messages_sent WHERE queue = ?1 AND slot < ?2")?
            .execute(params![queue, slot - KEPT_SLOTS])?;
    }
    Ok(())
}
