//! A scope in a state: evaluating its fields, and what becomes of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::SecondsFormat;
use safelight_asl::{
    Bindings, EvaluationError, Moment, Problem as EvaluationProblem, Session, State, StateIndex,
    StateKind, StateMachine, Template, Transition, errors,
};
use serde_json::{Value, json};

use crate::event::{Detail, HistoryEvent, Note, Problem, StateType};
use crate::execution::Execution;
use crate::failure::{self, Failure, RetryNote};
use crate::json::Json;
use crate::limits::MAX_DATA_BYTES;
use crate::scope::{Current, Phase, Scope, ScopeId};
use crate::states;

/// A scope that is in a state, and what is needed to go on from there.
#[derive(Clone, Copy)]
pub(crate) struct Here<'a> {
    pub(crate) execution: &'a Execution,
    pub(crate) machine: &'a StateMachine,
    pub(crate) id: ScopeId,
    pub(crate) scope: &'a Scope,
    pub(crate) current: &'a Current,
    pub(crate) state: &'a State,
    pub(crate) at: Moment,
}

/// Why a state cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An expression failed.
    Evaluation(EvaluationError),
    /// Something else, which Step Functions shows in no event of its own.
    Other(Failure),
}

impl From<EvaluationError> for Stop {
    fn from(error: EvaluationError) -> Self {
        Self::Evaluation(error)
    }
}

/// A detail and a note, not yet an event.
pub(crate) type Step = (Detail, Note);

/// The problem of everything that takes too long.
pub(crate) fn timeout() -> Problem {
    Problem {
        error: Some(errors::TIMEOUT.to_owned()),
        cause: None,
    }
}

impl Here<'_> {
    pub(crate) fn note(&self) -> Note {
        Note {
            scope: self.id,
            ..Note::default()
        }
    }

    /// The first event after a state was entered, or begins again.
    pub(crate) fn begin(&self) -> Result<Step, Stop> {
        match &self.state.kind {
            StateKind::Task(task) => states::task::schedule(self, task),
            StateKind::Map(map) => states::map::start(self, map),
            StateKind::Parallel(parallel) => states::parallel::start(self, parallel),
            StateKind::Choice(choice) => states::choice::exit(self, choice),
            StateKind::Pass(pass) => states::pass::exit(self, pass),
            StateKind::Succeed | StateKind::Wait(_) | StateKind::Fail(_) => self.exit(None),
        }
    }

    /// Makes an event of a step, or of what stopped it.
    pub(crate) fn finish(&self, step: Result<Step, Stop>) -> Option<HistoryEvent> {
        match step {
            Ok((detail, note)) => {
                Some(
                    self.execution
                        .event(self.scope.last, self.at, detail, Some(note)),
                )
            }
            Err(Stop::Evaluation(error)) if error.problem == EvaluationProblem::TooLarge => {
                self.stopped(self.data_limit(errors::DATA_LIMIT_EXCEEDED))
            }
            Err(Stop::Evaluation(error)) => {
                // Step Functions evaluates before it counts the state as
                // entered: the event follows from what came before.
                let first =
                    matches!(self.scope.phase, Phase::Entered) && self.current.retry_count == 0;
                let previous = if first {
                    self.current.before
                } else {
                    self.scope.last
                };
                Some(self.unevaluated(self.evaluation_failure(&error), previous))
            }
            Err(Stop::Other(failure)) => self.stopped(failure),
        }
    }

    /// A failure that Step Functions shows in no event of its own.
    pub(crate) fn stopped(&self, failure: Failure) -> Option<HistoryEvent> {
        let handled = failure::retrier(self.state, &self.current.attempts, &failure).is_some()
            || failure::catcher(self.state, &failure).is_some();
        let in_branch = self.scope.parent.is_some_and(|parent| {
            matches!(
                self.execution.scope(parent.scope).map(|s| &s.phase),
                Some(Phase::Branching(_))
            )
        });
        if handled
            || in_branch
            || matches!(self.state.kind, StateKind::Map(_) | StateKind::Parallel(_))
        {
            // A handler has to find the failure in the history.
            return Some(self.unevaluated(failure, self.scope.last));
        }
        self.execution
            .end_scope(self.machine, self.id, &failure, true, self.at)
    }

    pub(crate) fn unevaluated(&self, failure: Failure, previous: u64) -> HistoryEvent {
        let final_failure = matches!(self.scope.phase, Phase::Caught { .. });
        let retry = if final_failure {
            None
        } else {
            self.plan(&failure, true)
        };
        let detail = Detail::EvaluationFailed {
            problem: failure.problem,
            location: failure.location,
            state: Arc::clone(&self.state.name),
        };
        let note = Note {
            retry,
            ..self.note()
        };
        self.execution.event(previous, self.at, detail, Some(note))
    }

    /// The sentence that every cause begins with.
    pub(crate) fn preface(&self) -> String {
        format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}).",
            self.state.name, self.current.entered
        )
    }

    pub(crate) fn evaluation_failure(&self, error: &EvaluationError) -> Failure {
        Failure {
            location: Some(error.location.clone()),
            ..Failure::new(
                errors::QUERY_EVALUATION_ERROR,
                format!("{} {error}", self.preface()),
            )
        }
    }

    pub(crate) fn data_limit(&self, error: &str) -> Failure {
        Failure::new(
            error,
            format!(
                "The state/task '{}' returned a result with a size exceeding the maximum number of bytes service limit.",
                self.state.name
            ),
        )
    }

    /// When this state's own Retry begins it again after the failure.
    pub(crate) fn own_retry(&self, failure: &Failure) -> Option<RetryNote> {
        let (retrier, entry, used) = failure::retrier(self.state, &self.current.attempts, failure)?;
        Some(RetryNote {
            scope: self.id,
            retrier,
            due: failure::retry_due(entry, used, self.at),
        })
    }

    /// Which retry a failure of this state leads to with no further event that
    /// could tell it: the state's own, or that of the Parallel around it.
    pub(crate) fn plan(&self, failure: &Failure, own: bool) -> Option<RetryNote> {
        if own && let Some(retry) = self.own_retry(failure) {
            return Some(retry);
        }
        let composed = matches!(self.state.kind, StateKind::Map(_) | StateKind::Parallel(_));
        if failure::catcher(self.state, failure).is_some() || (own && composed) {
            return None;
        }
        let parent = self
            .execution
            .here(self.machine, self.scope.parent?.scope, self.at)?;
        match parent.state.kind {
            StateKind::Parallel(_) => parent.own_retry(failure),
            _ => None,
        }
    }

    /// `$states.context`.
    pub(crate) fn context(&self, item: Option<(u64, &Value)>) -> Value {
        let info = &self.execution.info;
        let time =
            |t: chrono::DateTime<chrono::Utc>| t.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut context = json!({
            "Execution": {
                "Id": info.execution_arn,
                "Input": &*self.execution.input,
                "Name": info.name,
                "RoleArn": info.role_arn,
                "StartTime": time(info.start_time),
                "RedriveCount": info.redrive_count,
            },
            "State": {
                "EnteredTime": time(self.current.entered_time),
                "Name": &*self.state.name,
                "RetryCount": self.current.retry_count,
            },
            "StateMachine": {
                "Id": info.state_machine_arn,
                "Name": info.state_machine_name,
            },
        });
        let own = self
            .scope
            .item
            .as_ref()
            .map(|(index, value)| (*index, &**value));
        if let Some((index, value)) = item.or(own) {
            context["Map"] = json!({"Item": {"Index": index, "Value": value}});
        }
        context
    }

    /// Runs `evaluate` with this state's surroundings.
    pub(crate) fn session<T>(
        &self,
        result: Option<&Value>,
        error_output: Option<&Value>,
        evaluate: impl FnOnce(&Session<'_>) -> T,
    ) -> T {
        let context = || self.context(None);
        let bindings = Bindings {
            input: &self.current.input,
            result,
            error_output,
            context: &context,
            variables: &self.scope.variables,
        };
        evaluate(&Session::new(bindings, self.at))
    }

    /// Leaves the state as its own fields say.
    pub(crate) fn exit(&self, result: Option<&Json>) -> Result<Step, Stop> {
        let plain = result.unwrap_or(&self.current.input);
        let next = match self.state.transition {
            Transition::Next(next) => Some(next),
            Transition::End => None,
        };
        if self.state.output.is_none() && self.state.assign.is_empty() {
            return self.leave(plain.clone(), BTreeMap::new(), next);
        }
        let (output, assigned) = self.session(result.map(|r| &**r), None, |session| {
            outcome(
                session,
                self.state.output.as_ref(),
                plain,
                &self.state.assign,
                "",
            )
        })?;
        self.leave(output, assigned, next)
    }

    pub(crate) fn exit_caught(&self, failure: &Failure, catcher: usize) -> Result<Step, Stop> {
        let error_output = failure.error_output();
        let Some(entry) = self.state.catch.get(catcher) else {
            return Err(Stop::Other(failure.clone()));
        };
        let plain = Json::from(error_output);
        let prefix = format!("Catch[{catcher}]/");
        let (output, assigned) = self.session(None, Some(&plain), |session| {
            outcome(
                session,
                entry.output.as_ref(),
                &plain,
                &entry.assign,
                &prefix,
            )
        })?;
        self.leave(output, assigned, Some(entry.next))
    }

    /// The exited event, if the output is not too long.
    pub(crate) fn leave(
        &self,
        output: Json,
        assigned: BTreeMap<String, Json>,
        next: Option<StateIndex>,
    ) -> Result<Step, Stop> {
        let too_long = |value: &Json| value.is_longer_than(MAX_DATA_BYTES);
        if (!output.same(&self.current.input) && too_long(&output))
            || assigned.values().any(too_long)
        {
            return Err(Stop::Other(self.data_limit(errors::DATA_LIMIT_EXCEEDED)));
        }
        let flow = self.machine.flow(self.scope.flow);
        let detail = Detail::StateExited {
            state: StateType::of(&self.state.kind),
            name: Arc::clone(&self.state.name),
            output,
            assigned,
        };
        let note = Note {
            next: next.map(|index| Arc::clone(&flow.state(index).name)),
            ..self.note()
        };
        Ok((detail, note))
    }
}

/// Evaluates `Output` and `Assign`.
pub(crate) fn outcome(
    session: &Session<'_>,
    output: Option<&Template>,
    plain: &Json,
    assign: &[(String, Template)],
    prefix: &str,
) -> Result<(Json, BTreeMap<String, Json>), EvaluationError> {
    let mut assigned = BTreeMap::new();
    for (name, template) in assign {
        let value = session.template(template, &format!("{prefix}Assign/{name}"))?;
        assigned.insert(name.clone(), Json::from(value));
    }
    let output = match output {
        None => plain.clone(),
        Some(template) => Json::from(session.template(template, &format!("{prefix}Output"))?),
    };
    Ok((output, assigned))
}

impl StateType {
    pub(crate) const fn of(kind: &StateKind) -> Self {
        match kind {
            StateKind::Task(_) => Self::Task,
            StateKind::Map(_) => Self::Map,
            StateKind::Choice(_) => Self::Choice,
            StateKind::Pass(_) => Self::Pass,
            StateKind::Wait(_) => Self::Wait,
            StateKind::Parallel(_) => Self::Parallel,
            StateKind::Succeed => Self::Succeed,
            StateKind::Fail(_) => Self::Fail,
        }
    }
}
