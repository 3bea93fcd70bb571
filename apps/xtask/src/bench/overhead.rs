//! CPU an image of queue, workflow, dispatch and record: tiny images, whose pixels cost next to nothing.

use super::report::Target;
use super::{Bench, Measured, Row, pairs};
use crate::distinct;

/// Measures `process` less the bare loop.
pub fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let count = if bench.quick { 200 } else { 1_000 };
    let images = bench.product.folder().join("tiny");
    distinct::write_tiny_pngs(&images, count)?;
    let pairs = pairs::run(bench, &images, bench.runs())?;
    let each = |seconds: f64| seconds * 1_000.0 / count as f64;
    let rows = vec![
        Row::aimed(
            format!("CPU an image of queue, workflow, dispatch and record ({count} tiny PNGs)"),
            each(pairs.process_cpu - pairs.bare_cpu),
            "ms",
            Target::AtMost(4.0),
        ),
        Row::fact(
            "CPU an image of the bare loop on them",
            each(pairs.bare_cpu),
            "ms",
        ),
        Row::fact(
            "Tiny images through `process`",
            count as f64 / pairs.process_wall,
            "a second",
        ),
    ];
    Ok((rows, pairs.notes))
}
