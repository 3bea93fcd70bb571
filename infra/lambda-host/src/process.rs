//! Starting and ending worker processes.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::config::{FunctionConfig, HostOptions};
use crate::worker::HOST_PROCESS_VARIABLE;

/// What a worker inherits of the host's environment.
const INHERITED: [&str; 10] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "LC_ALL",
    "TZ",
    "LD_LIBRARY_PATH",
    "SSL_CERT_FILE",
    "RUST_LOG",
    "RUST_BACKTRACE",
];

/// Starts processes from one thread that lives as long as the host. The parent-death signal of a worker
/// fires when the *thread* that started it ends, and the threads of an async runtime come and go.
#[derive(Debug)]
pub(crate) struct Spawner {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    command: Command,
    runtime: Handle,
    reply: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    pub(crate) fn start() -> io::Result<Self> {
        let (requests, received) = mpsc::channel::<Request>();
        std::thread::Builder::new()
            .name("worker-spawner".to_owned())
            .stack_size(256 * 1024)
            .spawn(move || {
                for mut request in received {
                    let _runtime = request.runtime.enter();
                    // A supervisor that is gone drops the child, which kills it.
                    let _ = request.reply.send(request.command.spawn());
                }
            })?;
        Ok(Self { requests })
    }

    /// Starts a process of `command`, in a process group of its own.
    pub(crate) async fn spawn(&self, command: Command) -> io::Result<WorkerProcess> {
        let stopped = || io::Error::other("the thread that starts workers has ended");
        let (reply, started) = oneshot::channel();
        self.requests
            .send(Request {
                command,
                runtime: Handle::current(),
                reply,
            })
            .map_err(|_| stopped())?;
        let child = started.await.map_err(|_| stopped())??;
        Ok(WorkerProcess::new(child))
    }
}

/// The command of one worker, which will find its Runtime API at `api`.
pub(crate) fn command(
    options: &HostOptions,
    config: &FunctionConfig,
    worker: u64,
    api: SocketAddr,
) -> Command {
    let mut command = Command::new(&config.command.program);
    command
        .args(&config.command.args)
        .env_clear()
        .envs(
            INHERITED
                .iter()
                .filter_map(|name| Some((name, std::env::var_os(name)?))),
        )
        .env("_HANDLER", &config.name)
        .envs(config.command.env.iter().map(|(name, value)| (name, value)))
        .envs(reserved(options, config, worker, api))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(directory) = &config.command.current_dir {
        command.current_dir(directory);
    }
    command
}

/// Whether a start failed because of the command itself, and not for want of something of the host's.
pub(crate) fn is_entrypoint_fault(error: &io::Error) -> bool {
    const ENOEXEC: i32 = 8;
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput
    ) || error.raw_os_error() == Some(ENOEXEC)
}

fn reserved(
    options: &HostOptions,
    config: &FunctionConfig,
    worker: u64,
    api: SocketAddr,
) -> Vec<(&'static str, OsString)> {
    let text = |value: &str| OsString::from(value);
    vec![
        ("AWS_LAMBDA_RUNTIME_API", text(&api.to_string())),
        ("AWS_LAMBDA_FUNCTION_NAME", text(&config.name)),
        ("AWS_LAMBDA_FUNCTION_VERSION", text(&config.version)),
        (
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            text(&config.memory_mb.to_string()),
        ),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", text("on-demand")),
        (
            "AWS_LAMBDA_LOG_GROUP_NAME",
            text(&format!("/aws/lambda/{}", config.name)),
        ),
        (
            "AWS_LAMBDA_LOG_STREAM_NAME",
            text(&format!("[{}]{worker}", config.version)),
        ),
        ("AWS_REGION", text(&options.region)),
        ("AWS_DEFAULT_REGION", text(&options.region)),
        ("LAMBDA_TASK_ROOT", task_root(config).into_os_string()),
        (HOST_PROCESS_VARIABLE, text(&std::process::id().to_string())),
    ]
}

fn task_root(config: &FunctionConfig) -> PathBuf {
    let command = &config.command;
    let parent = || {
        command
            .program
            .parent()
            .filter(|directory| !directory.as_os_str().is_empty())
            .map(Path::to_path_buf)
    };
    command
        .current_dir
        .clone()
        .or_else(parent)
        .or_else(|| std::env::current_dir().ok())
        .unwrap_or_default()
}

/// A running worker. Dropping it kills its process group.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Child,
    /// `None` once the process was reaped: its id may belong to another from then on.
    group: Option<Pid>,
}

impl WorkerProcess {
    fn new(child: Child) -> Self {
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        Self { child, group }
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn pipes(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Waits for the process to end, and ends what it left behind in its group. `None` if the system
    /// does not tell how it ended.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        let status = self.child.wait().await.ok();
        // The group keeps its id while a member lives, and ids are handed out in a circle: no stranger
        // can have it in this instant.
        self.kill();
        self.group = None;
        status
    }

    /// Kills the process and its group; `wait` reaps it.
    pub(crate) fn kill(&mut self) {
        if let Some(group) = self.group {
            // ESRCH: all have ended already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
