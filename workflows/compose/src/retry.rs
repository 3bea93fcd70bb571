//! When a Task tries again: the retriers that every Task gets, from the error names' own classes.

use safelight_schema::error_name::{self, ErrorName, Retry};
use serde_json::{Value, json};

/// Attempts that a throttled Task has. With full jitter a delay is on average half of its ceiling:
/// 200 delays of up to 900 s are a day. 100,000 images at five label calls a second need 5.6 hours.
const THROTTLED_ATTEMPTS: u32 = 200;
/// The longest delay of a throttled Task, seconds. It is reached after ten attempts; until then the
/// delays double, so that a small burst is done soon.
const THROTTLED_MAX_DELAY: u32 = 900;
/// Attempts after a fault of a service.
const SERVICE_ATTEMPTS: u32 = 6;
/// The longest delay after a fault of a service, seconds.
const SERVICE_MAX_DELAY: u32 = 60;
/// Attempts after a timeout or a crash: the same image often does the same again.
const CRASH_ATTEMPTS: u32 = 2;

/// The retriers of a Task: throttling, faults of services, timeouts and crashes. What has no entry
/// (`Image.*`, `Runtime.OutOfMemory`, …) is not tried again.
pub fn standard() -> Value {
    json!([
        {
            "ErrorEquals": names(Group::Throttled),
            "IntervalSeconds": 1,
            "BackoffRate": 2,
            "MaxDelaySeconds": THROTTLED_MAX_DELAY,
            "MaxAttempts": THROTTLED_ATTEMPTS,
            "JitterStrategy": "FULL"
        },
        {
            "ErrorEquals": names(Group::Service),
            "IntervalSeconds": 1,
            "BackoffRate": 2,
            "MaxDelaySeconds": SERVICE_MAX_DELAY,
            "MaxAttempts": SERVICE_ATTEMPTS,
            "JitterStrategy": "FULL"
        },
        {
            "ErrorEquals": names(Group::Crash),
            "IntervalSeconds": 1,
            "BackoffRate": 2,
            "MaxAttempts": CRASH_ATTEMPTS,
            "JitterStrategy": "FULL"
        }
    ])
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Throttled,
    Service,
    Crash,
}

fn names(group: Group) -> Vec<&'static str> {
    error_name::ALL
        .iter()
        .filter(|entry| group_of(entry) == Some(group))
        .map(|entry| entry.name)
        .collect()
}

fn group_of(entry: &ErrorName) -> Option<Group> {
    // A wildcard for every error of a Task: it would try again what is never to be tried again.
    if entry.name == error_name::STATES_TASK_FAILED.name {
        return None;
    }
    match entry.retry {
        Retry::Never => None,
        Retry::Throttled => Some(Group::Throttled),
        Retry::Backoff if is_crash(entry.name) => Some(Group::Crash),
        Retry::Backoff => Some(Group::Service),
    }
}

/// Whether the name tells of the function's own end, not of a service that it called. Lambda names
/// none of the others when it loses a function: `Lambda.Unknown`.
fn is_crash(name: &str) -> bool {
    ["Sandbox.", "Runtime.", "States."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        || name == error_name::LAMBDA_UNKNOWN.name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed() -> Vec<String> {
        standard()
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|retrier| retrier["ErrorEquals"].as_array().unwrap().clone())
            .map(|name| name.as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_name_is_in_the_retrier_of_its_class_and_in_no_other() {
        let listed = listed();
        for entry in error_name::ALL {
            let times = listed.iter().filter(|name| *name == entry.name).count();
            let expected = usize::from(group_of(entry).is_some());
            assert_eq!(times, expected, "{}", entry.name);
        }
        for never in [
            "Image.Truncated",
            "Runtime.OutOfMemory",
            "States.TaskFailed",
            "States.ALL",
        ] {
            assert!(!listed.iter().any(|name| name == never), "{never}");
        }
        let retriers = standard();
        for (index, name) in [
            (0, "Label.Throttled"),
            (0, "Lambda.TooManyRequestsException"),
            (1, "Label.ServiceError"),
            (1, "Lambda.ServiceException"),
            (1, "Objects.Unavailable"),
            (2, "Sandbox.Timedout"),
            (2, "States.Timeout"),
            (2, "Runtime.ExitError"),
        ] {
            let names = retriers[index]["ErrorEquals"].as_array().unwrap();
            assert!(names.iter().any(|listed| listed == name), "{name}");
        }
    }

    /// 100,000 images come at once, the labels may be asked for five times a second; everyone who is
    /// turned away waits as the retrier says. Nobody runs out of attempts.
    #[test]
    fn a_burst_of_a_hundred_thousand_at_five_a_second_is_not_a_failure() {
        const IMAGES: usize = 100_000;
        const A_SECOND: usize = 5;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut draw = move |below: u64| {
            // xorshift64: the same numbers on every run.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below.max(1)
        };
        // Who asks in which second, by the number of attempts already made.
        let mut asking: std::collections::BTreeMap<u64, Vec<u32>> =
            std::collections::BTreeMap::from([(0, vec![0; IMAGES])]);
        let (mut done, mut most) = (0, 0);
        while let Some((second, mut attempts)) = asking.pop_first() {
            for served in 0..attempts.len().min(A_SECOND) {
                let other = served + draw((attempts.len() - served) as u64) as usize;
                attempts.swap(served, other);
            }
            done += attempts.len().min(A_SECOND);
            for made in attempts.into_iter().skip(A_SECOND) {
                let ceiling = 2_u64
                    .saturating_pow(made)
                    .min(u64::from(THROTTLED_MAX_DELAY));
                most = most.max(made + 1);
                let later = second + 1 + draw(ceiling);
                asking.entry(later).or_default().push(made + 1);
            }
        }
        assert_eq!(done, IMAGES);
        assert!(most <= THROTTLED_ATTEMPTS, "{most} retries");
        println!("most retries of one image: {most}");
    }
}
