//! Queues in SQLite: visibility timeout, receive count, dead-letter queue, retention.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use safelight_ports::queue::{MAX_BATCH, MAX_MESSAGE_BYTES};
use safelight_ports::{Depth, Message, Queue, QueueError};
use safelight_sqlite::{Database, DatabaseError};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::clock::Clock;
use crate::refusal::Refusal;

type Result<T> = std::result::Result<T, Refusal<QueueError>>;

/// Longest that SQS keeps a message.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_RETENTION: Duration = Duration::days(14);

const MINUTE_MS: i64 = 60_000;

// `place` is the order of sending. Times are milliseconds since 1970. The index holds everything
// that choosing a message and measuring a queue need.
const MIGRATIONS: &[&str] = &["
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

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue.
    pub dead_letter_queue: String,
    /// A message that was received so often is not received again.
    pub max_receive_count: u32,
}

/// How one queue works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// How long a received message is hidden, where its receiver does not say.
    pub visibility: Duration,
    /// How long a message is kept.
    pub retention: Duration,
    /// Its dead-letter queue.
    pub redrive: Option<Redrive>,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            visibility: Duration::seconds(30),
            retention: MAX_RETENTION,
            redrive: None,
        }
    }
}

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

struct Channel {
    config: QueueConfig,
    changed: Notify,
}

/// Queues in one SQLite database, for the process that owns it.
#[derive(Clone)]
pub struct SqliteQueue {
    database: Database,
    clock: Clock,
    channels: Arc<BTreeMap<String, Channel>>,
}

impl SqliteQueue {
    /// Makes its tables where they are not there; a dead-letter queue that `queues` does not name is
    /// added with defaults. Blocks until that is durable.
    pub fn open(
        database: Database,
        clock: Clock,
        queues: impl IntoIterator<Item = (String, QueueConfig)>,
    ) -> std::result::Result<Self, DatabaseError> {
        database.migrate("queue", MIGRATIONS)?;
        Ok(Self::existing(database, clock, queues))
    }

    /// The queues of a database that has its tables already, such as one opened for reading only.
    pub fn existing(
        database: Database,
        clock: Clock,
        queues: impl IntoIterator<Item = (String, QueueConfig)>,
    ) -> Self {
        let mut configs: BTreeMap<String, QueueConfig> = queues.into_iter().collect();
        let named: Vec<String> = configs
            .values()
            .filter_map(|config| Some(config.redrive.as_ref()?.dead_letter_queue.clone()))
            .collect();
        for name in named {
            configs.entry(name).or_default();
        }
        let channel = |config| Channel {
            config,
            changed: Notify::new(),
        };
        let channels = configs
            .into_iter()
            .map(|(name, config)| (name, channel(config)));
        Self {
            database,
            clock,
            channels: Arc::new(channels.collect()),
        }
    }

    /// Deletes messages as [`Queue::delete`] does, in one write. A receipt that is not valid any more
    /// is passed over: its message comes again and is dealt with as a duplicate.
    pub async fn delete_batch(
        &self,
        queue: &str,
        receipts: &[String],
    ) -> std::result::Result<(), QueueError> {
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

    /// Makes every hidden message visible. For the start of the owner: whoever had received them is
    /// gone, and waiting for their visibility timeout would help nobody. Blocks until it is durable.
    pub fn reclaim(&self) -> std::result::Result<(), DatabaseError> {
        let now = self.now();
        self.database.write_blocking(move |tx| {
            tx.execute("UPDATE messages SET visible = ?1 WHERE visible > ?1", [now])?;
            Ok(())
        })
    }

    /// Names and configurations of the queues.
    pub fn queues(&self) -> impl Iterator<Item = (&str, &QueueConfig)> {
        self.channels
            .iter()
            .map(|(name, channel)| (name.as_str(), &channel.config))
    }

    /// Sends a message within the caller's own transaction; answers its id. When the transaction is
    /// durable, call [`Self::wake`].
    pub fn enqueue(
        &self,
        tx: &Connection,
        queue: &str,
        body: &str,
    ) -> std::result::Result<String, DatabaseError> {
        if !self.channels.contains_key(queue) {
            return Err(DatabaseError::Statement(format!(
                "there is no queue '{queue}'"
            )));
        }
        if body.len() > MAX_MESSAGE_BYTES {
            let message = QueueError::TooLarge(body.len()).to_string();
            return Err(DatabaseError::Statement(message));
        }
        let ids = insert(tx, queue, &[body], self.now())?;
        Ok(ids.into_iter().next().unwrap_or_default())
    }

    /// Wakes who waits for a message of `queue`.
    pub fn wake(&self, queue: &str) {
        if let Some(channel) = self.channels.get(queue) {
            channel.changed.notify_waiters();
        }
    }

    /// Waits until a message of `queue` may be there to receive: at once if one is visible, when one
    /// is sent, or when the first hidden one becomes visible. Dropping the future loses nothing.
    pub async fn wait(&self, queue: &str) -> std::result::Result<(), QueueError> {
        let channel = self.channel(queue)?;
        loop {
            // Before looking, so that what is sent in between is not missed.
            let mut changed = std::pin::pin!(channel.changed.notified());
            changed.as_mut().enable();
            match self.next_visible(queue).await? {
                Some(time) if time <= self.clock.now() => return Ok(()),
                Some(time) => tokio::select! {
                    () = changed => {}
                    () = self.clock.sleep_until(time) => return Ok(()),
                },
                None => changed.await,
            }
        }
    }

    /// The oldest messages, hidden ones too, without receiving them.
    pub async fn browse(
        &self,
        queue: &str,
        limit: u32,
    ) -> std::result::Result<Vec<Browsed>, QueueError> {
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
    pub async fn delete_by_id(
        &self,
        queue: &str,
        id: &str,
    ) -> std::result::Result<bool, QueueError> {
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
    pub async fn move_by_id(
        &self,
        from: &str,
        id: &str,
        to: &str,
    ) -> std::result::Result<bool, QueueError> {
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
    /// both are rounded down to the minute. Counts are kept for a day.
    pub async fn sent_between(
        &self,
        queue: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> std::result::Result<u64, QueueError> {
        self.channel(queue)?;
        let (queue, from, to) = (queue.to_owned(), minute(from), minute(to));
        self.read(move |db| {
            let sum: i64 = db
                .prepare_cached(
                    "SELECT coalesce(sum(messages), 0) FROM messages_sent
                     WHERE queue = ?1 AND minute >= ?2 AND minute < ?3",
                )?
                .query_row(params![queue, from, to], |row| row.get(0))?;
            Ok(u64::try_from(sum).unwrap_or(0))
        })
        .await
    }

    /// The clock that it was given.
    pub(crate) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The database that holds it.
    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    fn now(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn channel(&self, queue: &str) -> std::result::Result<&Channel, QueueError> {
        let found = self.channels.get(queue);
        found.ok_or_else(|| QueueError::NoSuchQueue(queue.to_owned()))
    }

    /// A message that was sent at or before this time is not there any more.
    fn kept_since(&self, queue: &str) -> std::result::Result<i64, QueueError> {
        Ok(self.now() - self.channel(queue)?.config.retention.num_milliseconds())
    }

    async fn next_visible(
        &self,
        queue: &str,
    ) -> std::result::Result<Option<DateTime<Utc>>, QueueError> {
        let kept_since = self.kept_since(queue)?;
        let queue = queue.to_owned();
        let next = self
            .read(move |db| {
                let next = db
                    .prepare_cached(
                        "SELECT visible FROM messages WHERE queue = ?1 AND sent > ?2
                         ORDER BY visible LIMIT 1",
                    )?
                    .query_row(params![queue, kept_since], |row| row.get(0))
                    .optional()?;
                Ok(next)
            })
            .await?;
        Ok(next.map(time))
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, QueueError> {
        let result = self.database.write(work).await;
        result.map_err(|refusal| refusal.into_port(QueueError::Unavailable))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, QueueError> {
        let result = self.database.read(work).await;
        result.map_err(|refusal| refusal.into_port(QueueError::Unavailable))
    }
}

/// Deletes the message that this receipt is of; says how many that were.
fn delete(tx: &Connection, queue: &str, receipt: &Receipt) -> rusqlite::Result<usize> {
    tx.prepare_cached(
        "DELETE FROM messages WHERE place = ?1 AND receives = ?2 AND id = ?3 AND queue = ?4",
    )?
    .execute(params![receipt.place, receipt.receives, receipt.id, queue])
}

#[async_trait]
impl Queue for SqliteQueue {
    async fn send(
        &self,
        queue: &str,
        bodies: &[String],
    ) -> std::result::Result<Vec<String>, QueueError> {
        let channel = self.channel(queue)?;
        if let Some(large) = bodies.iter().find(|body| body.len() > MAX_MESSAGE_BYTES) {
            return Err(QueueError::TooLarge(large.len()));
        }
        if bodies.is_empty() {
            return Ok(Vec::new());
        }
        let (name, bodies, now) = (queue.to_owned(), bodies.to_vec(), self.now());
        let ids = self
            .write(move |tx| Ok(insert(tx, &name, &bodies, now)?))
            .await?;
        channel.changed.notify_waiters();
        Ok(ids)
    }

    async fn receive(
        &self,
        queue: &str,
        max: usize,
        visibility: Duration,
    ) -> std::result::Result<Vec<Message>, QueueError> {
        let request = Receive {
            queue: queue.to_owned(),
            max: max.min(MAX_BATCH),
            now: self.now(),
            hidden_until: self.now() + visibility.num_milliseconds().max(0),
            kept_since: self.kept_since(queue)?,
            redrive: self.channel(queue)?.config.redrive.clone(),
        };
        let (messages, dead_letters) = self.write(move |tx| receive(tx, &request)).await?;
        if let Some(dead_letter_queue) = dead_letters {
            self.wake(&dead_letter_queue);
        }
        Ok(messages)
    }

    async fn delete(&self, queue: &str, receipt: &str) -> std::result::Result<(), QueueError> {
        self.channel(queue)?;
        let receipt = Receipt::parse(receipt)?;
        let queue = queue.to_owned();
        self.write(move |tx| one(delete(tx, &queue, &receipt)?))
            .await
    }

    async fn change_visibility(
        &self,
        queue: &str,
        receipt: &str,
        visibility: Duration,
    ) -> std::result::Result<(), QueueError> {
        let channel = self.channel(queue)?;
        let receipt = Receipt::parse(receipt)?;
        let name = queue.to_owned();
        let visible = self.now() + visibility.num_milliseconds().max(0);
        self.write(move |tx| {
            let changed = tx
                .prepare_cached(
                    "UPDATE messages SET visible = ?5
                     WHERE place = ?1 AND receives = ?2 AND id = ?3 AND queue = ?4",
                )?
                .execute(params![
                    receipt.place,
                    receipt.receives,
                    receipt.id,
                    name,
                    visible
                ])?;
            one(changed)
        })
        .await?;
        channel.changed.notify_waiters();
        Ok(())
    }

    async fn depth(&self, queue: &str) -> std::result::Result<Depth, QueueError> {
        let kept_since = self.kept_since(queue)?;
        let (queue, now) = (queue.to_owned(), self.now());
        self.read(move |db| {
            let mut select = db.prepare_cached(
                "SELECT count(*) FILTER (WHERE visible <= ?3), count(*), min(sent)
                 FROM messages WHERE queue = ?1 AND sent > ?2",
            )?;
            let depth = select.query_row(params![queue, kept_since, now], |row| {
                let (visible, all): (i64, i64) = (row.get(0)?, row.get(1)?);
                Ok(Depth {
                    visible: u64::try_from(visible).unwrap_or(0),
                    not_visible: u64::try_from(all - visible).unwrap_or(0),
                    oldest: row.get::<_, Option<i64>>(2)?.map(time),
                })
            })?;
            Ok(depth)
        })
        .await
    }
}

/// Names one receive of one message: a later receive has another count.
struct Receipt {
    place: i64,
    receives: u32,
    id: String,
}

impl Receipt {
    fn of(place: i64, receives: u32, id: &str) -> String {
        format!("{place}.{receives}.{id}")
    }

    fn parse(text: &str) -> std::result::Result<Self, QueueError> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(QueueError::ReceiptInvalid);
        let invalid = |_| QueueError::ReceiptInvalid;
        Ok(Self {
            place: part()?.parse().map_err(invalid)?,
            receives: part()?.parse().map_err(invalid)?,
            id: part()?.to_owned(),
        })
    }
}

/// The message that a receipt names was there.
fn one(changed: usize) -> Result<()> {
    if changed == 1 {
        Ok(())
    } else {
        Err(Refusal::Port(QueueError::ReceiptInvalid))
    }
}

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

fn minute(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis().div_euclid(MINUTE_MS)
}

fn insert(
    tx: &Connection,
    queue: &str,
    bodies: &[impl AsRef<str>],
    now: i64,
) -> std::result::Result<Vec<String>, DatabaseError> {
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

fn count_sent(
    tx: &Connection,
    queue: &str,
    messages: usize,
    now: i64,
) -> std::result::Result<(), DatabaseError> {
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

struct Receive {
    queue: String,
    max: usize,
    now: i64,
    hidden_until: i64,
    kept_since: i64,
    redrive: Option<Redrive>,
}

/// Expired messages and new dead letters that one receive clears away at most: the writer is shared.
const MAX_PASSES: usize = 1_000;

/// Answers the messages, and the dead-letter queue if some went there.
fn receive(tx: &Connection, request: &Receive) -> Result<(Vec<Message>, Option<String>)> {
    let mut next = tx.prepare_cached(
        "SELECT place, id, sent, receives, body FROM messages WHERE queue = ?1 AND visible <= ?2
         ORDER BY visible, sent, place LIMIT ?3",
    )?;
    let mut hide = tx.prepare_cached(
        "UPDATE messages SET visible = ?2, receives = receives + 1 WHERE place = ?1",
    )?;
    let mut expire = tx.prepare_cached("DELETE FROM messages WHERE place = ?1")?;
    let mut bury = tx.prepare_cached(
        "UPDATE messages SET queue = ?2, visible = ?3, receives = 0 WHERE place = ?1",
    )?;
    let mut messages: Vec<Message> = Vec::new();
    // Hidden for no time at all, a message would be found again by the same receive.
    let mut taken: Vec<i64> = Vec::new();
    let mut buried = 0;
    for _ in 0..MAX_PASSES {
        let missing = request.max.saturating_sub(messages.len());
        if missing == 0 {
            break;
        }
        let found = next
            .query_map(params![request.queue, request.now, missing as i64], |row| {
                let message = Message {
                    id: row.get(1)?,
                    receipt: String::new(),
                    body: row.get(4)?,
                    receive_count: row.get(3)?,
                    sent: time(row.get(2)?),
                };
                Ok((row.get::<_, i64>(0)?, message))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut cleared = false;
        for (place, mut message) in found {
            if taken.contains(&place) {
                continue;
            }
            if message.sent.timestamp_millis() <= request.kept_since {
                expire.execute([place])?;
                cleared = true;
                continue;
            }
            if let Some(redrive) = &request.redrive
                && message.receive_count >= redrive.max_receive_count
            {
                bury.execute(params![place, redrive.dead_letter_queue, request.now])?;
                buried += 1;
                cleared = true;
                continue;
            }
            hide.execute(params![place, request.hidden_until])?;
            message.receive_count += 1;
            message.receipt = Receipt::of(place, message.receive_count, &message.id);
            taken.push(place);
            messages.push(message);
        }
        if !cleared {
            break;
        }
    }
    let dead_letters = request.redrive.as_ref().filter(|_| buried > 0);
    if let Some(redrive) = dead_letters {
        count_sent(tx, &redrive.dead_letter_queue, buried, request.now)?;
    }
    let name = dead_letters.map(|redrive| redrive.dead_letter_queue.clone());
    Ok((messages, name))
}
