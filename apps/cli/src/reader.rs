//! Reading the state without owning it: history, audit and failures work beside a running host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use safelight_engine::ExecutionStatus;
use safelight_local::{Browsed, Clock, SqliteQueue, SqliteRecord};
use safelight_ports::Record;
use safelight_schema::{ObjectRef, key};
use safelight_sqlite::Database;

use crate::config::Config;
use crate::failure::with_next_step;
use crate::host::{DATABASE, RECORD, ended_execution};
use crate::ingest::Bucket;

/// Executions of one image that are looked at.
const EXECUTIONS: u32 = 200;

/// The state, read only: this machine's, or a deployment's.
pub struct Reader(Place);

enum Place {
    Local(Box<Local>),
    #[cfg(feature = "aws")]
    Cloud(Box<crate::cloud::Cloud>),
}

/// The state of this machine.
struct Local {
    database: Database,
    record: SqliteRecord,
    queue: SqliteQueue,
    state: PathBuf,
}

impl Reader {
    /// Opens the state of a configuration.
    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unused_async, reason = "a deployment waits")
    )]
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &config.aws {
            let cloud = crate::cloud::Cloud::open(aws).await;
            return Ok(Self(Place::Cloud(Box::new(cloud))));
        }
        Ok(Self(Place::Local(Box::new(Local::open(config)?))))
    }

    /// The record.
    pub fn record(&self) -> &dyn Record {
        match &self.0 {
            Place::Local(local) => &local.record,
            #[cfg(feature = "aws")]
            Place::Cloud(cloud) => cloud.record(),
        }
    }

    /// Every message of a queue, oldest first, without receiving it.
    pub async fn browse(&self, queue: &str) -> anyhow::Result<Vec<Browsed>> {
        match &self.0 {
            Place::Local(local) => local.browse(queue).await,
            #[cfg(feature = "aws")]
            Place::Cloud(cloud) => cloud.browse(queue).await,
        }
    }

    /// The executions that a person means, newest first: an execution's name, or an image by its path,
    /// its key, or `bucket/key`.
    pub async fn executions_of(&self, subject: &str) -> anyhow::Result<Vec<String>> {
        let record = self.record();
        if record.header(subject).await?.is_some() {
            return Ok(vec![subject.to_owned()]);
        }
        let images = match &self.0 {
            Place::Local(local) => local.images_called(subject).await?,
            #[cfg(feature = "aws")]
            Place::Cloud(cloud) => cloud.images_called(subject),
        };
        let mut found = Vec::new();
        for (bucket, image_key) in images {
            let index = key::image_index(&bucket, &image_key);
            let page = record.find(&index, true, EXECUTIONS, None).await?;
            found.extend(
                page.items
                    .into_iter()
                    .map(|item| (item.pointer.g1sk, item.execution)),
            );
        }
        if found.is_empty() {
            return Err(with_next_step(
                format!("nothing is recorded of '{subject}'"),
                "give the image as it was processed (its path, or bucket/key), or an execution's name",
            ));
        }
        found.sort();
        found.dedup();
        Ok(found
            .into_iter()
            .rev()
            .map(|(_, execution)| execution)
            .collect())
    }

    /// Every execution that the engine has, and whether its end is in the record by now.
    pub async fn engine_executions(&self) -> anyhow::Result<BTreeMap<String, bool>> {
        match &self.0 {
            Place::Local(local) => local.engine_executions().await,
            #[cfg(feature = "aws")]
            Place::Cloud(cloud) => cloud.executions().await,
        }
    }

    /// An archived object; none if it is not there.
    #[cfg_attr(
        not(feature = "aws"),
        expect(clippy::unused_async, reason = "a deployment waits")
    )]
    pub async fn object(&self, object: &ObjectRef) -> anyhow::Result<Option<Vec<u8>>> {
        match &self.0 {
            Place::Local(local) => local.object(object),
            #[cfg(feature = "aws")]
            Place::Cloud(cloud) => cloud.object(object).await,
        }
    }
}

impl Local {
    fn open(config: &Config) -> anyhow::Result<Self> {
        let file = config.state_dir.join(DATABASE);
        if !file.exists() {
            return Err(with_next_step(
                format!("there is no record in {}", config.state_dir.display()),
                "run `safelight process PATH` first, or give --state-dir",
            ));
        }
        let database = Database::open_read_only(&file).map_err(|error| {
            with_next_step(
                format!("the record cannot be read: {error}"),
                "run `safelight doctor`",
            )
        })?;
        Ok(Self {
            record: SqliteRecord::existing(database.clone()),
            queue: SqliteQueue::existing(database.clone(), Clock::system(), crate::host::queues()),
            database,
            state: config.state_dir.clone(),
        })
    }

    async fn browse(&self, queue: &str) -> anyhow::Result<Vec<Browsed>> {
        Ok(self.queue.browse(queue, u32::MAX).await?)
    }

    /// Every bucket and key that a text may mean.
    async fn images_called(&self, subject: &str) -> anyhow::Result<Vec<(String, String)>> {
        let path = Path::new(subject);
        let whole = path
            .canonicalize()
            .or_else(|_| std::path::absolute(path))
            .context("the path cannot be read")?;
        let mut images = Vec::new();
        for bucket in self.buckets().await? {
            if let Ok(below) = whole.strip_prefix(&bucket.root) {
                images.push((bucket.name.clone(), safelight_local::key_of_path(below)));
            }
            if let Some(image_key) = subject.strip_prefix(&format!("{}/", bucket.name)) {
                images.push((bucket.name.clone(), image_key.to_owned()));
            }
            images.push((bucket.name, subject.to_owned()));
        }
        Ok(images)
    }

    async fn buckets(&self) -> anyhow::Result<Vec<Bucket>> {
        let buckets = self.database.read(|connection| {
            let mut statement =
                connection.prepare("SELECT name, root FROM buckets ORDER BY name")?;
            let rows = statement.query_map([], |row| {
                Ok(Bucket {
                    name: row.get(0)?,
                    root: PathBuf::from(row.get::<_, String>(1)?),
                })
            })?;
            Ok::<_, safelight_sqlite::DatabaseError>(rows.collect::<Result<Vec<_>, _>>()?)
        });
        Ok(buckets.await?)
    }

    /// Every execution that the engine has, and whether its end is in the record by now: whether it
    /// has ended, and the record's queue has no word of it left.
    async fn engine_executions(&self) -> anyhow::Result<BTreeMap<String, bool>> {
        // The statuses first: what ends after them still counts as open.
        let statuses = safelight_engine::execution_statuses(&self.database).await?;
        let waiting: BTreeSet<String> = self
            .browse(RECORD)
            .await?
            .iter()
            .filter_map(|message| ended_execution(&message.body))
            .collect();
        let closed = statuses.into_iter().map(|(name, status)| {
            let closed = status != ExecutionStatus::Running && !waiting.contains(&name);
            (name, closed)
        });
        Ok(closed.collect())
    }

    fn object(&self, object: &ObjectRef) -> anyhow::Result<Option<Vec<u8>>> {
        match std::fs::read(self.state.join("objects").join(&object.key)) {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error)
                .with_context(|| format!("the archived object {} cannot be read", object.key)),
        }
    }
}
