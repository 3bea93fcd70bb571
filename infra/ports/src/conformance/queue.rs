//! What every queue must do.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::Duration;
use futures::future::{BoxFuture, join_all};

use crate::queue::{MAX_BATCH, MAX_MESSAGE_BYTES};
use crate::{Depth, Message, Queue, QueueError};

/// A queue to try, with what the suite has to know of it.
pub struct QueueUnderTest {
    /// The adapter.
    pub queue: Arc<dyn Queue>,
    /// Name of a queue that is empty, with a dead-letter queue.
    pub name: String,
    /// Name of its dead-letter queue, which is empty.
    pub dead_letter_queue: String,
    /// How often a message is received before it goes there. At least 2.
    pub max_receive_count: u32,
    /// How long received messages are hidden: at least two seconds.
    pub hidden: Duration,
    /// Lets time go by: moves the clock, or waits.
    pub pass: Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>,
}

/// Runs the suite. Every call of `make` answers empty queues.
pub async fn queue(make: impl AsyncFn() -> QueueUnderTest) {
    what_is_sent_is_received(make().await).await;
    messages_are_hidden_and_come_again(make().await).await;
    only_the_last_receipt_is_valid(make().await).await;
    visibility_is_changed(make().await).await;
    too_many_receives_end_in_the_dead_letter_queue(make().await).await;
    racing_receivers_share_the_messages(make().await).await;
    batches_are_sent_whole(make().await).await;
    limits_hold(make().await).await;
    depth_counts(make().await).await;
    unknown_queues_are_named(make().await).await;
}

fn bodies(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("message {number}"))
        .collect()
}

impl QueueUnderTest {
    async fn send(&self, bodies: &[String]) -> Vec<String> {
        let ids = self.queue.send(&self.name, bodies).await.unwrap();
        assert_eq!(ids.len(), bodies.len());
        ids
    }

    async fn receive(&self, max: usize) -> Vec<Message> {
        let received = self.queue.receive(&self.name, max, self.hidden).await;
        let received = received.unwrap();
        assert!(received.len() <= max);
        received
    }

    async fn delete(&self, message: &Message) {
        let deleted = self.queue.delete(&self.name, &message.receipt).await;
        deleted.unwrap();
    }
}

async fn what_is_sent_is_received(it: QueueUnderTest) {
    assert_eq!(it.receive(10).await, []);
    let text = "{\"key\":\"여름 +%\u{1F3DE}\",\"lines\":\"a\\nb\"}".to_owned();
    let ids = it.send(std::slice::from_ref(&text)).await;
    let received = it.receive(10).await;
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].body, text);
    assert_eq!(received[0].id, ids[0]);
    assert_eq!(received[0].receive_count, 1);
    it.delete(&received[0]).await;
    (it.pass)(it.hidden + Duration::seconds(1)).await;
    assert_eq!(it.receive(10).await, [], "a deleted message is gone");
}

async fn messages_are_hidden_and_come_again(it: QueueUnderTest) {
    it.send(&bodies(1)).await;
    let first = it.receive(10).await;
    assert_eq!(it.receive(10).await, [], "a received message is hidden");
    (it.pass)(it.hidden + Duration::seconds(1)).await;
    let second = it.receive(10).await;
    assert_eq!(second.len(), 1);
    assert_eq!(second[0].id, first[0].id);
    assert_eq!(second[0].sent, first[0].sent);
    assert_eq!(second[0].receive_count, 2);
    assert_ne!(second[0].receipt, first[0].receipt);
}

async fn only_the_last_receipt_is_valid(it: QueueUnderTest) {
    // Invariant 3.
    it.send(&bodies(1)).await;
    let first = it.receive(1).await.remove(0);
    (it.pass)(it.hidden + Duration::seconds(1)).await;
    let second = it.receive(1).await.remove(0);
    let refused = it.queue.delete(&it.name, &first.receipt).await;
    assert_eq!(refused, Err(QueueError::ReceiptInvalid));
    let refused = it
        .queue
        .change_visibility(&it.name, &first.receipt, Duration::zero())
        .await;
    assert_eq!(refused, Err(QueueError::ReceiptInvalid));
    assert_eq!(it.receive(1).await, [], "it stayed hidden");
    for nonsense in ["", "nonsense", "1.1", "1.1.1", "-1.-1.x"] {
        let refused = it.queue.delete(&it.name, nonsense).await;
        assert_eq!(refused, Err(QueueError::ReceiptInvalid), "{nonsense:?}");
    }
    it.delete(&second).await;
    let refused = it.queue.delete(&it.name, &second.receipt).await;
    assert_eq!(refused, Err(QueueError::ReceiptInvalid), "it is gone");
}

async fn visibility_is_changed(it: QueueUnderTest) {
    it.send(&bodies(1)).await;
    let first = it.receive(1).await.remove(0);
    let change = |receipt: String, to| {
        let (queue, name) = (Arc::clone(&it.queue), it.name.clone());
        async move { queue.change_visibility(&name, &receipt, to).await.unwrap() }
    };
    change(first.receipt, Duration::zero()).await;
    let second = it.receive(1).await.remove(0);
    assert_eq!(second.receive_count, 2, "at once");
    change(second.receipt, it.hidden * 3).await;
    (it.pass)(it.hidden + Duration::seconds(1)).await;
    assert_eq!(it.receive(1).await, [], "hidden for longer");
    (it.pass)(it.hidden * 2).await;
    assert_eq!(it.receive(1).await.len(), 1);
}

async fn too_many_receives_end_in_the_dead_letter_queue(it: QueueUnderTest) {
    let ids = it.send(&bodies(2)).await;
    let mut kept = None;
    for count in 1..=it.max_receive_count {
        let received = it.receive(10).await;
        let counts: Vec<_> = received.iter().map(|it| it.receive_count).collect();
        assert_eq!(counts, [count, count]);
        kept = received.into_iter().find(|it| it.id == ids[1]);
        (it.pass)(it.hidden + Duration::seconds(1)).await;
    }
    // Invariant 3: too late by the clock, but not received again since.
    it.delete(&kept.unwrap()).await;
    assert_eq!(it.receive(10).await, [], "not once more");
    let dead = it
        .queue
        .receive(&it.dead_letter_queue, 10, it.hidden)
        .await
        .unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].body.as_str(), &dead[0].id), ("message 0", &ids[0]));
    let depth = it.queue.depth(&it.name).await.unwrap();
    assert_eq!((depth.visible, depth.not_visible), (0, 0));
    let deleted = it
        .queue
        .delete(&it.dead_letter_queue, &dead[0].receipt)
        .await;
    deleted.unwrap();
}

async fn racing_receivers_share_the_messages(it: QueueUnderTest) {
    let mut sent = BTreeSet::new();
    for _ in 0..4 {
        sent.extend(it.send(&bodies(10)).await);
    }
    let mut received = Vec::new();
    while received.len() < sent.len() {
        let batches = join_all((0..8).map(|_| it.receive(3))).await;
        let before = received.len();
        received.extend(batches.into_iter().flatten().map(|it| it.id));
        assert!(received.len() > before, "some messages do not come");
    }
    let distinct: BTreeSet<_> = received.iter().cloned().collect();
    assert_eq!(received.len(), distinct.len(), "no message twice");
    assert_eq!(distinct, sent);
}

async fn batches_are_sent_whole(it: QueueUnderTest) {
    assert_eq!(it.send(&[]).await, Vec::<String>::new());
    let mut batch = bodies(3);
    batch[2] = "x".repeat(MAX_MESSAGE_BYTES + 1);
    let refused = it.queue.send(&it.name, &batch).await;
    assert_eq!(refused, Err(QueueError::TooLarge(MAX_MESSAGE_BYTES + 1)));
    assert_eq!(it.receive(10).await, [], "none of a refused batch is sent");
    let ids = it.send(&bodies(MAX_BATCH)).await;
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), MAX_BATCH);
}

async fn limits_hold(it: QueueUnderTest) {
    it.send(&["x".repeat(MAX_MESSAGE_BYTES)]).await;
    let received = it.receive(1).await;
    assert_eq!(received[0].body.len(), MAX_MESSAGE_BYTES);
    it.delete(&received[0]).await;
    it.send(&bodies(10)).await;
    it.send(&bodies(10)).await;
    let many = it.queue.receive(&it.name, 1_000, it.hidden).await.unwrap();
    assert!(many.len() <= MAX_BATCH, "at most ten at a time");
}

async fn depth_counts(it: QueueUnderTest) {
    assert_eq!(it.queue.depth(&it.name).await.unwrap(), Depth::default());
    it.send(&bodies(3)).await;
    let received = it.receive(2).await;
    assert_eq!(received.len(), 2);
    let depth = it.queue.depth(&it.name).await.unwrap();
    assert_eq!((depth.visible, depth.not_visible), (1, 2));
    it.delete(&received[0]).await;
    (it.pass)(it.hidden + Duration::seconds(1)).await;
    let depth = it.queue.depth(&it.name).await.unwrap();
    assert_eq!((depth.visible, depth.not_visible), (2, 0));
}

async fn unknown_queues_are_named(it: QueueUnderTest) {
    let name = super::unique("no-such-queue");
    let error = QueueError::NoSuchQueue(name.clone());
    let queue = &*it.queue;
    assert_eq!(queue.send(&name, &bodies(1)).await, Err(error.clone()));
    assert_eq!(queue.receive(&name, 1, it.hidden).await, Err(error.clone()));
    assert_eq!(queue.depth(&name).await, Err(error));
}
