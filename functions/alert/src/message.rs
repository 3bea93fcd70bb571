//! The message: how many failed, by branch and error, since when, three images, and what to do.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use safelight_kit::failures::OpenFailure;
use safelight_kit::letters::Kind;
use safelight_schema::FailureClass;
use serde_json::{Value, json};

use crate::state::Alarm;
use crate::text::{code, lines, quote};

/// Longest text of a block (Slack: 3,000 characters), less room for a last line.
const SECTION: usize = 2_800;

/// Most images that are shown.
const EXAMPLES: usize = 3;

/// Most redrive commands that are shown, one a kind; above it the command is for all.
const COMMANDS: usize = 3;

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<'a> {
    /// The alarms that are on.
    pub alarms: Vec<&'a str>,
    /// Why the last of them went on.
    pub reason: &'a str,
    /// The failures that are told of, newest first.
    pub failures: Vec<&'a OpenFailure>,
    /// Whether there may be more than were read.
    pub more: bool,
    /// Whether others were told of before.
    pub again: bool,
    /// Messages in the dead-letter queue.
    pub depth: u64,
}

/// The message of a report.
pub fn report(report: &Report<'_>) -> Value {
    let count = report.failures.len();
    let number = format!("{count}{}", if report.more { " or more" } else { "" });
    let (failed, rejected) = classes(&report.failures);
    let title = match (count, report.again) {
        (0, _) => format!("{} in the dead-letter queue", messages(report.depth)),
        (1, false) => "1 image failed".to_owned(),
        (_, false) => format!("{number} images failed"),
        (1, true) => "A new kind of failure: 1 image".to_owned(),
        (_, true) => format!("New kinds of failure: {number} images"),
    };
    let mut blocks = vec![header(&format!(":red_circle: {title}"))];
    let since = report.failures.iter().map(|failure| failure.time).min();
    let mut summary = Vec::new();
    if count > 0 {
        summary.push(format!(
            "{failed} failed, {rejected} rejected{}",
            since_text(since)
        ));
    }
    summary.push(format!(
        "The dead-letter queue holds {}.",
        messages(report.depth)
    ));
    if !report.alarms.is_empty() {
        let names: Vec<String> = report
            .alarms
            .iter()
            .take(5)
            .map(|name| code(name, 60))
            .collect();
        summary.push(format!(
            "Alarm {}: {}",
            names.join(", "),
            quote(report.reason, 200)
        ));
    }
    blocks.push(section(&summary.join("\n")));
    let groups = groups(&report.failures);
    if !groups.is_empty() {
        blocks.push(section(&kinds_text(&groups)));
        blocks.push(section(&examples_text(&report.failures)));
    }
    blocks.push(section(&commands_text(&groups)));
    let first = groups.first().map_or_else(String::new, |(kind, _)| {
        format!(", first of all {}", name_of(kind, quote))
    });
    envelope(&format!("{title}{first}"), &blocks)
}

/// The message when the last alarm of failures went off.
pub fn recovery(open: usize, more: bool) -> Value {
    let title = "Recovered: no alarm on dead letters is on";
    let rest = match open {
        0 => "No failure is open.".to_owned(),
        _ => format!(
            "{open}{} still open: `safelight failures list`",
            if more {
                " or more failures are"
            } else if open == 1 {
                " failure is"
            } else {
                " failures are"
            }
        ),
    };
    envelope(
        title,
        &[
            header(&format!(":large_green_circle: {title}")),
            section(&rest),
        ],
    )
}

/// The message of alarms that went on or off and are not on failures, such as throttling.
pub(crate) fn alarms(alarms: &[(&str, &Alarm)]) -> Value {
    // A header holds 150 characters, which a name may have alone.
    let (title, text) = if let [(name, alarm)] = alarms {
        let what = if alarm.on { "on" } else { "off again" };
        let text = format!("{} is {what}", quote(name, 100));
        (format!("An alarm is {what}"), text)
    } else {
        let title = format!("{} alarms changed", alarms.len());
        (title.clone(), title)
    };
    let sign = if alarms.iter().any(|(_, alarm)| alarm.on) {
        ":warning:"
    } else {
        ":large_green_circle:"
    };
    let all: Vec<String> = alarms
        .iter()
        .map(|(name, alarm)| {
            let what = if alarm.on { "on" } else { "off again" };
            let about = [&alarm.description, &alarm.reason]
                .into_iter()
                .filter(|text| !text.is_empty())
                .map(|text| quote(text, 300))
                .collect::<Vec<_>>();
            format!("• {} is {what}. {}", code(name, 100), about.join(" — "))
        })
        .collect();
    let body = match lines(&all, SECTION) {
        (body, 0) => body,
        (body, more) => format!("{body}\n… and {more} more"),
    };
    let header = header(&format!("{sign} {title}"));
    envelope(&text, &[header, section(&body)])
}

fn messages(depth: u64) -> String {
    match depth {
        1 => "1 message".into(),
        _ => format!("{depth} messages"),
    }
}

fn since_text(since: Option<DateTime<Utc>>) -> String {
    since.map_or_else(String::new, |time| {
        format!(" since {} UTC", time.format("%Y-%m-%d %H:%M:%S"))
    })
}

fn classes(failures: &[&OpenFailure]) -> (usize, usize) {
    let rejected = |failure: &&&OpenFailure| failure.class == FailureClass::Rejected;
    let count = failures.iter().filter(rejected).count();
    (failures.len() - count, count)
}

/// How many failures of each kind, the most frequent first.
fn groups(failures: &[&OpenFailure]) -> Vec<(Kind, usize)> {
    let mut counts = BTreeMap::<Kind, usize>::new();
    for failure in failures {
        for kind in failure.kinds() {
            *counts.entry(kind).or_default() += 1;
        }
    }
    let mut groups: Vec<(Kind, usize)> = counts.into_iter().collect();
    // Stable: equally frequent kinds stay in the order of their names.
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    groups
}

fn name_of(kind: &Kind, show: impl Fn(&str, usize) -> String) -> String {
    match &kind.branch {
        Some(branch) => format!("{} in {}", show(&kind.error, 80), show(branch, 40)),
        None => show(&kind.error, 80),
    }
}

fn kinds_text(groups: &[(Kind, usize)]) -> String {
    let all: Vec<String> = groups
        .iter()
        .map(|(kind, count)| format!("• {count} × {}", name_of(kind, code)))
        .collect();
    match lines(&all, SECTION) {
        (text, 0) => text,
        (text, more) => format!("{text}\n… and {more} more kinds"),
    }
}

/// Three images, of different kinds where there are some.
fn examples_text(failures: &[&OpenFailure]) -> String {
    let mut seen = Vec::new();
    let mut chosen: Vec<&OpenFailure> = Vec::new();
    for failure in failures {
        let kinds = failure.kinds();
        if !kinds.iter().all(|kind| seen.contains(kind)) {
            seen.extend(kinds);
            chosen.push(failure);
        }
    }
    let again = failures.iter().filter(|failure| {
        let same = |other: &&&OpenFailure| other.execution == failure.execution;
        chosen.iter().find(|other| same(other)).is_none()
    });
    let rest: Vec<&OpenFailure> = again.copied().take(EXAMPLES).collect();
    let all: Vec<String> = chosen
        .into_iter()
        .chain(rest)
        .take(EXAMPLES)
        .map(|failure| {
            format!(
                "• {}: {}",
                code(&failure.image.subject(), 120),
                code(&failure.error.cause, 120)
            )
        })
        .collect();
    lines(&all, SECTION).0
}

/// What to run. A name that a shell might read otherwise is not put into a command.
fn commands_text(groups: &[(Kind, usize)]) -> String {
    let plain = |text: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        !text.is_empty() && text.len() <= 80 && !text.starts_with('-') && text.chars().all(allowed)
    };
    let command = |kind: &Kind| -> Option<String> {
        if !plain(&kind.error) {
            return None;
        }
        match &kind.branch {
            Some(branch) if plain(branch) => Some(format!(
                "`safelight failures redrive --error {} --branch {branch}`",
                kind.error
            )),
            Some(_) => None,
            None => Some(format!(
                "`safelight failures redrive --error {}`",
                kind.error
            )),
        }
    };
    let few = (1..=COMMANDS).contains(&groups.len());
    let commands: Option<Vec<String>> = groups.iter().map(|(kind, _)| command(kind)).collect();
    let commands = match commands {
        Some(commands) if few => commands.join("\n"),
        _ => "`safelight failures redrive --all`".into(),
    };
    format!("When the cause is mended:\n{commands}\nWhat they are: `safelight failures list`")
}

fn header(text: &str) -> Value {
    json!({ "type": "header", "text": { "type": "plain_text", "text": text, "emoji": true } })
}

/// `verbatim`: Slack makes no links and mentions of its own.
fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

fn envelope(text: &str, blocks: &[Value]) -> Value {
    json!({ "text": text, "parse": "none", "link_names": false, "unfurl_links": false, "blocks": blocks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use proptest::prelude::*;
    use safelight_kit::testing::image;
    use safelight_schema::{ErrorInfo, FailedBranch};

    fn failure(key: &str, error: &str, branch: Option<&str>) -> OpenFailure {
        let error = ErrorInfo::new(error, "because of it");
        OpenFailure {
            execution: format!("x-{key}"),
            image: image(key),
            class: FailureClass::Failed,
            failed: branch
                .map(|branch| FailedBranch {
                    branch: branch.into(),
                    error: error.clone(),
                })
                .into_iter()
                .collect(),
            error,
            time: "2026-11-21T11:58:00Z".parse().unwrap(),
        }
    }

    fn report_of(failures: &[OpenFailure]) -> Value {
        report(&Report {
            alarms: vec!["dead-letters-depth"],
            reason: "Threshold Crossed",
            failures: failures.iter().collect(),
            more: false,
            again: false,
            depth: failures.len() as u64,
        })
    }

    #[test]
    fn a_report_groups_by_branch_and_error() {
        let failures = [
            failure("a.jpg", "Label.Refused", Some("label")),
            failure("b.jpg", "Label.Refused", Some("label")),
            failure("c.jpg", "Image.Empty", None),
            failure("d.jpg", "Label.Refused", Some("label")),
        ];
        let message = report_of(&failures);
        limits::check(&message).unwrap();
        assert_eq!(
            message["text"],
            "4 images failed, first of all Label.Refused in label"
        );
        let text = message.to_string();
        for part in [
            "• 3 × `Label.Refused` in `label`",
            "• 1 × `Image.Empty`",
            "since 2026-11-21 11:58:00 UTC",
            "photos/a.jpg",
            "photos/c.jpg",
            "photos/b.jpg",
            "safelight failures redrive --error Label.Refused --branch label",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("photos/d.jpg"));
    }

    #[test]
    fn many_kinds_are_cut_and_counted() {
        let failures: Vec<OpenFailure> = (0..500)
            .map(|index| failure("a.jpg", &format!("Kind{index}.{}", "&".repeat(70)), None))
            .collect();
        let message = report_of(&failures);
        limits::check(&message).unwrap();
        let text = message.to_string();
        assert!(text.contains("more kinds"), "{text}");
        assert!(text.contains("redrive --all"), "{text}");
    }

    #[test]
    fn an_empty_report_says_what_the_queue_holds() {
        let message = report(&Report {
            alarms: vec!["depth"],
            reason: "",
            failures: Vec::new(),
            more: false,
            again: false,
            depth: 3,
        });
        limits::check(&message).unwrap();
        assert_eq!(message["text"], "3 messages in the dead-letter queue");
        for (open, more) in [(0, false), (1, false), (7, true)] {
            limits::check(&recovery(open, more)).unwrap();
        }
    }

    /// Any text, rich in what Slack reads as something else.
    fn wild() -> impl Strategy<Value = String> {
        prop_oneof![
            "\\PC{0,400}",
            "(<!channel>|@here|@everyone|<@U0123>|https?://x|&|<|>|`|\\*|\n|é|한){0,200}",
            Just(String::new()),
        ]
    }

    proptest! {
        #[test]
        fn any_text_keeps_the_limits_and_mentions_nobody(
            keys in proptest::collection::vec((wild(), wild(), proptest::option::of(wild()), wild()), 0..12),
            alarm in wild(), reason in wild(), more: bool, again: bool, depth: u64,
        ) {
            // Invariant 4.
            let failures: Vec<OpenFailure> = keys
                .iter()
                .map(|(key, error, branch, cause)| {
                    let mut failure = failure(key, error, branch.as_deref());
                    failure.error.cause.clone_from(cause);
                    failure
                })
                .collect();
            let message = report(&Report {
                alarms: vec![&alarm; 8],
                reason: &reason,
                failures: failures.iter().collect(),
                more,
                again,
                depth,
            });
            prop_assert_eq!(limits::check(&message), Ok(()));
        }

        #[test]
        fn any_alarm_keeps_the_limits_and_mentions_nobody(
            said in proptest::collection::vec((wild(), wild(), wild(), any::<bool>()), 1..60),
        ) {
            // Invariant 4.
            let heard: Vec<(&str, Alarm)> = said
                .iter()
                .map(|(name, reason, description, on)| {
                    let alarm = Alarm {
                        on: *on,
                        changed: DateTime::UNIX_EPOCH,
                        reason: reason.clone(),
                        description: description.clone(),
                        told: !on,
                    };
                    (name.as_str(), alarm)
                })
                .collect();
            let told: Vec<(&str, &Alarm)> =
                heard.iter().map(|(name, alarm)| (*name, alarm)).collect();
            prop_assert_eq!(limits::check(&alarms(&told)), Ok(()));
        }
    }
}
