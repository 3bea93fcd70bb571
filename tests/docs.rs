//! The documents say what the code does.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use safelight_schema::error_name::{self, Retry};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_page_of_errors_is_current() {
    let mut page = String::from(
        "# Every error\n\nThe names never change their meaning: `Retry` and `Catch` match them, and so may your scripts.\n\n\
         | name | what it means | tried again | what to do |\n|---|---|---|---|\n",
    );
    for entry in error_name::ALL {
        let again = match entry.retry {
            Retry::Never => "never",
            Retry::Backoff => "a few times",
            Retry::Throttled => "many times, more and more slowly",
        };
        writeln!(
            page,
            "| `{}` | {} | {again} | {} |",
            entry.name, entry.meaning, entry.next_step
        )
        .unwrap();
    }
    let file = root().join("docs/errors.md");
    if std::env::var_os("SAFELIGHT_UPDATE").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        committed, page,
        "run the tests with SAFELIGHT_UPDATE=1 and review the change"
    );
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut broken = Vec::new();
    let folders = [
        "",
        "docs",
        "docs/decisions",
        "functions/branches/label",
        "functions/branches/thumbnail",
        "functions/branches/compress",
    ];
    for folder in folders {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_none_or(|extension| extension != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            for target in text
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
            {
                let target = target.split('#').next().unwrap();
                if target.is_empty() || target.contains("://") {
                    continue;
                }
                if !file.parent().unwrap().join(target).exists() {
                    broken.push(format!(
                        "{} -> {target}",
                        file.file_name().unwrap().to_string_lossy()
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}
