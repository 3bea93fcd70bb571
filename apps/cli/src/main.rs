//! The `safelight` command.
//!
//! It puts the parts together: only here are adapters named. It never does the work of a function
//! itself: `safelight worker <function>`, started by the host, does.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod arguments;
mod branches;
#[cfg(feature = "aws")]
mod cloud;
mod commands;
mod config;
mod dead_letters;
mod exit;
mod failure;
#[cfg(debug_assertions)]
mod faults;
mod follow;
mod host;
mod ingest;
mod operator;
mod reader;
mod redrive;
mod report;
mod row;
#[cfg(test)]
mod schemas;
mod settings;
mod terminal;
mod upload;
mod watch;
mod writers;

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use crate::arguments::{
    Arguments, AuditCommand, BackfillArguments, Command, FailuresCommand, Place,
};
use crate::config::Config;
use crate::exit::Exit;

fn main() -> ExitCode {
    end_quietly_on_a_closed_pipe();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors: clap knows which stream and code they go with.
            let code = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Fine
            };
            let _ = error.print();
            return code.into();
        }
    };
    match run(arguments.command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let columns = terminal::columns(std::io::stderr());
            for line in failure::render(&error).lines() {
                eprintln!("{}", terminal::wrapped(line, "    ", columns));
            }
            failure::exit_of(&error).into()
        }
    }
}

/// Who reads standard output may have seen enough (`safelight history … | head`): that is no error.
/// `println!` panics then, which would print a trace; everything of ours is closed by that time.
fn end_quietly_on_a_closed_pipe() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.starts_with("failed printing to stdout: Broken pipe")) {
            std::process::exit(0);
        }
        report(panic);
    }));
}

fn run(command: Command) -> anyhow::Result<Exit> {
    if let Command::Worker { function } = &command {
        // The kit sets up the worker's own log and runtime.
        return commands::worker::run(function);
    }
    log_to_stderr();
    match command {
        Command::Process(arguments) => {
            let config = load(&arguments.place, arguments.out.as_ref())?;
            block_on(
                &config.state_dir,
                commands::process::run(&arguments, &config),
            )
        }
        Command::Serve(arguments) => {
            let mut config = load(&arguments.place, arguments.out.as_ref())?;
            if let Some(listen) = &arguments.listen {
                config.serve.listen.clone_from(listen);
            }
            let state = config.state_dir.clone();
            block_on(&state, commands::serve::run(&arguments, config))
        }
        Command::History(arguments) => {
            let config = load(&arguments.place, None)?;
            block_on(
                &config.state_dir,
                commands::history::run(&arguments, &config),
            )
        }
        Command::Audit(arguments) => {
            let AuditCommand::Verify { place, .. } = &arguments.command;
            let config = load(place, None)?;
            block_on(
                &config.state_dir,
                commands::audit::run(&arguments.command, &config),
            )
        }
        Command::Failures(arguments) => {
            let (place, out) = match &arguments.command {
                FailuresCommand::List { place, .. }
                | FailuresCommand::Show { place, .. }
                | FailuresCommand::Drop { place, .. } => (place, None),
                FailuresCommand::Redrive { place, out, .. } => (place, out.as_ref()),
            };
            let config = load(place, out)?;
            block_on(
                &config.state_dir,
                commands::failures::run(&arguments.command, &config),
            )
        }
        Command::Backfill(arguments) => {
            let config = load(&arguments.place, None)?;
            backfill(&arguments, &config)
        }
        Command::Branch { command } => commands::branch::run(command),
        Command::Workflow { command } => commands::workflow::run(command),
        // It says itself what it finds wrong with the state.
        Command::Doctor(place) => block_on(Path::new(""), commands::doctor::run(&place)),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "safelight",
                &mut std::io::stdout(),
            );
            Ok(Exit::Fine)
        }
        Command::Worker { .. } => unreachable!("handled above"),
    }
}

#[cfg(feature = "aws")]
fn backfill(arguments: &BackfillArguments, config: &Config) -> anyhow::Result<Exit> {
    block_on(
        &config.state_dir,
        commands::backfill::run(arguments, config),
    )
}

#[cfg(not(feature = "aws"))]
fn backfill(_: &BackfillArguments, _: &Config) -> anyhow::Result<Exit> {
    Err(failure::with_next_step(
        "this build has no adapters of AWS",
        "build with `--features aws`",
    ))
}

fn load(place: &Place, out: Option<&std::path::PathBuf>) -> anyhow::Result<Config> {
    let mut config = Config::load(place.config.as_deref(), |name| std::env::var(name).ok())?;
    if let Some(folder) = &place.state_dir {
        config.state_dir.clone_from(folder);
    }
    if let Some(out) = out {
        config.out.clone_from(out);
    }
    Ok(config)
}

/// Runs a command on as many threads as there are processors. What it says of a damaged database, it
/// says of the file in the `state` folder.
fn block_on<T>(
    state: &Path,
    command: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(command)
        .map_err(|error| {
            if failure::is_damaged(&error) {
                failure::then(error, failure::mend_damaged(&state.join(host::DATABASE)))
            } else {
                error
            }
        })
}

/// Logs go to standard error; `SAFELIGHT_LOG` chooses what (`warn` by default).
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SAFELIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
