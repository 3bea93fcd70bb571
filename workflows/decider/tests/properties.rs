//! Invariants 1 to 4 on random small machines.
#![allow(clippy::unwrap_used, missing_docs, clippy::needless_pass_by_value)]

mod support;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use safelight_asl::StateMachine;
use safelight_decider::{Execution, HistoryEvent, Moment, TaskSignal};
use serde_json::{Map, Value, json};
use support::{epoch, info};

/// Expressions and constants of every type; some fail.
fn template() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("{% $states.input %}")),
        Just(json!("{% $states.result %}")),
        Just(json!("{% $random() %}")),
        Just(json!("{% $uuid() %}")),
        Just(json!("{% $now() %}")),
        Just(json!("{% $none %}")),
        Just(json!("{% $v %}")),
        Just(json!("{% $states.context.State.RetryCount %}")),
        Just(json!({"a": "{% $states.context.Map.Item.Value %}", "b": 1})),
        Just(json!([1, 2])),
        Just(json!("text")),
    ]
}

fn items() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!([])),
        Just(json!([1])),
        Just(json!([1, 2, 3])),
        Just(json!("{% [1, 2] %}")),
        Just(json!("{% $states.input %}")),
    ]
}

fn error_name() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(["A"])),
        Just(json!(["B", "States.Timeout"])),
        Just(json!(["States.TaskFailed"])),
        Just(json!(["States.QueryEvaluationError"])),
    ]
}

fn retry() -> impl Strategy<Value = Value> {
    (error_name(), 1..4u32, 0..3u32, any::<bool>()).prop_map(
        |(errors, interval, attempts, jitter)| {
            json!({"ErrorEquals": errors, "IntervalSeconds": interval, "MaxAttempts": attempts,
               "JitterStrategy": if jitter { "FULL" } else { "NONE" }})
        },
    )
}

/// A state without its transition, and whether it has `Retry` and `Catch`.
fn state(depth: u32) -> BoxedStrategy<(Value, bool)> {
    let pass = template().prop_map(|output| (json!({"Type": "Pass", "Output": output}), false));
    let assign =
        template().prop_map(|value| (json!({"Type": "Pass", "Assign": {"v": value}}), false));
    let wait = (0..5u32).prop_map(|s| (json!({"Type": "Wait", "Seconds": s}), false));
    let task = (0..4u32, any::<bool>()).prop_map(|(function, arguments)| {
        let name = format!("f{function}");
        let arguments = if arguments {
            json!({"FunctionName": name, "Payload": "{% $states.input %}"})
        } else {
            json!({"FunctionName": name})
        };
        (
            json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": arguments, "TimeoutSeconds": 5}),
            true,
        )
    });
    let fail = prop_oneof![Just("A"), Just("B"), Just("C")]
        .prop_map(|e| (json!({"Type": "Fail", "Error": e}), false));
    if depth == 0 {
        return prop_oneof![4 => pass, 1 => assign, 2 => wait, 4 => task, 1 => fail].boxed();
    }
    let map = (flow(depth - 1), items(), 0..3u32, 0..2u32).prop_map(|(flow, items, concurrency, tolerated)| {
        (
            json!({"Type": "Map", "ItemProcessor": flow, "Items": items, "MaxConcurrency": concurrency,
                   "ToleratedFailureCount": tolerated}),
            true,
        )
    });
    let parallel = prop::collection::vec(flow(depth - 1), 1..3)
        .prop_map(|branches| (json!({"Type": "Parallel", "Branches": branches}), true));
    prop_oneof![3 => pass, 1 => assign, 2 => wait, 3 => task, 1 => fail, 3 => map, 3 => parallel]
        .boxed()
}

/// A chain of one to three states, with a state to catch in.
fn flow(depth: u32) -> BoxedStrategy<Value> {
    let handlers = (
        prop::option::of(retry()),
        prop::option::of(error_name()),
        prop::option::of(template()),
    );
    prop::collection::vec((state(depth), handlers), 1..4)
        .prop_map(|chain| {
            let mut states = Map::new();
            let mut caught = false;
            let length = chain.len();
            let end = chain
                .iter()
                .position(|((state, _), _)| state["Type"] == "Fail")
                .map_or(length, |at| at + 1);
            for (i, ((mut state, handled), (retry, catch, output))) in
                chain.into_iter().take(end).enumerate()
            {
                if handled {
                    if let Some(retry) = retry {
                        state["Retry"] = json!([retry]);
                    }
                    if let Some(errors) = catch {
                        caught = true;
                        state["Catch"] = json!([{"ErrorEquals": errors, "Next": "Caught"}]);
                        if let Some(output) = output {
                            state["Catch"][0]["Output"] = output;
                        }
                    }
                }
                if state["Type"] != "Fail" {
                    if i + 1 == end {
                        state["End"] = json!(true);
                    } else {
                        state["Next"] = json!(format!("S{}", i + 1));
                    }
                }
                states.insert(format!("S{i}"), state);
            }
            if caught {
                states.insert("Caught".to_owned(), json!({"Type": "Pass", "End": true}));
            }
            json!({"StartAt": "S0", "States": states})
        })
        .boxed()
}

fn definition() -> impl Strategy<Value = Value> {
    (flow(2), prop::option::of(1..30u32)).prop_map(|(mut flow, timeout)| {
        flow["QueryLanguage"] = json!("JSONata");
        if let Some(seconds) = timeout {
            flow["TimeoutSeconds"] = json!(seconds);
        }
        flow
    })
}

/// Everything outside follows from the history so far: so does what comes.
struct World<'a> {
    machine: &'a StateMachine,
    seed: u64,
    execution: Execution,
    events: Vec<HistoryEvent>,
    now: DateTime<Utc>,
}

impl<'a> World<'a> {
    fn begin(machine: &'a StateMachine, seed: u64) -> Self {
        let (execution, first) = Execution::begin(machine, info(json!([1])));
        Self {
            machine,
            seed,
            execution,
            events: vec![first],
            now: epoch(),
        }
    }

    fn resume(machine: &'a StateMachine, seed: u64, prefix: &[HistoryEvent]) -> Self {
        Self {
            machine,
            seed,
            execution: Execution::replay(machine, info(json!([1])), prefix).unwrap(),
            events: prefix.to_vec(),
            now: prefix.last().unwrap().timestamp,
        }
    }

    fn moment(&self) -> Moment {
        Moment::new(self.now, self.seed ^ self.execution.last_event_id())
    }

    /// What the function of this call does.
    fn answer(&self, task: u64, function: &str) -> Option<TaskSignal> {
        let fail = |error: &str| TaskSignal::Failed {
            error: error.to_owned(),
            cause: String::new(),
        };
        match (self.seed ^ (task * 7)) % 4 + u64::from(function == "f3") {
            0 => Some(fail("A")),
            1 => Some(fail("B")),
            2 | 3 => Some(TaskSignal::Succeeded(json!(task))),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<HistoryEvent> {
        loop {
            let at = self.moment();
            if let Some(event) = self.execution.decide(self.machine, at) {
                return Some(event);
            }
            for task in self.execution.open_tasks() {
                let signal = if task.started {
                    self.answer(task.id, &task.function_name)
                } else {
                    Some(TaskSignal::Started)
                };
                let event =
                    signal.and_then(|s| self.execution.task_signal(self.machine, task.id, s, at));
                if event.is_some() {
                    return event;
                }
            }
            let wake = self.execution.next_wake()?;
            assert!(wake > self.now);
            self.now = wake;
        }
    }

    fn step(&mut self) -> bool {
        let Some(event) = self.next() else {
            return false;
        };
        self.execution.evolve(self.machine, &event);
        self.events.push(event);
        true
    }

    fn finish(mut self) -> Self {
        while self.step() {}
        self
    }
}

/// What can be asked of an execution.
fn view(execution: &Execution) -> impl PartialEq + std::fmt::Debug + use<> {
    (
        execution.status(),
        execution.output().cloned(),
        execution.problem().clone(),
        execution.next_wake(),
        execution.open_tasks(),
        execution.last_event_id(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_machine_ends_and_every_prefix_resumes(definition in definition(), seed in any::<u64>()) {
        let machine = StateMachine::parse(&definition.to_string()).unwrap();
        let mut live = World::begin(&machine, seed);
        let mut views = vec![view(&live.execution)];
        while live.step() {
            views.push(view(&live.execution));
        }
        prop_assert!(!live.execution.is_running());
        prop_assert_eq!(live.execution.next_wake(), None);
        prop_assert!(live.execution.open_tasks().is_empty());

        for (i, expected) in views.iter().enumerate() {
            let event = &live.events[i];
            prop_assert_eq!(event.id, i as u64 + 1);
            prop_assert!(event.previous_event_id < event.id);
            let api = event.to_api();
            prop_assert_eq!(api["type"].as_str(), Some(event.detail.type_name()));
            let replayed = Execution::replay(&machine, info(json!([1])), &live.events[..=i]).unwrap();
            prop_assert_eq!(&view(&replayed), expected);
        }
        // A crash at every seventh event, and at the last one.
        for cut in (1..live.events.len()).step_by(7).chain([live.events.len() - 1]) {
            let resumed = World::resume(&machine, seed, &live.events[..cut.max(1)]).finish();
            prop_assert_eq!(&resumed.events, &live.events);
        }
    }

    #[test]
    fn repeated_and_stale_signals_change_nothing(definition in definition(), seed in any::<u64>()) {
        let machine = StateMachine::parse(&definition.to_string()).unwrap();
        let mut world = World::begin(&machine, seed);
        let at = |world: &World<'_>| world.moment();
        loop {
            let open: Vec<u64> = world.execution.open_tasks().iter().map(|t| t.id).collect();
            let started: Vec<u64> = world.execution.open_tasks().iter().filter(|t| t.started).map(|t| t.id).collect();
            for id in 0..=world.execution.last_event_id() + 1 {
                let signal = |s| world.execution.task_signal(&machine, id, s, at(&world));
                if !open.contains(&id) {
                    prop_assert_eq!(signal(TaskSignal::Succeeded(json!(1))), None);
                }
                if !open.contains(&id) || started.contains(&id) {
                    prop_assert_eq!(signal(TaskSignal::Started), None);
                }
            }
            if !world.step() {
                break;
            }
        }
    }

    #[test]
    fn a_stop_ends_at_any_time(definition in definition(), seed in any::<u64>(), after in 0..40usize) {
        let machine = StateMachine::parse(&definition.to_string()).unwrap();
        let mut world = World::begin(&machine, seed);
        for _ in 0..after {
            if !world.step() {
                break;
            }
        }
        let stop = world.execution.stop(None, None, world.moment());
        prop_assert_eq!(stop.is_some(), world.execution.is_running());
        if let Some(event) = stop {
            world.execution.evolve(&machine, &event);
            prop_assert_eq!(world.next(), None);
            prop_assert!(world.execution.open_tasks().is_empty());
        }
    }

    /// A history that was damaged is refused or folded, never a panic.
    #[test]
    fn damaged_histories_never_panic(definition in definition(), seed in any::<u64>(), a in 1..60usize, b in 1..60usize) {
        let machine = StateMachine::parse(&definition.to_string()).unwrap();
        let mut events = World::begin(&machine, seed).finish().events;
        let (a, b) = (a % events.len(), b % events.len());
        events.swap(a, b);
        for (i, event) in events.iter_mut().enumerate() {
            event.id = i as u64 + 1;
        }
        let _ = Execution::replay(&machine, info(json!([1])), &events);
    }
}
