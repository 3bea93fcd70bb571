//! `Retry` and `Catch`.

use super::{Reading, read_assign};
use crate::diagnostic::{Code, Report};
use crate::machine::{Catcher, MAX_SECONDS, Retrier};
use crate::reader::Reader;

/// The most retries one retrier may ask for, as Step Functions has it.
const MAX_ATTEMPTS: u64 = 99_999_999;
/// The longest that `MaxDelaySeconds` may be: a year.
const MAX_DELAY_SECONDS: u64 = 31_622_400;

pub(super) fn retry(reading: &mut Reading<'_, '_, '_, '_>) -> Vec<Retrier> {
    let location = reading.reader.at("Retry");
    let Some(values) = list(reading, "Retry") else {
        return Vec::new();
    };
    let mut retriers = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let Some(mut reader) = Reader::over(value, format!("{location}[{i}]"), reading.report)
        else {
            continue;
        };
        let error_equals = error_equals(&mut reader, i + 1 == values.len(), reading.report);
        let report = &mut *reading.report;
        let interval_seconds = reader
            .whole("IntervalSeconds", 1, MAX_SECONDS, report)
            .unwrap_or(1);
        let max_attempts = reader
            .whole("MaxAttempts", 0, MAX_ATTEMPTS, report)
            .unwrap_or(3);
        let max_delay_seconds = reader.whole("MaxDelaySeconds", 1, MAX_DELAY_SECONDS, report);
        if max_delay_seconds.is_some_and(|most| most < interval_seconds) {
            report.schema(
                &reader.at("MaxDelaySeconds"),
                "'MaxDelaySeconds' must not be smaller than 'IntervalSeconds'",
            );
        }
        let full_jitter = match reader.text("JitterStrategy", report) {
            Some("FULL") => true,
            Some("NONE") | None => false,
            Some(_) => {
                report.schema(
                    &reader.at("JitterStrategy"),
                    "The field 'JitterStrategy' should have one of these values: [FULL, NONE]",
                );
                false
            }
        };
        retriers.push(Retrier {
            error_equals,
            interval_seconds,
            max_attempts,
            backoff_rate: backoff_rate(&mut reader, report),
            max_delay_seconds,
            full_jitter,
        });
        reader.text("Comment", report);
        reader.finish(report);
    }
    retriers
}

pub(super) fn catch(reading: &mut Reading<'_, '_, '_, '_>) -> Vec<Catcher> {
    let location = reading.reader.at("Catch");
    let Some(values) = list(reading, "Catch") else {
        return Vec::new();
    };
    let mut catchers = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let Some(mut reader) = Reader::over(value, format!("{location}[{i}]"), reading.report)
        else {
            continue;
        };
        catchers.push(Catcher {
            error_equals: error_equals(&mut reader, i + 1 == values.len(), reading.report),
            next: reading
                .targets
                .required(&mut reader, "Next", reading.report),
            output: reader.template("Output", reading.language, reading.report),
            assign: read_assign(&mut reader, reading.report),
        });
        reader.text("Comment", reading.report);
        reader.finish_in(Some(reading.language), reading.report);
    }
    catchers
}

/// The handlers; an empty list is allowed and means none.
fn list<'a>(
    reading: &mut Reading<'_, 'a, '_, '_>,
    name: &'static str,
) -> Option<&'a Vec<serde_json::Value>> {
    let value = reading.reader.value(name)?;
    let list = value.as_array();
    if list.is_none() {
        reading
            .report
            .schema(&reading.reader.at(name), "Value is not an array");
    }
    list
}

fn backoff_rate(reader: &mut Reader<'_>, report: &mut Report) -> f64 {
    let Some(value) = reader.value("BackoffRate") else {
        return 2.0;
    };
    match value.as_f64() {
        Some(rate) if rate >= 1.0 => rate,
        _ => {
            report.schema(&reader.at("BackoffRate"), "Value is not a number from 1");
            1.0
        }
    }
}

/// `ErrorEquals`: texts; `States.ALL` stands alone and last.
fn error_equals(reader: &mut Reader<'_>, last: bool, report: &mut Report) -> Vec<String> {
    reader.require("ErrorEquals", report);
    let at = reader.at("ErrorEquals");
    let values = reader.array("ErrorEquals", report);
    let mut names = Vec::new();
    for (i, value) in values.into_iter().flatten().enumerate() {
        match value.as_str() {
            Some(name) => names.push(name.to_owned()),
            None => report.schema(&format!("{at}[{i}]"), "Value is not a string"),
        }
    }
    if names.iter().any(|name| name == "States.ALL") {
        if names.len() > 1 {
            report.add(
                Code::StatesAllNotLast,
                &at,
                "'States.ALL' must appear alone",
            );
        }
        if !last {
            report.add(
                Code::StatesAllNotLast,
                &at,
                "'States.ALL' must be in the last entry",
            );
        }
    }
    names
}
