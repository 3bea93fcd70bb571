//! The host of one machine: puts record, queues, engine, Lambda host and alarms together.
//!
//! ```text
//!  ingest ─► start ─► Step Functions API ─► engine ─► Lambda host ─► worker processes
//!                                             │                          │
//!                       record ◄── outbox ────┘      record, queue ◄─────┘ (loopback, token)
//! ```
//!
//! Everything that must not be lost is in one SQLite file, which only this process writes.

mod access;
mod alarms;
mod calls;
mod closing;
mod command_branch;
mod event_source;
mod functions;
mod machine;
mod runner;
mod space;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use chrono::Duration;
use safelight_engine::{
    Engine, EngineHandle, EngineOptions, ExecutionStatus, StatusChange, StatusHook,
};
use safelight_lambda_host::{HostOptions, LambdaHost};
use safelight_local::alarm::AlarmRunner;
use safelight_local::{
    Clock, FolderObjects, Folders, HostFile, LockError, QueueConfig, Redrive, SqliteQueue,
    SqliteRecord, StateLock, random_token,
};
use safelight_ports::{Message, Queue as _};
use safelight_sqlite::Database;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Notify, broadcast, watch};
use tokio::task::JoinSet;

pub use access::Access;
use calls::Calls;
use closing::Closing;
#[cfg(feature = "aws")]
pub use closing::close;
use command_branch::CommandBranch;
use event_source::EventSource;
pub use functions::labels_by_rekognition;
use runner::LambdaRunner;

use crate::branches::Branches;
use crate::commands::worker::Surroundings;
use crate::config::Config;
use crate::failure::{OrNextStep as _, then, with_next_step};
use crate::ingest::Bucket;
use crate::upload::{self, Uploads};

/// Name of the database in the state folder.
pub const DATABASE: &str = "safelight.db";

/// Queue of notifications about images.
pub const INGEST: &str = "ingest";

/// Queue of executions whose status changed.
pub const RECORD: &str = "record";

/// Queue of alarm notifications.
pub const ALERTS: &str = "alerts";

/// The dead-letter queue.
pub const DEAD_LETTERS: &str = "dead-letters";

/// A notification that `start` could not deal with so often is a dead letter. Throttling is not
/// among the reasons: the host does not take what it has no room for.
const MAX_RECEIVES: u32 = 50;

/// How long the end of a command waits for an alert to be delivered.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// How a host is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// For the images of one command: listens on a free port of loopback, for its workers only.
    Batch,
    /// For as long as it is wanted: listens where the configuration says, too.
    Serve,
}

/// A running host.
pub struct Host {
    /// The branches of its workflow.
    pub branches: Branches,
    /// The record.
    pub record: SqliteRecord,
    /// The queues.
    pub queue: SqliteQueue,
    /// The folders.
    pub objects: FolderObjects,
    /// Where it listens for people: loopback, or where `serve` was told to.
    pub address: SocketAddr,
    engine: EngineHandle,
    engine_owner: Option<Engine>,
    lambda: LambdaHost,
    /// Why nothing can go on.
    halt: watch::Sender<Option<String>>,
    /// The alarms of a batch, which looks at them at its end.
    alarms: Option<Mutex<AlarmRunner>>,
    database: Database,
    closed: broadcast::Sender<String>,
    /// Told after every batch of every event source.
    handled: Arc<Notify>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _lock: StateLock,
}

impl Host {
    /// Takes the state folder, opens what is in it, and goes on with what is open.
    pub async fn start(config: &Config, role: Role, buckets: Vec<Bucket>) -> anyhow::Result<Self> {
        let branches = Branches::here()?;
        let definition = branches.definition()?;
        let state = make_folder(&config.state_dir, "--state-dir")?;
        let results = make_folder(&config.out, "--out")?;
        let lock = StateLock::acquire(&state).map_err(|error| {
            let next = match &error {
                LockError::Owned { .. } => {
                    "use that one, stop it, or give another folder with --state-dir"
                }
                LockError::Failed(_) => "mend that, or give another folder with --state-dir",
            };
            then(error, next)
        })?;
        let database = Database::open(state.join(DATABASE), database_options())
            .or_next_step("the state cannot be opened", "run `safelight doctor`")?;
        let buckets = remember_buckets(&database, buckets)?;
        let record = SqliteRecord::open(database.clone())?;
        let queue = SqliteQueue::open(database.clone(), Clock::system(), queues())?;
        queue.reclaim()?;
        let lambda =
            LambdaHost::new(HostOptions::default()).context("the Lambda host cannot be started")?;

        let inner = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("loopback cannot be listened on")?;
        let inner_address = inner.local_addr()?;
        let token = random_token();
        let folders = Folders {
            images: buckets.clone(),
            results,
            state: state.clone(),
        };
        let objects = FolderObjects::open(&folders)?;
        let results_folder = folders.results.clone();
        let concurrency = functions::register(
            &lambda,
            config,
            &Surroundings {
                host: inner_address,
                token: token.clone(),
                folders,
            },
            &branches,
        )?;
        let commands = commands(&branches, &record, &objects, &state);
        let halt = watch::Sender::new(None);
        let calls = Calls::default();
        let runner = LambdaRunner::new(
            lambda.clone(),
            concurrency,
            calls.clone(),
            commands,
            results_folder,
            halt.clone(),
        );
        let options = EngineOptions {
            status_hook: Some(outbox(queue.clone())),
            ..EngineOptions::default()
        };
        let engine_database = database.clone();
        let owner = tokio::task::spawn_blocking(move || {
            Engine::open(&engine_database, Arc::new(runner), options)
        })
        .await?
        .or_next_step("the engine cannot go on", "run `safelight doctor`")?;
        let engine = owner.handle();
        machine::deploy(&engine, &definition).await?;

        let mut tasks = JoinSet::new();
        let api = safelight_api::router(engine.clone(), safelight_api::ApiOptions::default());
        let door = safelight_local::router(Arc::new(record.clone()), queue.clone(), token.clone());
        serve(&mut tasks, inner, api.merge(door));
        let address = match role {
            Role::Batch => inner_address,
            Role::Serve => listen(&mut tasks, config, &buckets, &engine, &queue, &objects).await?,
        };
        lock.publish(&HostFile {
            pid: std::process::id(),
            address: inner_address,
            token,
            started: chrono::Utc::now(),
        })?;

        let alarms = alarms::open(config, role, &queue)?;
        let mut host = Self {
            branches,
            record,
            queue,
            objects,
            address,
            engine,
            engine_owner: Some(owner),
            lambda,
            halt,
            alarms: None,
            database,
            closed: broadcast::Sender::new(4096),
            handled: Arc::new(Notify::new()),
            stop: watch::Sender::new(false),
            tasks,
            _lock: lock,
        };
        host.poll(config.max_executions, calls);
        host.watch(role, alarms);
        Ok(host)
    }

    /// Names of executions as they are closed in the record.
    pub fn closed(&self) -> broadcast::Receiver<String> {
        self.closed.subscribe()
    }

    /// Executions that are open in the engine.
    pub fn open_executions(&self) -> usize {
        self.engine.open_executions()
    }

    /// Ends when nothing can go on, with the reason.
    pub async fn stopped(&self) -> anyhow::Error {
        let mut halt = self.halt.subscribe();
        let why = tokio::select! {
            stopped = self.engine.stopped() => match stopped {
                Ok(()) => return anyhow::anyhow!("the engine has stopped"),
                Err(error) => format!("the engine has stopped: {error}"),
            },
            // The sender is this host's own.
            Ok(why) = halt.wait_for(Option::is_some) => why.clone().unwrap_or_default(),
        };
        with_next_step(
            why,
            "mend the cause and run the command again: it goes on where it was",
        )
    }

    /// Waits until no execution is open and every one that ended is closed in the record.
    pub async fn drain(&self) -> anyhow::Result<()> {
        tokio::select! {
            drained = self.engine.drain() => drained.map_err(|error| anyhow::anyhow!("{error}"))?,
            error = self.stopped() => return Err(error),
        }
        self.until_empty(RECORD).await
    }

    /// Ends a batch: takes away the dead letters that it made obsolete, lets the alarms look at how
    /// things are now, and waits until what they say is said. What cannot be said in [`PATIENCE`] is
    /// kept, and said by the next host.
    pub async fn settle(&self) -> anyhow::Result<()> {
        let Some(alarms) = &self.alarms else {
            return Ok(());
        };
        self.closing().sweep(None).await?;
        alarms
            .lock()
            .await
            .finish()
            .await
            .map_err(|error| anyhow::anyhow!("the alarms cannot be evaluated: {error}"))?;
        if let Ok(settled) = tokio::time::timeout(PATIENCE, self.until_empty(ALERTS)).await {
            return settled;
        }
        tracing::warn!("the alert is not delivered yet: it is kept, and sent at the next start");
        Ok(())
    }

    fn closing(&self) -> Closing {
        Closing {
            record: self.record.clone(),
            queue: self.queue.clone(),
        }
    }

    async fn until_empty(&self, queue: &'static str) -> anyhow::Result<()> {
        loop {
            let mut handled = std::pin::pin!(self.handled.notified());
            // Before looking, so that what is handled in between is not missed.
            handled.as_mut().enable();
            let depth = self.queue.depth(queue).await?;
            if depth.visible + depth.not_visible == 0 {
                return Ok(());
            }
            tokio::select! {
                () = handled => {}
                error = self.stopped() => return Err(error),
            }
        }
    }

    /// Stops taking, ends the workers and closes the database.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        self.lambda.shutdown().await;
        self.tasks.shutdown().await;
        if let Some(engine) = self.engine_owner.take() {
            let database = self.database.clone();
            let closing = tokio::task::spawn_blocking(move || {
                engine.shutdown();
                database.shutdown();
            });
            if let Err(error) = closing.await {
                tracing::error!(%error, "the database was not closed in order");
            }
        }
    }

    /// Starts the event sources and the alarms.
    fn poll(&mut self, max_executions: usize, calls: Calls) {
        let engine = self.engine.clone();
        let closed = self.closed.clone();
        let always = || true;
        let handled = Arc::clone(&self.handled);
        let tell = move |_: &[Message]| handled.notify_waiters();
        let ingest = EventSource {
            queue: INGEST,
            function: functions::function_name("start"),
            visibility: Duration::seconds(120),
            gate: Arc::new(move || engine.open_executions() < max_executions),
            calls: None,
            changes: Some(self.engine.status_changes()),
            on_done: Arc::new(tell.clone()),
        };
        let also = tell.clone();
        let record = EventSource {
            queue: RECORD,
            function: functions::function_name("record"),
            visibility: Duration::seconds(120),
            gate: Arc::new(always),
            calls: Some(calls),
            changes: None,
            on_done: Arc::new(move |messages| {
                announce(&closed, messages);
                also(messages);
            }),
        };
        let alerts = EventSource {
            queue: ALERTS,
            function: functions::function_name("alert"),
            visibility: Duration::seconds(300),
            gate: Arc::new(always),
            calls: None,
            changes: None,
            on_done: Arc::new(tell),
        };
        for source in [ingest, record, alerts] {
            self.tasks.spawn(source.run(
                self.queue.clone(),
                self.lambda.clone(),
                self.stop.subscribe(),
            ));
        }
        let (mut changes, queue) = (self.engine.status_changes(), self.queue.clone());
        self.tasks.spawn(async move {
            // The outbox is durable when the change is told: only then is there something to take.
            while !matches!(
                changes.recv().await,
                Err(broadcast::error::RecvError::Closed)
            ) {
                queue.wake(RECORD);
            }
        });
    }

    /// A batch looks at the alarms and for obsolete dead letters at its end, `serve` all the time.
    fn watch(&mut self, role: Role, mut alarms: AlarmRunner) {
        match role {
            Role::Batch => self.alarms = Some(Mutex::new(alarms)),
            Role::Serve => {
                self.tasks.spawn(async move { alarms.run().await });
                self.tasks.spawn(self.closing().run(self.closed()));
            }
        }
    }
}

/// Name of the execution whose end a message of the queue `record` is about.
pub fn ended_execution(body: &str) -> Option<String> {
    let event: Value = serde_json::from_str(body).ok()?;
    event["detail"]["name"].as_str().map(str::to_owned)
}

/// Tells followers which executions a batch of status changes has closed.
fn announce(closed: &broadcast::Sender<String>, messages: &[Message]) {
    for execution in messages
        .iter()
        .filter_map(|message| ended_execution(&message.body))
    {
        // Nobody needs to listen.
        let _ = closed.send(execution);
    }
}

/// The queues and how they work.
pub fn queues() -> Vec<(String, QueueConfig)> {
    let redrive = Redrive {
        dead_letter_queue: DEAD_LETTERS.into(),
        max_receive_count: MAX_RECEIVES,
    };
    let ingest = QueueConfig {
        redrive: Some(redrive),
        ..QueueConfig::default()
    };
    vec![
        (INGEST.into(), ingest),
        (RECORD.into(), QueueConfig::default()),
        (ALERTS.into(), QueueConfig::default()),
        (DEAD_LETTERS.into(), QueueConfig::default()),
    ]
}

/// Writes the status change of an ended execution into the record's queue, in the transaction that
/// ends it: what EventBridge does on AWS, and without losing any.
fn outbox(queue: SqliteQueue) -> StatusHook {
    Arc::new(move |connection, change: &StatusChange| {
        if change.status == ExecutionStatus::Running {
            return Ok(());
        }
        let event = json!({
            "version": "0",
            "id": uuid::Uuid::new_v4(),
            "source": "aws.states",
            "account": "000000000000",
            "region": "us-east-1",
            "time": safelight_schema::time::format(&change.stop_date.unwrap_or(change.start_date)),
            "resources": [&*change.execution_arn],
            "detail-type": "Step Functions Execution Status Change",
            "detail": change.event_detail(),
        });
        queue.enqueue(connection, RECORD, &event.to_string())?;
        Ok(())
    })
}

#[cfg(debug_assertions)]
use crate::faults::database_options;

/// The options of the database.
#[cfg(not(debug_assertions))]
fn database_options() -> safelight_sqlite::Options {
    safelight_sqlite::Options::default()
}

fn make_folder(folder: &Path, flag: &str) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)
        .and_then(|()| folder.canonicalize())
        .or_next_step(
            &format!("the folder {} cannot be made", folder.display()),
            &format!("give a folder that can be written with {flag}"),
        )
}

/// The branches that are commands, by the name of their function. What a killed host left of their
/// calls is removed.
fn commands(
    branches: &Branches,
    record: &SqliteRecord,
    objects: &FolderObjects,
    state: &Path,
) -> BTreeMap<String, Arc<CommandBranch>> {
    let scratch = state.join("scratch");
    if let Err(error) = std::fs::remove_dir_all(&scratch)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, folder = %scratch.display(), "what earlier calls left was not removed");
    }
    let manifests = branches.folders.iter().map(|folder| &folder.manifest);
    manifests
        .filter(|manifest| manifest.command.is_some())
        .map(|manifest| {
            let branch =
                CommandBranch::new(manifest, record.clone(), objects.clone(), scratch.clone());
            (functions::function_name(&manifest.name), Arc::new(branch))
        })
        .collect()
}

/// Keeps the folders of the buckets, so that what an earlier command left open finds them.
fn remember_buckets(
    database: &Database,
    buckets: Vec<Bucket>,
) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    database.migrate(
        "buckets",
        &["CREATE TABLE buckets (name TEXT PRIMARY KEY, root TEXT NOT NULL)"],
    )?;
    let known = database.write_blocking(move |connection| {
        for bucket in &buckets {
            connection.execute(
                "INSERT INTO buckets (name, root) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET root = excluded.root",
                [&bucket.name, &bucket.root.to_string_lossy().into_owned()],
            )?;
        }
        let mut statement = connection.prepare("SELECT name, root FROM buckets")?;
        let rows = statement.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                PathBuf::from(row.get::<_, String>(1)?),
            ))
        })?;
        Ok::<_, safelight_sqlite::DatabaseError>(rows.collect::<Result<BTreeMap<_, _>, _>>()?)
    })?;
    // A folder that is gone has nothing to give; what is open of it fails by name.
    Ok(known
        .into_iter()
        .filter(|(_, root)| root.is_dir())
        .collect())
}

fn serve(tasks: &mut JoinSet<()>, listener: TcpListener, router: axum::Router) {
    tasks.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the listener has stopped");
        }
    });
}

/// The listener of `serve`: the Step Functions API, and uploads.
async fn listen(
    tasks: &mut JoinSet<()>,
    config: &Config,
    buckets: &BTreeMap<String, PathBuf>,
    engine: &EngineHandle,
    queue: &SqliteQueue,
    objects: &FolderObjects,
) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(&config.serve.listen).await.or_next_step(
        &format!("{} cannot be listened on", config.serve.listen),
        "give another address with --listen",
    )?;
    let address = listener.local_addr()?;
    let token = config.serve.token.clone();
    let host = config
        .serve
        .listen
        .rsplit_once(':')
        .map_or("", |(host, _)| host);
    let options = safelight_api::ApiOptions {
        allowed_hosts: vec![host.to_owned()],
        token: token.clone(),
        ..safelight_api::ApiOptions::default()
    };
    let served = config.serve.buckets.keys();
    let served = served.filter_map(|name| Some((name.clone(), buckets.get(name)?.clone())));
    let uploads = Uploads {
        buckets: Arc::new(served.collect()),
        objects: objects.clone(),
        queue: queue.clone(),
        max_bytes: config.serve.max_upload_bytes,
        host: host.to_owned(),
        token,
    };
    let router = safelight_api::router(engine.clone(), options).merge(upload::router(uploads));
    serve(tasks, listener, router);
    Ok(address)
}

/// Ends when somebody asks the process to end.
pub async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be handled")?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.context("signals cannot be handled"),
        _ = terminate.recv() => Ok(()),
    }
}
