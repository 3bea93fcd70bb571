//! Wait.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use safelight_asl::{EvaluationError, MAX_SECONDS, Problem, Session, Wait, type_error};

use crate::event::Note;
use crate::here::Here;

/// Evaluates the end of the wait into the note of the entered event.
pub(crate) fn enter(here: &Here<'_>, wait: &Wait, note: &mut Note) {
    match here.session(None, None, |session| due(session, wait, here.at.now)) {
        Ok(due) => note.due = Some(due),
        Err(error) => note.failure = Some(here.evaluation_failure(&error)),
    }
}

fn due(
    session: &Session<'_>,
    wait: &Wait,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, EvaluationError> {
    match wait {
        Wait::Seconds(template) => {
            let seconds = session.integer(template, "Seconds", 0)?;
            i64::try_from(seconds)
                .ok()
                .filter(|_| seconds <= MAX_SECONDS)
                .and_then(TimeDelta::try_seconds)
                .and_then(|delta| now.checked_add_signed(delta))
                .ok_or_else(|| {
                    type_error(template, "Seconds", "number of seconds", &seconds.into())
                })
        }
        Wait::Timestamp(template) => {
            let text = session.text(template, "Timestamp")?;
            DateTime::parse_from_rfc3339(&text)
                .map(|time| time.with_timezone(&Utc))
                .map_err(|_| EvaluationError {
                    expression: Arc::from(""),
                    location: "Timestamp".to_owned(),
                    problem: Problem::Rejected(format!(
                        "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
                    )),
                })
        }
    }
}
