//! `safelight audit`: prove that the record was not altered.

use std::collections::BTreeSet;

use safelight_schema::chain::{self, sha256_hex};
use safelight_schema::{Damage, DamageKind, EventData, ObjectRef};
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::AuditCommand;
use crate::config::Config;
use crate::exit::Exit;
use crate::failure;
use crate::host::DATABASE;
use crate::reader::Reader;
use crate::terminal;

/// Executions read at once.
const PAGE: u32 = 256;

/// What `audit verify --json` prints.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Verification {
    /// Executions that were verified.
    pub executions: u64,
    /// Events that were verified.
    pub events: u64,
    /// Executions that have not ended: their lanes are verified, they have no seal yet.
    pub open: u64,
    /// Findings; none where the record is whole.
    pub damage: Vec<Damage>,
}

/// Runs the command.
pub async fn run(command: &AuditCommand, config: &Config) -> anyhow::Result<Exit> {
    let AuditCommand::Verify { subjects, place } = command;
    let verification = match verify(config, subjects).await {
        Err(error) if failure::is_damaged(&error) => unreadable(&error, config),
        verified => verified?,
    };
    if place.json {
        println!("{}", serde_json::to_string(&verification)?);
    } else {
        print(&verification);
    }
    Ok(if verification.damage.is_empty() {
        Exit::Fine
    } else {
        Exit::Damaged
    })
}

/// A file that cannot be read is a record that does not verify.
fn unreadable(error: &anyhow::Error, config: &Config) -> Verification {
    let database = config.state_dir.join(DATABASE);
    eprintln!("next: {}", failure::mend_damaged(&database));
    Verification {
        damage: vec![Damage {
            execution: String::new(),
            item: DATABASE.to_owned(),
            kind: DamageKind::Altered,
            message: failure::what(error),
        }],
        ..Verification::default()
    }
}

async fn verify(config: &Config, subjects: &[String]) -> anyhow::Result<Verification> {
    let reader = &Reader::open(config).await?;
    let mut result = Verification::default();
    let engine = reader.engine_executions().await?;
    let closed = |execution: &str| engine.get(execution).copied().unwrap_or(false);
    if !subjects.is_empty() {
        for subject in subjects {
            for execution in reader.executions_of(subject).await? {
                verify_execution(reader, &execution, closed(&execution), &mut result).await?;
            }
        }
        return Ok(result);
    }
    let mut seen = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let page = reader.record().executions(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.clone());
        for execution in page {
            verify_execution(reader, &execution, closed(&execution), &mut result).await?;
            seen.insert(execution);
        }
    }
    // What the engine ran must be in the record, even if every item of it was removed.
    for execution in engine.keys().cloned() {
        if seen.insert(execution.clone()) {
            result.executions += 1;
            result.damage.push(Damage {
                execution,
                item: "H".into(),
                kind: DamageKind::Absent,
                message: "the engine ran this execution, but the record has nothing of it".into(),
            });
        }
    }
    Ok(result)
}

async fn verify_execution(
    reader: &Reader,
    execution: &str,
    closed: bool,
    result: &mut Verification,
) -> anyhow::Result<()> {
    let mut evidence = reader.record().evidence(execution).await?;
    evidence.ended |= closed;
    result.executions += 1;
    result.events += evidence.events.len() as u64;
    if !evidence.ended && evidence.seals.is_empty() {
        result.open += 1;
    }
    result.damage.extend(chain::verify(&evidence));
    for (item, event) in &evidence.events {
        let EventData::HistoryArchived { archive, .. } = &event.data else {
            continue;
        };
        if let Some((kind, message)) = verify_archive(reader, archive).await? {
            result.damage.push(Damage {
                execution: execution.to_owned(),
                item: item.clone(),
                kind,
                message,
            });
        }
    }
    Ok(())
}

async fn verify_archive(
    reader: &Reader,
    archive: &ObjectRef,
) -> anyhow::Result<Option<(DamageKind, String)>> {
    let Some(body) = reader.object(archive).await? else {
        return Ok(Some((
            DamageKind::Absent,
            format!("the archived history {} is not there", archive.key),
        )));
    };
    if sha256_hex(&body) != archive.sha256 {
        return Ok(Some((
            DamageKind::Altered,
            format!("the archived history {} was changed", archive.key),
        )));
    }
    Ok(None)
}

fn print(verification: &Verification) {
    if !verification.damage.is_empty() {
        let mut table = terminal::table(&["Execution", "Item", "Kind", "What is wrong"]);
        for damage in &verification.damage {
            table.add_row(vec![
                damage.execution.clone(),
                terminal::safe(&damage.item),
                format!("{:?}", damage.kind).to_lowercase(),
                terminal::safe(&damage.message),
            ]);
        }
        terminal::keep_whole(&mut table, &[0, 1, 2]);
        println!("{table}\n");
    }
    let open = match verification.open {
        0 => String::new(),
        open => format!(", {open} of them not ended yet"),
    };
    println!(
        "{}, {}{open}: {}",
        terminal::count(verification.executions as usize, "execution"),
        terminal::count(verification.events as usize, "event"),
        match verification.damage.len() {
            0 => "the record is whole".to_owned(),
            findings => terminal::count(findings, "finding"),
        }
    );
}
