//! The books alone: no process, no clock.

use super::*;
use crate::config::WorkerCommand;

fn state(functions: &[(&str, usize)]) -> State {
    let mut state = State::default();
    for (name, concurrency) in functions {
        state
            .names
            .insert((*name).to_owned(), state.functions.len());
        state.functions.push(Function::new(
            FunctionConfig {
                name: (*name).to_owned(),
                command: WorkerCommand::default(),
                memory_mb: 128,
                timeout: Duration::from_secs(1),
                concurrency: *concurrency,
                version: "1".to_owned(),
            },
            HeaderValue::from_static("arn"),
        ));
    }
    state
}

type Answer = oneshot::Receiver<Result<Bytes, InvokeError>>;

fn job(function: usize, number: u128) -> (Job, Answer) {
    let (reply, answer) = oneshot::channel();
    let job = Job {
        function,
        request: Uuid::from_u128(number),
        request_id: HeaderValue::from_static("id"),
        payload: Bytes::new(),
        trace_id: HeaderValue::from_static("trace"),
        client_context: None,
        deadline: None,
        stop: None,
        queued_at: Instant::now(),
        redeliveries: 0,
        reply,
    };
    (job, answer)
}

fn enqueue(state: &mut State, function: usize, numbers: std::ops::Range<u128>) -> Vec<Answer> {
    numbers
        .map(|number| {
            let (job, answer) = job(function, number);
            state.enqueue(job, 1_000).unwrap();
            answer
        })
        .collect()
}

fn numbers(starts: &[Start]) -> Vec<u128> {
    starts
        .iter()
        .map(|start| start.job.request.as_u128())
        .collect()
}

#[test]
fn under_a_host_wide_limit_functions_take_turns() {
    let mut state = state(&[("label", 8), ("thumbnail", 8)]);
    let options = HostOptions {
        max_in_flight: Some(1),
        ..HostOptions::default()
    };
    let mut answers = enqueue(&mut state, 0, 0..4);
    answers.extend(enqueue(&mut state, 1, 10..12));
    let mut order = Vec::new();
    for _ in 0..6 {
        let starts = state.dispatch(&options, Instant::now());
        assert_eq!(starts.len(), 1, "one at a time");
        order.extend(numbers(&starts));
        state.completed(starts[0].job.function, false);
        state.ended(starts[0].job.function, starts[0].worker, true);
    }
    assert_eq!(order, [0, 10, 1, 11, 2, 3]);
    assert!(state.is_quiet() && !state.has_workers());
}

#[test]
fn the_most_recently_used_worker_goes_first() {
    let mut state = state(&[("f", 2)]);
    let options = HostOptions::default();
    let _answers = enqueue(&mut state, 0, 0..1);
    let mut work = Vec::new();
    for worker in [7, 8] {
        let (sender, receiver) = oneshot::channel();
        state.park(
            0,
            Idle {
                worker,
                work: sender,
            },
        );
        work.push(receiver);
    }
    assert!(state.dispatch(&options, Instant::now()).is_empty());
    assert!(work[0].try_recv().is_err());
    assert_eq!(work[1].try_recv().unwrap().request.as_u128(), 0);
}

#[test]
fn idle_workers_beyond_those_kept_retire() {
    let mut state = state(&[("f", 2)]);
    let park = |state: &mut State, worker| {
        let (work, receiver) = oneshot::channel();
        state.park(0, Idle { worker, work });
        receiver
    };
    let _first = park(&mut state, 1);
    assert!(!state.retire(0, 1, 1), "the last one stays");
    let _second = park(&mut state, 2);
    assert!(state.retire(0, 1, 1));
    assert!(!state.retire(0, 2, 1));
}

#[test]
fn beyond_the_bound_an_invocation_is_refused_and_abandoned_ones_make_room() {
    let mut state = state(&[("f", 1)]);
    let (first, first_answer) = job(0, 0);
    let (second, _second_answer) = job(0, 1);
    let (third, _third_answer) = job(0, 2);
    // One could run at once, one may wait.
    state.enqueue(first, 1).unwrap();
    state.enqueue(second, 1).unwrap();
    let refused = state.enqueue(third, 1).unwrap_err();
    assert_eq!(state.functions[0].stats().throttles, 1);
    drop(first_answer);
    state.enqueue(*refused, 1).unwrap();
    assert_eq!(state.functions[0].stats().waiting, 2);
    let starts = state.dispatch(&HostOptions::default(), Instant::now());
    assert_eq!(numbers(&starts), [1]);
}

#[test]
fn a_start_that_fails_takes_the_waiting_with_it_and_pauses_the_next() {
    let mut state = state(&[("f", 4)]);
    let options = HostOptions {
        init_backoff: Duration::from_secs(1),
        max_init_backoff: Duration::from_secs(3),
        ..HostOptions::default()
    };
    let mut now = Instant::now();
    for expected in [1, 2, 3, 3] {
        let _answers = enqueue(&mut state, 0, 0..3);
        let starts = state.dispatch(&options, now);
        // The first time it is not known to fail: as many start as wait.
        let last = starts.len();
        let mut paused = Duration::ZERO;
        for (index, start) in starts.into_iter().enumerate() {
            state.ended(0, start.worker, true);
            state.completed(0, true);
            if index + 1 == last {
                paused = state.start_failed(0, &options, now).0;
            }
        }
        assert_eq!(paused, Duration::from_secs(expected));
        let answers = enqueue(&mut state, 0, 5..8);
        assert!(state.dispatch(&options, now).is_empty(), "not in the pause");
        now += paused;
        let probe = state.dispatch(&options, now);
        assert_eq!(probe.len(), 1, "one tries");
        drop(answers);
        // Undo the probe, keeping the failures.
        state.ended(0, probe[0].worker, true);
        state.requeue(probe.into_iter().next().unwrap().job);
        state.functions[0].waiting.clear();
    }
}

#[test]
fn a_start_that_succeeds_ends_the_pause() {
    let mut state = state(&[("f", 4)]);
    let options = HostOptions::default();
    let now = Instant::now();
    let _failed = enqueue(&mut state, 0, 0..2);
    let starts = state.dispatch(&options, now);
    state.ended(0, starts[0].worker, true);
    state.completed(0, true);
    let (pause, others) = state.start_failed(0, &options, now);
    assert!(others.is_empty());
    state.started(0);
    let _answers = enqueue(&mut state, 0, 2..4);
    assert_eq!(state.dispatch(&options, now).len(), 2);
    assert!(pause > Duration::ZERO);
}

#[test]
fn a_closed_pool_gives_back_what_waits_and_starts_nothing() {
    let mut state = state(&[("f", 1)]);
    let _answers = enqueue(&mut state, 0, 0..3);
    assert_eq!(state.close().len(), 3);
    let _late = enqueue(&mut state, 0, 3..4);
    assert!(
        state
            .dispatch(&HostOptions::default(), Instant::now())
            .is_empty()
    );
}
