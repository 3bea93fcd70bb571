//! What orchestration costs beside the work: `process` on photographs and the bare loop on the same.

use std::path::Path;

use super::report::Target;
use super::{Bench, Measured, Row, pairs};

/// Measures it; both are ratios of medians.
pub fn measure(bench: &Bench, photographs: &Path) -> anyhow::Result<Measured> {
    let pairs = pairs::run(bench, photographs, bench.runs())?;
    let what = format!(
        "{} photographs, {} MB",
        pairs.images,
        pairs.bytes / 1_000_000
    );
    let rows = vec![
        Row::aimed(
            format!("CPU of `process` ÷ bare loop ({what})"),
            pairs.process_cpu / pairs.bare_cpu,
            "×",
            Target::AtMost(1.15),
        ),
        Row::aimed(
            "Wall time of `process` ÷ bare loop",
            pairs.process_wall / pairs.bare_wall,
            "×",
            Target::AtMost(1.15),
        ),
        Row::fact("CPU of `process`", pairs.process_cpu, "s"),
        Row::fact("CPU of the bare loop", pairs.bare_cpu, "s"),
        Row::fact("Wall time of `process`", pairs.process_wall, "s"),
        Row::fact("Wall time of the bare loop", pairs.bare_wall, "s"),
    ];
    Ok((rows, pairs.notes))
}
