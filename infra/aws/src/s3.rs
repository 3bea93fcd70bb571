//! Objects in S3.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use chrono::{DateTime, Duration, Utc};
use safelight_ports::{
    Leave, ObjectHead, ObjectMeta, Objects, ObjectsError, Presign, WriteCondition, Written,
};
use safelight_schema::ImageRef;

/// How user metadata that is no ASCII is marked: S3's headers carry ASCII, so such a value is
/// percent-encoded after this prefix.
const ENCODED: &str = "utf-8''";

/// Tries of a write that another one is in the way of, and how much longer is waited each time.
const TRIES: u32 = 6;
const BACK: std::time::Duration = std::time::Duration::from_millis(50);

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Entity tag.
    pub etag: String,
    /// When it was put.
    pub modified: DateTime<Utc>,
}

/// Objects in S3. Cheap to clone.
#[derive(Debug, Clone)]
pub struct S3Objects {
    client: Client,
    results: String,
}

impl S3Objects {
    /// Objects behind `client`; results go to the bucket `results`.
    pub fn new(client: Client, results: impl Into<String>) -> Self {
        Self {
            client,
            results: results.into(),
        }
    }

    /// The client, for what is not here.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// A page of the objects below a prefix, in the order of their keys, after the key `after`; empty at
    /// the end.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<Listed>, ObjectsError> {
        let page = self
            .client
            .list_objects_v2()
            .bucket(bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            // XML has not every character that a key may have.
            .encoding_type(EncodingType::Url)
            .send()
            .await
            .map_err(|error| failed("ListObjectsV2", bucket, prefix, &error))?;
        let listed = page.contents().iter().filter_map(|object| {
            Some(Listed {
                key: match page.encoding_type() {
                    Some(EncodingType::Url) => decoded(object.key()?),
                    _ => object.key()?.to_owned(),
                },
                bytes: object.size().and_then(|size| size.try_into().ok())?,
                etag: unquoted(object.e_tag()),
                modified: object
                    .last_modified()
                    .and_then(|time| time.to_millis().ok())
                    .and_then(DateTime::from_timestamp_millis)?,
            })
        });
        Ok(listed.collect())
    }

    /// GET of a range, or of all; `None` for a range beyond the object's end.
    async fn get(
        &self,
        image: &ImageRef,
        range: Option<String>,
    ) -> Result<Option<GetObjectOutput>, ObjectsError> {
        let mut get = self
            .client
            .get_object()
            .bucket(&image.bucket)
            .key(&image.key)
            .set_range(range);
        // A version does not change; without one the entity tag says whether it did.
        get = match &image.version {
            Some(version) => get.version_id(version),
            None => get.set_if_match(image.etag.as_deref().map(quoted)),
        };
        match get.send().await {
            Ok(output) => Ok(Some(output)),
            Err(error) if status(&error) == Some(416) => Ok(None),
            Err(error) if status(&error) == Some(412) => Err(ObjectsError::Superseded {
                bucket: image.bucket.clone(),
                key: image.key.clone(),
            }),
            Err(error) => Err(failed("GetObject", &image.bucket, &image.key, &error)),
        }
    }
}

async fn collect(output: GetObjectOutput) -> Result<Vec<u8>, ObjectsError> {
    let body = output.body.collect().await.map_err(|error| {
        ObjectsError::Unavailable(format!("GetObject: {}", DisplayErrorContext(&error)))
    })?;
    Ok(body.to_vec())
}

#[async_trait]
impl Objects for S3Objects {
    fn results_bucket(&self) -> &str {
        &self.results
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectHead>, ObjectsError> {
        let head = self.client.head_object().bucket(bucket).key(key).send();
        let head = match head.await {
            Ok(head) => head,
            Err(error) if status(&error) == Some(404) => return Ok(None),
            Err(error) => return Err(failed("HeadObject", bucket, key, &error)),
        };
        Ok(Some(ObjectHead {
            bytes: head
                .content_length()
                .and_then(|bytes| bytes.try_into().ok())
                .unwrap_or(0),
            etag: unquoted(head.e_tag()),
            version: head
                .version_id()
                .filter(|version| *version != "null")
                .map(str::to_owned),
            meta: ObjectMeta {
                media_type: head.content_type().unwrap_or("").to_owned(),
                user: user_metadata(head.metadata()),
            },
        }))
    }

    async fn read_range(
        &self,
        image: &ImageRef,
        range: Range<u64>,
    ) -> Result<Vec<u8>, ObjectsError> {
        // HTTP has no empty range; and S3 answers 416 for one that begins at the end.
        let last = range.end.max(range.start + 1).saturating_sub(1);
        let output = self
            .get(image, Some(format!("bytes={}-{last}", range.start)))
            .await?;
        let Some(output) = output.filter(|_| !range.is_empty()) else {
            return Ok(Vec::new());
        };
        // Who ignores the range answers with all: RFC 9110, 14.2. S3 never does, but wrong bytes would
        // be told from right ones by nobody.
        let is_part = output.content_range().is_some();
        let mut body = collect(output).await?;
        if !is_part {
            let end = body
                .len()
                .min(usize::try_from(range.end).unwrap_or(usize::MAX));
            body.truncate(end);
            body.drain(..end.min(usize::try_from(range.start).unwrap_or(usize::MAX)));
        }
        Ok(body)
    }

    async fn read(&self, image: &ImageRef, limit: u64) -> Result<Vec<u8>, ObjectsError> {
        let Some(output) = self.get(image, None).await? else {
            return Ok(Vec::new());
        };
        let bytes = output.content_length().unwrap_or(0);
        let bytes = u64::try_from(bytes).unwrap_or(0);
        if bytes > limit {
            return Err(ObjectsError::TooLarge {
                key: image.key.clone(),
                bytes,
                limit,
            });
        }
        collect(output).await
    }

    async fn write(
        &self,
        bucket: &str,
        key: &str,
        body: &[u8],
        meta: &ObjectMeta,
        condition: &WriteCondition,
    ) -> Result<Written, ObjectsError> {
        let mut tries = 1;
        loop {
            let put = self
                .client
                .put_object()
                .bucket(bucket)
                .key(key)
                .content_type(&meta.media_type)
                .set_metadata(Some(to_headers(&meta.user)))
                .body(ByteStream::from(body.to_vec()));
            let put = match condition {
                WriteCondition::Always => put,
                WriteCondition::IfAbsent => put.if_none_match("*"),
                WriteCondition::IfMatch(etag) => put.if_match(quoted(etag)),
            };
            let error = match put.send().await {
                Ok(put) => return Ok(Written::Done(unquoted(put.e_tag()))),
                Err(error) => error,
            };
            // 404: there is nothing whose entity tag could match. 409: another write or delete of this key
            // is under way, and says nothing of what is there when it is done.
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            match (status(&error), condition) {
                (Some(412), _) => return Ok(Written::ConditionFailed),
                (Some(404), WriteCondition::IfMatch(_)) if !no_bucket(&error) => {
                    return Ok(Written::ConditionFailed);
                }
                (Some(409), _) if tries < TRIES => {
                    tokio::time::sleep(BACK * tries).await;
                    tries += 1;
                }
                _ => return Err(failed("PutObject", bucket, key, &error)),
            }
        }
    }

    async fn delete(&self, bucket: &str, key: &str) -> Result<(), ObjectsError> {
        let deleted = self.client.delete_object().bucket(bucket).key(key).send();
        match deleted.await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) && !no_bucket(&error) => Ok(()),
            Err(error) => Err(failed("DeleteObject", bucket, key, &error)),
        }
    }
}

#[async_trait]
impl Presign for S3Objects {
    /// A presigned PUT. Size and media type are signed: another body than the one that leave was
    /// asked for is refused by S3.
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        bytes: u64,
        media_type: &str,
        valid: Duration,
    ) -> Result<Leave, ObjectsError> {
        let fault = |error: &dyn std::fmt::Display| {
            ObjectsError::Unavailable(format!("PutObject of '{key}' cannot be presigned: {error}"))
        };
        let valid = valid.to_std().map_err(|error| fault(&error))?;
        let valid = PresigningConfig::expires_in(valid).map_err(|error| fault(&error))?;
        let bytes = i64::try_from(bytes).map_err(|error| fault(&error))?;
        let signed = self
            .client
            .put_object()
            .bucket(bucket)
            .key(key)
            .content_length(bytes)
            .content_type(media_type)
            .presigned(valid)
            .await
            .map_err(|error| fault(&DisplayErrorContext(&error)))?;
        let headers = signed.headers();
        Ok(Leave {
            url: signed.uri().to_owned(),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
        })
    }
}

/// A key as lists have it: as in a form, a space is `+`.
fn decoded(key: &str) -> String {
    let key = key.replace('+', " ");
    let key = percent_encoding::percent_decode_str(&key);
    key.decode_utf8_lossy().into_owned()
}

/// Entity tags are quoted in HTTP, and are not in S3's notifications.
fn quoted(etag: &str) -> String {
    format!("\"{}\"", etag.trim_matches('"'))
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or("").trim_matches('"').to_owned()
}

fn to_headers(user: &BTreeMap<String, String>) -> HashMap<String, String> {
    let header = |value: &String| {
        let plain = value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            && value.trim() == value
            && !value.starts_with(ENCODED);
        if plain {
            value.clone()
        } else {
            let encoded =
                percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            format!("{ENCODED}{encoded}")
        }
    };
    user.iter()
        .map(|(name, value)| (name.clone(), header(value)))
        .collect()
}

fn user_metadata(headers: Option<&HashMap<String, String>>) -> BTreeMap<String, String> {
    let value = |header: &String| match header.strip_prefix(ENCODED) {
        Some(encoded) => percent_encoding::percent_decode_str(encoded)
            .decode_utf8_lossy()
            .into_owned(),
        None => header.clone(),
    };
    headers
        .into_iter()
        .flatten()
        .map(|(name, header)| (name.clone(), value(header)))
        .collect()
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|raw| raw.status().as_u16())
}

fn no_bucket<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        == Some("NoSuchBucket")
}

fn failed<E>(operation: &str, bucket: &str, key: &str, error: &SdkError<E>) -> ObjectsError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
        .unwrap_or("");
    match (status(error), code) {
        (_, "NoSuchBucket") => {
            ObjectsError::Unavailable(format!("{operation}: there is no bucket '{bucket}'"))
        }
        // A version that is not there, one that cannot be a version, and one that is a mark of deletion.
        (Some(404 | 405), _) | (_, "NoSuchVersion" | "InvalidVersionId") => {
            ObjectsError::NotFound {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
            }
        }
        (Some(403), _) => ObjectsError::Forbidden {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            why: format!(
                "{operation}: {}",
                if code.is_empty() { "403" } else { code }
            ),
        },
        _ => ObjectsError::Unavailable(format!(
            "{operation} of '{key}': {}",
            DisplayErrorContext(error)
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// Answers writes with these statuses, one after the other.
    fn answering(statuses: &'static [u16]) -> S3Objects {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for status in statuses {
                let (stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(&stream);
                let (mut line, mut length) = (String::new(), 0);
                while lines.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                lines.read_exact(&mut vec![0; length]).unwrap();
                let head = "content-length: 0\r\nconnection: close\r\netag: \"e\"\r\n\r\n";
                write!(&stream, "HTTP/1.1 {status} Answer\r\n{head}").unwrap();
            }
        });
        let sdk = crate::Sdk::of_endpoint(&url, "us-east-1", "id", "secret");
        S3Objects::new(sdk.s3(), "results")
    }

    #[tokio::test]
    async fn another_write_under_way_is_not_one_that_was_done() {
        let write = async |statuses| {
            let objects = answering(statuses);
            let (meta, condition) = (ObjectMeta::default(), WriteCondition::IfAbsent);
            objects.write("results", "k", b"x", &meta, &condition).await
        };
        // The other may have been a delete, or may have failed.
        assert_eq!(write(&[409, 409, 200]).await, Ok(Written::Done("e".into())));
        assert_eq!(write(&[409, 412]).await, Ok(Written::ConditionFailed));
        let refused = write(&[409; TRIES as usize]).await;
        assert!(
            matches!(refused, Err(ObjectsError::Unavailable(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn metadata_of_any_text_comes_back() {
        let user: BTreeMap<String, String> = [
            ("plain", "0055AED6DCD90281E5"),
            ("version", "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY"),
            ("korean", "여름 +%"),
            ("marked", "utf-8''x"),
            ("spaces", " a "),
            ("empty", ""),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let headers = to_headers(&user);
        assert_eq!(headers["plain"], "0055AED6DCD90281E5");
        assert!(headers.values().all(|header| header.is_ascii()));
        assert_eq!(user_metadata(Some(&headers)), user);
    }

    #[test]
    fn keys_of_lists_are_decoded() {
        assert_eq!(decoded("a+b%2Bc%25/%EC%97%AC%07.jpg"), "a b+c%/여\u{7}.jpg");
    }

    #[test]
    fn entity_tags_are_quoted_once() {
        assert_eq!(quoted("a"), "\"a\"");
        assert_eq!(quoted("\"a\""), "\"a\"");
        assert_eq!(unquoted(Some("\"a\"")), "a");
    }
}
