//! Invariants of the store, by number (see the crate's documentation).
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use proptest::prelude::*;
use safelight_sqlite::{Database, DatabaseError, Options};
use tempfile::TempDir;

const TABLE: &str = "CREATE TABLE items (id INTEGER PRIMARY KEY, text TEXT NOT NULL)";

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open(folder: &TempDir, options: Options) -> Database {
    let database = Database::open(folder.path().join("state.db"), options).unwrap();
    database.migrate("test", &[TABLE]).unwrap();
    database
}

fn insert(database: &Database, text: &str) -> Result<i64, DatabaseError> {
    let text = text.to_owned();
    database.write_blocking(move |tx| {
        tx.execute("INSERT INTO items (text) VALUES (?1)", [text])?;
        Ok(tx.last_insert_rowid())
    })
}

fn count(database: &Database) -> i64 {
    database
        .read_blocking::<_, DatabaseError, _>(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM items", [], |row| row.get(0))?)
        })
        .unwrap()
}

/// Holds the writer inside a write until opened, so that others queue behind it.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn wait(&self) {
        let mut open = self.open.lock().unwrap();
        while !*open {
            open = self.changed.wait(open).unwrap();
        }
    }

    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }
}

fn hold(database: &Database, gate: &Arc<Gate>) {
    let gate = Arc::clone(gate);
    database.write_then::<_, DatabaseError, _, _>(
        move |_| {
            gate.wait();
            Ok(())
        },
        |_| {},
    );
}

#[test]
fn what_is_queued_together_is_committed_together() {
    // Invariants 1, 4, 5.
    let folder = folder();
    let commits = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&commits);
    let options = Options {
        on_commit: Some(Arc::new(move |number| seen.store(number, Ordering::SeqCst))),
        ..Options::default()
    };
    let database = open(&folder, options);
    let before = commits.load(Ordering::SeqCst);
    let gate = Arc::new(Gate::default());
    hold(&database, &gate);
    let (sender, receiver) = std::sync::mpsc::channel();
    for number in 0..200_i64 {
        let sender = sender.clone();
        let commits = Arc::clone(&commits);
        database.write_then::<_, DatabaseError, _, _>(
            move |tx| {
                tx.execute("INSERT INTO items (text) VALUES (?1)", [number.to_string()])?;
                Ok(tx.last_insert_rowid())
            },
            move |result| {
                sender
                    .send((result, commits.load(Ordering::SeqCst)))
                    .unwrap();
            },
        );
    }
    gate.open();
    for number in 0..200 {
        let (result, commit) = receiver.recv().unwrap();
        assert_eq!(result.unwrap(), number + 1);
        assert!(
            commit > before,
            "a reply came before its commit was announced"
        );
    }
    let used = commits.load(Ordering::SeqCst) - before;
    assert!(used <= 2, "200 writes took {used} commits");
    assert_eq!(count(&database), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_write_through_a_short_queue() {
    let folder = folder();
    let options = Options {
        queue_capacity: 2,
        ..Options::default()
    };
    let path = folder.path().join("state.db");
    let database = tokio::task::spawn_blocking(move || {
        let database = Database::open(path, options).unwrap();
        database.migrate("test", &[TABLE]).unwrap();
        database
    })
    .await
    .unwrap();
    let writes = (0..100).map(|number: i64| {
        let database = database.clone();
        tokio::spawn(async move {
            database
                .write(move |tx| {
                    tx.execute("INSERT INTO items (id, text) VALUES (?1, '')", [number])?;
                    Ok::<_, DatabaseError>(())
                })
                .await
        })
    });
    for write in writes.collect::<Vec<_>>() {
        write.await.unwrap().unwrap();
    }
    let rows: i64 = database
        .read::<_, DatabaseError, _>(|connection| {
            Ok(connection.query_row("SELECT count(*) FROM items", [], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(rows, 100);
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Keep,
    Fail,
    Panic,
    Constraint,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Invariant 2: whatever mixture shares a commit, exactly the writes that succeeded are there.
    #[test]
    fn a_failing_write_undoes_itself_alone(
        kinds in prop::collection::vec(
            prop_oneof![Just(Kind::Keep), Just(Kind::Fail), Just(Kind::Panic), Just(Kind::Constraint)],
            1..30,
        )
    ) {
        let folder = folder();
        let database = open(&folder, Options::default());
        let gate = Arc::new(Gate::default());
        hold(&database, &gate);
        let (sender, receiver) = std::sync::mpsc::channel();
        for (index, kind) in kinds.iter().copied().enumerate() {
            let sender = sender.clone();
            database.write_then::<(), DatabaseError, _, _>(
                move |tx| {
                    tx.execute("INSERT INTO items (id, text) VALUES (?1, 'x')", [index as i64])?;
                    match kind {
                        Kind::Keep => Ok(()),
                        Kind::Fail => Err(DatabaseError::Busy("asked to".to_owned())),
                        Kind::Panic => panic!("asked to"),
                        Kind::Constraint => {
                            tx.execute("INSERT INTO items (id, text) VALUES (?1, 'x')", [index as i64])?;
                            Ok(())
                        }
                    }
                },
                move |result| sender.send((index, result)).unwrap(),
            );
        }
        gate.open();
        drop(sender);
        let mut kept = Vec::new();
        for (index, result) in receiver {
            match kinds[index] {
                Kind::Keep => { prop_assert!(result.is_ok()); kept.push(index as i64); }
                Kind::Fail => prop_assert_eq!(result.unwrap_err().name(), "Store.Busy"),
                Kind::Panic => prop_assert_eq!(result.unwrap_err().name(), "Store.Panicked"),
                Kind::Constraint => prop_assert_eq!(result.unwrap_err().name(), "Store.Statement"),
            }
        }
        let stored = database.read_blocking::<Vec<i64>, DatabaseError, _>(|connection| {
            let mut statement = connection.prepare("SELECT id FROM items ORDER BY id")?;
            let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            Ok(rows)
        }).unwrap();
        prop_assert_eq!(stored, kept);
    }
}

#[test]
fn a_panic_in_the_commit_hook_is_like_a_kill() {
    // Invariants 1 and 5: durable, but never acknowledged; nothing afterwards.
    let folder = folder();
    let options = Options {
        on_commit: Some(Arc::new(|number| assert!(number < 3, "killed here"))),
        ..Options::default()
    };
    let database = open(&folder, options);
    assert!(insert(&database, "acknowledged").is_ok());
    assert_eq!(insert(&database, "durable"), Err(DatabaseError::Closed));
    assert_eq!(insert(&database, "late"), Err(DatabaseError::Closed));
    drop(database);
    assert_eq!(count(&open(&folder, Options::default())), 2);
}

#[test]
fn a_full_disk_has_a_name_and_loses_nothing_that_was_acknowledged() {
    // Invariants 1 and 3.
    let folder = folder();
    let options = Options {
        max_page_count: Some(32),
        ..Options::default()
    };
    let database = open(&folder, options);
    let mut acknowledged = 0;
    let error = loop {
        match insert(&database, &"x".repeat(3000)) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error.name(), "Store.Full");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert!(acknowledged > 5);
    assert_eq!(count(&database), acknowledged);
    // A small write may still fit, and the writer is alive.
    assert!(
        database
            .write_blocking::<_, DatabaseError, _>(|_| Ok(()))
            .is_ok()
    );
    drop(database);
    assert_eq!(count(&open(&folder, Options::default())), acknowledged);
}

#[test]
fn writes_that_share_a_commit_with_a_full_disk_are_told_so() {
    // Invariant 3: SQLite rolls the whole transaction back, so the ones before are lost too; the
    // ones after get a transaction of their own.
    let folder = folder();
    let options = Options {
        max_page_count: Some(32),
        ..Options::default()
    };
    let database = open(&folder, options);
    let gate = Arc::new(Gate::default());
    hold(&database, &gate);
    let (sender, receiver) = std::sync::mpsc::channel();
    for size in [10_usize, 1_000_000, 20] {
        let sender = sender.clone();
        database.write_then::<_, DatabaseError, _, _>(
            move |tx| {
                tx.execute("INSERT INTO items (text) VALUES (?1)", ["x".repeat(size)])?;
                Ok(())
            },
            move |result| drop(sender.send(result)),
        );
    }
    gate.open();
    let results: Vec<_> = (0..3).map(|_| receiver.recv().unwrap()).collect();
    assert_eq!(results[1].clone().unwrap_err().name(), "Store.Full");
    assert_eq!(results[2], Ok(()));
    let kept = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(count(&database), kept as i64);
    if let Err(error) = &results[0] {
        assert_eq!(error.name(), "Store.Full");
    }
}

#[test]
fn shutdown_finishes_what_is_queued_and_folds_the_log() {
    // Invariant 6.
    let folder = folder();
    let database = open(&folder, Options::default());
    let (sender, receiver) = std::sync::mpsc::channel();
    for _ in 0..50 {
        let sender = sender.clone();
        database.write_then::<_, DatabaseError, _, _>(
            |tx| Ok(tx.execute("INSERT INTO items (text) VALUES ('x')", [])?),
            move |result| drop(sender.send(result)),
        );
    }
    database.shutdown();
    drop(sender);
    assert_eq!(receiver.iter().flatten().count(), 50);
    assert_eq!(insert(&database, "late"), Err(DatabaseError::Closed));
    assert!(matches!(
        database.read_blocking::<(), DatabaseError, _>(|_| Ok(())),
        Err(DatabaseError::Closed)
    ));
    assert!(!folder.path().join("state.db-wal").exists());
    assert_eq!(count(&open(&folder, Options::default())), 50);
}

#[test]
fn a_migration_runs_once_and_whole() {
    // Invariant 7.
    let folder = folder();
    let database = open(&folder, Options::default());
    insert(&database, "kept").unwrap();
    let second = "ALTER TABLE items ADD COLUMN size INTEGER";
    database.migrate("test", &[TABLE, second]).unwrap();
    database.migrate("test", &[TABLE, second]).unwrap();
    database
        .migrate("other", &["CREATE TABLE others (id INTEGER)"])
        .unwrap();
    assert_eq!(count(&database), 1);
    assert_eq!(
        database.migrate("test", &[TABLE]).unwrap_err().name(),
        "Store.TooNew"
    );
    assert_eq!(
        database
            .migrate("test", &[second, TABLE])
            .unwrap_err()
            .name(),
        "Store.MigrationChanged"
    );
    let broken = "CREATE TABLE half (id INTEGER); CREATE TABLE items (id INTEGER)";
    assert!(database.migrate("broken", &[broken]).is_err());
    database
        .migrate("broken", &["CREATE TABLE half (id INTEGER)"])
        .unwrap();
}

#[test]
fn files_of_others_are_refused_untouched() {
    let folder = folder();
    let path = folder.path().join("foreign.db");
    let foreign = rusqlite::Connection::open(&path).unwrap();
    foreign
        .execute_batch("CREATE TABLE theirs (id INTEGER)")
        .unwrap();
    drop(foreign);
    let before = std::fs::read(&path).unwrap();
    assert_eq!(
        Database::open(&path, Options::default())
            .err()
            .unwrap()
            .name(),
        "Store.Foreign"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let path = folder.path().join("text.db");
    std::fs::write(
        &path,
        "no database at all, but a text that is long enough\n".repeat(100),
    )
    .unwrap();
    assert_eq!(
        Database::open(&path, Options::default())
            .err()
            .unwrap()
            .name(),
        "Store.Corrupt"
    );

    let path = folder.path().join("newer.db");
    drop(Database::open(&path, Options::default()).unwrap());
    let newer = rusqlite::Connection::open(&path).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    drop(newer);
    assert_eq!(
        Database::open(&path, Options::default())
            .err()
            .unwrap()
            .name(),
        "Store.TooNew"
    );

    let missing = folder.path().join("no such folder").join("state.db");
    assert_eq!(
        Database::open(missing, Options::default())
            .err()
            .unwrap()
            .name(),
        "Store.NotOpened"
    );
}

#[test]
fn a_reader_cannot_write() {
    let folder = folder();
    let database = open(&folder, Options::default());
    let result = database.read_blocking::<_, DatabaseError, _>(|connection| {
        Ok(connection.execute("INSERT INTO items (text) VALUES ('x')", [])?)
    });
    assert_eq!(result.unwrap_err().name(), "Store.ReadOnly");
    assert_eq!(count(&database), 0);
}
