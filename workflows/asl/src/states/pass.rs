//! Pass: its output is its input, or what `Output` says.

use std::sync::Arc;

use serde_json::Value;

use super::{Common, Reading, StateKind};
use crate::machine::QueryLanguage;

/// A Pass state.
#[derive(Debug)]
pub struct Pass {
    /// JSONPath's `Result`: a constant output.
    pub result: Option<Arc<Value>>,
}

pub(super) fn read(reading: &mut Reading<'_, '_, '_, '_>) -> (StateKind, Common) {
    let result = match reading.language {
        QueryLanguage::JsonPath => reading.reader.value("Result").cloned().map(Arc::new),
        QueryLanguage::Jsonata => None,
    };
    let common = Common {
        transition: true,
        output: true,
        assign: true,
        handlers: false,
    };
    (StateKind::Pass(Pass { result }), common)
}
