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
    /// A deployment on AWS.
    #[cfg(feature = "aws")]
    Cloud(Box<crate::cloud::Cloud>),
}

impl Access {
    /// Reaches the state of a configuration; becomes its owner if nobody is.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        #[cfg(feature = "aws")]
        if let Some(aws) = &config.aws {
            let cloud = crate::cloud::Cloud::open(aws).await;
            return Ok(Self::Cloud(Box::new(cloud)));
        }
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
            Self::Own(host) => Some(host),
            Self::Running(_) => None,
            #[cfg(feature = "aws")]
            Self::Cloud(_) => None,
        }
    }

    /// Who takes what is queued, if the host is not ours.
    pub const fn who_does_it(&self) -> &'static str {
        match self {
            Self::Own(_) | Self::Running(_) => "the running host does them",
            #[cfg(feature = "aws")]
            Self::Cloud(_) => "the deployment does them",
        }
    }

    /// The record.
    pub fn record(&self) -> &dyn Record {
        match self {
            Self::Running(client) => client.as_ref(),
            Self::Own(host) => &host.record,
            #[cfg(feature = "aws")]
            Self::Cloud(cloud) => cloud.record(),
        }
    }

    /// The queues.
    pub fn queue(&self) -> &dyn Queue {
        match self {
            Self::Running(client) => client.as_ref(),
            Self::Own(host) => &host.queue,
            #[cfg(feature = "aws")]
            Self::Cloud(cloud) => cloud.queue(),
        }
    }

    /// Takes a message out of a queue by its id. False if it may still be there.
    pub async fn take_away(&self, queue: &str, id: &str) -> anyhow::Result<bool> {
        match self {
            // What is not found here is gone.
            Self::Running(client) => client.delete_by_id(queue, id).await.map(drop)?,
            Self::Own(host) => host.queue.delete_by_id(queue, id).await.map(drop)?,
            #[cfg(feature = "aws")]
            Self::Cloud(cloud) => return cloud.take_away(queue, id).await,
        }
        Ok(true)
    }

    /// Closes what was opened.
    pub async fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Own(host) => {
                let settled = host.settle().await;
                host.shutdown().await;
                settled
            }
            Self::Running(_) => Ok(()),
            #[cfg(feature = "aws")]
            Self::Cloud(cloud) => cloud.release().await,
        }
    }
}
