//! `safelight branch list`: every branch, and what it takes.

use safelight_schema::{Format, When};
use schemars::JsonSchema;
use serde::Serialize;

use super::Repository;
use crate::exit::Exit;
use crate::terminal;

/// A line of `branch list`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ListedBranch {
    /// Branch name.
    pub name: String,
    /// Version of its manifest.
    pub version: String,
    /// What it does.
    pub description: String,
    /// Who answers for it.
    pub owner: String,
    /// When it applies.
    pub when: When,
    /// Memory of its function, MiB.
    pub memory_mb: u32,
    /// Timeout of its function, seconds.
    pub timeout_seconds: u32,
    /// Its command, where it is not a Rust crate.
    pub command: Option<Vec<String>>,
    /// Whether this binary runs it, in this version; a command needs no build.
    pub built: bool,
}

/// Prints every branch.
pub fn run(repository: &Repository, json: bool) -> anyhow::Result<Exit> {
    let built = safelight_functions::manifests()?;
    let branches: Vec<ListedBranch> = repository
        .manifests()?
        .into_iter()
        .map(|manifest| ListedBranch {
            built: manifest.command.is_some() || built.contains(&manifest),
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            owner: manifest.owner,
            when: manifest.when,
            memory_mb: manifest.memory_mb,
            timeout_seconds: manifest.timeout_seconds,
            command: manifest.command,
        })
        .collect();
    if json {
        for branch in &branches {
            println!("{}", serde_json::to_string(branch)?);
        }
        return Ok(Exit::Fine);
    }
    let mut table = terminal::table(&["Branch", "Version", "Takes", "Owner", "What it does"]);
    for branch in &branches {
        table.add_row([
            &branch.name,
            &branch.version,
            &takes(&branch.when),
            &terminal::safe(&branch.owner),
            &terminal::safe(&branch.description),
        ]);
    }
    println!("{table}");
    if branches.iter().any(|branch| !branch.built) {
        eprintln!("some of them are not in this binary yet: build it again");
    }
    Ok(Exit::Fine)
}

/// A manifest's conditions, as a person says them.
fn takes(when: &When) -> String {
    let names = |formats: &mut dyn Iterator<Item = &Format>| {
        formats
            .map(|format| format.name())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut parts = vec![match &when.formats {
        Some(formats) => names(&mut formats.iter()),
        None => "every format".to_owned(),
    }];
    if !when.formats_with_feature.is_empty() {
        parts.push(format!(
            "{} if built in",
            names(&mut when.formats_with_feature.keys())
        ));
    }
    let range = |least: Option<String>, most: Option<String>, what: &str| match (least, most) {
        (None, None) => None,
        (Some(least), None) => Some(format!("{what} from {least}")),
        (None, Some(most)) => Some(format!("{what} up to {most}")),
        (Some(least), Some(most)) => Some(format!("{what} {least} to {most}")),
    };
    let text = |number: Option<f64>| number.map(|number| number.to_string());
    parts.extend(range(
        when.min_bytes.map(terminal::size),
        when.max_bytes.map(terminal::size),
        "size",
    ));
    parts.extend(range(
        text(when.min_side.map(f64::from)),
        text(when.max_side.map(f64::from)),
        "sides",
    ));
    parts.extend(range(
        text(when.min_megapixels),
        text(when.max_megapixels),
        "megapixels",
    ));
    if let Some(prefixes) = &when.key_prefixes {
        parts.push(format!(
            "keys {}",
            prefixes
                .iter()
                .map(|prefix| format!("{prefix}*"))
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    parts.extend(when.narrow.iter().map(|narrowing| {
        format!(
            "with {} {}: {}",
            narrowing.setting,
            narrowing.value,
            takes(&narrowing.when)
        )
    }));
    terminal::safe(&parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_as_a_person_says_them() {
        let when = When {
            formats: Some(vec![Format::Jpeg, Format::Png]),
            formats_with_feature: [(Format::Heic, "heic".to_owned())].into(),
            max_bytes: Some(15_000_000),
            min_side: Some(80),
            max_side: Some(4_000),
            min_megapixels: Some(0.5),
            key_prefixes: Some(vec!["photos/".into()]),
            ..When::default()
        };
        assert_eq!(
            takes(&when),
            "jpeg, png; heic if built in; size up to 15 MB; sides 80 to 4000; megapixels from 0.5; keys photos/*"
        );
        assert_eq!(takes(&When::default()), "every format");
    }
}
