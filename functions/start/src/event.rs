//! What a queue message says: images that arrived, or an execution that is to be redriven.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode;
use safelight_kit::sqs::unwrap_sns;
use safelight_schema::{ExecutionInput, ImageRef};
use serde::Deserialize;
use serde_json::Value;

/// Longest object key, bytes (S3).
const MAX_KEY_BYTES: usize = 1_024;

/// An image that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The image.
    pub image: ImageRef,
    /// When its notification was made.
    pub notified: DateTime<Utc>,
}

/// An execution that does again what failed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// Its name.
    pub execution: String,
    /// Its input.
    pub input: ExecutionInput,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Images arrived. Empty: the message is about nothing that starts an execution.
    Arrivals(Vec<Arrival>),
    /// Something is to be redriven.
    Redrive(Redrive),
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("the message is not JSON: {0}")]
    NotJson(String),
    /// It is JSON of another kind.
    #[error("the message is no S3 notification, no EventBridge event of S3 and no redrive: {0}")]
    NotANotification(String),
    /// A record of it lacks something, or has it wrong.
    #[error("record {record}: {problem}")]
    Record {
        /// Which, from 1.
        record: usize,
        /// What is wrong.
        problem: String,
        /// The arrivals of the others.
        others: Vec<Arrival>,
    },
}

/// Reads the body of a queue message.
pub fn read(body: &str) -> Result<Notice, Unreadable> {
    let message = unwrap_sns(body);
    let value: Value =
        serde_json::from_str(&message).map_err(|error| Unreadable::NotJson(error.to_string()))?;
    if let Some(redrive) = value.get("redrive") {
        return read_redrive(redrive);
    }
    if value.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(Notice::Arrivals(Vec::new()));
    }
    if value.get("Records").is_some() {
        return read_notification(&value);
    }
    if value.get("source").and_then(Value::as_str) == Some("aws.s3") {
        return read_event_bridge(&value);
    }
    let fields = match &value {
        Value::Object(fields) => fields
            .keys()
            .take(8)
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
        _ => "it is not an object".into(),
    };
    Err(Unreadable::NotANotification(format!("it has {fields}")))
}

fn read_redrive(redrive: &Value) -> Result<Notice, Unreadable> {
    let redrive = Redrive::deserialize(redrive)
        .map_err(|error| Unreadable::NotANotification(format!("redrive: {error}")))?;
    // https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
    let named = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if !(1..=80).contains(&redrive.execution.len()) || !redrive.execution.chars().all(named) {
        return Err(Unreadable::NotANotification(format!(
            "redrive: '{}' cannot name an execution",
            redrive.execution.escape_debug()
        )));
    }
    Ok(Notice::Redrive(redrive))
}

#[derive(Deserialize)]
struct S3Notification {
    #[serde(rename = "Records")]
    records: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Record {
    event_name: String,
    event_time: DateTime<Utc>,
    s3: S3Entity,
}

#[derive(Deserialize)]
struct S3Entity {
    bucket: Bucket,
    object: S3Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct S3Object {
    key: String,
    size: Option<u64>,
    e_tag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn read_notification(value: &Value) -> Result<Notice, Unreadable> {
    let notification = S3Notification::deserialize(value)
        .map_err(|error| Unreadable::NotANotification(error.to_string()))?;
    let mut arrivals = Vec::new();
    let mut first = None;
    for (index, record) in notification.records.iter().enumerate() {
        match read_record(record) {
            Ok(arrival) => arrivals.extend(arrival),
            Err(problem) => {
                first.get_or_insert((index + 1, problem));
            }
        }
    }
    match first {
        None => Ok(Notice::Arrivals(arrivals)),
        Some((record, problem)) => Err(Unreadable::Record {
            record,
            problem,
            others: arrivals,
        }),
    }
}

/// The arrival that a record tells of, if it tells of one.
fn read_record(record: &Value) -> Result<Option<Arrival>, String> {
    // The name first: a deletion has no size, and other events have other shapes.
    let name = record.get("eventName").and_then(Value::as_str);
    if !is_creation(name.ok_or("it has no eventName")?) {
        return Ok(None);
    }
    let record = S3Record::deserialize(record).map_err(|error| error.to_string())?;
    debug_assert!(is_creation(&record.event_name));
    let S3Object {
        key,
        size,
        e_tag,
        version_id,
        sequencer,
    } = record.s3.object;
    let object = Object {
        bucket: record.s3.bucket.name,
        key: form_decode(&key).ok_or("the key is not UTF-8")?,
        size,
        etag: e_tag,
        version: version_id,
        sequencer,
    };
    object.arrival(record.event_time)
}

#[derive(Deserialize)]
struct EventBridgeEvent {
    #[serde(rename = "detail-type")]
    detail_type: String,
    time: DateTime<Utc>,
    detail: Value,
}

#[derive(Deserialize)]
struct Detail {
    bucket: Bucket,
    object: DetailObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct DetailObject {
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    version_id: Option<String>,
    sequencer: Option<String>,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>; keys are raw.
fn read_event_bridge(value: &Value) -> Result<Notice, Unreadable> {
    let problem = |problem: String| Unreadable::Record {
        record: 1,
        problem,
        others: Vec::new(),
    };
    let event = EventBridgeEvent::deserialize(value).map_err(|error| problem(error.to_string()))?;
    if event.detail_type != "Object Created" {
        return Ok(Notice::Arrivals(Vec::new()));
    }
    let Detail { bucket, object } =
        Detail::deserialize(event.detail).map_err(|error| problem(error.to_string()))?;
    let object = Object {
        bucket: bucket.name,
        key: object.key,
        size: object.size,
        etag: object.etag,
        version: object.version_id,
        sequencer: object.sequencer,
    };
    let arrivals = object.arrival(event.time).map_err(problem)?;
    Ok(Notice::Arrivals(arrivals.into_iter().collect()))
}

struct Object {
    bucket: String,
    key: String,
    size: Option<u64>,
    etag: Option<String>,
    version: Option<String>,
    sequencer: Option<String>,
}

impl Object {
    /// The arrival; none for what stands for a folder.
    fn arrival(self, notified: DateTime<Utc>) -> Result<Option<Arrival>, String> {
        if self.bucket.is_empty() {
            return Err("the bucket has no name".into());
        }
        if self.key.is_empty() || self.key.len() > MAX_KEY_BYTES {
            return Err(format!(
                "the key has {} bytes; 1 to {MAX_KEY_BYTES} are allowed",
                self.key.len()
            ));
        }
        if self.key.ends_with('/') {
            return Ok(None);
        }
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Some(Arrival {
            image: ImageRef {
                bucket: self.bucket,
                key: self.key,
                // A bucket whose versioning is suspended calls its only version "null".
                version: filled(self.version).filter(|version| version != "null"),
                etag: filled(self.etag),
                sequencer: filled(self.sequencer),
                bytes: self.size,
            },
            notified,
        }))
    }
}

fn is_creation(event_name: &str) -> bool {
    let name = event_name.strip_prefix("s3:").unwrap_or(event_name);
    name.starts_with("ObjectCreated:")
}

/// Decodes a key of an S3 notification: `+` is a space, `%XX` a byte; the bytes are UTF-8.
fn form_decode(key: &str) -> Option<String> {
    let spaced: Cow<'_, str> = if key.contains('+') {
        Cow::Owned(key.replace('+', " "))
    } else {
        Cow::Borrowed(key)
    };
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8().ok()?;
    Some(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::fmt::Write as _;

    fn record(name: &str, key: &str) -> Value {
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-11-21T12:00:00.123Z",
            "eventName": name,
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": { "name": "photos", "arn": "arn:aws:s3:::photos" },
                "object": {
                    "key": key, "size": 1024, "eTag": "d41d8cd9", "versionId": "v1",
                    "sequencer": "0055AED6DCD90281E5",
                },
            },
        })
    }

    fn keys(body: &Value) -> Vec<String> {
        match read(&body.to_string()).unwrap() {
            Notice::Arrivals(arrivals) => arrivals.into_iter().map(|a| a.image.key).collect(),
            Notice::Redrive(redrive) => panic!("{redrive:?}"),
        }
    }

    #[test]
    fn a_notification_is_read_direct_and_through_sns() {
        let body = json!({ "Records": [record("ObjectCreated:Put", "a.jpg")] });
        let direct = read(&body.to_string()).unwrap();
        let wrapped = json!({
            "Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:1:images",
            "Message": body.to_string(),
        });
        assert_eq!(read(&wrapped.to_string()).unwrap(), direct);
        let Notice::Arrivals(arrivals) = direct else {
            panic!("no arrivals")
        };
        let image = &arrivals[0].image;
        assert_eq!(image.subject(), "photos/a.jpg");
        assert_eq!(image.version.as_deref(), Some("v1"));
        assert_eq!(image.bytes, Some(1024));
        assert_eq!(arrivals[0].notified.timestamp_subsec_millis(), 123);
    }

    /// Whole events, with everything that their services put in them.
    #[test]
    fn every_shape_is_read() {
        let images = |text: &str| -> Vec<ImageRef> {
            match read(text).unwrap() {
                Notice::Arrivals(arrivals) => arrivals.into_iter().map(|it| it.image).collect(),
                Notice::Redrive(redrive) => panic!("{redrive:?}"),
            }
        };
        let sea = ImageRef {
            bucket: "photos".into(),
            key: "summer 2026/바다 + 100%.jpg".into(),
            version: Some("096fKKXTRTtl3on89fVO.nfljtsv6qko".into()),
            etag: Some("b21b84d653bb07b05b1e6b33684dc11b".into()),
            sequencer: Some("0055AED6DCD90281E5".into()),
            bytes: Some(1_305_107),
        };
        // Direct, in an envelope of SNS, and from EventBridge it is the same image.
        for text in [
            include_str!("../fixtures/s3.json"),
            include_str!("../fixtures/s3-through-sns.json"),
            include_str!("../fixtures/event-bridge.json"),
        ] {
            assert_eq!(images(text), std::slice::from_ref(&sea));
        }
        let scan = images(include_str!("../fixtures/s3-unversioned-multipart.json"));
        assert_eq!((scan.len(), scan[0].version.as_deref()), (1, None));
        assert_eq!(
            scan[0].etag.as_deref(),
            Some("7e10e7d25dc4581d89b9285be5f384fd-9")
        );
        let several = images(include_str!("../fixtures/s3-several.json"));
        assert_eq!((several.len(), several[0].key.as_str()), (1, "new?.png"));
        for nothing in [
            include_str!("../fixtures/s3-test.json"),
            include_str!("../fixtures/event-bridge-deletion.json"),
        ] {
            assert_eq!(images(nothing), []);
        }
    }

    #[test]
    fn keys_of_notifications_are_form_encoded() {
        for (encoded, key) in [
            ("my+photo+%2B+1.jpg", "my photo + 1.jpg"),
            ("100%25.png", "100%.png"),
            ("%EC%82%AC%EC%A7%84/%ED%95%9C%EA%B8%80.jpg", "사진/한글.jpg"),
            ("a/b/c.jpg", "a/b/c.jpg"),
            ("%F0%9F%93%B7.jpg", "📷.jpg"),
        ] {
            let body = json!({ "Records": [record("ObjectCreated:Put", encoded)] });
            assert_eq!(keys(&body), [key]);
        }
    }

    #[test]
    fn keys_of_event_bridge_are_raw() {
        let body = json!({
            "version": "0", "detail-type": "Object Created", "source": "aws.s3",
            "time": "2026-11-21T12:00:00Z",
            "detail": {
                "bucket": { "name": "photos" },
                "object": { "key": "a+b %2B.jpg", "size": 1, "etag": "e", "version-id": "null",
                            "sequencer": "00" },
            },
        });
        assert_eq!(keys(&body), ["a+b %2B.jpg"]);
        let mut deleted = body.clone();
        deleted["detail-type"] = "Object Deleted".into();
        assert!(keys(&deleted).is_empty());
        let Notice::Arrivals(arrivals) = read(&body.to_string()).unwrap() else {
            panic!("no arrivals")
        };
        assert_eq!(arrivals[0].image.version, None);
    }

    #[test]
    fn test_events_folders_and_deletions_start_nothing() {
        assert!(keys(&json!({ "Service": "Amazon S3", "Event": "s3:TestEvent" })).is_empty());
        let body = json!({ "Records": [
            record("ObjectCreated:Put", "folder/"),
            record("ObjectRemoved:Delete", "a.jpg"),
            { "eventName": "ObjectRestore:Post" },
            record("ObjectCreated:CompleteMultipartUpload", "b.jpg"),
        ] });
        assert_eq!(keys(&body), ["b.jpg"]);
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        for (body, part) in [
            ("{", "not JSON"),
            ("3", "not an object"),
            ("{\"hello\":1}", "hello"),
            (
                "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\"}]}",
                "record 1",
            ),
            ("{\"Records\":[{}]}", "eventName"),
            (
                "{\"redrive\":{\"execution\":\"a b\",\"input\":{\"image\":{\"bucket\":\"b\",\"key\":\"k\"}}}}",
                "cannot name",
            ),
        ] {
            let error = read(body).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let body = json!({ "Records": [record("ObjectCreated:Put", "%FF.jpg")] });
        assert!(
            read(&body.to_string())
                .unwrap_err()
                .to_string()
                .contains("UTF-8")
        );
    }

    #[test]
    fn a_redrive_carries_its_input() {
        let body = json!({ "redrive": {
            "execution": "20261121-00-r1",
            "input": { "image": { "bucket": "b", "key": "k" }, "redriveOf": "20261121-00",
                       "only": ["label"] },
        } });
        let Notice::Redrive(redrive) = read(&body.to_string()).unwrap() else {
            panic!("no redrive")
        };
        assert_eq!(redrive.input.only, Some(vec!["label".into()]));
    }

    /// As S3 writes keys.
    fn form_encode(key: &str) -> String {
        let mut encoded = String::new();
        for byte in key.bytes() {
            match byte {
                b' ' => encoded.push('+'),
                b'/' | b'.' | b'-' | b'_' | b'*' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                    encoded.push(byte as char);
                }
                _ => write!(encoded, "%{byte:02X}").unwrap(),
            }
        }
        encoded
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop_oneof![
                Just("ObjectCreated:Put".to_owned()),
                Just("Object Created".to_owned()),
                Just("aws.s3".to_owned()),
                Just("2026-11-21T12:00:00Z".to_owned()),
                ".*",
            ]
            .prop_map(Value::from),
        ];
        let name = prop_oneof![
            Just("Records".to_owned()),
            Just("eventName".to_owned()),
            Just("eventTime".to_owned()),
            Just("s3".to_owned()),
            Just("object".to_owned()),
            Just("bucket".to_owned()),
            Just("key".to_owned()),
            Just("name".to_owned()),
            Just("source".to_owned()),
            Just("detail".to_owned()),
            Just("detail-type".to_owned()),
            Just("time".to_owned()),
            Just("redrive".to_owned()),
            ".*",
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name.clone(), inner, 0..8)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_text_ends_in_a_notice_or_an_error(body in ".*") {
            // Invariant 4.
            let _ = read(&body);
        }

        #[test]
        fn any_json_ends_in_a_notice_or_an_error(body in any_json()) {
            // Invariant 4.
            let _ = read(&body.to_string());
        }

        #[test]
        fn any_key_survives_the_form_encoding(key in "[^/]{1,60}") {
            let body = json!({ "Records": [record("ObjectCreated:Put", &form_encode(&key))] });
            prop_assert_eq!(keys(&body), [key]);
        }
    }
}
