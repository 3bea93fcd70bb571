//! The Step Functions API: the same client here and on AWS; only the endpoint differs.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use aws_sdk_sfn::config::{
    BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents,
};
use aws_sdk_sfn::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionError;
use aws_sdk_sfn::operation::start_execution::StartExecutionError;
use safelight_schema::error_name;
use serde::Deserialize;
use serde_json::Value;

use crate::error::FunctionError;

/// Environment variable with the ARN of the state machine that images go through.
pub const STATE_MACHINE_ARN: &str = "SAFELIGHT_STATE_MACHINE_ARN";

/// Environment variable with the endpoint (the SDKs' own name for it).
pub const ENDPOINT: &str = "AWS_ENDPOINT_URL_SFN";

/// Environment variable with the region (Lambda sets it).
pub const REGION: &str = "AWS_REGION";

/// The region where none is said: the embedded engine has but one.
pub const LOCAL_REGION: &str = "us-east-1";

/// Most events that GetExecutionHistory answers at once (its own limit).
const HISTORY_PAGE: i32 = 1_000;

/// Most executions that ListExecutions answers at once (its own limit).
const LIST_PAGE: i32 = 1_000;

/// Most events of a Standard execution (its quota), and one page more.
const MAX_HISTORY: usize = 26_000;

/// What StartExecution answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// A new execution.
    New {
        /// Its ARN.
        execution_arn: String,
    },
    /// There is one of that name already.
    Exists {
        /// Its ARN.
        execution_arn: String,
    },
}

impl Started {
    /// The execution's ARN.
    pub fn execution_arn(&self) -> &str {
        match self {
            Self::New { execution_arn } | Self::Exists { execution_arn } => execution_arn,
        }
    }
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Step Functions' own word, such as `SUCCEEDED`.
    pub status: String,
    /// How often Step Functions has redriven it.
    pub redrive_count: Option<u32>,
}

impl Status {
    /// Whether it is at its end. Waiting for a redrive is none.
    pub fn ended(&self) -> bool {
        !matches!(self.status.as_str(), "RUNNING" | "PENDING_REDRIVE")
    }
}

/// An execution of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// When it ended; none while it runs.
    pub ended: Option<chrono::DateTime<chrono::Utc>>,
}

/// One state machine behind a Step Functions endpoint.
#[derive(Debug, Clone)]
pub struct Workflow {
    client: Client,
    state_machine_arn: String,
}

/// A client for an endpoint of plain HTTP, such as the embedded engine's: no TLS, and credentials
/// that stand for nothing, since the engine trusts its socket.
pub fn local_client(endpoint: &str, region: &str) -> Client {
    let config = aws_sdk_sfn::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("local", "local", None, None, "safelight"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(std::time::Duration::from_secs(3))
                .operation_attempt_timeout(std::time::Duration::from_secs(30))
                .build(),
        )
        .build();
    Client::from_conf(config)
}

impl Workflow {
    /// The state machine `state_machine_arn` behind `client`.
    pub fn new(client: Client, state_machine_arn: impl Into<String>) -> Self {
        Self {
            client,
            state_machine_arn: state_machine_arn.into(),
        }
    }

    /// The workflow that the environment names, if its endpoint is of plain HTTP. On AWS `main.rs`
    /// makes the client, with TLS and the role's credentials.
    pub fn from_environment() -> Result<Option<Self>, FunctionError> {
        let (Ok(arn), Ok(endpoint)) = (std::env::var(STATE_MACHINE_ARN), std::env::var(ENDPOINT))
        else {
            return Ok(None);
        };
        if !endpoint.starts_with("http://") {
            return Err(FunctionError::new(
                &error_name::SETTINGS_INVALID,
                format!("{ENDPOINT} must be of plain HTTP in this build, not '{endpoint}'"),
            ));
        }
        let region = std::env::var(REGION).unwrap_or_else(|_| LOCAL_REGION.into());
        Ok(Some(Self::new(local_client(&endpoint, &region), arn)))
    }

    /// The client, for what is not here.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The state machine.
    pub fn state_machine_arn(&self) -> &str {
        &self.state_machine_arn
    }

    /// The ARN of this state machine's execution of that name. A version or alias of the state
    /// machine is not part of it.
    pub fn execution_arn(&self, name: &str) -> String {
        let machine = self
            .state_machine_arn
            .replacen(":stateMachine:", ":execution:", 1);
        let unqualified: Vec<&str> = machine.split(':').take(7).collect();
        format!("{}:{name}", unqualified.join(":"))
    }

    /// Starts an execution of the state machine, or of the version of it that `machine_arn` names; one
    /// of that name is no error.
    pub async fn start(
        &self,
        machine_arn: &str,
        name: &str,
        input: &str,
    ) -> Result<Started, FunctionError> {
        let answer = self
            .client
            .start_execution()
            .state_machine_arn(machine_arn)
            .name(name)
            .input(input)
            .send()
            .await;
        match answer {
            Ok(output) => Ok(Started::New {
                execution_arn: output.execution_arn,
            }),
            Err(error) => match error.as_service_error() {
                Some(StartExecutionError::ExecutionAlreadyExists(_)) => Ok(Started::Exists {
                    execution_arn: self.execution_arn(name),
                }),
                _ => Err(failed("StartExecution", &error)),
            },
        }
    }

    /// The ARN of the version that was published last; none where nothing was published, as on the
    /// embedded engine. (ListStateMachineVersions answers the newest first.)
    pub async fn newest_version(&self) -> Result<Option<String>, FunctionError> {
        self.client
            .list_state_machine_versions()
            .state_machine_arn(&self.state_machine_arn)
            .max_results(1)
            .send()
            .await
            .map(|output| {
                let newest = output.state_machine_versions.into_iter().next();
                newest.map(|version| version.state_machine_version_arn)
            })
            .map_err(|error| failed("ListStateMachineVersions", &error))
    }

    /// The definition of the state machine, or of the version of it that `machine_arn` names, as text.
    pub async fn definition(&self, machine_arn: &str) -> Result<String, FunctionError> {
        self.client
            .describe_state_machine()
            .state_machine_arn(machine_arn)
            .send()
            .await
            .map(|output| output.definition)
            .map_err(|error| failed("DescribeStateMachine", &error))
    }

    /// How an execution stands; none if there is none.
    pub async fn status(&self, execution_arn: &str) -> Result<Option<Status>, FunctionError> {
        let answer = self
            .client
            .describe_execution()
            .execution_arn(execution_arn)
            .send()
            .await;
        match answer {
            Ok(output) => Ok(Some(Status {
                status: output.status.as_str().to_owned(),
                redrive_count: output.redrive_count.and_then(|count| count.try_into().ok()),
            })),
            Err(error) => match error.as_service_error() {
                Some(DescribeExecutionError::ExecutionDoesNotExist(_)) => Ok(None),
                _ => Err(failed("DescribeExecution", &error)),
            },
        }
    }

    /// Every execution that Step Functions still knows (it forgets after 90 days), by name, with when it
    /// ended.
    pub async fn executions(&self) -> Result<Vec<Listed>, FunctionError> {
        let mut listed = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .client
                .list_executions()
                .state_machine_arn(&self.state_machine_arn)
                .max_results(LIST_PAGE)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| failed("ListExecutions", &error))?;
            listed.extend(page.executions.into_iter().map(|execution| {
                Listed {
                    name: execution.name,
                    ended: execution
                        .stop_date
                        .and_then(|date| date.to_millis().ok())
                        .and_then(chrono::DateTime::from_timestamp_millis),
                }
            }));
            next = page.next_token;
            if next.is_none() {
                return Ok(listed);
            }
        }
    }

    /// The whole history of an execution, as the API's own JSON: nothing that this build's client
    /// does not know is lost.
    pub async fn history(&self, execution_arn: &str) -> Result<Vec<Value>, FunctionError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page {
            events: Vec<Value>,
            next_token: Option<String>,
        }
        let mut events = Vec::new();
        let mut next = None;
        loop {
            let body = Body::default();
            self.client
                .get_execution_history()
                .execution_arn(execution_arn)
                .max_results(HISTORY_PAGE)
                .include_execution_data(true)
                .set_next_token(next)
                .customize()
                .interceptor(body.clone())
                .send()
                .await
                .map_err(|error| failed("GetExecutionHistory", &error))?;
            let page: Page = serde_json::from_slice(&body.take()).map_err(|error| {
                FunctionError::new(
                    &error_name::WORKFLOW_UNAVAILABLE,
                    format!("GetExecutionHistory answered what cannot be read: {error}"),
                )
            })?;
            events.extend(page.events);
            next = page.next_token;
            if next.is_none() || events.len() > MAX_HISTORY {
                return Ok(events);
            }
        }
    }
}

/// Keeps the body of the last answer.
#[derive(Debug, Clone, Default)]
struct Body(Arc<Mutex<Vec<u8>>>);

impl Body {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Body {
    fn name(&self) -> &'static str {
        "KeepBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(bytes) = context.response().body().bytes() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
        }
        Ok(())
    }
}

fn failed<E, R>(operation: &str, error: &SdkError<E, R>) -> FunctionError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    let name = match code {
        Some(
            "ThrottlingException"
            | "Throttling"
            | "TooManyRequestsException"
            | "RequestLimitExceeded"
            | "ExecutionLimitExceeded",
        ) => &error_name::WORKFLOW_THROTTLED,
        Some("InvalidExecutionInput" | "InvalidName") => &error_name::INPUT_INVALID,
        _ => &error_name::WORKFLOW_UNAVAILABLE,
    };
    let cause = match error.as_service_error() {
        Some(service) => format!(
            "{operation}: {}: {}",
            service.code().unwrap_or("error"),
            service.message().unwrap_or("no message")
        ),
        None => format!("{operation}: {}", DisplayErrorContext(error)),
    };
    FunctionError::new(name, cause)
}
