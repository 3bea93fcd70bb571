//! The record in memory.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use safelight_ports::{Claim, Page, PointerItem, Record, RecordError};
use safelight_schema::chain::GENESIS;
use safelight_schema::{Draft, Event, Evidence, Header, Lane, Pointer, Seal, Summary, key};

#[derive(Default)]
struct Items {
    header: Option<Header>,
    events: BTreeMap<Lane, Vec<Event>>,
    seals: Vec<Seal>,
    summary: Option<Summary>,
    pointers: BTreeMap<String, Pointer>,
}

#[derive(Default)]
struct Store {
    executions: BTreeMap<String, Items>,
    appends: u64,
    down_after: Option<u64>,
}

/// The record in memory.
#[derive(Default)]
pub struct MemoryRecord(Mutex<Store>);

impl MemoryRecord {
    /// Every call from the one after `calls` more on fails; `None`: all work again.
    pub fn set_down_after(&self, calls: Option<u64>) {
        self.0.lock().unwrap().down_after = calls;
    }

    /// How many appends wrote something.
    pub fn appends(&self) -> u64 {
        self.0.lock().unwrap().appends
    }

    /// The pointers of an execution, in order.
    pub fn pointers(&self, execution: &str) -> Vec<Pointer> {
        self.with(|store| {
            let items = store.executions.entry(execution.into()).or_default();
            items.pointers.values().cloned().collect()
        })
        .unwrap_or_default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Store) -> T) -> Result<T, RecordError> {
        let mut store = self.0.lock().unwrap();
        match store.down_after {
            Some(0) => return Err(RecordError::Unavailable("the test says so".into())),
            Some(calls) => store.down_after = Some(calls - 1),
            None => {}
        }
        Ok(act(&mut store))
    }

    fn read<T>(
        &self,
        execution: &str,
        act: impl FnOnce(&mut Items) -> T,
    ) -> Result<T, RecordError> {
        self.with(|store| act(store.executions.entry(execution.into()).or_default()))
    }
}

fn absent(execution: &str) -> RecordError {
    RecordError::Unavailable(format!("there is no header of '{execution}'"))
}

#[async_trait]
impl Record for MemoryRecord {
    async fn claim(&self, header: &Header, lease: Duration) -> Result<Claim, RecordError> {
        self.read(&header.execution, |items| {
            if let Some(held) = &items.header
                && (held.started
                    || !items.seals.is_empty()
                    || (held.claimed_by != header.claimed_by
                        && held.claimed + lease > header.claimed))
            {
                return Claim::Held(Box::new(held.clone()));
            }
            let image = &header.input.image;
            let execution = &header.execution;
            for pointer in [
                Pointer::time(execution, header.claimed),
                Pointer::image(execution, &image.bucket, &image.key, header.notified),
            ] {
                items.pointers.insert(pointer.sk.clone(), pointer);
            }
            items.header = Some(header.clone());
            Claim::Granted
        })
    }

    async fn mark_started(&self, execution: &str) -> Result<(), RecordError> {
        self.read(execution, |items| match &mut items.header {
            Some(header) => {
                header.started = true;
                Ok(())
            }
            None => Err(absent(execution)),
        })?
    }

    async fn append(
        &self,
        drafts: &[Draft],
        pointers: &[Pointer],
    ) -> Result<Vec<Event>, RecordError> {
        let Some(first) = drafts.first() else {
            return Ok(Vec::new());
        };
        for draft in drafts {
            assert_eq!(
                (&draft.execution, &draft.lane),
                (&first.execution, &first.lane)
            );
        }
        self.with(|store| {
            let items = store.executions.entry(first.execution.clone()).or_default();
            let lane = items.events.entry(first.lane.clone()).or_default();
            let before = lane.len();
            let mut stored = Vec::new();
            for draft in drafts {
                let id = draft.id();
                if let Some(event) = lane.iter().find(|event| event.id == id) {
                    stored.push(event.clone());
                } else {
                    let prev = lane.last().map_or(GENESIS, |event| event.hash.as_str());
                    let event = draft.clone().place(lane.len() as u64 + 1, prev);
                    stored.push(event.clone());
                    lane.push(event);
                }
            }
            store.appends += u64::from(lane.len() > before);
            for pointer in pointers {
                items
                    .pointers
                    .entry(pointer.sk.clone())
                    .or_insert_with(|| pointer.clone());
            }
            stored
        })
    }

    async fn lane(&self, execution: &str, lane: &Lane) -> Result<Vec<Event>, RecordError> {
        self.read(execution, |items| {
            items.events.get(lane).cloned().unwrap_or_default()
        })
    }

    async fn events(&self, execution: &str) -> Result<Vec<Event>, RecordError> {
        self.read(execution, |items| {
            items.events.values().flatten().cloned().collect()
        })
    }

    async fn header(&self, execution: &str) -> Result<Option<Header>, RecordError> {
        self.read(execution, |items| items.header.clone())
    }

    async fn seal(&self, execution: &str) -> Result<Option<Seal>, RecordError> {
        self.read(execution, |items| items.seals.last().cloned())
    }

    async fn put_seal(&self, execution: &str, time: DateTime<Utc>) -> Result<Seal, RecordError> {
        self.read(execution, |items| {
            let header = items.header.as_ref().ok_or_else(|| absent(execution))?;
            let events: Vec<Event> = items.events.values().flatten().cloned().collect();
            let seal = Seal::new(header, items.seals.last(), &events, time);
            match items.seals.last() {
                Some(last) if last.lanes == seal.lanes => Ok(last.clone()),
                _ => {
                    items.seals.push(seal.clone());
                    Ok(seal)
                }
            }
        })?
    }

    async fn put_summary(&self, summary: &Summary) -> Result<(), RecordError> {
        self.read(&summary.execution, |items| {
            items.summary = Some(summary.clone());
        })
    }

    async fn summary(&self, execution: &str) -> Result<Option<Summary>, RecordError> {
        self.read(execution, |items| items.summary.clone())
    }

    async fn find(
        &self,
        partition: &str,
        newest_first: bool,
        limit: u32,
        next: Option<&str>,
    ) -> Result<Page, RecordError> {
        self.with(|store| {
            let mut found: Vec<PointerItem> = store
                .executions
                .iter()
                .flat_map(|(execution, items)| {
                    items.pointers.values().map(|pointer| PointerItem {
                        execution: execution.clone(),
                        pointer: pointer.clone(),
                    })
                })
                .filter(|item| item.pointer.g1pk == partition)
                .collect();
            found.sort_by(|a, b| a.pointer.g1sk.cmp(&b.pointer.g1sk));
            if newest_first {
                found.reverse();
            }
            let start: usize = next.map_or(0, |next| next.parse().unwrap());
            let end = found.len().min(start + limit as usize);
            Page {
                next: (end < found.len()).then(|| end.to_string()),
                items: found[start..end].to_vec(),
            }
        })
    }

    async fn evidence(&self, execution: &str) -> Result<Evidence, RecordError> {
        self.read(execution, |items| Evidence {
            execution: execution.into(),
            header: items.header.clone(),
            events: items
                .events
                .values()
                .flatten()
                .map(|event| (key::event(&event.lane, event.seq), event.clone()))
                .collect(),
            seals: items
                .seals
                .iter()
                .map(|seal| (key::seal(seal.epoch), seal.clone()))
                .collect(),
            unreadable: Vec::new(),
            ended: items.summary.is_some(),
            expired: false,
        })
    }

    async fn executions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, RecordError> {
        self.with(|store| {
            let names = store.executions.keys();
            let later = names.filter(|name| after.is_none_or(|after| name.as_str() > after));
            later.take(limit as usize).cloned().collect()
        })
    }
}
