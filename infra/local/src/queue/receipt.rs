//! Receipts: who received a message may delete it, until it is received again.

use rusqlite::{Connection, params};
use safelight_ports::QueueError;

use crate::refusal::Refusal;

/// Names one receive of one message: a later receive has another count.
pub(super) struct Receipt {
    pub(super) place: i64,
    pub(super) receives: u32,
    pub(super) id: String,
}

impl Receipt {
    /// Its text.
    pub(super) fn of(place: i64, receives: u32, id: &str) -> String {
        format!("{place}.{receives}.{id}")
    }

    /// Reads its text.
    pub(super) fn parse(text: &str) -> Result<Self, QueueError> {
        let mut parts = text.splitn(3, '.');
        let mut part = || parts.next().ok_or(QueueError::ReceiptInvalid);
        let invalid = |_| QueueError::ReceiptInvalid;
        Ok(Self {
            place: part()?.parse().map_err(invalid)?,
            receives: part()?.parse().map_err(invalid)?,
            id: part()?.to_owned(),
        })
    }
}

/// The message that a receipt names was there.
pub(super) fn one(changed: usize) -> Result<(), Refusal<QueueError>> {
    if changed == 1 {
        Ok(())
    } else {
        Err(Refusal::Port(QueueError::ReceiptInvalid))
    }
}

/// Deletes the message that this receipt is of; says how many that were.
pub(super) fn delete(tx: &Connection, queue: &str, receipt: &Receipt) -> rusqlite::Result<usize> {
    tx.prepare_cached(
        "DELETE FROM messages WHERE place = ?1 AND receives = ?2 AND id = ?3 AND queue = ?4",
    )?
    .execute(params![receipt.place, receipt.receives, receipt.id, queue])
}
