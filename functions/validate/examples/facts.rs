//! Prints the facts of the files that are named, one JSON-like line each, and what all of them cost:
//! `cargo run --release -p safelight-validate --example facts -- PATH…`

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use safelight_validate::{HeaderError, Policy, policy, probe_with};

#[derive(Debug)]
enum Failure {
    Header(HeaderError),
    Io(std::io::Error),
}

impl From<HeaderError> for Failure {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

fn main() -> std::io::Result<()> {
    let policy = Policy::default();
    let started = Instant::now();
    let (mut files, mut reads, mut bytes) = (0_u32, 0_u64, 0_u64);
    for path in std::env::args().skip(1) {
        let file = File::open(&path)?;
        let read = |offset, length: u32| {
            let mut buffer = vec![0; length as usize];
            file.read_exact_at(&mut buffer, offset)
                .map_err(Failure::Io)?;
            Ok::<_, Failure>(buffer)
        };
        files += 1;
        match probe_with(file.metadata()?.len(), policy.max_frames, read) {
            Ok((facts, cost)) => {
                reads += u64::from(cost.reads);
                bytes += cost.bytes;
                let verdict = match policy::check(&facts, &path, &policy) {
                    Ok(warnings) => format!(" {warnings:?}"),
                    Err(error) => format!("; {}: {error}", error.name()),
                };
                println!(
                    "{path}\t{}\t{}\t{}\t{facts:?} {cost:?}{verdict}",
                    facts.format, facts.width, facts.height
                );
            }
            Err(Failure::Header(error)) => println!("{path}\t{}\t\t\t{error}", error.name()),
            Err(Failure::Io(error)) => return Err(error),
        }
    }
    let spent = started.elapsed();
    eprintln!("{files} files, {reads} reads, {bytes} bytes, {spent:?}");
    Ok(())
}
