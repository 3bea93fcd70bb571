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
    /// Closed, but not looked at yet: kept here so that dropping `next` loses nothing.
    unseen: VecDeque<String>,
    ended: VecDeque<(String, Summary)>,
}

impl<'a> Follower<'a> {
    /// Follows executions of a host. What closes before this is called is not seen.
    pub fn new(host: &'a Host) -> Self {
        Self {
            host,
            closed: host.closed(),
            waiting: HashMap::new(),
            unseen: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// Whether nothing is waited for.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.ended.is_empty()
    }

    /// Waits for an execution that will be started after this.
    pub fn expect(&mut self, execution: String, shown: String) {
        self.waiting.insert(execution, shown);
    }

    /// Waits for an execution that may be closed already.
    pub async fn follow(&mut self, execution: String, shown: String) -> anyhow::Result<()> {
        self.expect(execution.clone(), shown);
        self.look(&execution).await
    }

    /// The next image that has ended. Only call it while something is waited for. It may be dropped
    /// while it waits.
    pub async fn next(&mut self) -> anyhow::Result<(String, Summary)> {
        loop {
            if let Some(ended) = self.ended.pop_front() {
                return Ok(ended);
            }
            if let Some(execution) = self.unseen.front().cloned() {
                self.look(&execution).await?;
                self.unseen.pop_front();
                continue;
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

    async fn look(&mut self, execution: &str) -> anyhow::Result<()> {
        if self.waiting.contains_key(execution)
            && let Some(summary) = self.host.record.summary(execution).await?
            && let Some(shown) = self.waiting.remove(execution)
        {
            self.ended.push_back((shown, summary));
        }
        Ok(())
    }
}
