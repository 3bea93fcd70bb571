//! Keeps what is small, and gives leave for what is large.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::Duration;
use safelight_kit::{Adapters, Function, FunctionError, Handler, Invocation, Place};
use safelight_ports::{ObjectMeta, Presign, WriteCondition, Written};
use safelight_schema::error_name;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::content;
use crate::refusal::{Refusal, answer};
use crate::request::{self, Method, Request};

/// The function.
pub const FUNCTION: Function = Function {
    name: "upload",
    place: Place::Queue,
    build,
};

/// Largest image that comes through the function, bytes. Base64 makes a third more of it, and Lambda
/// takes 6 MB.
const MAX_THROUGH: u64 = 4 << 20;

/// Bytes of the beginning that a request for leave may carry.
const MAX_HEAD: usize = 64 << 10;

/// The settings of `upload`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The buckets by their names in the path.
    pub buckets: BTreeMap<String, String>,
    /// Largest image, bytes.
    pub max_bytes: u64,
    /// How long leave to put an image is good, seconds.
    pub leave_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            buckets: BTreeMap::new(),
            max_bytes: 512 << 20,
            leave_seconds: 900,
        }
    }
}

struct Upload {
    adapters: Adapters,
    presign: Arc<dyn Presign>,
    settings: Settings,
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let presign = adapters.presign.clone().ok_or_else(|| {
        FunctionError::new(
            &error_name::SETTINGS_INVALID,
            "upload needs an object store that presigns",
        )
    })?;
    Ok(Box::new(Upload {
        settings: adapters.settings(FUNCTION.name)?,
        adapters,
        presign,
    }))
}

#[async_trait]
impl Handler for Upload {
    async fn handle(&self, event: Value, _: &Invocation) -> Result<Value, FunctionError> {
        // A refusal is an answer: the function itself did what it should.
        Ok(match self.request(event).await {
            Ok(answer) => answer,
            Err(refusal) => {
                if let Refusal::Unavailable(error) = &refusal {
                    tracing::error!(%error, "an upload was not kept; its sender is told");
                }
                refusal.answer()
            }
        })
    }
}

impl Upload {
    async fn request(&self, event: Value) -> Result<Value, Refusal> {
        let request = request::read(event)?;
        let bucket = self
            .settings
            .buckets
            .get(&request.bucket)
            .ok_or_else(|| Refusal::NoSuchBucket(request.bucket.clone()))?;
        match request.method {
            Method::Put if request.body.len() as u64 > MAX_THROUGH => {
                self.redirect(bucket, &request).await
            }
            Method::Put => self.keep(bucket, &request).await,
            Method::Post => self.leave(bucket, &request).await,
        }
    }

    /// Keeps the body (invariant 3).
    async fn keep(&self, bucket: &str, request: &Request) -> Result<Value, Refusal> {
        let format = content::of_whole(&request.body)?;
        self.check_size(request.body.len() as u64)?;
        let meta = ObjectMeta {
            media_type: format.media_type().into(),
            ..ObjectMeta::default()
        };
        let written = self
            .adapters
            .objects
            .write(
                bucket,
                &request.key,
                &request.body,
                &meta,
                &WriteCondition::Always,
            )
            .await
            .map_err(Refusal::Unavailable)?;
        let etag = match written {
            Written::Done(etag) => etag,
            // There is no condition that could fail.
            Written::ConditionFailed => String::new(),
        };
        Ok(answer(
            201,
            &[],
            &json!({
                "bucket": request.bucket,
                "key": request.key,
                "bytes": request.body.len(),
                "format": format,
                "etag": etag,
            }),
        ))
    }

    /// Sends whoever put too much to the bucket itself: a client that follows redirects puts it there.
    async fn redirect(&self, bucket: &str, request: &Request) -> Result<Value, Refusal> {
        let format = content::of_whole(&request.body)?;
        let bytes = request.body.len() as u64;
        let given = self
            .presigned(bucket, &request.key, bytes, format.media_type())
            .await?;
        let location = given["url"].as_str().unwrap_or_default().to_owned();
        Ok(answer(
            307,
            &[("location", &location)],
            &json!({ "upload": given }),
        ))
    }

    /// Gives leave for what the body describes.
    async fn leave(&self, bucket: &str, request: &Request) -> Result<Value, Refusal> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Wanted {
            /// Size of the image.
            bytes: u64,
            /// Its first bytes, in base64: what it is, by its content.
            head: String,
        }
        let unreadable = |error: String| Refusal::IncompleteBody(error);
        let wanted: Wanted = serde_json::from_slice(&request.body)
            .map_err(|error| unreadable(format!("{error}; send {{\"bytes\": …, \"head\": …}}")))?;
        let head = STANDARD
            .decode(&wanted.head)
            .map_err(|error| unreadable(error.to_string()))?;
        if head.len() > MAX_HEAD || head.len() as u64 > wanted.bytes {
            return Err(unreadable(format!(
                "the head has {} bytes; at most {MAX_HEAD}, and no more than the image",
                head.len()
            )));
        }
        let media_type = content::media_type_of_head(&head, &request.key)?;
        let given = self
            .presigned(bucket, &request.key, wanted.bytes, media_type)
            .await?;
        Ok(answer(200, &[], &json!({ "upload": given })))
    }

    /// A presigned PUT (invariant 4).
    async fn presigned(
        &self,
        bucket: &str,
        key: &str,
        bytes: u64,
        media_type: &str,
    ) -> Result<Value, Refusal> {
        self.check_size(bytes)?;
        let good_for = Duration::seconds(i64::from(self.settings.leave_seconds));
        let leave = self
            .presign
            .put(bucket, key, bytes, media_type, good_for)
            .await
            .map_err(Refusal::Unavailable)?;
        let expires = self.adapters.clock.now() + good_for;
        Ok(json!({
            "method": "PUT",
            "url": leave.url,
            "headers": leave.headers,
            "expires": safelight_schema::time::format(&expires),
        }))
    }

    fn check_size(&self, bytes: u64) -> Result<(), Refusal> {
        let limit = self.settings.max_bytes;
        if bytes > limit {
            return Err(Refusal::EntityTooLarge { bytes, limit });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
