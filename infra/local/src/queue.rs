//! Queues in SQLite: visibility timeout, receive count, dead-letter queue, retention.

mod config;
mod messages;
mod owner;
mod receipt;
mod receive;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use rusqlite::{Connection, OptionalExtension, params};
use safelight_ports::queue::{MAX_BATCH, MAX_MESSAGE_BYTES};
use safelight_ports::{Depth, Message, Queue, QueueError};
use safelight_sqlite::{Database, DatabaseError};
use tokio::sync::Notify;

pub use config::{MAX_RETENTION, QueueConfig, Redrive};
pub use owner::Browsed;

use crate::clock::Clock;
use crate::refusal::Refusal;
use messages::{MIGRATIONS, insert, time};
use receipt::{Receipt, delete, one};
use receive::{Receive, receive};

type Result<T> = std::result::Result<T, Refusal<QueueError>>;

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
