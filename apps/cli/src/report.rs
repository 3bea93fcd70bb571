//! What `process` shows while it works, and at its end.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::Config;
use crate::row::{Row, RowOutcome};
use crate::terminal;

/// Collects rows, prints them as JSON lines where asked, and moves the progress bar.
pub struct Reporter {
    json: bool,
    bar: ProgressBar,
    rows: Vec<Row>,
}

impl Reporter {
    /// A reporter of `images` images. The bar is on standard error, and only on a terminal.
    pub fn new(json: bool, images: u64) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(images), target);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:30} {pos}/{len} images  {elapsed}, about {eta} left  {msg}",
        ) {
            bar.set_style(style);
        }
        Self {
            json,
            bar,
            rows: Vec::new(),
        }
    }

    /// An image has ended.
    pub fn row(&mut self, row: Row) -> anyhow::Result<()> {
        if self.json {
            let line = serde_json::to_string(&row)?;
            // A closed pipe means that the reader has seen enough; the work goes on.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
        self.rows.push(row);
        self.bar.inc(1);
        let bad = self.rows.iter().filter(|row| row.is_bad()).count();
        if bad > 0 {
            self.bar.set_message(format!("{bad} not succeeded"));
        }
        Ok(())
    }

    /// Takes the bar away and gives the rows, in order of the image's name.
    pub fn finish(self) -> Vec<Row> {
        self.bar.finish_and_clear();
        let mut rows = self.rows;
        rows.sort_by(|left, right| left.image.cmp(&right.image));
        rows
    }
}

/// The table, the tally, and where everything is.
pub fn print_end(rows: &[Row], config: &Config, elapsed: Duration) {
    let table = terminal::rows_table(rows);
    if table.row_count() > 0 {
        println!("{table}");
    }
    let hidden = rows.len() - table.row_count();
    if hidden > 0 {
        println!("({hidden} more that need no attention; --json prints every one)");
    }
    let reasons = terminal::reasons(rows);
    if !reasons.is_empty() {
        print!("\n{reasons}");
    }
    println!();
    println!("{}", terminal::tally(rows, elapsed.as_millis() as u64));
    println!("  results   {}", config.out.display());
    println!(
        "  record    {}   (safelight history IMAGE, safelight audit verify)",
        config.state_dir.display()
    );
    let bad = rows.iter().filter(|row| row.is_bad()).count();
    if bad > 0 {
        println!("  failures  {bad}   (safelight failures list, safelight failures redrive --all)");
    }
    let unchanged = rows
        .iter()
        .filter(|row| row.outcome == RowOutcome::Unchanged)
        .count();
    if unchanged > 0 {
        println!("  unchanged {unchanged}   (--again processes them again)");
    }
}
