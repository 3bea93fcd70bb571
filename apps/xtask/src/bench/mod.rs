//! `cargo xtask bench`: figures from one run beside their targets, and the commands that were run.

mod bare_loop;
mod first_task;
mod images;
mod memory;
mod newcomer;
mod orchestration;
mod overhead;
mod pairs;
mod passes;
mod report;

use std::path::PathBuf;

use anyhow::bail;

use crate::corpus;
use crate::product::Product;
use crate::workspace::Workspace;
use bare_loop::BareLoop;
use report::{Report, Row};

/// Options of the bench.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// `images` measures the image functions beside sharp, Pillow and ImageMagick, which are installed
    /// into target/rivals; without it, the product is measured
    #[arg(value_enum)]
    subject: Option<Subject>,
    /// Folder of photographs [default: target/corpus, made by apps/xtask/corpus.sh]
    #[arg(long, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Fewer runs and images: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Only these measures; may be given again
    #[arg(long, value_enum, value_name = "MEASURE")]
    only: Vec<Measure>,
    /// Also a newcomer's first command and test command, from an empty target folder; takes long
    #[arg(long)]
    newcomer: bool,
    /// The figures as JSON on standard output
    #[arg(long)]
    json: bool,
    /// With `images`: features that ours is built with, such as `turbo`
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "FEATURES",
        requires = "subject"
    )]
    features: Vec<String>,
}

/// What is measured instead of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// The image functions
    Images,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// `process` beside the bare loop, on photographs
    Orchestration,
    /// CPU an image of everything that is not pixels, on tiny images
    Overhead,
    /// From the start of the command to its first task
    FirstTask,
    /// The host at rest and over many images; with `images`, each function on 24 megapixels
    Memory,
    /// Executions of ten Pass states in process
    Passes,
    /// With `images`: JPEG to half size
    Half,
    /// With `images`: JPEG to quality 80
    Quality80,
    /// With `images`: PNG without loss
    Png,
    /// With `images`: headers
    Validate,
    /// With `images`: what `label` measures
    Properties,
}

impl Measure {
    /// Whether it is one of the image functions; memory is measured of either.
    const fn fits(self, subject: Option<Subject>) -> bool {
        match self {
            Self::Memory => true,
            Self::Half | Self::Quality80 | Self::Png | Self::Validate | Self::Properties => {
                matches!(subject, Some(Subject::Images))
            }
            Self::Orchestration | Self::Overhead | Self::FirstTask | Self::Passes => {
                subject.is_none()
            }
        }
    }
}

impl Options {
    fn wants(&self, measure: Measure) -> bool {
        self.only.is_empty() || self.only.contains(&measure)
    }
}

/// Figures, and what a reader has to know about them.
type Measured = (Vec<Row>, Vec<String>);

/// Everything that a measure needs.
struct Bench<'a> {
    workspace: &'a Workspace,
    product: Product<'a>,
    bare_loop: BareLoop<'a>,
    quick: bool,
}

impl Bench<'_> {
    /// How often a thing is measured for a median.
    const fn runs(&self) -> usize {
        if self.quick { 1 } else { 5 }
    }
}

/// Runs the bench. A missed target is a line in the table, never an error.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    if let Some(measure) = options
        .only
        .iter()
        .find(|measure| !measure.fits(options.subject))
    {
        bail!(
            "{measure:?} is not measured by this bench; `cargo xtask bench --help` says of each which it is of"
        );
    }
    if options.subject == Some(Subject::Images) {
        return images::run(workspace, options);
    }
    let scratch = workspace.scratch()?;
    let bench = Bench {
        workspace,
        product: Product::build(workspace, scratch.path())?,
        bare_loop: BareLoop::build(workspace, scratch.path())?,
        quick: options.quick,
    };
    let mut report = Report::default();
    let wants = |measure| options.wants(measure);
    if wants(Measure::Orchestration) {
        let folder = corpus::folder(workspace, options.corpus.as_deref())?;
        report.take("photographs", || orchestration::measure(&bench, &folder));
    }
    if wants(Measure::Overhead) {
        report.take("tiny images", || overhead::measure(&bench));
    }
    if wants(Measure::FirstTask) {
        report.take("the first task", || first_task::measure(&bench));
    }
    if wants(Measure::Memory) {
        report.take("memory at rest", || memory::idle(&bench));
        report.take("memory over many images", || memory::many(&bench));
    }
    if wants(Measure::Passes) {
        report.take("ten Pass states", || passes::measure(&bench));
    }
    if options.newcomer {
        report.take("a newcomer's commands", || newcomer::measure(workspace));
    }
    report.commands = workspace.journal();
    report.print(options.json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_of_one_bench_and_memory_of_both() {
        let images = Some(Subject::Images);
        assert!(Measure::Memory.fits(None) && Measure::Memory.fits(images));
        assert!(Measure::Half.fits(images) && !Measure::Half.fits(None));
        assert!(Measure::Passes.fits(None) && !Measure::Passes.fits(images));
    }
}
