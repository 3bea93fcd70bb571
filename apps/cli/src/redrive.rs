//! Names of executions that do again what another did.

use std::collections::BTreeSet;

use chrono::{Duration, Utc};
use safelight_ports::Record;
use safelight_schema::key;

/// Gives out names of the form `<name>-r<epoch seconds>`, each once: two redrives of one execution in
/// one second are two executions, so the second is given the next second.
#[derive(Debug, Default)]
pub struct RedriveNames {
    given: BTreeSet<String>,
}

impl RedriveNames {
    /// A name that neither this command has given nor the record has.
    pub async fn next(&mut self, record: &dyn Record, execution: &str) -> anyhow::Result<String> {
        let mut at = Utc::now();
        loop {
            let name = key::redrive_name(execution, at);
            if !self.given.contains(&name) && record.header(&name).await?.is_none() {
                self.given.insert(name.clone());
                return Ok(name);
            }
            at += Duration::seconds(1);
        }
    }
}
