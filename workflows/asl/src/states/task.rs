//! Task: a call of a function.

use std::sync::Arc;

use super::{Common, Reading, StateKind};
use crate::diagnostic::Code;
use crate::machine::MAX_SECONDS;
use crate::template::Template;

/// A Task state.
#[derive(Debug)]
pub struct Task {
    /// What is called.
    pub resource: Resource,
    /// `Arguments`.
    pub arguments: Option<Template>,
    /// `TimeoutSeconds`: counted from the start of the task.
    pub timeout_seconds: Option<Template>,
    /// `HeartbeatSeconds`.
    pub heartbeat_seconds: Option<Template>,
}

/// What a Task calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// `arn:aws:states:::lambda:invoke`: the arguments name the function.
    LambdaInvoke {
        /// The field as written.
        arn: Arc<str>,
    },
    /// The ARN of a function: the arguments are its event.
    Function {
        /// The field as written.
        arn: Arc<str>,
    },
}

impl Resource {
    /// The field as written.
    pub const fn arn(&self) -> &Arc<str> {
        match self {
            Self::LambdaInvoke { arn } | Self::Function { arn } => arn,
        }
    }

    /// Reads an ARN; `None` if nothing can call it.
    pub fn parse(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (prefix, partition) = (parts.next()?, parts.next()?);
        let (service, region, account, rest) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if prefix != "arn" || !partition.starts_with("aws") {
            return None;
        }
        match service {
            "states" if region.is_empty() && account.is_empty() && rest == "lambda:invoke" => {
                Some(Self::LambdaInvoke { arn: arn.into() })
            }
            "lambda"
                if rest
                    .strip_prefix("function:")
                    .is_some_and(|name| !name.is_empty()) =>
            {
                Some(Self::Function { arn: arn.into() })
            }
            _ => None,
        }
    }
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    reading.needs_jsonata();
    let language = reading.language;
    let resource = reading.reader.required_text("Resource", reading.report);
    let parsed = resource.and_then(Resource::parse);
    if resource.is_some() && parsed.is_none() {
        reading.report.schema(
            &reading.reader.at("Resource"),
            "Value is not a supported resource: arn:aws:states:::lambda:invoke or the ARN of a Lambda function",
        );
    }
    let seconds = 1.0..=MAX_SECONDS as f64;
    let timeout_seconds = reading.reader.numeric(
        "TimeoutSeconds",
        seconds.clone(),
        true,
        language,
        reading.report,
    );
    let heartbeat_seconds =
        reading
            .reader
            .numeric("HeartbeatSeconds", seconds, true, language, reading.report);
    let literal = |t: &Option<Template>| t.as_ref().and_then(|t| t.constant()?.as_f64());
    if let (Some(heartbeat), Some(timeout)) =
        (literal(&heartbeat_seconds), literal(&timeout_seconds))
        && heartbeat >= timeout
    {
        reading.report.add(
            Code::HeartbeatNotBelowTimeout,
            &reading.reader.at("HeartbeatSeconds"),
            "'HeartbeatSeconds' must be smaller than 'TimeoutSeconds'",
        );
    }
    let task = Task {
        resource: parsed.unwrap_or_else(|| Resource::Function { arn: Arc::from("") }),
        arguments: reading.template("Arguments"),
        timeout_seconds,
        heartbeat_seconds,
    };
    let common = Common {
        transition: true,
        output: true,
        assign: true,
        handlers: true,
    };
    (StateKind::Task(task), common)
}
