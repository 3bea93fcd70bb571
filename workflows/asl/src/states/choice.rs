//! Choice: the first rule whose condition holds.

use super::{Common, Reading, StateKind, read_assign};
use crate::machine::StateIndex;
use crate::reader::Reader;
use crate::template::Template;

/// A Choice state.
#[derive(Debug)]
pub struct Choice {
    /// `Choices`, tried in order.
    pub rules: Vec<Rule>,
    /// `Default`.
    pub default: Option<StateIndex>,
}

/// One entry of `Choices`.
#[derive(Debug)]
pub struct Rule {
    /// `Condition`.
    pub condition: Template,
    /// `Next`.
    pub next: StateIndex,
    /// `Output`; the state's own when absent.
    pub output: Option<Template>,
    /// `Assign`.
    pub assign: Vec<(String, Template)>,
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    reading.needs_jsonata();
    reading.reader.require("Choices", reading.report);
    let location = reading.reader.at("Choices");
    let mut rules = Vec::new();
    let choices = reading.reader.array("Choices", reading.report);
    for (i, value) in choices.into_iter().flatten().enumerate() {
        let Some(mut reader) = Reader::over(value, format!("{location}[{i}]"), reading.report)
        else {
            continue;
        };
        let condition = reader.required_expression("Condition", reading.report);
        let next = reading
            .targets
            .required(&mut reader, "Next", reading.report);
        let output = reader.template("Output", reading.language, reading.report);
        let assign = read_assign(&mut reader, reading.report);
        reader.text("Comment", reading.report);
        reader.finish_in(Some(reading.language), reading.report);
        if let Some(condition) = condition {
            rules.push(Rule {
                condition,
                next,
                output,
                assign,
            });
        }
    }
    let default = if reading.reader.has("Default") {
        Some(
            reading
                .targets
                .required(&mut reading.reader, "Default", reading.report),
        )
    } else {
        None
    };
    let common = Common {
        transition: false,
        output: true,
        assign: true,
        handlers: false,
    };
    (StateKind::Choice(Choice { rules, default }), common)
}
