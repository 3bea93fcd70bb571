//! What people do to failures, written into the record of the execution that it concerns.

use chrono::Utc;
use safelight_ports::{Record, RecordError};
use safelight_schema::{Draft, EventData, Lane, Summary};

/// Writes what was done into the lane of operators, seals the execution again, and renews its summary.
pub async fn note(
    record: &dyn Record,
    execution: &str,
    subject: &str,
    data: EventData,
) -> Result<(), RecordError> {
    let now = Utc::now();
    let draft = Draft {
        execution: execution.to_owned(),
        lane: Lane::Operator,
        state: None,
        epoch: 0,
        attempt: 0,
        source: "/safelight/failures".into(),
        subject: subject.to_owned(),
        time: now,
        data,
    };
    record.append(&[draft], &[]).await?;
    record.put_seal(execution, now).await?;
    if let Some(header) = record.header(execution).await? {
        let events = record.events(execution).await?;
        record.put_summary(&Summary::of(&header, &events)).await?;
    }
    Ok(())
}

/// Who gives the command: the login name, as far as the environment says it.
pub fn actor() -> String {
    ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
        .unwrap_or_else(|| "unknown".into())
}
