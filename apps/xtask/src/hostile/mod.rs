//! `cargo xtask hostile`: a few thousand broken and odd images, and how each of them ends.
//!
//! Pillow's own test images, what this repository holds, mutations of it, what the fuzz targets found on
//! their way where `cargo xtask fuzz` has run, and bombs. Each goes
//! through validate and every branch that takes it, in a process with a worker's memory limit and time.
//! An end without a name, a panic (a caught one, too), a crash and a timeout are findings, and fail the
//! command. What Pillow and ImageMagick say of the same files is compared with ours.

mod agreement;
mod bombs;
mod bombs_svg;
mod lab;
mod mutate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::corpus;
use crate::tools::Tools;
use crate::workspace::Workspace;
use lab::{Lab, Outcome};

/// Options of the run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Mutations of each file of the repository
    #[arg(long, value_name = "N", default_value_t = 12)]
    mutations: u32,
    /// Where the chain of chances begins
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Do not ask Pillow and ImageMagick
    #[arg(long)]
    alone: bool,
    /// Only files whose path contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Features that the image functions are built with, such as `turbo`
    #[arg(long, value_delimiter = ',', value_name = "FEATURES")]
    features: Vec<String>,
}

/// Runs it. Reports are below target/hostile.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let tools = Tools::ready(workspace, &options.features)?;
    let folder = workspace.target().join("hostile");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let sets = sets(workspace, &tools, &folder, options)?;
    let mut lab = Lab::new(&tools);
    let mut outcomes = Vec::new();
    for (set, files) in &sets {
        eprintln!("{set}: {} files …", files.len());
        for file in files {
            outcomes.push((set.as_str(), lab.outcome(file)?));
        }
    }
    let findings = summary(&outcomes);
    let report: Vec<_> = outcomes
        .iter()
        .map(|(set, outcome)| (set, outcome))
        .collect();
    std::fs::write(
        folder.join("outcomes.json"),
        serde_json::to_vec_pretty(&report)?,
    )?;
    if !options.alone {
        let compared: Vec<&Outcome> = outcomes
            .iter()
            .filter(|(set, _)| !matches!(*set, "bombs" | "fuzzed"))
            .map(|(_, outcome)| outcome)
            .collect();
        println!("{}", agreement::compare(&tools, &compared, &folder)?);
    }
    if findings > 0 {
        bail!(
            "{findings} findings: see {}",
            folder.join("outcomes.json").display()
        );
    }
    Ok(())
}

type Sets = BTreeMap<String, Vec<PathBuf>>;

fn sets(
    workspace: &Workspace,
    tools: &Tools<'_>,
    folder: &Path,
    options: &Options,
) -> anyhow::Result<Sets> {
    let mut ours = corpus::files(&workspace.root().join("samples"))?;
    ours.extend(corpus::files(
        &workspace.root().join("functions/pixels/tests/fixtures"),
    )?);
    ours.retain(|file| {
        file.extension()
            .is_none_or(|kind| kind != "py" && kind != "md")
    });
    let pillow = tools.rivals().join("pillow/Tests/images");
    let pillow = corpus::files(&pillow).with_context(|| {
        format!(
            "Pillow's test images are missing: remove {}",
            tools.rivals().display()
        )
    })?;
    let mutated = mutate::all(
        &ours,
        &folder.join("mutated"),
        options.mutations,
        options.seed,
    )?;
    let fuzzed = fuzzed(&workspace.root().join("fuzz/pixels/corpus"))?;
    let bombs = bombs::all(&folder.join("bombs"))?;
    let mut sets = Sets::new();
    for (name, mut files) in [
        ("pillow", pillow),
        ("repository", ours),
        ("mutated", mutated),
        ("fuzzed", fuzzed),
        ("bombs", bombs),
    ] {
        if let Some(text) = &options.only {
            files.retain(|file| file.to_string_lossy().contains(text.as_str()));
        }
        sets.insert(name.to_owned(), files);
    }
    Ok(sets)
}

/// Of each target's corpus as many files as it is quick to try, from all over it.
fn fuzzed(corpus: &Path) -> anyhow::Result<Vec<PathBuf>> {
    const OF_EACH: usize = 100;
    let Ok(targets) = std::fs::read_dir(corpus) else {
        eprintln!("no corpus of fuzzing here: `cargo xtask fuzz` makes one");
        return Ok(Vec::new());
    };
    let mut taken = Vec::new();
    for target in targets {
        let files = corpus::files(&target?.path())?;
        let step = files.len().div_ceil(OF_EACH);
        taken.extend(files.into_iter().step_by(step));
    }
    Ok(taken)
}

/// Prints how the files of each set ended; gives the number of findings.
fn summary(outcomes: &[(&str, Outcome)]) -> usize {
    let mut counts: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut findings = 0;
    let (mut slowest, mut largest): (Option<&Outcome>, Option<&Outcome>) = (None, None);
    for (set, outcome) in outcomes {
        *counts.entry((set, outcome.in_short())).or_default() += 1;
        if slowest.is_none_or(|other| outcome.seconds > other.seconds) {
            slowest = Some(outcome);
        }
        if largest.is_none_or(|other| outcome.peak_mib > other.peak_mib) {
            largest = Some(outcome);
        }
        for finding in outcome.findings() {
            findings += 1;
            println!("FOUND {}: {finding}", outcome.file.display());
        }
    }
    println!("\n| set | outcome | files |\n|---|---|---:|");
    for ((set, outcome), count) in &counts {
        println!("| {set} | {outcome} | {count} |");
    }
    if let (Some(slowest), Some(largest)) = (slowest, largest) {
        println!(
            "\n{} files, {findings} findings. Slowest: {:.1} s ({}). Most memory: {:.0} MiB ({}).\n",
            outcomes.len(),
            slowest.seconds,
            lab::name_of(&slowest.file),
            largest.peak_mib,
            lab::name_of(&largest.file)
        );
    }
    findings
}
