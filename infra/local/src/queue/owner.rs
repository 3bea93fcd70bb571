//! What the owner of the queues and its commands do beside receiving: look, count, move, take away.

use chrono::{DateTime, Utc};
use rusqlite::{OptionalExtension, params};
use safelight_ports::QueueError;
use safelight_sqlite::DatabaseError;
use serde::{Deserialize, Serialize};

use super::SqliteQueue;
use super::messages::{insert, slot, time};
use super::receipt::{Receipt, delete};

/// A message that was looked at without receiving it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browsed {
    /// Message id.
    pub id: String,
    /// Body.
    pub body: String,
    /// How often it was received.
    pub receive_count: u32,
    /// When it was sent.
    pub sent: DateTime<Utc>,
    /// Whether it could be received now.
    pub visible: bool,
}

impl SqliteQueue {
    /// Makes every hidden message visible. For the start of the owner: whoever had received them is
    /// gone, and waiting for their visibility timeout would help nobody. Blocks until it is durable.
    pub fn reclaim(&self) -> Result<(), DatabaseError> {
        let now = self.now();
        self.database.write_blocking(move |tx| {
            tx.execute("UPDATE messages SET visible = ?1 WHERE visible > ?1", [now])?;
            Ok(())
        })
    }

    /// Deletes messages as [`safelight_ports::Queue::delete`] does, in one write. A receipt that is not valid any more
    /// is passed over: its message comes again and is dealt with as a duplicate.
    pub async fn delete_batch(&self, queue: &str, receipts: &[String]) -> Result<(), QueueError> {
        self.channel(queue)?;
        let receipts: Vec<Receipt> = receipts
            .iter()
            .filter_map(|receipt| Receipt::parse(receipt).ok())
            .collect();
        if receipts.is_empty() {
            return Ok(());
        }
        let queue = queue.to_owned();
        self.write(move |tx| {
            for receipt in &receipts {
                delete(tx, &queue, receipt)?;
            }
            Ok(())
        })
        .await
    }

    /// The oldest messages, hidden ones too, without receiving them.
    pub async fn browse(&self, queue: &str, limit: u32) -> Result<Vec<Browsed>, QueueError> {
        let kept_since = self.kept_since(queue)?;
        let (queue, now) = (queue.to_owned(), self.now());
        self.read(move |db| {
            let mut select = db.prepare_cached(
                "SELECT id, body, receives, sent, visible FROM messages
                 WHERE queue = ?1 AND sent > ?2 ORDER BY sent, place LIMIT ?3",
            )?;
            let rows = select.query_map(params![queue, kept_since, limit], |row| {
                Ok(Browsed {
                    id: row.get(0)?,
                    body: row.get(1)?,
                    receive_count: row.get(2)?,
                    sent: time(row.get(3)?),
                    visible: row.get::<_, i64>(4)? <= now,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    /// Deletes a message by its id, received or not; says whether it was there.
    pub async fn delete_by_id(&self, queue: &str, id: &str) -> Result<bool, QueueError> {
        self.channel(queue)?;
        let (queue, id) = (queue.to_owned(), id.to_owned());
        self.write(move |tx| {
            let deleted = tx
                .prepare_cached("DELETE FROM messages WHERE queue = ?1 AND id = ?2")?
                .execute([queue, id])?;
            Ok(deleted > 0)
        })
        .await
    }

    /// Sends a message of `from` to `to` as if it were new, and takes it out of `from`, both or
    /// neither; says whether it was there.
    pub async fn move_by_id(&self, from: &str, id: &str, to: &str) -> Result<bool, QueueError> {
        self.channel(from)?;
        self.channel(to)?;
        let (from, id, target) = (from.to_owned(), id.to_owned(), to.to_owned());
        let now = self.now();
        let moved = self
            .write(move |tx| {
                let body: Option<String> = tx
                    .prepare_cached(
                        "DELETE FROM messages WHERE queue = ?1 AND id = ?2 RETURNING body",
                    )?
                    .query_row([from, id], |row| row.get(0))
                    .optional()?;
                let Some(body) = body else {
                    return Ok(false);
                };
                insert(tx, &target, &[&body], now)?;
                Ok(true)
            })
            .await?;
        self.wake(to);
        Ok(moved)
    }

    /// How many messages came into `queue` from `from` to before `to`, by sending or as dead letters;
    /// both are rounded down to ten seconds. Counts are kept for a day.
    pub async fn sent_between(
        &self,
        queue: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<u64, QueueError> {
        self.channel(queue)?;
        let (queue, from, to) = (queue.to_owned(), slot(from), slot(to));
        self.read(move |db| {
            let sum: i64 = db
                .prepare_cached(
                    "SELECT coalesce(sum(messages), 0) FROM messages_sent
                     WHERE queue = ?1 AND slot >= ?2 AND slot < ?3",
                )?
                .query_row(params![queue, from, to], |row| row.get(0))?;
            Ok(u64::try_from(sum).unwrap_or(0))
        })
        .await
    }
}
