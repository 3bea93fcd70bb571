//! `safelight process`: the workflow over files or folders once, a row for each image, then the end.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use chrono::Utc;
use safelight_ports::{Queue as _, Record};
use safelight_schema::{Header, ImageRef, Summary, key};
use serde_json::json;
use tokio::sync::mpsc;

use crate::arguments::ProcessArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::OrNextStep as _;
use crate::follow::Follower;
use crate::host::{Host, INGEST, Role};
use crate::ingest::{self, Source};
use crate::redrive::RedriveNames;
use crate::report::Reporter;
use crate::row::Row;

/// Newest executions of an image that are looked at: each is a version or a redrive of it.
const VERSIONS: u32 = 50;

/// Files that are hashed ahead of the queue.
const AHEAD: usize = 64;

/// Runs the command.
pub async fn run(arguments: &ProcessArguments, config: &Config) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    let sources = ingest::sources(
        &arguments.paths,
        &[config.out.clone(), config.state_dir.clone()],
    )?;
    let ingest::Found {
        sources,
        problems,
        left_out,
    } = sources;
    if let Some(told) = left_out.told() {
        eprintln!("{told}");
    }
    let mut reporter = Reporter::new(
        arguments.place.json,
        (sources.len() + problems.len()) as u64,
    );
    let host = Host::start(config, Role::Batch, buckets(&sources)).await?;
    for problem in problems {
        reporter.row(Row::unreadable(&problem.shown, &problem.cause))?;
    }
    let result = drive(&host, sources, arguments.again, config, &mut reporter).await;
    let settled = if result.is_ok() {
        host.settle().await
    } else {
        Ok(())
    };
    host.shutdown().await;
    result?;
    settled?;
    let report = reporter.finish();
    if !arguments.place.json {
        crate::report::print_end(&report, config, begun.elapsed());
    }
    Ok(report.exit())
}

fn buckets(sources: &[Source]) -> Vec<ingest::Bucket> {
    let mut buckets: Vec<_> = sources.iter().map(|source| source.bucket.clone()).collect();
    buckets.sort_by(|left, right| left.name.cmp(&right.name));
    buckets.dedup();
    buckets
}

/// Queues what is new while the host works, and reports every image as it ends.
async fn drive(
    host: &Host,
    sources: Vec<Source>,
    again: bool,
    config: &Config,
    reporter: &mut Reporter,
) -> anyhow::Result<()> {
    let mut follower = Follower::new(host);
    let queued = queued_executions(host).await?;
    let (sender, mut hashed) = mpsc::channel::<(Source, ImageRef)>(AHEAD);
    let objects = host.objects.clone();
    let hashing = tokio::spawn(async move {
        for source in sources {
            let image = ingest::image_of(&objects, &source).await;
            if sender.send((source, image)).await.is_err() {
                break;
            }
        }
    });
    let results = config.out.display().to_string();
    let interrupted = crate::host::interrupted();
    tokio::pin!(interrupted);
    let mut names = RedriveNames::default();
    let mut open = true;
    while open || !follower.is_empty() {
        tokio::select! {
            // What has ended is reported before more is queued.
            biased;
            signal = &mut interrupted => {
                signal?;
                anyhow::bail!(crate::failure::with_next_step(
                    "interrupted",
                    "run the same command again: it goes on where it was",
                ));
            }
            closed = follower.next(), if !follower.is_empty() => {
                if let Some((shown, summary)) = follower.ended(&closed?).await? {
                    reporter.row(Row::of(&summary, &shown, &results, false))?;
                }
            }
            next = hashed.recv(), if open => match next {
                Some((source, image)) => {
                    match plan(host, &image, again, &queued, &config.out, &mut names).await? {
                        Plan::Unchanged(header, summary) => {
                            reporter.row(Row::of(&summary, &source.shown, &results, true))?;
                            let gone_through = gone_through(&host.record, *header).await?;
                            reporter.missed(host.branches.missed(&gone_through));
                        }
                        Plan::Follow(execution) => follower.follow(execution, source.shown),
                        Plan::Start { execution, body } => {
                            follower.expect(execution, source.shown);
                            host.queue.send(INGEST, &[body]).await.or_next_step(
                                "the image cannot be queued",
                                "run `safelight doctor`",
                            )?;
                        }
                    }
                }
                None => open = false,
            },
        }
    }
    hashing.await.context("reading the files")?;
    Ok(())
}

/// What is to be done for an image.
enum Plan {
    /// Nothing: it is finished.
    Unchanged(Box<Header>, Box<Summary>),
    /// An earlier run started it and did not see its end.
    Follow(String),
    /// Queue this message.
    Start { execution: String, body: String },
}

async fn plan(
    host: &Host,
    image: &ImageRef,
    again: bool,
    queued: &HashMap<String, String>,
    out: &Path,
    names: &mut RedriveNames,
) -> anyhow::Result<Plan> {
    if let Some(execution) = queued.get(&key::image_digest(image)) {
        return Ok(Plan::Follow(execution.clone()));
    }
    let earlier = latest_of_version(&host.record, image).await?;
    let now = Utc::now();
    match earlier {
        None => Ok(Plan::Start {
            execution: key::execution_name(image, now),
            body: ingest::notification(image, now).to_string(),
        }),
        Some((header, None)) => Ok(Plan::Follow(header.execution)),
        Some((header, Some(summary))) if !again && has_outputs(&summary, out) => {
            Ok(Plan::Unchanged(Box::new(header), Box::new(summary)))
        }
        Some((header, Some(_))) => {
            let again = names.next(&host.record, &header.execution).await?;
            let input = json!({ "image": image, "redriveOf": header.execution });
            Ok(Plan::Start {
                body: json!({ "redrive": { "execution": again, "input": input } }).to_string(),
                execution: again,
            })
        }
    }
}

/// The newest execution of exactly this version, with its summary if it has ended.
async fn latest_of_version(
    record: &dyn Record,
    image: &ImageRef,
) -> anyhow::Result<Option<(Header, Option<Summary>)>> {
    let partition = key::image_index(&image.bucket, &image.key);
    let page = record.find(&partition, true, VERSIONS, None).await?;
    for item in page.items {
        let Some(header) = record.header(&item.execution).await? else {
            continue;
        };
        if header.input.image.version == image.version {
            let summary = record.summary(&item.execution).await?;
            return Ok(Some((header, summary)));
        }
    }
    Ok(None)
}

/// The branches that an image was shown to, with their versions: a redrive of some of them leaves the
/// others as the run before it did.
async fn gone_through(
    record: &dyn Record,
    mut run: Header,
) -> anyhow::Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for _ in 0..VERSIONS {
        let only = run.input.only;
        for (branch, version) in run.branches {
            if only.as_ref().is_none_or(|only| only.contains(&branch)) {
                versions.entry(branch).or_insert(version);
            }
        }
        let before = match run.input.redrive_of.filter(|_| only.is_some()) {
            Some(before) => record.header(&before).await?,
            None => None,
        };
        match before {
            Some(before) => run = before,
            None => break,
        }
    }
    Ok(versions)
}

/// Whether everything that it wrote is in this results folder.
fn has_outputs(summary: &Summary, out: &Path) -> bool {
    summary
        .branches
        .values()
        .flat_map(|branch| &branch.outputs)
        .all(|output| {
            let below = output.key.strip_prefix("results/").unwrap_or(&output.key);
            out.join(below).exists()
        })
}

/// Executions of messages that an earlier run queued: by the digest of their image.
async fn queued_executions(host: &Host) -> anyhow::Result<HashMap<String, String>> {
    let mut found = HashMap::new();
    for message in host.queue.browse(INGEST, u32::MAX).await? {
        if let Some((image, execution)) = ingest::read_message(&message.body) {
            found.insert(key::image_digest(&image), execution);
        }
    }
    Ok(found)
}
