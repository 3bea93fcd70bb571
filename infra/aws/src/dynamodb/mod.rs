//! The record in DynamoDB: the keys of [`safelight_schema::key`], one table, one index.
//!
//! ```text
//! H                     body, started, claimed, claimed_by; g1pk, g1sk: the T pointer
//! E#<lane>#<seq:010>    body: what one append wrote, a list of events from that place on; often with a
//!                       pointer's index keys
//! Z#<epoch:04> | S      body
//! P#…                   a pointer that no event's item carries
//! ```
//!
//! An append is one conditional put at the place after the lane's last event, so it is atomic without
//! a transaction (which would cost twice), and a pointer that is given with it costs one unit instead of
//! two. Only `Query`, `PutItem` and, for a person's `audit`, `Scan` are used.

mod item;
mod lanes;
mod meter;
mod partition;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use chrono::{DateTime, Duration, Utc};
use safelight_ports::{Append, Claim, Objects, Page, PointerItem, Record, RecordError};
use safelight_schema::{
    Draft, Event, Evidence, Header, Lane, Pointer, Seal, Summary, Tip, chain, key,
};

use item::Item;
use lanes::{Lanes, SeenLane};
pub use meter::{Meter, Units};
use partition::Partition;
use table::Table;

/// How often an append or a claim is tried again after another writer was faster.
const TRIES: u32 = 16;

/// The record in one DynamoDB table.
pub struct DynamoRecord {
    table: Table,
    lanes: Lanes,
    /// The names that [`Record::executions`] answers page by page, as one scan found them.
    names: Mutex<Arc<BTreeSet<String>>>,
}

impl DynamoRecord {
    /// The record in `table`; bodies over a few KB go to `payloads`.
    pub fn new(client: Client, table: impl Into<String>, payloads: Arc<dyn Objects>) -> Self {
        Self {
            table: Table::new(client, table.into(), payloads),
            lanes: Lanes::default(),
            names: Mutex::default(),
        }
    }

    /// Lets events, summaries and pointers expire so many days after they were written. Header and
    /// seals stay.
    #[must_use]
    pub fn with_retention_days(mut self, days: Option<NonZeroU16>) -> Self {
        self.table.retention = days.map(|days| Duration::days(i64::from(days.get())));
        self
    }

    /// Adds up what DynamoDB says that the calls cost.
    #[must_use]
    pub fn with_meter(mut self, meter: Arc<Meter>) -> Self {
        self.table.meter = Some(meter);
        self
    }

    async fn partition(&self, pk: &str) -> Result<Partition, RecordError> {
        Partition::read(&self.table, self.table.query(pk, None).await?).await
    }

    /// A lane as it is stored, in order.
    async fn read_lane(&self, pk: &str, lane: &Lane) -> Result<SeenLane, RecordError> {
        let prefix = key::lane(lane);
        let items = self.table.query(pk, Some((&prefix, None))).await?;
        self.seen(&items).await
    }

    async fn seen(&self, items: &[Item]) -> Result<SeenLane, RecordError> {
        let mut seen = SeenLane::default();
        for item in items {
            seen.events
                .extend(partition::events(&self.table, item).await?);
            if let (Some(pk), Some(sk)) = (item::string(item, "g1pk"), item::string(item, "g1sk")) {
                seen.pointers.push((pk.to_owned(), sk.to_owned()));
            }
        }
        Ok(seen)
    }

    /// The header and the trunk's events in one read: what `started` means is in the trunk.
    async fn header_item(&self, pk: &str) -> Result<Option<(Header, Item)>, RecordError> {
        let trunk = key::lane(&Lane::Trunk);
        let items = self
            .table
            .query(pk, Some((&trunk, Some(key::HEADER))))
            .await?;
        let (headers, events): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|item| item::sort_key(item) == key::HEADER);
        let Some(item) = headers.into_iter().next() else {
            return Ok(None);
        };
        let mut header: Header = partition::parse(&self.table, &item).await?;
        let seen = self.seen(&events).await?;
        header.started |= seen.is_started();
        self.lanes.keep(pk, &trunk, seen);
        Ok(Some((header, item)))
    }

    /// The header, with the T pointer.
    async fn claim_header(&self, header: &Header, lease: Duration) -> Result<Claim, RecordError> {
        let pk = key::partition(&header.execution);
        let trunk = key::lane(&Lane::Trunk);
        if self.table.put_header(&pk, header, None).await? {
            // Nothing comes before the header.
            self.lanes.keep(&pk, &trunk, SeenLane::default());
            return Ok(Claim::Granted);
        }
        for attempt in 0..TRIES {
            let Some((held, _)) = self.header_item(&pk).await? else {
                return Err(absent(&pk));
            };
            let expired = header.claimed - held.claimed > lease;
            let ours = header.claimed_by == held.claimed_by;
            // What was sealed has ended, whatever its header says.
            if held.started || !(expired || ours) || self.is_sealed(&pk).await? {
                return Ok(Claim::Held(Box::new(held)));
            }
            if self.table.put_header(&pk, header, Some(&held)).await? {
                return Ok(Claim::Granted);
            }
            step_back(attempt).await;
        }
        Err(RecordError::Conflict(format!("the header of {pk}")))
    }

    async fn is_sealed(&self, pk: &str) -> Result<bool, RecordError> {
        let seals = self.table.query(pk, Some(("Z#", None))).await?;
        Ok(!seals.is_empty())
    }

    /// Seals the lanes as they were read, unless the last seal names the same tips; `None` if another
    /// sealed meanwhile.
    async fn try_seal(
        &self,
        pk: &str,
        read: &Partition,
        time: DateTime<Utc>,
    ) -> Result<Option<Seal>, RecordError> {
        let header = read.header.as_ref().ok_or_else(|| absent(pk))?;
        let mut lanes = BTreeMap::<Lane, Tip>::new();
        for event in &read.events {
            let (seq, hash) = (event.seq, event.hash.clone());
            lanes.insert(event.lane.clone(), Tip { seq, hash });
        }
        let first = read.events.iter().map(|event| event.time).min();
        let until = first.and_then(|first| Some(first + self.table.retention?));
        let previous = read.seals.last();
        if let Some(seal) = previous
            && seal.lanes == lanes
        {
            return Ok(Some(seal.clone()));
        }
        let seal = Seal::of_tips(header, previous, lanes, time).with_until(until);
        let sk = key::seal(seal.epoch);
        let json = to_json(&sk, &seal)?;
        let put = self.table.put_new(pk, &sk, json, None).await?;
        Ok(put.then_some(seal))
    }

    /// Reads the execution and seals it; answers what was read and the last seal.
    async fn seal_lanes(
        &self,
        pk: &str,
        time: DateTime<Utc>,
    ) -> Result<(Partition, Seal), RecordError> {
        for attempt in 0..TRIES {
            let read = self.partition(pk).await?;
            if let Some(seal) = self.try_seal(pk, &read, time).await? {
                return Ok((read, seal));
            }
            step_back(attempt).await;
        }
        Err(RecordError::Conflict(format!("the seal of {pk}")))
    }

    /// Appends to the lane as it was seen; `None` if it grew meanwhile.
    async fn try_append(
        &self,
        drafts: &[Draft],
        pointers: &[Pointer],
        mut seen: SeenLane,
    ) -> Result<Option<(Vec<Event>, SeenLane)>, RecordError> {
        let Some(first) = drafts.first() else {
            return Ok(Some((Vec::new(), seen)));
        };
        let pk = key::partition(&first.execution);
        let mut fresh: Vec<Event> = Vec::new();
        let mut answers = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let id = draft.id();
            let known = seen
                .find(id)
                .or_else(|| fresh.iter().find(|it| it.id == id));
            if let Some(event) = known {
                answers.push(event.clone());
                continue;
            }
            let last = fresh.last().or_else(|| seen.events.last());
            let (seq, prev) = last.map_or((0, chain::GENESIS), |it| (it.seq, it.hash.as_str()));
            let event = draft.clone().place(seq + 1, prev);
            answers.push(event.clone());
            fresh.push(event);
        }
        let mut missing = pointers.iter().filter(|it| !seen.carries(it));
        let carried = if fresh.is_empty() {
            None
        } else {
            missing.next()
        };
        // Pointers first: one that points at what is not there yet is passed over, one that is
        // missing would hide what is there.
        for pointer in missing {
            self.table.put_pointer(&pk, pointer).await?;
        }
        if let Some(event) = fresh.first() {
            let sk = key::event(&first.lane, event.seq);
            let json = to_json(&sk, &fresh)?;
            if !self.table.put_new(&pk, &sk, json, carried).await? {
                return Ok(None);
            }
            seen.pointers
                .extend(carried.map(|it| (it.g1pk.clone(), it.g1sk.clone())));
            seen.events.extend(fresh);
        }
        Ok(Some((answers, seen)))
    }
}

fn to_json(sk: &str, value: &impl serde::Serialize) -> Result<String, RecordError> {
    serde_json::to_string(value).map_err(|error| RecordError::Unreadable {
        item: sk.to_owned(),
        problem: error.to_string(),
    })
}

fn fault(what: &str) -> RecordError {
    RecordError::Unavailable(format!(
        "{what}: this is a fault of the program, please report it"
    ))
}

fn image_pointer(header: &Header) -> Pointer {
    let image = &header.input.image;
    Pointer::image(
        &header.execution,
        &image.bucket,
        &image.key,
        header.notified,
    )
}

fn absent(pk: &str) -> RecordError {
    RecordError::Unreadable {
        item: key::HEADER.into(),
        problem: format!("it is not there in {pk}"),
    }
}

/// Waits a little before another try, longer each time, and not as long as the others do.
async fn step_back(attempt: u32) {
    let most = 10_u64 << attempt.min(6);
    let wait = most / 2 + uuid::Uuid::new_v4().as_u64_pair().0 % (most / 2 + 1);
    tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
}

#[async_trait]
impl Record for DynamoRecord {
    async fn claim(&self, header: &Header, lease: Duration) -> Result<Claim, RecordError> {
        let claim = self.claim_header(header, lease).await?;
        if claim == Claim::Granted {
            let pk = key::partition(&header.execution);
            self.table.put_pointer(&pk, &image_pointer(header)).await?;
        }
        Ok(claim)
    }

    /// The I pointer rides on the first event, so a claim costs two items instead of three.
    async fn claim_with(
        &self,
        header: &Header,
        lease: Duration,
        drafts: &[Draft],
    ) -> Result<Claim, RecordError> {
        if drafts.is_empty() {
            return self.claim(header, lease).await;
        }
        let claim = self.claim_header(header, lease).await?;
        if claim == Claim::Granted {
            self.append(drafts, &[image_pointer(header)]).await?;
        }
        Ok(claim)
    }

    async fn mark_started(&self, execution: &str) -> Result<(), RecordError> {
        let pk = key::partition(execution);
        let trunk = key::lane(&Lane::Trunk);
        // The event says it: no write is needed then.
        if let Some(seen) = self.lanes.take(&pk, &trunk) {
            let started = seen.is_started();
            self.lanes.keep(&pk, &trunk, seen);
            if started {
                return Ok(());
            }
        }
        for attempt in 0..TRIES {
            let Some((held, _)) = self.header_item(&pk).await? else {
                return Err(absent(&pk));
            };
            if held.started {
                return Ok(());
            }
            let mut started = held.clone();
            started.started = true;
            if self.table.put_header(&pk, &started, Some(&held)).await? {
                return Ok(());
            }
            step_back(attempt).await;
        }
        Err(RecordError::Conflict(format!("the header of {pk}")))
    }

    async fn append(
        &self,
        drafts: &[Draft],
        pointers: &[Pointer],
    ) -> Result<Vec<Event>, RecordError> {
        let Some(first) = drafts.first() else {
            if pointers.is_empty() {
                return Ok(Vec::new());
            }
            return Err(fault("pointers were given without an event"));
        };
        let same = |draft: &Draft| draft.execution == first.execution && draft.lane == first.lane;
        if !drafts.iter().all(same) {
            return Err(fault("events of different lanes were appended together"));
        }
        let (pk, prefix) = (key::partition(&first.execution), key::lane(&first.lane));
        let mut seen = self.lanes.take(&pk, &prefix);
        for attempt in 0..TRIES {
            let lane = match seen.take() {
                Some(lane) => lane,
                None => self.read_lane(&pk, &first.lane).await?,
            };
            if let Some((answers, lane)) = self.try_append(drafts, pointers, lane).await? {
                self.lanes.keep(&pk, &prefix, lane);
                return Ok(answers);
            }
            if attempt > 0 {
                step_back(attempt).await;
            }
        }
        Err(RecordError::Conflict(format!("{prefix} of {pk}")))
    }

    async fn lane(&self, execution: &str, lane: &Lane) -> Result<Vec<Event>, RecordError> {
        let seen = self.read_lane(&key::partition(execution), lane).await?;
        Ok(seen.events)
    }

    async fn events(&self, execution: &str) -> Result<Vec<Event>, RecordError> {
        let pk = key::partition(execution);
        let items = self.table.query(&pk, Some(("E#", None))).await?;
        Ok(self.seen(&items).await?.events)
    }

    async fn header(&self, execution: &str) -> Result<Option<Header>, RecordError> {
        let found = self.header_item(&key::partition(execution)).await?;
        Ok(found.map(|(header, _)| header))
    }

    async fn seal(&self, execution: &str) -> Result<Option<Seal>, RecordError> {
        let pk = key::partition(execution);
        let items = self.table.query(&pk, Some(("Z#", None))).await?;
        match items.last() {
            Some(item) => Ok(Some(partition::parse(&self.table, item).await?)),
            None => Ok(None),
        }
    }

    async fn put_seal(&self, execution: &str, time: DateTime<Utc>) -> Result<Seal, RecordError> {
        let (_, seal) = self.seal_lanes(&key::partition(execution), time).await?;
        Ok(seal)
    }

    /// One read of the execution serves seal and summary.
    async fn close(
        &self,
        execution: &str,
        appends: &[Append],
        time: DateTime<Utc>,
    ) -> Result<Summary, RecordError> {
        for Append { drafts, pointers } in appends {
            self.append(drafts, pointers).await?;
        }
        let pk = key::partition(execution);
        let (read, _) = self.seal_lanes(&pk, time).await?;
        let header = read.header.ok_or_else(|| absent(&pk))?;
        let summary = Summary::of(&header, &read.events);
        self.put_summary(&summary).await?;
        Ok(summary)
    }

    async fn put_summary(&self, summary: &Summary) -> Result<(), RecordError> {
        let pk = key::partition(&summary.execution);
        let json = to_json(key::SUMMARY, summary)?;
        self.table.put(&pk, key::SUMMARY, json).await
    }

    async fn summary(&self, execution: &str) -> Result<Option<Summary>, RecordError> {
        let pk = key::partition(execution);
        let items = self.table.query(&pk, Some((key::SUMMARY, None))).await?;
        match items.first() {
            Some(item) => Ok(Some(partition::parse(&self.table, item).await?)),
            None => Ok(None),
        }
    }

    async fn find(
        &self,
        partition: &str,
        newest_first: bool,
        limit: u32,
        next: Option<&str>,
    ) -> Result<Page, RecordError> {
        let (items, next) = self
            .table
            .find(partition, newest_first, limit, next)
            .await?;
        let items = items.iter().filter_map(pointer_of).collect();
        Ok(Page { items, next })
    }

    async fn evidence(&self, execution: &str) -> Result<Evidence, RecordError> {
        let items = self.table.query(&key::partition(execution), None).await?;
        partition::evidence(&self.table, execution, &items).await
    }

    async fn executions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, RecordError> {
        // A table is scanned in no order: one scan is kept for the pages that follow.
        let kept = || self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = Arc::clone(&kept());
        if !after.is_some_and(|after| names.contains(after)) {
            names = Arc::new(self.table.names().await?);
            *kept() = Arc::clone(&names);
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let page = names.range::<str, _>((from, Bound::Unbounded));
        Ok(page.take(limit as usize).cloned().collect())
    }
}

/// The pointer that an item of the index is, or that it carries.
fn pointer_of(item: &Item) -> Option<PointerItem> {
    let text = |name: &str| item::string(item, name).map(str::to_owned);
    let execution = text("pk")?.strip_prefix("X#")?.to_owned();
    let (own, partition) = (text("sk")?, text("g1pk")?);
    let pointer = Pointer {
        sk: if own.starts_with("P#") {
            own
        } else {
            pointer_sort_key(&partition)
        },
        g1pk: partition,
        g1sk: text("g1sk")?,
    };
    Some(PointerItem { execution, pointer })
}

/// The sort key that a pointer has as an item of its own, from its index partition.
fn pointer_sort_key(g1pk: &str) -> String {
    let mut parts = g1pk.split('#');
    let (kind, name) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    match kind {
        "F" => format!("P#F#{name}"),
        // A branch's name has no '@', its version may.
        "B" => format!("P#B#{}", name.split('@').next().unwrap_or("")),
        kind => format!("P#{kind}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_that_an_item_carries_has_the_sort_key_of_its_own() {
        let at = DateTime::from_timestamp_millis(1_795_262_400_000).unwrap();
        for pointer in [
            Pointer::time("x", at),
            Pointer::image("x", "photos", "a#b.jpg", at),
            Pointer::failure("x", key::ANY_FAILURE, at),
            Pointer::failure("x", "0123abcd", at),
            Pointer::branch("x", "label", "1@2.0", at),
        ] {
            assert_eq!(pointer_sort_key(&pointer.g1pk), pointer.sk);
        }
    }
}
