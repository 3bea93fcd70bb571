//! What a person sees: colour where it is wanted, sizes and times as people say them, the table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal as _;

use chrono::Duration;
use comfy_table::{
    Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle,
};

use safelight_schema::Format;

use crate::row::{Row, RowOutcome};

/// Rows that a table shows in full; of more, only those that need attention.
pub const MAX_ROWS: usize = 60;

/// Rows that need attention that a table shows.
pub const MAX_BAD_ROWS: usize = 200;

/// Reasons that are told apart below the table.
const MAX_REASONS: usize = 40;

/// Columns from which on the table of a run names branches and errors.
const WIDE: usize = 136;

/// Width of a table that goes into a pipe or a file.
const PIPE_WIDTH: u16 = 160;

/// Whether standard output may be coloured (<https://no-color.org>).
pub fn coloured() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && std::io::stdout().is_terminal()
}

/// A size as people say it: powers of 1000, two or three digits.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 {
        format!("{value:.0} {}", UNITS[unit])
    } else {
        format!("{value:.1} {}", UNITS[unit])
    }
}

/// How many of a thing, with the ending of its name that goes with the number.
pub fn count(number: usize, thing: &str) -> String {
    let ending = match number {
        1 => "",
        _ if thing.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {thing}{ending}")
}

/// A time span as people say it.
pub fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..=999 => format!("{milliseconds} ms"),
        1_000..=59_999 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        60_000..=3_599_999 => format!(
            "{} min {:02} s",
            milliseconds / 60_000,
            milliseconds / 1000 % 60
        ),
        _ => format!(
            "{} h {:02} min",
            milliseconds / 3_600_000,
            milliseconds / 60_000 % 60
        ),
    }
}

/// Columns of the terminal that `output` is; none where it is a pipe or a file.
pub fn columns(output: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(output).ok()?;
    (size.ws_col > 0).then(|| usize::from(size.ws_col))
}

/// A notice with its lines broken between words, the second and later ones indented; as it is where
/// there is no terminal, for a script takes it line by line.
pub fn wrapped(notice: &str, indent: &str, columns: Option<usize>) -> String {
    let Some(columns) = columns else {
        return notice.to_owned();
    };
    let options = textwrap::Options::new(columns.max(40))
        .subsequent_indent(indent)
        .break_words(false);
    textwrap::fill(notice, options)
}

/// A span between two times.
pub fn span_of(duration: Duration) -> String {
    span(u64::try_from(duration.num_milliseconds()).unwrap_or(0))
}

/// Text from outside with control characters made visible, so that a name cannot drive the terminal.
pub fn safe(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// As [`safe`], but its lines stay lines.
pub fn safe_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(safe).collect();
    lines.join("\n")
}

/// An empty table in the product's style: a line below the headings, and none between the rows.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    let line = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(line))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings.iter().map(Cell::new));
    if coloured() {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if !std::io::stdout().is_terminal() {
        table.set_width(PIPE_WIDTH);
    }
    table
}

/// Keeps columns from being wrapped: names and numbers are to stay whole.
pub fn keep_whole(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

/// The table of a run. On a narrow terminal it counts branches instead of naming them, and leaves
/// the names of errors to the reasons below it.
pub fn rows_table(rows: &[Row]) -> Table {
    let mut table = table(&["Image", "Format", "Size", "Branches", "Time", "Outcome"]);
    let width = usize::from(table.width().unwrap_or(PIPE_WIDTH));
    let narrow = width < WIDE;
    let image = if narrow {
        width.saturating_sub(67).clamp(12, 44)
    } else {
        44
    };
    for row in rows {
        table.add_row(vec![
            Cell::new(shorten_path(&safe(&row.image), image)),
            Cell::new(format_of(row)),
            Cell::new(size(row.bytes)),
            Cell::new(if narrow {
                branch_count(row)
            } else {
                branches_of(row)
            }),
            Cell::new(span(row.duration_ms)),
            outcome_of(row, narrow),
        ]);
    }
    for column in [2, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    keep_whole(
        &mut table,
        if narrow {
            &[0, 1, 2, 3, 4, 5]
        } else {
            &[0, 1, 2, 4, 5]
        },
    );
    table
}

/// How many characters of an image's name a table of failures has room for.
pub fn image_room(table: &Table) -> usize {
    usize::from(table.width().unwrap_or(PIPE_WIDTH))
        .saturating_sub(72)
        .clamp(12, 44)
}

/// Why what did not succeed did not: the same reasons together, each with its images.
pub fn reasons(rows: &[Row]) -> String {
    let columns = columns(std::io::stdout());
    let mut reasons = BTreeMap::<(&str, &str), Vec<&str>>::new();
    for row in rows.iter().filter(|row| row.is_bad()) {
        if let Some(error) = &row.error {
            reasons
                .entry((&error.name, &error.cause))
                .or_default()
                .push(&row.image);
        }
    }
    let mut text = String::new();
    for ((name, cause), images) in reasons.into_iter().take(MAX_REASONS) {
        let more = match images.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let _ = writeln!(
            text,
            "{name}: {}{more}\n{}",
            safe(images[0]),
            wrapped(
                &format!("    {}", safe(&shorten(cause, 400))),
                "    ",
                columns
            )
        );
    }
    text
}

fn format_of(row: &Row) -> String {
    match (row.format, row.width, row.height) {
        (Some(format), Some(width), Some(height)) => format!("{format} {width}×{height}"),
        (Some(format), ..) => format.to_string(),
        _ => "–".into(),
    }
}

/// A sound image that no branch wanted is worth a word; for a rejected one there was no choice.
fn no_branches(row: &Row) -> String {
    let undecoded = row.format.filter(|format| {
        matches!(format, Format::Avif | Format::Heic)
            && !safelight_pixels::FEATURES.contains(&format.name())
    });
    match (&row.error, undecoded) {
        (Some(_), _) => "–".into(),
        (None, Some(format)) => format!("none: needs feature {format}"),
        (None, None) => "none wanted it".into(),
    }
}

fn branch_count(row: &Row) -> String {
    let all = row.branches.len();
    let failed = row
        .branches
        .values()
        .filter(|branch| branch.outcome != RowOutcome::Succeeded)
        .count();
    match (all, failed) {
        (0, _) => "–".into(),
        (_, 0) => format!("{all} done"),
        _ => format!("✗ {failed} of {all}"),
    }
}

fn branches_of(row: &Row) -> String {
    if row.branches.is_empty() {
        return no_branches(row);
    }
    let names: Vec<String> = row
        .branches
        .iter()
        .map(|(name, branch)| match branch.outcome {
            RowOutcome::Succeeded => name.clone(),
            _ => format!("✗ {name}"),
        })
        .collect();
    names.join(", ")
}

fn outcome_of(row: &Row, narrow: bool) -> Cell {
    let colour = match row.outcome {
        RowOutcome::Succeeded => Color::Green,
        RowOutcome::Rejected => Color::Yellow,
        RowOutcome::Failed => Color::Red,
        RowOutcome::Unchanged => Color::DarkGrey,
    };
    let text = match &row.error {
        Some(error) if !narrow => format!("{}: {}", row.outcome.name(), error.name),
        _ => row.outcome.name().to_owned(),
    };
    Cell::new(text).fg(colour)
}

/// The first `limit` characters of a text, with an ellipsis if there are more.
pub fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// The last `limit` characters of a path, with an ellipsis if there are more: its end tells it apart.
pub fn shorten_path(path: &str, limit: usize) -> String {
    let count = path.chars().count();
    if count <= limit {
        return path.to_owned();
    }
    let end: String = path.chars().skip(count - limit + 1).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_broken_between_words_on_a_terminal_only() {
        let notice = "    the header ends early: one more byte was expected";
        assert_eq!(wrapped(notice, "    ", None), notice);
        assert_eq!(
            wrapped(notice, "    ", Some(40)),
            "    the header ends early: one more byte\n    was expected"
        );
        // A path is worth more in one piece.
        let path = format!("see {}", "x".repeat(50));
        assert!(wrapped(&path, "  ", Some(40)).ends_with(&"x".repeat(50)));
    }

    #[test]
    fn sizes_and_spans_are_said_as_people_do() {
        assert_eq!(
            [0, 999, 1_000, 9_940, 9_999, 1_500_000].map(size),
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "1.5 MB"]
        );
        assert_eq!(
            [5, 1_500, 61_000, 3_660_000].map(span),
            ["5 ms", "1.5 s", "1 min 01 s", "1 h 01 min"]
        );
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        assert_eq!(safe("a\u{1b}[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(safe_lines("a\u{1b}\nb\n"), "a\u{fffd}\nb");
    }

    #[test]
    fn what_no_branch_wanted_says_which_decoder_is_missing() {
        let mut row = Row::unreadable("a", "b");
        assert_eq!(no_branches(&row), "–");
        row.error = None;
        row.format = Some(Format::Jpeg);
        assert_eq!(no_branches(&row), "none wanted it");
        row.format = Some(Format::Heic);
        let missing = !safelight_pixels::FEATURES.contains(&"heic");
        let said = no_branches(&row);
        assert_eq!(said == "none: needs feature heic", missing, "{said}");
    }

    #[test]
    fn shortening_keeps_characters_whole() {
        assert_eq!(shorten("한글 사진", 2), "한글…");
        assert_eq!(shorten("ab", 2), "ab");
        assert_eq!(
            shorten_path("a/한글.jpg", 7),
            "…글.jpg".replace('글', "한글")
        );
        assert_eq!(shorten_path("a.jpg", 7), "a.jpg");
    }
}
