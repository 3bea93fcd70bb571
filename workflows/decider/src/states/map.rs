//! Map.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use safelight_asl::{
    Bindings, Map, Moment, Session, StateKind, StateMachine, Template, errors, type_error,
};
use serde_json::Value;

use crate::event::{Detail, HistoryEvent, Iteration, MapNote, Note};
use crate::evolve::Mismatch;
use crate::execution::Execution;
use crate::failure::Failure;
use crate::here::{Here, Step, Stop};
use crate::json::Json;
use crate::scope::{Abort, MapRun, Parent, Phase, Scope, ScopeId};

const NO_MAP: Mismatch = "its Map has ended";
const NOT_MAPPING: Mismatch = "its Map runs no iterations";

/// The started event, with all evaluated fields in its note.
pub(crate) fn start(here: &Here<'_>, map: &Map) -> Result<Step, Stop> {
    let (items, max_concurrency, count, percentage) = here.session(None, None, |session| {
        let items = if let Some(template) = &map.items {
            session.array(template, "Items")?
        } else {
            let input = here.current.input.shared();
            session.array(&Template::Constant(Arc::clone(input)), "Items")?
        };
        let limit = |template: &Option<Template>, location| {
            template
                .as_ref()
                .map(|template| session.integer(template, location, 0))
                .transpose()
        };
        let max_concurrency = limit(&map.max_concurrency, "MaxConcurrency")?;
        let count = limit(&map.tolerated_failure_count, "ToleratedFailureCount")?;
        let percentage = map
            .tolerated_failure_percentage
            .as_ref()
            .map(|template| {
                let location = "ToleratedFailurePercentage";
                let value = session.number(template, location)?;
                if (0.0..=100.0).contains(&value) {
                    Ok(value)
                } else {
                    Err(type_error(
                        template,
                        location,
                        "number from 0 to 100",
                        &Value::from(value),
                    ))
                }
            })
            .transpose()?;
        Ok::<_, safelight_asl::EvaluationError>((
            Json::from(items),
            max_concurrency,
            count,
            percentage,
        ))
    })?;
    let length = items.as_array().map_or(0, Vec::len) as u64;
    let inputs = map
        .item_selector
        .as_ref()
        .map(|selector| select(here, selector, &items))
        .transpose()?;
    let note = Note {
        map: Some(MapNote {
            items,
            inputs,
            max_concurrency: max_concurrency.unwrap_or(0),
            tolerated_failures: tolerated(length, count, percentage),
        }),
        ..here.note()
    };
    Ok((Detail::MapStateStarted { length }, note))
}

/// With both limits, the Map fails as soon as one of them is passed.
fn tolerated(length: u64, count: Option<u64>, percentage: Option<f64>) -> u64 {
    let of_percentage = percentage.map(|p| (length as f64 * p / 100.0).floor() as u64);
    match (count, of_percentage) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b).unwrap_or(0),
    }
}

/// `ItemSelector` for every item.
fn select(here: &Here<'_>, selector: &Template, items: &Json) -> Result<Vec<Json>, Stop> {
    let items = items.as_array().map(Vec::as_slice).unwrap_or_default();
    items
        .iter()
        .enumerate()
        .map(|(index, item)| {
            let context = || here.context(Some((index as u64, item)));
            let bindings = Bindings {
                input: &here.current.input,
                result: None,
                error_output: None,
                context: &context,
                variables: &here.scope.variables,
            };
            // Each item has random numbers of its own.
            let moment = Moment::new(here.at.now, here.at.seed.wrapping_add(index as u64));
            let value = Session::new(bindings, moment).template(selector, "ItemSelector")?;
            Ok(Json::from(value))
        })
        .collect()
}

pub(crate) fn start_iteration(here: &Here<'_>, run: &MapRun) -> Detail {
    Detail::MapIterationStarted(Iteration {
        name: Arc::clone(&here.state.name),
        index: run.next as u64,
    })
}

/// The iteration that a child scope is; none if its parent is no Map.
pub(crate) fn iteration(
    execution: &Execution,
    machine: &StateMachine,
    parent: Parent,
) -> Option<Iteration> {
    let scope = execution.scope(parent.scope)?;
    let state = machine
        .flow(scope.flow)
        .state(scope.current.as_ref()?.index);
    Some(Iteration {
        name: Arc::clone(&state.name),
        index: parent.index as u64,
    })
}

/// What a Map fails with when an iteration fails with `failure`.
pub(crate) fn failure_of(map: &Scope, failure: &Failure) -> Failure {
    match &map.phase {
        Phase::Mapping(run) if run.tolerated_failures > 0 => Failure::new(
            errors::EXCEED_TOLERATED_FAILURE_THRESHOLD,
            "The specified tolerated failure threshold was exceeded",
        ),
        _ => failure.clone(),
    }
}

pub(crate) fn started(
    execution: &mut Execution,
    id: ScopeId,
    event: &HistoryEvent,
    note: &MapNote,
) -> Result<(), Mismatch> {
    let length = note.items.as_array().ok_or("its items are no array")?.len();
    if note
        .inputs
        .as_ref()
        .is_some_and(|inputs| inputs.len() != length)
    {
        return Err("it has not as many inputs as items");
    }
    if length == 0 {
        return execution.set_phase(id, Phase::MapDone(note.items.clone()), true);
    }
    let run = MapRun {
        items: note.items.clone(),
        inputs: note.inputs.clone(),
        tolerated_failures: note.tolerated_failures,
        started: event.id,
        free: if note.max_concurrency == 0 {
            u64::MAX
        } else {
            note.max_concurrency
        },
        freed: VecDeque::new(),
        next: 0,
        failures: 0,
        done: 0,
        results: vec![None; length],
        running: BTreeMap::new(),
    };
    execution.set_phase(id, Phase::Mapping(Box::new(run)), true)
}

pub(crate) fn iteration_started(
    execution: &mut Execution,
    machine: &StateMachine,
    id: ScopeId,
    event: &HistoryEvent,
) -> Result<(), Mismatch> {
    let scope = execution.scope(id).ok_or(NO_MAP)?;
    let current = scope.current.as_ref().ok_or(NO_MAP)?;
    let StateKind::Map(map) = &machine.flow(scope.flow).state(current.index).kind else {
        return Err("its scope is in no Map");
    };
    let Phase::Mapping(run) = &scope.phase else {
        return Err(NOT_MAPPING);
    };
    let index = run.next;
    let item = run.items.get(index).ok_or("its Map has no such item")?;
    let input = match &run.inputs {
        Some(inputs) => inputs
            .get(index)
            .cloned()
            .ok_or("its Map has no such item")?,
        None => Json::from(item.clone()),
    };
    let item = match &run.inputs {
        Some(_) => Arc::new(item.clone()),
        None => Arc::clone(input.shared()),
    };
    let iteration = Scope {
        parent: Some(Parent { scope: id, index }),
        flow: map.processor,
        variables: Arc::clone(&scope.variables),
        last: event.id,
        current: None,
        phase: Phase::Enter {
            next: machine.flow(map.processor).start_at(),
            input,
        },
        timer: None,
        item: Some((index as u64, item)),
        queued: true,
    };
    let child = execution.add_scope(iteration);
    let Some(Phase::Mapping(run)) = execution.scope_mut(id).map(|s| &mut s.phase) else {
        return Err(NOT_MAPPING);
    };
    run.running.insert(index, child);
    run.next += 1;
    if run.free > 0 {
        run.free -= 1;
    } else {
        run.freed.pop_front();
    }
    let more = run.next_start().is_some();
    execution.set_runnable(id, more);
    Ok(())
}

pub(crate) fn iteration_succeeded(
    execution: &mut Execution,
    id: ScopeId,
    event: &HistoryEvent,
) -> Result<(), Mismatch> {
    let scope = execution.drop_scope(id).ok_or("its scope has ended")?;
    let (Phase::Done(output), Some(parent)) = (&scope.phase, scope.parent) else {
        return Err("its scope is not done");
    };
    iteration_ended(execution, parent, &scope, Some(output.clone()), event.id)
}

pub(crate) fn iteration_failed(
    execution: &mut Execution,
    machine: &StateMachine,
    id: ScopeId,
    event: &HistoryEvent,
    note: &Note,
) -> Result<(), Mismatch> {
    let scope = execution.scope(id).ok_or("its scope has ended")?;
    let last = scope.last;
    let parent = scope.parent.ok_or("its scope is no iteration")?;
    let failure = match (&scope.phase, &note.failure) {
        (_, Some(failure)) | (Phase::Failed(failure), None) => failure.clone(),
        _ => return Err("its scope has not failed"),
    };
    let map = execution.scope(parent.scope).ok_or(NO_MAP)?;
    let Phase::Mapping(run) = &map.phase else {
        return Err(NOT_MAPPING);
    };
    if run.failures < run.tolerated_failures {
        let scope = execution.drop_scope(id).ok_or("its scope has ended")?;
        return iteration_ended(execution, parent, &scope, None, event.id);
    }
    let failure = failure_of(map, &failure);
    let current = map.current.as_ref().ok_or(NO_MAP)?;
    let name = Arc::clone(&machine.flow(map.flow).state(current.index).name);
    let running: Vec<(usize, ScopeId)> = run.running.iter().map(|(i, s)| (*i, *s)).collect();
    let mut aborts = VecDeque::from(execution.abort(machine, id, true));
    for (index, other) in running {
        if other != id {
            aborts.push_back(Abort::Iteration(Iteration {
                name: Arc::clone(&name),
                index: index as u64,
            }));
            aborts.extend(execution.abort(machine, other, false));
        }
    }
    execution.fail_composed(parent.scope, last, failure, note.retry.as_ref(), aborts)
}

/// An iteration is over, and the Map goes on.
fn iteration_ended(
    execution: &mut Execution,
    parent: Parent,
    scope: &Scope,
    output: Option<Json>,
    event: u64,
) -> Result<(), Mismatch> {
    let map = execution.scope_mut(parent.scope).ok_or(NO_MAP)?;
    map.last = event;
    let Phase::Mapping(run) = &mut map.phase else {
        return Err(NOT_MAPPING);
    };
    run.running.remove(&parent.index);
    run.done += 1;
    if output.is_none() {
        run.failures += 1;
    }
    if let Some(place) = run.results.get_mut(parent.index) {
        *place = output;
    }
    run.freed.push_back(scope.last);
    if run.done < run.length() {
        let more = run.next_start().is_some();
        execution.set_runnable(parent.scope, more);
        return Ok(());
    }
    let outputs = run
        .results
        .iter()
        .flatten()
        .map(|result| Value::clone(result))
        .collect();
    let result = Json::from(Value::Array(outputs));
    execution.set_phase(parent.scope, Phase::MapDone(result), true)
}
