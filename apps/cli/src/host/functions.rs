//! The functions of the host: every one that is linked in, as a worker role of this same file.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use safelight_compose::folder;
use safelight_lambda_host::{FunctionConfig, LambdaHost, WorkerCommand};
use safelight_schema::Manifest;
use serde_json::{Value, json};

use crate::branches::Branches;
use crate::commands::worker::{SURROUNDINGS, Surroundings};
use crate::config::Config;
use crate::failure::with_next_step;
use crate::host::{DEAD_LETTERS, machine};

/// Memory of the functions that decode nothing, MiB.
const SMALL_MEMORY: u32 = 256;

/// Timeout of the functions that decode nothing.
const SHORT: Duration = Duration::from_secs(60);

/// What the Lambda host, and the workflow, call a function.
pub fn function_name(function: &str) -> String {
    format!("safelight-{function}")
}

/// Registers every function; answers how many workers each may have.
pub fn register(
    lambda: &LambdaHost,
    config: &Config,
    surroundings: &Surroundings,
    branches: &Branches,
) -> anyhow::Result<BTreeMap<String, usize>> {
    let manifests: Vec<&Manifest> = branches
        .folders
        .iter()
        .map(|folder| &folder.manifest)
        .collect();
    let mut registered = BTreeMap::new();
    let mut register = |function: FunctionConfig| {
        registered.insert(function.name.clone(), function.concurrency);
        lambda.register(function)
    };
    for name in safelight_functions::names() {
        let manifest = manifests.iter().find(|manifest| manifest.name == name);
        let manifest = manifest.copied();
        let command = own_command(name, config, surroundings)?;
        register(function_config(name, manifest, command))?;
    }
    for manifest in manifests {
        if let Some(command) = &manifest.command {
            let root = branches.root.as_deref();
            let command = other_command(&manifest.name, command, config, root)?;
            register(function_config(&manifest.name, Some(manifest), command))?;
        }
    }
    Ok(registered)
}

fn function_config(
    name: &str,
    manifest: Option<&Manifest>,
    command: WorkerCommand,
) -> FunctionConfig {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let concurrency = match (name, manifest.and_then(|manifest| manifest.concurrency)) {
        (_, Some(concurrency)) => concurrency as usize,
        // One batch at a time keeps the order of notifications and the claims uncontended.
        ("start" | "record" | "alert", None) => 1,
        (_, None) => processors,
    };
    FunctionConfig {
        name: function_name(name),
        command,
        memory_mb: manifest.map_or(SMALL_MEMORY, |manifest| manifest.memory_mb),
        timeout: manifest.map_or(SHORT, |manifest| {
            Duration::from_secs(u64::from(manifest.timeout_seconds))
        }),
        concurrency,
        version: "$LATEST".into(),
    }
}

/// A function that is linked in: a worker role of this same file.
fn own_command(
    name: &str,
    config: &Config,
    surroundings: &Surroundings,
) -> anyhow::Result<WorkerCommand> {
    Ok(WorkerCommand {
        program: std::env::current_exe().context("the program's own file cannot be found")?,
        args: vec!["worker".into(), name.into()],
        env: environment(name, config, surroundings)?,
        current_dir: None,
    })
}

/// A branch in another language: its command, run in its folder of the repository.
fn other_command(
    name: &str,
    command: &[String],
    config: &Config,
    root: Option<&Path>,
) -> anyhow::Result<WorkerCommand> {
    let root = root.ok_or_else(|| {
        with_next_step(
            format!("the branch '{name}' is a command, and its folder cannot be found"),
            "run safelight inside of the repository",
        )
    })?;
    let folder = root.join(folder::BRANCHES).join(name);
    let (program, args) = command
        .split_first()
        .with_context(|| format!("the branch '{name}' has an empty command"))?;
    let program = if program.contains('/') {
        folder.join(program)
    } else {
        program.into()
    };
    let settings = settings(name, config);
    Ok(WorkerCommand {
        program,
        args: args.to_vec(),
        env: vec![("SAFELIGHT_SETTINGS".to_owned(), settings.to_string())],
        current_dir: Some(folder),
    })
}

fn environment(
    name: &str,
    config: &Config,
    surroundings: &Surroundings,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut environment = vec![
        (
            SURROUNDINGS.to_owned(),
            serde_json::to_string(surroundings)?,
        ),
        (
            "AWS_ENDPOINT_URL_SFN".to_owned(),
            format!("http://{}", surroundings.host),
        ),
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
        environment.push((
            "SAFELIGHT_SLACK_WEBHOOK".to_owned(),
            webhook.expose().to_owned(),
        ));
    }
    if name == "label" {
        // The credentials of the one function that may call AWS.
        let aws = std::env::vars()
            .filter(|(name, _)| name.starts_with("AWS_") && name != "AWS_ENDPOINT_URL_SFN");
        environment.extend(aws);
    }
    Ok(environment)
}

/// Whether labels come from Rekognition, which takes less than the branch's own rule says.
pub fn labels_by_rekognition(config: &Config) -> bool {
    let provider = config
        .branches
        .get("label")
        .and_then(|settings| settings.get("provider"));
    provider.is_some_and(|provider| provider == "rekognition")
}

/// The section of the configuration that a function reads; null for its defaults.
fn settings(name: &str, config: &Config) -> Value {
    match name {
        "validate" => json!(config.validate),
        "route" => {
            json!({ "features": safelight_pixels::FEATURES, "branches": config.branches })
        }
        // This host ends the calls of an execution before it tells of its end.
        "record" => json!({ "longest_call_seconds": 0 }),
        "fail" => {
            json!({ "queue": DEAD_LETTERS, "dead_letter_rejected": config.dead_letter_rejected })
        }
        _ => config.branches.get(name).cloned().unwrap_or(Value::Null),
    }
}
