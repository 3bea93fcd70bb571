//! How a command says that it failed: what, why, and what to do next.

use std::fmt;
use std::path::Path;

use crate::exit::Exit;

/// The last line of an error: what the reader can do, and what the command ends with.
#[derive(Debug)]
struct NextStep {
    text: String,
    exit: Exit,
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for NextStep {}

/// An error with its next step.
pub fn with_next_step(what: impl fmt::Display, next: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(step(next, Exit::Error)).context(what.to_string())
}

/// A command line that clap accepts and the command does not, with its next step.
pub fn usage(what: impl fmt::Display, next: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(step(next, Exit::Usage)).context(what.to_string())
}

/// Says what to do next about an error that can still be told apart by its type.
pub fn then(error: impl Into<anyhow::Error>, next: impl Into<String>) -> anyhow::Error {
    error.into().context(step(next, Exit::Error))
}

fn step(next: impl Into<String>, exit: Exit) -> NextStep {
    NextStep {
        text: next.into(),
        exit,
    }
}

/// What the command ends with.
pub fn exit_of(error: &anyhow::Error) -> Exit {
    next_of(error).map_or(Exit::Error, |step| step.exit)
}

/// What to do next about an error, if it says so.
pub fn next_step_of(error: &anyhow::Error) -> Option<&str> {
    next_of(error).map(|step| step.text.as_str())
}

fn next_of(error: &anyhow::Error) -> Option<&NextStep> {
    // The outermost knows most of what the person wanted, and is found first.
    error.downcast_ref()
}

/// Whether the database itself is damaged. The ports hand on nothing of a store's error but its text.
pub fn is_damaged(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.to_string().contains("the database is damaged"))
}

/// What can be done about a damaged database: no command mends one.
pub fn mend_damaged(database: &Path) -> String {
    let file = database.display();
    format!(
        "restore {file} from a copy, or move {file}, {file}-wal and {file}-shm aside and run `safelight process` again: it begins a new record; the old one's history, failures and queued images are lost with the file, images and results are not"
    )
}

/// Adds what to do next to an error that has none.
pub trait OrNextStep<T> {
    /// Says what to do next if this fails.
    fn or_next_step(self, what: &str, next: &str) -> anyhow::Result<T>;
}

impl<T, E: fmt::Display> OrNextStep<T> for Result<T, E> {
    fn or_next_step(self, what: &str, next: &str) -> anyhow::Result<T> {
        self.map_err(|error| with_next_step(format!("{what}: {error}"), next))
    }
}

/// What went wrong: the causes joined, without the next step.
pub fn what(error: &anyhow::Error) -> String {
    // A next step that was added around an error has its text in the chain, but not its type.
    let next = next_step_of(error);
    let causes: Vec<String> = error
        .chain()
        .filter(|cause| !cause.is::<NextStep>())
        .map(ToString::to_string)
        .filter(|cause| Some(cause.as_str()) != next)
        .collect();
    causes.join(": ")
}

/// The error as standard error shows it: what went wrong, then the next step on a line of its own.
pub fn render(error: &anyhow::Error) -> String {
    let mut text = format!("error: {}", what(error));
    if let Some(next) = next_step_of(error) {
        text.push_str("\n  next: ");
        text.push_str(next);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_why_and_what_next() {
        let error = with_next_step("the folder is locked", "stop the other process")
            .context("cannot start");
        assert_eq!(
            render(&error),
            "error: cannot start: the folder is locked\n  next: stop the other process"
        );
        assert_eq!(exit_of(&error), Exit::Error);
        let error = then(error, "wait");
        assert_eq!(next_step_of(&error), Some("wait"));
        assert_eq!(exit_of(&usage("which?", "say which")), Exit::Usage);
    }

    #[test]
    fn an_error_keeps_its_type_beside_the_next_step() {
        let error = then(fmt::Error, "look");
        assert!(error.downcast_ref::<fmt::Error>().is_some());
        assert!(render(&error).ends_with("\n  next: look"));
    }
}
