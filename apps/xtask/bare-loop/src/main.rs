//! `bare-loop BRANCHES IMAGES OUT`: the work that `safelight process` is for, and nothing else.
//!
//! Every file below IMAGES, one thread a processor: its header is read by ranges and checked against
//! the default policy, the rules of the manifests in BRANCHES choose, the file is read once, and each
//! wanted branch's pure function makes its files, which are written below OUT. No queue, no workflow,
//! no worker process, no hash, no record: what is left when all that is taken away.
//!
//! Prints one line of JSON: how many images there were, how many succeeded, how many files they made.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, bail};
use safelight_branch_compress as compress;
use safelight_branch_label as label;
use safelight_branch_thumbnail as thumbnail;
use safelight_pixels::{Format, Limits, Output};
use safelight_schema::{ImageFacts, Manifest};
use safelight_validate::{Policy, Prober, Step, policy};
use serde_json::json;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [branches, images, out] = arguments.as_slice() else { bail!("usage: bare-loop BRANCHES IMAGES OUT") };
    let job = Job {
        manifests: manifests(branches)?,
        policy: Policy::default(),
        images: images.canonicalize().with_context(|| format!("{} cannot be read", images.display()))?,
        out: out.clone(),
    };
    let files = files(&job.images)?;
    let (next, succeeded, outputs) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match job.image(file) {
                        Ok(made) => {
                            succeeded.fetch_add(1, Ordering::Relaxed);
                            outputs.fetch_add(made, Ordering::Relaxed);
                        }
                        Err(error) => eprintln!("bare-loop: {}: {error:#}", file.display()),
                    }
                }
            });
        }
    });
    println!(
        "{}",
        json!({
            "images": files.len(),
            "succeeded": succeeded.into_inner(),
            "outputs": outputs.into_inner(),
        })
    );
    Ok(())
}

struct Job {
    manifests: Vec<Manifest>,
    policy: Policy,
    images: PathBuf,
    out: PathBuf,
}

impl Job {
    /// Does everything for one image; gives the number of files made.
    fn image(&self, path: &Path) -> anyhow::Result<usize> {
        let file = File::open(path)?;
        let facts = self.facts(&file)?;
        let key = path.strip_prefix(&self.images)?;
        policy::check(&facts, &key.to_string_lossy(), &self.policy)?;
        let wanted = self.wanted(&facts, &key.to_string_lossy());
        let bytes = std::fs::read(path)?;
        let mut made = 0;
        for branch in wanted {
            for output in run(branch, &bytes, facts.format)? {
                self.write(branch, key, &output)?;
                made += 1;
            }
        }
        Ok(made)
    }

    fn facts(&self, file: &File) -> anyhow::Result<ImageFacts> {
        let mut prober = Prober::new(file.metadata()?.len(), self.policy.max_frames);
        loop {
            match prober.step() {
                Step::Read { offset, length } => {
                    let mut range = vec![0; length as usize];
                    file.read_exact_at(&mut range, offset)?;
                    prober.feed(&range);
                }
                Step::Done(facts) => return Ok(facts),
                Step::Failed(error) => return Err(error.into()),
            }
        }
    }

    fn wanted(&self, facts: &ImageFacts, key: &str) -> Vec<&str> {
        let features = BTreeSet::new();
        self.manifests
            .iter()
            .filter(|manifest| safelight_route::rules::applies(&manifest.when, facts, key, &features).is_ok())
            .map(|manifest| manifest.name.as_str())
            .collect()
    }

    fn write(&self, branch: &str, key: &Path, output: &Output) -> anyhow::Result<()> {
        let folder = self.out.join(branch).join(key);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(&output.file_name), &output.bytes)?;
        Ok(())
    }
}

/// The pure part of a branch, with its default settings.
fn run(branch: &str, bytes: &[u8], format: Format) -> anyhow::Result<Vec<Output>> {
    let limits = Limits::default();
    Ok(match branch {
        "compress" => compress::run(bytes, format, &compress::Settings::default(), &limits)?.outputs,
        "label" => label::run(bytes, format, &label::Settings::default(), &limits)?.outputs,
        "thumbnail" => thumbnail::run(bytes, format, &thumbnail::Settings::default(), &limits)?.outputs,
        other => bail!("the bare loop has no code for branch '{other}': add it to apps/xtask/bare-loop"),
    })
}

fn manifests(branches: &Path) -> anyhow::Result<Vec<Manifest>> {
    let entries = branches.read_dir().with_context(|| format!("{} cannot be read", branches.display()))?;
    let mut manifests = Vec::new();
    for entry in entries {
        let path = entry?.path().join("branch.json");
        let text = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let manifest: Manifest =
            serde_json::from_slice(&text).with_context(|| format!("{} is no manifest", path.display()))?;
        manifests.push(manifest);
    }
    manifests.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(manifests)
}

/// Every file below `folder`, without hidden ones, sorted: as `safelight process` takes them.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().with_context(|| format!("{} cannot be read", folder.display()))? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match entry.file_type()? {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files.sort();
    Ok(files)
}
