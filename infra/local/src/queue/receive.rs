//! Receiving: hides what it answers, and clears away what has expired or was received too often.

use rusqlite::{Connection, params};
use safelight_ports::{Message, QueueError};

use super::config::Redrive;
use super::messages::{count_sent, time};
use super::receipt::Receipt;
use crate::refusal::Refusal;

/// What is to be received.
pub(super) struct Receive {
    pub(super) queue: String,
    pub(super) max: usize,
    pub(super) now: i64,
    pub(super) hidden_until: i64,
    pub(super) kept_since: i64,
    pub(super) redrive: Option<Redrive>,
}

/// Expired messages and new dead letters that one receive clears away at most: the writer is shared.
const MAX_PASSES: usize = 1_000;

/// Answers the messages, and the dead-letter queue if some went there.
pub(super) fn receive(
    tx: &Connection,
    request: &Receive,
) -> Result<(Vec<Message>, Option<String>), Refusal<QueueError>> {
    let mut next = tx.prepare_cached(
        "SELECT place, id, sent, receives, body FROM messages WHERE queue = ?1 AND visible <= ?2
         ORDER BY visible, sent, place LIMIT ?3",
    )?;
    let mut hide = tx.prepare_cached(
        "UPDATE messages SET visible = ?2, receives = receives + 1 WHERE place = ?1",
    )?;
    let mut expire = tx.prepare_cached("DELETE FROM messages WHERE place = ?1")?;
    let mut bury = tx.prepare_cached(
        "UPDATE messages SET queue = ?2, visible = ?3, receives = 0 WHERE place = ?1",
    )?;
    let mut messages: Vec<Message> = Vec::new();
    // Hidden for no time at all, a message would be found again by the same receive.
    let mut taken: Vec<i64> = Vec::new();
    let mut buried = 0;
    for _ in 0..MAX_PASSES {
        let missing = request.max.saturating_sub(messages.len());
        if missing == 0 {
            break;
        }
        let found = next
            .query_map(params![request.queue, request.now, missing as i64], |row| {
                let message = Message {
                    id: row.get(1)?,
                    receipt: String::new(),
                    body: row.get(4)?,
                    receive_count: row.get(3)?,
                    sent: time(row.get(2)?),
                };
                Ok((row.get::<_, i64>(0)?, message))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let mut cleared = false;
        for (place, mut message) in found {
            if taken.contains(&place) {
                continue;
            }
            if message.sent.timestamp_millis() <= request.kept_since {
                expire.execute([place])?;
                cleared = true;
                continue;
            }
            if let Some(redrive) = &request.redrive
                && message.receive_count >= redrive.max_receive_count
            {
                bury.execute(params![place, redrive.dead_letter_queue, request.now])?;
                buried += 1;
                cleared = true;
                continue;
            }
            hide.execute(params![place, request.hidden_until])?;
            message.receive_count += 1;
            message.receipt = Receipt::of(place, message.receive_count, &message.id);
            taken.push(place);
            messages.push(message);
        }
        if !cleared {
            break;
        }
    }
    let dead_letters = request.redrive.as_ref().filter(|_| buried > 0);
    if let Some(redrive) = dead_letters {
        count_sent(tx, &redrive.dead_letter_queue, buried, request.now)?;
    }
    let name = dead_letters.map(|redrive| redrive.dead_letter_queue.clone());
    Ok((messages, name))
}
