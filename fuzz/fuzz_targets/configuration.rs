//! Configuration: no panic, whatever the file; a refusal says what is wrong and what to do next.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../apps/cli/src/config.rs"]
mod config;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../apps/cli/src/exit.rs"]
mod exit;
#[allow(dead_code, reason = "the program uses more of it")]
#[path = "../../apps/cli/src/failure.rs"]
mod failure;

/// What the branches say of their own sections is theirs, and their decoders take long to build for fuzzing.
mod settings {
    use std::collections::BTreeMap;

    pub fn check(_: &BTreeMap<String, serde_json::Value>, _: &str) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Loading starts at a file; one for each process that fuzzes.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    std::env::temp_dir().join(format!("safelight-fuzz-{}.toml", std::process::id()))
});

fuzz_target!(|text: &[u8]| {
    std::fs::write(&*FILE, text).expect("the folder of temporary files can be written");
    match config::Config::load(Some(&FILE), |_| None) {
        Ok(config) => {
            assert!((1..=10_000).contains(&config.max_executions));
            assert!(config.serve.token.is_none() && config.slack_webhook.is_none());
            let shown = serde_json::to_string(&config).expect("a configuration can be shown");
            assert!(!shown.is_empty());
        }
        Err(error) => {
            let shown = failure::render(&error);
            let (what, next) = shown.split_once("\n  next: ").unwrap_or((&shown, ""));
            assert!(what.len() > "error: ".len(), "{shown}");
            // Text that is not UTF-8 is the system's error, and has no next step.
            assert!(
                !next.is_empty() || std::str::from_utf8(text).is_err(),
                "{shown}"
            );
        }
    }
});
