//! A full disk and a folder that cannot be written: a clear error, and nothing acknowledged is lost.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;

use support::{Place, png};

/// Nobody, on every Unix that we know.
const NOBODY: u32 = 65_534;

#[test]
fn a_full_disk_stops_it_and_the_same_command_goes_on() {
    let place = Place::new();
    for seed in 0..30 {
        place.write(&format!("in/{seed}.png"), png(16, 16, seed));
    }
    // Enough for the tables and some images, not for all.
    let full = place
        .run_with(
            &["process", "in", "--json"],
            &[("SAFELIGHT_FAULT_PAGES", "120")],
        )
        .expect(1);
    assert!(full.stderr.contains("full"), "{}", full.stderr);
    assert!(full.stderr.contains("next:"), "{}", full.stderr);
    let acknowledged: Vec<String> = full
        .lines()
        .iter()
        .map(|line| line["execution"].as_str().unwrap().to_owned())
        .collect();
    let resumed = place.run(&["process", "in", "--json"]).expect(0);
    let lines = resumed.by_image();
    assert_eq!(lines.len(), 30);
    for line in lines.values() {
        assert!(
            matches!(line["outcome"].as_str(), Some("succeeded" | "unchanged")),
            "{line}"
        );
    }
    for execution in acknowledged {
        let again = lines
            .values()
            .find(|line| line["execution"] == execution.as_str())
            .unwrap();
        assert_eq!(
            again["outcome"], "unchanged",
            "what was reported is not done again"
        );
    }
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    for flag in ["--state-dir", "--out"] {
        let place = Place::new();
        place.write("a.png", png(8, 8, 1));
        let closed = place.join("closed");
        std::fs::create_dir(&closed).unwrap();
        std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
        std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = place.command(&["process", "a.png", flag, "closed/below"]);
        // The superuser may write anywhere: the command then runs as somebody who may not.
        if std::fs::metadata(&closed).unwrap().uid() == 0 {
            if std::env::temp_dir().metadata().unwrap().mode() & 0o001 == 0 {
                return;
            }
            command.uid(NOBODY).gid(NOBODY);
        }
        let Ok(output) = command.output() else {
            eprintln!("SKIPPED: the program cannot be run as another user here");
            return;
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("closed/below") && stderr.contains("next:"),
            "{stderr}"
        );
    }
}
