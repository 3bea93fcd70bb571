//! The eight state types, one file each, and what they have in common.

mod choice;
mod fail;
mod handlers;
mod map;
mod parallel;
mod pass;
mod succeed;
mod task;
mod wait;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

pub use choice::{Choice, Rule};
pub use fail::Fail;
pub use map::Map;
pub use parallel::Parallel;
pub use pass::Pass;
pub use task::{Resource, Task};
pub use wait::Wait;

use crate::diagnostic::{Code, Report};
use crate::machine::{Builder, MAX_NAME_CHARACTERS, QueryLanguage, State, StateIndex, Transition};
use crate::reader::Reader;
use crate::template::{self, Template};

/// What a state does.
#[derive(Debug)]
pub enum StateKind {
    /// Calls a function.
    Task(Task),
    /// Runs a flow for every item of an array.
    Map(Map),
    /// Goes one way or another.
    Choice(Choice),
    /// Changes its input, or nothing.
    Pass(Pass),
    /// Waits.
    Wait(Wait),
    /// Runs several flows side by side.
    Parallel(Parallel),
    /// Ends its flow well.
    Succeed,
    /// Ends its flow with an error.
    Fail(Fail),
}

impl StateKind {
    /// The value of the field `Type`.
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Task(_) => "Task",
            Self::Map(_) => "Map",
            Self::Choice(_) => "Choice",
            Self::Pass(_) => "Pass",
            Self::Wait(_) => "Wait",
            Self::Parallel(_) => "Parallel",
            Self::Succeed => "Succeed",
            Self::Fail(_) => "Fail",
        }
    }
}

/// Resolves the names of states and remembers which were named.
pub(crate) struct Targets<'a> {
    index: &'a HashMap<Arc<str>, usize>,
    pub(crate) reached: Vec<usize>,
}

impl<'a> Targets<'a> {
    pub(crate) const fn new(index: &'a HashMap<Arc<str>, usize>) -> Self {
        Self {
            index,
            reached: Vec::new(),
        }
    }

    /// The state that a required field names.
    fn required(
        &mut self,
        reader: &mut Reader<'_>,
        field: &'static str,
        report: &mut Report,
    ) -> StateIndex {
        let name = reader.required_text(field, report);
        self.resolve(name, field, reader, report)
    }

    fn resolve(
        &mut self,
        name: Option<&str>,
        field: &str,
        reader: &Reader<'_>,
        report: &mut Report,
    ) -> StateIndex {
        let Some(name) = name else {
            return StateIndex(0);
        };
        if let Some(index) = self.index.get(name) {
            self.reached.push(*index);
            return StateIndex(*index);
        }
        report.add(
            Code::MissingTransitionTarget,
            &reader.at(field),
            format!("Missing '{field}' target: {name}"),
        );
        StateIndex(0)
    }
}

/// What the reading of every state type needs.
struct Reading<'r, 'a, 't, 'i> {
    reader: Reader<'a>,
    language: QueryLanguage,
    builder: &'r mut Builder,
    targets: &'t mut Targets<'i>,
    report: &'r mut Report,
}

/// Which of the common fields a type has.
#[expect(clippy::struct_excessive_bools, reason = "one flag for each field")]
struct Common {
    transition: bool,
    output: bool,
    assign: bool,
    handlers: bool,
}

/// Reads one state; `None` if nothing useful can be said about it.
pub(crate) fn read(
    name: &str,
    value: &Value,
    location: String,
    default_language: QueryLanguage,
    builder: &mut Builder,
    targets: &mut Targets<'_>,
    report: &mut Report,
) -> Option<State> {
    check_name(name, &location, report);
    let mut reader = Reader::over(value, location.clone(), report)?;
    let comment = reader.text("Comment", report).map(str::to_owned);
    let language = reader.query_language(default_language, report);
    if default_language == QueryLanguage::Jsonata && language == QueryLanguage::JsonPath {
        report.schema(
            &reader.at("QueryLanguage"),
            "'QueryLanguage' cannot be 'JSONPath' in a state machine that sets 'JSONata'",
        );
    }
    let type_name = reader.required_text("Type", report)?;
    let mut reading = Reading {
        reader,
        language,
        builder,
        targets,
        report,
    };
    let (kind, common) = match type_name {
        "Task" => task::read(&mut reading),
        "Map" => map::read(&mut reading),
        "Choice" => choice::read(&mut reading),
        "Pass" => pass::read(&mut reading),
        "Wait" => wait::read(&mut reading),
        "Parallel" => parallel::read(&mut reading),
        "Succeed" => succeed::read(&mut reading),
        "Fail" => fail::read(&mut reading),
        _ => {
            reading.report.schema(
                &reading.reader.at("Type"),
                "The field 'Type' should have one of these values: [Task, Wait, Pass, Succeed, Fail, Choice, Parallel, Map]",
            );
            return None;
        }
    };
    let transition = if common.transition {
        reading.transition()
    } else {
        Transition::End
    };
    let output = if common.output {
        reading.template("Output")
    } else {
        None
    };
    let assign = if common.assign {
        reading.assign()
    } else {
        Vec::new()
    };
    let (retry, catch) = if common.handlers {
        (handlers::retry(&mut reading), handlers::catch(&mut reading))
    } else {
        (Vec::new(), Vec::new())
    };
    reading.reader.finish_in(Some(language), reading.report);
    Some(State {
        name: name.into(),
        comment,
        query_language: language,
        kind,
        transition,
        output,
        assign,
        retry,
        catch,
        location,
    })
}

fn check_name(name: &str, location: &str, report: &mut Report) {
    if name.is_empty() {
        report.schema(location, "The name of a state cannot be empty");
    } else if name.chars().count() > MAX_NAME_CHARACTERS {
        report.add(
            Code::NameTooLong,
            location,
            format!("The name of a state cannot exceed {MAX_NAME_CHARACTERS} characters"),
        );
    }
}

impl Reading<'_, '_, '_, '_> {
    fn template(&mut self, name: &'static str) -> Option<Template> {
        self.reader.template(name, self.language, self.report)
    }

    fn transition(&mut self) -> Transition {
        let end = self.reader.boolean("End", self.report);
        match (self.reader.has("Next"), end) {
            (true, Some(true)) => {
                self.reader.value("Next");
                self.report.schema(
                    &self.reader.location,
                    "A state cannot have both the fields 'Next' and 'End'",
                );
                Transition::End
            }
            (true, _) => {
                Transition::Next(self.targets.required(&mut self.reader, "Next", self.report))
            }
            (false, Some(true)) => Transition::End,
            // `End` that is no boolean was reported.
            (false, None) if self.reader.has("End") => Transition::End,
            (false, _) => {
                self.reader.value("Next");
                self.report.schema(
                    &self.reader.location,
                    "A state must have either the field 'Next' or the field 'End' set to true",
                );
                Transition::End
            }
        }
    }

    fn assign(&mut self) -> Vec<(String, Template)> {
        if self.language == QueryLanguage::JsonPath {
            return Vec::new();
        }
        read_assign(&mut self.reader, self.report)
    }

    /// Refuses a type that says nothing without its query language.
    fn needs_jsonata(&mut self) {
        if self.language == QueryLanguage::JsonPath {
            self.report.schema(
                &self.reader.at("Type"),
                "This state type is not supported with JSONPath yet: set 'QueryLanguage' to 'JSONata'",
            );
            // Its fields are read as JSONata's, so that the rest is checked too.
            self.language = QueryLanguage::Jsonata;
        }
    }
}

/// `Assign`: names and values.
fn read_assign(reader: &mut Reader<'_>, report: &mut Report) -> Vec<(String, Template)> {
    let location = reader.at("Assign");
    let Some(value) = reader.value("Assign") else {
        return Vec::new();
    };
    let Some(fields) = value.as_object() else {
        report.schema(&location, "Value is not an object");
        return Vec::new();
    };
    fields
        .iter()
        .map(|(name, value)| {
            let at = format!("{location}/{name}");
            if !is_variable_name(name) {
                report.schema(
                    &at,
                    "The name of a variable is a letter or underscore, then letters, digits or underscores, at most 80 characters, and not 'states'",
                );
            }
            (name.clone(), template::read(value, &at, report))
        })
        .collect()
}

fn is_variable_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|c| c.is_alphabetic() || c == '_')
        && characters.all(|c| c.is_alphanumeric() || c == '_')
        && name.chars().count() <= MAX_NAME_CHARACTERS
        && name != "states"
}
