//! Queues in SQLite: what they do beyond the port.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{DateTime, Duration, Utc};
use safelight_local::{Clock, QueueConfig, Redrive, SqliteQueue};
use safelight_ports::{Queue, QueueError};
use safelight_sqlite::{Database, DatabaseError, Options};

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_040, 0).unwrap()
}

fn open(folder: &Path, clock: &Clock) -> SqliteQueue {
    let database = Database::open(folder.join("state.db"), Options::default()).unwrap();
    let config = QueueConfig {
        retention: Duration::hours(1),
        redrive: Some(Redrive {
            dead_letter_queue: "dead".into(),
            max_receive_count: 2,
        }),
        ..QueueConfig::default()
    };
    let queues = BTreeMap::from([
        ("images".to_owned(), config),
        ("alerts".to_owned(), QueueConfig::default()),
    ]);
    SqliteQueue::open(database, clock.clone(), queues).unwrap()
}

fn hidden() -> Duration {
    Duration::seconds(30)
}

async fn send(queue: &SqliteQueue, name: &str, body: &str) -> String {
    queue
        .send(name, &[body.to_owned()])
        .await
        .unwrap()
        .remove(0)
}

#[tokio::test]
async fn whoever_waits_is_woken_when_a_message_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), &Clock::manual(start()));
    let waiter = queue.clone();
    let waiting = tokio::spawn(async move {
        waiter.wait("images").await.unwrap();
        waiter.receive("images", 10, hidden()).await.unwrap()
    });
    // Whether it waits already or not: it must not miss the message.
    tokio::task::yield_now().await;
    send(&queue, "alerts", "another queue").await;
    send(&queue, "images", "a").await;
    assert_eq!(waiting.await.unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_waits_is_woken_when_a_hidden_message_becomes_visible() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start());
    let queue = open(folder.path(), &clock);
    send(&queue, "images", "a").await;
    queue.wait("images").await.unwrap();
    let first = queue.receive("images", 1, hidden()).await.unwrap();
    let waiter = queue.clone();
    let waiting = tokio::spawn(async move {
        waiter.wait("images").await.unwrap();
        waiter.receive("images", 10, hidden()).await.unwrap()
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    clock.advance(hidden());
    let second = waiting.await.unwrap();
    assert_eq!(second[0].id, first[0].id);

    let waiter = queue.clone();
    let waiting = tokio::spawn(async move { waiter.wait("images").await });
    tokio::task::yield_now().await;
    let receipt = &second[0].receipt;
    queue
        .change_visibility("images", receipt, Duration::zero())
        .await
        .unwrap();
    waiting.await.unwrap().unwrap();
    let unknown = queue.wait("unknown").await;
    assert_eq!(unknown, Err(QueueError::NoSuchQueue("unknown".into())));
}

#[tokio::test]
async fn a_message_is_sent_within_the_callers_transaction_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let queue = open(folder.path(), &Clock::manual(start()));
    let database = Database::open(folder.path().join("state.db"), Options::default());
    let database = database.unwrap();
    let sender = queue.clone();
    let refused = database
        .write(move |tx| {
            sender.enqueue(tx, "images", "undone")?;
            Err::<(), _>(DatabaseError::Undone)
        })
        .await;
    assert!(refused.is_err());
    assert_eq!(queue.depth("images").await.unwrap().visible, 0);
    let sender = queue.clone();
    let id = database
        .write(move |tx| sender.enqueue(tx, "images", "done"))
        .await
        .unwrap();
    queue.wake("images");
    let received = queue.receive("images", 10, hidden()).await.unwrap();
    assert_eq!((received[0].id.as_str(), received.len()), (id.as_str(), 1));
    for (name, body) in [
        ("unknown", String::new()),
        ("images", "x".repeat((1 << 20) + 1)),
    ] {
        let sender = queue.clone();
        let refused = database.write(move |tx| sender.enqueue(tx, name, &body));
        assert!(refused.await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn messages_are_looked_at_moved_and_deleted_without_receiving_them() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start());
    let queue = open(folder.path(), &clock);
    let mut ids = Vec::new();
    for body in ["a", "b", "c"] {
        ids.push(send(&queue, "images", body).await);
        clock.advance(Duration::seconds(1));
    }
    queue.receive("images", 1, hidden()).await.unwrap();
    let seen = queue.browse("images", 10).await.unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|it| (it.body.as_str(), it.visible, it.receive_count))
        .collect();
    assert_eq!(seen, [("a", false, 1), ("b", true, 0), ("c", true, 0)]);
    assert_eq!(queue.browse("images", 2).await.unwrap().len(), 2);

    assert!(queue.delete_by_id("images", &ids[0]).await.unwrap());
    assert!(!queue.delete_by_id("images", &ids[0]).await.unwrap());
    assert!(!queue.delete_by_id("alerts", &ids[1]).await.unwrap());
    assert!(queue.move_by_id("images", &ids[1], "alerts").await.unwrap());
    assert!(!queue.move_by_id("images", &ids[1], "alerts").await.unwrap());
    let moved = queue.receive("alerts", 10, hidden()).await.unwrap();
    assert_eq!((moved[0].body.as_str(), moved[0].receive_count), ("b", 1));
    assert_eq!(queue.browse("images", 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn messages_come_in_the_order_they_were_sent() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start());
    let queue = open(folder.path(), &clock);
    for number in 0..30 {
        send(&queue, "images", &number.to_string()).await;
        if number % 3 == 0 {
            clock.advance(Duration::milliseconds(1));
        }
    }
    let mut received = Vec::new();
    for _ in 0..3 {
        let batch = queue.receive("images", 10, hidden()).await.unwrap();
        received.extend(batch.into_iter().map(|it| it.body));
    }
    let expected: Vec<_> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn messages_are_kept_for_the_retention_and_over_a_restart() {
    // Invariant 1.
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start());
    let queue = open(folder.path(), &clock);
    for _ in 0..25 {
        send(&queue, "images", "old").await;
    }
    drop(queue);
    let queue = open(folder.path(), &clock);
    clock.advance(Duration::minutes(59));
    assert_eq!(queue.depth("images").await.unwrap().visible, 25);
    send(&queue, "images", "new").await;
    clock.advance(Duration::minutes(1));
    let depth = queue.depth("images").await.unwrap();
    assert_eq!(depth.visible, 1, "an hour is over");
    assert_eq!(depth.oldest, Some(start() + Duration::minutes(59)));
    assert_eq!(queue.browse("images", 100).await.unwrap().len(), 1);
    let received = queue.receive("images", 10, hidden()).await.unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, "new");
}

#[tokio::test]
async fn what_comes_in_is_counted_by_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(start());
    let queue = open(folder.path(), &clock);
    let count = async |from: i64, to: i64| {
        let time = |minutes| start() + Duration::minutes(minutes);
        let count = queue.sent_between("dead", time(from), time(to)).await;
        count.unwrap()
    };
    send(&queue, "images", "a").await;
    for _ in 0..2 {
        let received = queue.receive("images", 1, hidden()).await.unwrap();
        assert_eq!(received.len(), 1);
        clock.advance(hidden());
    }
    // Received twice, it is a dead letter now, a minute later.
    assert!(
        queue
            .receive("images", 1, hidden())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(count(0, 1).await, 0);
    assert_eq!(count(1, 2).await, 1);
    send(&queue, "dead", "b").await;
    assert_eq!(count(1, 2).await, 2);
    clock.advance(Duration::minutes(1));
    send(&queue, "dead", "c").await;
    assert_eq!((count(1, 2).await, count(0, 10).await), (2, 3));
    let seconds = async |from: i64, to: i64| {
        let time = |seconds| start() + Duration::minutes(2) + Duration::seconds(seconds);
        let count = queue.sent_between("dead", time(from), time(to)).await;
        count.unwrap()
    };
    assert_eq!((seconds(0, 10).await, seconds(10, 60).await), (1, 0));
    clock.advance(Duration::days(2));
    send(&queue, "dead", "d").await;
    assert_eq!(count(0, 10).await, 0, "counts are kept for a day");
}
