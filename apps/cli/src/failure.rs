//! How a command says that it failed: what, why, and what to do next.

use std::fmt;

/// The last line of an error: what the reader can do.
#[derive(Debug)]
pub struct NextStep(pub String);

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NextStep {}

/// An error with its next step.
pub fn with_next_step(what: impl fmt::Display, next: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(NextStep(next.into())).context(what.to_string())
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

/// The error as standard error shows it: causes joined, then the next step on a line of its own.
pub fn render(error: &anyhow::Error) -> String {
    let mut text = String::from("error: ");
    let mut next = None;
    let mut first = true;
    for cause in error.chain() {
        if let Some(step) = cause.downcast_ref::<NextStep>() {
            next = Some(step.0.clone());
            continue;
        }
        if !first {
            text.push_str(": ");
        }
        first = false;
        text.push_str(&cause.to_string());
    }
    if let Some(next) = next {
        text.push_str("\n  next: ");
        text.push_str(&next);
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
    }
}
