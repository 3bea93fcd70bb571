//! Leave to put one object, for somebody who has no credentials of the store.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::Duration;

use crate::objects::ObjectsError;

/// A request that its holder may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Where to PUT the object.
    pub url: String,
    /// Headers that the request must have, by lower-case name.
    pub headers: BTreeMap<String, String>,
}

/// Gives leave to put objects.
#[async_trait]
pub trait Presign: Send + Sync {
    /// Leave to put `bytes` bytes of this media type as `key` into `bucket`, for as long as `valid`.
    /// Nothing is sent: whether the bucket is there shows when it is used.
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: u64,
        media_type: &str,
        valid: Duration,
    ) -> Result<Leave, ObjectsError>;
}
