//! What callers hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use chrono::{DateTime, Utc};
use safelight_decider::{ExecutionStatus, TaskSignal};
use safelight_sqlite::{Database, DatabaseError};
use serde_json::Value;
use tokio::sync::{broadcast, oneshot, watch};

use crate::arn::{Names, check_arn, check_name};
use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::error::EngineError;
use crate::machine::{
    self, CreateStateMachine, StateMachineDescription, StateMachineSummary, UpdateStateMachine,
    Updated,
};
use crate::message::{Message, Reply, Start};
use crate::query::{self, ExecutionDescription, ExecutionSummary, HistoryPage, HistoryQuery};
use crate::status::StatusChange;

/// Most bytes of an execution's input (AWS's quota for every payload).
const MAX_INPUT_BYTES: usize = 262_144;

/// What `StartExecution` takes.
#[derive(Debug, Clone, Default)]
pub struct StartExecution {
    /// Which state machine.
    pub state_machine_arn: String,
    /// The execution's name; one is made if there is none.
    pub name: Option<String>,
    /// A JSON text; `{}` if there is none.
    pub input: Option<String>,
}

/// The answer to `StartExecution`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The execution's ARN.
    pub execution_arn: String,
    /// When it started.
    pub start_date: DateTime<Utc>,
}

/// What `StopExecution` takes.
#[derive(Debug, Clone, Default)]
pub struct StopExecution {
    /// Which execution.
    pub execution_arn: String,
    /// The error's name to record.
    pub error: Option<String>,
    /// The cause to record.
    pub cause: Option<String>,
}

/// What the handles and the loop share.
pub(crate) struct Shared {
    pub(crate) database: Database,
    pub(crate) names: Names,
    pub(crate) catalog: Catalog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sender: mpsc::Sender<Message>,
    pub(crate) draining: AtomicBool,
    pub(crate) condition: watch::Sender<Condition>,
    pub(crate) changes: broadcast::Sender<Arc<StatusChange>>,
}

/// How the engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) open: usize,
    pub(crate) halted: Option<DatabaseError>,
    pub(crate) ended: bool,
}

/// A handle to a running engine. Cheap to clone.
#[derive(Clone)]
pub struct EngineHandle {
    pub(crate) shared: Arc<Shared>,
}

impl std::fmt::Debug for EngineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineHandle")
            .field("open_executions", &self.open_executions())
            .finish_non_exhaustive()
    }
}

impl EngineHandle {
    /// Starts an execution; answers when its start is durable (invariants 1 and 6).
    pub async fn start_execution(&self, request: StartExecution) -> Result<Started, EngineError> {
        check_arn(&request.state_machine_arn, "stateMachine")?;
        let fresh = request.name.is_none();
        let name = request
            .name
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        check_name(&name)?;
        let text = request.input.unwrap_or_else(|| "{}".to_owned());
        let input = read_input(&text)?;
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(self.unavailable());
        }
        let machine = self.shared.catalog.get(&request.state_machine_arn).ok_or(
            EngineError::StateMachineDoesNotExist(request.state_machine_arn),
        )?;
        let arn = self.shared.names.execution_arn(&machine.name, &name);
        self.ask(|reply| {
            Message::Start(Box::new(Start {
                machine,
                arn: arn.into(),
                name: name.into(),
                fresh,
                text: text.into(),
                input,
                reply,
            }))
        })
        .await
    }

    /// Stops an execution; answers when it ended. One that had ended before keeps its end.
    pub async fn stop_execution(
        &self,
        request: StopExecution,
    ) -> Result<DateTime<Utc>, EngineError> {
        check_arn(&request.execution_arn, "execution")?;
        self.ask(|reply| Message::Stop {
            arn: request.execution_arn.into(),
            error: request.error,
            cause: request.cause,
            reply,
        })
        .await
    }

    /// A task runs now. It costs no write of its own.
    pub fn task_started(&self, execution_arn: &str, task_id: u64) {
        self.signal(execution_arn, task_id, TaskSignal::Started);
    }

    /// A task returned `output`.
    pub fn task_succeeded(&self, execution_arn: &str, task_id: u64, output: Value) {
        self.signal(execution_arn, task_id, TaskSignal::Succeeded(output));
    }

    /// A task failed.
    pub fn task_failed(
        &self,
        execution_arn: &str,
        task_id: u64,
        error: impl Into<String>,
        cause: impl Into<String>,
    ) {
        let signal = TaskSignal::Failed {
            error: error.into(),
            cause: cause.into(),
        };
        self.signal(execution_arn, task_id, signal);
    }

    /// Creates a state machine, or finds the equal one; gives its ARN and creation date.
    pub async fn create_state_machine(
        &self,
        request: CreateStateMachine,
    ) -> Result<StateMachineDescription, EngineError> {
        request.check()?;
        let definition = machine::parse(&request.definition)?;
        let arn = self.shared.names.state_machine_arn(&request.name);
        let now = self.shared.clock.now();
        let stored = self
            .shared
            .database
            .write(move |tx| machine::create(tx, &arn, &request, now))
            .await?;
        self.shared.catalog.put(&stored, definition);
        Ok(stored.description)
    }

    /// Gives a state machine another definition or role. Open executions keep theirs.
    pub async fn update_state_machine(
        &self,
        request: UpdateStateMachine,
    ) -> Result<Updated, EngineError> {
        check_arn(&request.state_machine_arn, "stateMachine")?;
        if request.definition.is_none()
            && request.role_arn.is_none()
            && request.configuration.is_none()
        {
            return Err(EngineError::MissingRequiredParameter(
                "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified"
                    .to_owned(),
            ));
        }
        if let Some(definition) = &request.definition {
            machine::parse(definition)?;
        }
        let now = self.shared.clock.now();
        let revision_id = uuid::Uuid::new_v4().to_string();
        let id = revision_id.clone();
        let stored = self
            .shared
            .database
            .write(move |tx| machine::update(tx, &request, &id, now))
            .await?;
        self.shared
            .catalog
            .put(&stored, machine::parse(&stored.description.definition)?);
        Ok(Updated {
            update_date: stored.description.update_date,
            revision_id,
        })
    }

    /// Deletes a state machine; it is gone when its last execution has ended.
    pub async fn delete_state_machine(&self, arn: &str) -> Result<(), EngineError> {
        check_arn(arn, "stateMachine")?;
        let key = arn.to_owned();
        self.shared
            .database
            .write(move |tx| machine::delete(tx, &key))
            .await?;
        self.shared.catalog.remove(arn);
        Ok(())
    }

    /// Describes a state machine.
    pub async fn describe_state_machine(
        &self,
        arn: &str,
    ) -> Result<StateMachineDescription, EngineError> {
        check_arn(arn, "stateMachine")?;
        let arn = arn.to_owned();
        self.shared
            .database
            .read(move |connection| {
                machine::find(connection, &arn)?
                    .map(|stored| stored.description)
                    .ok_or(EngineError::StateMachineDoesNotExist(arn))
            })
            .await
    }

    /// Describes the revision of the state machine that an execution runs.
    pub async fn describe_state_machine_for_execution(
        &self,
        execution_arn: &str,
    ) -> Result<StateMachineDescription, EngineError> {
        check_arn(execution_arn, "execution")?;
        let arn = execution_arn.to_owned();
        self.shared
            .database
            .read(move |connection| {
                let execution = query::describe(connection, &arn)?;
                let (definition, role_arn, update_date, revision_id) =
                    machine::revision(connection, execution.revision)?;
                let machine_arn = execution.state_machine_arn;
                let name = machine_arn
                    .rsplit(':')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                let current =
                    machine::find(connection, &machine_arn)?.map(|stored| stored.description);
                Ok(StateMachineDescription {
                    creation_date: current
                        .as_ref()
                        .map_or(update_date, |found| found.creation_date),
                    configuration: current
                        .as_ref()
                        .map_or_else(|| "{}".to_owned(), |found| found.configuration.clone()),
                    status: current.map_or_else(|| "DELETING".to_owned(), |found| found.status),
                    state_machine_arn: machine_arn,
                    name,
                    definition,
                    role_arn,
                    update_date,
                    revision_id: (!revision_id.is_empty()).then_some(revision_id),
                })
            })
            .await
    }

    /// At most `limit` state machines whose ARN comes after `after`, in the order of their ARNs.
    pub async fn list_state_machines(
        &self,
        after: String,
        limit: u32,
    ) -> Result<Vec<StateMachineSummary>, EngineError> {
        self.shared
            .database
            .read(move |connection| machine::list(connection, &after, limit))
            .await
    }

    /// Describes an execution.
    pub async fn describe_execution(&self, arn: &str) -> Result<ExecutionDescription, EngineError> {
        check_arn(arn, "execution")?;
        let arn = arn.to_owned();
        self.shared
            .database
            .read(move |connection| query::describe(connection, &arn))
            .await
    }

    /// At most `limit` executions of a state machine, latest first, before the `position` of an
    /// earlier answer.
    pub async fn list_executions(
        &self,
        state_machine_arn: &str,
        filter: Option<ExecutionStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ExecutionSummary>, EngineError> {
        check_arn(state_machine_arn, "stateMachine")?;
        let arn = state_machine_arn.to_owned();
        self.shared
            .database
            .read(move |connection| {
                if machine::find(connection, &arn)?.is_none() {
                    return Err(EngineError::StateMachineDoesNotExist(arn));
                }
                query::list(connection, &arn, filter, before.unwrap_or(i64::MAX), limit)
            })
            .await
    }

    /// A page of an execution's history.
    pub async fn history(
        &self,
        arn: &str,
        query: HistoryQuery,
    ) -> Result<HistoryPage, EngineError> {
        check_arn(arn, "execution")?;
        let arn = arn.to_owned();
        self.shared
            .database
            .read(move |connection| query::history(connection, &arn, query))
            .await
    }

    /// Executions that are open: what to hold back further starts by.
    pub fn open_executions(&self) -> usize {
        self.shared.condition.borrow().open
    }

    /// Starts and ends of executions from now on, after they are durable. A receiver that lags
    /// loses the oldest.
    pub fn status_changes(&self) -> broadcast::Receiver<Arc<StatusChange>> {
        self.shared.changes.subscribe()
    }

    /// Refuses further starts and waits until no execution is open.
    pub async fn drain(&self) -> Result<(), EngineError> {
        self.shared.draining.store(true, Ordering::Release);
        // Starts that were taken before are counted once the fence is passed.
        let (sender, receiver) = oneshot::channel();
        if self.shared.sender.send(Message::Fence(sender)).is_err() || receiver.await.is_err() {
            return Err(self.unavailable());
        }
        let mut condition = self.shared.condition.subscribe();
        let found = condition
            .wait_for(|condition| condition.open == 0 || condition.ended)
            .await
            .map(|condition| condition.clone());
        match found {
            Ok(condition) if condition.halted.is_none() && condition.open == 0 => Ok(()),
            _ => Err(self.unavailable()),
        }
    }

    /// Waits until the engine has stopped: with the store's error if that is why.
    pub async fn stopped(&self) -> Result<(), EngineError> {
        let mut condition = self.shared.condition.subscribe();
        match condition.wait_for(|condition| condition.ended).await {
            Ok(condition) => condition
                .halted
                .clone()
                .map_or(Ok(()), |error| Err(error.into())),
            Err(_) => Err(EngineError::Unavailable),
        }
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        if self.shared.sender.send(message(reply)).is_err() {
            return Err(self.unavailable());
        }
        answer.await.unwrap_or_else(|_| Err(self.unavailable()))
    }

    fn signal(&self, execution_arn: &str, task: u64, signal: TaskSignal) {
        // An engine that has stopped hands the task out again when it is opened.
        let _ = self.shared.sender.send(Message::Signal {
            arn: execution_arn.into(),
            task,
            signal,
        });
    }

    /// Why nothing more is taken: the store's error if the engine stopped for it.
    fn unavailable(&self) -> EngineError {
        let condition = self.shared.condition.borrow();
        condition
            .halted
            .clone()
            .map_or(EngineError::Unavailable, EngineError::Store)
    }
}

fn read_input(text: &str) -> Result<Value, EngineError> {
    if text.len() > MAX_INPUT_BYTES {
        return Err(EngineError::InvalidExecutionInput(format!(
            "{} bytes, at most {MAX_INPUT_BYTES}",
            text.len()
        )));
    }
    serde_json::from_str(text)
        .map_err(|error| EngineError::InvalidExecutionInput(error.to_string()))
}
