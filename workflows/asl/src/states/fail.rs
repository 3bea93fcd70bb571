//! Fail: ends its flow with an error.

use super::{Common, Reading, StateKind};
use crate::template::Template;

/// A Fail state.
#[derive(Debug)]
pub struct Fail {
    /// `Error`: a text or an expression.
    pub error: Option<Template>,
    /// `Cause`: a text or an expression.
    pub cause: Option<Template>,
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    let error = reading
        .reader
        .textual("Error", reading.language, reading.report);
    let cause = reading
        .reader
        .textual("Cause", reading.language, reading.report);
    let common = Common {
        transition: false,
        output: false,
        assign: false,
        handlers: false,
    };
    (StateKind::Fail(Fail { error, cause }), common)
}
