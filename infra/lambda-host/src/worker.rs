//! What a worker process does at its start, before it polls for its first event.
//!
//! The host cannot set these from outside without `unsafe` code between fork and exec, so a worker sets
//! them itself. A worker that does not is still watched, timed and killed by the host.

use std::io;

#[cfg(target_os = "linux")]
use rustix::process::Signal;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The variable that tells a worker its host's process id.
pub const HOST_PROCESS_VARIABLE: &str = "SAFELIGHT_HOST_PID";

/// Data that the runtime itself needs above the function's memory: stacks, the allocator's arenas.
/// They are reserved, not resident, so they do not count towards what the host watches.
const OVERHEAD_BYTES: u64 = 48 * 1024 * 1024;

/// Limits this process's data to `memory_mb` MiB and some room for the runtime itself, and forbids core
/// dumps. An allocation above it fails: a Rust program then aborts, and the host reports
/// `Runtime.OutOfMemory`. Unlike the host's watch, it also stops one huge allocation before a page of it
/// is touched.
pub fn limit_self(memory_mb: u32) -> io::Result<()> {
    let bytes = u64::from(memory_mb) * 1024 * 1024 + OVERHEAD_BYTES;
    lower(Resource::Data, bytes)?;
    lower(Resource::Core, 0)
}

/// Asks the system to kill this process when its host ends, however it ends; an error if the host is gone
/// already. Does nothing when no host started this process, as on Lambda.
///
/// Linux delivers the signal when the host's *thread* that started this process ends: the host starts
/// workers from one thread that lives as long as it does. On other systems a busy worker outlives a killed
/// host until its invocation ends.
pub fn die_with_parent() -> io::Result<()> {
    let Some(host) = std::env::var(HOST_PROCESS_VARIABLE)
        .ok()
        .and_then(|text| text.parse::<i32>().ok())
        .and_then(rustix::process::Pid::from_raw)
    else {
        return Ok(());
    };
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The host may have ended before the request took effect. It need not be the direct parent: a
    // command may have been wrapped in a shell.
    let orphaned = rustix::process::getppid() != Some(host)
        && rustix::process::test_kill_process(host).is_err();
    if orphaned {
        return Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the host that started this worker is gone",
        ));
    }
    Ok(())
}

fn lower(resource: Resource, bytes: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum;
    let limit = hard.map_or(bytes, |hard| hard.min(bytes));
    setrlimit(
        resource,
        Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        },
    )?;
    Ok(())
}
