//! What the tests share.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal};
use safelight_lambda_host::{
    FunctionConfig, FunctionStats, HostOptions, InvokeError, InvokeOptions, LambdaHost,
    WorkerCommand,
};
use serde_json::{Value, json};

/// Longer than anything takes on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn host() -> LambdaHost {
    LambdaHost::new(HostOptions::default()).unwrap()
}

/// A function whose workers are this program.
pub fn function(name: &str) -> FunctionConfig {
    FunctionConfig {
        name: name.to_owned(),
        command: WorkerCommand {
            program: std::env::current_exe().unwrap(),
            args: super::worker::ARGUMENTS.map(str::to_owned).to_vec(),
            ..WorkerCommand::default()
        },
        memory_mb: 256,
        timeout: PATIENCE,
        concurrency: 1,
        version: "$LATEST".to_owned(),
    }
}

pub fn python_function(name: &str) -> FunctionConfig {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/echo.py");
    FunctionConfig {
        command: WorkerCommand {
            program: PathBuf::from("python3"),
            args: vec![script.to_str().unwrap().to_owned()],
            ..WorkerCommand::default()
        },
        ..function(name)
    }
}

/// A host with one function of the name `f`.
pub fn host_with(config: FunctionConfig) -> LambdaHost {
    let host = host();
    host.register(config).unwrap();
    host
}

pub async fn invoke(host: &LambdaHost, function: &str, event: Value) -> Result<Value, InvokeError> {
    let payload = Bytes::from(event.to_string());
    let answer = host.invoke(function, payload, InvokeOptions::default());
    let body = tokio::time::timeout(2 * PATIENCE, answer)
        .await
        .expect("an answer")?;
    Ok(serde_json::from_slice(&body).unwrap())
}

/// The process id of the worker that answers an echo.
pub async fn worker_of(host: &LambdaHost, function: &str) -> u32 {
    let answer = invoke(host, function, json!({})).await.unwrap();
    u32::try_from(answer["pid"].as_u64().unwrap()).unwrap()
}

pub fn stats(host: &LambdaHost, function: &str) -> FunctionStats {
    host.stats()
        .into_iter()
        .find(|stats| stats.function == function)
        .unwrap()
}

/// Waits until `reached`, and fails when that takes too long.
pub async fn until(mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "it never came");
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

pub fn is_alive(process: u32) -> bool {
    rustix::process::test_kill_process(pid(process)).is_ok()
}

pub fn kill_9(process: u32) {
    rustix::process::kill_process(pid(process), Signal::KILL).unwrap();
}

fn pid(process: u32) -> Pid {
    Pid::from_raw(i32::try_from(process).unwrap()).unwrap()
}

/// Where invocations wait for the test.
pub struct Gate(TcpListener);

/// An invocation that waits.
pub struct Held {
    pub process: u32,
    stream: TcpStream,
}

impl Gate {
    pub fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// The event that makes a worker wait here.
    pub fn event(&self, action: &str) -> Value {
        json!({ "do": action, "port": self.0.local_addr().unwrap().port() })
    }

    /// Waits for a worker.
    pub async fn arrival(&self) -> Held {
        let listener = self.0.try_clone().unwrap();
        blocking(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut process = [0; 4];
            stream.read_exact(&mut process).unwrap();
            Held {
                process: u32::from_be_bytes(process),
                stream,
            }
        })
        .await
    }
}

impl Held {
    pub fn release(mut self) {
        self.stream.write_all(&[1]).unwrap();
    }

    /// Waits until the worker's end of the connection is gone, as happens when it dies.
    pub async fn ended(mut self) {
        let read = blocking(move || self.stream.read(&mut [0])).await;
        match read {
            Ok(0) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
            other => panic!("the worker lives: {other:?}"),
        }
    }
}

fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = T> {
    let task = tokio::task::spawn_blocking(work);
    async { tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap() }
}
