//! `safelight backfill`: what lies in a bucket already is sent through the workflow as if it had just
//! arrived.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use safelight_aws::Listed;
use safelight_ports::queue::MAX_BATCH;
use safelight_ports::{Objects as _, Queue as _, Record as _};
use safelight_schema::chain::sha256_hex;
use safelight_schema::{ExecutionInput, Header, ImageRef, key};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::arguments::{BackfillArguments, Backfilled};
use crate::cloud::Cloud;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{usage, with_next_step};
use crate::host::INGEST;
use crate::terminal;

/// Runs of an image that are looked at for one of the same content.
const RUNS: u32 = 20;

/// What stays as it is in the key of a notification.
const KEY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*');

/// Bucket and prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    bucket: String,
    prefix: String,
}

/// How far a backfill has come: everything up to this key is queued.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    after: Option<String>,
    /// When a run with `--again` began: the names of its executions end with that.
    #[serde(default)]
    again: Option<DateTime<Utc>>,
}

/// Runs the command.
pub async fn run(arguments: &BackfillArguments, config: &Config) -> anyhow::Result<Exit> {
    let source = Source::parse(&arguments.source)?;
    let aws = config.aws.as_ref().ok_or_else(|| {
        with_next_step(
            "no deployment is configured",
            "put [aws] into safelight.toml: docs/aws.md",
        )
    })?;
    let cloud = Cloud::open(aws).await;
    let file = position_file(&config.state_dir, &source);
    let mut position = if arguments.resume {
        read(&file)?
    } else {
        Position::default()
    };
    position.again = arguments
        .again
        .then(|| position.again.unwrap_or_else(Utc::now));
    let mut pace = Pace::new(arguments.rate);
    let bar = progress(arguments.place.json);
    let mut done = Backfilled {
        bucket: source.bucket.clone(),
        prefix: source.prefix.clone(),
        dry_run: arguments.dry_run,
        ..Backfilled::default()
    };
    loop {
        let after = position.after.as_deref();
        let listed = cloud.objects().list(&source.bucket, &source.prefix, after);
        let listed = listed.await.map_err(|error| {
            with_next_step(
                error,
                "look at the bucket's name, AWS_PROFILE and AWS_REGION",
            )
        })?;
        if listed.is_empty() {
            break;
        }
        for batch in listed.chunks(MAX_BATCH) {
            let mut bodies = Vec::new();
            for object in batch {
                done.objects += 1;
                if is_own(&cloud, &source.bucket, object) {
                    done.skipped += 1;
                    continue;
                }
                let run = latest_run(&cloud, &source.bucket, object).await?;
                match (run, position.again) {
                    (Some(_), None) => {
                        done.unchanged += 1;
                        continue;
                    }
                    (Some(run), Some(at)) => {
                        bodies.push(once_more(&run.execution, run.input.image, at));
                    }
                    (None, _) => bodies.push(notification(&source.bucket, object)),
                }
                done.bytes += object.bytes;
            }
            done.queued += bodies.len() as u64;
            if !arguments.dry_run {
                pace.wait(bodies.len()).await;
                cloud.queue().send(INGEST, &bodies).await?;
                // After it was queued: what is queued twice is one execution, by its name.
                position.after = batch.last().map(|object| object.key.clone());
                write(&file, &position)?;
            }
            bar.set_position(done.objects);
            bar.set_message(format!(
                "{} queued, {} unchanged",
                done.queued, done.unchanged
            ));
        }
        position.after = listed.last().map(|object| object.key.clone());
    }
    bar.finish_and_clear();
    if !arguments.dry_run {
        forget(&file)?;
    }
    print(&done, arguments.place.json)?;
    Ok(Exit::Fine)
}

impl Source {
    fn parse(text: &str) -> anyhow::Result<Self> {
        let whole = text.strip_prefix("s3://").filter(|rest| !rest.is_empty());
        let whole = whole.ok_or_else(|| {
            usage(
                format!("'{text}' is not an address in S3"),
                "give s3://BUCKET or s3://BUCKET/PREFIX",
            )
        })?;
        let (bucket, prefix) = whole.split_once('/').unwrap_or((whole, ""));
        if bucket.is_empty() {
            return Err(usage(
                format!("'{text}' names no bucket"),
                "give s3://BUCKET or s3://BUCKET/PREFIX",
            ));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

/// A folder's mark, and what the product wrote itself.
fn is_own(cloud: &Cloud, bucket: &str, object: &Listed) -> bool {
    object.key.ends_with('/') || bucket == cloud.objects().results_bucket()
}

/// The header of the latest execution of this very content.
async fn latest_run(
    cloud: &Cloud,
    bucket: &str,
    object: &Listed,
) -> anyhow::Result<Option<Header>> {
    let record = cloud.record();
    let index = key::image_index(bucket, &object.key);
    let runs = record.find(&index, true, RUNS, None).await?;
    for run in runs.items {
        let header = record.header(&run.execution).await?;
        let is_same = |it: &Header| it.input.image.etag.as_deref() == Some(&object.etag);
        if let Some(header) = header.filter(is_same) {
            return Ok(Some(header));
        }
    }
    Ok(None)
}

/// The notification that S3 would have sent, of the time at which the object was put: the same object
/// is the same execution, however often it is sent.
fn notification(bucket: &str, object: &Listed) -> String {
    json!({ "Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": safelight_schema::time::format(&object.modified),
        "s3": {
            "bucket": { "name": bucket },
            "object": {
                "key": utf8_percent_encode(&object.key, KEY).to_string(),
                "size": object.bytes,
                "eTag": object.etag,
            },
        },
    }] })
    .to_string()
}

/// What does again all that a run did, in an execution of its own: the notification would be taken for
/// the one that was. In one backfill it is the same execution, however often it is sent.
fn once_more(run: &str, image: ImageRef, at: DateTime<Utc>) -> String {
    let execution = key::redrive_name(run, at);
    let input = ExecutionInput {
        image,
        redrive_of: Some(run.to_owned()),
        only: None,
    };
    json!({ "redrive": { "execution": execution, "input": input } }).to_string()
}

/// So many messages a second, and not more in one go.
struct Pace {
    each: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self {
            each: Duration::from_secs(1) / rate,
            next: Instant::now(),
        }
    }

    /// When so many messages may be sent, at `now`; they take their time from then on.
    fn due(&mut self, now: Instant, messages: usize) -> Instant {
        let due = self.next.max(now);
        self.next = due + self.each * u32::try_from(messages).unwrap_or(u32::MAX);
        due
    }

    async fn wait(&mut self, messages: usize) {
        let due = self.due(Instant::now(), messages);
        tokio::time::sleep_until(due.into()).await;
    }
}

fn position_file(state: &Path, source: &Source) -> PathBuf {
    let name = sha256_hex(format!("{}/{}", source.bucket, source.prefix).as_bytes());
    state.join(format!("backfill-{}.json", &name[..16]))
}

fn read(file: &Path) -> anyhow::Result<Position> {
    match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .with_context(|| format!("{} cannot be read", file.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(with_next_step(
            "there is no backfill of this to resume",
            "leave --resume out: what was done already is not done again",
        )),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

fn write(file: &Path, position: &Position) -> anyhow::Result<()> {
    let cannot = || format!("{} cannot be written", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).with_context(cannot)?;
    }
    let partial = file.with_extension("partial");
    std::fs::write(&partial, serde_json::to_vec(position)?).with_context(cannot)?;
    std::fs::rename(&partial, file).with_context(cannot)
}

fn forget(file: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", file.display()))
        }
        _ => Ok(()),
    }
}

fn progress(json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} objects, {msg}, {elapsed}");
    let bar = ProgressBar::new_spinner();
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print(done: &Backfilled, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(done)?);
        return Ok(());
    }
    println!(
        "{} of {} {} ({}); {} unchanged, {} passed over",
        done.queued,
        terminal::count(done.objects as usize, "object"),
        if done.dry_run {
            "would be queued"
        } else {
            "queued"
        },
        terminal::size(done.bytes),
        done.unchanged,
        done.skipped,
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_bucket_and_a_prefix() {
        let parsed = |text: &str| Source::parse(text).map(|it| (it.bucket, it.prefix)).ok();
        let pair = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        assert_eq!(parsed("s3://b"), pair("b", ""));
        assert_eq!(parsed("s3://b/"), pair("b", ""));
        assert_eq!(parsed("s3://b/2026/a b"), pair("b", "2026/a b"));
        for bad in ["", "b/k", "s3://", "s3:///k", "https://b/k"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_notification_is_read_back_as_the_object_it_is_of() {
        let object = Listed {
            key: "2026/여름 +100%&.jpg".into(),
            bytes: 7,
            etag: "e".into(),
            modified: DateTime::from_timestamp_millis(1_795_262_400_123).unwrap(),
        };
        let body: serde_json::Value =
            serde_json::from_str(&notification("photos", &object)).unwrap();
        let record = &body["Records"][0];
        assert_eq!(record["eventTime"], "2026-11-21T12:00:00.123Z");
        let key = record["s3"]["object"]["key"].as_str().unwrap();
        assert!(key.is_ascii() && !key.contains(['+', ' ', '&']), "{key}");
        let decoded = percent_encoding::percent_decode_str(key).decode_utf8();
        assert_eq!(decoded.unwrap(), object.key);
    }

    #[test]
    fn a_run_again_is_one_of_its_own_and_a_resumed_one_is_the_same() {
        let image = ImageRef {
            bucket: "photos".into(),
            key: "a.jpg".into(),
            version: Some("v".into()),
            etag: Some("e".into()),
            sequencer: Some("0055".into()),
            bytes: Some(7),
        };
        let sent = |execution: &str, second: i64| {
            let at = DateTime::from_timestamp(1_795_262_400 + second, 0).unwrap();
            let body: serde_json::Value =
                serde_json::from_str(&once_more(execution, image.clone(), at)).unwrap();
            body["redrive"].clone()
        };
        let first = sent("20200913-0a", 0);
        assert_eq!(first["execution"], "20200913-0a-r1795262400");
        let input = json!({ "image": image, "redriveOf": "20200913-0a" });
        assert_eq!(first["input"], input, "all branches, as old as it was");
        let next_run = sent("20200913-0a-r1795262400", 60);
        assert_eq!(next_run["execution"], "20200913-0a-r1795262460");
        let queued_twice = sent("20200913-0a-r1795262400", 0);
        assert_eq!(queued_twice["execution"], first["execution"]);
    }

    #[test]
    fn the_rate_holds_and_an_idle_time_is_not_made_up_for() {
        let mut pace = Pace::new(10);
        let begun = pace.next;
        let second = Duration::from_secs(1);
        assert_eq!(pace.due(begun, 10), begun);
        assert_eq!(pace.due(begun, 10), begun + second);
        assert_eq!(pace.due(begun + 9 * second, 5), begun + 9 * second);
        assert_eq!(
            pace.due(begun + 9 * second, 5),
            begun + 9 * second + second / 2
        );
    }

    #[test]
    fn a_position_is_read_back_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::parse("s3://b/p").unwrap();
        let file = position_file(&folder.path().join("state"), &source);
        assert!(read(&file).is_err());
        let position = Position {
            after: Some("p/한 글.jpg".into()),
            again: DateTime::from_timestamp(1_795_262_400, 0),
        };
        write(&file, &position).unwrap();
        let back = read(&file).unwrap();
        assert_eq!((back.after, back.again), (position.after, position.again));
        forget(&file).unwrap();
        forget(&file).unwrap();
        assert!(read(&file).is_err());
    }
}
