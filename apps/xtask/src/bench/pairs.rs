//! The product and the bare loop in turn over the same images.

use std::path::Path;

use anyhow::Context as _;

use super::Bench;
use crate::corpus;
use crate::usage::{Usage, median};

/// Medians of the runs over one folder.
#[derive(Debug)]
pub struct Pairs {
    /// Images in it.
    pub images: usize,
    /// Bytes of the images.
    pub bytes: u64,
    /// CPU seconds of `process`.
    pub process_cpu: f64,
    /// Wall seconds of `process`.
    pub process_wall: f64,
    /// CPU seconds of the bare loop.
    pub bare_cpu: f64,
    /// Wall seconds of the bare loop.
    pub bare_wall: f64,
    /// What a reader has to know.
    pub notes: Vec<String>,
}

/// Runs both in turn, so that a busy moment of the machine meets both.
pub fn run(bench: &Bench, images: &Path, runs: usize) -> anyhow::Result<Pairs> {
    let files = corpus::files(images)?;
    let bytes = corpus::warm(&files)?;
    let (mut process, mut bare, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..runs {
        bench.product.forget()?;
        let processed = bench.product.process(images)?;
        let looped = bench.bare_loop.run(images)?;
        let done = (processed.succeeded(), processed.outputs());
        let tally = looped.tally;
        if run == 0 && done != (tally.succeeded, tally.outputs) {
            notes.push(format!(
                "`process` made {} results of {} images, the bare loop {} of {}: they did not do the same work",
                done.1, done.0, tally.outputs, tally.succeeded
            ));
        }
        process.push(processed.usage);
        bare.push(looped.usage);
    }
    bench.product.forget()?;
    let cpu =
        |usages: &[Usage]| median(usages.iter().map(|usage| usage.cpu.as_secs_f64()).collect());
    let wall = |usages: &[Usage]| {
        median(
            usages
                .iter()
                .map(|usage| usage.wall.as_secs_f64())
                .collect(),
        )
    };
    let none = "nothing was run";
    Ok(Pairs {
        images: files.len(),
        bytes,
        process_cpu: cpu(&process).context(none)?,
        process_wall: wall(&process).context(none)?,
        bare_cpu: cpu(&bare).context(none)?,
        bare_wall: wall(&bare).context(none)?,
        notes,
    })
}
