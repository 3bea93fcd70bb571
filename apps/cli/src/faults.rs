//! Faults that the tests put into a build of their own; a release build has none of this.
//!
//! - `SAFELIGHT_FAULT_COMMIT=n`: the host kills itself after its n-th durable commit, before anyone
//!   learns of it.
//! - `SAFELIGHT_FAULT_PAGES=n`: the database may have n pages, as if the disk were full then.
//! - A file `faults/<function>` in the state folder: one line a fault, taken from the top, one an
//!   invocation: `abort` (before the work), `abort-after` (when it is done, before it is answered),
//!   `hang`, `leak`, `error NAME`, `wait` (works when there is a file `faults/<function>.go`).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use safelight_kit::{Adapters, Function, FunctionError, Handler, Invocation};
use safelight_sqlite::Options;
use serde_json::Value;

/// Environment variable: the commit after which the host dies.
const COMMIT: &str = "SAFELIGHT_FAULT_COMMIT";

/// Environment variable: the most pages that the database may have.
const PAGES: &str = "SAFELIGHT_FAULT_PAGES";

/// The options of the database, with the fault that the environment asks for.
pub fn database_options() -> Options {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    let fatal = number(COMMIT);
    Options {
        max_page_count: number(PAGES).map(|pages| u32::try_from(pages).unwrap_or(u32::MAX)),
        on_commit: fatal.map(|fatal| -> safelight_sqlite::CommitHook {
            std::sync::Arc::new(move |commit| {
                if commit == fatal {
                    kill_self();
                }
            })
        }),
        ..Options::default()
    }
}

/// SIGKILL: nothing is flushed, nothing is said.
fn kill_self() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    loop {
        std::thread::park();
    }
}

/// The function with its faults in front.
pub fn faulty(function: Function) -> Function {
    Function { build, ..function }
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let name = std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let name = name.strip_prefix("safelight-").unwrap_or(&name).to_owned();
    let surroundings = std::env::var(crate::commands::worker::SURROUNDINGS).unwrap_or_default();
    let surroundings: Value = serde_json::from_str(&surroundings).unwrap_or_default();
    let state = PathBuf::from(surroundings["folders"]["state"].as_str().unwrap_or("."));
    let inner = safelight_functions::find(&name).map(|function| (function.build)(adapters));
    match inner {
        Some(inner) => Ok(Box::new(Faulty {
            inner: inner?,
            file: state.join("faults").join(name),
        })),
        None => unreachable!("the worker has found the function before"),
    }
}

struct Faulty {
    inner: Box<dyn Handler>,
    file: PathBuf,
}

#[async_trait]
impl Handler for Faulty {
    async fn handle(&self, event: Value, invocation: &Invocation) -> Result<Value, FunctionError> {
        let fault = take_line(&self.file);
        match fault.as_deref() {
            None => self.inner.handle(event, invocation).await,
            Some("abort") => std::process::abort(),
            Some("abort-after") => {
                let _ = self.inner.handle(event, invocation).await;
                std::process::abort()
            }
            Some("hang") => std::future::pending().await,
            Some("wait") => {
                while !self.file.with_extension("go").exists() {
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                }
                self.inner.handle(event, invocation).await
            }
            Some("leak") => {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1_u8; 16 << 20]);
                    std::hint::black_box(&kept);
                }
            }
            Some(other) => {
                let name = other.strip_prefix("error ").unwrap_or(other);
                let known = safelight_schema::error_name::find(name);
                let known = known.unwrap_or(&safelight_schema::error_name::INPUT_INVALID);
                Err(FunctionError::new(
                    known,
                    format!("a fault of the test: {other}"),
                ))
            }
        }
    }
}

/// Takes the first line of the file, under a lock: several workers may come at once.
fn take_line(file: &Path) -> Option<String> {
    let lock = std::fs::File::open(file).ok()?;
    lock.lock().ok()?;
    let text = std::fs::read_to_string(file).ok()?;
    let (line, rest) = text.split_once('\n').unwrap_or((&text, ""));
    std::fs::write(file, rest).ok()?;
    Some(line.to_owned()).filter(|line| !line.is_empty())
}
