//! One function as a Lambda. Which one is said when it is built, in `SAFELIGHT_FUNCTION`: everything
//! that another function needs, code and SDKs, is then not in the program.
//!
//! It never decides anything: it names the adapters of AWS, and hands over to `kit`.

mod adapters;
mod needs;
mod no_queue;

use needs::Needs;
use safelight_kit::Function;

/// The name of the function.
const NAME: &str = match option_env!("SAFELIGHT_FUNCTION") {
    Some(name) => name,
    // What a build of the whole workspace checks.
    None => "start",
};

/// The function, chosen while it is compiled.
const FUNCTION: Function = match safelight_functions::find_const(NAME) {
    Some(function) => function,
    // The one that is no part of the pipeline on one machine: `safelight serve` takes uploads itself.
    None if Needs::of(NAME, None).presign => safelight_upload::FUNCTION,
    None => panic!("SAFELIGHT_FUNCTION names no function that is a crate"),
};

/// What it needs beside record and objects.
const NEEDS: Needs = Needs::of(NAME, safelight_functions::manifest_const(NAME));

fn main() -> anyhow::Result<()> {
    safelight_kit::init_tracing();
    let adapters = adapters::adapters::<NeedsOfThis>()?;
    safelight_kit::run(FUNCTION, adapters)?;
    Ok(())
}

/// [`NEEDS`] as a type, so that what is not needed is not even compiled.
struct NeedsOfThis;

impl needs::Needed for NeedsOfThis {
    const NEEDS: Needs = NEEDS;
}
