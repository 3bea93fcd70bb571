//! The state machines that can be started, parsed and at hand.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use rusqlite::Connection;
use safelight_asl::StateMachine;

use crate::error::EngineError;
use crate::machine::{self, Machine, Stored};

/// Every active state machine's current revision, by ARN.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    machines: RwLock<HashMap<Arc<str>, Arc<Machine>>>,
}

impl Catalog {
    /// Reads and parses what is stored.
    pub(crate) fn load(connection: &Connection) -> Result<Self, EngineError> {
        let catalog = Self::default();
        for stored in machine::active(connection)? {
            match machine::parse(&stored.description.definition) {
                Ok(definition) => catalog.put(&stored, definition),
                // An older version may have taken what this one refuses: the others still run.
                Err(error) => tracing::error!(
                    state_machine.arn = stored.description.state_machine_arn,
                    %error,
                    "a stored definition cannot be read: update or delete the state machine"
                ),
            }
        }
        Ok(catalog)
    }

    pub(crate) fn get(&self, arn: &str) -> Option<Arc<Machine>> {
        self.machines
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(arn)
            .cloned()
    }

    /// Keeps the newest revision, whichever caller comes last.
    pub(crate) fn put(&self, stored: &Stored, definition: Arc<StateMachine>) {
        let arn: Arc<str> = stored.description.state_machine_arn.as_str().into();
        let machine = Arc::new(Machine {
            arn: Arc::clone(&arn),
            name: stored.description.name.as_str().into(),
            role_arn: stored.description.role_arn.clone(),
            revision: stored.revision,
            definition,
        });
        let mut machines = self
            .machines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let current = machines.entry(arn).or_insert_with(|| Arc::clone(&machine));
        if current.revision < machine.revision {
            *current = machine;
        }
    }

    pub(crate) fn remove(&self, arn: &str) {
        self.machines
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(arn);
    }
}
