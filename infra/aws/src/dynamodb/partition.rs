//! The items of one execution, read.

use safelight_ports::RecordError;
use safelight_schema::{Event, Evidence, Header, Seal, key};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::item::{self, Found, Item};
use super::table::Table;

/// The parts that a seal is made of.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    /// The header.
    pub header: Option<Header>,
    /// Events, lane by lane, each lane in order.
    pub events: Vec<Event>,
    /// Seals, in order.
    pub seals: Vec<Seal>,
}

impl Partition {
    /// Reads items, which come in the order of their sort keys.
    pub(crate) async fn read(table: &Table, items: Vec<Item>) -> Result<Self, RecordError> {
        let mut read = Self::default();
        for item in items {
            match kind(item::sort_key(&item)) {
                key::HEADER => read.header = Some(parse(table, &item).await?),
                "E" => read.events.extend(events(table, &item).await?),
                "Z" => read.seals.push(parse(table, &item).await?),
                _ => {}
            }
        }
        Ok(read)
    }
}

fn kind(sk: &str) -> &str {
    sk.split('#').next().unwrap_or("")
}

fn unreadable(item: &Item, problem: &impl ToString) -> RecordError {
    RecordError::Unreadable {
        item: item::sort_key(item).to_owned(),
        problem: problem.to_string(),
    }
}

/// The JSON of an item, wherever it lies.
async fn json(table: &Table, item: &Item) -> Result<String, RecordError> {
    match item::body(item).map_err(|problem| unreadable(item, &problem))? {
        Found::Json(json) => Ok(json),
        Found::Object(sha256) => {
            let found = table.payload(&sha256).await?;
            found.map_err(|problem| unreadable(item, &problem))
        }
    }
}

/// An item's value.
pub(crate) async fn parse<T: DeserializeOwned>(
    table: &Table,
    item: &Item,
) -> Result<T, RecordError> {
    let json = json(table, item).await?;
    serde_json::from_str(&json).map_err(|error| unreadable(item, &error))
}

/// The events of one item.
pub(crate) async fn events(table: &Table, item: &Item) -> Result<Vec<Event>, RecordError> {
    parse(table, item).await
}

/// A value of which nothing is passed over. A reader ignores fields that it does not know, and hashes
/// cover what was read: a field that somebody added would be seen by nobody otherwise.
fn whole<T: DeserializeOwned + Serialize>(json: &str) -> Result<T, String> {
    let text = |error: serde_json::Error| error.to_string();
    let value: T = serde_json::from_str(json).map_err(text)?;
    let stored: serde_json::Value = serde_json::from_str(json).map_err(text)?;
    if serde_json::to_value(&value).map_err(text)? == stored {
        Ok(value)
    } else {
        Err("it has fields that are not its own".into())
    }
}

/// Everything that verification looks at.
pub(crate) async fn evidence(
    table: &Table,
    execution: &str,
    items: &[Item],
) -> Result<Evidence, RecordError> {
    let mut evidence = Evidence {
        execution: execution.to_owned(),
        ..Evidence::default()
    };
    let now = chrono::Utc::now();
    for item in items {
        let sk = item::sort_key(item).to_owned();
        let kind = kind(&sk);
        // Not what is not covered by a hash: pointers, and the projection.
        if kind == key::SUMMARY {
            evidence.ended = true;
        }
        if !matches!(kind, key::HEADER | "E" | "Z") {
            continue;
        }
        // It is as good as gone, and what it points at may be; whether that may be the seal says.
        if item::expired(item, now.timestamp()) {
            continue;
        }
        let json = match json(table, item).await {
            Ok(json) => json,
            Err(RecordError::Unreadable { problem, .. }) => {
                evidence.unreadable.push((sk, problem));
                continue;
            }
            Err(error) => return Err(error),
        };
        let problem = match kind {
            key::HEADER => whole(&json).map(|header| evidence.header = Some(header)),
            "Z" => whole(&json).map(|seal: Seal| {
                evidence.expired |= seal.until.is_some_and(|until| until <= now);
                evidence.seals.push((sk.clone(), seal));
            }),
            _ => whole(&json).and_then(|events: Vec<Event>| placed(&sk, events, &mut evidence)),
        };
        if let Err(problem) = problem {
            evidence.unreadable.push((sk, problem));
        }
    }
    Ok(evidence)
}

/// Gives each event of an item the sort key of its place.
fn placed(sk: &str, events: Vec<Event>, evidence: &mut Evidence) -> Result<(), String> {
    let (lane, first) = key::parse_event(sk).ok_or("it is not an event's key")?;
    if events.is_empty() {
        return Err("it has no event".into());
    }
    for (seq, event) in (first..).zip(events) {
        evidence.events.push((key::event(&lane, seq), event));
    }
    Ok(())
}
