//! What a host and a function are configured with.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::watch;

/// The host's own limits. `HostOptions::default()` suits one machine.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// `AWS_REGION` of the workers, and the region in the function's ARN.
    pub region: String,
    /// The account in the function's ARN.
    pub account_id: String,
    /// Most invocations that run at once, over all functions; `None` for no limit but the functions' own.
    pub max_in_flight: Option<usize>,
    /// Most invocations that wait for one function; beyond it they fail with `TooManyRequestsException`.
    pub max_waiting: usize,
    /// How long a worker may be idle before it is stopped, when more than `keep_idle` are idle.
    pub idle_timeout: Duration,
    /// How many idle workers a function keeps for ever.
    pub keep_idle: usize,
    /// Time from a worker's start to its first `next`; Lambda gives 10 seconds.
    pub init_timeout: Duration,
    /// How often the memory of a busy worker is looked at.
    pub memory_interval: Duration,
    /// Wait after the first start that failed; doubles with each one after it.
    pub init_backoff: Duration,
    /// Longest wait between two starts that fail.
    pub max_init_backoff: Duration,
}

impl Default for HostOptions {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
            max_in_flight: None,
            max_waiting: 10_000,
            idle_timeout: Duration::from_secs(60),
            keep_idle: 1,
            init_timeout: Duration::from_secs(10),
            memory_interval: Duration::from_millis(20),
            init_backoff: Duration::from_millis(100),
            max_init_backoff: Duration::from_secs(5),
        }
    }
}

/// A function: what runs, and within which limits.
#[derive(Debug, Clone)]
pub struct FunctionConfig {
    /// 1 to 64 letters, digits, `-` and `_`, as Lambda names functions.
    pub name: String,
    /// How a worker is started.
    pub command: WorkerCommand,
    /// Memory of one worker, in MiB.
    pub memory_mb: u32,
    /// Longest time of one invocation.
    pub timeout: Duration,
    /// Most workers, and so most invocations at once.
    pub concurrency: usize,
    /// `AWS_LAMBDA_FUNCTION_VERSION`: `$LATEST`, or a version that is then part of the ARN.
    pub version: String,
}

impl FunctionConfig {
    pub(crate) fn arn(&self, options: &HostOptions) -> String {
        let HostOptions {
            region, account_id, ..
        } = options;
        let unqualified = format!(
            "arn:aws:lambda:{region}:{account_id}:function:{}",
            self.name
        );
        if self.version == "$LATEST" {
            unqualified
        } else {
            format!("{unqualified}:{}", self.version)
        }
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        u64::from(self.memory_mb) * 1024 * 1024
    }

    pub(crate) fn check(&self) -> Result<(), RegisterError> {
        let named = (1..=64).contains(&self.name.len())
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let versioned = (1..=128).contains(&self.version.len())
            && self.version.bytes().all(|byte| byte.is_ascii_graphic());
        let limits = [
            (named, "name"),
            (versioned, "version"),
            (self.memory_mb > 0, "memory_mb"),
            (!self.timeout.is_zero(), "timeout"),
            (self.concurrency > 0, "concurrency"),
        ];
        match limits.into_iter().find(|(valid, _)| !valid) {
            Some((_, field)) => Err(RegisterError::Invalid {
                function: self.name.clone(),
                field,
            }),
            None => Ok(()),
        }
    }
}

/// How a worker process is started.
///
/// A worker does not inherit the host's environment, since that may hold secrets: it gets `PATH`, `HOME`,
/// `TMPDIR`, the locale, the time zone, `LD_LIBRARY_PATH`, `SSL_CERT_FILE`, `RUST_LOG` and `RUST_BACKTRACE`,
/// then `env`, then Lambda's own variables.
#[derive(Debug, Clone, Default)]
pub struct WorkerCommand {
    /// The program; looked up in the host's `PATH` when it has no slash.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables of this function. Those that Lambda reserves cannot be replaced, except `_HANDLER`.
    pub env: Vec<(String, String)>,
    /// Working directory and `LAMBDA_TASK_ROOT`; `None` keeps the host's directory.
    pub current_dir: Option<PathBuf>,
}

/// What one invocation may carry beside its payload.
#[derive(Debug, Clone, Default)]
pub struct InvokeOptions {
    /// Ends the invocation as a timeout, waiting or running, if it comes before the function's own timeout.
    pub deadline: Option<Instant>,
    /// Ends the invocation, waiting or running, when it becomes true: nobody wants the answer any more,
    /// and what the function would still do is not to be done.
    pub stop: Option<watch::Receiver<bool>>,
    /// JSON for the `lambda-runtime-client-context` header.
    pub client_context: Option<String>,
    /// The `lambda-runtime-trace-id` header; one is made from the request id when absent.
    pub trace_id: Option<String>,
}

/// Why a function could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// A field is outside what Lambda allows.
    #[error("function {function:?}: {field} is not valid")]
    Invalid {
        /// The function's name.
        function: String,
        /// The field of [`FunctionConfig`].
        field: &'static str,
    },
    /// The name is taken.
    #[error("function {0:?} is registered already")]
    Duplicate(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> FunctionConfig {
        FunctionConfig {
            name: "label".to_owned(),
            command: WorkerCommand::default(),
            memory_mb: 128,
            timeout: Duration::from_secs(3),
            concurrency: 1,
            version: "$LATEST".to_owned(),
        }
    }

    #[test]
    fn an_arn_is_qualified_by_a_version_but_not_by_latest() {
        let options = HostOptions::default();
        let latest = config();
        assert_eq!(
            latest.arn(&options),
            "arn:aws:lambda:us-east-1:000000000000:function:label"
        );
        let versioned = FunctionConfig {
            version: "7".to_owned(),
            ..latest
        };
        assert!(versioned.arn(&options).ends_with(":function:label:7"));
    }

    #[test]
    fn a_field_outside_its_limits_is_named() {
        assert_eq!(config().check(), Ok(()));
        let field_of = |config: FunctionConfig| match config.check() {
            Err(RegisterError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        let name = |name: &str| FunctionConfig {
            name: name.to_owned(),
            ..config()
        };
        assert_eq!(field_of(name("")), "name");
        assert_eq!(field_of(name("a/b")), "name");
        assert_eq!(field_of(name(&"a".repeat(65))), "name");
        assert_eq!(
            field_of(FunctionConfig {
                memory_mb: 0,
                ..config()
            }),
            "memory_mb"
        );
        assert_eq!(
            field_of(FunctionConfig {
                timeout: Duration::ZERO,
                ..config()
            }),
            "timeout"
        );
        assert_eq!(
            field_of(FunctionConfig {
                concurrency: 0,
                ..config()
            }),
            "concurrency"
        );
        assert_eq!(
            field_of(FunctionConfig {
                version: "a\nb".to_owned(),
                ..config()
            }),
            "version"
        );
    }
}
