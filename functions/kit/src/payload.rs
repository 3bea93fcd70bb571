//! Payloads too large for an event go to object storage by content hash; the event keeps the hash.

use safelight_ports::{ObjectMeta, Objects, WriteCondition};
use safelight_schema::ObjectRef;
use safelight_schema::chain::sha256_hex;
use serde_json::{Value, json};

use crate::MAX_INLINE_BYTES;
use crate::error::FunctionError;

/// Folder of the payloads in the results bucket.
pub const FOLDER: &str = "payloads";

/// Puts bytes where their hash says: writing them again changes nothing. `folder` without a slash;
/// the key is `<folder>/<sha256><suffix>`.
pub async fn put_content(
    objects: &dyn Objects,
    folder: &str,
    suffix: &str,
    bytes: &[u8],
    media_type: &str,
) -> Result<ObjectRef, FunctionError> {
    let sha256 = sha256_hex(bytes);
    let object = ObjectRef {
        bucket: objects.results_bucket().to_owned(),
        key: format!("{folder}/{sha256}{suffix}"),
        bytes: bytes.len() as u64,
        sha256,
        media_type: media_type.into(),
    };
    let meta = ObjectMeta {
        media_type: media_type.into(),
        ..ObjectMeta::default()
    };
    // What is there has this content, as its name says; written again, its age begins anew, and a rule of
    // retention leaves it for as long as the youngest event that points at it.
    objects
        .write(
            &object.bucket,
            &object.key,
            bytes,
            &meta,
            &WriteCondition::Always,
        )
        .await?;
    Ok(object)
}

/// `details` itself if it is small, else `{"payload": <object>}` with the details in that object.
pub async fn offload(objects: &dyn Objects, details: Value) -> Result<Value, FunctionError> {
    let bytes = serde_json_canonicalizer::to_vec(&details).unwrap_or_default();
    if bytes.len() <= MAX_INLINE_BYTES {
        return Ok(details);
    }
    let object = put_content(objects, FOLDER, "", &bytes, "application/json").await?;
    Ok(json!({ "payload": object }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[tokio::test]
    async fn only_large_details_leave_the_event() {
        let bench = Bench::new();
        let small = json!({ "width": 3 });
        assert_eq!(
            offload(bench.objects.as_ref(), small.clone())
                .await
                .unwrap(),
            small
        );
        let large = json!({ "text": "x".repeat(MAX_INLINE_BYTES) });
        let first = offload(bench.objects.as_ref(), large.clone())
            .await
            .unwrap();
        let again = offload(bench.objects.as_ref(), large.clone())
            .await
            .unwrap();
        assert_eq!(first, again);
        let key = first["payload"]["key"].as_str().unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&bench.objects.bytes("results", key).unwrap()).unwrap(),
            large
        );
        assert_eq!(
            key,
            format!("payloads/{}", first["payload"]["sha256"].as_str().unwrap())
        );
        // One object, as old as the last event that points at it.
        assert_eq!(bench.objects.keys("results").len(), 1);
        assert_eq!(bench.objects.writes(), 2);
    }
}
