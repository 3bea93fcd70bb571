//! Objects in memory.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;

use async_trait::async_trait;
use safelight_ports::{
    Leave, ObjectHead, ObjectMeta, Objects, ObjectsError, Presign, WriteCondition, Written,
};
use safelight_schema::ImageRef;
use safelight_schema::chain::sha256_hex;

#[derive(Debug, Clone)]
struct Stored {
    bytes: Vec<u8>,
    meta: ObjectMeta,
    etag: String,
}

/// Objects in memory, without versions; results go to the bucket `results`.
#[derive(Debug, Default)]
pub struct MemoryObjects {
    objects: Mutex<BTreeMap<(String, String), Stored>>,
    writes: Mutex<u64>,
    reads: Mutex<u64>,
    down: Mutex<bool>,
}

impl MemoryObjects {
    /// Makes every call fail, or work again.
    pub fn set_down(&self, down: bool) {
        *self.down.lock().unwrap() = down;
    }

    /// Puts an image; answers its entity tag.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) -> String {
        self.insert(bucket, key, bytes, &ObjectMeta::default())
    }

    /// The content of an object.
    pub fn bytes(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        self.get(bucket, key).map(|stored| stored.bytes)
    }

    /// The metadata of an object.
    pub fn meta(&self, bucket: &str, key: &str) -> Option<ObjectMeta> {
        self.get(bucket, key).map(|stored| stored.meta)
    }

    /// The keys of a bucket, in order.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let objects = self.objects.lock().unwrap();
        let of_bucket = objects.keys().filter(|(name, _)| name == bucket);
        of_bucket.map(|(_, key)| key.clone()).collect()
    }

    /// How many writes changed something.
    pub fn writes(&self) -> u64 {
        *self.writes.lock().unwrap()
    }

    /// How many reads there were.
    pub fn reads(&self) -> u64 {
        *self.reads.lock().unwrap()
    }

    fn get(&self, bucket: &str, key: &str) -> Option<Stored> {
        let objects = self.objects.lock().unwrap();
        objects.get(&(bucket.into(), key.into())).cloned()
    }

    fn insert(&self, bucket: &str, key: &str, bytes: &[u8], meta: &ObjectMeta) -> String {
        // As S3: the tag is of the content alone, so metadata alone does not change it.
        let etag = format!("\"{}\"", &sha256_hex(bytes)[..32]);
        let stored = Stored {
            bytes: bytes.to_vec(),
            meta: meta.clone(),
            etag: etag.clone(),
        };
        let mut objects = self.objects.lock().unwrap();
        objects.insert((bucket.into(), key.into()), stored);
        etag
    }

    fn find(&self, image: &ImageRef) -> Result<Stored, ObjectsError> {
        self.check()?;
        *self.reads.lock().unwrap() += 1;
        let stored = self
            .get(&image.bucket, &image.key)
            .ok_or_else(|| ObjectsError::NotFound {
                bucket: image.bucket.clone(),
                key: image.key.clone(),
            })?;
        if image.etag.as_ref().is_some_and(|etag| *etag != stored.etag) {
            return Err(ObjectsError::Superseded {
                bucket: image.bucket.clone(),
                key: image.key.clone(),
            });
        }
        Ok(stored)
    }

    fn check(&self) -> Result<(), ObjectsError> {
        if *self.down.lock().unwrap() {
            return Err(ObjectsError::Unavailable("the test says so".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Objects for MemoryObjects {
    fn results_bucket(&self) -> &'static str {
        "results"
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, ObjectsError> {
        self.check()?;
        Ok(self.get(bucket, key).map(|stored| ObjectHead {
            bytes: stored.bytes.len() as u64,
            etag: stored.etag,
            version: None,
            meta: stored.meta,
        }))
    }

    async fn read_range(
        &self,
        image: &ImageRef,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectsError> {
        let bytes = self.find(image)?.bytes;
        let end = bytes
            .len()
            .min(usize::try_from(range.end).unwrap_or(usize::MAX));
        let start = end.min(usize::try_from(range.start).unwrap_or(usize::MAX));
        Ok(bytes[start..end].to_vec())
    }

    async fn read(&self, image: &ImageRef, limit: u64) -> Result<Vec<u8>, ObjectsError> {
        let bytes = self.find(image)?.bytes;
        if bytes.len() as u64 > limit {
            return Err(ObjectsError::TooLarge {
                key: image.key.clone(),
                bytes: bytes.len() as u64,
                limit,
            });
        }
        Ok(bytes)
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        body: &[u8],
        meta: &ObjectMeta,
        condition: &WriteCondition,
    ) -> Result<Written, ObjectsError> {
        self.check()?;
        let there = self.get(bucket, key);
        let holds = match condition {
            WriteCondition::Always => true,
            WriteCondition::IfAbsent => there.is_none(),
            WriteCondition::IfMatch(etag) => there.is_some_and(|stored| stored.etag == *etag),
        };
        if !holds {
            return Ok(Written::ConditionFailed);
        }
        *self.writes.lock().unwrap() += 1;
        Ok(Written::Done(self.insert(bucket, key, body, meta)))
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectsError> {
        self.check()?;
        let mut objects = self.objects.lock().unwrap();
        objects.remove(&(bucket.into(), key.into()));
        Ok(())
    }
}

#[async_trait]
impl Presign for MemoryObjects {
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: u64,
        media_type: &str,
        valid: chrono::Duration,
    ) -> Result<Leave, ObjectsError> {
        self.check()?;
        Ok(Leave {
            url: format!("memory://{bucket}/{key}?expires={}", valid.num_seconds()),
            headers: BTreeMap::from([
                ("content-length".to_owned(), bytes.to_string()),
                ("content-type".to_owned(), media_type.to_owned()),
            ]),
        })
    }
}
