//! The functions of the host: every one that is linked in, as a worker role of this same file.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use safelight_lambda_host::{FunctionConfig, LambdaHost, WorkerCommand};
use safelight_schema::Manifest;
use serde_json::{Value, json};

use crate::commands::worker::{SURROUNDINGS, Surroundings};
use crate::config::Config;
use crate::host::{DEAD_LETTERS, machine};

/// Memory of the functions that decode nothing, MiB.
const SMALL_MEMORY: u32 = 256;

/// Timeout of the functions that decode nothing.
const SHORT: Duration = Duration::from_secs(60);

/// What the Lambda host, and the workflow, call a function.
pub fn function_name(function: &str) -> String {
    format!("safelight-{function}")
}

/// Registers every function.
pub fn register(lambda: &LambdaHost, config: &Config, surroundings: &Surroundings) -> anyhow::Result<()> {
    let program = std::env::current_exe().context("the program's own file cannot be found")?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let manifests: BTreeMap<String, Manifest> = safelight_functions::manifests()?
        .into_iter()
        .map(|manifest| (manifest.name.clone(), manifest))
        .collect();
    for name in safelight_functions::names() {
        let manifest = manifests.get(name);
        let command = WorkerCommand {
            program: program.clone(),
            args: vec!["worker".into(), name.into()],
            env: environment(name, config, surroundings)?,
            current_dir: None,
        };
        let concurrency = match (name, manifest.and_then(|manifest| manifest.concurrency)) {
            (_, Some(concurrency)) => concurrency as usize,
            // One batch at a time keeps the order of notifications and the claims uncontended.
            ("start" | "record" | "alert", None) => 1,
            (_, None) => processors,
        };
        let function = FunctionConfig {
            name: function_name(name),
            command,
            memory_mb: manifest.map_or(SMALL_MEMORY, |manifest| manifest.memory_mb),
            timeout: manifest.map_or(SHORT, |manifest| Duration::from_secs(u64::from(manifest.timeout_seconds))),
            concurrency,
            version: "$LATEST".into(),
        };
        lambda.register(function).with_context(|| format!("the function '{name}' cannot be registered"))?;
    }
    Ok(())
}

fn environment(name: &str, config: &Config, surroundings: &Surroundings) -> anyhow::Result<Vec<(String, String)>> {
    let mut environment = vec![
        (SURROUNDINGS.to_owned(), serde_json::to_string(surroundings)?),
        ("AWS_ENDPOINT_URL_SFN".to_owned(), format!("http://{}", surroundings.host)),
        ("SAFELIGHT_STATE_MACHINE_ARN".to_owned(), machine::arn()),
    ];
    let settings = settings(name, config);
    if !settings.is_null() {
        environment.push(("SAFELIGHT_SETTINGS".to_owned(), settings.to_string()));
    }
    if let Ok(log) = std::env::var("SAFELIGHT_LOG") {
        environment.push(("SAFELIGHT_LOG".to_owned(), log));
    }
    if name == "alert"
        && let Some(webhook) = &config.slack_webhook
    {
        environment.push(("SAFELIGHT_SLACK_WEBHOOK".to_owned(), webhook.expose().to_owned()));
    }
    if name == "label" {
        // The credentials of the one function that may call AWS.
        let aws = std::env::vars().filter(|(name, _)| name.starts_with("AWS_") && name != "AWS_ENDPOINT_URL_SFN");
        environment.extend(aws);
    }
    Ok(environment)
}

/// Whether labels come from Rekognition, which takes less than the branch's own rule says.
pub fn labels_by_rekognition(config: &Config) -> bool {
    let provider = config.branches.get("label").and_then(|settings| settings.get("provider"));
    provider.is_some_and(|provider| provider == "rekognition")
}

/// The section of the configuration that a function reads; null for its defaults.
fn settings(name: &str, config: &Config) -> Value {
    match name {
        "validate" => json!(config.validate),
        "route" => json!({ "branches": config.branches }),
        "fail" => json!({ "queue": DEAD_LETTERS, "dead_letter_rejected": config.dead_letter_rejected }),
        _ => config.branches.get(name).cloned().unwrap_or(Value::Null),
    }
}
