//! The hash chain of a lane, the seal that binds all lanes, and what verification finds.
//!
//! `hash = SHA-256(prev ‖ SHA-256(RFC 8785 JSON of every immutable field, keys included))`.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::event::Event;
use crate::header::Header;
use crate::key;
use crate::lane::Lane;

/// The hash before the first event of a lane.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// SHA-256 of `bytes` in hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    to_hex(&Sha256::digest(bytes))
}

/// Lower-case hex of a digest.
pub fn to_hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a value's RFC 8785 form, in hex.
pub fn digest_of(value: &impl Serialize) -> String {
    sha256_hex(&canonical(value))
}

/// RFC 8785 JSON. Our types hold string keys and finite numbers only, so this cannot fail.
fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

/// The hash that an event must carry (invariant 2).
pub fn hash(event: &Event) -> String {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("hash");
        fields.remove("prev");
        fields.insert("pk".into(), key::partition(&event.execution).into());
        fields.insert("sk".into(), key::event(&event.lane, event.seq).into());
    }
    link(&event.prev, &canonical(&value))
}

fn link(prev: &str, canonical: &[u8]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(prev.as_bytes());
    hasher.update(Sha256::digest(canonical));
    to_hex(&hasher.finalize())
}

/// The last event of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tip {
    /// Its place.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
}

/// Binds every lane of an execution. Written at the end, and again after an operator's event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Seal {
    /// Execution name.
    pub execution: String,
    /// 0 for the first seal; one more for each that follows.
    pub epoch: u32,
    /// When it was sealed.
    #[serde(with = "crate::time::millis")]
    #[schemars(with = "String")]
    pub time: DateTime<Utc>,
    /// Every lane's tip.
    pub lanes: BTreeMap<Lane, Tip>,
    /// SHA-256 of the header's immutable fields.
    pub header: String,
    /// When the first of the sealed events may be gone, where their retention is limited.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::time::millis_option"
    )]
    #[schemars(with = "Option<String>")]
    pub until: Option<DateTime<Utc>>,
    /// Hash of the seal before it; 64 zeros for the first.
    pub prev: String,
    /// Its own hash, made as an event's is.
    pub hash: String,
}

impl Seal {
    /// Seals the lanes as they are. `events` may come in any order.
    pub fn new(
        header: &Header,
        previous: Option<&Self>,
        events: &[Event],
        time: DateTime<Utc>,
    ) -> Self {
        let mut lanes = BTreeMap::<Lane, Tip>::new();
        for event in events {
            let tip = lanes.entry(event.lane.clone()).or_insert_with(|| Tip {
                seq: 0,
                hash: String::new(),
            });
            if event.seq > tip.seq {
                *tip = Tip {
                    seq: event.seq,
                    hash: event.hash.clone(),
                };
            }
        }
        Self::of_tips(header, previous, lanes, time)
    }

    /// Seals these tips, for a store that knows the lanes' last events without reading the others.
    pub fn of_tips(
        header: &Header,
        previous: Option<&Self>,
        lanes: BTreeMap<Lane, Tip>,
        time: DateTime<Utc>,
    ) -> Self {
        let mut seal = Self {
            execution: header.execution.clone(),
            epoch: previous.map_or(0, |seal| seal.epoch.saturating_add(1)),
            // As it is stored: a seal that was read again must have the hash that was made here.
            time: time.trunc_subsecs(3),
            lanes,
            header: header.digest(),
            until: None,
            prev: previous.map_or_else(|| GENESIS.into(), |seal| seal.hash.clone()),
            hash: String::new(),
        };
        seal.hash = seal.expected_hash();
        seal
    }

    /// The same for events that may be gone from then on.
    #[must_use]
    pub fn with_until(mut self, until: Option<DateTime<Utc>>) -> Self {
        self.until = until.map(|until| until.trunc_subsecs(3));
        self.hash = self.expected_hash();
        self
    }

    /// The hash that it must carry.
    pub fn expected_hash(&self) -> String {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(fields) = &mut value {
            fields.remove("hash");
            fields.remove("prev");
            fields.insert("pk".into(), key::partition(&self.execution).into());
            fields.insert("sk".into(), key::seal(self.epoch).into());
        }
        link(&self.prev, &canonical(&value))
    }
}

/// What can be wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DamageKind {
    /// A field was changed: the hash or the id does not fit, or the item cannot be read.
    Altered,
    /// An event is not there, although a later one of its lane is.
    Missing,
    /// The end of a lane is not there, although the seal names it.
    Truncated,
    /// An event does not follow the one before it, or is not the one that was sealed.
    Forked,
    /// A whole lane, the header, the seal or an archived object is not there.
    Absent,
}

/// One finding of verification: the first bad event of a lane, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Damage {
    /// Execution name.
    pub execution: String,
    /// Sort key of the item that is wrong, such as `E#trunk#0000000003`.
    pub item: String,
    /// What is wrong.
    pub kind: DamageKind,
    /// What is wrong with what, for a person.
    pub message: String,
}

/// Everything of one execution that verification looks at. An item that could not even be parsed is
/// named in `unreadable` by its sort key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Execution name.
    pub execution: String,
    /// The header.
    pub header: Option<Header>,
    /// Events with the sort key that they are stored under.
    pub events: Vec<(String, Event)>,
    /// Seals with the sort key that they are stored under.
    pub seals: Vec<(String, Seal)>,
    /// Items that could not be parsed: sort key and why.
    pub unreadable: Vec<(String, String)>,
    /// Whether the engine says that the execution has ended and been closed.
    pub ended: bool,
    /// Whether the events may be gone because their retention is over. Header and seals stay then: a
    /// tombstone that says what was there. What is left must still be unaltered.
    #[serde(default)]
    pub expired: bool,
}

/// Verifies one execution: every lane's chain, ids, keys, and the seals. Empty means intact.
pub fn verify(evidence: &Evidence) -> Vec<Damage> {
    let mut found = Findings {
        execution: &evidence.execution,
        damage: Vec::new(),
    };
    for (item, why) in &evidence.unreadable {
        found.add(item, DamageKind::Altered, format!("cannot be read: {why}"));
    }
    let mut lanes = BTreeMap::<&Lane, Vec<&(String, Event)>>::new();
    for entry in &evidence.events {
        lanes.entry(&entry.1.lane).or_default().push(entry);
    }
    for (lane, events) in &mut lanes {
        events.sort_by_key(|(_, event)| event.seq);
        verify_lane(lane, events, &evidence.execution, evidence, &mut found);
    }
    verify_seals(evidence, &lanes, &mut found);
    found.damage
}

struct Findings<'a> {
    execution: &'a str,
    damage: Vec<Damage>,
}

impl Findings<'_> {
    fn add(&mut self, item: &str, kind: DamageKind, message: String) {
        self.damage.push(Damage {
            execution: self.execution.into(),
            item: item.into(),
            kind,
            message,
        });
    }
}

/// Reports the first bad event of the lane only: what follows it cannot be judged.
fn verify_lane(
    lane: &Lane,
    events: &[&(String, Event)],
    execution: &str,
    evidence: &Evidence,
    found: &mut Findings<'_>,
) {
    let mut prev = GENESIS;
    let mut expected_seq = 1;
    for (item, event) in events {
        if evidence.expired && event.seq > expected_seq {
            // Those before it expired; what is left is looked at by itself.
            expected_seq = event.seq;
            prev = &event.prev;
        }
        if key::event(lane, event.seq) != *item || event.execution != execution {
            let message = format!(
                "says that it is {} of {}",
                key::event(lane, event.seq),
                event.execution
            );
            return found.add(item, DamageKind::Altered, message);
        }
        if event.seq > expected_seq {
            let item = key::event(lane, expected_seq);
            // An item that is there and cannot be read was reported as altered already.
            if evidence.unreadable.iter().any(|(sk, _)| *sk == item) {
                return;
            }
            let message = format!(
                "is not there, although event {} of lane {lane} is",
                event.seq
            );
            return found.add(&item, DamageKind::Missing, message);
        }
        if hash(event) != event.hash {
            let message = "its hash does not fit its fields".into();
            return found.add(item, DamageKind::Altered, message);
        }
        if event.expected_id() != event.id {
            let message = "its id does not fit its fields".into();
            return found.add(item, DamageKind::Altered, message);
        }
        if event.prev != prev {
            let message = "does not follow the event before it".into();
            return found.add(item, DamageKind::Forked, message);
        }
        prev = &event.hash;
        expected_seq += 1;
    }
}

fn verify_seals(
    evidence: &Evidence,
    lanes: &BTreeMap<&Lane, Vec<&(String, Event)>>,
    found: &mut Findings<'_>,
) {
    // An item that is there and cannot be read was reported as altered already.
    let unreadable = |item: &str| evidence.unreadable.iter().any(|(sk, _)| sk == item);
    match &evidence.header {
        None if !unreadable(key::HEADER) => {
            found.add(
                key::HEADER,
                DamageKind::Absent,
                "the header is not there".into(),
            );
        }
        Some(header) if header.execution != evidence.execution => {
            let message = format!("says that it is of {}", header.execution);
            found.add(key::HEADER, DamageKind::Altered, message);
        }
        _ => {}
    }
    let mut seals: Vec<_> = evidence.seals.iter().collect();
    seals.sort_by_key(|(_, seal)| seal.epoch);
    if seals.is_empty() {
        if evidence.ended && !unreadable(&key::seal(0)) {
            let message = "the execution has ended, but its seal is not there".into();
            found.add(&key::seal(0), DamageKind::Absent, message);
        }
        return;
    }
    let mut prev = GENESIS;
    for (expected_epoch, (item, seal)) in seals.iter().enumerate() {
        if key::seal(seal.epoch) != *item || seal.execution != evidence.execution {
            let message = format!(
                "says that it is {} of {}",
                key::seal(seal.epoch),
                seal.execution
            );
            return found.add(item, DamageKind::Altered, message);
        }
        if seal.expected_hash() != seal.hash {
            return found.add(
                item,
                DamageKind::Altered,
                "its hash does not fit its fields".into(),
            );
        }
        if seal.epoch as usize != expected_epoch {
            let item = key::seal(expected_epoch as u32);
            if unreadable(&item) {
                return;
            }
            return found.add(
                &item,
                DamageKind::Missing,
                format!("is not there, although seal {} is", seal.epoch),
            );
        }
        if seal.prev != prev {
            return found.add(
                item,
                DamageKind::Forked,
                "does not follow the seal before it".into(),
            );
        }
        prev = &seal.hash;
    }
    let Some((item, last)) = seals.last() else {
        return;
    };
    let digest = evidence.header.as_ref().map(Header::digest);
    if digest.is_some_and(|digest| digest != last.header) {
        found.add(
            key::HEADER,
            DamageKind::Altered,
            "the header is not the one that was sealed".into(),
        );
    }
    let known_bad = |lane: &Lane, found: &Findings<'_>| {
        let prefix = key::lane(lane);
        found
            .damage
            .iter()
            .any(|damage| damage.item.starts_with(&prefix))
    };
    for (lane, tip) in &last.lanes {
        if known_bad(lane, found) {
            continue;
        }
        let Some(events) = lanes.get(lane) else {
            if evidence.expired {
                continue;
            }
            let message = format!(
                "lane {lane} is not there; the seal names {} events of it",
                tip.seq
            );
            found.add(&key::event(lane, 1), DamageKind::Absent, message);
            continue;
        };
        match events.iter().find(|(_, event)| event.seq == tip.seq) {
            None if evidence.expired => {}
            None => {
                let first = events.last().map_or(1, |(_, event)| event.seq + 1);
                let message = format!(
                    "lane {lane} ends before it; the seal names {} events",
                    tip.seq
                );
                found.add(&key::event(lane, first), DamageKind::Truncated, message);
            }
            Some((sk, event)) if event.hash != tip.hash => {
                let message = format!("is not the event that {item} sealed");
                found.add(sk, DamageKind::Forked, message);
            }
            Some(_) => {}
        }
    }
    for (lane, events) in lanes {
        // Operators append to `op` after the seal, and seal again; a crash may come between the two.
        if **lane == Lane::Operator || known_bad(lane, found) {
            continue;
        }
        let sealed = last.lanes.get(*lane).map_or(0, |tip| tip.seq);
        if let Some((sk, _)) = events.iter().find(|(_, event)| event.seq > sealed) {
            found.add(sk, DamageKind::Forked, "was added after the seal".into());
        }
    }
}
