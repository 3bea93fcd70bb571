//! Alert: an alarm's notification in, at most one grouped Slack message out.
//!
//! The failures are read from the record; what was said already is kept in object storage, so that it
//! survives restarts and duplicates. [`message`] is pure.
//!
//! It never evaluates an alarm, never touches a failure, and never prints the webhook.
//!
//! Invariants, cited by the tests:
//! 1. While any alarm on dead letters is on, a kind of failure is posted once; only new kinds are posted after it.
//! 2. These alarms share what was posted: two that go off for one failure make one message.
//! 3. Nothing is forgotten when Slack does not take it: the notification comes again.
//! 4. No text, whatever is in it, breaks Slack's limits, mentions anyone, or makes a link.
//! 5. The webhook is a secret: no error, log line or debug output holds it.
//! 6. An alarm that is not on dead letters is told of once when it goes on and once when it goes off, whatever else
//!    is on.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod alarm;
pub mod message;
pub mod slack;

mod handler;
mod state;
mod text;

#[cfg(test)]
mod limits;

pub use handler::{Alert, FUNCTION, Settings};
pub use slack::Webhook;
