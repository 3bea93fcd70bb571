//! `safelight audit verify` finds each kind of damage, made behind its back; and every state of the
//! engine's history is in the record.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{Place, png};

/// A place in which one image succeeded and one was rejected.
fn recorded() -> (Place, String) {
    let place = Place::new();
    place.write("a.png", png(20, 20, 1));
    place.write("b.png", b"no image");
    let answer = place
        .run(&["process", "a.png", "b.png", "--json"])
        .expect(3);
    place.run(&["audit", "verify"]).expect(0);
    let execution = answer.by_image()["a.png"]["execution"]
        .as_str()
        .unwrap()
        .to_owned();
    (place, execution)
}

/// Damages the record by SQL (`?1` is the execution's partition key) and says what is found.
fn found_after(sql: &str) -> Vec<(String, String)> {
    let (place, execution) = recorded();
    let changed = place
        .database()
        .execute(sql, [format!("X#{execution}")])
        .unwrap();
    assert!(changed > 0, "the damage did not happen: {sql}");
    findings(&place, &execution)
}

fn findings(place: &Place, execution: &str) -> Vec<(String, String)> {
    let answer = place.run(&["audit", "verify", "--json"]).expect(4);
    let document = &answer.lines()[0];
    let damage = document["damage"].as_array().unwrap();
    assert!(
        damage.iter().all(|damage| damage["execution"] == execution),
        "{damage:?}"
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    damage
        .iter()
        .map(|damage| (text(&damage["kind"]), text(&damage["item"])))
        .collect()
}

fn one(kind: &str, item: &str) -> Vec<(String, String)> {
    vec![(kind.to_owned(), item.to_owned())]
}

#[test]
fn an_altered_event_is_found() {
    let found = found_after(
        "UPDATE items SET body = replace(body, '\"png\"', '\"gif\"') WHERE pk = ?1 AND body LIKE '%image.validated%'",
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "altered");
    assert!(found[0].1.starts_with("E#trunk#"), "{found:?}");
}

#[test]
fn an_unreadable_event_is_found() {
    let found =
        found_after("UPDATE items SET body = '{' WHERE pk = ?1 AND sk = 'E#trunk#0000000003'");
    assert_eq!(
        found[0],
        ("altered".to_owned(), "E#trunk#0000000003".to_owned())
    );
}

#[test]
fn a_field_added_to_an_item_is_found() {
    for item in ["E#trunk#0000000003", "Z#0000", "H"] {
        let found = found_after(&format!(
            "UPDATE items SET body = json_insert(body, '$.note', 'paid') WHERE pk = ?1 AND sk = '{item}'"
        ));
        assert_eq!(found, one("altered", item));
    }
}

#[test]
fn a_missing_event_is_found() {
    let found = found_after("DELETE FROM items WHERE pk = ?1 AND sk = 'E#trunk#0000000003'");
    assert_eq!(found, one("missing", "E#trunk#0000000003"));
}

#[test]
fn a_truncated_lane_is_found() {
    let found = found_after(
        "DELETE FROM items WHERE pk = ?1 AND sk = (SELECT max(sk) FROM items WHERE pk = ?1 AND sk LIKE 'E#trunk#%')",
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, "truncated");
}

#[test]
fn an_absent_lane_is_found() {
    let found = found_after("DELETE FROM items WHERE pk = ?1 AND sk LIKE 'E#b.label#%'");
    assert_eq!(found, one("absent", "E#b.label#0000000001"));
}

#[test]
fn an_event_moved_to_another_place_is_found() {
    let found = found_after(
        "UPDATE items SET sk = 'E#trunk#0000000099'
         WHERE pk = ?1 AND sk = (SELECT max(sk) FROM items WHERE pk = ?1 AND sk LIKE 'E#trunk#%')",
    );
    assert_eq!(found.len(), 1);
}

#[test]
fn an_absent_seal_is_found() {
    assert_eq!(
        found_after("DELETE FROM items WHERE pk = ?1 AND sk LIKE 'Z#%'"),
        one("absent", "Z#0000")
    );
}

#[test]
fn an_altered_seal_is_found() {
    let found = found_after(
        "UPDATE items SET body = replace(body, '\"seq\":1', '\"seq\":2') WHERE pk = ?1 AND sk LIKE 'Z#%'",
    );
    assert_eq!(found, one("altered", "Z#0000"));
}

#[test]
fn an_absent_or_altered_header_is_found() {
    assert_eq!(
        found_after("DELETE FROM items WHERE pk = ?1 AND sk = 'H'"),
        one("absent", "H")
    );
    let found = found_after(
        "UPDATE items SET body = replace(body, 'a.png', 'c.png') WHERE pk = ?1 AND sk = 'H'",
    );
    assert_eq!(found, one("altered", "H"));
}

#[test]
fn a_wholly_removed_execution_is_found() {
    let found = found_after("DELETE FROM items WHERE pk = ?1");
    assert_eq!(found, one("absent", "H"));
}

#[test]
fn a_forked_lane_is_found() {
    // Two events of one lane change places, each with its own hash intact.
    let (place, execution) = recorded();
    let database = place.database();
    let pk = format!("X#{execution}");
    let (other,): (String,) = {
        let mut select = database
            .prepare("SELECT pk FROM items WHERE pk <> ?1 AND sk = 'E#trunk#0000000001'")
            .unwrap();
        (select.query_row([&pk], |row| row.get(0)).unwrap(),)
    };
    // An event of another execution in the place of ours.
    database
        .execute(
            "UPDATE items SET body = (SELECT body FROM items WHERE pk = ?2 AND sk = 'E#trunk#0000000001')
             WHERE pk = ?1 AND sk = 'E#trunk#0000000001'",
            [&pk, &other],
        )
        .unwrap();
    let found = findings(&place, &execution);
    assert!(
        matches!(found[0].0.as_str(), "forked" | "altered"),
        "{found:?}"
    );
}

#[test]
fn an_absent_and_an_altered_archive_are_found() {
    for alter in [false, true] {
        let (place, execution) = recorded();
        let history = place.run(&["history", &execution, "--json"]).expect(0);
        let document = &history.lines()[0];
        let archived = document["events"].as_array().unwrap().iter();
        let archived = archived
            .filter(|event| event["type"] == "history.archived.v1")
            .collect::<Vec<_>>();
        let key = archived[0]["data"]["archive"]["key"].as_str().unwrap();
        let file = place.join(".safelight/objects").join(key);
        if alter {
            std::fs::write(&file, b"{}").unwrap();
        } else {
            std::fs::remove_file(&file).unwrap();
        }
        let found = findings(&place, &execution);
        assert_eq!(found[0].0, if alter { "altered" } else { "absent" });
        assert!(found[0].1.starts_with("E#h#"));
    }
}

#[test]
fn every_state_of_the_engines_history_is_in_the_record() {
    let (place, _) = recorded();
    for image in ["a.png", "b.png"] {
        let history = place.run(&["history", image, "--json"]).expect(0);
        let document = &history.lines()[0];
        let events = document["events"].as_array().unwrap();
        let archived = events
            .iter()
            .find(|event| event["type"] == "history.archived.v1")
            .unwrap();
        let key = archived["data"]["archive"]["key"].as_str().unwrap();
        let archive: Value = serde_json::from_slice(
            &std::fs::read(place.join(".safelight/objects").join(key)).unwrap(),
        )
        .unwrap();
        let entered: Vec<String> = history_events(&archive)
            .iter()
            .filter_map(|event| {
                event["stateEnteredEventDetails"]["name"]
                    .as_str()
                    .map(str::to_owned)
            })
            .collect();
        let states = archived["data"]["states"].as_array().unwrap();
        let recorded: Vec<&str> = states
            .iter()
            .map(|state| state["state"].as_str().unwrap())
            .collect();
        assert_eq!(recorded, entered, "{image}");
        // Every Task is there with events of its own, too.
        let tasks: BTreeSet<&str> = states
            .iter()
            .filter(|state| state["kind"] == "Task")
            .map(|state| state["state"].as_str().unwrap())
            .collect();
        let told: BTreeSet<&str> = events
            .iter()
            .filter_map(|event| event["state"].as_str())
            .collect();
        assert!(
            !tasks.is_empty() && tasks.is_subset(&told),
            "{tasks:?} {told:?}"
        );
        assert_eq!(archived["data"]["events"], history_events(&archive).len());
    }
}

fn history_events(archive: &Value) -> Vec<Value> {
    archive["events"]
        .as_array()
        .or(archive.as_array())
        .unwrap()
        .clone()
}

#[test]
fn a_database_that_cannot_be_read_does_not_verify_and_says_what_helps() {
    let (place, _) = recorded();
    std::fs::write(
        place.join(".safelight/safelight.db"),
        "no database".repeat(1_000),
    )
    .unwrap();
    let answer = place.run(&["audit", "verify", "--json"]).expect(4);
    assert_eq!(answer.lines()[0]["damage"][0]["item"], "safelight.db");
    let others = [
        answer.stderr,
        place.run(&["history", "a.png"]).expect(1).stderr,
        place.run(&["process", "a.png"]).expect(1).stderr,
        place.run(&["doctor"]).expect(1).stdout,
    ];
    for said in others {
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("restore .safelight/safelight.db"), "{said}");
    }
}
