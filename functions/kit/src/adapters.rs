//! What a function is given to work with.

use std::sync::Arc;

use safelight_ports::{Labels, Objects, Presign, Queue, Record, Secret};
use safelight_schema::error_name;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::error::FunctionError;
use crate::sfn::Workflow;

/// Environment variable with the settings of this function: the JSON of its section.
pub const SETTINGS: &str = "SAFELIGHT_SETTINGS";

/// Environment variable with the version of the function's code (Lambda sets it).
pub const FUNCTION_VERSION: &str = "AWS_LAMBDA_FUNCTION_VERSION";

/// The adapters and settings of one function.
#[derive(Clone)]
pub struct Adapters {
    /// The record.
    pub record: Arc<dyn Record>,
    /// The queues.
    pub queue: Arc<dyn Queue>,
    /// Object storage.
    pub objects: Arc<dyn Objects>,
    /// What gives leave to put objects, for `upload`.
    pub presign: Option<Arc<dyn Presign>>,
    /// A label service, where one is configured.
    pub labels: Option<Arc<dyn Labels>>,
    /// The Step Functions API, for the functions that start or read executions.
    pub workflow: Option<Workflow>,
    /// The webhook of the chat that is told of failures, where one is configured.
    pub webhook: Option<Arc<dyn Secret>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// This function's section of the configuration; null for the defaults.
    pub settings: Value,
    /// Version of the function's code, as its events say it.
    pub function_version: String,
}

impl Adapters {
    /// Adapters with the machine's clock, no label service, no workflow and default settings.
    pub fn new(record: Arc<dyn Record>, queue: Arc<dyn Queue>, objects: Arc<dyn Objects>) -> Self {
        Self {
            record,
            queue,
            objects,
            presign: None,
            labels: None,
            workflow: None,
            webhook: None,
            clock: Arc::new(SystemClock),
            settings: Value::Null,
            function_version: env!("CARGO_PKG_VERSION").into(),
        }
    }

    /// Takes settings, code version and Step Functions endpoint from the environment.
    pub fn with_environment(self) -> Result<Self, FunctionError> {
        let mut adapters = self.with_settings()?;
        if adapters.workflow.is_none() {
            adapters.workflow = Workflow::from_environment()?;
        }
        Ok(adapters)
    }

    /// Takes settings and code version from the environment.
    pub fn with_settings(mut self) -> Result<Self, FunctionError> {
        if let Ok(text) = std::env::var(SETTINGS) {
            self.settings = serde_json::from_str(&text).map_err(|error| {
                FunctionError::new(
                    &error_name::SETTINGS_INVALID,
                    format!("{SETTINGS} is not JSON: {error}"),
                )
            })?;
        }
        if let Ok(version) = std::env::var(FUNCTION_VERSION) {
            self.function_version = version;
        }
        Ok(self)
    }

    /// The typed settings of function `name`; `T` says the defaults and refuses unknown keys.
    pub fn settings<T: DeserializeOwned + Default>(&self, name: &str) -> Result<T, FunctionError> {
        if self.settings.is_null() {
            return Ok(T::default());
        }
        T::deserialize(&self.settings).map_err(|error| {
            FunctionError::new(
                &error_name::SETTINGS_INVALID,
                format!("the settings of '{name}': {error}"),
            )
        })
    }

    /// The workflow, or why there is none.
    pub fn workflow(&self) -> Result<&Workflow, FunctionError> {
        self.workflow.as_ref().ok_or_else(|| {
            FunctionError::new(
                &error_name::SETTINGS_INVALID,
                format!(
                    "no state machine is configured: set {}",
                    crate::sfn::STATE_MACHINE_ARN
                ),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Bench;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Example {
        limit: u32,
    }

    #[test]
    fn settings_have_defaults_and_refuse_unknown_keys() {
        let mut adapters = Bench::new().adapters();
        assert_eq!(
            adapters.settings::<Example>("example").unwrap(),
            Example::default()
        );
        adapters.settings = serde_json::json!({ "limit": 3 });
        assert_eq!(adapters.settings::<Example>("example").unwrap().limit, 3);
        adapters.settings = serde_json::json!({ "limits": 3 });
        let error = adapters.settings::<Example>("example").unwrap_err();
        assert_eq!(error.name(), "Settings.Invalid");
        assert!(error.cause().contains("limits"), "{error}");
    }
}
