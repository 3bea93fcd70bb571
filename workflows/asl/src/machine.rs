//! A state machine as it was read and checked.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::{Code, DefinitionError, Report};
use crate::reader::Reader;
use crate::states::{self, StateKind};
use crate::template::Template;

/// The largest definition, in bytes: 1 MB, as Step Functions has it.
pub const MAX_DEFINITION_BYTES: usize = 1_048_576;
/// The longest state name, in characters.
pub const MAX_NAME_CHARACTERS: usize = 80;
/// The most seconds any timer may have: 99,999,999, about three years.
pub const MAX_SECONDS: u64 = 99_999_999;

/// The language of the expressions of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryLanguage {
    /// The default of the language. Only states that use none of its fields
    /// are accepted so far.
    #[default]
    JsonPath,
    /// `{% … %}`.
    Jsonata,
}

/// A checked definition with every expression parsed.
#[derive(Debug)]
pub struct StateMachine {
    definition: Arc<str>,
    comment: Option<String>,
    timeout_seconds: Option<u64>,
    query_language: QueryLanguage,
    flows: Vec<Flow>,
}

/// Which flow of a machine: the top level, a Map's processor, a branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId(pub(crate) usize);

impl FlowId {
    /// The machine's top level.
    pub const ROOT: Self = Self(0);
}

/// States that lead to each other, with the one they start at.
#[derive(Debug, Default)]
pub struct Flow {
    pub(crate) start_at: usize,
    pub(crate) states: Vec<State>,
    pub(crate) index: HashMap<Arc<str>, usize>,
    pub(crate) location: String,
}

/// One state.
#[derive(Debug)]
pub struct State {
    /// Its name, unique in its flow.
    pub name: Arc<str>,
    /// The author's words.
    pub comment: Option<String>,
    /// The language of its expressions.
    pub query_language: QueryLanguage,
    /// What it does.
    pub kind: StateKind,
    /// Where it leads when it has succeeded.
    pub transition: Transition,
    /// `Output`.
    pub output: Option<Template>,
    /// `Assign`, in the order of the definition.
    pub assign: Vec<(String, Template)>,
    /// `Retry`.
    pub retry: Vec<Retrier>,
    /// `Catch`.
    pub catch: Vec<Catcher>,
    /// Where in the definition it stands.
    pub location: String,
}

/// Where a state leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// To another state of the same flow.
    Next(StateIndex),
    /// Out of the flow.
    End,
}

/// A state's place in its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StateIndex(pub(crate) usize);

/// One entry of `Retry`.
#[derive(Debug, Clone, PartialEq)]
pub struct Retrier {
    /// The errors it is for.
    pub error_equals: Vec<String>,
    /// Seconds before the first retry.
    pub interval_seconds: u64,
    /// How many retries; 0 is none.
    pub max_attempts: u64,
    /// By what the delay is multiplied each time.
    pub backoff_rate: f64,
    /// The longest delay, in seconds.
    pub max_delay_seconds: Option<u64>,
    /// Whether the delay is drawn from zero to itself.
    pub full_jitter: bool,
}

/// One entry of `Catch`.
#[derive(Debug, Clone)]
pub struct Catcher {
    /// The errors it is for.
    pub error_equals: Vec<String>,
    /// The state that goes on.
    pub next: StateIndex,
    /// `Output`; the error output when absent.
    pub output: Option<Template>,
    /// `Assign`.
    pub assign: Vec<(String, Template)>,
}

impl StateMachine {
    /// Reads and checks a definition. The error holds everything that is wrong.
    pub fn parse(definition: &str) -> Result<Self, DefinitionError> {
        let mut report = Report::default();
        let machine = read(definition, &mut report);
        match machine {
            Some(machine) if report.diagnostics.is_empty() => Ok(machine),
            _ => Err(DefinitionError {
                diagnostics: report.diagnostics,
            }),
        }
    }

    /// The text it was read from.
    pub fn definition(&self) -> &str {
        &self.definition
    }

    /// The author's words.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// After how many seconds an execution times out.
    pub const fn timeout_seconds(&self) -> Option<u64> {
        self.timeout_seconds
    }

    /// The language of the states that name none.
    pub const fn query_language(&self) -> QueryLanguage {
        self.query_language
    }

    /// One flow. Ids come from this machine only.
    pub fn flow(&self, id: FlowId) -> &Flow {
        &self.flows[id.0]
    }

    /// All flows, the top level first.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }
}

impl Flow {
    /// The state that the flow starts at.
    pub const fn start_at(&self) -> StateIndex {
        StateIndex(self.start_at)
    }

    /// The states in the order of the definition.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// One state. Indices come from this flow only.
    pub fn state(&self, index: StateIndex) -> &State {
        &self.states[index.0]
    }

    /// The state of that name.
    pub fn find(&self, name: &str) -> Option<StateIndex> {
        self.index.get(name).copied().map(StateIndex)
    }

    /// Where in the definition it stands; empty for the top level.
    pub fn location(&self) -> &str {
        &self.location
    }
}

fn read(definition: &str, report: &mut Report) -> Option<StateMachine> {
    if definition.len() > MAX_DEFINITION_BYTES {
        report.add(
            Code::DefinitionTooLarge,
            "",
            format!("The definition is larger than {MAX_DEFINITION_BYTES} bytes"),
        );
        return None;
    }
    let value: Value = match serde_json::from_str(definition) {
        Ok(value) => value,
        Err(e) => {
            report.add(
                Code::InvalidJsonDescription,
                "",
                format!("The definition is not JSON: {e}"),
            );
            return None;
        }
    };
    let Value::Object(fields) = &value else {
        report.add(
            Code::InvalidJsonDescription,
            "",
            "The definition is not a JSON object",
        );
        return None;
    };
    let mut reader = Reader::new(fields, String::new());
    let comment = reader.text("Comment", report).map(str::to_owned);
    if let Some(version) = reader.text("Version", report)
        && version != "1.0"
    {
        report.schema(
            "/Version",
            "The field 'Version' should have one of these values: [1.0]",
        );
    }
    let query_language = reader.query_language(QueryLanguage::JsonPath, report);
    let timeout_seconds = reader.whole("TimeoutSeconds", 1, MAX_SECONDS, report);
    let mut builder = Builder::default();
    let root = builder.flow(&mut reader, query_language, report);
    debug_assert_eq!(root, FlowId::ROOT);
    reader.finish(report);
    let flows: Option<Vec<Flow>> = builder.flows.into_iter().collect();
    Some(StateMachine {
        definition: definition.into(),
        comment,
        timeout_seconds,
        query_language,
        flows: flows?,
    })
}

/// Collects the flows of a machine; a flow's id is taken before its states are
/// read, so that the top level is the first.
#[derive(Default)]
pub(crate) struct Builder {
    flows: Vec<Option<Flow>>,
}

impl Builder {
    /// Reads `StartAt` and `States` of a flow.
    pub(crate) fn flow(
        &mut self,
        reader: &mut Reader<'_>,
        language: QueryLanguage,
        report: &mut Report,
    ) -> FlowId {
        let id = FlowId(self.flows.len());
        self.flows.push(None);
        let start_at = reader.required_text("StartAt", report);
        let states = reader.required_object("States", report);
        let mut flow = Flow {
            location: reader.location.clone(),
            ..Flow::default()
        };
        let mut transitions = Vec::new();
        if let Some(fields) = states {
            let at = format!("{}/States", reader.location);
            if fields.is_empty() {
                report.schema(&at, "Value cannot be empty");
            }
            // Names first: transitions are checked against all of them.
            for (index, name) in fields.keys().enumerate() {
                flow.index.insert(name.as_str().into(), index);
            }
            for (name, value) in fields {
                let location = format!("{at}/{name}");
                let mut targets = states::Targets::new(&flow.index);
                let state =
                    states::read(name, value, location, language, self, &mut targets, report);
                transitions.push(targets.reached);
                flow.states.extend(state);
            }
            if let Some(start) = start_at {
                let location = format!("{}/StartAt", reader.location);
                match flow.index.get(start) {
                    Some(index) => {
                        flow.start_at = *index;
                        report_unreachable(fields.keys(), *index, &transitions, &at, report);
                    }
                    None => report.add(
                        Code::MissingTransitionTarget,
                        &location,
                        format!("Missing 'StartAt' target: {start}"),
                    ),
                }
            }
        }
        if let Some(slot) = self.flows.get_mut(id.0) {
            *slot = Some(flow);
        }
        id
    }
}

fn report_unreachable<'a>(
    names: impl Iterator<Item = &'a String>,
    start: usize,
    transitions: &[Vec<usize>],
    at: &str,
    report: &mut Report,
) {
    let mut reached = vec![false; transitions.len()];
    let mut open = vec![start];
    while let Some(index) = open.pop() {
        if let Some(seen) = reached.get_mut(index)
            && !*seen
        {
            *seen = true;
            open.extend(transitions.get(index).into_iter().flatten());
        }
    }
    for (name, reached) in names.zip(reached) {
        if !reached {
            report.add(
                Code::MissingTransitionTarget,
                &format!("{at}/{name}"),
                format!("State \"{name}\" is not reachable."),
            );
        }
    }
}
