//! One file a command.

pub mod audit;
pub mod branch;
pub mod doctor;
pub mod explain;
pub mod failures;
pub mod history;
pub mod process;
pub mod serve;
pub mod worker;
pub mod workflow;
