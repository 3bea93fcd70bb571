//! What every client shares: region, credentials, TLS, endpoint, timeouts, tries.

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_types::sdk_config::{SharedCredentialsProvider, SharedHttpClient};

/// The region where none is said.
const DEFAULT_REGION: &str = "us-east-1";

/// Tries of one call, the first included. What is throttled for longer is the workflow's or the
/// queue's to try again.
const TRIES: u32 = 4;

/// What clients are made of.
#[derive(Debug, Clone)]
pub struct Sdk {
    config: SdkConfig,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(3))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build()
}

fn tries() -> RetryConfig {
    RetryConfig::standard()
        .with_max_attempts(TRIES)
        .with_max_backoff(Duration::from_secs(5))
}

impl Sdk {
    /// For a Lambda function: region and credentials are in the variables that Lambda sets, so no
    /// chain of providers is asked, and none is linked in.
    pub fn of_lambda() -> Self {
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        // Who calls, for whoever reads CloudTrail: it is a part of the user agent.
        let name = variable("AWS_LAMBDA_FUNCTION_NAME").and_then(|name| AppName::new(name).ok());
        let mut config = SdkConfig::builder();
        config.set_app_name(name);
        let config = config
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.unwrap_or_else(|| DEFAULT_REGION.into())))
            .credentials_provider(SharedCredentialsProvider::new(
                EnvironmentVariableCredentialsProvider::new(),
            ))
            .http_client(http_client())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .timeout_config(timeouts())
            .retry_config(tries())
            .build();
        Self { config }
    }

    /// For a person's machine: variables, profiles, and what else the SDKs look at.
    pub async fn of_machine() -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client())
            .timeout_config(timeouts())
            .retry_config(tries())
            .load()
            .await;
        Self { config }
    }

    /// The same with another endpoint and credentials, such as an emulator's in a test.
    pub fn of_endpoint(endpoint: &str, region: &str, key: &str, secret: &str) -> Self {
        let credentials =
            aws_credential_types::Credentials::new(key, secret, None, None, "safelight");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .http_client(http_client())
            .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .timeout_config(timeouts())
            .retry_config(tries())
            .build();
        Self { config }
    }

    /// The configuration, for a client that is not here.
    pub const fn config(&self) -> &SdkConfig {
        &self.config
    }

    /// The endpoint of a service where it is not AWS's own: `AWS_ENDPOINT_URL_<SERVICE>`, or the
    /// one for all.
    fn endpoint(&self, service: &str) -> Option<String> {
        variable(&format!("AWS_ENDPOINT_URL_{service}"))
            .or_else(|| self.config.endpoint_url().map(str::to_owned))
            .or_else(|| variable("AWS_ENDPOINT_URL"))
    }

    /// DynamoDB.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        let mut config = aws_sdk_dynamodb::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("DYNAMODB"));
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// SQS.
    #[cfg(feature = "sqs")]
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        let mut config = aws_sdk_sqs::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("SQS"));
        aws_sdk_sqs::Client::from_conf(config.build())
    }

    /// S3. Behind another endpoint than AWS's own, buckets are in the path: such an endpoint rarely
    /// has a name for each.
    #[cfg(feature = "s3")]
    pub fn s3(&self) -> aws_sdk_s3::Client {
        let endpoint = self.endpoint("S3");
        let mut config =
            aws_sdk_s3::config::Builder::from(&self.config).force_path_style(endpoint.is_some());
        config.set_endpoint_url(endpoint);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// Secrets Manager.
    #[cfg(feature = "secrets")]
    pub fn secrets(&self) -> aws_sdk_secretsmanager::Client {
        let mut config = aws_sdk_secretsmanager::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("SECRETS_MANAGER"));
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    /// Step Functions.
    #[cfg(feature = "sfn")]
    pub fn step_functions(&self) -> aws_sdk_sfn::Client {
        let mut config = aws_sdk_sfn::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("SFN"));
        aws_sdk_sfn::Client::from_conf(config.build())
    }

    /// Rekognition.
    #[cfg(feature = "rekognition")]
    pub fn rekognition(&self) -> aws_sdk_rekognition::Client {
        let mut config = aws_sdk_rekognition::config::Builder::from(&self.config);
        config.set_endpoint_url(self.endpoint("REKOGNITION"));
        aws_sdk_rekognition::Client::from_conf(config.build())
    }
}
