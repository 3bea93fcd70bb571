//! Runs the engine's tasks in the Lambda host.

use safelight_engine::{DispatchedTask, TaskRunner};
use safelight_lambda_host::{InvokeOptions, LambdaHost};
use serde_json::Value;
use tokio::runtime::Handle;

/// Hands tasks to the Lambda host, each on a task of the async runtime.
pub struct LambdaRunner {
    /// The host.
    pub lambda: LambdaHost,
    /// The runtime: `dispatch` is called on the engine's thread.
    pub runtime: Handle,
}

impl TaskRunner for LambdaRunner {
    fn dispatch(&self, task: DispatchedTask) {
        let lambda = self.lambda.clone();
        self.runtime.spawn(async move {
            task.completion.started();
            let payload = task.payload.to_string();
            match lambda.invoke(&task.function_name, payload.into(), InvokeOptions::default()).await {
                Ok(body) => match serde_json::from_slice::<Value>(&body) {
                    Ok(output) => task.completion.succeeded(output),
                    Err(error) => task
                        .completion
                        .failed("Runtime.InvalidResponse", format!("the answer is not JSON: {error}")),
                },
                Err(error) => task.completion.failed(error.name(), error.cause()),
            }
        });
    }
}
