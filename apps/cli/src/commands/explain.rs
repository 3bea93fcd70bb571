//! `safelight branch explain`: which branches an image goes to, and why not to the others.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use safelight_route::BranchSettings;
use safelight_schema::task::BranchRule;
use safelight_schema::{ErrorInfo, ImageFacts};
use safelight_validate::{HeaderError, Policy, policy, probe_with};
use schemars::JsonSchema;
use serde::Serialize;

use crate::config::Config;
use crate::exit::Exit;
use crate::failure::{OrNextStep as _, with_next_step};
use crate::terminal;

/// What is to be explained.
#[derive(Debug, Clone)]
pub struct Request {
    /// The image.
    pub image: PathBuf,
    /// Key to apply the rules to; the path where absent.
    pub key: Option<String>,
    /// Configuration file.
    pub config: Option<PathBuf>,
    /// Whether JSON is wanted.
    pub json: bool,
}

/// What would become of an image.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// The image, as it was named.
    pub image: String,
    /// What its header says; null where it cannot be read.
    pub facts: Option<ImageFacts>,
    /// Why it would be rejected; null where it would not.
    pub error: Option<ErrorInfo>,
    /// What is odd but allowed.
    pub warnings: Vec<String>,
    /// Every branch; empty where the image would be rejected.
    pub branches: Vec<ExplainedBranch>,
}

/// What a branch says to the image.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExplainedBranch {
    /// Branch name.
    pub branch: String,
    /// Version of its manifest.
    pub version: String,
    /// Whether it takes the image.
    pub taken: bool,
    /// Why not; null where it does.
    pub reason: Option<String>,
    /// Error name, where the reason is one.
    pub error: Option<String>,
}

/// Runs the command.
pub fn run(request: &Request, rules: &[BranchRule]) -> anyhow::Result<Exit> {
    let config = Config::load(request.config.as_deref(), |name| std::env::var(name).ok())?;
    let key = match &request.key {
        Some(key) => key.clone(),
        None => request.image.to_string_lossy().into_owned(),
    };
    let explanation = explain(
        &request.image,
        &key,
        &config.validate,
        &config.branches,
        rules,
    )?;
    if request.json {
        println!("{}", serde_json::to_string(&explanation)?);
    } else {
        print(&explanation);
    }
    Ok(if explanation.error.is_some() {
        Exit::SomeFailed
    } else {
        Exit::Fine
    })
}

/// Reads the header and applies policy and rules, as `validate` and `route` do.
fn explain(
    image: &Path,
    key: &str,
    policy: &Policy,
    settings: &BranchSettings,
    rules: &[BranchRule],
) -> anyhow::Result<Explanation> {
    let mut explanation = Explanation {
        image: image.display().to_string(),
        facts: None,
        error: None,
        warnings: Vec::new(),
        branches: Vec::new(),
    };
    let facts = match facts(image, policy.max_frames)? {
        Ok(facts) => facts,
        Err(error) => {
            explanation.error = Some(ErrorInfo::new(error.name().name, error.to_string()));
            return Ok(explanation);
        }
    };
    match policy::check(&facts, key, policy) {
        Ok(warnings) => explanation.warnings = warnings.iter().map(ToString::to_string).collect(),
        Err(error) => {
            explanation.error = Some(ErrorInfo::new(error.name().name, error.to_string()));
        }
    }
    if explanation.error.is_none() {
        explanation.branches = rules
            .iter()
            .map(|rule| branch(rule, &facts, key, settings))
            .collect();
    }
    explanation.facts = Some(facts);
    Ok(explanation)
}

fn branch(
    rule: &BranchRule,
    facts: &ImageFacts,
    key: &str,
    settings: &BranchSettings,
) -> ExplainedBranch {
    let features: BTreeSet<String> = safelight_pixels::FEATURES
        .iter()
        .map(ToString::to_string)
        .collect();
    let skipped = safelight_route::explain_with(rule, facts, key, &features, settings).err();
    ExplainedBranch {
        branch: rule.branch.clone(),
        version: rule.version.clone(),
        taken: skipped.is_none(),
        error: skipped
            .as_ref()
            .and_then(|skipped| skipped.error.map(str::to_owned)),
        reason: skipped.map(|skipped| skipped.reason),
    }
}

/// Why there are no facts.
enum NoFacts {
    Header(HeaderError),
    Io(std::io::Error),
}

impl From<HeaderError> for NoFacts {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

fn facts(image: &Path, max_frames: u32) -> anyhow::Result<Result<ImageFacts, HeaderError>> {
    let unreadable = || format!("{} cannot be read", image.display());
    if image.is_dir() {
        return Err(with_next_step(
            format!("{} is a folder", image.display()),
            "name one image",
        ));
    }
    let mut file = File::open(image).or_next_step(&unreadable(), "name an image that is there")?;
    let size = file.metadata().with_context(unreadable)?.len();
    let probed = probe_with(
        size,
        max_frames,
        |offset, length| -> Result<Vec<u8>, NoFacts> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(offset)).map_err(NoFacts::Io)?;
            (&file)
                .take(u64::from(length))
                .read_to_end(&mut bytes)
                .map_err(NoFacts::Io)?;
            Ok(bytes)
        },
    );
    match probed {
        Ok((facts, _)) => Ok(Ok(facts)),
        Err(NoFacts::Header(error)) => Ok(Err(error)),
        Err(NoFacts::Io(error)) => Err(error).with_context(unreadable),
    }
}

fn print(explanation: &Explanation) {
    let image = terminal::safe(&explanation.image);
    match &explanation.facts {
        Some(facts) => println!(
            "{image}: {}, {} × {}, {} frame(s), {}",
            facts.format,
            facts.width,
            facts.height,
            facts.frames,
            terminal::size(facts.bytes)
        ),
        None => println!("{image}"),
    }
    for warning in &explanation.warnings {
        println!("warning: {}", terminal::safe(warning));
    }
    if let Some(error) = &explanation.error {
        println!("rejected: {}: {}", error.name, terminal::safe(&error.cause));
        return;
    }
    let mut table = terminal::table(&["Branch", "Version", "Taken", "Why not"]);
    for branch in &explanation.branches {
        let why = match (&branch.reason, &branch.error) {
            (Some(reason), Some(error)) => format!("{error}: {reason}"),
            (Some(reason), None) => reason.clone(),
            (None, _) => String::new(),
        };
        let taken = if branch.taken { "yes" } else { "no" };
        table.add_row([
            &branch.branch,
            &branch.version,
            taken,
            &terminal::safe(&why),
        ]);
    }
    println!("{table}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_schema::{Format, When};

    const GIF: &[u8] =
        b"GIF89a\x02\x00\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x00\x3b";

    fn rules() -> Vec<BranchRule> {
        let rule = |branch: &str, formats: Option<Vec<Format>>| BranchRule {
            branch: branch.into(),
            version: "1".into(),
            when: When {
                formats,
                ..When::default()
            },
        };
        vec![
            rule("every", None),
            rule("png-only", Some(vec![Format::Png])),
        ]
    }

    fn explained(name: &str, bytes: &[u8]) -> Explanation {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join(name);
        std::fs::write(&image, bytes).unwrap();
        let explanation = explain(
            &image,
            name,
            &Policy::default(),
            &BranchSettings::new(),
            &rules(),
        )
        .unwrap();
        let schema = schemars::schema_for!(Explanation).to_value();
        let value = serde_json::to_value(&explanation).unwrap();
        assert!(jsonschema::is_valid(&schema, &value), "{value}");
        explanation
    }

    #[test]
    fn says_which_branches_take_the_image_and_why_not_the_others() {
        let explanation = explained("a.gif", GIF);
        assert!(explanation.error.is_none());
        assert_eq!(explanation.facts.unwrap().width, 2);
        let [every, png] = &explanation.branches[..] else {
            panic!("{:?}", explanation.branches)
        };
        assert!(every.taken && every.reason.is_none());
        assert!(!png.taken);
        assert!(png.reason.as_ref().unwrap().contains("gif"), "{png:?}");
    }

    #[test]
    fn a_lying_extension_is_a_warning() {
        assert_eq!(explained("a.jpg", GIF).warnings.len(), 1);
    }

    #[test]
    fn an_image_that_would_be_rejected_says_so() {
        let explanation = explained("a.txt", b"no image at all");
        assert_eq!(explanation.error.unwrap().name, "Image.Unsupported");
        assert!(explanation.branches.is_empty());
        assert_eq!(explained("a.gif", b"").error.unwrap().name, "Image.Empty");
    }

    #[test]
    fn a_folder_and_a_missing_file_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            folder.path().to_path_buf(),
            folder.path().join("missing.png"),
        ] {
            assert!(
                explain(
                    &path,
                    "k",
                    &Policy::default(),
                    &BranchSettings::new(),
                    &rules()
                )
                .is_err()
            );
        }
    }
}
