//! What Pillow and ImageMagick say of the same files.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lab::{Outcome, name_of};
use crate::tools::{Tool, Tools, lines};

/// How another program ends with a file.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Theirs {
    file: PathBuf,
    outcome: String,
    #[serde(default)]
    format: Option<String>,
    #[serde(default)]
    width: u32,
    #[serde(default)]
    height: u32,
}

/// A kind of disagreement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Kind {
    rival: &'static str,
    format: String,
    ours: String,
    theirs: String,
}

/// Compares, writes every disagreement into `folder`, and gives the table of their kinds.
pub fn compare(tools: &Tools<'_>, ours: &[&Outcome], folder: &Path) -> anyhow::Result<String> {
    let files: Vec<PathBuf> = ours.iter().map(|outcome| outcome.file.clone()).collect();
    let mut kinds: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    let mut text = String::new();
    for (rival, tool) in [("Pillow", Tool::Pillow), ("ImageMagick", Tool::Magick)] {
        eprintln!("{rival}: {} files …", files.len());
        let mut command = tools.command(tool);
        command.args(["time", "decode"]);
        let output = tools.output(command, &lines(&files))?;
        let said: HashMap<PathBuf, Theirs> = output
            .lines()
            .map(|line| {
                serde_json::from_str::<Theirs>(line).map(|theirs| (theirs.file.clone(), theirs))
            })
            .collect::<Result<_, _>>()?;
        let (mut compared, mut agreed) = (0, 0);
        for outcome in ours {
            let Some(theirs) = said
                .get(&outcome.file)
                .filter(|theirs| concerns(outcome, theirs))
            else {
                continue;
            };
            compared += 1;
            match disagreement(rival, outcome, theirs) {
                None => agreed += 1,
                Some(kind) => kinds.entry(kind).or_default().push(name_of(&outcome.file)),
            }
        }
        // Writing to a String does not fail, here and below.
        let _ = writeln!(
            text,
            "{rival} and we agree on {agreed} of {compared} files (valid or not, format, width and height)."
        );
    }
    let _ = writeln!(
        text,
        "\n| rival | format | ours | theirs | files | such as |\n|---|---|---|---|---:|---|"
    );
    for (kind, files) in &kinds {
        let Kind {
            rival,
            format,
            ours,
            theirs,
        } = kind;
        let example = files.first().map_or("", String::as_str);
        let _ = writeln!(
            text,
            "| {rival} | {format} | {ours} | {theirs} | {} | {example} |",
            files.len()
        );
    }
    let all: Vec<_> = kinds.iter().collect();
    std::fs::write(
        folder.join("disagreements.json"),
        serde_json::to_vec_pretty(&all)?,
    )?;
    std::fs::write(folder.join("disagreements.md"), &text)?;
    Ok(text)
}

/// Formats that both name, by the others' names.
const COMMON: [(&str, &str); 20] = [
    ("JPEG", "jpeg"),
    ("MPO", "jpeg"),
    ("PNG", "png"),
    ("GIF", "gif"),
    ("WEBP", "webp"),
    ("BMP", "bmp"),
    ("BMP3", "bmp"),
    ("BMP2", "bmp"),
    ("DIB", "bmp"),
    ("TIFF", "tiff"),
    ("TIFF64", "tiff"),
    ("ICO", "ico"),
    ("JXL", "jxl"),
    ("JPEG2000", "jp2"),
    ("JP2", "jp2"),
    ("J2K", "jp2"),
    ("SVG", "svg"),
    ("MVG", "svg"),
    ("AVIF", "avif"),
    ("HEIC", "heic"),
];

fn common(name: &str) -> Option<&'static str> {
    COMMON
        .iter()
        .find(|(theirs, _)| *theirs == name)
        .map(|(_, ours)| *ours)
}

/// Whether either takes it for a format that we read.
fn concerns(ours: &Outcome, theirs: &Theirs) -> bool {
    ours.format.is_some() || theirs.format.as_deref().and_then(common).is_some()
}

fn disagreement(rival: &'static str, ours: &Outcome, theirs: &Theirs) -> Option<Kind> {
    let valid = theirs.outcome == "ok";
    let named = theirs.format.as_deref();
    let format = ours
        .format
        .clone()
        .or_else(|| named.and_then(common).map(str::to_owned));
    let kind = |ours: String, theirs: String| {
        Some(Kind {
            rival,
            format: format.clone().unwrap_or_default(),
            ours,
            theirs,
        })
    };
    if ours.is_ok() != valid {
        let theirs = match theirs.outcome.split_once(':') {
            Some((error, _)) => error.to_owned(),
            None => theirs.outcome.clone(),
        };
        return kind(ours.in_short(), theirs);
    }
    if !valid {
        return None;
    }
    if named.and_then(common) != ours.format.as_deref() {
        return kind(
            ours.format.clone().unwrap_or_default(),
            named.unwrap_or_default().to_owned(),
        );
    }
    let sizes = [(theirs.width, theirs.height), (theirs.height, theirs.width)];
    // They state the sides as stored, we as displayed.
    if !sizes.contains(&(ours.width, ours.height)) {
        return kind("other sides".to_owned(), "other sides".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(format: &str, sides: (u32, u32), end: &str) -> Outcome {
        Outcome {
            format: Some(format.into()),
            width: sides.0,
            height: sides.1,
            label: end.into(),
            thumbnail: end.into(),
            compress: end.into(),
            ..Outcome::default()
        }
    }

    fn theirs(format: &str, sides: (u32, u32), outcome: &str) -> Theirs {
        Theirs {
            file: PathBuf::new(),
            outcome: outcome.into(),
            format: Some(format.into()),
            width: sides.0,
            height: sides.1,
        }
    }

    #[test]
    fn agreement_is_validity_format_and_sides() {
        let of = |ours: &Outcome, theirs: &Theirs| {
            disagreement("x", ours, theirs).map(|kind| (kind.ours, kind.theirs))
        };
        let same = ours("jpeg", (3, 4), "ok");
        assert_eq!(of(&same, &theirs("JPEG", (4, 3), "ok")), None);
        assert_eq!(
            of(&same, &theirs("PNG", (3, 4), "ok")),
            Some(("jpeg".into(), "PNG".into()))
        );
        assert!(of(&same, &theirs("JPEG", (3, 5), "ok")).is_some());
        assert_eq!(
            of(&same, &theirs("JPEG", (3, 4), "OSError: broken")),
            Some(("ok".into(), "OSError".into()))
        );
        let broken = ours("jpeg", (3, 4), "Image.Truncated");
        assert_eq!(
            of(&broken, &theirs("JPEG", (3, 4), "OSError: broken")),
            None
        );
    }
}
