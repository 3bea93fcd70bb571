//! CPU a megabyte of compression, what it saves, and the peak memory of the process.
//!
//! ```text
//! cargo run --release -p safelight-branch-compress --example measure_compress -- FILE...
//! ```

use std::time::Instant;

use safelight_branch_compress::{Settings, run};
use safelight_pixels::{Format, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut before, mut after) = (0, 0);
    for path in std::env::args().skip(1) {
        let format = Format::of_extension(&path).ok_or("unknown extension")?;
        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        match run(&bytes, format, &Settings::default(), &Limits::default()) {
            Ok(outcome) => {
                let details = outcome.details;
                before += details.source_bytes;
                after += details.bytes;
                println!(
                    "{:7.1} ms  {:>9} -> {:>9}  {}  {path}",
                    start.elapsed().as_secs_f64() * 1000.0,
                    details.source_bytes,
                    details.bytes,
                    details.reason.as_deref().unwrap_or("")
                );
            }
            Err(error) => println!("{} {error}  {path}", error.name()),
        }
    }
    println!("{before} -> {after} bytes");
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
    Ok(())
}
