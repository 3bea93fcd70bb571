//! What DynamoDB says that the calls cost.

use std::sync::{Mutex, PoisonError};

use aws_sdk_dynamodb::types::ConsumedCapacity;

use super::item::{self, Item};

/// What one read unit reads consistently, bytes.
const READ_UNIT: usize = 4 << 10;

/// Units of capacity.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    /// Read units.
    pub read: f64,
    /// Write units.
    pub write: f64,
}

/// Adds up `ConsumedCapacity`.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Units>);

impl Meter {
    /// What was used so far.
    pub fn units(&self) -> Units {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A consistent read: what DynamoDB says, or what the items' size says, whichever is more. (An
    /// emulator may say one unit whatever was read.)
    pub(crate) fn read(&self, consumed: Option<&ConsumedCapacity>, items: &[Item]) {
        let bytes: usize = items.iter().map(item::size).sum();
        let by_size = bytes.div_ceil(READ_UNIT) as f64;
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        units.read += consumed.map_or(0.0, total).max(by_size);
    }

    pub(crate) fn wrote(&self, consumed: Option<&ConsumedCapacity>) {
        let mut units = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        units.write += consumed.map_or(0.0, total);
    }
}

fn total(consumed: &ConsumedCapacity) -> f64 {
    consumed.capacity_units().unwrap_or(0.0)
}
