//! The ports' conformance suites on the adapters of AWS, against the emulator.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU16;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::QueueAttributeName;
use chrono::TimeDelta;
use safelight_aws::{CachedSecret, DynamoRecord, S3Objects, Sdk, SqsQueues};
use safelight_emulator::{Emulator, Test, run};
use safelight_ports::conformance::{self, ObjectsUnderTest, QueueUnderTest};
use safelight_ports::{
    ObjectMeta, Objects, Presign, Queue, QueueError, Record, Secret, WriteCondition,
};
use safelight_schema::{Draft, EventData, ExecutionInput, Header, ImageRef, Lane, chain};

mod support;

use support::{bucket, queue, secret, table, versioned};

fn main() -> ExitCode {
    let test = |name, run| Test { name, run };
    run([
        test("record_in_dynamodb", |emulator| {
            block_on(record(emulator));
        }),
        test("only_what_the_seal_lets_expire_is_not_missed", |emulator| {
            block_on(expiry(emulator));
        }),
        test("queue_in_sqs", |emulator| block_on(queues(emulator))),
        test("a_queue_is_looked_at_and_let_go_of", |emulator| {
            block_on(looked_at(emulator));
        }),
        test(
            "what_is_too_large_for_its_queue_is_said_to_be",
            |emulator| {
                block_on(too_large(emulator));
            },
        ),
        test("objects_in_s3", |emulator| block_on(objects(emulator))),
        test("every_key_is_listed", |emulator| block_on(listed(emulator))),
        test("a_presigned_put_takes_what_it_was_asked_for", |emulator| {
            block_on(presigned(emulator));
        }),
        test("a_range_of_a_version_is_that_range", |emulator| {
            block_on(ranges_of_versions(emulator));
        }),
        test("a_secret_is_kept_and_a_rotation_noticed", |emulator| {
            block_on(secrets(emulator));
        }),
    ])
}

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.unwrap().block_on(test);
}

fn unique(prefix: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn sdk(emulator: &Emulator) -> Sdk {
    Sdk::of_endpoint(&emulator.endpoint(), Emulator::REGION, "test", "test")
}

async fn record(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let (table, results) = (table(&sdk, &unique("record")).await, unique("payloads"));
    bucket(&sdk, &results).await;
    let objects = Arc::new(S3Objects::new(sdk.s3(), &results));
    // A new adapter each time, as many functions have it: what one keeps of a lane, another does not.
    conformance::record(async || {
        let record = DynamoRecord::new(sdk.dynamodb(), &table, objects.clone());
        Arc::new(record) as Arc<dyn Record>
    })
    .await;
}

async fn expiry(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let (table, results) = (table(&sdk, &unique("record")).await, unique("payloads"));
    bucket(&sdk, &results).await;
    let objects = Arc::new(S3Objects::new(sdk.s3(), &results));
    let record = DynamoRecord::new(sdk.dynamodb(), &table, objects);
    let record = record.with_retention_days(NonZeroU16::new(10));
    let now = chrono::Utc::now();
    // An event on each of two days, and the seal.
    let sealed = async |name: &str, days: i64| {
        let header = header(name, now);
        record.claim(&header, TimeDelta::minutes(1)).await.unwrap();
        for (attempt, day) in (0..).zip([days, days - 1]) {
            let draft = draft(&header, attempt, now - TimeDelta::days(day));
            record.append(&[draft], &[]).await.unwrap();
        }
        record.put_seal(name, now).await.unwrap();
    };
    let item = |name: &str, sk: &str| {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([
            ("pk".to_owned(), text(&format!("X#{name}"))),
            ("sk".to_owned(), text(sk)),
        ])
    };
    let delete = async |name: &str, sk: &str| {
        let delete = sdk.dynamodb().delete_item().table_name(&table);
        let delete = delete.set_key(Some(item(name, sk)));
        delete.send().await.unwrap();
    };
    let damage = async |name: &str| chain::verify(&record.evidence(name).await.unwrap());
    // The first event may be gone from its own tenth day on, whenever the seal was set.
    for (name, days, found) in [("kept", 9, 1), ("gone", 10, 0)] {
        sealed(name, days).await;
        assert_eq!(damage(name).await, []);
        delete(name, "E#trunk#0000000001").await;
        assert_eq!(damage(name).await.len(), found, "{name}");
    }
    // What is over is gone, be it deleted or not, and so may be what it points at. But not sooner.
    for (name, days, found) in [("kept-too", 9, 1), ("over", 10, 0)] {
        sealed(name, days).await;
        let mut expired = item(name, "E#trunk#0000000001");
        let hash = AttributeValue::S(chain::sha256_hex(b"an object that is not there"));
        expired.insert("object".into(), hash);
        expired.insert("expires".into(), AttributeValue::N("1".into()));
        let put = sdk.dynamodb().put_item().table_name(&table);
        put.set_item(Some(expired)).send().await.unwrap();
        assert_eq!(damage(name).await.len(), found, "{name}");
    }
    // What says that they may be gone is sealed itself.
    sealed("forged", 1).await;
    let get = sdk.dynamodb().get_item().table_name(&table);
    let get = get.set_key(Some(item("forged", "Z#0000")));
    let mut seal = get.send().await.unwrap().item.unwrap();
    let body = seal["body"].as_s().unwrap().clone();
    let until = chrono::Utc::now() + TimeDelta::days(9);
    let year = until.format("%Y").to_string();
    let forged = body.replace(&format!("\"until\":\"{year}"), "\"until\":\"2001");
    assert_ne!(forged, body);
    seal.insert("body".into(), AttributeValue::S(forged));
    let put = sdk.dynamodb().put_item().table_name(&table);
    put.set_item(Some(seal)).send().await.unwrap();
    delete("forged", "E#trunk#0000000001").await;
    assert!(damage("forged").await.iter().any(|it| it.item == "Z#0000"));
}

fn header(execution: &str, claimed: chrono::DateTime<chrono::Utc>) -> Header {
    Header {
        execution: execution.into(),
        input: ExecutionInput {
            image: ImageRef {
                bucket: "photos".into(),
                key: "a.jpg".into(),
                version: None,
                etag: None,
                sequencer: None,
                bytes: None,
            },
            redrive_of: None,
            only: None,
        },
        workflow_hash: String::new(),
        branches: BTreeMap::new(),
        notified: claimed,
        claimed_by: "m-1".into(),
        claimed,
        started: true,
    }
}

fn draft(header: &Header, attempt: u32, time: chrono::DateTime<chrono::Utc>) -> Draft {
    Draft {
        execution: header.execution.clone(),
        lane: Lane::Trunk,
        state: None,
        epoch: 0,
        attempt,
        source: "/safelight/test".into(),
        subject: header.input.image.subject(),
        time,
        data: EventData::StateSucceeded { duration_ms: 0 },
    }
}

async fn objects(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let (images, results) = (unique("images"), unique("results"));
    bucket(&sdk, &images).await;
    bucket(&sdk, &results).await;
    let objects: Arc<dyn Objects> = Arc::new(S3Objects::new(sdk.s3(), &results));
    conformance::objects(async || ObjectsUnderTest {
        objects: Arc::clone(&objects),
        bucket: images.clone(),
    })
    .await;
}

async fn listed(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let images = unique("listed");
    bucket(&sdk, &images).await;
    let objects = S3Objects::new(sdk.s3(), "results");
    let (meta, always) = (ObjectMeta::default(), WriteCondition::Always);
    let keys = ["p/a b+c%20.jpg", "p/bell\u{7}.jpg", "p/여름 &<.jpg"];
    for key in keys {
        let put = objects.write(&images, key, b"x", &meta, &always);
        put.await.unwrap();
    }
    let list = async |after| {
        let page = objects.list(&images, "p/", after).await.unwrap();
        page.into_iter().map(|it| it.key).collect::<Vec<_>>()
    };
    assert_eq!(list(None).await, keys);
    assert_eq!(list(Some(keys[1])).await, keys[2..]);
}

async fn ranges_of_versions(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let images = unique("versioned");
    bucket(&sdk, &images).await;
    versioned(&sdk, &images).await;
    let objects = S3Objects::new(sdk.s3(), "results");
    let meta = ObjectMeta::default();
    let always = WriteCondition::Always;
    for body in [b"0123456789", b"abcdefghij"] {
        let put = objects.write(&images, "a.jpg", body, &meta, &always);
        put.await.unwrap();
    }
    let head = objects.head(&images, "a.jpg").await.unwrap().unwrap();
    let image = ImageRef {
        bucket: images,
        key: "a.jpg".into(),
        version: head.version,
        etag: None,
        sequencer: None,
        bytes: None,
    };
    assert!(image.version.is_some());
    for (range, expected) in [
        (2..5, "cde"),
        (0..10, "abcdefghij"),
        (8..20, "ij"),
        (10..12, ""),
    ] {
        let read = objects.read_range(&image, range).await.unwrap();
        assert_eq!(read, expected.as_bytes());
    }
}

async fn presigned(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let images = unique("uploads");
    bucket(&sdk, &images).await;
    let objects = S3Objects::new(sdk.s3(), "results");
    let (key, body) = ("a b/여름+100%.jpg", "seven b");
    let leave = objects
        .put(&images, key, 7, "image/jpeg", chrono::Duration::minutes(5))
        .await
        .unwrap();
    assert_eq!(leave.headers["content-length"], "7");
    assert_eq!(leave.headers["content-type"], "image/jpeg");
    // The emulator looks at no signature, so what is signed is read here.
    for signed in ["content-length", "content-type"] {
        assert!(leave.url.contains(signed), "{}", leave.url);
    }
    assert!(leave.url.contains("X-Amz-Expires=300"), "{}", leave.url);
    tokio::task::spawn_blocking(move || {
        let mut put = ureq::put(&leave.url);
        for (name, value) in &leave.headers {
            put = put.header(name, value);
        }
        put.send(body).unwrap();
    })
    .await
    .unwrap();
    let head = objects.head(&images, key).await.unwrap().unwrap();
    assert_eq!(
        (head.bytes, head.meta.media_type.as_str()),
        (7, "image/jpeg")
    );
}

async fn queues(emulator: &Emulator) {
    let sdk = sdk(emulator);
    conformance::queue(async || {
        let name = unique("ingest");
        let (url, dead) = queue(&sdk, &name, 3).await;
        let urls = [("images".into(), url), ("dead-letters".into(), dead)];
        QueueUnderTest {
            queue: Arc::new(SqsQueues::new(sdk.sqs(), urls)),
            name: "images".into(),
            dead_letter_queue: "dead-letters".into(),
            max_receive_count: 3,
            hidden: chrono::Duration::seconds(2),
            pass: Box::new(|by| Box::pin(tokio::time::sleep(by.to_std().unwrap_or_default()))),
        }
    })
    .await;
}

async fn looked_at(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let (_, dead) = queue(&sdk, &unique("letters"), 3).await;
    let queues = SqsQueues::new(sdk.sqs(), [("letters".into(), dead)]);
    let look = |hidden| queues.receive_all("letters", chrono::Duration::seconds(hidden));
    let bodies: Vec<String> = (0..23).map(|number| number.to_string()).collect();
    // An answer waits for what is still on its way.
    let sent = async {
        queues.send("letters", &bodies[..1]).await.unwrap();
    };
    let (seen, ()) = tokio::join!(look(60), sent);
    let mut seen = seen.unwrap();
    assert_eq!(seen.len(), 1);
    queues.send("letters", &bodies[1..]).await.unwrap();
    seen.extend(look(60).await.unwrap());
    assert_eq!(seen.len(), 23);
    // Let go of, twice: nothing is wrong with receipts of what is visible or gone.
    let mut receipts: Vec<String> = seen.into_values().map(|it| it.receipt).collect();
    queues.delete("letters", &receipts[0]).await.unwrap();
    receipts.push("no receipt".into());
    for _ in 0..2 {
        queues.release("letters", &receipts).await.unwrap();
    }
    assert_eq!(look(60).await.unwrap().len(), 22);
    queues.release("none", &receipts).await.unwrap_err();
    // What is visible again before all was seen is no reason to go on for ever.
    let (_, dead) = queue(&sdk, &unique("letters"), 3).await;
    let queues = SqsQueues::new(sdk.sqs(), [("letters".into(), dead)]);
    queues.send("letters", &bodies[..5]).await.unwrap();
    let look = queues.receive_all("letters", chrono::Duration::zero());
    let seen = tokio::time::timeout(Duration::from_secs(30), look).await;
    assert_eq!(seen.unwrap().unwrap().len(), 5);
}

async fn too_large(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let (_, dead) = queue(&sdk, &unique("letters"), 3).await;
    let limit = (QueueAttributeName::MaximumMessageSize, "262144");
    let set = sdk.sqs().set_queue_attributes().queue_url(&dead);
    set.attributes(limit.0, limit.1).send().await.unwrap();
    let queues = SqsQueues::new(sdk.sqs(), [("letters".into(), dead)]);
    let send = async |bytes: usize| {
        let bodies = ["x".into(), "x".repeat(bytes)];
        queues.send("letters", &bodies).await.map(drop)
    };
    assert_eq!(send(262_144).await, Ok(()));
    assert_eq!(send(262_145).await, Err(QueueError::TooLarge(262_145)));
}

async fn secrets(emulator: &Emulator) {
    let sdk = sdk(emulator);
    let arn = secret(&sdk, &unique("webhook"), "https://hooks.slack.com/one\n").await;
    let kept = CachedSecret::new(sdk.secrets(), &arn, Duration::from_secs(3_600));
    let fresh = CachedSecret::new(sdk.secrets(), &arn, Duration::ZERO);
    assert_eq!(kept.text().await.unwrap(), "https://hooks.slack.com/one");
    let put = sdk.secrets().put_secret_value().secret_id(&arn);
    put.secret_string("https://hooks.slack.com/two")
        .send()
        .await
        .unwrap();
    assert_eq!(kept.text().await.unwrap(), "https://hooks.slack.com/one");
    assert_eq!(fresh.text().await.unwrap(), "https://hooks.slack.com/two");
    // Who is refused with the old one need not wait.
    assert_eq!(kept.renewed().await.unwrap(), "https://hooks.slack.com/two");
    assert_eq!(kept.text().await.unwrap(), "https://hooks.slack.com/two");
    // Invariant 4.
    assert!(!format!("{kept:?}").contains("hooks"));
    let none = CachedSecret::new(sdk.secrets(), "arn:aws:none", Duration::ZERO);
    assert!(
        none.text()
            .await
            .unwrap_err()
            .to_string()
            .contains("arn:aws:none")
    );
}
