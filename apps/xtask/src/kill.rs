//! `cargo xtask kill`: real photographs, a kill -9 of the host and its workers in the middle, the same
//! command again, and then: every image has exactly one outcome, there are as many executions as
//! images, and the record verifies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

use crate::product::{Product, Row, Running};
use crate::workspace::Workspace;
use crate::{corpus, distinct, usage};

/// Options of the kill run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Folder of photographs [default: target/corpus, made by apps/xtask/corpus.sh]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Photographs; copies of the corpus with a comment of their own in each
    #[arg(long, value_name = "N", default_value_t = 300)]
    images: usize,
    /// How often it is killed
    #[arg(long, value_name = "N", default_value_t = 1)]
    kills: usize,
}

/// Of `audit verify --json`, what is needed here.
#[derive(Debug, Deserialize)]
struct Verification {
    executions: usize,
    events: usize,
    open: usize,
    damage: Vec<Value>,
}

/// What every run of `process` reported, together.
#[derive(Debug, Default)]
struct Seen {
    /// Executions and outcomes by image; more than one of either is what must not be.
    executions: BTreeMap<String, BTreeSet<String>>,
    outcomes: BTreeMap<String, BTreeSet<String>>,
    /// Outcomes that were reported a second time as something other than `unchanged`.
    repeated: Vec<String>,
}

/// Runs it; an error says what was found to be wrong.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let photographs = corpus::folder(workspace, options.corpus.as_deref())?;
    let scratch = workspace.scratch()?;
    let images = scratch.path().join("photographs");
    let bytes = copy(&photographs, &images, options.images)?;
    println!(
        "{} photographs, {} MB, no two alike",
        options.images,
        bytes / 1_000_000
    );
    let product = Product::build(workspace, scratch.path())?;
    let mut seen = Seen::default();
    for kill in 1..=options.kills {
        let until = options.images * kill / (options.kills + 1);
        kill_after(&product, &images, until, &mut seen)?;
    }
    let processed = product.process(&images)?;
    let unchanged = processed
        .rows
        .iter()
        .filter(|row| row.outcome == "unchanged")
        .count();
    println!(
        "resumed: {} images reported, {unchanged} of them as unchanged, in {:.1} s",
        processed.rows.len(),
        processed.usage.wall.as_secs_f64()
    );
    ensure!(
        processed.rows.len() == options.images,
        "{} photographs, but {} rows in the last run",
        options.images,
        processed.rows.len()
    );
    for row in &processed.rows {
        seen.add(row);
    }
    seen.check(options.images)?;
    verify(&product, options.images)
}

/// Fills `folder` with `count` copies of JPEGs and PNGs, each with a comment of its own. Gives their
/// bytes in all.
fn copy(photographs: &Path, folder: &Path, count: usize) -> anyhow::Result<u64> {
    std::fs::create_dir_all(folder)?;
    let files = corpus::files(photographs)?;
    let (mut made, mut bytes) = (0, 0);
    while made < count {
        let before = made;
        for file in &files {
            if made == count {
                break;
            }
            let image = std::fs::read(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            let Some(copy) = distinct::with_index(&image, made) else {
                continue;
            };
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            std::fs::write(folder.join(format!("{made:05}-{name}")), &copy)?;
            bytes += copy.len() as u64;
            made += 1;
        }
        ensure!(
            made > before,
            "{} holds neither JPEG nor PNG",
            photographs.display()
        );
    }
    Ok(bytes)
}

/// Starts `process`, and kills it and its workers once `until` images have an outcome.
fn kill_after(
    product: &Product,
    images: &Path,
    until: usize,
    seen: &mut Seen,
) -> anyhow::Result<()> {
    let mut running = product.start_process(images)?;
    while seen.images() < until {
        let Some(row) = running.row()? else {
            bail!(
                "`safelight process` ended by itself: {}",
                running.child.wait()?
            );
        };
        seen.add(&row);
    }
    let workers = usage::children(running.child.id())?;
    kill(running.child.id())?;
    for worker in &workers {
        // Most are gone by now: they are bound to their host.
        let _ = kill(*worker);
    }
    let status = running.child.wait()?;
    ensure!(
        status.code().is_none(),
        "it was not killed, but ended: {status}"
    );
    let late = drain(&mut running, seen)?;
    println!(
        "killed: host and {} workers, when {} of the images had an outcome ({late} more were on their way to us)",
        workers.len(),
        seen.images() - late
    );
    Ok(())
}

/// What it had written into the pipe.
fn drain(running: &mut Running, seen: &mut Seen) -> anyhow::Result<usize> {
    let before = seen.images();
    while let Some(row) = running.row()? {
        seen.add(&row);
    }
    Ok(seen.images() - before)
}

fn kill(pid: u32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no process has the id 0")?;
    kill_process(pid, Signal::KILL).context("the process cannot be killed")
}

impl Seen {
    fn images(&self) -> usize {
        self.executions.len()
    }

    fn add(&mut self, row: &Row) {
        let again = self.executions.contains_key(&row.image);
        self.executions
            .entry(row.image.clone())
            .or_default()
            .insert(row.execution.clone());
        if row.outcome != "unchanged" {
            if again {
                self.repeated
                    .push(format!("{} ({})", row.image, row.outcome));
            }
            self.outcomes
                .entry(row.image.clone())
                .or_default()
                .insert(row.outcome.clone());
        }
    }

    fn check(&self, images: usize) -> anyhow::Result<()> {
        let several = |found: &BTreeMap<String, BTreeSet<String>>| {
            found
                .iter()
                .filter(|(_, values)| values.len() != 1)
                .map(|(image, values)| format!("{image}: {values:?}"))
                .collect()
        };
        let executions: Vec<String> = several(&self.executions);
        let outcomes: Vec<String> = several(&self.outcomes);
        ensure!(
            executions.is_empty(),
            "images with more than one execution: {executions:?}"
        );
        ensure!(
            outcomes.is_empty(),
            "images with more than one outcome: {outcomes:?}"
        );
        ensure!(
            self.repeated.is_empty(),
            "images that were done again: {:?}",
            self.repeated
        );
        ensure!(
            self.images() == images,
            "{images} images, but {} have an outcome",
            self.images()
        );
        let mut tally = BTreeMap::<&str, usize>::new();
        for outcome in self.outcomes.values().flatten() {
            *tally.entry(outcome).or_default() += 1;
        }
        // An image that ended between its last report and the kill is only ever reported as unchanged.
        let untold = images - self.outcomes.len();
        if untold > 0 {
            tally.insert("ended as the kill came", untold);
        }
        let tally: Vec<String> = tally
            .iter()
            .map(|(outcome, count)| format!("{count} {outcome}"))
            .collect();
        println!("outcomes: one for every image: {}", tally.join(", "));
        Ok(())
    }
}

fn verify(product: &Product, images: usize) -> anyhow::Result<()> {
    let found: Verification = product.document(&["audit", "verify"], 4)?;
    println!(
        "audit verify: {} executions, {} events, {} open, {} findings",
        found.executions,
        found.events,
        found.open,
        found.damage.len()
    );
    ensure!(
        found.damage.is_empty(),
        "the record does not verify: {:?}",
        found.damage
    );
    ensure!(
        found.executions == images,
        "{images} images, but {} executions",
        found.executions
    );
    ensure!(found.open == 0, "{} executions have not ended", found.open);
    println!("passed");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(image: &str, execution: &str, outcome: &str) -> Row {
        Row {
            image: image.into(),
            execution: execution.into(),
            outcome: outcome.into(),
            branches: BTreeMap::new(),
        }
    }

    fn check(rows: &[Row], images: usize) -> Result<(), String> {
        let mut seen = Seen::default();
        for row in rows {
            seen.add(row);
        }
        seen.check(images).map_err(|error| error.to_string())
    }

    #[test]
    fn one_outcome_each_passes() {
        let rows = [
            row("a", "1", "succeeded"),
            row("a", "1", "unchanged"),
            row("b", "2", "rejected"),
            row("c", "3", "unchanged"),
        ];
        assert_eq!(check(&rows, 3), Ok(()));
    }

    #[test]
    fn what_must_not_be_is_found() {
        let lost = check(&[row("a", "1", "succeeded")], 2).unwrap_err();
        assert!(lost.contains("2 images, but 1"), "{lost}");
        let twice =
            check(&[row("a", "1", "succeeded"), row("a", "2", "unchanged")], 1).unwrap_err();
        assert!(twice.contains("more than one execution"), "{twice}");
        let again =
            check(&[row("a", "1", "succeeded"), row("a", "1", "succeeded")], 1).unwrap_err();
        assert!(again.contains("done again"), "{again}");
        let two = check(&[row("a", "1", "succeeded"), row("a", "1", "failed")], 1).unwrap_err();
        assert!(two.contains("more than one outcome"), "{two}");
    }
}
