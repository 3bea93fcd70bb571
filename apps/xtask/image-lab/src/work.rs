//! One piece of work over many files, timed.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::time::{ClockId, clock_gettime};
use safelight_branch_compress as compress;
use safelight_branch_label as label;
use safelight_branch_thumbnail as thumbnail;
use safelight_pixels::{Format, Limits, Output};
use safelight_schema::ImageFacts;
use safelight_validate::{Policy, Prober, Step};
use serde_json::json;

/// Does it to every file and prints `{files, failed, bytes, cpu}`; `cpu` in seconds.
pub fn time(work: &str, out: Option<&Path>, files: &[String]) -> anyhow::Result<()> {
    let (mut failed, mut bytes) = (0usize, 0usize);
    let begun = cpu();
    for (index, file) in files.iter().enumerate() {
        let outputs = match one(work, Path::new(file)) {
            Ok(outputs) => outputs,
            Err(error) => {
                eprintln!("image-lab: {file}: {error:#}");
                failed += 1;
                continue;
            }
        };
        for output in outputs {
            bytes += output.bytes.len();
            if let Some(out) = out {
                let kind = output.file_name.rsplit('.').next().unwrap_or_default();
                std::fs::write(out.join(format!("{index}.{kind}")), &output.bytes)?;
            }
        }
    }
    let cpu = cpu().saturating_sub(begun).as_secs_f64();
    println!(
        "{}",
        json!({ "files": files.len(), "failed": failed, "bytes": bytes, "cpu": cpu })
    );
    Ok(())
}

/// Does it to every file and prints `{peak_mib}`.
pub fn peak(work: &str, files: &[String]) -> anyhow::Result<()> {
    for file in files {
        one(work, Path::new(file))?;
    }
    println!("{}", json!({ "peak_mib": peak_mib()? }));
    Ok(())
}

/// The most resident memory that this process had.
pub fn peak_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmHWM")?
        .parse()?;
    Ok(kib / 1024.0)
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn one(work: &str, path: &Path) -> anyhow::Result<Vec<Output>> {
    let file = File::open(path)?;
    let format = facts(&file)?.format;
    let limits = Limits::default();
    let read = || std::fs::read(path);
    Ok(match work {
        "validate" => Vec::new(),
        "half" => {
            thumbnail::run(&read()?, format, &thumbnail::Settings::default(), &limits)?.outputs
        }
        "quality80" | "png" => {
            compress::run(&read()?, format, &compress::Settings::default(), &limits)?.outputs
        }
        "avif" => {
            let settings = compress::Settings {
                lossy_format: compress::LossyFormat::Avif,
                ..compress::Settings::default()
            };
            compress::run(&read()?, format, &settings, &limits)?.outputs
        }
        "properties" => label::run(&read()?, format, &label::Settings::default(), &limits)?.outputs,
        other => bail!("there is no work '{other}'"),
    })
}

/// What validate finds, by ranged reads, under the default policy.
pub fn facts(file: &File) -> anyhow::Result<ImageFacts> {
    let mut prober = Prober::new(file.metadata()?.len(), Policy::default().max_frames);
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

/// The outputs of one branch, or the name of its error.
pub fn branch(branch: &str, bytes: &[u8], format: Format) -> Result<Vec<Output>, String> {
    let limits = Limits::default();
    let named = |name: &str| name.to_owned();
    match branch {
        "thumbnail" => thumbnail::run(bytes, format, &thumbnail::Settings::default(), &limits)
            .map(|outcome| outcome.outputs)
            .map_err(|error| named(error.name())),
        "compress" => compress::run(bytes, format, &compress::Settings::default(), &limits)
            .map(|outcome| outcome.outputs)
            .map_err(|error| named(error.name())),
        _ => label::run(bytes, format, &label::Settings::default(), &limits)
            .map(|outcome| outcome.outputs)
            .map_err(|error| named(error.name())),
    }
}
