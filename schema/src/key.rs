//! The record's keys, the same in SQLite and in DynamoDB.
//!
//! ```text
//! pk  X#<execution>
//! sk  H | E#<lane>#<seq:010> | Z#<epoch:04> | S | P#…
//! g1  T#<date>#<00-15> · I#<image> · F#<fingerprint>#<month>#<shard> · B#<branch>@<version>#<month>#<shard>
//! ```

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::chain::{sha256_hex, to_hex};
use crate::image::ImageRef;
use crate::lane::Lane;

/// Number of shards of a date or a month in the index.
pub const SHARDS: u8 = 16;

/// Fingerprint under which every failure has a pointer, whatever its kind: what lists failures.
pub const ANY_FAILURE: &str = "all";

/// Sort key of the header.
pub const HEADER: &str = "H";

/// Sort key of the summary.
pub const SUMMARY: &str = "S";

/// Partition key of an execution.
pub fn partition(execution: &str) -> String {
    format!("X#{execution}")
}

/// Sort-key prefix of a lane's events.
pub fn lane(lane: &Lane) -> String {
    format!("E#{lane}#")
}

/// Sort key of an event.
pub fn event(of: &Lane, seq: u64) -> String {
    format!("E#{of}#{seq:010}")
}

/// Lane and place of an event from its sort key, if it is one.
pub fn parse_event(sk: &str) -> Option<(Lane, u64)> {
    let (lane, seq) = sk.strip_prefix("E#")?.rsplit_once('#')?;
    Some((lane.parse().ok()?, seq.parse().ok()?))
}

/// Sort key of a seal.
pub fn seal(epoch: u32) -> String {
    format!("Z#{epoch:04}")
}

/// Name of the execution of one version of an image: `<yyyymmdd>-<32 hex>`.
///
/// The date is that of the notification, so a redelivery on the next day is the same execution. Two
/// notifications name the same version if bucket, key and version id agree; without a version id,
/// if entity tag and sequencer do.
pub fn execution_name(image: &ImageRef, notified: DateTime<Utc>) -> String {
    format!("{}-{}", notified.format("%Y%m%d"), image_digest(image))
}

/// 32 hex digits that stand for one version of an image.
pub fn image_digest(image: &ImageRef) -> String {
    let mut hasher = Sha256::new();
    let version = image.version.as_deref();
    let parts: [&str; 4] = match version {
        Some(version) => [&image.bucket, &image.key, version, ""],
        None => [
            &image.bucket,
            &image.key,
            image.etag.as_deref().unwrap_or(""),
            image.sequencer.as_deref().unwrap_or(""),
        ],
    };
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    to_hex(&hasher.finalize())[..32].to_string()
}

/// Name of the execution that redrives `execution`: `<name>-r<epoch seconds>`.
pub fn redrive_name(execution: &str, at: DateTime<Utc>) -> String {
    let original = execution
        .split_once("-r")
        .map_or(execution, |(original, _)| original);
    format!("{original}-r{}", at.timestamp())
}

/// A pointer item: the only kind of item with index keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Pointer {
    /// Sort key below the execution, `P#…`.
    pub sk: String,
    /// Partition key of the index.
    pub g1pk: String,
    /// Sort key of the index: time, then execution.
    pub g1sk: String,
}

fn shard(execution: &str) -> u8 {
    Sha256::digest(execution.as_bytes())[0] % SHARDS
}

fn index_sort(execution: &str, time: DateTime<Utc>) -> String {
    format!("{}#{execution}", crate::time::format(&time))
}

impl Pointer {
    /// By time: every execution that was claimed on a date.
    pub fn time(execution: &str, time: DateTime<Utc>) -> Self {
        Self {
            sk: "P#T".into(),
            g1pk: time_index(time, shard(execution)),
            g1sk: index_sort(execution, time),
        }
    }

    /// By image: every execution of `bucket/key`, all versions and redrives.
    pub fn image(execution: &str, bucket: &str, key: &str, time: DateTime<Utc>) -> Self {
        Self {
            sk: "P#I".into(),
            g1pk: image_index(bucket, key),
            g1sk: index_sort(execution, time),
        }
    }

    /// By kind of failure.
    pub fn failure(execution: &str, fingerprint: &str, time: DateTime<Utc>) -> Self {
        Self {
            sk: format!("P#F#{fingerprint}"),
            g1pk: failure_index(fingerprint, time, shard(execution)),
            g1sk: index_sort(execution, time),
        }
    }

    /// By branch and version.
    pub fn branch(execution: &str, branch: &str, version: &str, time: DateTime<Utc>) -> Self {
        Self {
            sk: format!("P#B#{branch}"),
            g1pk: format!(
                "B#{branch}@{version}#{}#{:02}",
                time.format("%Y-%m"),
                shard(execution)
            ),
            g1sk: index_sort(execution, time),
        }
    }
}

/// Index partition of the executions of a date in one shard.
pub fn time_index(date: DateTime<Utc>, shard: u8) -> String {
    format!("T#{}#{shard:02}", date.format("%Y-%m-%d"))
}

/// Index partition of the failures of one kind (or of [`ANY_FAILURE`]) of a month in one shard.
pub fn failure_index(fingerprint: &str, month: DateTime<Utc>, shard: u8) -> String {
    format!("F#{fingerprint}#{}#{shard:02}", month.format("%Y-%m"))
}

/// Index partition of an image's executions. The key is hashed: it may be 1,024 bytes long.
pub fn image_index(bucket: &str, key: &str) -> String {
    format!("I#{}", sha256_hex(format!("{bucket}/{key}").as_bytes()))
}

/// Key of a result: `results/<branch>/<key>/<output>`.
pub fn result(branch: &str, image_key: &str, output: &str) -> String {
    format!("results/{branch}/{image_key}/{output}")
}
