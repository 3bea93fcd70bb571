//! Fail.

use safelight_asl::{EvaluationError, Fail, Session};

use crate::event::{Note, Problem};
use crate::failure::Failure;
use crate::here::Here;

/// Evaluates `Error` and `Cause` into the note of the entered event.
pub(crate) fn enter(here: &Here<'_>, fail: &Fail, note: &mut Note) {
    let evaluated = here.session(None, None, |session| evaluate(session, fail));
    let failure = match evaluated {
        Ok(problem) => Failure::of(problem),
        Err(error) => here.evaluation_failure(&error),
    };
    if failure.location.is_none() {
        note.retry = here.plan(&failure, true);
    }
    note.failure = Some(failure);
}

fn evaluate(session: &Session<'_>, fail: &Fail) -> Result<Problem, EvaluationError> {
    let text = |template: &Option<_>, location| {
        template
            .as_ref()
            .map(|template| session.text(template, location))
            .transpose()
    };
    Ok(Problem {
        error: text(&fail.error, "Error")?,
        cause: text(&fail.cause, "Cause")?,
    })
}
