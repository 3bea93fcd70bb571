//! `safelight failures`: what is in the dead-letter queue, and doing it again.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Write as _};

use safelight_schema::{DeadLetter, EventData, FailureClass, ImageRef};
use serde_json::json;

use crate::arguments::{FailuresCommand, Place, Selection};
use crate::branches::Branches;
use crate::config::Config;
use crate::dead_letters::{self, Failure};
use crate::exit::Exit;
use crate::failure::{usage, with_next_step};
use crate::follow::Follower;
use crate::host::{Access, DEAD_LETTERS, INGEST};
use crate::operator::{actor, note};
use crate::reader::Reader;
use crate::redrive::RedriveNames;
use crate::report::Reporter;
use crate::row::Row;
use crate::terminal;

/// Runs the command.
pub async fn run(command: &FailuresCommand, config: &Config) -> anyhow::Result<Exit> {
    match command {
        FailuresCommand::List { selection, place } => list(selection, place, config).await,
        FailuresCommand::Show { failure, place } => show(failure, place, config).await,
        FailuresCommand::Redrive {
            selection,
            all,
            rejected,
            dry_run,
            reason,
            place,
            ..
        } => {
            let mut chosen = choose(selection, *all, config).await?;
            if !selection.is_narrowed() && !rejected {
                leave_out_rejected(&mut chosen.failures);
            }
            if *dry_run || chosen.failures.is_empty() {
                return say_what_would_be_done(&chosen, "redriven", place.json);
            }
            let chosen = chosen.failures;
            redrive(chosen, reason, place, config).await
        }
        FailuresCommand::Drop {
            selection,
            all,
            dry_run,
            yes,
            reason,
            place,
        } => {
            let chosen = choose(selection, *all, config).await?;
            if *dry_run || chosen.failures.is_empty() {
                return say_what_would_be_done(&chosen, "dropped", place.json);
            }
            let chosen = chosen.failures;
            if !yes && !confirmed(chosen.len())? {
                return Ok(Exit::Error);
            }
            drop_failures(chosen, reason, place, config).await
        }
    }
}

async fn list(selection: &Selection, place: &Place, config: &Config) -> anyhow::Result<Exit> {
    let chosen = select(selection, config).await?;
    print(&chosen, place.json)?;
    Ok(Exit::Fine)
}

/// Failures that a selection means.
struct Chosen {
    failures: Vec<Failure>,
    /// How many there are that it does not mean.
    others: usize,
}

fn print(chosen: &Chosen, json: bool) -> anyhow::Result<()> {
    let failures = &chosen.failures;
    if json {
        return print_json(failures);
    }
    if failures.is_empty() {
        match chosen.others {
            0 => println!("no failures"),
            1 => println!("no such failure; there is 1 other in the dead-letter queue"),
            others => {
                println!("no such failures; there are {others} others in the dead-letter queue");
            }
        }
        return Ok(());
    }
    // Two buckets may have the same key.
    let buckets: BTreeSet<&str> = failures
        .iter()
        .map(|it| it.letter.image.bucket.as_str())
        .collect();
    let name = |image: &ImageRef| match buckets.len() {
        0 | 1 => image.key.clone(),
        _ => image.subject(),
    };
    let mut table = terminal::table(&["Since", "Image", "Error", "Branches"]);
    let room = terminal::image_room(&table);
    for failure in failures {
        let letter = &failure.letter;
        table.add_row(vec![
            letter.time.format("%Y-%m-%d %H:%M:%S").to_string(),
            match letter.class {
                FailureClass::Start => format!("(message {})", failure.message_id),
                FailureClass::Failed | FailureClass::Rejected => {
                    terminal::shorten_path(&terminal::safe(&name(&letter.image)), room)
                }
            },
            letter.error.name.clone(),
            match letter.class {
                FailureClass::Failed => letter.branches.join(", "),
                class => format!("({})", class.name()),
            },
        ]);
    }
    terminal::keep_whole(&mut table, &[0, 1, 2]);
    println!("{table}");
    println!(
        "\n{} in the dead-letter queue",
        terminal::count(failures.len(), "failure")
    );
    println!("  why       safelight failures show EXECUTION|IMAGE");
    let rejected = |failure: &Failure| failure.letter.class == FailureClass::Rejected;
    if !failures.iter().all(rejected) {
        println!("  again     safelight failures redrive --all (or --error, --branch, --image)");
    }
    if failures.iter().any(rejected) {
        println!("  rejected  another image helps; then safelight failures drop --class rejected");
    }
    Ok(())
}

fn print_json(failures: &[Failure]) -> anyhow::Result<()> {
    for failure in failures {
        println!("{}", serde_json::to_string(failure)?);
    }
    Ok(())
}

async fn show(wanted: &str, place: &Place, config: &Config) -> anyhow::Result<Exit> {
    let executions = executions_of(Some(wanted), config).await;
    let failures: Vec<Failure> = select(&Selection::default(), config)
        .await?
        .failures
        .into_iter()
        .filter(|failure| {
            failure.is_called(wanted) || executions.contains(&failure.letter.execution)
        })
        .collect();
    if failures.is_empty() {
        return Err(with_next_step(
            format!("there is no failure of '{wanted}' in the dead-letter queue"),
            "`safelight failures list` names them all",
        ));
    }
    for failure in &failures {
        if place.json {
            println!("{}", serde_json::to_string(failure)?);
            continue;
        }
        print_letter(&failure.letter);
        for earlier in &failure.earlier {
            println!("earlier    {}", earlier.execution);
        }
    }
    Ok(Exit::Fine)
}

fn print_letter(letter: &DeadLetter) {
    println!("image      {}", terminal::safe(&letter.image.subject()));
    println!("execution  {}", letter.execution);
    println!("class      {}", letter.class.name());
    println!("error      {}", letter.error.name);
    println!("cause      {}", terminal::safe(&letter.error.cause));
    if let Some(known) = safelight_schema::error_name::find(&letter.error.name) {
        println!("meaning    {}", known.meaning);
        println!("next       {}", known.next_step);
    }
    if !letter.branches.is_empty() {
        println!("branches   {}", letter.branches.join(", "));
    }
    println!(
        "since      {}",
        safelight_schema::time::format(&letter.time)
    );
    println!("redrive    {}", letter.redrive);
    if let Some(raw) = &letter.raw {
        println!("message    {}", terminal::safe(raw));
    }
}

/// The failures that a selection means, oldest first.
async fn select(selection: &Selection, config: &Config) -> anyhow::Result<Chosen> {
    let executions = executions_of(selection.image.as_deref(), config).await;
    let reader = Reader::open(config).await?;
    let messages = reader.browse(DEAD_LETTERS).await?;
    let (mut chosen, mut others) = (Vec::new(), 0);
    for mut failure in dead_letters::read(reader.record(), messages, None)
        .await?
        .open
    {
        if let Some(summary) = reader.record().summary(&failure.letter.execution).await? {
            let branches = summary.branches.into_values();
            failure
                .errors
                .extend(branches.filter_map(|branch| Some(branch.error?.name)));
            failure.errors.sort();
            failure.errors.dedup();
        }
        if matches(&failure, selection, &executions) {
            chosen.push(failure);
        } else {
            others += 1;
        }
    }
    // A deployment may have branches that are not here.
    if let (true, Some(branch), None) = (chosen.is_empty(), &selection.branch, &config.aws) {
        check_branch(branch)?;
    }
    Ok(Chosen {
        failures: chosen,
        others,
    })
}

/// A branch that no failure names and no workflow has is mistyped.
fn check_branch(branch: &str) -> anyhow::Result<()> {
    let branches = Branches::here()?;
    let names = branches.names();
    if names.contains(&branch) {
        return Ok(());
    }
    Err(usage(
        format!("there is no branch '{branch}', and no failure names one"),
        format!("the branches are {}", names.join(", ")),
    ))
}

fn matches(failure: &Failure, selection: &Selection, executions: &BTreeSet<String>) -> bool {
    let Selection {
        image,
        execution,
        error,
        branch,
        message,
        class,
    } = selection;
    let letter = &failure.letter;
    let called = |name: &Option<String>| name.as_ref().is_none_or(|name| failure.is_called(name));
    called(message)
        && called(execution)
        && image
            .as_ref()
            .is_none_or(|_| executions.contains(&letter.execution))
        && error
            .as_ref()
            .is_none_or(|error| failure.errors.contains(error))
        && branch
            .as_ref()
            .is_none_or(|branch| letter.branches.contains(branch))
        && class.is_none_or(|class| class == letter.class)
}

/// Takes messages out of the queue.
async fn take_away(access: &Access, messages: &[String]) -> anyhow::Result<()> {
    for message in messages {
        if !access.take_away(DEAD_LETTERS, message).await? {
            eprintln!(
                "the message {message} was not found, and may be listed once more: somebody else looks at the queue"
            );
        }
    }
    Ok(())
}

async fn executions_of(image: Option<&str>, config: &Config) -> BTreeSet<String> {
    let (Some(image), Ok(reader)) = (image, Reader::open(config).await) else {
        return BTreeSet::new();
    };
    reader
        .executions_of(image)
        .await
        .unwrap_or_default()
        .into_iter()
        .collect()
}

/// As [`select`], but refuses to mean everything by accident.
async fn choose(selection: &Selection, all: bool, config: &Config) -> anyhow::Result<Chosen> {
    #[cfg(feature = "aws")]
    if let Some(aws) = &config.aws {
        let cloud = crate::cloud::Cloud::open(aws).await;
        cloud.close_obsolete().await?;
    }
    if !selection.is_narrowed() && !all {
        return Err(usage(
            "nothing says which failures are meant",
            "give --image, --execution, --error, --branch, --class or --message, or --all",
        ));
    }
    select(selection, config).await
}

/// Takes out what validate refused, and says so: the same image is refused again.
fn leave_out_rejected(failures: &mut Vec<Failure>) {
    let all = failures.len();
    failures.retain(|failure| failure.letter.class != FailureClass::Rejected);
    let rejected = all - failures.len();
    if rejected > 0 {
        eprintln!(
            "{} left out: what validate refused is refused again; --rejected redrives that, too",
            terminal::count(rejected, "rejected image")
        );
    }
}

fn say_what_would_be_done(chosen: &Chosen, verb: &str, json: bool) -> anyhow::Result<Exit> {
    print(chosen, json)?;
    let count = chosen.failures.len();
    if !json && count > 0 {
        println!(
            "{} would be {verb}; nothing was changed",
            terminal::count(count, "failure")
        );
    }
    Ok(Exit::Fine)
}

fn confirmed(count: usize) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(with_next_step(
            "dropping asks first, and there is nobody to ask",
            "give --yes",
        ));
    }
    let failures = terminal::count(count, "failure");
    eprint!("Drop {failures}? The record keeps what happened. [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn redrive(
    failures: Vec<Failure>,
    reason: &str,
    place: &Place,
    config: &Config,
) -> anyhow::Result<Exit> {
    let access = Access::open(config).await?;
    let begun = std::time::Instant::now();
    let mut reporter = Reporter::new(place.json, failures.len() as u64);
    let mut names = RedriveNames::default();
    let mut follower = access.host().map(Follower::new);
    for failure in failures {
        let started = redrive_one(&access, &failure, reason, &mut names).await?;
        if let (Some(follower), Some((execution, shown))) = (&mut follower, started) {
            follower.follow(execution, shown);
        }
    }
    let Some(mut follower) = follower else {
        eprintln!("queued; {}", access.who_does_it());
        access.close().await?;
        return Ok(Exit::Fine);
    };
    let results = config.out.display().to_string();
    while !follower.is_empty() {
        let closed = follower.next().await?;
        if let Some((shown, summary)) = follower.ended(&closed).await? {
            reporter.row(Row::of(&summary, &shown, &results, false))?;
        }
    }
    drop(follower);
    access.close().await?;
    let report = reporter.finish();
    if !place.json {
        crate::report::print_end(&report, config, begun.elapsed());
    }
    Ok(report.exit())
}

/// Queues the new execution, links both in the record, and takes the message away: in this order, so
/// that a crash in between redrives twice (and the second finds the first) rather than never.
async fn redrive_one(
    access: &Access,
    failure: &Failure,
    reason: &str,
    names: &mut RedriveNames,
) -> anyhow::Result<Option<(String, String)>> {
    let letter = &failure.letter;
    let started = if let Some(raw) = &letter.raw {
        access
            .queue()
            .send(INGEST, std::slice::from_ref(raw))
            .await?;
        None
    } else {
        let execution = names.next(access.record(), &letter.execution).await?;
        let mut input = json!({ "image": letter.image, "redriveOf": letter.execution });
        if !letter.branches.is_empty() {
            input["only"] = json!(letter.branches);
        }
        let body = json!({ "redrive": { "execution": execution, "input": input } });
        access.queue().send(INGEST, &[body.to_string()]).await?;
        let subject = letter.image.subject();
        let redriven = EventData::ExecutionRedriven {
            by: execution.clone(),
            only: letter.branches.clone(),
            actor: actor(),
            reason: reason.to_owned(),
        };
        note(access.record(), &letter.execution, &subject, redriven).await?;
        for earlier in &failure.earlier {
            let closed = EventData::FailureClosed {
                by: execution.clone(),
                actor: actor(),
                reason: reason.to_owned(),
            };
            note(access.record(), &earlier.execution, &subject, closed).await?;
            take_away(access, &earlier.messages).await?;
        }
        Some((execution, letter.image.key.clone()))
    };
    take_away(access, &failure.messages()).await?;
    Ok(started)
}

async fn drop_failures(
    failures: Vec<Failure>,
    reason: &str,
    place: &Place,
    config: &Config,
) -> anyhow::Result<Exit> {
    let access = Access::open(config).await?;
    for failure in &failures {
        let subject = failure.letter.image.subject();
        let dropped = || EventData::FailureDropped {
            actor: actor(),
            reason: reason.to_owned(),
        };
        if failure.letter.class != FailureClass::Start {
            let execution = &failure.letter.execution;
            note(access.record(), execution, &subject, dropped()).await?;
        }
        for earlier in &failure.earlier {
            note(access.record(), &earlier.execution, &subject, dropped()).await?;
            take_away(&access, &earlier.messages).await?;
        }
        take_away(&access, &failure.messages()).await?;
    }
    access.close().await?;
    if place.json {
        print_json(&failures)?;
    } else {
        println!("{} dropped; the record keeps them", failures.len());
    }
    Ok(Exit::Fine)
}
