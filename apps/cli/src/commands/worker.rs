//! `safelight worker`: a function's worker process. The host starts it; people do not.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use safelight_kit::Adapters;
use safelight_lambda_host::worker;
use safelight_local::{FolderObjects, Folders, HostClient};
use safelight_schema::Token;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::with_next_step;

/// Environment variable that carries a worker's [`Surroundings`].
pub const SURROUNDINGS: &str = "SAFELIGHT_WORKER";

/// What the host tells a worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Surroundings {
    /// Where the host's record and queue are.
    pub host: SocketAddr,
    /// What the host asks for.
    pub token: Token,
    /// Where the buckets lie.
    pub folders: Folders,
}

/// Runs a function until the host goes away.
pub fn run(function: &str) -> anyhow::Result<Exit> {
    worker::die_with_parent().context("the worker cannot be bound to its host")?;
    let memory = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        .ok()
        .and_then(|text| text.parse().ok())
        .context("AWS_LAMBDA_FUNCTION_MEMORY_SIZE is not set: workers are started by the host")?;
    worker::limit_self(memory).context("the worker cannot limit its memory")?;
    let found = safelight_functions::find(function).ok_or_else(|| {
        with_next_step(
            format!("there is no function '{function}'"),
            "run `safelight branch sync` and build again",
        )
    })?;
    #[cfg(debug_assertions)]
    let found = crate::faults::faulty(found);
    let text = std::env::var(SURROUNDINGS)
        .context("SAFELIGHT_WORKER is not set: workers are started by the host")?;
    let surroundings: Surroundings =
        serde_json::from_str(&text).context("SAFELIGHT_WORKER cannot be read")?;
    let client = Arc::new(HostClient::new(surroundings.host, &surroundings.token));
    let objects = FolderObjects::open(&surroundings.folders)?;
    let adapters = Adapters::new(client.clone(), client, Arc::new(objects)).with_environment()?;
    let adapters = with_labels(adapters)?;
    safelight_kit::run(found, adapters)?;
    Ok(Exit::Fine)
}

/// Rekognition, in a build that has it.
#[cfg(feature = "rekognition")]
fn with_labels(mut adapters: Adapters) -> anyhow::Result<Adapters> {
    adapters.labels = safelight_aws::rekognition_from_environment()?;
    Ok(adapters)
}

/// Without the feature there is no label service but the built-in one.
#[cfg(not(feature = "rekognition"))]
#[expect(clippy::unnecessary_wraps, reason = "the other build can fail")]
fn with_labels(adapters: Adapters) -> anyhow::Result<Adapters> {
    Ok(adapters)
}
