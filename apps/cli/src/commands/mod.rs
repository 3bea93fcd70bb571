//! One file a command.

pub mod audit;
#[cfg(feature = "aws")]
pub mod backfill;
pub mod branch;
pub mod cost;
pub mod doctor;
pub mod explain;
pub mod failures;
pub mod history;
pub mod process;
pub mod serve;
pub mod worker;
pub mod workflow;
