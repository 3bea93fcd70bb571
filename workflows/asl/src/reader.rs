//! Reads the fields of one JSON object and reports those nobody asked for.

use serde_json::{Map, Value};

use crate::diagnostic::Report;
use crate::expression::{Expression, inside_delimiters};
use crate::machine::QueryLanguage;
use crate::template::{self, Template};

/// The fields of JSONPath, which JSONata states must not have.
const JSONPATH_FIELDS: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "ResultSelector",
    "Parameters",
    "ItemsPath",
    "SecondsPath",
    "TimestampPath",
    "ErrorPath",
    "CausePath",
    "MaxConcurrencyPath",
    "ToleratedFailureCountPath",
    "ToleratedFailurePercentagePath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "Result",
    "Variable",
];

pub(crate) struct Reader<'a> {
    fields: &'a Map<String, Value>,
    pub(crate) location: String,
    known: Vec<&'static str>,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(fields: &'a Map<String, Value>, location: String) -> Self {
        Self {
            fields,
            location,
            known: Vec::new(),
        }
    }

    /// A reader over `value`, which must be an object.
    pub(crate) fn over(value: &'a Value, location: String, report: &mut Report) -> Option<Self> {
        if let Value::Object(fields) = value {
            Some(Self::new(fields, location))
        } else {
            report.schema(&location, "Value is not an object");
            None
        }
    }

    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.location)
    }

    pub(crate) fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.fields.get(name)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    pub(crate) fn text(&mut self, name: &'static str, report: &mut Report) -> Option<&'a str> {
        let value = self.value(name)?;
        let text = value.as_str();
        if text.is_none() {
            report.schema(&self.at(name), "Value is not a string");
        }
        text
    }

    pub(crate) fn required_text(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<&'a str> {
        self.require(name, report);
        self.text(name, report)
    }

    pub(crate) fn required_object(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<&'a Map<String, Value>> {
        self.require(name, report);
        let value = self.value(name)?;
        let object = value.as_object();
        if object.is_none() {
            report.schema(&self.at(name), "Value is not an object");
        }
        object
    }

    pub(crate) fn array(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<&'a Vec<Value>> {
        let value = self.value(name)?;
        let array = value.as_array();
        match array {
            None => report.schema(&self.at(name), "Value is not an array"),
            Some(items) if items.is_empty() => {
                report.schema(&self.at(name), "Value cannot be empty");
            }
            Some(_) => {}
        }
        array
    }

    pub(crate) fn require(&self, name: &str, report: &mut Report) {
        if !self.has(name) {
            report.schema(
                &self.location,
                format!("The field '{name}' is required but was missing"),
            );
        }
    }

    pub(crate) fn boolean(&mut self, name: &'static str, report: &mut Report) -> Option<bool> {
        let value = self.value(name)?;
        let flag = value.as_bool();
        if flag.is_none() {
            report.schema(&self.at(name), "Value is not a boolean");
        }
        flag
    }

    /// A whole number in a range, never an expression.
    pub(crate) fn whole(
        &mut self,
        name: &'static str,
        least: u64,
        most: u64,
        report: &mut Report,
    ) -> Option<u64> {
        let value = self.value(name)?;
        let number = value.as_u64().filter(|n| (least..=most).contains(n));
        if number.is_none() {
            report.schema(
                &self.at(name),
                format!("Value is not a whole number from {least} to {most}"),
            );
        }
        number
    }

    /// A number, or with JSONata an expression for one.
    pub(crate) fn numeric(
        &mut self,
        name: &'static str,
        allowed: std::ops::RangeInclusive<f64>,
        whole: bool,
        language: QueryLanguage,
        report: &mut Report,
    ) -> Option<Template> {
        let value = self.value(name)?;
        if let Value::Number(n) = value {
            let fits = n
                .as_f64()
                .is_some_and(|n| allowed.contains(&n) && (!whole || n.fract() == 0.0));
            if !fits {
                report.schema(
                    &self.at(name),
                    format!(
                        "Value is not a number from {} to {}",
                        allowed.start(),
                        allowed.end()
                    ),
                );
            }
            return Some(Template::of(value.clone()));
        }
        self.expression_of(name, value, "a number", language, report)
    }

    /// A text, or with JSONata an expression for one.
    pub(crate) fn textual(
        &mut self,
        name: &'static str,
        language: QueryLanguage,
        report: &mut Report,
    ) -> Option<Template> {
        let value = self.value(name)?;
        match value.as_str() {
            Some(text)
                if language == QueryLanguage::JsonPath || inside_delimiters(text).is_none() =>
            {
                Some(Template::of(value.clone()))
            }
            _ => self.expression_of(name, value, "a string", language, report),
        }
    }

    fn expression_of(
        &self,
        name: &str,
        value: &Value,
        or_else: &str,
        language: QueryLanguage,
        report: &mut Report,
    ) -> Option<Template> {
        let source = value.as_str().and_then(inside_delimiters);
        let (Some(source), QueryLanguage::Jsonata) = (source, language) else {
            let also = match language {
                QueryLanguage::Jsonata => " or a JSONata expression",
                QueryLanguage::JsonPath => "",
            };
            report.schema(&self.at(name), format!("Value is not {or_else}{also}"));
            return None;
        };
        match Expression::parse(source) {
            Ok(expression) => Some(Template::Expression(expression)),
            Err(problem) => {
                report.schema(
                    &self.at(name),
                    format!("The JSONata expression is not valid: {problem}"),
                );
                None
            }
        }
    }

    /// A field that is one expression and nothing else.
    pub(crate) fn required_expression(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Template> {
        self.require(name, report);
        let value = self.value(name)?;
        if value.is_boolean() {
            return Some(Template::of(value.clone()));
        }
        self.expression_of(name, value, "a boolean", QueryLanguage::Jsonata, report)
    }

    /// Any JSON with expressions inside; with JSONata only.
    pub(crate) fn template(
        &mut self,
        name: &'static str,
        language: QueryLanguage,
        report: &mut Report,
    ) -> Option<Template> {
        if language == QueryLanguage::JsonPath {
            return None;
        }
        let value = self.value(name)?;
        Some(template::read(value, &self.at(name), report))
    }

    pub(crate) fn query_language(
        &mut self,
        default: QueryLanguage,
        report: &mut Report,
    ) -> QueryLanguage {
        match self.text("QueryLanguage", report) {
            None => default,
            Some("JSONata") => QueryLanguage::Jsonata,
            Some("JSONPath") => QueryLanguage::JsonPath,
            Some(_) => {
                report.schema(
                    &self.at("QueryLanguage"),
                    "The field 'QueryLanguage' should have one of these values: [JSONPath, JSONata]",
                );
                default
            }
        }
    }

    /// Reports the fields that were never asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        self.finish_in(None, report);
    }

    /// As `finish`, with words for the fields of the other query language.
    pub(crate) fn finish_in(self, language: Option<QueryLanguage>, report: &mut Report) {
        for name in self.fields.keys() {
            if self.known.contains(&name.as_str()) {
                continue;
            }
            let message = match language {
                Some(QueryLanguage::Jsonata) if JSONPATH_FIELDS.contains(&name.as_str()) => {
                    format!(
                        "The field '{name}' is not supported when the 'QueryLanguage' is 'JSONata'"
                    )
                }
                Some(QueryLanguage::JsonPath) if name != "Comment" => format!(
                    "The field '{name}' is not supported with JSONPath yet: set 'QueryLanguage' to 'JSONata'"
                ),
                _ => format!("The field '{name}' is not supported"),
            };
            report.schema(&self.at(name), message);
        }
    }
}
