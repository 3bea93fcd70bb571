//! Closes an execution: its history, its end and what nobody else could say, under one seal.

use chrono::{DateTime, Duration, Utc};
use safelight_kit::letters::{self, fingerprint_of, kinds, pointers, redrive_command};
use safelight_kit::payload::put_content;
use safelight_kit::{Adapters, FunctionError};
use safelight_ports::Append;
use safelight_schema::{
    DeadLetter, DeadLetterSchema, Draft, ErrorInfo, EventData, FailureClass, Header, Lane, Pointer,
    error_name,
};
use serde_json::json;

use crate::handler::{ARCHIVE, Closer, Detail};
use crate::history::{self, End, HistoryError};

/// What became of an execution that was to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Closed,
    /// A function that it called may run until then, and write.
    Open(DateTime<Utc>),
    /// `start` did not claim it.
    Unclaimed,
}

impl Closer {
    /// Closes an execution that has ended and has nothing in work any more (invariant 7).
    pub(crate) async fn close(&self, detail: &Detail) -> Result<Closing, FunctionError> {
        let Adapters {
            record,
            objects,
            clock,
            ..
        } = &self.adapters;
        let Some(header) = record.header(&detail.name).await? else {
            tracing::warn!(
                execution.id = detail.name,
                "an execution that `start` did not claim is not recorded"
            );
            return Ok(Closing::Unclaimed);
        };
        let events = self
            .adapters
            .workflow()?
            .history(&detail.execution_arn)
            .await?;
        let history = history::read(&events).map_err(|error| match error {
            // The history API may lag behind the notification: the message comes again.
            HistoryError::NotEnded(_) | HistoryError::Unreadable { .. } => {
                FunctionError::new(&error_name::WORKFLOW_UNAVAILABLE, error.to_string())
            }
        })?;
        let longest = Duration::seconds(i64::from(self.settings.longest_call_seconds));
        if let Some(until) = history.unanswered.map(|called| called + longest)
            && clock.now() < until
        {
            return Ok(Closing::Open(until));
        }
        if !header.started {
            // Nobody may take the claim over any more: the seal binds the header, too.
            record.mark_started(&header.execution).await?;
        }
        let count = events.len() as u64;
        let archive =
            serde_json_canonicalizer::to_vec(&json!({ "events": events })).map_err(|error| {
                FunctionError::new(&error_name::WORKFLOW_UNAVAILABLE, error.to_string())
            })?;
        let archive = put_content(
            objects.as_ref(),
            ARCHIVE,
            ".json",
            &archive,
            "application/json",
        )
        .await?;
        let epoch = detail.redrive_count.unwrap_or(0);
        let close = Close {
            closer: self,
            header: &header,
            epoch,
            ended: history.ended,
        };
        let started = close.started(detail, history.began);
        let archived = close.append(
            &Lane::History,
            vec![EventData::HistoryArchived {
                archive,
                events: count,
                states: history.states,
            }],
            Vec::new(),
        );
        let ended = close.end(history.end).await?;
        // The seal before the summary (invariant 4).
        record
            .close(&header.execution, &[started, archived, ended], clock.now())
            .await?;
        Ok(Closing::Closed)
    }
}

/// The closing of one execution.
struct Close<'a> {
    closer: &'a Closer,
    header: &'a Header,
    epoch: u32,
    ended: DateTime<Utc>,
}

impl Close<'_> {
    fn append(&self, lane: &Lane, events: Vec<EventData>, pointers: Vec<Pointer>) -> Append {
        let drafts = events
            .into_iter()
            .map(|data| Draft {
                execution: self.header.execution.clone(),
                lane: lane.clone(),
                state: None,
                epoch: self.epoch,
                attempt: 0,
                source: "/safelight/record".into(),
                subject: self.header.input.image.subject(),
                time: self.ended,
                data,
            })
            .collect();
        Append { drafts, pointers }
    }

    /// What `start` says, who may have died before it could, and cannot after the seal. It is the same
    /// event, so it is written only where it is missing.
    fn started(&self, detail: &Detail, began: DateTime<Utc>) -> Append {
        let mut started = self.append(
            &Lane::Trunk,
            vec![EventData::ExecutionStarted {
                execution_arn: detail.execution_arn.clone(),
                workflow_hash: self.header.workflow_hash.clone(),
                branches: self.header.branches.clone(),
            }],
            Vec::new(),
        );
        for draft in &mut started.drafts {
            // `start` knows of no redrive.
            draft.epoch = 0;
            draft.time = began;
        }
        started
    }

    /// How it ended, and what nobody could write before.
    async fn end(&self, end: End) -> Result<Append, FunctionError> {
        let (event, died) = match end {
            End::Succeeded => (EventData::ExecutionSucceeded {}, None),
            End::Aborted(error) => (EventData::ExecutionAborted { error }, None),
            End::Failed(error) => (
                EventData::ExecutionFailed {
                    error: error.clone(),
                },
                Some(error),
            ),
            End::TimedOut(error) => (
                EventData::ExecutionTimedOut {
                    error: error.clone(),
                },
                Some(error),
            ),
        };
        let mut events = Vec::new();
        let mut found_by = Vec::new();
        if let Some(error) = died
            && !self.was_told().await?
        {
            let kinds = kinds(&error, &[]);
            found_by = pointers(&self.header.execution, &kinds, self.ended);
            events.push(self.bury(error, fingerprint_of(&kinds)).await?);
        }
        events.push(event);
        Ok(self.append(&Lane::Operator, events, found_by))
    }

    /// Whether `fail` ran: then it wrote what failed, and sent the letter if one was to be sent.
    async fn was_told(&self) -> Result<bool, FunctionError> {
        let record = &self.closer.adapters.record;
        let trunk = record.lane(&self.header.execution, &Lane::Trunk).await?;
        Ok(trunk.iter().any(|event| {
            event.epoch == self.epoch && matches!(event.data, EventData::ImageFailed { .. })
        }))
    }

    /// Sends the dead letter, unless the record says that it was sent (invariant 3).
    async fn bury(
        &self,
        error: ErrorInfo,
        fingerprint: String,
    ) -> Result<EventData, FunctionError> {
        let Closer { adapters, settings } = self.closer;
        let execution = &self.header.execution;
        let record = adapters.record.as_ref();
        if let Some(sent) = letters::sent(record, execution, &Lane::Operator).await? {
            return Ok(sent);
        }
        let letter = DeadLetter {
            schema: DeadLetterSchema::V1,
            class: FailureClass::Failed,
            image: self.header.input.image.clone(),
            execution: execution.clone(),
            error,
            branches: Vec::new(),
            time: self.ended,
            redrive: redrive_command(execution),
            raw: None,
        };
        letters::send(adapters.queue.as_ref(), &settings.queue, &letter).await?;
        Ok(EventData::MessageDeadLettered {
            class: FailureClass::Failed,
            queue: settings.queue.clone(),
            fingerprint,
        })
    }
}
