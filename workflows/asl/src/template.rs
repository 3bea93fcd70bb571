//! A JSON value that may hold expressions: `Output`, `Arguments`, `Items`, …

use std::sync::Arc;

use serde_json::Value;

use crate::diagnostic::Report;
use crate::expression::{Expression, inside_delimiters};

/// A field's value as the definition gives it, its expressions already parsed.
#[derive(Debug, Clone)]
pub enum Template {
    /// No expression inside: the value itself, shared.
    Constant(Arc<Value>),
    /// One expression.
    Expression(Expression),
    /// An object with an expression somewhere inside.
    Object(Vec<(String, Template)>),
    /// An array with an expression somewhere inside.
    Array(Vec<Template>),
}

impl Template {
    /// The constant, when nothing has to be evaluated.
    pub fn constant(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Constant(value) => Some(value),
            Self::Expression(_) | Self::Object(_) | Self::Array(_) => None,
        }
    }

    /// A template that gives this value.
    pub fn of(value: Value) -> Self {
        Self::Constant(Arc::new(value))
    }
}

/// Reads a value in which every `{% … %}` string is an expression.
pub(crate) fn read(value: &Value, location: &str, report: &mut Report) -> Template {
    match value {
        Value::String(text) => match inside_delimiters(text) {
            None => Template::of(value.clone()),
            Some(source) => match Expression::parse(source) {
                Ok(expression) => Template::Expression(expression),
                Err(problem) => {
                    report.schema(
                        location,
                        format!("The JSONata expression is not valid: {problem}"),
                    );
                    Template::of(Value::Null)
                }
            },
        },
        Value::Array(items) => {
            let parts: Vec<Template> = items
                .iter()
                .enumerate()
                .map(|(i, item)| read(item, &format!("{location}[{i}]"), report))
                .collect();
            if parts.iter().all(|t| t.constant().is_some()) {
                Template::of(value.clone())
            } else {
                Template::Array(parts)
            }
        }
        Value::Object(fields) => {
            let parts: Vec<(String, Template)> = fields
                .iter()
                .map(|(name, v)| (name.clone(), read(v, &format!("{location}/{name}"), report)))
                .collect();
            if parts.iter().all(|(_, t)| t.constant().is_some()) {
                Template::of(value.clone())
            } else {
                Template::Object(parts)
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Template::of(value.clone()),
    }
}
