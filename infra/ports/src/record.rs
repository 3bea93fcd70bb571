//! The record: headers, lanes of events, seals, summaries and pointers of every execution.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use safelight_schema::{
    Draft, Event, Evidence, Header, Lane, Pointer, Seal, Summary, error_name, key,
};
use serde::{Deserialize, Serialize};

/// What a claim was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Claim {
    /// The header is ours: start the execution.
    Granted,
    /// The header is another's, alive or started; here it is.
    Held(Box<Header>),
}

/// A pointer as the index answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointerItem {
    /// Execution that it points at.
    pub execution: String,
    /// The pointer.
    pub pointer: Pointer,
}

/// A page of an index, in the order of the index's sort key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The items.
    pub items: Vec<PointerItem>,
    /// Give it to the next call; absent on the last page.
    pub next: Option<String>,
}

/// What can go wrong with the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum RecordError {
    /// The store did not answer, or refused: what, and what to do.
    #[error("the record is not available: {0}")]
    Unavailable(String),
    /// Another writer was faster, more often than was tried again.
    #[error("another writer appends to the same lane: {0}")]
    Conflict(String),
    /// A stored item cannot be read.
    #[error("the item {item} cannot be read: {problem}")]
    Unreadable {
        /// Sort key.
        item: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl RecordError {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) | Self::Unreadable { .. } => error_name::RECORD_UNAVAILABLE.name,
            Self::Conflict(_) => error_name::RECORD_CONFLICT.name,
        }
    }
}

/// Drafts of one lane and the pointers that are written with them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Append {
    /// The events, all of the same execution and lane.
    pub drafts: Vec<Draft>,
    /// The pointers.
    pub pointers: Vec<Pointer>,
}

/// The record of executions.
///
/// `claim_with`, `mark_started_with` and `close` are several steps in one call. As written here they
/// are those steps one after the other, so that a call which broke off is finished by the same call
/// again; a store that can do them at once saves the round trips.
#[async_trait]
pub trait Record: Send + Sync {
    /// Puts the header if there is none; or if the one that is there was never started and was
    /// claimed longer than `lease` ago or by the same message, and nothing is sealed. Writes the pointers
    /// T, by the time of the claim, and I, by that of the notification, with it.
    async fn claim(&self, header: &Header, lease: Duration) -> Result<Claim, RecordError>;

    /// As `claim`; when it is granted, appends `drafts` too.
    async fn claim_with(
        &self,
        header: &Header,
        lease: Duration,
        drafts: &[Draft],
    ) -> Result<Claim, RecordError> {
        let claim = self.claim(header, lease).await?;
        if claim == Claim::Granted {
            self.append(drafts, &[]).await?;
        }
        Ok(claim)
    }

    /// Notes that StartExecution has answered for a claimed header.
    async fn mark_started(&self, execution: &str) -> Result<(), RecordError>;

    /// Appends `drafts`, and notes that StartExecution has answered.
    async fn mark_started_with(
        &self,
        execution: &str,
        drafts: &[Draft],
    ) -> Result<(), RecordError> {
        self.append(drafts, &[]).await?;
        self.mark_started(execution).await
    }

    /// Appends drafts to one lane, in order, and writes `pointers` with them. A draft whose id is in
    /// the lane already is not written again. Answers the events as stored, one a draft.
    ///
    /// All drafts must be of the same execution and lane.
    async fn append(
        &self,
        drafts: &[Draft],
        pointers: &[Pointer],
    ) -> Result<Vec<Event>, RecordError>;

    /// The events of one lane, in order.
    async fn lane(&self, execution: &str, lane: &Lane) -> Result<Vec<Event>, RecordError>;

    /// The events of all lanes, each lane in order.
    async fn events(&self, execution: &str) -> Result<Vec<Event>, RecordError>;

    /// The header.
    async fn header(&self, execution: &str) -> Result<Option<Header>, RecordError>;

    /// The last seal.
    async fn seal(&self, execution: &str) -> Result<Option<Seal>, RecordError>;

    /// Seals the lanes as they are now, unless the last seal names the same tips; answers the last seal.
    async fn put_seal(&self, execution: &str, time: DateTime<Utc>) -> Result<Seal, RecordError>;

    /// Writes the projection.
    async fn put_summary(&self, summary: &Summary) -> Result<(), RecordError>;

    /// Appends what is still to be said of an execution that has ended, seals its lanes, and writes
    /// its summary, in this order; answers the summary.
    async fn close(
        &self,
        execution: &str,
        appends: &[Append],
        time: DateTime<Utc>,
    ) -> Result<Summary, RecordError> {
        for Append { drafts, pointers } in appends {
            self.append(drafts, pointers).await?;
        }
        self.put_seal(execution, time).await?;
        let header = self.header(execution).await?;
        let header = header.ok_or_else(|| RecordError::Unreadable {
            item: key::HEADER.into(),
            problem: format!("there is none of '{execution}'"),
        })?;
        let summary = Summary::of(&header, &self.events(execution).await?);
        self.put_summary(&summary).await?;
        Ok(summary)
    }

    /// The projection, if the execution was closed.
    async fn summary(&self, execution: &str) -> Result<Option<Summary>, RecordError>;

    /// Pointers of one index partition, ascending or descending by sort key, at most `limit`.
    async fn find(
        &self,
        partition: &str,
        newest_first: bool,
        limit: u32,
        next: Option<&str>,
    ) -> Result<Page, RecordError>;

    /// Everything that verification looks at, with unreadable items named instead of refused.
    /// `ended` is whether a summary is there.
    async fn evidence(&self, execution: &str) -> Result<Evidence, RecordError>;

    /// Names of all executions that have any item, in order, after `after`, at most `limit`.
    async fn executions(&self, after: Option<&str>, limit: u32)
    -> Result<Vec<String>, RecordError>;
}
