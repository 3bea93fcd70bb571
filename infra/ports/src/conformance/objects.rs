//! What every object storage must do.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use safelight_schema::{ImageRef, key};

use super::unique;
use crate::{ObjectMeta, Objects, ObjectsError, WriteCondition, Written};

/// Object storage to try, with what the suite has to know of it.
pub struct ObjectsUnderTest {
    /// The adapter.
    pub objects: Arc<dyn Objects>,
    /// A bucket of images that the suite may write to.
    pub bucket: String,
}

/// Runs the suite. Every call of `make` answers object storage; it may be the same one.
pub async fn objects(make: impl AsyncFn() -> ObjectsUnderTest) {
    what_is_written_is_read(make().await).await;
    ranges_end_where_the_object_ends(make().await).await;
    absence_has_a_name(make().await).await;
    a_replaced_object_is_superseded(make().await).await;
    conditions_hold(make().await).await;
    racing_writers_lose_nothing(make().await).await;
    readers_see_whole_objects(make().await).await;
    keys_are_exact(make().await).await;
    results_have_metadata(make().await).await;
    limits_hold(make().await).await;
    deleting_is_final(make().await).await;
}

fn plain() -> ObjectMeta {
    ObjectMeta {
        media_type: "image/jpeg".into(),
        user: BTreeMap::new(),
    }
}

impl ObjectsUnderTest {
    async fn put(&self, key: &str, body: &[u8]) -> ImageRef {
        let written = self
            .objects
            .write(&self.bucket, key, body, &plain(), &WriteCondition::Always)
            .await
            .unwrap();
        let Written::Done(etag) = written else {
            panic!("an unconditional write was refused");
        };
        self.image(key, Some(etag))
    }

    fn image(&self, key: &str, etag: Option<String>) -> ImageRef {
        ImageRef {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            version: None,
            etag,
            sequencer: None,
            bytes: None,
        }
    }

    async fn write_if(&self, key: &str, body: &[u8], condition: WriteCondition) -> Written {
        self.objects
            .write(&self.bucket, key, body, &plain(), &condition)
            .await
            .unwrap()
    }
}

async fn what_is_written_is_read(it: ObjectsUnderTest) {
    for body in [&b""[..], b"a", &[0, 255, 10, 13], &vec![7; 300_000]] {
        let key = unique("read/a b.jpg");
        let image = it.put(&key, body).await;
        assert_eq!(it.objects.read(&image, 1 << 20).await.unwrap(), body);
        let head = it.objects.head(&it.bucket, &key).await.unwrap().unwrap();
        assert_eq!(head.bytes, body.len() as u64);
        assert_eq!(Some(head.etag), image.etag);
        assert_eq!(head.meta.media_type, "image/jpeg");
    }
}

async fn ranges_end_where_the_object_ends(it: ObjectsUnderTest) {
    let key = unique("ranges.jpg");
    let image = it.put(&key, b"0123456789").await;
    let cases: [(_, &[u8]); 7] = [
        (0..10, b"0123456789"),
        (0..4, b"0123"),
        (3..5, b"34"),
        (8..100, b"89"),
        (10..20, b""),
        (100..u64::MAX, b""),
        (5..5, b""),
    ];
    for (range, expected) in cases {
        let bytes = it.objects.read_range(&image, range.clone()).await.unwrap();
        assert_eq!(bytes, expected, "{range:?}");
    }
    let empty = it.put(&unique("empty.jpg"), b"").await;
    assert_eq!(it.objects.read_range(&empty, 0..16).await.unwrap(), b"");
}

async fn absence_has_a_name(it: ObjectsUnderTest) {
    let key = unique("absent/여름.jpg");
    assert_eq!(it.objects.head(&it.bucket, &key).await.unwrap(), None);
    let absent = ObjectsError::NotFound {
        bucket: it.bucket.clone(),
        key: key.clone(),
    };
    let image = it.image(&key, None);
    assert_eq!(
        it.objects.read_range(&image, 0..1).await,
        Err(absent.clone())
    );
    assert_eq!(it.objects.read(&image, 10).await, Err(absent));
    // What is only a prefix of keys is no object.
    it.put(&format!("{key}/inner.jpg"), b"a").await;
    assert_eq!(it.objects.head(&it.bucket, &key).await.unwrap(), None);
    assert!(it.objects.read(&image, 10).await.is_err());
}

async fn a_replaced_object_is_superseded(it: ObjectsUnderTest) {
    let key = unique("replaced.jpg");
    let old = it.put(&key, b"old").await;
    // As long as the old one, and at once: only the content differs.
    let new = it.put(&key, b"new").await;
    assert_ne!(old.etag, new.etag);
    let superseded = ObjectsError::Superseded {
        bucket: it.bucket.clone(),
        key: key.clone(),
    };
    assert_eq!(
        it.objects.read_range(&old, 0..3).await,
        Err(superseded.clone())
    );
    assert_eq!(it.objects.read(&old, 10).await, Err(superseded));
    assert_eq!(it.objects.read(&new, 10).await.unwrap(), b"new");
    let any = it.image(&key, None);
    assert_eq!(it.objects.read(&any, 10).await.unwrap(), b"new");
}

async fn conditions_hold(it: ObjectsUnderTest) {
    // Invariant 4.
    let key = unique("conditions.jpg");
    let of = |etag: &str| WriteCondition::IfMatch(etag.to_owned());
    let refused = it.write_if(&key, b"0", of("nonsense")).await;
    assert_eq!(
        refused,
        Written::ConditionFailed,
        "there is nothing to match"
    );
    assert_eq!(it.objects.head(&it.bucket, &key).await.unwrap(), None);
    let first = it.write_if(&key, b"1", WriteCondition::IfAbsent).await;
    let Written::Done(first) = first else {
        panic!("there was nothing, and the write was refused");
    };
    let refused = it.write_if(&key, b"2", WriteCondition::IfAbsent).await;
    assert_eq!(refused, Written::ConditionFailed);
    let Written::Done(second) = it.write_if(&key, b"3", of(&first)).await else {
        panic!("the entity tag was right, and the write was refused");
    };
    assert_ne!(first, second);
    let refused = it.write_if(&key, b"4", of(&first)).await;
    assert_eq!(refused, Written::ConditionFailed);
    let image = it.image(&key, Some(second));
    assert_eq!(it.objects.read(&image, 10).await.unwrap(), b"3");
}

async fn racing_writers_lose_nothing(it: ObjectsUnderTest) {
    // Invariant 4: each adds one to a number, by comparing entity tags.
    let key = unique("counter.txt");
    it.put(&key, b"0").await;
    let add = async || {
        loop {
            let head = it.objects.head(&it.bucket, &key).await.unwrap().unwrap();
            let image = it.image(&key, Some(head.etag.clone()));
            let Ok(bytes) = it.objects.read(&image, 100).await else {
                continue;
            };
            let number: u32 = String::from_utf8(bytes).unwrap().parse().unwrap();
            let body = (number + 1).to_string();
            let condition = WriteCondition::IfMatch(head.etag);
            if it.write_if(&key, body.as_bytes(), condition).await != Written::ConditionFailed {
                return;
            }
        }
    };
    join_all((0..8).map(|_| add())).await;
    let image = it.image(&key, None);
    assert_eq!(it.objects.read(&image, 100).await.unwrap(), b"8");

    let key = unique("first.txt");
    let first = |number: usize| {
        let (it, key) = (&it, &key);
        async move {
            let body = number.to_string();
            it.write_if(key, body.as_bytes(), WriteCondition::IfAbsent)
                .await
        }
    };
    let written = join_all((0..8).map(first)).await;
    let winners: Vec<_> = (0..8)
        .filter(|number| written[*number] != Written::ConditionFailed)
        .collect();
    assert_eq!(winners.len(), 1, "one is the first");
    let image = it.image(&key, None);
    let bytes = it.objects.read(&image, 100).await.unwrap();
    assert_eq!(bytes, winners[0].to_string().as_bytes());
}

async fn readers_see_whole_objects(it: ObjectsUnderTest) {
    let key = unique("whole.bin");
    it.put(&key, &vec![0; 100_000]).await;
    let write = async |value: u8| {
        it.put(&key, &vec![value; 100_000 + usize::from(value)])
            .await;
    };
    let read = async || {
        for _ in 0..10 {
            let bytes = match it.objects.read(&it.image(&key, None), 1 << 20).await {
                Ok(bytes) => bytes,
                Err(ObjectsError::Superseded { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            assert!(bytes.iter().all(|byte| *byte == bytes[0]), "a mixture");
            assert_eq!(bytes.len(), 100_000 + usize::from(bytes[0]));
        }
    };
    futures::join!(join_all((1..6).map(write)), join_all([read(), read()]));
}

async fn keys_are_exact(it: ObjectsUnderTest) {
    let folder = unique("keys");
    let names = [
        "a b.jpg",
        "a+b.jpg",
        "a%20b.jpg",
        "a%2Bb.jpg",
        "A B.jpg",
        "여름/바다 100%.jpg",
        // Composed and decomposed.
        "caf\u{e9}.jpg",
        "cafe\u{301}.jpg",
        "\u{1F3DE}.jpg",
        "'\"`$(a);&|<>?*[]{}~.jpg",
        " leading and trailing ",
        ".hidden",
        "...",
        "back\\slash",
        "tab\tand\nline",
    ];
    for name in names {
        it.put(&format!("{folder}/{name}"), name.as_bytes()).await;
    }
    let long = "사".repeat(300);
    it.put(&format!("{folder}/{long}"), b"long").await;
    for name in names {
        let image = it.image(&format!("{folder}/{name}"), None);
        let bytes = it.objects.read(&image, 1_000).await.unwrap();
        assert_eq!(bytes, name.as_bytes(), "{name:?}");
    }
    let image = it.image(&format!("{folder}/{long}"), None);
    assert_eq!(it.objects.read(&image, 1_000).await.unwrap(), b"long");
    let shorter = it.image(&format!("{folder}/{}", "사".repeat(299)), None);
    assert!(it.objects.read(&shorter, 1_000).await.is_err());
}

async fn results_have_metadata(it: ObjectsUnderTest) {
    let bucket = it.objects.results_bucket().to_owned();
    let key = key::result("label", &unique("photos/여름.jpg"), "labels.json");
    let meta = ObjectMeta {
        media_type: "application/json".into(),
        user: BTreeMap::from([
            ("branch-version".into(), "1".into()),
            ("input-sha256".into(), "0".repeat(64)),
        ]),
    };
    let write = async |body: &[u8], meta: &ObjectMeta| {
        it.objects
            .write(&bucket, &key, body, meta, &WriteCondition::Always)
            .await
            .unwrap()
    };
    write(b"{}", &meta).await;
    let head = it.objects.head(&bucket, &key).await.unwrap().unwrap();
    assert_eq!(head.meta, meta);
    let other = ObjectMeta {
        media_type: "application/json".into(),
        user: BTreeMap::from([("branch-version".into(), "2".into())]),
    };
    write(b"[]", &other).await;
    let head = it.objects.head(&bucket, &key).await.unwrap().unwrap();
    assert_eq!(head.meta, other);
    for prefix in ["archive", "payloads"] {
        let key = format!("{prefix}/{}", unique("20261121"));
        let written = it
            .objects
            .write(&bucket, &key, b"x", &plain(), &WriteCondition::IfAbsent)
            .await;
        assert!(matches!(written, Ok(Written::Done(_))), "{key}");
        assert!(it.objects.head(&bucket, &key).await.unwrap().is_some());
    }
}

async fn limits_hold(it: ObjectsUnderTest) {
    let key = unique("limit.jpg");
    let image = it.put(&key, &[1; 100]).await;
    assert_eq!(it.objects.read(&image, 100).await.unwrap().len(), 100);
    let refused = it.objects.read(&image, 99).await;
    let expected = ObjectsError::TooLarge {
        key,
        bytes: 100,
        limit: 99,
    };
    assert_eq!(refused, Err(expected));
}

async fn deleting_is_final(it: ObjectsUnderTest) {
    let key = unique("deleted/a.jpg");
    let image = it.put(&key, b"a").await;
    it.objects.delete(&it.bucket, &key).await.unwrap();
    it.objects.delete(&it.bucket, &key).await.unwrap();
    assert_eq!(it.objects.head(&it.bucket, &key).await.unwrap(), None);
    let error = it.objects.read(&image, 10).await.unwrap_err();
    assert!(matches!(error, ObjectsError::NotFound { .. }));
    let again = it.write_if(&key, b"b", WriteCondition::IfAbsent).await;
    assert!(matches!(again, Written::Done(_)), "there is room for it");
}
