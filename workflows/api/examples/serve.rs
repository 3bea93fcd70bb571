//! The engine and its API alone, without functions: to try a definition, or a client, against it.
//!
//! `cargo run -p safelight-api --example serve -- [STATE_FILE] [ADDRESS] [ACCOUNT]`

use std::sync::Arc;

use safelight_api::{ApiOptions, router};
use safelight_engine::{DispatchedTask, Engine, EngineOptions, Names, TaskRunner};
use safelight_sqlite::{Database, Options};
use tokio::net::TcpListener;

struct NoFunctions;

impl TaskRunner for NoFunctions {
    fn dispatch(&self, task: DispatchedTask) {
        let cause = format!("Function not found: {}", task.function_name);
        task.completion
            .failed("Lambda.ResourceNotFoundException", cause);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let file = arguments.next().unwrap_or_else(|| "state.db".to_owned());
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:8083".to_owned());
    let account = arguments
        .next()
        .unwrap_or_else(|| "000000000000".to_owned());
    let database = Database::open(&file, Options::default())?;
    let options = EngineOptions {
        names: Names {
            account,
            ..Names::default()
        },
        ..EngineOptions::default()
    };
    let engine = Engine::open(&database, Arc::new(NoFunctions), options)?;
    let listener = TcpListener::bind(&address).await?;
    eprintln!("serving {file} at http://{}", listener.local_addr()?);
    let stopped = engine.handle();
    axum::serve(listener, router(engine.handle(), ApiOptions::default()))
        .with_graceful_shutdown(async move {
            let _ = stopped.stopped().await;
        })
        .await?;
    engine.handle().stopped().await?;
    Ok(())
}
