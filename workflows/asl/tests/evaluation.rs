//! Invariants 3, 4 and 5: what expressions give, and what bounds them.
#![allow(clippy::unwrap_used, missing_docs, clippy::needless_pass_by_value)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use safelight_asl::{
    Bindings, EvaluationError, Expression, Moment, Problem, Session, Template, Variables,
};
use serde_json::{Value, json};

fn moment(seed: u64) -> Moment {
    Moment::new(
        "2026-11-21T08:05:46.123456Z"
            .parse::<DateTime<Utc>>()
            .unwrap(),
        seed,
    )
}

fn session<T>(seed: u64, run: impl FnOnce(&Session<'_>) -> T) -> T {
    let input = json!({"a": 1, "list": [1, 2, 3], "text": "x"});
    let result = json!({"Payload": {"ok": true}});
    let error = json!({"Error": "E", "Cause": "C"});
    let context = || json!({"State": {"Name": "S"}});
    let mut variables = Variables::new();
    variables.insert("v".to_owned(), Arc::new(json!({"deep": [10]})));
    run(&Session::new(
        Bindings {
            input: &input,
            result: Some(&result),
            error_output: Some(&error),
            context: &context,
            variables: &variables,
        },
        moment(seed),
    ))
}

fn evaluate(source: &str) -> Result<Value, EvaluationError> {
    let expression = Expression::parse(source).unwrap();
    session(1, |session| session.expression(&expression, "Output"))
}

#[test]
fn values_of_expressions() {
    for (source, expected) in [
        ("1 + 1", json!(2)),
        ("$states.input.a", json!(1)),
        ("$states.result.Payload.ok", json!(true)),
        (
            "$states.errorOutput.Error & $states.errorOutput.Cause",
            json!("EC"),
        ),
        ("$states.context.State.Name", json!("S")),
        ("$v.deep", json!([10])),
        ("$v.deep[0] / 4", json!(2.5)),
        (
            "$keys($states)",
            json!(["input", "result", "errorOutput", "context"]),
        ),
        ("$sum($states.input.list)", json!(6)),
        (
            "$states.input.list.{'n': $}",
            json!([{"n": 1}, {"n": 2}, {"n": 3}]),
        ),
        ("[1..3]", json!([1, 2, 3])),
        ("null", json!(null)),
        ("{}", json!({})),
        ("[]", json!([])),
        ("$partition([1,2,3,4,5], 2)", json!([[1, 2], [3, 4], [5]])),
        ("$range(0, 10, 3)", json!([0, 3, 6, 9])),
        ("$range(3, 1, -1)", json!([3, 2, 1])),
        ("$range(1, 1, 1)", json!(1)),
        ("$parse('{\"a\":[1]}')", json!({"a": [1]})),
        (
            "$hash('x', 'MD5')",
            json!("9dd4e461268c8034f5c8564e155c67a6"),
        ),
        (
            "$hash('x', 'SHA-1')",
            json!("11f6ad8ec52a2984abaafd7c3b516503785c2072"),
        ),
        (
            "$hash('x', 'SHA-256')",
            json!("2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"),
        ),
        ("$length($hash('x', 'SHA-384'))", json!(96)),
        ("$length($hash('x', 'SHA-512'))", json!(128)),
        ("$pad('x', 3, '-')", json!("x--")),
        ("$pad('x', -3)", json!("  x")),
        ("$now()", json!("2026-11-21T08:05:46.123Z")),
        ("$now('[Y]-[M01]')", json!("2026-11")),
        ("$millis()", json!(1_795_248_346_123_i64)),
        ("$random(7) = $random(7)", json!(true)),
        ("$random() = $random()", json!(false)),
        ("$uuid() = $uuid()", json!(false)),
        ("$length($uuid())", json!(36)),
        ("$count($shuffle([1..9]))", json!(9)),
    ] {
        assert_eq!(evaluate(source).unwrap(), expected, "{source}");
    }
}

#[test]
fn the_moment_fixes_every_answer() {
    for source in [
        "$random()",
        "$uuid()",
        "$shuffle([1..20])",
        "$now()",
        "$millis()",
    ] {
        let expression = Expression::parse(source).unwrap();
        let run = |seed| session(seed, |s| s.expression(&expression, "Output").unwrap());
        assert_eq!(run(1), run(1), "{source}");
        if !matches!(source, "$now()" | "$millis()") {
            assert_ne!(run(1), run(2), "{source}");
        }
    }
}

#[test]
fn templates_keep_their_shape() {
    let fields = vec![
        (
            "e".to_owned(),
            Template::Expression(Expression::parse("$states.input.a").unwrap()),
        ),
        ("c".to_owned(), Template::of(json!([1, "{x}"]))),
    ];
    let template = Template::Object(fields);
    let value = session(1, |s| s.template(&template, "Output").unwrap());
    assert_eq!(*value, json!({"e": 1, "c": [1, "{x}"]}));
    let constant = Template::of(json!(1));
    let same = session(1, |s| s.template(&constant, "Output").unwrap());
    assert!(Arc::ptr_eq(&same, constant.constant().unwrap()));
}

#[test]
fn what_is_not_json_is_refused_in_the_service_s_words() {
    for (source, expected) in [
        ("$missing", "returned nothing (undefined)."),
        ("$states.input.nothing", "returned nothing (undefined)."),
        ("$sum", "returned an unsupported result type."),
        ("function($x){$x}", "returned an unsupported result type."),
        ("{'f': $sum}", "returned an unsupported result type."),
        ("/a/", "returned an unsupported result type."),
        (
            "$nosuch(1)",
            "threw an error during evaluation. T1006: Attempted to invoke a non-function",
        ),
        ("$error('mine')", "threw an error during evaluation. mine"),
    ] {
        let error = evaluate(source).unwrap_err();
        let text = error.to_string();
        let prefix = format!("The JSONata expression '{source}' specified for the field 'Output' ");
        let rest = text
            .strip_prefix(&prefix)
            .unwrap_or_else(|| panic!("{text}"));
        assert!(
            rest.starts_with(expected) || rest.contains("mine") && source.contains("mine"),
            "{text}"
        );
    }
    for source in ["1/0", "$power(10, 400)"] {
        assert!(evaluate(source).is_err(), "{source}");
    }
}

#[test]
fn types_are_checked_in_the_service_s_words() {
    let expression = |source| Template::Expression(Expression::parse(source).unwrap());
    session(1, |s| {
        let error = s.array(&expression("'string'"), "Items").unwrap_err();
        assert_eq!(
            error.to_string(),
            "The JSONata expression ''string'' specified for the field 'Items' returned an unexpected result type. Expected 'array', but was 'string' for value: \"string\""
        );
        assert!(s.boolean(&expression("1"), "Condition").is_err());
        assert!(s.boolean(&expression("1 = 1"), "Condition").unwrap());
        assert_eq!(s.integer(&expression("2 + 3"), "Seconds", 1), Ok(5));
        for bad in ["0", "1.5", "-1", "'5'"] {
            assert!(s.integer(&expression(bad), "Seconds", 1).is_err(), "{bad}");
        }
        assert_eq!(s.text(&expression("'a' & 'b'"), "Error").unwrap(), "ab");
        assert_eq!(s.number(&expression("0.5"), "P"), Ok(0.5));
    });
}

#[test]
fn nothing_runs_without_end() {
    let started = Instant::now();
    for source in [
        "($f := function($n){$f($n + 1)}; $f(0))",
        "($f := function($n){1 + $f($n + 1)}; $f(0))",
        "[1..100000000]",
        "$range(1, 100000000, 1)",
        "$pad('a', 300000000)",
        "$map([1..100000], function($i){[1..100000]})",
        "($f := function($s, $n){$n = 0 ? $s : $f($s & $s, $n - 1)}; $length($f('abcdefgh', 60)))",
        "($f := function($s, $n){$n = 0 ? $s : $f($join([$s, $s]), $n - 1)}; $length($f('abcdefgh', 60)))",
        "($f := function($s, $n){$n = 0 ? $s : $f([$s, $s], $n - 1)}; $length($string($f('a', 60))))",
        "($f := function($s, $n){$n = 0 ? $s : $f({'a': $s, 'b': $s}, $n - 1)}; $f('a', 60) = $f('a', 60))",
        "($a := $reduce([1..60], function($s, $i){$replace($s, 'a', 'aa')}, 'a'); $length($a))",
        "($f := function($s, $n){$n = 0 ? $s : $f($map([1, 2], function($i){$s}), $n - 1)}; $count($f([1], 60).**))",
    ] {
        let result = evaluate(source);
        assert!(result.is_err(), "{source}: {result:?}");
    }
    // Each has a second; a machine under load may need more to notice.
    assert!(started.elapsed() < Duration::from_secs(120));
}

#[test]
fn what_the_library_does_in_one_step_is_bounded() {
    // Found by fuzz/fuzz_targets/jsonata.rs; invariant 5.
    let long = "b".repeat(30_000);
    for source in [
        "$distinct([1..99999])".to_owned(),
        "[1..99999] ~> $distinct".to_owned(),
        "$formatInteger(-1000000000000000000, 'I')".to_owned(),
        "9000000000000000 ~> $formatInteger('i')".to_owned(),
        format!("$join([1..60000].('x'), '{long}')"),
        format!("$replace('{}', 'a', '{long}')", "a".repeat(30_000)),
        format!(
            "$replace('{}', /a/, '{}')",
            "a".repeat(30_000),
            "$0".repeat(10_000)
        ),
    ] {
        let error = evaluate(&source).unwrap_err();
        let Problem::Failed(message) = error.problem else {
            panic!("{source:.60}: {error}");
        };
        assert!(message.contains("D2015"), "{source:.60}: {message}");
    }
    // A function of which nobody would see the argument.
    for source in [
        "($f := $reverse ~> $distinct; $f([1..99999]))",
        "($f := function($x) {$x} ~> $distinct; $f([1..99999]))",
        "$map([[1..99999]], $reverse ~> $distinct)",
    ] {
        let error = evaluate(source).unwrap_err();
        assert!(error.to_string().contains("$distinct"), "{source}: {error}");
    }
    assert_eq!(evaluate("$distinct([1, 2, 1])").unwrap(), json!([1, 2]));
    assert_eq!(evaluate("$distinct([3, 3])").unwrap(), json!([3]));
    assert_eq!(
        evaluate("$formatInteger(1999, 'I')").unwrap(),
        json!("MCMXCIX")
    );
    assert_eq!(
        evaluate("$formatInteger(12, 'w')").unwrap(),
        json!("twelve")
    );
}

#[test]
fn results_are_bounded() {
    let error = evaluate("[1..90000].('0123456789abcdef')").unwrap_err();
    assert_eq!(error.problem, Problem::TooLarge);
}

#[test]
fn the_library_s_panics_stay_inside() {
    for source in [
        "$fromMillis(8640000000000001)",
        "$fromMillis(1e300, '[Y]')",
        "$parseInteger('', 'w')",
        "$parseInteger('-', 'w')",
        "$formatInteger(1e300, 'w')",
        "$toMillis('99999999999', '[Y]')",
    ] {
        // Any outcome but a panic or a value that is not JSON.
        let _ = evaluate(source);
    }
}

proptest::proptest! {
    #[test]
    fn evaluating_never_panics(source in "[-a-c$0-9+*/.()\\[\\]{}\"',:=?&<>~|^@#%! ]{1,40}") {
        if let Ok(expression) = Expression::parse(&source) {
            let _ = session(1, |s| s.expression(&expression, "Output"));
        }
    }
}
