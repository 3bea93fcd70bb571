//! The ports' conformance suites on the local adapters.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use safelight_local::{
    Clock, FolderObjects, Folders, QueueConfig, Redrive, SqliteQueue, SqliteRecord,
};
use safelight_ports::conformance::{self, ObjectsUnderTest, QueueUnderTest};
use safelight_ports::{Queue, Record};
use safelight_sqlite::{Database, Options};
use tempfile::TempDir;

fn database(folder: &TempDir, name: &str) -> Database {
    Database::open(folder.path().join(name), Options::default()).unwrap()
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_790_000_000_000).unwrap()
}

fn sqlite_queue(database: Database, clock: Clock) -> SqliteQueue {
    let redrive = Redrive {
        dead_letter_queue: "dead-letters".into(),
        max_receive_count: 3,
    };
    let config = QueueConfig {
        redrive: Some(redrive),
        ..QueueConfig::default()
    };
    SqliteQueue::open(database, clock, [("images".to_owned(), config)]).unwrap()
}

fn under_test(queue: Arc<dyn Queue>, clock: Clock) -> QueueUnderTest {
    QueueUnderTest {
        queue,
        name: "images".into(),
        dead_letter_queue: "dead-letters".into(),
        max_receive_count: 3,
        hidden: Duration::seconds(30),
        pass: Box::new(move |by: Duration| {
            clock.advance(by);
            Box::pin(std::future::ready(()))
        }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let record = SqliteRecord::open(database(&folder, "state.db")).unwrap();
    let record: Arc<dyn Record> = Arc::new(record);
    conformance::record(async || Arc::clone(&record)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queue_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let number = std::cell::Cell::new(0);
    conformance::queue(async || {
        number.set(number.get() + 1);
        let clock = Clock::manual(start());
        let database = database(&folder, &format!("{}.db", number.get()));
        under_test(Arc::new(sqlite_queue(database, clock.clone())), clock)
    })
    .await;
}

fn folders(folder: &TempDir) -> Folders {
    let images = folder.path().join("images");
    std::fs::create_dir_all(&images).unwrap();
    Folders {
        images: BTreeMap::from([("photos".into(), images)]),
        results: folder.path().join("results"),
        state: folder.path().join("state"),
    }
}

async fn objects_suite() {
    let folder = tempfile::tempdir().unwrap();
    // A new adapter each time: as many processes have it.
    conformance::objects(async || ObjectsUnderTest {
        objects: Arc::new(FolderObjects::open(&folders(&folder)).unwrap()),
        bucket: "photos".into(),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_in_folders_of_a_host() {
    objects_suite().await;
}

#[tokio::test]
async fn objects_in_folders_of_a_worker() {
    objects_suite().await;
}
