//! Exit codes, as scripts read them.

use std::process::ExitCode;

/// What a command ended with. The numbers are part of the product's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done and is fine.
    Fine,
    /// The command itself failed; standard error says why.
    Error,
    /// The command line was not understood.
    Usage,
    /// Some images were rejected or failed.
    SomeFailed,
    /// The record does not verify.
    Damaged,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::SomeFailed => 3,
            Self::Damaged => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
