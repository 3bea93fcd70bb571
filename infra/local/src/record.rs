//! The record in SQLite: one table that mirrors the keys of [`safelight_schema::key`].

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use rusqlite::{Connection, OptionalExtension, Row, params};
use safelight_ports::{Append, Claim, Page, PointerItem, Record, RecordError};
use safelight_schema::{
    Draft, Event, Evidence, Header, Lane, Pointer, Seal, Summary, Tip, chain, key,
};
use safelight_sqlite::{Database, DatabaseError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;

type Result<T> = std::result::Result<T, Refusal<RecordError>>;

const MIGRATIONS: &[&str] = &["
    CREATE TABLE items (
        pk TEXT NOT NULL,
        sk TEXT NOT NULL,
        body TEXT,
        g1pk TEXT,
        g1sk TEXT,
        PRIMARY KEY (pk, sk)
    ) WITHOUT ROWID;
    CREATE INDEX items_g1 ON items (g1pk, g1sk) WHERE g1pk IS NOT NULL;
"];

/// The record in one SQLite database.
#[derive(Clone)]
pub struct SqliteRecord {
    database: Database,
}

impl SqliteRecord {
    /// Makes its tables where they are not there. Blocks until that is durable.
    pub fn open(database: Database) -> std::result::Result<Self, DatabaseError> {
        database.migrate("record", MIGRATIONS)?;
        Ok(Self { database })
    }

    /// The record of a database that has its tables already, such as one opened for reading only.
    pub const fn existing(database: Database) -> Self {
        Self { database }
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, RecordError> {
        let result = self.database.write(work).await;
        result.map_err(|refusal| refusal.into_port(RecordError::Unavailable))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> std::result::Result<T, RecordError> {
        let result = self.database.read(work).await;
        result.map_err(|refusal| refusal.into_port(RecordError::Unavailable))
    }
}

#[async_trait]
impl Record for SqliteRecord {
    async fn claim(
        &self,
        header: &Header,
        lease: Duration,
    ) -> std::result::Result<Claim, RecordError> {
        let header = header.clone();
        self.write(move |tx| claim(tx, &header, lease)).await
    }

    async fn claim_with(
        &self,
        header: &Header,
        lease: Duration,
        drafts: &[Draft],
    ) -> std::result::Result<Claim, RecordError> {
        one_lane(drafts, &[])?;
        let (header, drafts) = (header.clone(), drafts.to_vec());
        self.write(move |tx| {
            let claim = claim(tx, &header, lease)?;
            if claim == Claim::Granted {
                append(tx, drafts, &[])?;
            }
            Ok(claim)
        })
        .await
    }

    async fn mark_started(&self, execution: &str) -> std::result::Result<(), RecordError> {
        let pk = key::partition(execution);
        self.write(move |tx| mark_started(tx, &pk)).await
    }

    async fn mark_started_with(
        &self,
        execution: &str,
        drafts: &[Draft],
    ) -> std::result::Result<(), RecordError> {
        one_lane(drafts, &[])?;
        let (pk, drafts) = (key::partition(execution), drafts.to_vec());
        self.write(move |tx| {
            append(tx, drafts, &[])?;
            mark_started(tx, &pk)
        })
        .await
    }

    async fn append(
        &self,
        drafts: &[Draft],
        pointers: &[Pointer],
    ) -> std::result::Result<Vec<Event>, RecordError> {
        one_lane(drafts, pointers)?;
        if drafts.is_empty() {
            return Ok(Vec::new());
        }
        let (drafts, pointers) = (drafts.to_vec(), pointers.to_vec());
        self.write(move |tx| append(tx, drafts, &pointers)).await
    }

    async fn lane(
        &self,
        execution: &str,
        lane: &Lane,
    ) -> std::result::Result<Vec<Event>, RecordError> {
        let (pk, prefix) = (key::partition(execution), key::lane(lane));
        self.read(move |db| events(db, &pk, &prefix)).await
    }

    async fn events(&self, execution: &str) -> std::result::Result<Vec<Event>, RecordError> {
        let pk = key::partition(execution);
        self.read(move |db| events(db, &pk, "E#")).await
    }

    async fn header(&self, execution: &str) -> std::result::Result<Option<Header>, RecordError> {
        let pk = key::partition(execution);
        self.read(move |db| get(db, &pk, key::HEADER)).await
    }

    async fn seal(&self, execution: &str) -> std::result::Result<Option<Seal>, RecordError> {
        let pk = key::partition(execution);
        self.read(move |db| last_seal(db, &pk)).await
    }

    async fn put_seal(
        &self,
        execution: &str,
        time: DateTime<Utc>,
    ) -> std::result::Result<Seal, RecordError> {
        let pk = key::partition(execution);
        self.write(move |tx| put_seal(tx, &pk, time)).await
    }

    async fn put_summary(&self, summary: &Summary) -> std::result::Result<(), RecordError> {
        let summary = summary.clone();
        self.write(move |tx| {
            let pk = key::partition(&summary.execution);
            put(tx, &pk, key::SUMMARY, &summary)
        })
        .await
    }

    async fn close(
        &self,
        execution: &str,
        appends: &[Append],
        time: DateTime<Utc>,
    ) -> std::result::Result<Summary, RecordError> {
        for Append { drafts, pointers } in appends {
            one_lane(drafts, pointers)?;
        }
        let (pk, appends) = (key::partition(execution), appends.to_vec());
        self.write(move |tx| {
            for Append { drafts, pointers } in appends {
                append(tx, drafts, &pointers)?;
            }
            put_seal(tx, &pk, time)?;
            let header: Header = require(tx, &pk, key::HEADER)?;
            let summary = Summary::of(&header, &events(tx, &pk, "E#")?);
            put(tx, &pk, key::SUMMARY, &summary)?;
            Ok(summary)
        })
        .await
    }

    async fn summary(&self, execution: &str) -> std::result::Result<Option<Summary>, RecordError> {
        let pk = key::partition(execution);
        self.read(move |db| get(db, &pk, key::SUMMARY)).await
    }

    async fn find(
        &self,
        partition: &str,
        newest_first: bool,
        limit: u32,
        next: Option<&str>,
    ) -> std::result::Result<Page, RecordError> {
        let (partition, next) = (partition.to_owned(), next.map(str::to_owned));
        self.read(move |db| find(db, &partition, newest_first, limit, next.as_deref()))
            .await
    }

    async fn evidence(&self, execution: &str) -> std::result::Result<Evidence, RecordError> {
        let execution = execution.to_owned();
        self.read(move |db| evidence(db, execution)).await
    }

    async fn executions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> std::result::Result<Vec<String>, RecordError> {
        let mut pk = key::partition(after.unwrap_or(""));
        self.read(move |db| {
            // One seek an execution, instead of walking over all its items.
            let mut next = db.prepare_cached("SELECT min(pk) FROM items WHERE pk > ?1")?;
            let mut names = Vec::new();
            while names.len() < limit as usize {
                let Some(found) = next.query_row([&pk], |row| row.get::<_, Option<String>>(0))?
                else {
                    break;
                };
                names.push(execution_of(&found).to_owned());
                pk = found;
            }
            Ok(names)
        })
        .await
    }
}

fn fault(what: &str) -> RecordError {
    RecordError::Unavailable(format!(
        "{what}: this is a fault of the program, please report it"
    ))
}

/// What an append is made of: events of one lane, and pointers only beside them.
fn one_lane(drafts: &[Draft], pointers: &[Pointer]) -> std::result::Result<(), RecordError> {
    let Some(first) = drafts.first() else {
        if pointers.is_empty() {
            return Ok(());
        }
        return Err(fault("pointers were given without an event"));
    };
    let same = |draft: &Draft| draft.execution == first.execution && draft.lane == first.lane;
    if drafts.iter().all(same) {
        return Ok(());
    }
    Err(fault("events of different lanes were appended together"))
}

fn unreadable(item: &str, problem: &impl ToString) -> Refusal<RecordError> {
    Refusal::Port(RecordError::Unreadable {
        item: item.to_owned(),
        problem: problem.to_string(),
    })
}

fn execution_of(pk: &str) -> &str {
    pk.strip_prefix("X#").unwrap_or(pk)
}

/// The sort key after every one that starts with `prefix`, which must end in `#`.
fn end_of(prefix: &str) -> String {
    let mut end = prefix.trim_end_matches('#').to_owned();
    end.push('$');
    end
}

/// The text of an item, which somebody may have replaced by anything.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        rusqlite::types::ValueRef::Text(bytes) | rusqlite::types::ValueRef::Blob(bytes) => {
            String::from_utf8_lossy(bytes).into_owned()
        }
        _ => String::new(),
    })
}

fn parse<T: DeserializeOwned>(sk: &str, body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| unreadable(sk, &error))
}

fn get<T: DeserializeOwned>(db: &Connection, pk: &str, sk: &str) -> Result<Option<T>> {
    let mut select = db.prepare_cached("SELECT body FROM items WHERE pk = ?1 AND sk = ?2")?;
    let body = select.query_row([pk, sk], |row| text(row, 0)).optional()?;
    body.map(|body| parse(sk, &body)).transpose()
}

fn require<T: DeserializeOwned>(db: &Connection, pk: &str, sk: &str) -> Result<T> {
    get(db, pk, sk)?.ok_or_else(|| unreadable(sk, &format!("it is not there in {pk}")))
}

fn put(tx: &Connection, pk: &str, sk: &str, item: &impl Serialize) -> Result<()> {
    let body = serde_json::to_string(item).map_err(|error| unreadable(sk, &error))?;
    tx.prepare_cached("INSERT OR REPLACE INTO items (pk, sk, body) VALUES (?1, ?2, ?3)")?
        .execute(params![pk, sk, body])?;
    Ok(())
}

fn put_pointers(tx: &Connection, pk: &str, pointers: &[Pointer]) -> Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT OR REPLACE INTO items (pk, sk, g1pk, g1sk) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for pointer in pointers {
        insert.execute(params![pk, pointer.sk, pointer.g1pk, pointer.g1sk])?;
    }
    Ok(())
}

/// Calls `each` with sort key and body of every item whose sort key starts with `prefix`, in order.
fn scan(
    db: &Connection,
    pk: &str,
    prefix: &str,
    mut each: impl FnMut(&str, String) -> Result<()>,
) -> Result<()> {
    let mut select = db.prepare_cached(
        "SELECT sk, body FROM items WHERE pk = ?1 AND sk >= ?2 AND sk < ?3 ORDER BY sk",
    )?;
    let mut rows = select.query([pk, prefix, &end_of(prefix)])?;
    while let Some(row) = rows.next()? {
        each(&text(row, 0)?, text(row, 1)?)?;
    }
    Ok(())
}

fn events(db: &Connection, pk: &str, prefix: &str) -> Result<Vec<Event>> {
    let mut found = Vec::new();
    scan(db, pk, prefix, |sk, body| {
        found.push(parse(sk, &body)?);
        Ok(())
    })?;
    Ok(found)
}

fn claim(tx: &Connection, header: &Header, lease: Duration) -> Result<Claim> {
    let pk = key::partition(&header.execution);
    if let Some(held) = get::<Header>(tx, &pk, key::HEADER)? {
        let expired = header.claimed - held.claimed > lease;
        let ours = header.claimed_by == held.claimed_by;
        // What was sealed has ended, whatever its header says.
        if held.started || !(expired || ours) || last_seal(tx, &pk)?.is_some() {
            return Ok(Claim::Held(Box::new(held)));
        }
    }
    put(tx, &pk, key::HEADER, header)?;
    let image = &header.input.image;
    let pointers = [
        Pointer::time(&header.execution, header.claimed),
        Pointer::image(
            &header.execution,
            &image.bucket,
            &image.key,
            header.notified,
        ),
    ];
    put_pointers(tx, &pk, &pointers)?;
    Ok(Claim::Granted)
}

fn mark_started(tx: &Connection, pk: &str) -> Result<()> {
    let mut header: Header = require(tx, pk, key::HEADER)?;
    if !header.started {
        header.started = true;
        put(tx, pk, key::HEADER, &header)?;
    }
    Ok(())
}

/// What an append has to know of an event that is there.
#[derive(Deserialize)]
struct Link {
    id: uuid::Uuid,
    hash: String,
}

fn append(tx: &Connection, drafts: Vec<Draft>, pointers: &[Pointer]) -> Result<Vec<Event>> {
    let Some(first) = drafts.first() else {
        return Ok(Vec::new());
    };
    let (pk, lane) = (key::partition(&first.execution), first.lane.clone());
    // Ids of the lane with their stored text: only a duplicate is parsed whole.
    let mut stored: Vec<(uuid::Uuid, String, String)> = Vec::new();
    let mut tip = Tip {
        seq: 0,
        hash: chain::GENESIS.to_owned(),
    };
    scan(tx, &pk, &key::lane(&lane), |sk, body| {
        let link: Link = parse(sk, &body)?;
        let (_, seq) = key::parse_event(sk).ok_or_else(|| unreadable(sk, &"not an event's key"))?;
        tip = Tip {
            seq,
            hash: link.hash,
        };
        stored.push((link.id, sk.to_owned(), body));
        Ok(())
    })?;
    let mut answers = Vec::with_capacity(drafts.len());
    let mut insert = tx.prepare_cached("INSERT INTO items (pk, sk, body) VALUES (?1, ?2, ?3)")?;
    for draft in drafts {
        let id = draft.id();
        if let Some((_, sk, body)) = stored.iter().find(|(known, ..)| *known == id) {
            answers.push(parse(sk, body)?);
            continue;
        }
        let event = draft.place(tip.seq + 1, &tip.hash);
        let sk = key::event(&lane, event.seq);
        let body = serde_json::to_string(&event).map_err(|error| unreadable(&sk, &error))?;
        insert.execute(params![pk, sk, body])?;
        tip = Tip {
            seq: event.seq,
            hash: event.hash.clone(),
        };
        stored.push((id, sk, body));
        answers.push(event);
    }
    put_pointers(tx, &pk, pointers)?;
    Ok(answers)
}

fn last_seal(db: &Connection, pk: &str) -> Result<Option<Seal>> {
    let mut select = db.prepare_cached(
        "SELECT sk, body FROM items WHERE pk = ?1 AND sk >= 'Z#' AND sk < 'Z$'
         ORDER BY sk DESC LIMIT 1",
    )?;
    let found = select
        .query_row([pk], |row| Ok((text(row, 0)?, text(row, 1)?)))
        .optional()?;
    found.map(|(sk, body)| parse(&sk, &body)).transpose()
}

fn put_seal(tx: &Connection, pk: &str, time: DateTime<Utc>) -> Result<Seal> {
    #[derive(Deserialize)]
    struct Hash {
        hash: String,
    }
    let header: Header = require(tx, pk, key::HEADER)?;
    // Items come in the order of their keys, so the last one of a lane is its tip.
    let mut tips = BTreeMap::<Lane, (u64, String, String)>::new();
    scan(tx, pk, "E#", |sk, body| {
        let (lane, seq) =
            key::parse_event(sk).ok_or_else(|| unreadable(sk, &"not an event's key"))?;
        tips.insert(lane, (seq, sk.to_owned(), body));
        Ok(())
    })?;
    let mut lanes = BTreeMap::new();
    for (lane, (seq, sk, body)) in tips {
        let Hash { hash } = parse(&sk, &body)?;
        lanes.insert(lane, Tip { seq, hash });
    }
    let previous = last_seal(tx, pk)?;
    if let Some(seal) = &previous
        && seal.lanes == lanes
    {
        return Ok(seal.clone());
    }
    let seal = Seal::of_tips(&header, previous.as_ref(), lanes, time);
    put(tx, pk, &key::seal(seal.epoch), &seal)?;
    Ok(seal)
}

fn find(
    db: &Connection,
    partition: &str,
    newest_first: bool,
    limit: u32,
    next: Option<&str>,
) -> Result<Page> {
    let sql = match (newest_first, next.is_some()) {
        (false, false) => {
            "SELECT pk, sk, g1pk, g1sk FROM items WHERE g1pk = ?1
             ORDER BY g1sk, pk, sk LIMIT ?2"
        }
        (false, true) => {
            "SELECT pk, sk, g1pk, g1sk FROM items WHERE g1pk = ?1 AND (g1sk, pk, sk) > (?3, ?4, ?5)
             ORDER BY g1sk, pk, sk LIMIT ?2"
        }
        (true, false) => {
            "SELECT pk, sk, g1pk, g1sk FROM items WHERE g1pk = ?1
             ORDER BY g1sk DESC, pk DESC, sk DESC LIMIT ?2"
        }
        (true, true) => {
            "SELECT pk, sk, g1pk, g1sk FROM items WHERE g1pk = ?1 AND (g1sk, pk, sk) < (?3, ?4, ?5)
             ORDER BY g1sk DESC, pk DESC, sk DESC LIMIT ?2"
        }
    };
    let mut select = db.prepare_cached(sql)?;
    let item = |row: &Row<'_>| {
        let pk = text(row, 0)?;
        let pointer = Pointer {
            sk: text(row, 1)?,
            g1pk: text(row, 2)?,
            g1sk: text(row, 3)?,
        };
        Ok(PointerItem {
            execution: execution_of(&pk).to_owned(),
            pointer,
        })
    };
    // One more than asked for says whether there is another page.
    let wanted = i64::from(limit) + 1;
    let mut items = match next {
        None => select
            .query_map(params![partition, wanted], item)?
            .collect::<rusqlite::Result<Vec<_>>>()?,
        Some(token) => {
            let mut parts = token.split('\n');
            let mut part = || parts.next().unwrap_or("");
            let (g1sk, pk, sk) = (part(), part(), part());
            select
                .query_map(params![partition, wanted, g1sk, pk, sk], item)?
                .collect::<rusqlite::Result<Vec<_>>>()?
        }
    };
    let more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| more).map(|last| {
        let pk = key::partition(&last.execution);
        format!("{}\n{pk}\n{}", last.pointer.g1sk, last.pointer.sk)
    });
    Ok(Page { items, next })
}

fn evidence(db: &Connection, execution: String) -> Result<Evidence> {
    let mut select = db.prepare_cached("SELECT sk, body FROM items WHERE pk = ?1 ORDER BY sk")?;
    let mut rows = select.query([key::partition(&execution)])?;
    let mut evidence = Evidence {
        execution,
        ..Evidence::default()
    };
    while let Some(row) = rows.next()? {
        let (sk, body) = (text(row, 0)?, text(row, 1)?);
        let problem = match sk.split('#').next().unwrap_or("") {
            key::HEADER => whole(&body).map(|header| evidence.header = Some(header)),
            "E" => whole(&body).map(|event| evidence.events.push((sk.clone(), event))),
            "Z" => whole(&body).map(|seal| evidence.seals.push((sk.clone(), seal))),
            // A projection: it is rebuilt from what is verified.
            key::SUMMARY => {
                evidence.ended = true;
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(problem) = problem {
            evidence.unreadable.push((sk, problem));
        }
    }
    Ok(evidence)
}

/// An item of which nothing is passed over. A reader ignores fields that it does not know, and hashes
/// cover what was read: a field that somebody added would be seen by nobody otherwise.
fn whole<T: DeserializeOwned + Serialize>(body: &str) -> std::result::Result<T, String> {
    let text = |error: serde_json::Error| error.to_string();
    let item: T = serde_json::from_str(body).map_err(text)?;
    let stored: serde_json::Value = serde_json::from_str(body).map_err(text)?;
    if serde_json::to_value(&item).map_err(text)? == stored {
        Ok(item)
    } else {
        Err("it has fields that are not its own".into())
    }
}
