//! What `process` shows while it works, and at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::Config;
use crate::exit::Exit;
use crate::row::{Row, RowOutcome};
use crate::terminal;

/// What a run came to: how many ended how, and the rows worth showing.
#[derive(Debug, Default)]
pub struct Report {
    /// Every row of a small run; of a large one those that did not succeed, up to a limit.
    pub rows: Vec<Row>,
    /// How many ended how.
    pub counts: BTreeMap<RowOutcome, usize>,
    /// How many that were finished before had not succeeded.
    pub unchanged_bad: usize,
    /// How many that were finished before were so by an older workflow.
    pub unchanged_older: usize,
    /// The branches, with their versions, that some of those did not go through.
    pub missed: BTreeSet<String>,
}

impl Report {
    /// How many images there were.
    pub fn images(&self) -> usize {
        self.counts.values().sum()
    }

    /// How many ended like this.
    pub fn count(&self, outcome: RowOutcome) -> usize {
        self.counts.get(&outcome).copied().unwrap_or(0)
    }

    /// How many were rejected or failed.
    pub fn bad(&self) -> usize {
        self.count(RowOutcome::Rejected) + self.count(RowOutcome::Failed)
    }

    /// What the exit code says of it: also of images that had failed before and were left as they are, or a
    /// script that runs the command until all is well would stop too early.
    pub fn exit(&self) -> Exit {
        if self.bad() + self.unchanged_bad > 0 {
            Exit::SomeFailed
        } else {
            Exit::Fine
        }
    }

    fn add(&mut self, row: Row) {
        *self.counts.entry(row.outcome).or_default() += 1;
        if row.outcome == RowOutcome::Unchanged && row.error.is_some() {
            self.unchanged_bad += 1;
        }
        let images = self.images();
        if images == terminal::MAX_ROWS + 1 {
            self.rows.retain(Row::is_bad);
        }
        // Memory stays flat however many images there are.
        let shown = images <= terminal::MAX_ROWS
            || (row.is_bad() && self.rows.len() < terminal::MAX_BAD_ROWS);
        if shown {
            self.rows.push(row);
        }
    }
}

/// Prints rows as JSON lines where asked, moves the progress bar, and keeps what the end shows.
pub struct Reporter {
    json: bool,
    bar: ProgressBar,
    report: Report,
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
        let template = "{bar:30} {pos}/{len} images  {elapsed}, about {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            json,
            bar,
            report: Report::default(),
        }
    }

    /// An image has ended.
    pub fn row(&mut self, row: Row) -> anyhow::Result<()> {
        if self.json {
            let line = serde_json::to_string(&row)?;
            // A closed pipe means that the reader has seen enough; the work goes on.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        }
        self.report.add(row);
        self.bar.inc(1);
        let bad = self.report.bad();
        if bad > 0 {
            self.bar.set_message(format!("{bad} not succeeded"));
        }
        Ok(())
    }

    /// An image was left as an older workflow made it, which did not have these branches.
    pub fn missed(&mut self, branches: Vec<String>) {
        if !branches.is_empty() {
            self.report.unchanged_older += 1;
            self.report.missed.extend(branches);
        }
    }

    /// Takes the bar away and gives the report, its rows in order of the image's name.
    pub fn finish(mut self) -> Report {
        self.bar.finish_and_clear();
        self.report
            .rows
            .sort_by(|left, right| left.image.cmp(&right.image));
        self.report
    }
}

/// The table, the reasons, the tally, and where everything is.
pub fn print_end(report: &Report, config: &Config, elapsed: Duration) {
    if !report.rows.is_empty() {
        println!("{}", terminal::rows_table(&report.rows));
    }
    let hidden = report.images() - report.rows.len();
    if hidden > 0 {
        println!("({hidden} more; --json prints every one)");
    }
    let reasons = terminal::reasons(&report.rows);
    if !reasons.is_empty() {
        print!("\n{reasons}");
    }
    println!("\n{}", tally(report, elapsed));
    println!("  results   {}", config.out.display());
    let place = state_flag(config);
    let columns = terminal::columns(std::io::stdout());
    let record = [
        format!("safelight history IMAGE{place}"),
        format!("safelight audit verify{place}"),
    ];
    let state = config.state_dir.display().to_string();
    println!("{}", with_commands("record", &state, &record, columns));
    if report.bad() > 0 {
        let list = [format!("safelight failures list{place}")];
        let bad = report.bad().to_string();
        println!("{}", with_commands("failures", &bad, &list, columns));
    }
    let unchanged = report.count(RowOutcome::Unchanged);
    if unchanged > 0 {
        println!("  unchanged {unchanged}   (--again processes them again)");
    }
    if report.unchanged_older > 0 {
        let branches: Vec<&str> = report.missed.iter().map(String::as_str).collect();
        println!(
            "  of these  {} without {}   (there since; --again)",
            report.unchanged_older,
            branches.join(", ")
        );
    }
    if report.unchanged_bad > 0 {
        println!(
            "  of these  {} had not succeeded   (safelight failures list{place})",
            report.unchanged_bad
        );
    }
}

/// What a command needs to find the same state.
fn state_flag(config: &Config) -> String {
    if config.state_dir == Config::default().state_dir {
        String::new()
    } else {
        format!(" --state-dir {}", config.state_dir.display())
    }
}

/// How many ended how, as one sentence.
fn tally(report: &Report, elapsed: Duration) -> String {
    let parts: Vec<String> = report
        .counts
        .iter()
        .map(|(outcome, count)| format!("{count} {}", outcome.name()))
        .collect();
    let images = terminal::count(report.images(), "image");
    let parts = if parts.is_empty() {
        String::new()
    } else {
        format!(": {}", parts.join(", "))
    };
    format!(
        "{images} in {}{parts}",
        terminal::span(elapsed.as_millis() as u64)
    )
}

/// A line of the end with the commands that say more; each on a line of its own where the terminal is
/// too narrow, so that it can be copied whole.
fn with_commands(name: &str, value: &str, commands: &[String], columns: Option<usize>) -> String {
    let line = format!("  {name:<9} {value}   ({})", commands.join(", "));
    if columns.is_none_or(|columns| line.chars().count() <= columns) {
        return line;
    }
    let commands = commands.iter().fold(String::new(), |lines, command| {
        lines + "\n            " + command
    });
    format!("  {name:<9} {value}{commands}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_do_not_fit_have_lines_of_their_own() {
        let commands = [
            "safelight history IMAGE".to_owned(),
            "safelight audit verify".to_owned(),
        ];
        let line = "  record    .safelight   (safelight history IMAGE, safelight audit verify)";
        assert_eq!(with_commands("record", ".safelight", &commands, None), line);
        assert_eq!(
            with_commands("record", ".safelight", &commands, Some(80)),
            line
        );
        assert_eq!(
            with_commands("record", ".safelight", &commands, Some(60)),
            "  record    .safelight\n            safelight history IMAGE\n            safelight audit verify"
        );
    }

    fn row(number: usize, outcome: RowOutcome) -> Row {
        Row {
            image: format!("{number:05}.png"),
            execution: String::new(),
            outcome,
            format: None,
            bytes: 0,
            width: None,
            height: None,
            branches: BTreeMap::new(),
            error: None,
            duration_ms: 0,
        }
    }

    #[test]
    fn a_large_run_keeps_what_needs_attention_and_counts_the_rest() {
        let mut report = Report::default();
        for number in 0..10_000 {
            let outcome = if number % 100 == 7 {
                RowOutcome::Failed
            } else {
                RowOutcome::Succeeded
            };
            report.add(row(number, outcome));
        }
        assert_eq!(
            (report.images(), report.bad(), report.rows.len()),
            (10_000, 100, 100)
        );
        assert!(report.rows.iter().all(Row::is_bad));
        assert_eq!(report.exit(), Exit::SomeFailed);
        let text = tally(&report, Duration::from_millis(1_500));
        assert_eq!(text, "10000 images in 1.5 s: 9900 succeeded, 100 failed");
    }

    #[test]
    fn a_small_run_keeps_every_row() {
        let mut report = Report::default();
        report.add(row(1, RowOutcome::Succeeded));
        report.add(row(2, RowOutcome::Unchanged));
        assert_eq!((report.rows.len(), report.exit()), (2, Exit::Fine));
    }
}
