//! Runs the engine's tasks in the Lambda host.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use safelight_engine::{DispatchedTask, TaskRunner};
use safelight_lambda_host::{InvokeOptions, LambdaHost};
use safelight_schema::error_name;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::calls::Calls;
use super::command_branch::{CommandBranch, Failed};
use super::space;

/// Hands tasks to the Lambda host, each on a task of the async runtime.
///
/// A task waits here, not in the Lambda host, until a worker is free for it: its timeout counts from
/// when it is said to have started, and waiting for others is no fault of its own.
pub struct LambdaRunner {
    lambda: LambdaHost,
    /// Workers of each function that are free.
    free: BTreeMap<String, Arc<Semaphore>>,
    /// What is in work.
    calls: Calls,
    /// The branches that are commands, by the name of their function.
    commands: BTreeMap<String, Arc<CommandBranch>>,
    /// The folder that functions write to.
    results: PathBuf,
    /// Told why nothing can go on: see [`space`].
    halt: watch::Sender<Option<String>>,
    /// The runtime: `dispatch` is called on the engine's thread.
    runtime: Handle,
}

impl LambdaRunner {
    /// A runner on the current runtime; `concurrency` says how many workers each function has.
    pub fn new(
        lambda: LambdaHost,
        concurrency: BTreeMap<String, usize>,
        calls: Calls,
        commands: BTreeMap<String, Arc<CommandBranch>>,
        results: PathBuf,
        halt: watch::Sender<Option<String>>,
    ) -> Self {
        let free = concurrency
            .into_iter()
            .map(|(function, workers)| (function, Arc::new(Semaphore::new(workers))));
        Self {
            lambda,
            free: free.collect(),
            calls,
            commands,
            results,
            halt,
            runtime: Handle::current(),
        }
    }
}

impl TaskRunner for LambdaRunner {
    fn dispatch(&self, task: DispatchedTask) {
        let lambda = self.lambda.clone();
        let free = self.free.get(&task.function_name).cloned();
        let command = self.commands.get(&task.function_name).cloned();
        let (results, halt) = (self.results.clone(), self.halt.clone());
        let mut stop = self.calls.begin(&task.execution_name);
        self.runtime.spawn(async move {
            // A function that is not known has no workers to wait for: the Lambda host says so.
            let _worker = match free {
                Some(free) => tokio::select! {
                    worker = free.acquire_owned() => worker.ok(),
                    Ok(_) = stop.wait_for(|stop| *stop) => return,
                },
                None => None,
            };
            task.completion.started();
            let function = &task.function_name;
            let answered = match command {
                None => invoke(&lambda, function, &task.payload, &stop).await,
                Some(command) => {
                    let call = async |event| invoke(&lambda, function, &event, &stop).await;
                    command.call(&task.payload, call).await
                }
            };
            match answered {
                Ok(output) => task.completion.succeeded(output),
                Err(failed) => {
                    if failed.name == error_name::OBJECTS_UNAVAILABLE.name
                        && let Some(why) = space::missing(results).await
                    {
                        // The task stays open, and is done again when the host is started again.
                        halt.send_replace(Some(why));
                        return;
                    }
                    task.completion.failed(failed.name, failed.cause);
                }
            }
        });
    }
}

/// Calls a function and reads its answer.
async fn invoke(
    lambda: &LambdaHost,
    function: &str,
    event: &Value,
    stop: &watch::Receiver<bool>,
) -> Result<Value, Failed> {
    let event = event.to_string();
    let options = InvokeOptions {
        stop: Some(stop.clone()),
        ..InvokeOptions::default()
    };
    let body = lambda
        .invoke(function, event.into(), options)
        .await
        .map_err(|error| Failed {
            name: error.name().into_owned(),
            cause: error.cause(),
        })?;
    serde_json::from_slice(&body).map_err(|error| Failed {
        name: "Runtime.InvalidResponse".into(),
        cause: format!("the answer is not JSON: {error}"),
    })
}
