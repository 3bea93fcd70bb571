//! The record in SQLite, edited behind its back.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, Utc};
use rusqlite::Connection;
use safelight_local::SqliteRecord;
use safelight_ports::{Claim, Record, RecordError};
use safelight_schema::{
    DamageKind, Draft, EventData, ExecutionInput, Header, ImageRef, Lane, Summary, chain,
};
use safelight_sqlite::{Database, Options};
use tempfile::TempDir;

const EXECUTION: &str = "20261121-0123456789abcdef0123456789abcdef";

fn time() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_790_000_000_123).unwrap()
}

fn draft(attempt: u32) -> Draft {
    Draft {
        execution: EXECUTION.into(),
        lane: Lane::Trunk,
        state: Some("Validate".into()),
        epoch: 0,
        attempt,
        source: "/safelight/test".into(),
        subject: "photos/a.jpg".into(),
        time: time(),
        data: EventData::StateSucceeded { duration_ms: 1 },
    }
}

fn open(path: &Path) -> SqliteRecord {
    SqliteRecord::open(Database::open(path, Options::default()).unwrap()).unwrap()
}

/// A sealed execution with three events, its database closed.
async fn sealed() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let database = Database::open(&path, Options::default()).unwrap();
    let record = SqliteRecord::open(database.clone()).unwrap();
    let image = ImageRef {
        bucket: "photos".into(),
        key: "a.jpg".into(),
        version: Some("v".into()),
        etag: None,
        sequencer: None,
        bytes: None,
    };
    let header = Header {
        execution: EXECUTION.into(),
        input: ExecutionInput {
            image,
            redrive_of: None,
            only: None,
        },
        workflow_hash: "w".into(),
        branches: BTreeMap::new(),
        notified: time(),
        claimed_by: "m".into(),
        claimed: time(),
        started: false,
    };
    let claim = record.claim(&header, Duration::minutes(1)).await;
    assert_eq!(claim.unwrap(), Claim::Granted);
    record
        .append(&[draft(0), draft(1), draft(2)], &[])
        .await
        .unwrap();
    record.put_seal(EXECUTION, time()).await.unwrap();
    let summary = Summary::of(&header, &[]);
    record.put_summary(&summary).await.unwrap();
    database.shutdown();
    (folder, path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_recorded_outlives_a_restart() {
    // Invariant 1.
    let (_folder, path) = sealed().await;
    let record = open(&path);
    let evidence = record.evidence(EXECUTION).await.unwrap();
    assert_eq!(evidence.events.len(), 3);
    assert!(evidence.ended);
    assert_eq!(chain::verify(&evidence), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_behind_its_back_is_found() {
    let second = "pk LIKE 'X#%' AND sk = 'E#trunk#0000000002'";
    let edits = [
        (
            format!("UPDATE items SET body = replace(body, 'a.jpg', 'b.jpg') WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Altered,
        ),
        (
            format!("UPDATE items SET body = 'not json' WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Altered,
        ),
        (
            format!("UPDATE items SET body = x'FF00FF' WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Altered,
        ),
        (
            format!("UPDATE items SET body = NULL WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Altered,
        ),
        (
            format!("UPDATE items SET body = json_insert(body, '$.note', 'paid') WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Altered,
        ),
        (
            format!("UPDATE items SET body = json_insert(body, '$.data.note', 1) WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Altered,
        ),
        (
            "UPDATE items SET body = json_insert(body, '$.note', 1) WHERE sk = 'Z#0000'".to_owned(),
            "Z#0000",
            DamageKind::Altered,
        ),
        (
            "UPDATE items SET body = json_insert(body, '$.note', 1) WHERE sk = 'H'".to_owned(),
            "H",
            DamageKind::Altered,
        ),
        (
            format!("DELETE FROM items WHERE {second}"),
            "E#trunk#0000000002",
            DamageKind::Missing,
        ),
        (
            "DELETE FROM items WHERE sk = 'E#trunk#0000000003'".to_owned(),
            "E#trunk#0000000003",
            DamageKind::Truncated,
        ),
        (
            "DELETE FROM items WHERE sk LIKE 'E#%'".to_owned(),
            "E#trunk#0000000001",
            DamageKind::Absent,
        ),
        (
            "UPDATE items SET sk = 'E#trunk#0000000004' WHERE sk = 'E#trunk#0000000003'".to_owned(),
            "E#trunk#0000000004",
            DamageKind::Altered,
        ),
        (
            "DELETE FROM items WHERE sk LIKE 'Z#%'".to_owned(),
            "Z#0000",
            DamageKind::Absent,
        ),
        (
            "UPDATE items SET body = '{}' WHERE sk = 'H'".to_owned(),
            "H",
            DamageKind::Altered,
        ),
        (
            "DELETE FROM items WHERE sk = 'H'".to_owned(),
            "H",
            DamageKind::Absent,
        ),
    ];
    for (edit, item, kind) in edits {
        let (_folder, path) = sealed().await;
        let editor = Connection::open(&path).unwrap();
        assert!(editor.execute(&edit, []).unwrap() > 0, "{edit}");
        drop(editor);
        let record = open(&path);
        let evidence = record.evidence(EXECUTION).await.unwrap();
        let found: Vec<_> = chain::verify(&evidence)
            .into_iter()
            .map(|damage| (damage.item, damage.kind))
            .collect();
        assert_eq!(found, [(item.to_owned(), kind)], "{edit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_item_is_named_and_nothing_is_appended_after_it() {
    let (_folder, path) = sealed().await;
    let editor = Connection::open(&path).unwrap();
    editor
        .execute(
            "UPDATE items SET body = '{' WHERE sk = 'E#trunk#0000000003'",
            [],
        )
        .unwrap();
    drop(editor);
    let record = open(&path);
    let named = |result: Result<_, RecordError>| match result {
        Err(RecordError::Unreadable { item, .. }) => item,
        other => panic!("{other:?}"),
    };
    let sk = "E#trunk#0000000003";
    assert_eq!(named(record.events(EXECUTION).await), sk);
    assert_eq!(named(record.append(&[draft(7)], &[]).await), sk);
    let evidence = record.evidence(EXECUTION).await.unwrap();
    assert_eq!((evidence.events.len(), evidence.unreadable.len()), (2, 1));
}
