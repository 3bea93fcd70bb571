//! Runs the engine's tasks in the Lambda host.

use std::collections::BTreeMap;
use std::sync::Arc;

use safelight_engine::{DispatchedTask, TaskRunner};
use safelight_lambda_host::{InvokeOptions, LambdaHost};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// Hands tasks to the Lambda host, each on a task of the async runtime.
///
/// A task waits here, not in the Lambda host, until a worker is free for it: its timeout counts from
/// when it is said to have started, and waiting for others is no fault of its own.
pub struct LambdaRunner {
    lambda: LambdaHost,
    /// Workers of each function that are free.
    free: BTreeMap<String, Arc<Semaphore>>,
    /// The runtime: `dispatch` is called on the engine's thread.
    runtime: Handle,
}

impl LambdaRunner {
    /// A runner on the current runtime; `concurrency` says how many workers each function has.
    pub fn new(lambda: LambdaHost, concurrency: BTreeMap<String, usize>) -> Self {
        let free = concurrency
            .into_iter()
            .map(|(function, workers)| (function, Arc::new(Semaphore::new(workers))));
        Self {
            lambda,
            free: free.collect(),
            runtime: Handle::current(),
        }
    }
}

impl TaskRunner for LambdaRunner {
    fn dispatch(&self, task: DispatchedTask) {
        let lambda = self.lambda.clone();
        let free = self.free.get(&task.function_name).cloned();
        self.runtime.spawn(async move {
            // A function that is not known has no workers to wait for: the Lambda host says so.
            let _worker = match free {
                Some(free) => free.acquire_owned().await.ok(),
                None => None,
            };
            task.completion.started();
            let payload = task.payload.to_string();
            match lambda
                .invoke(
                    &task.function_name,
                    payload.into(),
                    InvokeOptions::default(),
                )
                .await
            {
                Ok(body) => match serde_json::from_slice::<Value>(&body) {
                    Ok(output) => task.completion.succeeded(output),
                    Err(error) => task.completion.failed(
                        "Runtime.InvalidResponse",
                        format!("the answer is not JSON: {error}"),
                    ),
                },
                Err(error) => task.completion.failed(error.name(), error.cause()),
            }
        });
    }
}
