//! Limits of Step Functions' Standard workflows.

/// The longest input or output of a state, in bytes of its JSON text.
pub const MAX_DATA_BYTES: usize = 256 * 1024;
/// The most events of one history.
pub const MAX_EVENTS: u64 = 25_000;
