//! `image-lab COMMAND`: the pure image functions over the files that are named on standard input, one
//! path a line. No queue, no worker, no record.
//!
//! - `time WORK [OUT]`: does one piece of work to every file; prints its CPU time and its bytes, and
//!   writes what it makes below OUT.
//! - `peak WORK`: the same, and prints the most memory that this process ever had.
//! - `score`: a line is `reference TAB picture`; prints the SSIMULACRA2 of each.
//! - `outcome`: prints how each file ends in validate and in every branch, as soon as it is known.

mod outcome;
mod score;
mod work;

use std::io::BufRead as _;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["time", work] => work::time(work, None, &lines()?),
        ["time", work, out] => work::time(work, Some(out.as_ref()), &lines()?),
        ["peak", work] => work::peak(work, &lines()?),
        ["score"] => score::run(&lines()?),
        ["outcome"] => outcome::run(),
        _ => bail!("usage: image-lab time WORK [OUT] | peak WORK | score | outcome"),
    }
}

/// What standard input holds, line by line.
fn lines() -> anyhow::Result<Vec<String>> {
    Ok(std::io::stdin().lock().lines().collect::<Result<_, _>>()?)
}
