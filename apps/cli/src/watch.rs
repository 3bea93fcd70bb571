//! Watched folders: a file is taken when it is completely written.
//!
//! A file counts as completely written when its size and its time of modification were the same in
//! two looks, [`LOOK`] apart, it is not younger than that, and no process has it open for writing as
//! far as [`writers`] can tell. Hidden files are left alone, so a writer may also write `.name` and
//! rename it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::Utc;
use safelight_ports::{Queue as _, Record as _};
use safelight_schema::key;

use crate::config::Config;
use crate::host::{Host, INGEST};
use crate::ingest::{self, Bucket, Source};
use crate::writers::{self, FileId};

/// Time between two looks at a folder.
pub const LOOK: Duration = Duration::from_secs(1);

/// What a look found of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    etag: String,
    taken: bool,
}

/// Looks at the folders for ever.
pub async fn run(host: &Host, buckets: Vec<Bucket>, config: &Config) -> anyhow::Result<()> {
    let mut seen = HashMap::<PathBuf, Seen>::new();
    let mut told = HashSet::<String>::new();
    let mut ticks = tokio::time::interval(LOOK);
    let excluded = [config.out.clone(), config.state_dir.clone()];
    loop {
        ticks.tick().await;
        for bucket in &buckets {
            let (root, excluded) = (bucket.root.clone(), excluded.clone());
            let found =
                tokio::task::spawn_blocking(move || ingest::files_below(&root, &excluded)).await?;
            let (files, problems) = found;
            for problem in problems {
                // Once is enough: it is looked at every second.
                if told.insert(problem.shown.clone()) {
                    tracing::warn!(path = problem.shown, "passed over: {}", problem.cause);
                }
            }
            let settled: Vec<PathBuf> = files
                .into_iter()
                .filter(|path| is_settled(path, &mut seen))
                .collect();
            if settled.is_empty() {
                continue;
            }
            for path in tokio::task::spawn_blocking(move || without_writers(settled)).await? {
                let Some(seen) = seen.get_mut(&path) else {
                    continue;
                };
                // Whoever closed it just now may have written before.
                if etag_of(&path).as_ref() == Some(&seen.etag) {
                    take(host, bucket, path).await?;
                    seen.taken = true;
                }
            }
        }
        seen.retain(|path, _| path.exists());
    }
}

/// The files that nobody has open for writing. One that somebody has is asked about again at the next
/// look.
fn without_writers(files: Vec<PathBuf>) -> Vec<PathBuf> {
    let ids: Vec<Option<FileId>> = files.iter().map(|file| FileId::of(file)).collect();
    let written = writers::being_written(&ids.iter().flatten().copied().collect());
    let free = |id: &Option<FileId>| id.is_some_and(|id| !written.contains(&id));
    files
        .into_iter()
        .zip(ids)
        .filter(|(_, id)| free(id))
        .map(|(file, _)| file)
        .collect()
}

fn etag_of(path: &PathBuf) -> Option<String> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(safelight_local::file_etag(&metadata))
}

/// Whether a file is as it was at the last look, and was not taken like this.
fn is_settled(path: &PathBuf, seen: &mut HashMap<PathBuf, Seen>) -> bool {
    let Ok(metadata) = std::fs::metadata(path) else {
        return false;
    };
    let etag = safelight_local::file_etag(&metadata);
    let young = metadata
        .modified()
        .ok()
        .and_then(|modified| SystemTime::now().duration_since(modified).ok())
        .is_some_and(|age| age < LOOK);
    match seen.get(path) {
        Some(last) if last.etag == etag => !last.taken && !young,
        _ => {
            seen.insert(path.clone(), Seen { etag, taken: false });
            false
        }
    }
}

/// Queues a file, unless the record has this version of it already.
async fn take(host: &Host, bucket: &Bucket, path: PathBuf) -> anyhow::Result<()> {
    let Some(source) = Source::in_bucket(bucket, path) else {
        return Ok(());
    };
    let image = ingest::image_of(&host.objects, &source).await;
    let known = host
        .record
        .find(&key::image_index(&image.bucket, &image.key), true, 20, None)
        .await?;
    for item in known.items {
        if let Some(header) = host.record.header(&item.execution).await?
            && header.input.image.version == image.version
        {
            return Ok(());
        }
    }
    let body = ingest::notification(&image, Utc::now()).to_string();
    host.queue.send(INGEST, &[body]).await?;
    Ok(())
}
