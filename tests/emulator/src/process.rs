//! The emulator's process.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::environment::{Environment, Unavailable, target};

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running emulator. It ends, with the functions that it started, when this is dropped.
#[derive(Debug)]
pub struct Emulator {
    address: SocketAddr,
    child: Child,
    folder: TempDir,
}

impl Emulator {
    /// The region of the emulator.
    pub const REGION: &str = "us-east-1";
    /// The account of the emulator.
    pub const ACCOUNT: &str = "000000000000";

    /// Starts one on a free port of loopback.
    pub fn start() -> Result<Self, Unavailable> {
        let environment = Environment::of_emulator()?;
        let unavailable = |error: std::io::Error| Unavailable(error.to_string());
        let folder = tempfile::Builder::new()
            .prefix("emulator-")
            .tempdir_in(target())
            .map_err(unavailable)?;
        // Free now; whoever takes it first makes the start fail, and says so.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(unavailable)?;
        let address = listener.local_addr().map_err(unavailable)?;
        drop(listener);
        let log = File::create(folder.path().join("log")).map_err(unavailable)?;
        let child = Command::new(environment.program("python"))
            .args(["-m", "ministack"])
            .env("GATEWAY_PORT", address.port().to_string())
            .env("BIND_HOST", "127.0.0.1")
            .env("MINISTACK_HOST", "127.0.0.1")
            .env("LOG_LEVEL", "WARNING")
            .env("STATE_DIR", folder.path().join("state"))
            .env("S3_DATA_DIR", folder.path().join("s3"))
            .env("TMPDIR", folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(unavailable)?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(unavailable)?;
        let mut emulator = Self {
            address,
            child,
            folder,
        };
        emulator.wait()?;
        Ok(emulator)
    }

    fn wait(&mut self) -> Result<(), Unavailable> {
        let begun = Instant::now();
        while !self.answers() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(Unavailable(format!("it ended: {status}: {}", self.log())));
            }
            if begun.elapsed() > PATIENCE {
                return Err(Unavailable(format!("it does not answer: {}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn answers(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(
                b"GET /_ministack/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
            )?;
            let mut answer = [0; 12];
            stream.read_exact(&mut answer)?;
            Ok(answer.starts_with(b"HTTP/1.1 "))
        };
        ask().unwrap_or(false)
    }

    /// Its endpoint, for `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// A folder that goes when it is dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it logged last.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The group: it starts functions as processes of their own.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}
