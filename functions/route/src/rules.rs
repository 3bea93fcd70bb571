//! The rules of the branches' manifests, applied to an image's facts.

use std::collections::{BTreeMap, BTreeSet};

use safelight_schema::manifest::When;
use safelight_schema::task::BranchRule;
use safelight_schema::{ErrorName, Format, ImageFacts, error_name};
use serde_json::Value;

/// The settings of each branch, by its name.
pub type BranchSettings = BTreeMap<String, Value>;

/// Why a branch does not want an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkipReason {
    /// For a person.
    pub reason: String,
    /// Error name, where the reason is one.
    pub error: Option<&'static str>,
}

impl SkipReason {
    fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            error: None,
        }
    }

    fn error(name: &ErrorName, reason: String) -> Self {
        Self {
            reason,
            error: Some(name.name),
        }
    }

    /// The branch was not among those that were asked for.
    pub fn not_asked_for() -> Self {
        Self::new("not asked for")
    }
}

/// Whether the branch of this rule wants the image called `key`, with default settings. `features`
/// are those of the build.
pub fn explain(
    rule: &BranchRule,
    facts: &ImageFacts,
    key: &str,
    features: &BTreeSet<String>,
) -> Result<(), SkipReason> {
    explain_with(rule, facts, key, features, &BranchSettings::new())
}

/// Whether the branch of this rule wants the image called `key`, as the branches are configured.
pub fn explain_with(
    rule: &BranchRule,
    facts: &ImageFacts,
    key: &str,
    features: &BTreeSet<String>,
    settings: &BranchSettings,
) -> Result<(), SkipReason> {
    applies(&rule.when, facts, key, features)?;
    let settings = settings.get(&rule.branch);
    for narrowing in &rule.when.narrow {
        let set = settings.and_then(|settings| settings.get(&narrowing.setting));
        if set == Some(&narrowing.value) {
            applies(&narrowing.when, facts, key, features).map_err(|mut skip| {
                let value = narrowing
                    .value
                    .as_str()
                    .map_or_else(|| narrowing.value.to_string(), str::to_owned);
                skip.reason = format!("{} (with {} {value})", skip.reason, narrowing.setting);
                skip
            })?;
        }
    }
    Ok(())
}

/// Whether `when` holds for the image; the first condition that does not is the reason.
pub fn applies(
    when: &When,
    facts: &ImageFacts,
    key: &str,
    features: &BTreeSet<String>,
) -> Result<(), SkipReason> {
    format(when, facts.format, features)?;
    if let Some(min) = when.min_bytes
        && facts.bytes < min
    {
        return Err(SkipReason::new(format!(
            "{} bytes; it takes {min} or more",
            facts.bytes
        )));
    }
    if let Some(max) = when.max_bytes
        && facts.bytes > max
    {
        return Err(SkipReason::new(format!(
            "{} bytes; it takes {max} at most",
            facts.bytes
        )));
    }
    let (width, height) = (facts.width, facts.height);
    if let Some(min) = when.min_side
        && width.min(height) < min
    {
        return Err(SkipReason::new(format!(
            "{width} × {height}; it takes sides of {min} pixels or more"
        )));
    }
    if let Some(max) = when.max_side
        && width.max(height) > max
    {
        return Err(SkipReason::new(format!(
            "{width} × {height}; it takes sides of {max} pixels at most"
        )));
    }
    megapixels(when, facts)?;
    if let Some(prefixes) = &when.key_prefixes
        && !prefixes
            .iter()
            .any(|prefix| key.starts_with(prefix.as_str()))
    {
        return Err(SkipReason::new(format!(
            "it takes keys that begin with {}",
            prefixes.join(" or ")
        )));
    }
    Ok(())
}

fn format(when: &When, format: Format, features: &BTreeSet<String>) -> Result<(), SkipReason> {
    if let Some(feature) = when.formats_with_feature.get(&format) {
        if features.contains(feature) {
            return Ok(());
        }
        return Err(SkipReason::error(
            &error_name::IMAGE_DECODER_MISSING,
            format!("this build has no decoder for {format} (feature '{feature}')"),
        ));
    }
    match &when.formats {
        Some(formats) if !formats.contains(&format) => {
            let names: Vec<&str> = formats.iter().map(|format| format.name()).collect();
            Err(SkipReason::new(format!(
                "{format}; it takes {}",
                names.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

fn megapixels(when: &When, facts: &ImageFacts) -> Result<(), SkipReason> {
    // From the sides, since the fact is rounded.
    let megapixels = f64::from(facts.width) * f64::from(facts.height) / 1e6;
    if let Some(min) = when.min_megapixels
        && megapixels < min
    {
        return Err(SkipReason::new(format!(
            "{} megapixels; it takes {min} or more",
            facts.megapixels
        )));
    }
    if let Some(max) = when.max_megapixels
        && megapixels > max
    {
        return Err(SkipReason::new(format!(
            "{} megapixels; it takes {max} at most",
            facts.megapixels
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use safelight_kit::testing::facts;

    fn reason(when: &When) -> Option<String> {
        applies(when, &facts(), "photos/a.jpg", &BTreeSet::new())
            .err()
            .map(|skip| skip.reason)
    }

    #[test]
    fn nothing_said_is_everything_wanted() {
        assert_eq!(reason(&When::default()), None);
    }

    #[test]
    fn limits_are_inclusive() {
        let exact = When {
            min_bytes: Some(40_000),
            max_bytes: Some(40_000),
            min_side: Some(480),
            max_side: Some(640),
            min_megapixels: Some(0.3072),
            max_megapixels: Some(0.3072),
            ..When::default()
        };
        assert_eq!(reason(&exact), None);
    }

    #[test]
    fn each_limit_has_its_reason() {
        let cases = [
            (
                When {
                    min_bytes: Some(40_001),
                    ..When::default()
                },
                "40001 or more",
            ),
            (
                When {
                    max_bytes: Some(39_999),
                    ..When::default()
                },
                "39999 at most",
            ),
            (
                When {
                    min_side: Some(481),
                    ..When::default()
                },
                "481 pixels or more",
            ),
            (
                When {
                    max_side: Some(639),
                    ..When::default()
                },
                "639 pixels at most",
            ),
            (
                When {
                    min_megapixels: Some(1.0),
                    ..When::default()
                },
                "1 or more",
            ),
            (
                When {
                    max_megapixels: Some(0.1),
                    ..When::default()
                },
                "0.1 at most",
            ),
            (
                When {
                    formats: Some(vec![Format::Png, Format::Gif]),
                    ..When::default()
                },
                "jpeg; it takes png, gif",
            ),
            (
                When {
                    key_prefixes: Some(vec!["raw/".into(), "in/".into()]),
                    ..When::default()
                },
                "raw/ or in/",
            ),
        ];
        for (when, part) in cases {
            let reason = reason(&when).unwrap();
            assert!(reason.contains(part), "{reason}");
        }
    }

    #[test]
    fn a_format_behind_a_feature_names_the_missing_decoder() {
        let when = When {
            formats: Some(vec![Format::Png]),
            formats_with_feature: [(Format::Jpeg, "jpeg".to_owned())].into(),
            ..When::default()
        };
        let skip = applies(&when, &facts(), "a", &BTreeSet::new()).unwrap_err();
        assert_eq!(skip.error, Some("Image.DecoderMissing"));
        let features = BTreeSet::from(["jpeg".to_owned()]);
        assert_eq!(applies(&when, &facts(), "a", &features), Ok(()));
    }

    proptest! {
        #[test]
        fn a_side_within_the_limits_is_wanted(
            width in 1_u32..5_000, height in 1_u32..5_000, min in 1_u32..5_000, max in 1_u32..5_000,
        ) {
            let facts = ImageFacts { width, height, ..facts() };
            let when = When { min_side: Some(min), max_side: Some(max), ..When::default() };
            let wanted = width.min(height) >= min && width.max(height) <= max;
            prop_assert_eq!(applies(&when, &facts, "a", &BTreeSet::new()).is_ok(), wanted);
        }
    }
}
