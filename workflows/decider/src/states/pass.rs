//! Pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use safelight_asl::{Pass, Transition};

use crate::here::{Here, Step, Stop};
use crate::json::Json;

/// The exited event; JSONPath's constant `Result` stands for the output.
pub(crate) fn exit(here: &Here<'_>, pass: &Pass) -> Result<Step, Stop> {
    let Some(result) = &pass.result else {
        return here.exit(None);
    };
    let next = match here.state.transition {
        Transition::Next(next) => Some(next),
        Transition::End => None,
    };
    here.leave(Json::from(Arc::clone(result)), BTreeMap::new(), next)
}
