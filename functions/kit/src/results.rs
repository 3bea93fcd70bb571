//! The results writer: where a branch's outputs go, and which version of an image may write there.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use safelight_ports::{ObjectHead, ObjectMeta, Objects, Record, WriteCondition, Written};
use safelight_schema::chain::sha256_hex;
use safelight_schema::{ImageRef, ObjectRef, error_name, key, time};

use crate::error::FunctionError;
use crate::order::Order;

/// User metadata of a result (S3 prefixes it with `x-amz-meta-`).
pub mod meta {
    /// Branch that wrote it.
    pub const BRANCH: &str = "safelight-branch";
    /// Version of the branch.
    pub const BRANCH_VERSION: &str = "safelight-branch-version";
    /// SHA-256 of the image that it was made from.
    pub const INPUT_SHA256: &str = "safelight-input-sha256";
    /// SHA-256 of the result itself.
    pub const SHA256: &str = "safelight-sha256";
    /// The image's sequencer.
    pub const SEQUENCER: &str = "safelight-sequencer";
    /// When the image's notification was made, where it has no sequencer.
    pub const NOTIFIED: &str = "safelight-notified";
    /// The image's version id.
    pub const IMAGE_VERSION: &str = "safelight-image-version";
}

/// How often a conditional write is tried again after another writer was faster.
const TRIES: usize = 16;

/// Redrives of redrives that are followed to the first notification.
const REDRIVES: usize = 32;

/// Who writes results, from what.
#[derive(Debug, Clone)]
pub struct Origin {
    /// Branch name.
    pub branch: String,
    /// Version of its manifest.
    pub branch_version: String,
    /// The image.
    pub image: ImageRef,
    /// SHA-256 of the image's bytes, hex.
    pub input_sha256: String,
    /// Which version of the image this is, among the others of its key.
    pub order: Order,
}

/// What became of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is there now.
    Written(ObjectRef),
    /// It was there already, byte for byte, from the same version of the image.
    Unchanged(ObjectRef),
    /// A newer version of the image has a result there: nothing was written.
    Superseded,
}

/// The order of an image: its sequencer, or else when its notification was made, from the header.
pub async fn order_of(
    record: &dyn Record,
    execution: &str,
    image: &ImageRef,
) -> Result<Order, FunctionError> {
    if image.sequencer.is_some() {
        return Ok(Order {
            sequencer: image.sequencer.clone(),
            notified: None,
        });
    }
    // A redrive is as old as what it redrives.
    let mut name = execution.to_owned();
    let mut notified = None;
    for _ in 0..REDRIVES {
        let Some(header) = record.header(&name).await? else {
            break;
        };
        notified = Some(header.notified);
        match header.input.redrive_of {
            Some(original) => name = original,
            None => break,
        }
    }
    Ok(Order {
        sequencer: None,
        notified,
    })
}

/// Writes one output of a branch (invariant 4).
pub async fn put(
    objects: &dyn Objects,
    origin: &Origin,
    output: &str,
    bytes: &[u8],
    media_type: &str,
) -> Result<Stored, FunctionError> {
    let object = ObjectRef {
        bucket: objects.results_bucket().to_owned(),
        key: key::result(&origin.branch, &origin.image.key, output),
        bytes: bytes.len() as u64,
        sha256: sha256_hex(bytes),
        media_type: media_type.into(),
    };
    let meta = ObjectMeta {
        media_type: media_type.into(),
        user: metadata(origin, &object.sha256),
    };
    // Nearly always there is nothing yet, so that is asked first, by the write itself.
    let mut condition = WriteCondition::IfAbsent;
    for _ in 0..TRIES {
        match objects
            .write(&object.bucket, &object.key, bytes, &meta, &condition)
            .await?
        {
            Written::Done(_) => return Ok(Stored::Written(object)),
            Written::ConditionFailed => {}
        }
        condition = match objects.head(&object.bucket, &object.key).await? {
            None => WriteCondition::IfAbsent,
            Some(head) => match compare(objects, origin, &order_in(&head)).await? {
                Some(Ordering::Less) => return Ok(Stored::Superseded),
                Some(Ordering::Equal) if head.meta == meta => {
                    return Ok(Stored::Unchanged(object));
                }
                // Equal: another version of the branch made it. None: it is not ours, or the image is
                // no longer there.
                Some(Ordering::Equal | Ordering::Greater) | None => {
                    WriteCondition::IfMatch(head.etag)
                }
            },
        };
    }
    Err(FunctionError::new(
        &error_name::OBJECTS_UNAVAILABLE,
        format!(
            "'{}' was changed by others {TRIES} times while it was written",
            object.key
        ),
    ))
}

/// Compares the image with the one that a result was made from. Where one came with a sequencer and the
/// other without (a backfill), the bucket is asked which version of the image is the newest: what is not
/// gives way, since that one has an execution of its own, or will have.
async fn compare(
    objects: &dyn Objects,
    origin: &Origin,
    theirs: &Order,
) -> Result<Option<Ordering>, FunctionError> {
    let ordering = origin.order.compare(theirs);
    if ordering.is_some() || *theirs == Order::default() {
        return Ok(ordering);
    }
    let image = &origin.image;
    let Some(newest) = objects.head(&image.bucket, &image.key).await? else {
        return Ok(None);
    };
    let is_newest = match (&image.version, &newest.version) {
        (Some(ours), Some(newest)) => Some(ours == newest),
        // Events name an entity tag without its quotation marks.
        _ => (image.etag.as_ref())
            .map(|ours| ours.trim_matches('"') == newest.etag.trim_matches('"')),
    };
    Ok(is_newest.map(|is_newest| {
        if is_newest {
            Ordering::Greater
        } else {
            Ordering::Less
        }
    }))
}

fn metadata(origin: &Origin, sha256: &str) -> BTreeMap<String, String> {
    let mut user = BTreeMap::from([
        (meta::BRANCH.into(), origin.branch.clone()),
        (meta::BRANCH_VERSION.into(), origin.branch_version.clone()),
        (meta::INPUT_SHA256.into(), origin.input_sha256.clone()),
        (meta::SHA256.into(), sha256.into()),
    ]);
    let mut optional = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            user.insert(name.into(), value);
        }
    };
    optional(meta::SEQUENCER, origin.order.sequencer.clone());
    optional(
        meta::NOTIFIED,
        origin.order.notified.as_ref().map(time::format),
    );
    optional(meta::IMAGE_VERSION, origin.image.version.clone());
    user
}

fn order_in(head: &ObjectHead) -> Order {
    Order {
        sequencer: head.meta.user.get(meta::SEQUENCER).cloned(),
        notified: head
            .meta
            .user
            .get(meta::NOTIFIED)
            .and_then(|text| DateTime::parse_from_rfc3339(text).ok())
            .map(|time| time.with_timezone(&Utc)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, image};

    fn origin(sequencer: &str) -> Origin {
        Origin {
            branch: "label".into(),
            branch_version: "1".into(),
            image: image("photos/a.jpg"),
            input_sha256: sha256_hex(sequencer.as_bytes()),
            order: Order {
                sequencer: Some(sequencer.into()),
                notified: None,
            },
        }
    }

    async fn write(bench: &Bench, origin: &Origin, bytes: &[u8]) -> Stored {
        put(
            bench.objects.as_ref(),
            origin,
            "labels.json",
            bytes,
            "application/json",
        )
        .await
        .unwrap()
    }

    const KEY: &str = "results/label/photos/a.jpg/labels.json";

    #[tokio::test]
    async fn an_older_version_never_overwrites_a_newer_one() {
        // Invariant 4.
        let bench = Bench::new();
        let (old, new) = (origin("0055"), origin("00551"));
        assert!(matches!(
            write(&bench, &new, b"new").await,
            Stored::Written(_)
        ));
        assert_eq!(write(&bench, &old, b"old").await, Stored::Superseded);
        assert_eq!(bench.objects.bytes("results", KEY).unwrap(), b"new");
        let newest = origin("0056");
        assert!(matches!(
            write(&bench, &newest, b"newest").await,
            Stored::Written(_)
        ));
        assert_eq!(bench.objects.bytes("results", KEY).unwrap(), b"newest");
    }

    #[tokio::test]
    async fn the_same_bytes_again_change_nothing() {
        // Invariants 4 and 5.
        let bench = Bench::new();
        let origin = origin("0055");
        assert!(matches!(
            write(&bench, &origin, b"x").await,
            Stored::Written(_)
        ));
        assert!(matches!(
            write(&bench, &origin, b"x").await,
            Stored::Unchanged(_)
        ));
        assert_eq!(bench.objects.writes(), 1);
    }

    #[tokio::test]
    async fn another_version_of_the_branch_replaces_its_own_result() {
        let bench = Bench::new();
        let mut origin = origin("0055");
        write(&bench, &origin, b"one").await;
        origin.branch_version = "2".into();
        assert!(matches!(
            write(&bench, &origin, b"two").await,
            Stored::Written(_)
        ));
        let meta = bench.objects.meta("results", KEY).unwrap();
        assert_eq!(meta.user[meta::BRANCH_VERSION], "2");
        assert_eq!(meta.user[meta::SEQUENCER], "0055");
    }

    #[tokio::test]
    async fn whatever_order_versions_come_in_the_newest_stays() {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let bench = Bench::new();
            for index in order {
                let origin = origin(["0054", "0055", "00551"][index]);
                write(&bench, &origin, &[b'0' + index as u8]).await;
            }
            assert_eq!(bench.objects.bytes("results", KEY).unwrap(), b"2");
        }
    }

    #[tokio::test]
    async fn where_one_has_no_sequencer_the_newest_in_the_bucket_stays() {
        let bench = Bench::new();
        let etag = |bytes: &[u8]| bench.objects.put("photos", "photos/a.jpg", bytes);
        let (old, new) = (etag(b"old"), etag(b"new"));
        let of_event = |etag: &str| {
            let mut origin = origin("0055");
            origin.image.etag = Some(etag.trim_matches('"').to_owned());
            origin
        };
        let of_backfill = |etag: &str| {
            let mut origin = of_event(etag);
            origin.order = Order {
                sequencer: None,
                notified: DateTime::from_timestamp(1, 0),
            };
            origin
        };
        // Both ways, whichever is first.
        write(&bench, &of_event(&new), b"new").await;
        let late = write(&bench, &of_backfill(&old), b"old").await;
        assert_eq!(late, Stored::Superseded);
        let again = write(&bench, &of_backfill(&new), b"again").await;
        assert!(matches!(again, Stored::Written(_)));
        let late = write(&bench, &of_event(&old), b"old").await;
        assert_eq!(late, Stored::Superseded);
        assert_eq!(bench.objects.bytes("results", KEY).unwrap(), b"again");
    }

    #[tokio::test]
    async fn without_a_sequencer_the_header_says_when() {
        let bench = Bench::new();
        let mut image = image("a.jpg");
        image.sequencer = None;
        let header = bench.header("x-1", &image);
        bench.claim(&header).await;
        let order = order_of(bench.record.as_ref(), "x-1", &image)
            .await
            .unwrap();
        assert_eq!(order.notified, Some(header.notified));
    }
}
