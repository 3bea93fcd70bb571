//! The JSON Schemas of what `--json` prints, kept in `schema/json/cli/` and current by test.

use std::path::PathBuf;

use schemars::{JsonSchema, schema_for};

use crate::arguments::Backfilled;
use crate::commands::audit::Verification;
use crate::commands::branch::list::ListedBranch;
use crate::commands::branch::sync::Synced;
use crate::commands::cost::Cost;
use crate::commands::doctor::Check;
use crate::commands::explain::Explanation;
use crate::commands::history::HistoryDocument;
use crate::commands::workflow::{GraphState, Validation};
use crate::dead_letters::Failure;
use crate::row::Row;

fn current<T: JsonSchema>(command: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../schema/json/cli")
        .join(format!("{command}.schema.json"));
    let wanted = serde_json::to_string_pretty(&schema_for!(T)).unwrap() + "\n";
    if std::env::var_os("SAFELIGHT_UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &wanted).unwrap();
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        committed, wanted,
        "run the tests with SAFELIGHT_UPDATE=1 and review the change"
    );
}

#[test]
fn the_schemas_are_current() {
    current::<Row>("process");
    current::<HistoryDocument>("history");
    current::<Verification>("audit-verify");
    current::<Failure>("failures");
    current::<Check>("doctor");
    current::<Backfilled>("backfill");
    current::<Synced>("branch-sync");
    current::<ListedBranch>("branch-list");
    current::<Explanation>("branch-explain");
    current::<Cost>("workflow-cost");
    current::<Validation>("workflow-validate");
    current::<GraphState>("workflow-graph");
}
