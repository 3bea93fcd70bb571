//! Evaluating templates and expressions for one state of one execution.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::value::JValue;
use serde_json::{Map, Value};

use crate::convert::{self, NotJson};
use crate::expression::Expression;
use crate::functions;
use crate::moment::{Moment, Random};
use crate::template::Template;

/// Wall time one expression may take, in milliseconds.
pub const MAX_MILLIS: u64 = 1_000;
/// How deeply one expression may call.
pub const MAX_STACK: usize = 1_000;
/// How many items a sequence, a range or a list of results may have.
pub const MAX_SEQUENCE: usize = 100_000;

/// Workflow variables, by name without the dollar sign.
pub type Variables = BTreeMap<String, Arc<Value>>;

/// What `$states` and the variables are during one evaluation.
#[derive(Clone, Copy)]
pub struct Bindings<'a> {
    /// `$states.input`.
    pub input: &'a Value,
    /// `$states.result`, after a Task, Map or Parallel has succeeded.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`, in a Catch.
    pub error_output: Option<&'a Value>,
    /// Makes `$states.context`; called only if an expression looks at it.
    pub context: &'a dyn Fn() -> Value,
    /// The workflow variables in scope.
    pub variables: &'a Variables,
}

impl fmt::Debug for Bindings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bindings").finish_non_exhaustive()
    }
}

/// Why an evaluation failed. Its `Display` is the sentence that Step Functions
/// puts behind "An error occurred while executing the state …".
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationError {
    /// The expression, without its delimiters.
    pub expression: Arc<str>,
    /// The field: `Output/result`, `Items`, `Choices[0]/Condition`.
    pub location: String,
    /// What went wrong.
    pub problem: Problem,
}

/// The ways in which an evaluation fails.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// The expression gave nothing.
    Undefined,
    /// The expression gave something that JSON does not have: a function, a
    /// number that is not finite.
    Unsupported,
    /// The result is not of the type that the field needs.
    Type {
        /// What the field needs.
        expected: &'static str,
        /// What came.
        was: &'static str,
        /// The value, as compact JSON, shortened.
        value: String,
    },
    /// JSONata's own error, with its code when it has one.
    Failed(String),
    /// The result is larger than any state's data may be.
    TooLarge,
    /// The value is of the right type and still cannot be used; a sentence.
    Rejected(String),
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Problem::Rejected(sentence) = &self.problem {
            return f.write_str(sentence);
        }
        write!(
            f,
            "The JSONata expression '{}' specified for the field '{}' ",
            self.expression, self.location
        )?;
        match &self.problem {
            Problem::Undefined => f.write_str("returned nothing (undefined)."),
            Problem::Unsupported => f.write_str("returned an unsupported result type."),
            Problem::Type { expected, was, value } => write!(
                f,
                "returned an unexpected result type. Expected '{expected}', but was '{was}' for value: {value}"
            ),
            Problem::Failed(message) => write!(f, "threw an error during evaluation. {message}"),
            Problem::TooLarge => f.write_str(
                "returned a result with a size exceeding the maximum number of bytes service limit.",
            ),
            Problem::Rejected(_) => Ok(()),
        }
    }
}

impl std::error::Error for EvaluationError {}

/// One evaluation's surroundings, shared by all expressions of a field set.
pub struct Session<'a> {
    bindings: Bindings<'a>,
    moment: Moment,
    random: Rc<RefCell<Random>>,
    converted: RefCell<Converted>,
}

/// What has been converted for jsonata-core so far.
#[derive(Default)]
struct Converted {
    input: Option<JValue>,
    result: Option<JValue>,
    error_output: Option<JValue>,
    context: Option<JValue>,
}

impl fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// A session in which all times and random numbers follow from `moment`.
    pub fn new(bindings: Bindings<'a>, moment: Moment) -> Self {
        Self {
            bindings,
            moment,
            random: Rc::new(RefCell::new(Random::new(moment.seed))),
            converted: RefCell::default(),
        }
    }

    /// The template's value; `location` names the field in errors.
    pub fn template(
        &self,
        template: &Template,
        location: &str,
    ) -> Result<Arc<Value>, EvaluationError> {
        match template {
            Template::Constant(value) => Ok(Arc::clone(value)),
            Template::Expression(_) | Template::Object(_) | Template::Array(_) => {
                self.value(template, location).map(Arc::new)
            }
        }
    }

    fn value(&self, template: &Template, location: &str) -> Result<Value, EvaluationError> {
        match template {
            Template::Constant(value) => Ok(Value::clone(value)),
            Template::Expression(expression) => self.expression(expression, location),
            Template::Object(fields) => {
                let mut out = Map::with_capacity(fields.len());
                for (name, field) in fields {
                    out.insert(
                        name.clone(),
                        self.value(field, &format!("{location}/{name}"))?,
                    );
                }
                Ok(Value::Object(out))
            }
            Template::Array(items) => items
                .iter()
                .enumerate()
                .map(|(i, item)| self.value(item, &format!("{location}[{i}]")))
                .collect(),
        }
    }

    /// The template's value, which must be true or false.
    pub fn boolean(&self, template: &Template, location: &str) -> Result<bool, EvaluationError> {
        let value = self.template(template, location)?;
        value
            .as_bool()
            .ok_or_else(|| type_error(template, location, "boolean", &value))
    }

    /// The template's value, which must be a text.
    pub fn text(&self, template: &Template, location: &str) -> Result<String, EvaluationError> {
        let value = self.template(template, location)?;
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| type_error(template, location, "string", &value))
    }

    /// The template's value, which must be a number.
    pub fn number(&self, template: &Template, location: &str) -> Result<f64, EvaluationError> {
        let value = self.template(template, location)?;
        value
            .as_f64()
            .ok_or_else(|| type_error(template, location, "number", &value))
    }

    /// The template's value, which must be a whole number from `least` on.
    pub fn integer(
        &self,
        template: &Template,
        location: &str,
        least: u64,
    ) -> Result<u64, EvaluationError> {
        let value = self.template(template, location)?;
        match value.as_u64() {
            Some(n) if n >= least => Ok(n),
            _ => Err(type_error(
                template,
                location,
                if least == 0 {
                    "non-negative integer"
                } else {
                    "positive integer"
                },
                &value,
            )),
        }
    }

    /// The template's value, which must be an array.
    pub fn array(
        &self,
        template: &Template,
        location: &str,
    ) -> Result<Arc<Value>, EvaluationError> {
        let value = self.template(template, location)?;
        if value.is_array() {
            Ok(value)
        } else {
            Err(type_error(template, location, "array", &value))
        }
    }

    /// One expression's value as JSON.
    pub fn expression(
        &self,
        expression: &Expression,
        location: &str,
    ) -> Result<Value, EvaluationError> {
        // jsonata-core can panic on a few odd arguments of its own functions;
        // nothing of ours is left half changed when it does.
        let run = catch_unwind(AssertUnwindSafe(|| self.run(expression))).unwrap_or_else(|_| {
            Err(Problem::Failed(
                "D3001: the evaluation ended abnormally".to_owned(),
            ))
        });
        run.map_err(|problem| EvaluationError {
            expression: expression.shared_source(),
            location: location.to_owned(),
            problem,
        })
    }

    fn run(&self, expression: &Expression) -> Result<Value, Problem> {
        let failed = |e: EvaluatorError| Problem::Failed(reference_message(e.message()).to_owned());
        let mut context = Context::new();
        context.bind("states".to_owned(), self.states(expression));
        for name in &expression.references().variables {
            if let Some(value) = self.bindings.variables.get(name) {
                context.bind(name.clone(), convert::to_jsonata(value));
            }
        }
        let options = EvaluatorOptions {
            timeout_ms: Some(MAX_MILLIS),
            max_stack_depth: Some(MAX_STACK),
            max_sequence_length: Some(MAX_SEQUENCE),
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::register(&mut evaluator, self.moment, &self.random).map_err(failed)?;
        let result = evaluator
            .evaluate(expression.tree(), &JValue::Undefined)
            .map_err(failed)?;
        convert::to_json(&result).map_err(|e| match e {
            NotJson::Undefined => Problem::Undefined,
            NotJson::Unsupported => Problem::Unsupported,
            NotJson::TooLarge => Problem::TooLarge,
        })
    }

    /// `$states`, with the parts that the expression can look at.
    fn states(&self, expression: &Expression) -> JValue {
        let wanted = expression.references();
        let mut converted = self.converted.borrow_mut();
        let mut states = IndexMap::new();
        if wanted.input {
            let value = converted
                .input
                .get_or_insert_with(|| convert::to_jsonata(self.bindings.input));
            states.insert("input".to_owned(), value.clone());
        }
        if let (true, Some(result)) = (wanted.result, self.bindings.result) {
            let value = converted
                .result
                .get_or_insert_with(|| convert::to_jsonata(result));
            states.insert("result".to_owned(), value.clone());
        }
        if let (true, Some(output)) = (wanted.error_output, self.bindings.error_output) {
            let value = converted
                .error_output
                .get_or_insert_with(|| convert::to_jsonata(output));
            states.insert("errorOutput".to_owned(), value.clone());
        }
        if wanted.context {
            let value = converted
                .context
                .get_or_insert_with(|| convert::to_jsonata(&(self.bindings.context)()));
            states.insert("context".to_owned(), value.clone());
        }
        JValue::object(states)
    }
}

/// The error of a value that is not what the field needs.
pub fn type_error(
    template: &Template,
    location: &str,
    expected: &'static str,
    value: &Value,
) -> EvaluationError {
    let expression = match template {
        Template::Expression(expression) => expression.shared_source(),
        Template::Constant(_) | Template::Object(_) | Template::Array(_) => Arc::from(""),
    };
    EvaluationError {
        expression,
        location: location.to_owned(),
        problem: Problem::Type {
            expected,
            was: type_name(value),
            value: shortened(value),
        },
    }
}

/// The message without what the library adds to the reference implementation's.
fn reference_message(message: &str) -> &str {
    const NON_FUNCTION: &str = "T1006: Attempted to invoke a non-function";
    if message.starts_with(NON_FUNCTION) {
        NON_FUNCTION
    } else {
        message
    }
}

/// JSON's name for the type of a value.
pub const fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn shortened(value: &Value) -> String {
    const LONGEST: usize = 1_000;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
