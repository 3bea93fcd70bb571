//! Waits for executions to be closed.

use std::collections::{HashMap, VecDeque};

use safelight_ports::Record as _;
use safelight_schema::Summary;
use tokio::sync::broadcast;

use crate::host::Host;

/// Executions that somebody waits for, with how they call each image.
pub struct Follower<'a> {
    host: &'a Host,
    closed: broadcast::Receiver<String>,
    waiting: HashMap<String, String>,
    /// Closed, perhaps, and not looked at yet.
    unseen: VecDeque<String>,
}

impl<'a> Follower<'a> {
    /// Follows executions of a host. What closes before this is called is not seen.
    pub fn new(host: &'a Host) -> Self {
        Self {
            host,
            closed: host.closed(),
            waiting: HashMap::new(),
            unseen: VecDeque::new(),
        }
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Waits for an execution that will be started after this.
    pub fn expect(&mut self, execution: String, shown: String) {
        self.waiting.insert(execution, shown);
    }

    /// Waits for an execution that may be closed already.
    pub fn follow(&mut self, execution: String, shown: String) {
        self.unseen.push_back(execution.clone());
        self.expect(execution, shown);
    }

    /// The next execution that may have ended: see [`Self::ended`]. Only call it while something is
    /// waited for. It asks nobody, so that it is ready as soon as there is one, and may be dropped while
    /// it waits.
    pub async fn next(&mut self) -> anyhow::Result<String> {
        loop {
            if let Some(execution) = self.unseen.pop_front() {
                return Ok(execution);
            }
            tokio::select! {
                closed = self.closed.recv() => match closed {
                    Ok(execution) => self.unseen.push_back(execution),
                    // Fell behind: look at everything once.
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.unseen.extend(self.waiting.keys().cloned());
                    }
                    Err(broadcast::error::RecvError::Closed) => anyhow::bail!("the host has stopped"),
                },
                stopped = self.host.stopped() => return Err(stopped),
            }
        }
    }

    /// How the person calls the image of an execution, and how it ended: once, if it is waited for and
    /// has ended.
    pub async fn ended(&mut self, execution: &str) -> anyhow::Result<Option<(String, Summary)>> {
        if !self.waiting.contains_key(execution) {
            return Ok(None);
        }
        let summary = self.host.record.summary(execution).await?;
        Ok(summary.and_then(|summary| Some((self.waiting.remove(execution)?, summary))))
    }
}
