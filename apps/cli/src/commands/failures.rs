//! `safelight failures`: what is in the dead-letter queue, and doing it again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};

use chrono::Utc;
use safelight_local::Browsed;
use safelight_schema::{DeadLetter, Draft, EventData, FailureClass, Lane};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::arguments::{FailuresCommand, Place, Selection};
use crate::config::Config;
use crate::exit::Exit;
use crate::failure::with_next_step;
use crate::follow::Follower;
use crate::host::{Access, DEAD_LETTERS, INGEST};
use crate::reader::Reader;
use crate::redrive::RedriveNames;
use crate::report::Reporter;
use crate::row::Row;
use crate::terminal;

/// One entry of the dead-letter queue.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Failure {
    /// Id of the message.
    pub message_id: String,
    /// When it was sent there.
    pub since: String,
    /// What `fail` or `start` said of it.
    pub letter: DeadLetter,
    /// Names of its errors: the execution's own, and those of its branches.
    pub errors: Vec<String>,
    /// Ids of further messages about the same execution: a queue delivers at least once.
    pub duplicates: Vec<String>,
}

impl Failure {
    fn of(message: Browsed) -> Self {
        let letter = DeadLetter::read(&message.body, &message.id, message.sent);
        Self {
            errors: vec![letter.error.name.clone()],
            letter,
            since: safelight_schema::time::format(&message.sent),
            message_id: message.id,
            duplicates: Vec::new(),
        }
    }

    fn matches(&self, selection: &Selection, executions: &BTreeSet<String>) -> bool {
        let letter = &self.letter;
        selection
            .message
            .as_ref()
            .is_none_or(|message| *message == self.message_id)
            && selection
                .execution
                .as_ref()
                .is_none_or(|execution| *execution == letter.execution)
            && selection
                .image
                .as_ref()
                .is_none_or(|_| executions.contains(&letter.execution))
            && selection
                .error
                .as_ref()
                .is_none_or(|error| self.errors.contains(error))
            && selection
                .branch
                .as_ref()
                .is_none_or(|branch| letter.branches.contains(branch))
    }
}

/// Runs the command.
pub async fn run(command: &FailuresCommand, config: &Config) -> anyhow::Result<Exit> {
    match command {
        FailuresCommand::List { selection, place } => list(selection, place, config).await,
        FailuresCommand::Show { failure, place } => show(failure, place, config).await,
        FailuresCommand::Redrive {
            selection,
            all,
            dry_run,
            reason,
            place,
            ..
        } => {
            let chosen = choose(selection, *all, config).await?;
            if *dry_run || chosen.is_empty() {
                return say_what_would_be_done(&chosen, "redriven", place.json);
            }
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
            if *dry_run || chosen.is_empty() {
                return say_what_would_be_done(&chosen, "dropped", place.json);
            }
            if !yes && !confirmed(chosen.len())? {
                return Ok(Exit::Error);
            }
            drop_failures(chosen, reason, place, config).await
        }
    }
}

async fn list(selection: &Selection, place: &Place, config: &Config) -> anyhow::Result<Exit> {
    let failures = select(selection, config).await?;
    print(&failures, place.json)?;
    Ok(Exit::Fine)
}

fn print(failures: &[Failure], json: bool) -> anyhow::Result<()> {
    if json {
        for failure in failures {
            println!("{}", serde_json::to_string(failure)?);
        }
        return Ok(());
    }
    if failures.is_empty() {
        println!("no failures");
        return Ok(());
    }
    let mut table = terminal::table(&["Since", "Image", "Error", "Branches"]);
    let room = terminal::image_room(&table);
    for failure in failures {
        let letter = &failure.letter;
        table.add_row(vec![
            letter.time.format("%Y-%m-%d %H:%M:%S").to_string(),
            match letter.class {
                FailureClass::Start => format!("(message {})", failure.message_id),
                FailureClass::Failed | FailureClass::Rejected => {
                    terminal::shorten_path(&terminal::safe(&letter.image.key), room)
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
    println!("\n{} in the dead-letter queue", failures.len());
    println!("  why       safelight failures show EXECUTION|IMAGE");
    println!(
        "  again     safelight failures redrive --all (or --error, --branch, --image, --execution)"
    );
    Ok(())
}

async fn show(wanted: &str, place: &Place, config: &Config) -> anyhow::Result<Exit> {
    let executions = executions_of(Some(wanted), config).await;
    let failures: Vec<Failure> = select(&Selection::default(), config)
        .await?
        .into_iter()
        .filter(|failure| {
            failure.message_id == wanted
                || failure.letter.execution == wanted
                || executions.contains(&failure.letter.execution)
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
async fn select(selection: &Selection, config: &Config) -> anyhow::Result<Vec<Failure>> {
    let executions = executions_of(selection.image.as_deref(), config).await;
    let reader = Reader::open(config)?;
    let messages = reader.browse(DEAD_LETTERS).await?;
    let mut chosen = Vec::new();
    for message in messages {
        let mut failure = Failure::of(message);
        if let Some(summary) = reader.record().summary(&failure.letter.execution).await? {
            let branches = summary.branches.into_values();
            failure
                .errors
                .extend(branches.filter_map(|branch| Some(branch.error?.name)));
            failure.errors.sort();
            failure.errors.dedup();
        }
        if failure.matches(selection, &executions) {
            chosen.push(failure);
        }
    }
    Ok(without_duplicates(chosen.into_iter()))
}

/// One failure an execution: `fail` may have died between sending a letter and recording that, and
/// then sends it again.
fn without_duplicates(failures: impl Iterator<Item = Failure>) -> Vec<Failure> {
    let mut single = Vec::<Failure>::new();
    let mut places = BTreeMap::<String, usize>::new();
    for failure in failures {
        let execution = failure.letter.execution.clone();
        if let Some(place) = places.get(&execution) {
            single[*place].duplicates.push(failure.message_id);
            continue;
        }
        if !execution.is_empty() {
            places.insert(execution, single.len());
        }
        single.push(failure);
    }
    single
}

/// Takes a failure's messages out of the queue.
async fn take_away(access: &Access, failure: &Failure) -> anyhow::Result<()> {
    for message in std::iter::once(&failure.message_id).chain(&failure.duplicates) {
        access.take_away(DEAD_LETTERS, message).await?;
    }
    Ok(())
}

async fn executions_of(image: Option<&str>, config: &Config) -> BTreeSet<String> {
    let (Some(image), Ok(reader)) = (image, Reader::open(config)) else {
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
async fn choose(selection: &Selection, all: bool, config: &Config) -> anyhow::Result<Vec<Failure>> {
    let narrowed = [
        &selection.image,
        &selection.execution,
        &selection.error,
        &selection.branch,
        &selection.message,
    ]
    .into_iter()
    .any(Option::is_some);
    if !narrowed && !all {
        return Err(with_next_step(
            "nothing says which failures are meant",
            "give --image, --execution, --error, --branch or --message, or --all",
        ));
    }
    select(selection, config).await
}

fn say_what_would_be_done(failures: &[Failure], verb: &str, json: bool) -> anyhow::Result<Exit> {
    print(failures, json)?;
    if !json && !failures.is_empty() {
        println!("{} would be {verb}; nothing was changed", failures.len());
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
    eprint!("Drop {count} failures? The record keeps them. [y/N] ");
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
            follower.follow(execution, shown).await?;
        }
    }
    let Some(mut follower) = follower else {
        eprintln!("queued; the running host does them");
        return Ok(Exit::Fine);
    };
    let results = config.out.display().to_string();
    while !follower.is_empty() {
        let (shown, summary) = follower.next().await?;
        reporter.row(Row::of(&summary, &shown, &results, false))?;
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
        note(
            access,
            letter,
            EventData::ExecutionRedriven {
                by: execution.clone(),
                only: letter.branches.clone(),
                actor: actor(),
                reason: reason.to_owned(),
            },
        )
        .await?;
        Some((execution, letter.image.key.clone()))
    };
    take_away(access, failure).await?;
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
        if failure.letter.class != FailureClass::Start {
            note(
                &access,
                &failure.letter,
                EventData::FailureDropped {
                    actor: actor(),
                    reason: reason.to_owned(),
                },
            )
            .await?;
        }
        take_away(&access, failure).await?;
    }
    access.close().await?;
    if place.json {
        print(&failures, true)?;
    } else {
        println!("{} dropped; the record keeps them", failures.len());
    }
    Ok(Exit::Fine)
}

/// Writes what an operator did into the execution's record and seals it again.
async fn note(access: &Access, letter: &DeadLetter, data: EventData) -> anyhow::Result<()> {
    let now = Utc::now();
    let draft = Draft {
        execution: letter.execution.clone(),
        lane: Lane::Operator,
        state: None,
        epoch: 0,
        attempt: 0,
        source: "/safelight/failures".into(),
        subject: letter.image.subject(),
        time: now,
        data,
    };
    let record = access.record();
    record.append(&[draft], &[]).await?;
    record.put_seal(&letter.execution, now).await?;
    if let Some(header) = record.header(&letter.execution).await? {
        let events = record.events(&letter.execution).await?;
        record
            .put_summary(&safelight_schema::Summary::of(&header, &events))
            .await?;
    }
    Ok(())
}

/// Who gives the command: the login name, as far as the environment says it.
fn actor() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn failure(id: &str, execution: &str) -> Failure {
        let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let mut letter = DeadLetter::unreadable("{}".into(), id, "why".into(), time);
        letter.execution = execution.into();
        Failure {
            message_id: id.into(),
            since: String::new(),
            errors: vec![letter.error.name.clone()],
            letter,
            duplicates: Vec::new(),
        }
    }

    #[test]
    fn a_letter_that_was_sent_twice_is_one_failure() {
        let all = [
            failure("1", "x"),
            failure("2", ""),
            failure("3", "x"),
            failure("4", ""),
        ];
        let single = without_duplicates(all.into_iter());
        let ids: Vec<_> = single
            .iter()
            .map(|failure| failure.message_id.as_str())
            .collect();
        assert_eq!(
            ids,
            ["1", "2", "4"],
            "messages that name no execution are each their own"
        );
        assert_eq!(single[0].duplicates, ["3"]);
    }
}
