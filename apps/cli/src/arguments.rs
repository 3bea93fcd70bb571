//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use safelight_schema::FailureClass;

use crate::commands::{branch::BranchCommand, workflow::WorkflowCommand};

/// Sends images through one workflow each, records every step, and proves it.
#[derive(Debug, Parser)]
#[command(name = "safelight", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 fine, 1 error, 2 usage, 3 some images failed or were rejected, \
4 the record does not verify.";

/// Options that every command which touches the state takes.
#[derive(Debug, Clone, Args)]
pub struct Place {
    /// Folder of the record, the queues and the engine's history [default: ./.safelight]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Configuration file [default: ./safelight.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data as JSON on standard output
    #[arg(long)]
    pub json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the workflow over files or folders once
    Process(ProcessArguments),
    /// Keep running: watch folders, take uploads, serve the Step Functions API
    Serve(ServeArguments),
    /// The timeline of an image or an execution
    History(HistoryArguments),
    /// Prove that the record was not altered
    Audit(AuditArguments),
    /// What failed, and doing it again
    Failures(FailuresArguments),
    /// Send what lies in a bucket already through a deployment on AWS
    Backfill(BackfillArguments),
    /// Branches: one folder each
    Branch {
        /// What to do with branches.
        #[command(subcommand)]
        command: BranchCommand,
    },
    /// The workflow definition
    Workflow {
        /// What to do with the workflow.
        #[command(subcommand)]
        command: WorkflowCommand,
    },
    /// What is configured, what is missing, and the command that mends it
    Doctor(Place),
    /// Completions for a shell, to standard output
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// A function's worker process; started by the host
    #[command(hide = true)]
    Worker {
        /// Name of the function.
        function: String,
    },
}

/// `safelight process`.
#[derive(Debug, Args)]
pub struct ProcessArguments {
    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folder of the results [default: ./results]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Process again what is finished already
    #[arg(long)]
    pub again: bool,
    /// State, configuration and form of the output.
    #[command(flatten)]
    pub place: Place,
}

/// `safelight serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    /// Folder to watch; its name becomes the bucket's. May be given again
    #[arg(long, value_name = "DIR")]
    pub watch: Vec<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:7878]
    #[arg(long, value_name = "HOST:PORT")]
    pub listen: Option<String>,
    /// Folder of the results [default: ./results]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// State, configuration and form of the output.
    #[command(flatten)]
    pub place: Place,
}

/// `safelight backfill`.
#[derive(Debug, Args)]
pub struct BackfillArguments {
    /// Where they lie
    #[arg(value_name = "s3://BUCKET/PREFIX")]
    pub source: String,
    /// Images a second that are queued, at most
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: u32,
    /// Say what would be queued, and queue nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Go on where a backfill of the same address broke off
    #[arg(long)]
    pub resume: bool,
    /// Also what the record has an execution of
    #[arg(long)]
    pub again: bool,
    /// State, configuration and form of the output.
    #[command(flatten)]
    pub place: Place,
}

/// What `backfill --json` prints. Its schema is under test in every build.
#[cfg(any(feature = "aws", test))]
#[cfg_attr(not(feature = "aws"), allow(dead_code))]
#[derive(Debug, Default, serde::Serialize, schemars::JsonSchema)]
pub struct Backfilled {
    /// The bucket.
    pub bucket: String,
    /// The prefix.
    pub prefix: String,
    /// Objects that were looked at.
    pub objects: u64,
    /// Queued; with `dry_run`, would be.
    pub queued: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// The record has an execution of their content.
    pub unchanged: u64,
    /// Marks of folders, and what the product wrote.
    pub skipped: u64,
    /// Whether nothing was queued because that was asked for.
    pub dry_run: bool,
}

/// `safelight history`.
#[derive(Debug, Args)]
pub struct HistoryArguments {
    /// Image (its path or key) or execution name
    #[arg(value_name = "IMAGE|EXECUTION")]
    pub subject: String,
    /// Every execution of the image, not only the latest
    #[arg(long)]
    pub all: bool,
    /// State, configuration and form of the output.
    #[command(flatten)]
    pub place: Place,
}

/// `safelight audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// What to do with the record.
    #[command(subcommand)]
    pub command: AuditCommand,
}

/// The audit commands.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Prove that the record was not altered
    Verify {
        /// Executions or images to verify; all where none is given
        #[arg(value_name = "IMAGE|EXECUTION")]
        subjects: Vec<String>,
        /// State, configuration and form of the output.
        #[command(flatten)]
        place: Place,
    },
}

/// `safelight failures`.
#[derive(Debug, Args)]
pub struct FailuresArguments {
    /// What to do with failures.
    #[command(subcommand)]
    pub command: FailuresCommand,
}

/// Which failures are meant.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Of this image (its path or key)
    #[arg(long)]
    pub image: Option<String>,
    /// Of this execution
    #[arg(long)]
    pub execution: Option<String>,
    /// With this error name
    #[arg(long)]
    pub error: Option<String>,
    /// Of this branch
    #[arg(long)]
    pub branch: Option<String>,
    /// This message, by its id
    #[arg(long)]
    pub message: Option<String>,
    /// Of this class: failed, rejected or start
    #[arg(long, value_parser = class)]
    pub class: Option<FailureClass>,
}

impl Selection {
    /// Whether it leaves anything out.
    pub fn is_narrowed(&self) -> bool {
        let Self {
            image,
            execution,
            error,
            branch,
            message,
            class,
        } = self;
        let texts = [image, execution, error, branch, message];
        texts.into_iter().any(Option::is_some) || class.is_some()
    }
}

fn class(name: &str) -> Result<FailureClass, String> {
    const ALL: [FailureClass; 3] = [
        FailureClass::Failed,
        FailureClass::Rejected,
        FailureClass::Start,
    ];
    let found = ALL.into_iter().find(|class| class.name() == name);
    found.ok_or_else(|| {
        format!(
            "it has to be one of {}",
            ALL.map(FailureClass::name).join(", ")
        )
    })
}

/// The failures commands.
#[derive(Debug, Subcommand)]
pub enum FailuresCommand {
    /// What is in the dead-letter queue
    List {
        /// Which failures.
        #[command(flatten)]
        selection: Selection,
        /// State, configuration and form of the output.
        #[command(flatten)]
        place: Place,
    },
    /// One failure in full
    Show {
        /// Execution name, image, or message id
        failure: String,
        /// State, configuration and form of the output.
        #[command(flatten)]
        place: Place,
    },
    /// Do again what failed, and only that
    Redrive {
        /// Which failures; at least one option, or --all
        #[command(flatten)]
        selection: Selection,
        /// Every failure but what validate refused
        #[arg(long)]
        all: bool,
        /// With --all, what validate refused, too
        #[arg(long, requires = "all")]
        rejected: bool,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Why, for the record
        #[arg(long, default_value = "redriven from the command line")]
        reason: String,
        /// Folder of the results [default: ./results]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// State, configuration and form of the output.
        #[command(flatten)]
        place: Place,
    },
    /// Take failures off the list; the record keeps them
    Drop {
        /// Which failures; at least one option, or --all
        #[command(flatten)]
        selection: Selection,
        /// Every failure
        #[arg(long)]
        all: bool,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// Why, for the record
        #[arg(long, default_value = "dropped from the command line")]
        reason: String,
        /// State, configuration and form of the output.
        #[command(flatten)]
        place: Place,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_parser_is_sound() {
        super::Arguments::command().debug_assert();
    }
}
