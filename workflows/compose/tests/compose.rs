//! Composition as tables: what comes in, what goes out, what is refused.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use safelight_compose::{BranchFolder, TRUNK_ASL, compose, definition_hash, render};
use safelight_schema::image::Format;
use safelight_schema::manifest::{Manifest, When};
use serde_json::{Value, json};

fn trunk() -> Value {
    serde_json::from_str(TRUNK_ASL).unwrap()
}

fn manifest(name: &str) -> Manifest {
    Manifest {
        name: name.into(),
        version: "1".into(),
        description: "A branch.".into(),
        owner: "team".into(),
        when: When::default(),
        memory_mb: 256,
        timeout_seconds: 20,
        concurrency: None,
        permissions: Vec::new(),
        command: None,
    }
}

fn branch(name: &str) -> BranchFolder {
    BranchFolder::of(manifest(name))
}

fn with_states(states: Value) -> BranchFolder {
    BranchFolder {
        manifest: manifest("ocr"),
        states: Some(states),
    }
}

fn items(definition: &Value) -> &serde_json::Map<String, Value> {
    definition["States"]["EachBranch"]["ItemProcessor"]["States"]
        .as_object()
        .unwrap()
}

fn task(next: Option<&str>) -> Value {
    let mut task = json!({
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "@function", "Payload": "@payload"}
    });
    match next {
        Some(next) => task["Next"] = next.into(),
        None => task["End"] = true.into(),
    }
    task
}

#[test]
fn a_branch_without_states_is_one_task() {
    let definition = compose(&trunk(), &[branch("thumbnail")]).unwrap();
    let states = items(&definition);
    let run = &states["thumbnail/Run"];
    assert_eq!(run["Arguments"]["FunctionName"], "safelight-thumbnail");
    assert_eq!(run["Arguments"]["Payload"]["branch"], "thumbnail");
    assert_eq!(run["Arguments"]["Payload"]["version"], "1");
    assert_eq!(run["TimeoutSeconds"], 50);
    assert_eq!(run["Retry"], safelight_compose::retry::standard());
    assert_eq!(
        run["Catch"],
        json!([{"ErrorEquals": ["States.ALL"], "Next": "thumbnail/Failed"}])
    );
    assert_eq!(
        states["Dispatch"]["Choices"],
        json!([{"Condition": "{% $states.input = 'thumbnail' %}", "Next": "thumbnail/Run"}])
    );
    assert_eq!(states["thumbnail/Failed"]["Output"]["branch"], "thumbnail");
    let rules = &definition["States"]["Route"]["Arguments"]["Payload"]["branches"];
    assert_eq!(
        rules,
        &json!([{"branch": "thumbnail", "version": "1", "when": {}}])
    );
}

/// Invariant 1.
#[test]
fn the_order_of_the_branches_does_not_matter() {
    let one = compose(&trunk(), &[branch("a"), branch("b"), branch("c")]).unwrap();
    let other = compose(&trunk(), &[branch("c"), branch("a"), branch("b")]).unwrap();
    assert_eq!(render(&one), render(&other));
    assert_eq!(definition_hash(&one), definition_hash(&other));
}

/// Invariant 5.
#[test]
fn a_removed_branch_leaves_nothing_behind() {
    let without = compose(&trunk(), &[branch("a")]).unwrap();
    let with = compose(&trunk(), &[branch("a"), branch("vanishing")]).unwrap();
    assert!(render(&with).contains("vanishing"));
    assert!(!render(&without).contains("vanishing"));
}

#[test]
fn no_branches_at_all_are_a_workflow_too() {
    let definition = compose(&trunk(), &[]).unwrap();
    assert_eq!(items(&definition)["Dispatch"]["Next"], "UnknownBranch");
}

/// Invariants 3 and 4.
#[test]
fn the_states_of_a_branch_are_prefixed_caught_and_retried() {
    let inner = json!({"StartAt": "Page", "States": {"Page": {"Type": "Pass", "End": true}}});
    let definition = compose(
        &trunk(),
        &[with_states(json!({
            "Comment": "Two steps.",
            "StartAt": "Find",
            "States": {
                "Find": task(Some("Any?")),
                "Any?": {
                    "Type": "Choice",
                    "Choices": [{"Condition": "{% $states.input.pages > 0 %}", "Next": "Pages"}],
                    "Default": "Nothing"
                },
                "Pages": {"Type": "Map", "ItemProcessor": inner, "Next": "Read"},
                "Read": task(None),
                "Nothing": {"Type": "Fail", "Error": "Image.DecodeFailed", "Cause": "no text"}
            }
        }))],
    )
    .unwrap();
    let states = items(&definition);
    let names: Vec<&str> = states.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "Dispatch",
            "UnknownBranch",
            "ocr/Find",
            "ocr/Any?",
            "ocr/Pages",
            "ocr/Read",
            "ocr/Nothing",
            "ocr/Failed"
        ]
    );
    assert_eq!(states["ocr/Find"]["Next"], "ocr/Any?");
    assert_eq!(states["ocr/Any?"]["Default"], "ocr/Nothing");
    assert_eq!(states["ocr/Any?"]["Choices"][0]["Next"], "ocr/Pages");
    assert_eq!(states["ocr/Pages"]["ItemProcessor"]["StartAt"], "ocr/Page");
    assert!(states["ocr/Pages"]["ItemProcessor"]["States"]["ocr/Page"].is_object());
    for caught in ["ocr/Find", "ocr/Pages", "ocr/Read"] {
        assert_eq!(states[caught]["Catch"][0]["Next"], "ocr/Failed", "{caught}");
    }
    assert_eq!(states["ocr/Read"]["TimeoutSeconds"], 50);
    // A Fail state would end the other branches: it becomes the branch's result.
    assert_eq!(states["ocr/Nothing"]["Type"], "Pass");
    assert_eq!(states["ocr/Nothing"]["Next"], "ocr/Failed");
    assert_eq!(
        states["ocr/Nothing"]["Output"]["Error"],
        "Image.DecodeFailed"
    );
}

#[test]
fn a_catch_of_the_branch_itself_stays_in_front() {
    let mut find = task(Some("Read"));
    find["Catch"] = json!([{"ErrorEquals": ["Label.Refused"], "Next": "Read"}]);
    find["TimeoutSeconds"] = 7.into();
    let states = json!({"StartAt": "Find", "States": {"Find": find, "Read": task(None)}});
    let definition = compose(&trunk(), &[with_states(states)]).unwrap();
    let find = &items(&definition)["ocr/Find"];
    assert_eq!(find["Catch"][0]["Next"], "ocr/Read");
    assert_eq!(find["Catch"][1]["Next"], "ocr/Failed");
    assert_eq!(find["TimeoutSeconds"], 7);
}

#[test]
fn what_cannot_be_composed_is_refused_with_its_place() {
    let flow = |states: Value| json!({"StartAt": "A", "States": states});
    let with = |field: &str, value: Value| {
        let mut task = task(None);
        task[field] = value;
        flow(json!({"A": task}))
    };
    let long = "n".repeat(77);
    let cases = [
        (json!([]), "must be an object"),
        (json!({"States": {}}), "StartAt"),
        (
            json!({"StartAt": "B", "States": {"A": task(None)}}),
            "no state 'B'",
        ),
        (
            json!({"StartAt": "A", "States": {"A": task(None)}, "TimeoutSeconds": 3}),
            "/TimeoutSeconds",
        ),
        (
            json!({"StartAt": "A", "States": {"A": task(None)}, "QueryLanguage": "JSONPath"}),
            "JSONata",
        ),
        (
            flow(json!({"A": task(Some("Failed")), "Failed": {"Type": "Pass", "End": true}})),
            "/States/Failed",
        ),
        (
            flow(json!({"A": task(Some(&long)), &long: {"Type": "Succeed"}})),
            "80 characters",
        ),
        (flow(json!({"A": task(Some("Elsewhere"))})), "ocr/Elsewhere"),
        (flow(json!({"A": task(Some("Complete"))})), "ocr/Complete"),
        (
            with("Resource", json!("arn:aws:states:::sqs:sendMessage")),
            "/States/A/Resource",
        ),
        (
            with("Arguments", json!({"FunctionName": "safelight-fail"})),
            "FunctionName",
        ),
        (with("Retry", json!("@standrad")), "@standrad"),
        (
            with("Retry", json!([{"ErrorEquals": ["Nobody.RaisesThis"]}])),
            "Nobody.RaisesThis",
        ),
        (with("Catch", json!("all")), "must be an array"),
        (with("Colour", json!("blue")), "Colour"),
        (with("Output", json!("{% 1 + %}")), "JSONata"),
        (
            flow(json!({
                "A": {"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "B"}]},
                "B": {"Type": "Succeed"}
            })),
            "Default",
        ),
    ];
    for (states, words) in cases {
        let error = compose(&trunk(), &[with_states(states)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "'{words}' is not in: {error}");
    }
}

#[test]
fn a_name_of_80_characters_is_the_longest() {
    let fits = "n".repeat(80 - "ocr/".len());
    let states = json!({"StartAt": fits, "States": {&fits: task(None)}});
    let definition = compose(&trunk(), &[with_states(states)]).unwrap();
    assert!(items(&definition).contains_key(&format!("ocr/{fits}")));
}

#[test]
fn two_branches_of_one_name_and_reserved_names_are_refused() {
    let error = compose(&trunk(), &[branch("a"), branch("a")]).unwrap_err();
    assert!(error.to_string().contains("'a'"), "{error}");
    let error = compose(&trunk(), &[branch("validate")]).unwrap_err();
    assert!(error.to_string().contains("validate"), "{error}");
    let error = compose(&trunk(), &[branch("Not-A-Name")]).unwrap_err();
    assert!(error.to_string().contains("Not-A-Name"), "{error}");
}

#[test]
fn a_rule_cannot_smuggle_an_expression_into_the_workflow() {
    for text in ["{% $facts %}", "@branches"] {
        let mut folder = branch("a");
        folder.manifest.when.key_prefixes = Some(vec!["photos/".into(), text.into()]);
        let error = compose(&trunk(), &[folder]).unwrap_err().to_string();
        assert!(error.contains("'a'") && error.contains(text), "{error}");
    }
}

#[test]
fn a_trunk_without_a_dispatch_is_refused() {
    let error = compose(&json!({"StartAt": "A", "States": {}}), &[])
        .unwrap_err()
        .to_string();
    assert!(error.contains("@dispatch"), "{error}");
    let mut trunk = trunk();
    trunk["States"]["Route"]["Retry"] = "@nonsense".into();
    let error = compose(&trunk, &[]).unwrap_err().to_string();
    assert!(
        error.contains("/States/Route/Retry") && error.contains("@nonsense"),
        "{error}"
    );
}

fn any_when() -> impl Strategy<Value = When> {
    (
        proptest::option::of(proptest::sample::subsequence(Format::ALL.to_vec(), 1..=12)),
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<u32>()),
        proptest::option::of(0.0..1e6),
        proptest::option::of(proptest::collection::vec("[^{@].{0,20}", 0..3)),
    )
        .prop_map(
            |(formats, max_bytes, min_side, max_megapixels, key_prefixes)| When {
                formats,
                max_bytes,
                min_side,
                max_megapixels,
                key_prefixes,
                ..When::default()
            },
        )
}

prop_compose! {
    fn any_manifest()(
        name in "[a-z][a-z0-9]{0,15}x(-[a-z0-9]{1,10})?",
        version in "[0-9a-z.+]{1,32}",
        description in ".{0,60}",
        when in any_when(),
        memory_mb in 128..=10_240_u32,
        timeout_seconds in 1..=900_u32,
    ) -> Manifest {
        Manifest { version, description, when, memory_mb, timeout_seconds, ..manifest(&name) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Invariant 2: `compose` refuses what is not valid, so that it answers at all is the property.
    #[test]
    fn any_manifests_compose_to_a_valid_definition(
        manifests in proptest::collection::vec(any_manifest(), 0..40)
    ) {
        let mut folders: Vec<BranchFolder> = Vec::new();
        for manifest in manifests {
            if folders.iter().all(|folder| folder.name() != manifest.name) {
                folders.push(BranchFolder::of(manifest));
            }
        }
        let definition = compose(&trunk(), &folders).unwrap();
        prop_assert!(safelight_asl::StateMachine::parse(&render(&definition)).is_ok());
        let choices = items(&definition)["Dispatch"]["Choices"].as_array().map_or(0, Vec::len);
        prop_assert_eq!(choices, folders.len());
    }
}
