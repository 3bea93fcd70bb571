//! How soon the first task runs: from the spawn of `process` to its first `state.entered` event.

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::report::Target;
use super::{Bench, Measured, Row};
use crate::distinct;
use crate::usage::median;

/// Of `history --json`, what is needed here.
#[derive(Debug, Deserialize)]
struct History {
    events: Vec<Event>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    time: DateTime<Utc>,
}

impl History {
    fn first_task(&self) -> Option<DateTime<Utc>> {
        let entered = |event: &&Event| event.kind.starts_with("state.entered.");
        self.events
            .iter()
            .filter(entered)
            .map(|event| event.time)
            .min()
    }
}

/// Measures it on one tiny image and an empty state folder.
pub fn measure(bench: &Bench) -> anyhow::Result<Measured> {
    let folder = bench.product.folder().join("first");
    distinct::write_tiny_pngs(&folder, 1)?;
    let mut waits = Vec::new();
    for _ in 0..bench.runs() {
        bench.product.forget()?;
        let spawned = Utc::now();
        let processed = bench.product.process(&folder)?;
        let row = processed
            .rows
            .first()
            .context("`process` reported no image")?;
        let history: History = bench.product.document(&["history", &row.execution], 0)?;
        let entered = history
            .first_task()
            .context("the record has no task that was entered")?;
        waits.push((entered - spawned).as_seconds_f64() * 1_000.0);
    }
    let wait = median(waits).context("nothing was run")?;
    Ok((
        vec![Row::aimed(
            "First task after the start of the command",
            wait,
            "ms",
            Target::AtMost(100.0),
        )],
        Vec::new(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_task_counts() {
        let history = r#"{"header": {}, "events": [
            {"type": "image.received.v1", "time": "2026-01-01T00:00:00.010Z"},
            {"type": "state.entered.v1", "time": "2026-01-01T00:00:00.050Z"},
            {"type": "state.entered.v1", "time": "2026-01-01T00:00:00.030Z"}]}"#;
        let history: History = serde_json::from_str(history).unwrap();
        assert_eq!(history.first_task().unwrap().timestamp_subsec_millis(), 30);
    }
}
