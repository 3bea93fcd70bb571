//! Object storage in S3's words: bucket, key, range, conditional write.

use std::collections::BTreeMap;
use std::ops::Range;

use async_trait::async_trait;
use safelight_schema::{ImageRef, error_name};
use serde::{Deserialize, Serialize};

/// What HEAD answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectHead {
    /// Size in bytes.
    pub bytes: u64,
    /// Entity tag.
    pub etag: String,
    /// Version id, where the bucket has versions.
    pub version: Option<String>,
    /// Media type and user metadata.
    pub meta: ObjectMeta,
}

/// Media type and user metadata (lower-case keys).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectMeta {
    /// Media type.
    pub media_type: String,
    /// User metadata, at most 2 KB in all (S3).
    pub user: BTreeMap<String, String>,
}

/// When a write may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    /// Always.
    Always,
    /// Only if there is no such object (`If-None-Match: *`).
    IfAbsent,
    /// Only if the object has this entity tag (`If-Match`).
    IfMatch(String),
}

/// What a write answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It was written; its entity tag.
    Done(String),
    /// The condition did not hold; nothing changed.
    ConditionFailed,
}

/// What can go wrong with objects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectsError {
    /// There is no such object.
    #[error("there is no object '{key}' in '{bucket}'")]
    NotFound {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
    /// The object is not the one that was asked for any more.
    #[error("the object '{key}' in '{bucket}' was replaced since its notification")]
    Superseded {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
    },
    /// The object is larger than the caller allows.
    #[error("the object '{key}' has {bytes} bytes; at most {limit} can be read")]
    TooLarge {
        /// Key.
        key: String,
        /// Size.
        bytes: u64,
        /// The caller's limit.
        limit: u64,
    },
    /// The store does not let us.
    #[error("'{key}' in '{bucket}' is forbidden: {why}")]
    Forbidden {
        /// Bucket.
        bucket: String,
        /// Key.
        key: String,
        /// What the store said.
        why: String,
    },
    /// The store did not answer, or refused: what, and what to do.
    #[error("object storage is not available: {0}")]
    Unavailable(String),
}

impl ObjectsError {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => error_name::IMAGE_NOT_FOUND.name,
            Self::Superseded { .. } => error_name::IMAGE_SUPERSEDED.name,
            Self::TooLarge { .. } => error_name::IMAGE_TOO_LARGE.name,
            Self::Forbidden { .. } => error_name::OBJECTS_FORBIDDEN.name,
            Self::Unavailable(_) => error_name::OBJECTS_UNAVAILABLE.name,
        }
    }
}

/// Objects by bucket and key.
#[async_trait]
pub trait Objects: Send + Sync {
    /// The bucket that results go to.
    fn results_bucket(&self) -> &str;

    /// Size, tags and metadata of an object as it is now; `None` if it is not there.
    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, ObjectsError>;

    /// Bytes of the image in `range`, of the version (or, without versions, the entity tag) that
    /// `image` names. Shorter than the range only at the object's end; empty beyond it.
    async fn read_range(
        &self,
        image: &ImageRef,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectsError>;

    /// All bytes of the image, if they are at most `limit`.
    async fn read(&self, image: &ImageRef, limit: u64) -> Result<Vec<u8>, ObjectsError>;

    /// Writes an object whole or not at all; durable when this returns.
    async fn write(
        &self,
        bucket: &str,
        key: &str,
        body: &[u8],
        meta: &ObjectMeta,
        condition: &WriteCondition,
    ) -> Result<Written, ObjectsError>;

    /// Deletes an object; that it is not there is no error.
    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectsError>;
}
