//! What is generated from the branches' folders is current in the repository itself.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use safelight_compose::{IMAGE_ASL, definition_hash, sync};
use serde_json::Value;

#[test]
fn sync_has_nothing_to_do() {
    let root = sync::find_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
    let plan = sync::plan(&root).unwrap();
    let stale: Vec<&str> = plan.changes.iter().map(|change| change.path).collect();
    assert!(
        plan.is_current(),
        "run `safelight branch sync`: {stale:?}, lock {}",
        plan.lock_is_stale
    );
}

#[test]
fn the_embedded_workflow_is_below_the_limits() {
    assert!(
        IMAGE_ASL.len() < safelight_asl::MAX_DEFINITION_BYTES / 4,
        "{} bytes",
        IMAGE_ASL.len()
    );
    let definition: Value = serde_json::from_str(IMAGE_ASL).unwrap();
    assert_eq!(definition_hash(&definition).len(), 64);
    let branches = definition["States"]["Route"]["Arguments"]["Payload"]["branches"]
        .as_array()
        .unwrap();
    assert!(!branches.is_empty());
}
