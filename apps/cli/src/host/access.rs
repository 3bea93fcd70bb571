//! How a command that writes reaches the state: through the running host, or as the owner itself.

use std::sync::Arc;

use safelight_local::{HostClient, LockError};
use safelight_ports::{Queue, Record};

use crate::config::Config;
use crate::host::{Host, Role};

/// A way to the record and the queues.
pub enum Access {
    /// Another process owns the state folder: its host is asked.
    Running(Arc<HostClient>),
    /// This process owns it.
    Own(Box<Host>),
}

impl Access {
    /// Reaches the state of a configuration; becomes its owner if nobody is.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        match Host::start(config, Role::Batch, Vec::new()).await {
            Ok(host) => Ok(Self::Own(Box::new(host))),
            Err(error) => match error.downcast_ref() {
                Some(LockError::Owned {
                    holder: Some(holder),
                    ..
                }) => Ok(Self::Running(Arc::new(HostClient::new(
                    holder.address,
                    &holder.token,
                )))),
                _ => Err(error),
            },
        }
    }

    /// The host, if it is ours.
    pub fn host(&self) -> Option<&Host> {
        match self {
            Self::Running(_) => None,
            Self::Own(host) => Some(host),
        }
    }

    /// The record.
    pub fn record(&self) -> &dyn Record {
        match self {
            Self::Running(client) => client.as_ref(),
            Self::Own(host) => &host.record,
        }
    }

    /// The queues.
    pub fn queue(&self) -> &dyn Queue {
        match self {
            Self::Running(client) => client.as_ref(),
            Self::Own(host) => &host.queue,
        }
    }

    /// Takes a message out of a queue by its id.
    pub async fn take_away(&self, queue: &str, id: &str) -> anyhow::Result<()> {
        match self {
            Self::Running(client) => client.delete_by_id(queue, id).await?,
            Self::Own(host) => host.queue.delete_by_id(queue, id).await?,
        };
        Ok(())
    }

    /// Closes what was opened.
    pub async fn close(self) -> anyhow::Result<()> {
        if let Self::Own(host) = self {
            let settled = host.settle().await;
            host.shutdown().await;
            settled?;
        }
        Ok(())
    }
}
