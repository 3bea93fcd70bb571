//! Amazon States Language: reads a definition, checks it, evaluates its
//! expressions.
//!
//! This crate never reads a clock, a file, a socket or a source of
//! randomness: times and seeds come in as a [`Moment`]. It knows nothing of
//! executions or their history.
//!
//! Invariants:
//!
//! 1. A [`StateMachine`] is valid: every transition leads to a state of the
//!    same flow, every expression is parsed, every field is one that is
//!    honoured. Nothing that would be ignored is accepted.
//! 2. A refused definition names everything that is wrong with it, each with
//!    its place.
//! 3. The same template, bindings and moment give the same value. (Only the
//!    time limit depends on the machine; its outcome is an event.)
//! 4. A result is JSON: never undefined, a function, or a number that is not
//!    finite. Whole numbers are integers.
//! 5. An evaluation is bounded in time, depth, length of sequences and size of
//!    its result, and cannot panic outwards.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod bounds;
mod convert;
mod diagnostic;
pub mod errors;
mod evaluate;
mod expression;
mod functions;
pub mod lint;
mod machine;
mod moment;
mod reader;
mod states;
mod template;

pub use convert::{MAX_RESULT_BYTES, MAX_RESULT_DEPTH};
pub use diagnostic::{Code, DefinitionError, Diagnostic};
pub use evaluate::{
    Bindings, EvaluationError, MAX_MILLIS, MAX_SEQUENCE, MAX_STACK, Problem, Session, Variables,
    type_error, type_name,
};
pub use expression::{Expression, MAX_EXPRESSION_BYTES};
pub use machine::{
    Catcher, Flow, FlowId, MAX_DEFINITION_BYTES, MAX_NAME_CHARACTERS, MAX_SECONDS, QueryLanguage,
    Retrier, State, StateIndex, StateMachine, Transition,
};
pub use moment::{Moment, Random};
pub use states::{Choice, Fail, Map, Parallel, Pass, Resource, Rule, StateKind, Task, Wait};
pub use template::Template;
