//! Parallel.

use std::sync::Arc;

use safelight_asl::{Parallel, StateKind, StateMachine};
use serde_json::Value;

use crate::event::{Detail, Note};
use crate::evolve::Mismatch;
use crate::execution::Execution;
use crate::here::{Here, Step, Stop};
use crate::json::Json;
use crate::scope::{BranchRun, Parent, Phase, Scope, ScopeId};

/// The started event, with the evaluated arguments in its note.
pub(crate) fn start(here: &Here<'_>, parallel: &Parallel) -> Result<Step, Stop> {
    let input = match &parallel.arguments {
        None => None,
        Some(template) => Some(Json::from(here.session(None, None, |session| {
            session.template(template, "Arguments")
        })?)),
    };
    Ok((
        Detail::ParallelStateStarted,
        Note {
            input,
            ..here.note()
        },
    ))
}

/// Begins all branches.
pub(crate) fn started(
    execution: &mut Execution,
    machine: &StateMachine,
    id: ScopeId,
    note: &Note,
) -> Result<(), Mismatch> {
    let scope = execution.scope(id).ok_or("its scope has ended")?;
    let current = scope.current.as_ref().ok_or("its scope is in no state")?;
    let StateKind::Parallel(parallel) = &machine.flow(scope.flow).state(current.index).kind else {
        return Err("its scope is in no Parallel");
    };
    let input = note.input.clone().unwrap_or_else(|| current.input.clone());
    let branches: Vec<Scope> = parallel
        .branches
        .iter()
        .enumerate()
        .map(|(index, flow)| Scope {
            parent: Some(Parent { scope: id, index }),
            flow: *flow,
            variables: Arc::clone(&scope.variables),
            last: scope.last,
            current: None,
            phase: Phase::Enter {
                next: machine.flow(*flow).start_at(),
                input: input.clone(),
            },
            timer: None,
            item: scope.item.clone(),
            queued: true,
        })
        .collect();
    execution.set_runnable(id, false);
    let results = vec![None; branches.len()];
    let scopes = branches
        .into_iter()
        .map(|branch| execution.add_scope(branch))
        .collect();
    let run = BranchRun {
        results,
        done: 0,
        scopes,
    };
    execution.set_phase(id, Phase::Branching(run), false)
}

/// Keeps the output of a branch; the last one ends the state.
pub(crate) fn branch_done(
    execution: &mut Execution,
    id: ScopeId,
    parent: Parent,
    output: &Json,
) -> Result<(), Mismatch> {
    let last = execution.drop_scope(id).ok_or("its scope has ended")?.last;
    let parallel = execution
        .scope_mut(parent.scope)
        .ok_or("its Parallel has ended")?;
    let Phase::Branching(run) = &mut parallel.phase else {
        return Err("its Parallel runs no branches");
    };
    let place = run
        .results
        .get_mut(parent.index)
        .ok_or("its Parallel has no such branch")?;
    *place = Some(output.clone());
    run.done += 1;
    if run.done < run.results.len() {
        return Ok(());
    }
    let outputs = run
        .results
        .iter()
        .flatten()
        .map(|result| Value::clone(result))
        .collect();
    let result = Json::from(Value::Array(outputs));
    parallel.last = last;
    execution.set_phase(parent.scope, Phase::BranchesDone(result), true)
}
