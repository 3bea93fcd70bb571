//! The AWS emulator that tests run against: ministack, a program written by others, in a Python virtual
//! environment that this crate makes below `target/`.
//!
//! It never counts a test as passed that did not run: without Python 3, or without the network when
//! the environment is first made, [`run`] reports every test as ignored, by name, and says why.

mod environment;
mod process;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

pub use environment::{Environment, Unavailable};
pub use process::Emulator;

/// A test against the emulator.
pub struct Test {
    /// Its name.
    pub name: &'static str,
    /// What it does; it fails by panicking.
    pub run: fn(&Emulator),
}

/// The `main` of a test binary (`harness = false`): runs the tests against one emulator, or reports
/// them as ignored.
pub fn run(tests: impl IntoIterator<Item = Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let started = if arguments.list {
        Err(Unavailable("the tests are only listed".into()))
    } else {
        Emulator::start()
    };
    let emulator = match started {
        Ok(emulator) => Some(Arc::new(emulator)),
        Err(Unavailable(why)) if arguments.list => {
            drop(why);
            None
        }
        Err(Unavailable(why)) => {
            eprintln!("SKIPPED: the tests below need the AWS emulator: {why}");
            None
        }
    };
    let trials = tests.into_iter().map(|test| {
        let emulator = emulator.clone();
        let ignored = emulator.is_none();
        Trial::test(test.name, move || match emulator {
            Some(emulator) => {
                (test.run)(&emulator);
                Ok(())
            }
            None => Err(Failed::from("the emulator is not available")),
        })
        .with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
