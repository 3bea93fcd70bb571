//! The branches. Written by `safelight branch sync` from functions/branches/*: change those.

use safelight_kit::Function;

/// The function of every branch that is a crate, by name.
pub const FUNCTIONS: &[Function] = &[
    safelight_branch_compress::FUNCTION,
    safelight_branch_label::FUNCTION,
    safelight_branch_thumbnail::FUNCTION,
];

/// Every branch's name and its `branch.json`, by name; also of the branches that are commands.
#[rustfmt::skip]
pub const MANIFESTS: &[(&str, &str)] = &[
    ("compress", include_str!("../../branches/compress/branch.json")),
    ("label", include_str!("../../branches/label/branch.json")),
    ("thumbnail", include_str!("../../branches/thumbnail/branch.json")),
];

/// The name and the `states.asl.json` of every branch that has one, by name.
#[rustfmt::skip]
pub static STATES: &[(&str, &str)] = &[
];
