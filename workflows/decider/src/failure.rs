//! Failures, and what a Retry or a Catch makes of them.

use chrono::{DateTime, TimeDelta, Utc};
use safelight_asl::{Catcher, Moment, Random, Retrier, State, StateKind, errors};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::event::Problem;

/// Why a state failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Its error and cause.
    #[serde(flatten)]
    pub problem: Problem,
    /// The field whose expression failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

/// That a failure will be retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryNote {
    /// The scope whose current state begins again.
    pub scope: u32,
    /// Which entry of its `Retry`.
    pub retrier: usize,
    /// When.
    pub due: DateTime<Utc>,
}

impl Failure {
    pub(crate) fn new(error: &str, cause: impl Into<String>) -> Self {
        Self {
            problem: Problem {
                error: Some(error.to_owned()),
                cause: Some(cause.into()),
            },
            location: None,
        }
    }

    pub(crate) const fn of(problem: Problem) -> Self {
        Self {
            problem,
            location: None,
        }
    }

    /// The name that handlers compare; a Fail state may give none.
    pub(crate) fn error(&self) -> &str {
        self.problem.error.as_deref().unwrap_or_default()
    }

    /// `$states.errorOutput`.
    pub(crate) fn error_output(&self) -> Value {
        let mut output = json!({"Error": self.error()});
        if let Some(cause) = &self.problem.cause {
            output["Cause"] = Value::from(cause.as_str());
        }
        output
    }
}

/// The entry of `Retry` that is for this failure and is not used up.
pub(crate) fn retrier<'a>(
    state: &'a State,
    attempts: &[u64],
    failure: &Failure,
) -> Option<(usize, &'a Retrier, u64)> {
    let from_task = matches!(state.kind, StateKind::Task(_));
    let (index, retrier) = state
        .retry
        .iter()
        .enumerate()
        .find(|(_, r)| errors::matches(&r.error_equals, failure.error(), from_task))?;
    let used = attempts.get(index).copied().unwrap_or(0);
    (used < retrier.max_attempts).then_some((index, retrier, used))
}

/// The entry of `Catch` that is for this failure.
pub(crate) fn catcher<'a>(state: &'a State, failure: &Failure) -> Option<(usize, &'a Catcher)> {
    let from_task = matches!(state.kind, StateKind::Task(_));
    state
        .catch
        .iter()
        .enumerate()
        .find(|(_, c)| errors::matches(&c.error_equals, failure.error(), from_task))
}

/// When the retry after `used` earlier ones is due.
pub(crate) fn retry_due(retrier: &Retrier, used: u64, at: Moment) -> DateTime<Utc> {
    let exponent = i32::try_from(used).unwrap_or(i32::MAX);
    let grown = retrier.interval_seconds as f64 * retrier.backoff_rate.powi(exponent);
    let most = retrier
        .max_delay_seconds
        .unwrap_or(safelight_asl::MAX_SECONDS) as f64;
    let mut seconds = if grown.is_finite() {
        grown.min(most)
    } else {
        most
    };
    if retrier.full_jitter {
        // The unit leaves out 1; the difference is below a microsecond.
        seconds *= Random::new(at.seed).next_unit();
    }
    let delay = TimeDelta::milliseconds((seconds * 1_000.0).round() as i64);
    at.now
        .checked_add_signed(delay)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(retrier: &Retrier, used: u64, seed: u64) -> f64 {
        let now = DateTime::from_timestamp(1_000, 0).unwrap();
        let due = retry_due(retrier, used, Moment::new(now, seed));
        (due - now).as_seconds_f64()
    }

    fn plain() -> Retrier {
        Retrier {
            error_equals: vec![],
            interval_seconds: 2,
            max_attempts: 10,
            backoff_rate: 3.0,
            max_delay_seconds: None,
            full_jitter: false,
        }
    }

    #[test]
    fn delays_grow_by_the_rate_up_to_the_most() {
        let delays: Vec<f64> = (0..4).map(|used| due(&plain(), used, 1)).collect();
        assert_eq!(delays, [2.0, 6.0, 18.0, 54.0]);
        let capped = Retrier {
            max_delay_seconds: Some(20),
            ..plain()
        };
        assert!((due(&capped, 3, 1) - 20.0).abs() < f64::EPSILON);
        assert!((due(&capped, u64::MAX, 1) - 20.0).abs() < f64::EPSILON);
    }

    #[test]
    fn full_jitter_is_uniform_from_zero_to_the_delay() {
        let jittered = Retrier {
            full_jitter: true,
            ..plain()
        };
        let delays: Vec<f64> = (0..2_000).map(|seed| due(&jittered, 1, seed)).collect();
        assert!(delays.iter().all(|d| (0.0..=6.0).contains(d)));
        let mean = delays.iter().sum::<f64>() / delays.len() as f64;
        assert!((mean - 3.0).abs() < 0.2, "{mean}");
        assert!(delays.iter().any(|d| *d < 0.5) && delays.iter().any(|d| *d > 5.5));
    }
}
