//! `cargo xtask bench images`: the image functions beside sharp, Pillow and ImageMagick.
//!
//! Every tool does the same work to the same files, in turn, in one process each (ImageMagick: a
//! process a file, as it is used), and says how much CPU it took. Ratios are of medians.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::report::{Report, Row, Target};
use super::{Measure, Measured, Options};
use crate::corpus;
use crate::tools::{Tool, Tools};
use crate::usage::median;
use crate::workspace::Workspace;

/// How many files validate is measured on.
const HEADERS: usize = 10_000;
/// How much worse than sharp's a picture may be, in points of SSIMULACRA2.
const WORSE: f64 = -0.3;

/// Takes a measure.
type Take<'a> = fn(&Images<'a>) -> anyhow::Result<Measured>;

/// Measures them and prints the table.
pub fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let scratch = workspace.scratch()?;
    let folder = corpus::folder(workspace, options.corpus.as_deref())?;
    let files = corpus::files(&folder)?;
    corpus::warm(&files)?;
    let of_kind = |kinds: &[&str]| -> Vec<PathBuf> {
        let wanted = |file: &PathBuf| {
            let kind = file.extension().map(OsStr::to_ascii_lowercase);
            kinds
                .iter()
                .any(|wanted| kind.as_deref() == Some((*wanted).as_ref()))
        };
        files.iter().filter(|file| wanted(file)).cloned().collect()
    };
    let images = Images {
        tools: Tools::ready(workspace, &options.features)?,
        rounds: if options.quick { 1 } else { 5 },
        turbo: options.features.iter().any(|feature| feature == "turbo"),
        photographs: of_kind(&["jpg", "jpeg"]),
        drawings: of_kind(&["png"]),
        samples: corpus::files(&workspace.root().join("samples"))?,
        scratch: scratch.path().to_owned(),
    };
    ensure!(
        !images.photographs.is_empty(),
        "{} holds no JPEG",
        folder.display()
    );
    let mut report = Report::default();
    let measures: [(Measure, &str, Take<'_>); 6] = [
        (Measure::Half, "JPEG to half size", Images::half),
        (Measure::Quality80, "JPEG to quality 80", Images::quality),
        (Measure::Png, "PNG without loss", Images::png),
        (Measure::Validate, "validate", Images::validate),
        (Measure::Properties, "properties", Images::properties),
        (Measure::Memory, "memory", Images::memory),
    ];
    for (_, what, take) in measures
        .iter()
        .filter(|(measure, ..)| options.wants(*measure))
    {
        report.take(what, || take(&images));
    }
    report.commands = workspace.journal();
    report.print(options.json)
}

struct Images<'a> {
    tools: Tools<'a>,
    rounds: usize,
    /// Whether ours decodes by libjpeg-turbo, which has targets of its own.
    turbo: bool,
    photographs: Vec<PathBuf>,
    drawings: Vec<PathBuf>,
    samples: Vec<PathBuf>,
    scratch: PathBuf,
}

/// Medians of a tool's CPU time, and the bytes that it made.
#[derive(Debug, Clone, Copy)]
struct Cost {
    cpu: f64,
    bytes: f64,
}

/// A tool, and what the work is called there.
type Entry<'a> = (Tool, &'a str);

impl Images<'_> {
    /// The tools in turn over the same files, round after round, so that a busy moment meets all.
    fn costs(&self, entries: &[Entry<'_>], files: &[PathBuf]) -> anyhow::Result<Vec<Cost>> {
        let mut taken = vec![Vec::new(); entries.len()];
        let mut bytes = vec![0.0; entries.len()];
        for _ in 0..self.rounds {
            for (index, (tool, work)) in entries.iter().enumerate() {
                let tally = self.tools.time(*tool, work, files, None)?;
                ensure!(
                    tally.failed == 0 && tally.files == files.len(),
                    "{tool:?} failed at {work} on {} of {} files",
                    tally.failed,
                    tally.files
                );
                taken[index].push(tally.cpu);
                bytes[index] = tally.bytes as f64;
            }
        }
        taken
            .into_iter()
            .zip(bytes)
            .map(|(cpu, bytes)| {
                Ok(Cost {
                    cpu: median(cpu).context("nothing was run")?,
                    bytes,
                })
            })
            .collect()
    }

    /// Mean SSIMULACRA2 of what each entry makes of the photographs, beside Pillow's `reference`.
    fn quality_of(&self, entries: &[Entry<'_>], reference: &str) -> anyhow::Result<Vec<f64>> {
        let folder = self.scratch.join(reference);
        self.tools
            .time(Tool::Pillow, reference, &self.photographs, Some(&folder))?;
        let references = by_number(&folder)?;
        let mut means = Vec::new();
        for (index, (tool, work)) in entries.iter().enumerate() {
            let made = self.scratch.join(format!("{reference}-{index}"));
            self.tools
                .time(*tool, work, &self.photographs, Some(&made))?;
            let made = by_number(&made)?;
            let pairs: Vec<(PathBuf, PathBuf)> = references
                .iter()
                .filter_map(|(number, path)| Some((path.clone(), made.get(number)?.clone())))
                .collect();
            ensure!(
                pairs.len() == self.photographs.len(),
                "{tool:?} did not make every picture"
            );
            let scores = self.tools.scores(&pairs)?;
            means.push(scores.iter().sum::<f64>() / scores.len() as f64);
        }
        Ok(means)
    }

    /// The target beside sharp: the default build's, or that of `turbo`.
    const fn most_of_sharp(&self, default: f64) -> f64 {
        if self.turbo { 0.9 } else { default }
    }

    fn half(&self) -> anyhow::Result<Measured> {
        let entries = [
            (Tool::Safelight, "half"),
            (Tool::Sharp, "half"),
            (Tool::Pillow, "half"),
            (Tool::Magick, "half"),
        ];
        let costs = self.costs(&entries, &self.photographs)?;
        let [ours, sharp, pillow, magick] = costs[..] else {
            return Ok(Measured::default());
        };
        let what = "JPEG to half size";
        let mut rows = vec![
            Row::fact(
                format!("{what}, CPU ({} photographs)", self.photographs.len()),
                ours.cpu,
                "s",
            ),
            ratio(what, ours, sharp, "sharp", Some(self.most_of_sharp(1.1))),
            ratio(what, ours, pillow, "Pillow", Some(0.75)),
            ratio(what, ours, magick, "ImageMagick", Some(0.35)),
            size(what, ours, sharp, "sharp", Some(1.02)),
        ];
        let quality = self.quality_of(&entries[..3], "reference")?;
        rows.extend(looks(what, &quality, &["sharp", "Pillow"]));
        Ok((rows, Vec::new()))
    }

    fn quality(&self) -> anyhow::Result<Measured> {
        let entries = [Tool::Safelight, Tool::Sharp, Tool::Pillow, Tool::Magick]
            .map(|tool| (tool, "quality80"));
        let costs = self.costs(&entries, &self.photographs)?;
        let [ours, sharp, pillow, magick] = costs[..] else {
            return Ok(Measured::default());
        };
        let what = "JPEG to quality 80";
        let mut rows = vec![
            Row::fact(format!("{what}, CPU"), ours.cpu, "s"),
            ratio(what, ours, sharp, "sharp", Some(self.most_of_sharp(1.25))),
            ratio(what, ours, pillow, "Pillow", None),
            ratio(what, ours, magick, "ImageMagick", Some(0.7)),
            size(what, ours, sharp, "sharp", Some(1.02)),
        ];
        let quality = self.quality_of(&entries[..3], "full")?;
        rows.extend(looks(what, &quality, &["sharp", "Pillow"]));
        Ok((rows, Vec::new()))
    }

    fn png(&self) -> anyhow::Result<Measured> {
        ensure!(!self.drawings.is_empty(), "the corpus holds no PNG");
        let entries = [Tool::Safelight, Tool::Pillow, Tool::Sharp].map(|tool| (tool, "png"));
        let costs = self.costs(&entries, &self.drawings)?;
        let [ours, pillow, sharp] = costs[..] else {
            return Ok(Measured::default());
        };
        let what = "PNG without loss";
        let rows = vec![
            Row::fact(
                format!("{what}, CPU ({} files)", self.drawings.len()),
                ours.cpu,
                "s",
            ),
            ratio(what, ours, pillow, "Pillow with `optimize=True`", Some(0.6)),
            ratio(what, ours, sharp, "sharp", None),
            size(what, ours, pillow, "Pillow with `optimize=True`", Some(1.0)),
            size(what, ours, sharp, "sharp", None),
        ];
        Ok((rows, Vec::new()))
    }

    fn validate(&self) -> anyhow::Result<Measured> {
        let all: Vec<&PathBuf> = self
            .photographs
            .iter()
            .chain(&self.drawings)
            .chain(&self.samples)
            .collect();
        let files: Vec<PathBuf> = all.into_iter().cycle().take(HEADERS).cloned().collect();
        let mut cpu = [const { Vec::new() }; 3];
        for _ in 0..self.rounds.min(3) {
            for (taken, tool) in cpu
                .iter_mut()
                .zip([Tool::Safelight, Tool::Pillow, Tool::Magick])
            {
                taken.push(self.tools.time(tool, "validate", &files, None)?.cpu);
            }
        }
        let [ours, pillow, magick] = cpu.map(|taken| median(taken).unwrap_or(f64::NAN));
        let rows = vec![
            Row::fact(
                format!("validate's own code on {HEADERS} files in one process, CPU"),
                ours,
                "s",
            ),
            Row::aimed(
                "ImageMagick's `identify -ping` ÷ validate",
                magick / ours,
                "×",
                Target::AtLeast(20.0),
            ),
            Row::aimed(
                "Pillow's `open` ÷ validate",
                pillow / ours,
                "×",
                Target::AtLeast(5.0),
            ),
        ];
        Ok((rows, Vec::new()))
    }

    fn properties(&self) -> anyhow::Result<Measured> {
        let entries = [(Tool::Safelight, "properties"), (Tool::Safelight, "half")];
        let costs = self.costs(&entries, &self.photographs)?;
        let row = Row::aimed(
            "Properties of a JPEG: CPU ÷ its own half-size thumbnail",
            costs[0].cpu / costs[1].cpu,
            "×",
            Target::AtMost(0.3),
        );
        Ok((vec![row], Vec::new()))
    }

    fn memory(&self) -> anyhow::Result<Measured> {
        let largest = self
            .photographs
            .iter()
            .max_by_key(|path| path.metadata().map_or(0, |data| data.len()))
            .context("no photograph")?;
        let folder = self.scratch.join("camera");
        self.tools.time(
            Tool::Pillow,
            "camera",
            std::slice::from_ref(largest),
            Some(&folder),
        )?;
        let mut rows = Vec::new();
        for kind in ["baseline", "progressive"] {
            for (branch, work) in [
                ("thumbnail", "half"),
                ("compress", "quality80"),
                ("label", "properties"),
            ] {
                let peak = self.tools.peak(work, &folder.join(format!("{kind}.jpg")))?;
                let measure = format!("Peak memory of {branch} on a JPEG of 24 megapixels, {kind}");
                rows.push(Row::aimed(measure, peak, "MiB", Target::AtMost(256.0)));
            }
        }
        Ok((rows, Vec::new()))
    }
}

/// The files of a folder by the number that is their name.
fn by_number(folder: &Path) -> anyhow::Result<BTreeMap<usize, PathBuf>> {
    let mut found = BTreeMap::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number {
            found.insert(number, path);
        }
    }
    Ok(found)
}

fn against(name: &str, what: &str, value: f64, most: Option<f64>) -> Row {
    let measure = format!("{what}: {name}");
    match most {
        Some(most) => Row::aimed(measure, value, "×", Target::AtMost(most)),
        None => Row::fact(measure, value, "×"),
    }
}

fn ratio(what: &str, ours: Cost, theirs: Cost, name: &str, most: Option<f64>) -> Row {
    against(&format!("CPU ÷ {name}"), what, ours.cpu / theirs.cpu, most)
}

fn size(what: &str, ours: Cost, theirs: Cost, name: &str, most: Option<f64>) -> Row {
    against(
        &format!("bytes ÷ {name}"),
        what,
        ours.bytes / theirs.bytes,
        most,
    )
}

/// Ours, then each rival's score; the first rival's is the one that ours is held against.
fn looks(what: &str, scores: &[f64], names: &[&str]) -> Vec<Row> {
    let Some((ours, rivals)) = scores.split_first() else {
        return Vec::new();
    };
    let mut rows = vec![Row::fact(format!("{what}: SSIMULACRA2"), *ours, "")];
    for (name, score) in names.iter().zip(rivals) {
        rows.push(Row::fact(
            format!("{what}: SSIMULACRA2 of {name}"),
            *score,
            "",
        ));
    }
    if let (Some(name), Some(score)) = (names.first(), rivals.first()) {
        let measure = format!("{what}: SSIMULACRA2 − {name}");
        rows.push(Row::aimed(
            measure,
            ours - score,
            "",
            Target::AtLeast(WORSE),
        ));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_held_against_the_first_rival() {
        let rows = looks("work", &[80.0, 80.2, 85.0], &["sharp", "Pillow"]);
        assert_eq!(rows.len(), 4);
        assert_eq!(rows[3].met, Some(true));
        let rows = looks("work", &[80.0, 81.0], &["sharp"]);
        assert_eq!(rows[2].met, Some(false));
    }

    #[test]
    fn costs_are_compared() {
        let (ours, theirs) = (
            Cost {
                cpu: 1.0,
                bytes: 10.0,
            },
            Cost {
                cpu: 2.0,
                bytes: 5.0,
            },
        );
        assert_eq!(ratio("work", ours, theirs, "x", Some(0.6)).met, Some(true));
        assert_eq!(size("work", ours, theirs, "x", Some(1.0)).met, Some(false));
    }
}
