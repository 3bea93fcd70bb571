//! Wait: for some seconds, or until a time.

use chrono::DateTime;

use super::{Common, Reading, StateKind};
use crate::machine::MAX_SECONDS;
use crate::template::Template;

/// A Wait state.
#[derive(Debug)]
pub enum Wait {
    /// Seconds: a whole number or an expression.
    Seconds(Template),
    /// A time in RFC 3339, or an expression for one.
    Timestamp(Template),
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    let language = reading.language;
    let seconds = reading.reader.numeric(
        "Seconds",
        0.0..=MAX_SECONDS as f64,
        true,
        language,
        reading.report,
    );
    let timestamp = reading
        .reader
        .textual("Timestamp", language, reading.report);
    if reading.reader.has("Seconds") == reading.reader.has("Timestamp") {
        reading.report.schema(
            &reading.reader.location,
            "A Wait state must contain exactly one of the fields [Seconds, Timestamp]",
        );
    }
    if let Some(text) = timestamp.as_ref().and_then(|t| t.constant()?.as_str())
        && DateTime::parse_from_rfc3339(text).is_err()
    {
        reading
            .report
            .schema(&reading.reader.at("Timestamp"), "Value is not a timestamp");
    }
    let wait = match (seconds, timestamp) {
        (_, Some(timestamp)) => Wait::Timestamp(timestamp),
        (Some(seconds), None) => Wait::Seconds(seconds),
        // Reported above; the machine is never built.
        (None, None) => Wait::Seconds(Template::of(0.into())),
    };
    let common = Common {
        transition: true,
        output: true,
        assign: true,
        handlers: false,
    };
    (StateKind::Wait(wait), common)
}
