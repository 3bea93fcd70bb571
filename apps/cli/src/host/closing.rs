//! Takes obsolete letters out of the dead-letter queue: a later run of the image did again what failed.

use std::collections::BTreeSet;
use std::time::Duration;

use safelight_local::{SqliteQueue, SqliteRecord};
use safelight_ports::{Queue as _, Record, RecordError};
use safelight_schema::EventData;
use tokio::sync::broadcast;

use crate::dead_letters::{self, ImageKey, Obsolete};
use crate::host::DEAD_LETTERS;
use crate::operator::{actor, note};

/// How long `serve` gathers executions that were closed before it looks at the queue.
const GATHER: Duration = Duration::from_secs(1);

/// Writes into the record that a later run stands for this failure.
pub async fn close(record: &dyn Record, letter: &Obsolete) -> Result<(), RecordError> {
    let reason = if letter.failed_again {
        "the image was processed again, and failed again"
    } else {
        "the image was processed again, and succeeded"
    };
    let closed = EventData::FailureClosed {
        by: letter.by.clone(),
        actor: actor(),
        reason: reason.into(),
    };
    note(record, &letter.execution, &letter.subject, closed).await
}

/// The record and the queue of a host.
#[derive(Clone)]
pub struct Closing {
    /// The record.
    pub record: SqliteRecord,
    /// The queues.
    pub queue: SqliteQueue,
}

impl Closing {
    /// Looks at the whole queue, then at the images of what is closed, for ever.
    pub async fn run(self, mut closed: broadcast::Receiver<String>) {
        let mut only = None;
        loop {
            if let Err(error) = self.sweep(only.as_ref()).await {
                tracing::error!(%error, "obsolete dead letters were left in their queue");
            }
            only = match self.next_images(&mut closed).await {
                Ok(images) => images,
                Err(broadcast::error::RecvError::Closed) => return,
                // Some were missed.
                Err(broadcast::error::RecvError::Lagged(_)) => None,
            };
        }
    }

    /// The images of the executions that are closed next.
    async fn next_images(
        &self,
        closed: &mut broadcast::Receiver<String>,
    ) -> Result<Option<BTreeSet<ImageKey>>, broadcast::error::RecvError> {
        let mut names = vec![closed.recv().await?];
        tokio::time::sleep(GATHER).await;
        loop {
            match closed.try_recv() {
                Ok(name) => names.push(name),
                Err(broadcast::error::TryRecvError::Lagged(_)) => return Ok(None),
                Err(_) => break,
            }
        }
        let mut images = BTreeSet::new();
        for name in names {
            if let Ok(Some(header)) = self.record.header(&name).await {
                let image = header.input.image;
                images.insert((image.bucket, image.key));
            }
        }
        Ok(Some(images))
    }

    /// Closes what is obsolete; of these images where some are named.
    pub async fn sweep(&self, only: Option<&BTreeSet<ImageKey>>) -> anyhow::Result<()> {
        let depth = self.queue.depth(DEAD_LETTERS).await?;
        if depth.visible + depth.not_visible == 0 {
            return Ok(());
        }
        let messages = self.queue.browse(DEAD_LETTERS, u32::MAX).await?;
        let letters = dead_letters::read(&self.record, messages, only).await?;
        for letter in letters.obsolete {
            // The record first: a crash in between closes it twice, which changes nothing.
            close(&self.record, &letter).await?;
            for message in &letter.messages {
                self.queue.delete_by_id(DEAD_LETTERS, message).await?;
            }
        }
        Ok(())
    }
}
