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
    /// The host at rest and over many images
    Memory,
    /// Executions of ten Pass states in process
    Passes,
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
    let wants = |measure| options.only.is_empty() || options.only.contains(&measure);
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
