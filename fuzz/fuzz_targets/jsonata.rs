//! Expressions: no panic, an end soon after the limit of time, and a limit of memory, whatever the
//! text; the same text gives the same value.
#![no_main]

use std::alloc::System;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cap::Cap;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use safelight_asl::{Bindings, Expression, MAX_MILLIS, Moment, Session, Variables};
use serde_json::{Value, json};

/// What an evaluation, and everything else in the process, may hold: MAX_SEQUENCE items of a
/// kibibyte each, and something over.
const MEMORY: usize = 512 << 20;

/// An allocation beyond the limit fails, and ends the process.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

/// Evaluation looks at the clock between steps. A step may last, and the machine may be busy.
const LATEST: Duration = Duration::from_millis(MAX_MILLIS * 10);

static INPUT: LazyLock<Value> = LazyLock::new(|| {
    json!({
        "image": {"bucket": "photos", "key": "a/b c.jpg", "bytes": 4096},
        "facts": {"format": "jpeg", "width": 640, "megapixels": 0.3072, "alpha": false},
        "list": [3, 1, 2, [4, 5], {"n": 6}, "seven", null, 0.5],
        "text": "Grüße, 世界 🙂",
    })
});

static VARIABLES: LazyLock<Variables> = LazyLock::new(|| {
    BTreeMap::from([
        ("image".to_owned(), Arc::new(INPUT["image"].clone())),
        ("list".to_owned(), Arc::new(INPUT["list"].clone())),
        ("n".to_owned(), Arc::new(json!(7))),
    ])
});

fn evaluate(expression: &Expression) -> (Result<Value, String>, Duration) {
    let context = || json!({"Execution": {"Name": "e"}, "State": {"Name": "s", "RetryCount": 1}});
    let bindings = Bindings {
        input: &INPUT,
        result: Some(&INPUT),
        error_output: None,
        context: &context,
        variables: &VARIABLES,
    };
    let session = Session::new(bindings, Moment::new(DateTime::UNIX_EPOCH, 7));
    let start = Instant::now();
    let value = session.expression(expression, "Output");
    (value.map_err(|error| error.to_string()), start.elapsed())
}

fuzz_target!(
    // libFuzzer's hook ends the process at every panic. Those that the evaluation catches are none
    // of anyone's business; one that gets out still ends it.
    init: std::panic::set_hook(Box::new(|panic| {
        if std::env::var_os("SAFELIGHT_FUZZ_PANICS").is_some() {
            eprintln!("{panic}");
        }
    })),
    |text: &str| {
        let start = Instant::now();
        let Ok(expression) = Expression::parse(text) else {
            assert!(start.elapsed() < LATEST, "reading took {:?}", start.elapsed());
            return;
        };
        let (value, took) = evaluate(&expression);
        assert!(start.elapsed() < LATEST, "it took {:?}", start.elapsed());
        // Invariant 3. Close to the limit of time, the second one may be the one that passes it.
        if took < Duration::from_millis(MAX_MILLIS / 20) {
            let (again, took) = evaluate(&expression);
            if took < Duration::from_millis(MAX_MILLIS / 2) {
                assert_eq!(value, again);
            }
        }
    }
);
