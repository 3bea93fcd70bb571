//! Choice.

use safelight_asl::{Choice, Rule, errors};

use crate::failure::Failure;
use crate::here::{Here, Step, Stop, outcome};

/// The exited event: by the first rule whose condition holds, or by `Default`.
pub(crate) fn exit(here: &Here<'_>, choice: &Choice) -> Result<Step, Stop> {
    let input = &here.current.input;
    let decided = here.session(None, None, |session| {
        for (i, rule) in choice.rules.iter().enumerate() {
            if session.boolean(&rule.condition, &format!("Choices[{i}]/Condition"))? {
                let Rule {
                    next,
                    output,
                    assign,
                    ..
                } = rule;
                let prefix = format!("Choices[{i}]/");
                let (output, assigned) = outcome(session, output.as_ref(), input, assign, &prefix)?;
                return Ok(Some((output, assigned, *next)));
            }
        }
        let Some(next) = choice.default else {
            return Ok(None);
        };
        let (output, assigned) = outcome(
            session,
            here.state.output.as_ref(),
            input,
            &here.state.assign,
            "",
        )?;
        Ok(Some((output, assigned, next)))
    });
    match decided.map_err(Stop::Evaluation)? {
        Some((output, assigned, next)) => here.leave(output, assigned, Some(next)),
        None => Err(Stop::Other(Failure::new(
            errors::NO_CHOICE_MATCHED,
            format!(
                "{} Failed to transition out of the state. The state's choice rules did not match the input, and there is no default.",
                here.preface()
            ),
        ))),
    }
}
