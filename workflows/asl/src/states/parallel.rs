//! Parallel: several flows side by side.

use super::{Common, Reading, StateKind};
use crate::machine::FlowId;
use crate::reader::Reader;
use crate::template::Template;

/// A Parallel state.
#[derive(Debug)]
pub struct Parallel {
    /// `Branches`, in order; the output is an array in the same order.
    pub branches: Vec<FlowId>,
    /// `Arguments`: what every branch gets; the state's input when absent.
    pub arguments: Option<Template>,
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    reading.needs_jsonata();
    reading.reader.require("Branches", reading.report);
    let location = reading.reader.at("Branches");
    let values = reading.reader.array("Branches", reading.report);
    let mut branches = Vec::new();
    for (i, value) in values.into_iter().flatten().enumerate() {
        if let Some(mut reader) = Reader::over(value, format!("{location}[{i}]"), reading.report) {
            reader.text("Comment", reading.report);
            branches.push(
                reading
                    .builder
                    .flow(&mut reader, reading.language, reading.report),
            );
            reader.finish(reading.report);
        }
    }
    let arguments = reading.template("Arguments");
    let common = Common {
        transition: true,
        output: true,
        assign: true,
        handlers: true,
    };
    (
        StateKind::Parallel(Parallel {
            branches,
            arguments,
        }),
        common,
    )
}
