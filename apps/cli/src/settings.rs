//! The branches' sections of the configuration, read as each branch will read its own: a mistake is
//! said before anything starts, and not by the first worker in its log.

use std::collections::BTreeMap;

use safelight_kit::FunctionError;
use serde_json::{Map, Value};

use crate::branches::Branches;
use crate::failure::with_next_step;

/// Checks `[branches.<name>]` of every branch; `file` is where they were read from.
///
/// A branch that is a command reads its settings itself: of these only the name is checked.
pub fn check(branches: &BTreeMap<String, Value>, file: &str) -> anyhow::Result<()> {
    if branches.is_empty() {
        return Ok(());
    }
    let there = Branches::here()?;
    let known = there.names();
    for (name, settings) in branches {
        if !known.contains(&name.as_str()) {
            return Err(with_next_step(
                format!(
                    "{file}: [branches.{name}] is of no branch: there are {}",
                    known.join(", ")
                ),
                "correct the name; if the branch is new, build again",
            ));
        }
        let Value::Object(section) = settings else {
            return Err(with_next_step(
                format!("{file}: branches.{name} has to be a section, and is {settings}"),
                format!("write [branches.{name}], and the settings below it"),
            ));
        };
        check_section(name, section, file)?;
    }
    Ok(())
}

fn check_section(name: &str, section: &Map<String, Value>, file: &str) -> anyhow::Result<()> {
    let Some(function) = safelight_functions::find(name) else {
        return Ok(());
    };
    let read =
        |section: Map<String, Value>| function.check(section.into(), cfg!(feature = "rekognition"));
    let Err(error) = read(section.clone()) else {
        return Ok(());
    };
    // Every setting has a default, so the one to blame is refused alone, too.
    let alone = section.iter().find_map(|(key, value)| {
        let only = Map::from_iter([(key.clone(), value.clone())]);
        Some((key, read(only).err()?))
    });
    let (place, error) = match alone {
        Some((key, error)) => (format!("branches.{name}.{key}"), error),
        None => (format!("[branches.{name}]"), error),
    };
    Err(with_next_step(
        format!("{file}: {place}: {}", why(&error, name)),
        format!(
            "mend it; the settings of '{name}' are in {}/{name}/README.md",
            safelight_compose::folder::BRANCHES
        ),
    ))
}

/// The cause, without saying again whose settings they are.
fn why<'a>(error: &'a FunctionError, name: &str) -> &'a str {
    let cause = error.cause();
    cause
        .strip_prefix(&format!("the settings of '{name}': "))
        .unwrap_or(cause)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(branches: &Value) -> String {
        let branches = serde_json::from_value(branches.clone()).unwrap();
        crate::failure::render(&check(&branches, "my.toml").unwrap_err())
    }

    #[test]
    fn a_mistake_is_named_by_file_and_key_with_what_is_wrong_and_what_to_do() {
        for (branches, words) in [
            (
                json!({ "labels": {} }),
                &["[branches.labels]", "compress, label, thumbnail"][..],
            ),
            (
                json!({ "thumbnail": { "quality": 80, "scal": 0.5 } }),
                &["branches.thumbnail.scal", "unknown field", "`scale`"],
            ),
            (
                json!({ "compress": { "jpeg_quality": "high" } }),
                &["branches.compress.jpeg_quality", "invalid type"],
            ),
            (
                json!({ "compress": { "jpeg_quality": 101 } }),
                &["branches.compress.jpeg_quality", "1 to 100"],
            ),
            (
                json!({ "label": { "max_megapixels": -1, "max_bytes": -1 } }),
                &["branches.label.max_bytes", "invalid value"],
            ),
            (json!({ "label": 7 }), &["branches.label", "section"]),
        ] {
            let text = refused(&branches);
            for word in ["my.toml", "\n  next: "].iter().chain(words) {
                assert!(text.contains(word), "{word} is not in {text}");
            }
        }
    }

    #[cfg(not(feature = "rekognition"))]
    #[test]
    fn a_provider_that_this_build_lacks_is_a_mistake() {
        let text = refused(&json!({ "label": { "provider": "rekognition" } }));
        assert!(text.contains("branches.label.provider"), "{text}");
        assert!(text.contains("feature 'rekognition'"), "{text}");
    }

    #[cfg(not(feature = "avif-output"))]
    #[test]
    fn a_format_that_this_build_does_not_write_is_a_mistake() {
        for (branch, key) in [("compress", "lossy_format"), ("thumbnail", "format")] {
            let text = refused(&json!({ branch: { key: "avif" } }));
            assert!(text.contains(&format!("branches.{branch}.{key}")), "{text}");
            assert!(text.contains("feature 'avif-output'"), "{text}");
        }
    }

    #[test]
    fn what_the_readmes_list_is_accepted() {
        let branches = json!({
            "label": { "provider": "properties", "max_labels": 5, "max_frames": 3 },
            "thumbnail": { "scale": 0.25, "max_megapixels": 20.0 },
            "compress": {},
        });
        let branches = serde_json::from_value(branches).unwrap();
        check(&branches, "my.toml").unwrap();
    }
}
