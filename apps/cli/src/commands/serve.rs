//! `safelight serve`: keeps running: watches folders, takes uploads, serves the Step Functions API.

use std::path::Path;

use anyhow::Context as _;

use crate::arguments::ServeArguments;
use crate::config::{BucketConfig, Config};
use crate::exit::Exit;
use crate::failure::with_next_step;
use crate::host::{Host, Role};
use crate::ingest::Bucket;
use crate::watch;

/// Runs until SIGTERM or Ctrl-C; then finishes what is open.
pub async fn run(arguments: &ServeArguments, mut config: Config) -> anyhow::Result<Exit> {
    add_watched(arguments, &mut config)?;
    config.serve.check_listen()?;
    let mut buckets = Vec::new();
    let mut watched = Vec::new();
    for (name, bucket) in &config.serve.buckets {
        std::fs::create_dir_all(&bucket.path).with_context(|| {
            format!(
                "the folder {} of bucket '{name}' cannot be made",
                bucket.path.display()
            )
        })?;
        let root = bucket
            .path
            .canonicalize()
            .with_context(|| format!("{} cannot be read", bucket.path.display()))?;
        let bucket_of = Bucket {
            name: name.clone(),
            root,
        };
        if bucket.watch {
            watched.push(bucket_of.clone());
        }
        buckets.push(bucket_of);
    }
    let host = Host::start(&config, Role::Serve, buckets).await?;
    eprintln!("listening on http://{}", host.address);
    for (name, bucket) in &config.serve.buckets {
        let how = if bucket.watch {
            "watched"
        } else {
            "uploads only"
        };
        eprintln!(
            "  bucket {name}: {} ({how}), PUT http://{}/{name}/KEY",
            bucket.path.display(),
            host.address
        );
    }
    eprintln!(
        "  results {}, record {}",
        config.out.display(),
        config.state_dir.display()
    );
    let ended = tokio::select! {
        ended = watch::run(&host, watched, &config) => ended,
        error = host.stopped() => Err(error),
        signal = terminated() => signal,
    };
    if ended.is_ok() {
        eprintln!(
            "draining: {} open; ask again to stop at once",
            crate::terminal::count(host.open_executions(), "execution")
        );
        tokio::select! {
            drained = host.drain() => drained?,
            signal = terminated() => {
                signal?;
                eprintln!("stopped; what is open goes on at the next start");
            }
        }
    }
    host.shutdown().await;
    ended?;
    Ok(Exit::Fine)
}

fn add_watched(arguments: &ServeArguments, config: &mut Config) -> anyhow::Result<()> {
    for folder in &arguments.watch {
        // A folder of the configuration is made where it is not there; one that is typed may be mistyped.
        if !folder.is_dir() {
            return Err(with_next_step(
                format!("{} is not a folder", folder.display()),
                "make it, or give --watch a folder that is there",
            ));
        }
        let name = bucket_name(folder)?;
        let bucket = BucketConfig {
            path: folder.clone(),
            watch: true,
        };
        if config.serve.buckets.insert(name.clone(), bucket).is_some() {
            return Err(with_next_step(
                format!("two folders would be the bucket '{name}'"),
                "give them names of their own under [serve.buckets] in safelight.toml",
            ));
        }
    }
    if config.serve.buckets.is_empty() {
        return Err(with_next_step(
            "there is no bucket to serve",
            "give --watch DIR, or [serve.buckets.NAME] with path in safelight.toml",
        ));
    }
    Ok(())
}

/// The folder's own name, as far as a bucket can have it.
fn bucket_name(folder: &Path) -> anyhow::Result<String> {
    let whole = std::path::absolute(folder)
        .with_context(|| format!("{} is not a path", folder.display()))?;
    let name: String = whole
        .file_name()
        .map(|name| name.to_string_lossy().to_lowercase())
        .unwrap_or_default()
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .collect();
    let name = name.trim_matches('-').to_owned();
    if (3..=63).contains(&name.len()) && name != "results" {
        return Ok(name);
    }
    Err(with_next_step(
        format!(
            "{} gives no bucket name of 3 to 63 letters, digits and hyphens",
            folder.display()
        ),
        "name it under [serve.buckets] in safelight.toml",
    ))
}

/// Ends when somebody asks the process to end.
async fn terminated() -> anyhow::Result<()> {
    crate::host::interrupted().await
}
