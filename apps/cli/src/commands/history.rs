//! `safelight history`: the timeline of an image or an execution.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use safelight_ports::Record;
use safelight_schema::{Event, EventData, Header, Lane, Summary};
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::HistoryArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::reader::Reader;
use crate::terminal;

/// What `history --json` prints for each execution.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HistoryDocument {
    /// What was asked, and with which code it is done.
    pub header: Header,
    /// What became of it.
    pub summary: Summary,
    /// Every event, in order of time.
    pub events: Vec<Event>,
}

/// Runs the command.
pub async fn run(arguments: &HistoryArguments, config: &Config) -> anyhow::Result<Exit> {
    let reader = Reader::open(config).await?;
    let mut executions = reader.executions_of(&arguments.subject).await?;
    if !arguments.all {
        executions.truncate(1);
    }
    for (index, execution) in executions.iter().enumerate() {
        let document = read(reader.record(), execution).await?;
        if arguments.place.json {
            println!("{}", serde_json::to_string(&document)?);
        } else {
            if index > 0 {
                println!();
            }
            print!("{}", render(&document));
        }
    }
    Ok(Exit::Fine)
}

async fn read(record: &dyn Record, execution: &str) -> anyhow::Result<HistoryDocument> {
    let header = record
        .header(execution)
        .await?
        .ok_or_else(|| anyhow::anyhow!("the execution {execution} has no header"))?;
    let mut events = record.events(execution).await?;
    let summary = Summary::of(&header, &events);
    // Within one millisecond the order of the workflow: trunk, branches, then what closes it.
    events.sort_by_key(|event| (event.time, rank(&event.lane), event.seq));
    Ok(HistoryDocument {
        header,
        summary,
        events,
    })
}

const fn rank(lane: &Lane) -> u8 {
    match lane {
        Lane::Trunk => 0,
        Lane::Branch(_) => 1,
        Lane::Operator => 2,
        Lane::History => 3,
    }
}

fn render(document: &HistoryDocument) -> String {
    let mut text = heading(&document.summary);
    let begun = document
        .events
        .first()
        .map_or_else(Utc::now, |event| event.time);
    let mut table = terminal::table(&["When", "Lane", "State", "What"]);
    for event in &document.events {
        if closes_later(event, &document.events) {
            continue;
        }
        table.add_row(vec![
            offset(begun, event.time),
            event.lane.to_string(),
            attempt_of(event),
            terminal::safe(&describe(event)),
        ]);
    }
    terminal::keep_whole(&mut table, &[0, 1, 2]);
    let _ = writeln!(text, "\n{table}");
    text
}

fn heading(summary: &Summary) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{} (in {})",
        terminal::safe(&summary.image.key),
        summary.image.bucket
    );
    let _ = write!(text, "{} · {}", summary.execution, summary.outcome.name());
    if let Some(duration) = summary.duration_ms() {
        let _ = write!(text, " in {}", terminal::span(duration));
    }
    text.push('\n');
    if let Some(facts) = &summary.facts {
        let _ = writeln!(
            text,
            "{} {}×{} · {} · {} frame{}",
            facts.format,
            facts.width,
            facts.height,
            terminal::size(facts.bytes),
            facts.frames,
            if facts.frames == 1 { "" } else { "s" },
        );
    }
    if let Some(error) = &summary.error {
        let _ = writeln!(text, "{}: {}", error.name, terminal::safe(&error.cause));
        if let Some(known) = safelight_schema::error_name::find(&error.name) {
            let _ = writeln!(text, "next: {}", known.next_step);
        }
    }
    if let Some(of) = &summary.redrive_of {
        let _ = writeln!(text, "redrives {of}");
    }
    for by in &summary.redriven_by {
        let _ = writeln!(text, "redriven by {by}");
    }
    if let Some(by) = &summary.closed_by {
        let _ = writeln!(text, "its failure was closed by {by}");
    }
    text
}

/// Whether the event only opens what a later event of the same state and attempt closes.
fn closes_later(event: &Event, events: &[Event]) -> bool {
    matches!(
        event.data,
        EventData::StateEntered { .. } | EventData::StateRetried { .. }
    ) && events.iter().any(|other| {
        matches!(
            other.data,
            EventData::StateSucceeded { .. } | EventData::StateFailed { .. }
        ) && (&other.lane, &other.state, other.attempt, other.epoch)
            == (&event.lane, &event.state, event.attempt, event.epoch)
    })
}

fn offset(begun: DateTime<Utc>, time: DateTime<Utc>) -> String {
    format!("+{}", terminal::span_of(time - begun))
}

fn attempt_of(event: &Event) -> String {
    let state = event.state.as_deref().unwrap_or("");
    match event.attempt {
        0 => state.to_owned(),
        attempt => format!("{state} (attempt {})", attempt + 1),
    }
}

/// One event in one line.
fn describe(event: &Event) -> String {
    match &event.data {
        EventData::ImageReceived { image, .. } => match image.bytes {
            Some(bytes) => format!("received, {}", terminal::size(bytes)),
            None => "received".into(),
        },
        EventData::ExecutionStarted { workflow_hash, .. } => {
            format!(
                "started with workflow {}",
                terminal::shorten(workflow_hash, 12)
            )
        }
        EventData::StateEntered { .. } => "entered".into(),
        EventData::StateRetried { .. } => "tried again".into(),
        EventData::StateSucceeded { duration_ms } => {
            format!("succeeded in {}", terminal::span(*duration_ms))
        }
        EventData::StateFailed { error, duration_ms } => {
            format!(
                "failed in {}: {}: {}",
                terminal::span(*duration_ms),
                error.name,
                error.cause
            )
        }
        EventData::ImageValidated {
            facts,
            cost,
            warnings,
        } => {
            let mut text = format!(
                "is {} {}×{}, read {} in {}",
                facts.format,
                facts.width,
                facts.height,
                terminal::size(cost.bytes),
                terminal::count(cost.reads as usize, "read")
            );
            for warning in warnings {
                let _ = write!(text, "; {warning}");
            }
            text
        }
        EventData::ImageRejected { error, .. } => {
            format!("rejected: {}: {}", error.name, error.cause)
        }
        EventData::ImageRouted { wanted, skipped } => {
            let wanted: Vec<&str> = wanted.iter().map(|branch| branch.branch.as_str()).collect();
            let mut text = format!(
                "to {}",
                if wanted.is_empty() {
                    "no branch".into()
                } else {
                    wanted.join(", ")
                }
            );
            for branch in skipped {
                let _ = write!(text, "; not {}: {}", branch.branch, branch.reason);
            }
            text
        }
        EventData::BranchCompleted {
            outputs, version, ..
        } => {
            let outputs: Vec<String> = outputs
                .iter()
                .map(|output| format!("{} ({})", output.key, terminal::size(output.bytes)))
                .collect();
            format!(
                "version {version} wrote {}",
                if outputs.is_empty() {
                    "nothing".into()
                } else {
                    outputs.join(", ")
                }
            )
        }
        EventData::ImageCompleted { branches } => {
            format!("completed: {}", terminal::count(branches.len(), "branch"))
        }
        EventData::ImageFailed { class, error, .. } => {
            format!("{}: {}: {}", class.name(), error.name, error.cause)
        }
        EventData::MessageDeadLettered { queue, class, .. } => {
            format!("dead letter ({}) to {queue}", class.name())
        }
        EventData::HistoryArchived { events, states, .. } => {
            format!(
                "history archived: {}, {}",
                terminal::count(*events as usize, "event"),
                terminal::count(states.len(), "state")
            )
        }
        EventData::ExecutionSucceeded {} => "execution SUCCEEDED".into(),
        EventData::ExecutionFailed { error } => format!("execution FAILED: {}", error.name),
        EventData::ExecutionTimedOut { error } => format!("execution TIMED_OUT: {}", error.name),
        EventData::ExecutionAborted { error } => {
            format!("execution ABORTED: {}: {}", error.name, error.cause)
        }
        EventData::ExecutionRedriven {
            by,
            only,
            actor,
            reason,
        } => {
            let what = if only.is_empty() {
                "everything".into()
            } else {
                only.join(", ")
            };
            format!("redriven by {actor} as {by} ({what}): {reason}")
        }
        EventData::FailureDropped { actor, reason } => format!("dropped by {actor}: {reason}"),
        EventData::FailureClosed { by, actor, reason } => {
            format!("failure closed by {by} of {actor}: {reason}")
        }
        EventData::ImageErased { actor, reason } => format!("erased by {actor}: {reason}"),
    }
}
