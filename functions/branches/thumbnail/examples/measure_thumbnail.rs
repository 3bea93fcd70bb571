//! CPU a megapixel of a thumbnail, and the peak memory of the process.
//!
//! ```text
//! cargo run --release -p safelight-branch-thumbnail --example measure_thumbnail -- FILE...
//! ```
//! Each file is done three times; the fastest counts. Memory is the process' high-water mark, so
//! give one file to learn about that file.

use std::time::Instant;

use safelight_branch_thumbnail::{Settings, run};
use safelight_pixels::{Format, Limits};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut all_pixels, mut all_ms) = (0.0, 0.0);
    for path in std::env::args().skip(1) {
        let format = Format::of_extension(&path).ok_or("unknown extension")?;
        let bytes = std::fs::read(&path)?;
        let mut best = f64::INFINITY;
        let mut outcome = run(&bytes, format, &Settings::default(), &Limits::default());
        for _ in 0..3 {
            let start = Instant::now();
            outcome = run(&bytes, format, &Settings::default(), &Limits::default());
            best = best.min(start.elapsed().as_secs_f64() * 1000.0);
        }
        match outcome {
            Ok(outcome) => {
                let details = outcome.details;
                let megapixels =
                    f64::from(details.source_width) * f64::from(details.source_height) / 1e6;
                all_pixels += megapixels;
                all_ms += best;
                println!(
                    "{:6.1} ms  {megapixels:5.1} MP  {:5.2} ms/MP  {:>9} bytes  {} {} {path}",
                    best,
                    best / megapixels,
                    details.bytes,
                    details.format,
                    details.colour
                );
            }
            Err(error) => println!("{} {error}  {path}", error.name()),
        }
    }
    println!("{:.2} ms/MP over {all_pixels:.0} MP", all_ms / all_pixels);
    let status = std::fs::read_to_string("/proc/self/status")?;
    for line in status.lines().filter(|line| line.starts_with("VmHWM")) {
        println!("{line}");
    }
    Ok(())
}
