//! The dead-letter queue as people see it: an image once, with its latest failure.
//!
//! An image that is processed again may leave a letter each time. A later run that did again what
//! failed makes the earlier letter obsolete, however it ended: with a success, there is nothing left
//! to do; with a failure, its own letter is the one to look at.

use std::collections::{BTreeMap, BTreeSet};

use safelight_local::Browsed;
use safelight_ports::{Record, RecordError};
use safelight_schema::{DeadLetter, FailureClass, Header, Outcome, key};
use schemars::JsonSchema;
use serde::Serialize;

/// Newest runs of an image that are looked at.
const RUNS: u32 = 200;

/// An image that failed.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Failure {
    /// Id of the message.
    pub message_id: String,
    /// When it was sent there.
    pub since: String,
    /// What `fail` or `start` said of it.
    pub letter: DeadLetter,
    /// Names of its errors: the execution's own, and those of its branches.
    pub errors: Vec<String>,
    /// Ids of further messages about the same execution: a queue delivers at least once.
    pub duplicates: Vec<String>,
    /// Earlier failures of the image that this one stands for, too.
    pub earlier: Vec<Earlier>,
}

/// A failure that a later one of the same image stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Earlier {
    /// Its execution.
    pub execution: String,
    /// Ids of its messages.
    pub messages: Vec<String>,
}

/// A letter that a later run made obsolete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obsolete {
    /// Its execution.
    pub execution: String,
    /// The image, `bucket/key`.
    pub subject: String,
    /// Ids of its messages.
    pub messages: Vec<String>,
    /// The later run.
    pub by: String,
    /// Whether the later run failed again, and so has a letter of its own.
    pub failed_again: bool,
}

/// What is in the queue.
#[derive(Debug, Default)]
pub struct DeadLetters {
    /// What is to be dealt with, oldest first.
    pub open: Vec<Failure>,
    /// What is not any more.
    pub obsolete: Vec<Obsolete>,
}

/// Bucket and key of an image.
pub type ImageKey = (String, String);

impl Failure {
    fn of(message: Browsed) -> Self {
        let letter = DeadLetter::read(&message.body, &message.id, message.sent);
        Self {
            errors: vec![letter.error.name.clone()],
            letter,
            since: safelight_schema::time::format(&message.sent),
            message_id: message.id,
            duplicates: Vec::new(),
            earlier: Vec::new(),
        }
    }

    /// Ids of all messages about its own execution.
    pub fn messages(&self) -> Vec<String> {
        let own = std::iter::once(&self.message_id);
        own.chain(&self.duplicates).cloned().collect()
    }

    /// Whether it is, or stands for, this execution or message.
    pub fn is_called(&self, name: &str) -> bool {
        self.message_id == name
            || self.letter.execution == name
            || self.duplicates.iter().any(|id| id == name)
            || self.earlier.iter().any(|earlier| {
                earlier.execution == name || earlier.messages.iter().any(|id| id == name)
            })
    }

    fn image(&self) -> Option<ImageKey> {
        let image = &self.letter.image;
        (self.letter.class != FailureClass::Start)
            .then(|| (image.bucket.clone(), image.key.clone()))
    }
}

/// Reads the queue's messages with the record beside them. With `only`, letters of other images are
/// taken as they are.
pub async fn read(
    record: &dyn Record,
    messages: Vec<Browsed>,
    only: Option<&BTreeSet<ImageKey>>,
) -> Result<DeadLetters, RecordError> {
    let failures = without_duplicates(messages.into_iter().map(Failure::of));
    let mut by_image = BTreeMap::<ImageKey, Vec<usize>>::new();
    for (place, failure) in failures.iter().enumerate() {
        if let Some(image) = failure.image()
            && only.is_none_or(|only| only.contains(&image))
        {
            by_image.entry(image).or_default().push(place);
        }
    }
    let mut later = BTreeMap::<String, Later>::new();
    for (image, places) in &by_image {
        let letters: Vec<&DeadLetter> = places
            .iter()
            .map(|place| &failures[*place].letter)
            .collect();
        later.extend(later_runs(record, image, &letters).await?);
    }
    Ok(sort(failures, &later))
}

/// One failure an execution: `fail` may have died between sending a letter and recording that, and
/// then sends it again.
fn without_duplicates(failures: impl Iterator<Item = Failure>) -> Vec<Failure> {
    let mut single = Vec::<Failure>::new();
    let mut places = BTreeMap::<String, usize>::new();
    for failure in failures {
        let execution = failure.letter.execution.clone();
        if let Some(place) = places.get(&execution) {
            single[*place].duplicates.push(failure.message_id);
            continue;
        }
        if !execution.is_empty() {
            places.insert(execution, single.len());
        }
        single.push(failure);
    }
    single
}

/// The run that made a letter obsolete.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Later {
    Succeeded(String),
    Failed(String),
}

/// For each letter of an image the newest later run that did again what had failed, if there is one
/// and it has ended.
async fn later_runs(
    record: &dyn Record,
    (bucket, image_key): &ImageKey,
    letters: &[&DeadLetter],
) -> Result<Vec<(String, Later)>, RecordError> {
    let index = key::image_index(bucket, image_key);
    let runs = record.find(&index, true, RUNS, None).await?.items;
    if runs.len() < 2 {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for letter in letters {
        for run in &runs {
            if run.execution == letter.execution {
                break;
            }
            let Some(header) = record.header(&run.execution).await? else {
                continue;
            };
            if !does_again(&header, &letter.branches) {
                continue;
            }
            let by = run.execution.clone();
            let later = if letters.iter().any(|other| other.execution == by) {
                Later::Failed(by)
            } else if succeeded(record, &by).await? {
                Later::Succeeded(by)
            } else {
                continue;
            };
            found.push((letter.execution.clone(), later));
            break;
        }
    }
    Ok(found)
}

/// Whether a run does again what had failed: all of it, or at least these branches.
fn does_again(run: &Header, failed: &[String]) -> bool {
    run.input
        .only
        .as_ref()
        .is_none_or(|only| !failed.is_empty() && failed.iter().all(|branch| only.contains(branch)))
}

async fn succeeded(record: &dyn Record, execution: &str) -> Result<bool, RecordError> {
    let summary = record.summary(execution).await?;
    Ok(summary.is_some_and(|summary| summary.outcome == Outcome::Succeeded))
}

/// Tells what is open from what is obsolete, and puts the obsolete failures of an image below the one
/// that stands for them.
fn sort(failures: Vec<Failure>, later: &BTreeMap<String, Later>) -> DeadLetters {
    let mut sorted = DeadLetters::default();
    for failure in failures {
        let Some(last) = last_of(&failure.letter.execution, later) else {
            sorted.open.push(failure);
            continue;
        };
        let (by, failed_again) = match last {
            Later::Succeeded(by) => (by, false),
            Later::Failed(by) => (by, true),
        };
        sorted.obsolete.push(Obsolete {
            subject: failure.letter.image.subject(),
            messages: failure.messages(),
            execution: failure.letter.execution,
            by: by.clone(),
            failed_again,
        });
    }
    for failure in &mut sorted.open {
        let stood_for = sorted
            .obsolete
            .iter()
            .filter(|obsolete| obsolete.failed_again && obsolete.by == failure.letter.execution);
        failure.earlier = stood_for
            .map(|obsolete| Earlier {
                execution: obsolete.execution.clone(),
                messages: obsolete.messages.clone(),
            })
            .collect();
    }
    sorted
}

/// The end of the chain of later runs: what failed, failed again and then succeeded is done.
fn last_of<'a>(execution: &str, later: &'a BTreeMap<String, Later>) -> Option<&'a Later> {
    let mut last = later.get(execution)?;
    // Each step goes to a later run, so it ends; the bound is for a record that was tampered with.
    for _ in 0..RUNS {
        let Later::Failed(by) = last else { break };
        let Some(next) = later.get(by) else { break };
        last = next;
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use safelight_schema::{ErrorInfo, ExecutionInput, ImageRef};

    use super::*;

    fn failure(id: &str, execution: &str) -> Failure {
        let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let mut letter = DeadLetter::unreadable("{}".into(), id, "why".into(), time);
        letter.execution = execution.into();
        letter.error = ErrorInfo::new("Image.Empty", "no bytes");
        Failure {
            message_id: id.into(),
            since: String::new(),
            errors: vec![letter.error.name.clone()],
            letter,
            duplicates: Vec::new(),
            earlier: Vec::new(),
        }
    }

    fn ids(failures: &[Failure]) -> Vec<&str> {
        failures
            .iter()
            .map(|failure| failure.message_id.as_str())
            .collect()
    }

    #[test]
    fn a_letter_that_was_sent_twice_is_one_failure() {
        let all = [
            failure("1", "x"),
            failure("2", ""),
            failure("3", "x"),
            failure("4", ""),
        ];
        let single = without_duplicates(all.into_iter());
        assert_eq!(
            ids(&single),
            ["1", "2", "4"],
            "messages that name no execution are each their own"
        );
        assert_eq!(single[0].duplicates, ["3"]);
    }

    #[test]
    fn the_latest_failure_stands_for_those_before_it_and_a_success_for_none() {
        let all = || {
            without_duplicates(
                [
                    failure("1", "x"),
                    failure("2", "x-r1"),
                    failure("3", "x-r1"),
                    failure("4", "x-r2"),
                    failure("5", "other"),
                ]
                .into_iter(),
            )
        };
        let failed = |by: &str| Later::Failed(by.into());
        let again = BTreeMap::from([
            ("x".to_owned(), failed("x-r1")),
            ("x-r1".to_owned(), failed("x-r2")),
        ]);
        let sorted = sort(all(), &again);
        assert_eq!(ids(&sorted.open), ["4", "5"]);
        let earlier = &sorted.open[0].earlier;
        assert_eq!(
            (earlier[0].execution.as_str(), earlier[1].messages.len()),
            ("x", 2)
        );
        assert!(sorted.open[0].is_called("x") && sorted.open[0].is_called("3"));
        assert!(!sorted.open[1].is_called("x"));

        let mut done = again;
        done.insert("x-r2".into(), Later::Succeeded("x-r3".into()));
        let sorted = sort(all(), &done);
        assert_eq!(ids(&sorted.open), ["5"]);
        assert!(
            sorted
                .obsolete
                .iter()
                .all(|obsolete| obsolete.by == "x-r3" && !obsolete.failed_again)
        );
    }

    #[test]
    fn only_a_run_of_what_failed_makes_a_letter_obsolete() {
        let run = |only: Option<&[&str]>| Header {
            execution: "x-r1".into(),
            input: ExecutionInput {
                image: ImageRef {
                    bucket: "b".into(),
                    key: "k".into(),
                    version: None,
                    etag: None,
                    sequencer: None,
                    bytes: None,
                },
                redrive_of: None,
                only: only.map(|only| only.iter().map(ToString::to_string).collect()),
            },
            workflow_hash: String::new(),
            branches: BTreeMap::new(),
            notified: DateTime::default(),
            claimed_by: String::new(),
            claimed: DateTime::default(),
            started: true,
        };
        let failed = ["label".to_owned(), "compress".to_owned()];
        assert!(does_again(&run(None), &failed));
        assert!(does_again(&run(None), &[]));
        assert!(does_again(&run(Some(&["compress", "label", "x"])), &failed));
        assert!(!does_again(&run(Some(&["label"])), &failed));
        assert!(!does_again(&run(Some(&["label"])), &[]));
    }
}
