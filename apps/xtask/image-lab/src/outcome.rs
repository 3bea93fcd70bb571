//! How a file ends: in validate, and in every branch that would take it.

use std::fs::File;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, setrlimit};
use safelight_validate::{HeaderError, Policy, PolicyError, policy};
use serde_json::{Value, json};

use crate::work;

/// Panics since the last file: a caught one is a fault all the same.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What a worker of the branches may use; a file that needs more ends this process.
const MEMORY_MIB: u64 = 2048;

/// For each path on standard input one line, when it is known.
pub fn run() -> anyhow::Result<()> {
    let limit = Some(MEMORY_MIB << 20);
    setrlimit(
        Resource::Data,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )?;
    std::panic::set_hook(Box::new(|panic| {
        if let Ok(mut panics) = PANICS.lock() {
            panics.push(panic.to_string());
        }
    }));
    for line in std::io::stdin().lock().lines() {
        let path = line?;
        let outcome = of(Path::new(&path));
        let mut out = std::io::stdout().lock();
        writeln!(out, "{outcome}")?;
        out.flush()?;
    }
    Ok(())
}

fn of(path: &Path) -> Value {
    let begun = Instant::now();
    // From here on the most memory is counted anew (proc_pid_clear_refs(5)).
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let mut outcome = json!({ "file": path });
    let key = path.to_string_lossy();
    let found = File::open(path)
        .map_err(anyhow::Error::from)
        .and_then(|file| work::facts(&file))
        .and_then(|facts| {
            policy::check(&facts, &key, &Policy::default())?;
            Ok(facts)
        });
    match found {
        Ok(facts) => {
            outcome["format"] = json!(facts.format);
            outcome["width"] = json!(facts.width);
            outcome["height"] = json!(facts.height);
            outcome["frames"] = json!(facts.frames);
            let bytes = std::fs::read(path).unwrap_or_default();
            let mut slowest = 0.0f64;
            for branch in ["label", "thumbnail", "compress"] {
                let begun = Instant::now();
                outcome[branch] = match work::branch(branch, &bytes, facts.format) {
                    Ok(_) => json!("ok"),
                    Err(name) => json!(name),
                };
                slowest = slowest.max(begun.elapsed().as_secs_f64());
            }
            outcome["branch_seconds"] = json!(slowest);
        }
        Err(error) => outcome["rejected"] = json!(name(&error)),
    }
    if let Ok(mut panics) = PANICS.lock()
        && !panics.is_empty()
    {
        outcome["panics"] = json!(std::mem::take(&mut *panics));
    }
    outcome["peak_mib"] = json!(work::peak_mib().unwrap_or_default());
    outcome["seconds"] = json!(begun.elapsed().as_secs_f64());
    outcome
}

fn name(error: &anyhow::Error) -> String {
    let header = error.downcast_ref::<HeaderError>().map(HeaderError::name);
    let name = header.or_else(|| error.downcast_ref::<PolicyError>().map(PolicyError::name));
    name.map_or_else(
        || format!("unnamed: {error:#}"),
        |name| name.name.to_owned(),
    )
}
