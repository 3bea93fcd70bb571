//! The midnight burst, as a model with a clock of its own: 100,000 images in ten minutes, labelling
//! held to five calls a second, every function's concurrency limited.
//!
//! What the workflow does is read from `image.asl.json` (its states, their Retry rules, the Map's
//! concurrency), what the queue does from Terraform's variables and the function's manifest. How long
//! a function takes and what an account allows is the scenario's, below.
#![allow(clippy::unwrap_used)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::path::Path;

use safelight_compose::{IMAGE_ASL, sync};
use serde_json::Value;

/// Milliseconds.
type Time = u64;

const IMAGES: u32 = 100_000;
const BURST: Time = 600_000;
/// Rekognition's calls a second, and as many at once.
const LABELS: (f64, f64) = (5.0, 5.0);
/// StartExecution's calls a second, and at once: the smaller regions' quota, below what arrives.
const STARTS: (f64, f64) = (150.0, 800.0);
/// How long `start` takes for one message.
const START: Time = 100;

/// How long a function takes, and how many of it run at once.
fn scenario(function: &str) -> (Time, u32) {
    match function {
        "validate" => (100, 60),
        "compress" => (1_500, 200),
        "thumbnail" => (500, 120),
        "label" => (300, 50),
        _ => (50, 60),
    }
}

/// One entry of a state's Retry.
#[derive(Clone)]
struct Retrier {
    errors: Vec<String>,
    interval: f64,
    rate: f64,
    max_delay: f64,
    attempts: u16,
    jitter: bool,
}

/// A Task.
#[derive(Clone)]
struct State {
    function: String,
    retry: Vec<Retrier>,
}

/// The workflow as far as time goes: Tasks in order, and the branches side by side in the middle.
#[derive(Clone)]
struct Workflow {
    before: Vec<State>,
    branches: Vec<State>,
    after: Vec<State>,
    /// Branches at once.
    width: usize,
}

impl Workflow {
    fn read(definition: &Value) -> Self {
        let states = &definition["States"];
        let map = &states["EachBranch"];
        let inner = map["ItemProcessor"]["States"].as_object().unwrap();
        let branches: Vec<State> = inner
            .values()
            .filter(|state| state["Type"] == "Task")
            .map(state)
            .collect();
        Self {
            before: vec![state(&states["Validate"]), state(&states["Route"])],
            width: match map["MaxConcurrency"].as_u64() {
                None | Some(0) => branches.len(),
                Some(width) => usize::try_from(width).unwrap(),
            },
            branches,
            after: vec![state(&states["Complete"])],
        }
    }

    fn states(&self) -> Vec<State> {
        [&self.before[..], &self.branches, &self.after].concat()
    }
}

fn state(state: &Value) -> State {
    let function = state["Arguments"]["FunctionName"].as_str().unwrap();
    let retriers = state["Retry"].as_array().unwrap().iter();
    State {
        function: function.strip_prefix("safelight-").unwrap().to_owned(),
        retry: retriers
            .map(|rule| Retrier {
                errors: serde_json::from_value(rule["ErrorEquals"].clone()).unwrap(),
                interval: rule["IntervalSeconds"].as_f64().unwrap(),
                rate: rule["BackoffRate"].as_f64().unwrap(),
                max_delay: rule["MaxDelaySeconds"].as_f64().unwrap_or(f64::INFINITY),
                attempts: rule["MaxAttempts"].as_u64().unwrap() as u16,
                jitter: rule["JitterStrategy"] == "FULL",
            })
            .collect(),
    }
}

/// The queue `ingest`, as Terraform makes it.
#[derive(Clone)]
struct Queue {
    visibility: Time,
    max_receives: u16,
    retention: Time,
    batch: usize,
    concurrency: u32,
}

impl Queue {
    fn read() -> Self {
        let root = sync::find_root(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
        let production = read("infra/terraform/environments/production/variables.tf");
        let queue = read("infra/terraform/modules/queue/variables.tf");
        let main = read("infra/terraform/modules/queue/main.tf");
        let timeouts = number(
            main.split_once("visibility = ")
                .and_then(|(_, rest)| rest.split_once(" * var.function.timeout_seconds"))
                .unwrap()
                .0,
        );
        let start: Value = serde_json::from_str(&read("functions/start/function.json")).unwrap();
        Self {
            visibility: timeouts * start["timeout_seconds"].as_u64().unwrap() * 1_000,
            max_receives: default(&production, "ingest_max_receive_count") as u16,
            retention: default(&queue, "retention_days") * 86_400_000,
            batch: default(&production, "ingest_batch_size") as usize,
            concurrency: default(&production, "start_concurrency") as u32,
        }
    }
}

/// The default of a variable in a file of Terraform's.
fn default(file: &str, variable: &str) -> u64 {
    let (_, rest) = file
        .split_once(&format!("variable \"{variable}\" {{"))
        .unwrap();
    let (body, _) = rest.split_once("\n}").unwrap();
    let line = body
        .lines()
        .find(|line| line.trim_start().starts_with("default"))
        .unwrap();
    number(line.split_once('=').unwrap().1)
}

fn number(text: &str) -> u64 {
    text.trim().parse().unwrap()
}

/// A bucket of tokens.
struct Bucket {
    rate: f64,
    most: f64,
    tokens: f64,
    at: Time,
}

impl Bucket {
    fn new((rate, most): (f64, f64)) -> Self {
        Self {
            rate,
            most,
            tokens: most,
            at: 0,
        }
    }

    fn take(&mut self, now: Time) -> bool {
        let gained = (now - self.at) as f64 / 1_000.0 * self.rate;
        self.tokens = (self.tokens + gained).min(self.most);
        self.at = now;
        let granted = self.tokens >= 1.0;
        if granted {
            self.tokens -= 1.0;
        }
        granted
    }
}

/// A generator that gives the same numbers every time (splitmix64).
struct Chance(u64);

impl Chance {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A message can be received.
    Visible { image: u32 },
    /// `start` has done with a batch.
    Started { images: Vec<u32>, received: Time },
    /// A Task is to be called.
    Call { image: u32, state: usize },
    /// A function has ended.
    Ended { image: u32, state: usize },
}

/// What came of it.
#[derive(Debug, Default)]
struct Outcome {
    dead_letters: u32,
    finished: u32,
    drained: Time,
    /// From arrival to thumbnail.
    thumbnails: Vec<Time>,
    most_receives: u16,
    most_label_attempts: u16,
    oldest_message: Time,
}

impl Outcome {
    fn thumbnail(&self, quantile: f64) -> Time {
        self.thumbnails[((self.thumbnails.len() - 1) as f64 * quantile) as usize]
    }
}

struct Model {
    workflow: Workflow,
    states: Vec<State>,
    queue: Queue,
    labels: Bucket,
    starts: Bucket,
    chance: Chance,
    heap: BinaryHeap<Reverse<(Time, u64, Event)>>,
    events: u64,
    visible: VecDeque<u32>,
    starting: u32,
    running: BTreeMap<String, u32>,
    receives: Vec<u16>,
    /// Retries of each image's states, by state and retrier.
    retries: BTreeMap<(u32, usize, usize), u16>,
    /// Branches of each image that were begun, and that ended.
    branches: Vec<(u8, u8)>,
    outcome: Outcome,
}

/// When an image arrives.
fn arrival(image: u32) -> Time {
    u64::from(image) * BURST / u64::from(IMAGES)
}

impl Model {
    fn new(workflow: Workflow, queue: Queue, labels: (f64, f64)) -> Self {
        Self {
            states: workflow.states(),
            workflow,
            queue,
            labels: Bucket::new(labels),
            starts: Bucket::new(STARTS),
            chance: Chance(20_261_121),
            heap: BinaryHeap::new(),
            events: 0,
            visible: VecDeque::new(),
            starting: 0,
            running: BTreeMap::new(),
            receives: vec![0; IMAGES as usize],
            retries: BTreeMap::new(),
            branches: vec![(0, 0); IMAGES as usize],
            outcome: Outcome::default(),
        }
    }

    fn run(mut self) -> Outcome {
        for image in 0..IMAGES {
            self.at(arrival(image), Event::Visible { image });
        }
        while let Some(Reverse((now, _, event))) = self.heap.pop() {
            match event {
                Event::Visible { image } => {
                    self.visible.push_back(image);
                    self.receive(now);
                }
                Event::Started { images, received } => self.started(now, images, received),
                Event::Call { image, state } => self.call(now, image, state),
                Event::Ended { image, state } => self.ended(now, image, state),
            }
        }
        self.outcome.thumbnails.sort_unstable();
        self.outcome
    }

    fn at(&mut self, time: Time, event: Event) {
        self.events += 1;
        self.heap.push(Reverse((time, self.events, event)));
    }

    /// Lambda's poller: batches, as many at once as it may.
    fn receive(&mut self, now: Time) {
        while self.starting < self.queue.concurrency && !self.visible.is_empty() {
            let mut images = Vec::new();
            while images.len() < self.queue.batch
                && let Some(image) = self.visible.pop_front()
            {
                let receives = &mut self.receives[image as usize];
                *receives += 1;
                self.outcome.most_receives = self.outcome.most_receives.max(*receives);
                let age = now - arrival(image);
                self.outcome.oldest_message = self.outcome.oldest_message.max(age);
                if *receives > self.queue.max_receives || age > self.queue.retention {
                    self.outcome.dead_letters += 1;
                } else {
                    images.push(image);
                }
            }
            self.starting += 1;
            let took = START * images.len() as u64;
            let received = now;
            self.at(now + took, Event::Started { images, received });
        }
    }

    fn started(&mut self, now: Time, images: Vec<u32>, received: Time) {
        self.starting -= 1;
        for image in images {
            if self.starts.take(now) {
                self.at(now, Event::Call { image, state: 0 });
            } else {
                // A batch item failure: it comes again when its visibility timeout ends.
                let again = received + self.queue.visibility;
                self.at(again.max(now), Event::Visible { image });
            }
        }
        self.receive(now);
    }

    fn call(&mut self, now: Time, image: u32, state: usize) {
        let function = self.states[state].function.clone();
        let (duration, most) = scenario(&function);
        let running = self.running.entry(function).or_default();
        if *running >= most {
            return self.failed(now, image, state, "Lambda.TooManyRequestsException");
        }
        *running += 1;
        self.at(now + duration, Event::Ended { image, state });
    }

    fn ended(&mut self, now: Time, image: u32, state: usize) {
        let function = self.states[state].function.clone();
        *self.running.get_mut(&function).unwrap() -= 1;
        if function == "label" && !self.labels.take(now) {
            return self.failed(now, image, state, "Label.Throttled");
        }
        if function == "thumbnail" {
            self.outcome.thumbnails.push(now - arrival(image));
        }
        self.next(now, image, state);
    }

    fn failed(&mut self, now: Time, image: u32, state: usize, error: &str) {
        let rules = &self.states[state].retry;
        let found = rules
            .iter()
            .position(|rule| rule.errors.iter().any(|name| name == error));
        let Some(index) = found else {
            self.outcome.dead_letters += 1;
            return self.next(now, image, state);
        };
        let rule = &rules[index];
        let count = self.retries.entry((image, state, index)).or_default();
        if self.states[state].function == "label" {
            let most = &mut self.outcome.most_label_attempts;
            *most = (*most).max(*count + 1);
        }
        if *count >= rule.attempts {
            self.outcome.dead_letters += 1;
            return self.next(now, image, state);
        }
        let ceiling = (rule.interval * rule.rate.powi(i32::from(*count))).min(rule.max_delay);
        *count += 1;
        let delay = if rule.jitter {
            ceiling * self.chance.unit()
        } else {
            ceiling
        };
        self.at(now + (delay * 1_000.0) as u64, Event::Call { image, state });
    }

    /// The state after `state`: a branch that failed is a result as one that succeeded.
    fn next(&mut self, now: Time, image: u32, state: usize) {
        let (before, all) = (self.workflow.before.len(), self.workflow.branches.len());
        let after = before + all;
        if state + 1 < before {
            return self.at(
                now,
                Event::Call {
                    image,
                    state: state + 1,
                },
            );
        }
        if state >= after {
            self.outcome.finished += 1;
            self.outcome.drained = now;
            return;
        }
        let (begun, ended) = &mut self.branches[image as usize];
        if state >= before {
            *ended += 1;
            if usize::from(*ended) == all {
                return self.at(
                    now,
                    Event::Call {
                        image,
                        state: after,
                    },
                );
            }
        }
        let from = usize::from(*begun);
        let to = all.min(usize::from(*ended) + self.workflow.width);
        *begun = to as u8;
        for branch in from..to {
            self.at(
                now,
                Event::Call {
                    image,
                    state: before + branch,
                },
            );
        }
    }
}

fn workflow() -> Workflow {
    Workflow::read(&serde_json::from_str(IMAGE_ASL).unwrap())
}

#[test]
fn a_burst_is_no_failure_and_labels_keep_no_thumbnail_waiting() {
    let outcome = Model::new(workflow(), Queue::read(), LABELS).run();
    let without = Model::new(workflow(), Queue::read(), (1e9, 1e9)).run();
    println!(
        "drained in {} s; thumbnails p50 {} s, p99 {} s, last {} s (labels unlimited: p99 {} s); \
         at most {} receives, {} throttled label calls of one image, oldest message {} s",
        outcome.drained / 1_000,
        outcome.thumbnail(0.5) / 1_000,
        outcome.thumbnail(0.99) / 1_000,
        outcome.thumbnail(1.0) / 1_000,
        without.thumbnail(0.99) / 1_000,
        outcome.most_receives,
        outcome.most_label_attempts,
        outcome.oldest_message / 1_000,
    );
    assert_eq!(outcome.dead_letters, 0);
    assert_eq!(
        (outcome.finished, outcome.thumbnails.len()),
        (IMAGES, IMAGES as usize)
    );
    // Five a second cannot be faster; backing off costs the tail, and no more.
    let least = u64::from(IMAGES) * 1_000 / 5;
    assert!(
        (least..least * 3 / 2).contains(&outcome.drained),
        "{} ms",
        outcome.drained
    );
    // What waits for labels takes nothing from thumbnails.
    let (with, without) = (outcome.thumbnail(0.99), without.thumbnail(0.99));
    assert!(
        with <= without * 21 / 20,
        "{with} ms, {without} ms without the limit"
    );
    // The rules have room: half of what they allow is not used.
    let rules = &workflow().branches[0].retry[0];
    assert!(outcome.most_label_attempts < rules.attempts / 2);
    assert!(outcome.most_receives < Queue::read().max_receives / 10);
}

#[test]
fn the_model_would_see_rules_that_are_too_narrow() {
    let mut impatient = workflow();
    for state in &mut impatient.branches {
        state.retry[0].attempts = 10;
    }
    assert!(
        Model::new(impatient, Queue::read(), LABELS)
            .run()
            .dead_letters
            > 0
    );

    let mut narrow = workflow();
    narrow.width = 1;
    narrow
        .branches
        .sort_by_key(|state| state.function != "label");
    let outcome = Model::new(narrow, Queue::read(), LABELS).run();
    assert!(
        outcome.thumbnail(0.99) > BURST * 10,
        "thumbnails behind labels"
    );

    let queue = Queue {
        max_receives: 1,
        ..Queue::read()
    };
    assert!(Model::new(workflow(), queue, LABELS).run().dead_letters > 0);
}
