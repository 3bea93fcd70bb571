//! The table, and its JSON.

use std::fmt::Write as _;

use serde::Serialize;

/// Figures, what is to be said of them, and the commands that gave them.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The figures.
    pub rows: Vec<Row>,
    /// What a reader has to know, such as a measure that could not be taken.
    pub notes: Vec<String>,
    /// The commands, with how often they were run.
    pub commands: Vec<(String, u32)>,
}

/// One figure.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub measure: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// The most or least it is meant to be.
    pub target: Option<Target>,
    /// Whether it is; absent where there is no target.
    pub met: Option<bool>,
}

/// What a figure is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// This or less.
    AtMost(f64),
    /// This or more.
    AtLeast(f64),
}

impl Target {
    fn met_by(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

impl Row {
    /// A figure that others are understood by.
    pub fn fact(measure: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            measure: measure.into(),
            value,
            unit,
            target: None,
            met: None,
        }
    }

    /// A figure with a target.
    pub fn aimed(
        measure: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) -> Self {
        Self {
            target: Some(target),
            met: Some(target.met_by(value)),
            ..Self::fact(measure, value, unit)
        }
    }
}

impl Row {
    fn cells(&self) -> [String; 4] {
        [
            self.measure.clone(),
            format!("{} {}", number(self.value), self.unit),
            self.target.map_or_else(String::new, |target| match target {
                Target::AtMost(most) => format!("≤ {}", number(most)),
                Target::AtLeast(least) => format!("≥ {}", number(least)),
            }),
            self.met
                .map_or("", |met| if met { "yes" } else { "no" })
                .to_owned(),
        ]
    }
}

impl Report {
    /// Takes a measure. One that fails is a note: the others are still worth having.
    pub fn take(
        &mut self,
        what: &str,
        measure: impl FnOnce() -> anyhow::Result<(Vec<Row>, Vec<String>)>,
    ) {
        eprintln!("measuring {what} …");
        match measure() {
            Ok((rows, notes)) => {
                self.rows.extend(rows);
                self.notes.extend(notes);
            }
            Err(error) => self
                .notes
                .push(format!("{what} could not be measured: {error:#}")),
        }
    }

    /// Prints it to standard output.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{self}");
        }
        Ok(())
    }

    /// The figures as a Markdown table, in columns that line up.
    fn table(&self) -> String {
        let mut lines = vec![["Measure", "Value", "Target", "Met"].map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| {
            lines
                .iter()
                .map(|cells| cells[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths = [0, 1, 2, 3].map(width);
        let mut text = String::new();
        for (index, [measure, value, target, met]) in lines.iter().enumerate() {
            let [a, b, c, d] = widths;
            // Writing to a String does not fail, here and below.
            let _ = writeln!(
                text,
                "| {measure:a$} | {value:>b$} | {target:>c$} | {met:d$} |"
            );
            if index == 0 {
                let [a, b, c, d] = widths.map(|width| "-".repeat(width));
                // A colon at its end makes a column of numbers.
                let _ = writeln!(text, "|-{a}-|-{b}:|-{c}:|-{d}-|");
            }
        }
        text
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.table())?;
        for note in &self.notes {
            writeln!(f, "\nNote: {note}")?;
        }
        writeln!(
            f,
            "\nCommands, from the root of the repository or its working folder:\n"
        )?;
        for (command, times) in &self.commands {
            writeln!(f, "{times:>4} × {command}")?;
        }
        Ok(())
    }
}

/// Three digits that mean something, without an exponent.
fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if value.fract() == 0.0 || size >= 100.0 => 0,
        _ if size >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.1234, 1.0, 1.156, 31.44, 2731.4].map(number),
            ["0.12", "1", "1.16", "31.4", "2731"]
        );
    }

    #[test]
    fn the_table_says_what_was_met() {
        let mut report = Report::default();
        report.take("a", || {
            Ok((
                vec![Row::aimed("cpu", 1.2, "×", Target::AtMost(1.15))],
                Vec::new(),
            ))
        });
        report.take("b", || {
            Ok((
                vec![Row::aimed(
                    "rate",
                    2_500.0,
                    "a second",
                    Target::AtLeast(2_000.0),
                )],
                Vec::new(),
            ))
        });
        report.take("c", || anyhow::bail!("no disk"));
        report.commands.push(("cargo build".into(), 2));
        let text = report.to_string();
        for part in [
            "1.20 × | ≤ 1.15 | no",
            "2500 a second | ≥ 2000 | yes",
            "c could not be measured: no disk",
            "2 × cargo build",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(
            serde_json::to_value(&report).unwrap()["rows"][1]["target"]["at_least"],
            2_000.0
        );
    }
}
