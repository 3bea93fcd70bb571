//! What a process costs: CPU, wall time and memory, as Linux counts them under /proc.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// What a command cost.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time of the command and of every descendant that was waited for.
    pub cpu: Duration,
    /// From its spawn to its end.
    pub wall: Duration,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Finished {
    /// How.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// What it cost.
    pub usage: Usage,
}

/// Runs a command to its end. Its standard error is ours, its standard output is collected.
pub fn measure(command: &mut Command) -> anyhow::Result<Finished> {
    let (cpu, begun) = (children_cpu()?, Instant::now());
    let child = spawn(command)?;
    let output = child
        .wait_with_output()
        .context("the command cannot be waited for")?;
    let wall = begun.elapsed();
    Ok(Finished {
        status: output.status,
        stdout: String::from_utf8(output.stdout).context("the command did not write Unicode")?,
        usage: Usage {
            cpu: children_cpu()?.saturating_sub(cpu),
            wall,
        },
    })
}

/// Starts a command whose standard output is a pipe.
pub fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| {
            format!(
                "{} cannot be started",
                command.get_program().to_string_lossy()
            )
        })
}

/// CPU time of the children of this process that were waited for, with what they waited for
/// themselves (proc_pid_stat(5): cutime and cstime).
fn children_cpu() -> anyhow::Result<Duration> {
    let stat =
        std::fs::read_to_string("/proc/self/stat").context("/proc/self/stat cannot be read")?;
    let ticks = children_ticks(&stat).context("/proc/self/stat is not as proc_pid_stat(5) says")?;
    Ok(Duration::from_secs_f64(
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
    ))
}

fn children_ticks(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything; the third field comes after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(16 - 3);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// Resident memory of a process, MiB; none when it has ended.
pub fn resident_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

/// The processes whose parent is `pid`.
pub fn children(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("/proc cannot be read")? {
        let Some(child) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // A process may have ended since it was listed.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{child}/stat")) else {
            continue;
        };
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent.and_then(|parent| parent.parse().ok()) == Some(pid) {
            found.push(child);
        }
    }
    Ok(found)
}

/// The middle one; the mean of the two middle ones of an even number. None of none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values
        .get(middle.wrapping_sub(1))
        .map(|lower| f64::midpoint(*lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 11 12 13 14 20 0 1 0 5 6 7";
        assert_eq!(children_ticks(stat), Some(13 + 14));
        assert_eq!(children_ticks("7 (a"), None);
    }

    #[test]
    fn a_busy_grandchild_is_counted() {
        let busy = "for i in 1 2 3; do (i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done); done; echo done";
        let finished = measure(Command::new("sh").args(["-c", busy])).unwrap();
        assert!(finished.status.success());
        assert_eq!(finished.stdout, "done\n");
        assert!(finished.usage.cpu > Duration::ZERO, "{:?}", finished.usage);
    }

    #[test]
    fn this_process_has_memory_and_children() {
        assert!(resident_mib(std::process::id()).unwrap() > 0.1);
        let mut child = Command::new("sh")
            .args(["-c", "read line"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(children(std::process::id()).unwrap().contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
