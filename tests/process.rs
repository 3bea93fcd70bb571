//! `safelight process`, as a script sees it.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;
use support::{Place, jpeg, png};

#[test]
fn an_image_goes_through_every_branch() {
    let place = Place::new();
    place.write("photos/a.jpg", jpeg(120, 80, 1));
    let answer = place.run(&["process", "photos", "--json"]).expect(0);
    let line = &answer.lines()[0];
    assert_eq!(line["image"], "photos/a.jpg");
    assert_eq!(line["outcome"], "succeeded");
    assert_eq!(
        (&line["format"], &line["width"], &line["height"]),
        (&"jpeg".into(), &120.into(), &80.into())
    );
    assert_eq!(line["error"], Value::Null);
    let branches = line["branches"].as_object().unwrap();
    assert_eq!(
        branches.keys().collect::<Vec<_>>(),
        ["compress", "label", "thumbnail"]
    );
    for branch in branches.values() {
        assert_eq!(branch["outcome"], "succeeded");
        for output in branch["outputs"].as_array().unwrap() {
            assert!(place.join(output.as_str().unwrap()).is_file(), "{output}");
        }
    }
    let thumbnail =
        image::open(place.join("results/thumbnail/photos/a.jpg/thumbnail.jpg")).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (60, 40));
    let labels = std::fs::read(place.join("results/label/photos/a.jpg/labels.json")).unwrap();
    let labels: Value = serde_json::from_slice(&labels).unwrap();
    assert!(labels["Labels"].is_array() && labels["ImageProperties"].is_object());
    assert!(labels["LabelModelVersion"].is_string());
}

#[test]
fn any_file_ends_in_an_outcome_with_a_named_error() {
    let place = Place::new();
    place.write("in/empty.png", b"");
    place.write(
        "in/text.jpg",
        b"this is not an image, whatever its name says\n",
    );
    place.write("in/noise", [0x5a; 4096]);
    let mut cut = png(64, 64, 3);
    cut.truncate(20);
    place.write("in/cut.png", cut);
    place.write("in/한글 사진 +100%.png", png(8, 8, 4));
    let answer = place.run(&["process", "in", "--json"]).expect(3);
    let lines = answer.by_image();
    let error = |image: &str| {
        lines[image]["error"]["name"]
            .as_str()
            .unwrap_or("")
            .to_owned()
    };
    assert_eq!(error("in/empty.png"), "Image.Empty");
    assert_eq!(error("in/text.jpg"), "Image.Unsupported");
    assert_eq!(error("in/noise"), "Image.Unsupported");
    assert_eq!(error("in/cut.png"), "Image.TruncatedHeader");
    assert_eq!(lines["in/한글 사진 +100%.png"]["outcome"], "succeeded");
    for image in ["in/empty.png", "in/text.jpg", "in/noise", "in/cut.png"] {
        assert_eq!(lines[image]["outcome"], "rejected", "{image}");
        assert!(!lines[image]["error"]["cause"].as_str().unwrap().is_empty());
    }
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn a_finished_folder_is_unchanged_until_again() {
    let place = Place::new();
    place.write("in/a.png", png(20, 20, 1));
    place.write("in/b.txt", b"no image");
    place.run(&["process", "in", "--json"]).expect(3);
    // What had not succeeded has not yet.
    let second = place.run(&["process", "in", "--json"]).expect(3);
    assert!(
        second
            .lines()
            .iter()
            .all(|line| line["outcome"] == "unchanged"),
        "{}",
        second.stdout
    );
    let again = place.run(&["process", "in", "--again", "--json"]).expect(3);
    assert_eq!(again.by_image()["in/a.png"]["outcome"], "succeeded");
    // A changed file is another version.
    place.write("in/a.png", png(22, 22, 2));
    let changed = place.run(&["process", "in", "--json"]).expect(3);
    assert_eq!(changed.by_image()["in/a.png"]["outcome"], "succeeded");
    assert_eq!(changed.by_image()["in/b.txt"]["outcome"], "unchanged");
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn two_runs_in_one_second_are_two_executions() {
    let place = Place::new();
    place.write("a.png", png(12, 12, 1));
    place.run(&["process", "a.png"]).expect(0);
    let mut executions = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let again = place
            .run(&["process", "a.png", "--again", "--json"])
            .expect(0);
        executions.insert(again.lines()[0]["execution"].as_str().unwrap().to_owned());
    }
    assert_eq!(executions.len(), 3, "{executions:?}");
    let verified = place.run(&["audit", "verify", "--json"]).expect(0).lines();
    assert_eq!(verified[0]["executions"], 4);
}

#[test]
fn equal_names_in_two_folders_are_two_images() {
    let (place, left, right) = (Place::new(), Place::new(), Place::new());
    let left = left.write("x/a.png", png(20, 20, 1));
    let right = right.write("x/a.png", png(30, 30, 2));
    let (left, right) = (left.to_str().unwrap(), right.to_str().unwrap());
    let answer = place.run(&["process", left, right, "--json"]);
    assert_eq!(answer.lines().len(), 2);
    let outputs: Vec<String> = answer
        .lines()
        .iter()
        .flat_map(|line| {
            line["branches"]["thumbnail"]["outputs"]
                .as_array()
                .cloned()
                .unwrap_or_default()
        })
        .map(|output| output.as_str().unwrap().to_owned())
        .collect();
    assert!(outputs[0] != outputs[1]);
}

#[test]
fn out_and_state_go_where_they_are_told() {
    let place = Place::new();
    place.write("a.png", png(20, 20, 1));
    place
        .run(&["process", "a.png", "--out", "o", "--state-dir", "s"])
        .expect(0);
    assert!(place.join("o/thumbnail/a.png/thumbnail.png").is_file());
    assert!(place.join("s/safelight.db").is_file());
    assert!(!place.join("results").exists() && !place.join(".safelight").exists());
}

#[test]
fn mistakes_are_said_with_their_codes() {
    let place = Place::new();
    assert!(place.run(&["process"]).expect(2).stderr.contains("PATH"));
    assert!(
        place
            .run(&["process", "nothing-there"])
            .expect(1)
            .stderr
            .contains("next:")
    );
    place.run(&["no-such-command"]).expect(2);
    place.write("safelight.toml", "unknown_key = 1");
    place.write("a.png", png(4, 4, 1));
    assert!(
        place
            .run(&["process", "a.png"])
            .expect(1)
            .stderr
            .contains("unknown_key")
    );
}

#[test]
fn the_table_says_what_a_person_wants_to_know() {
    let place = Place::new();
    place.write("in/a.png", png(20, 20, 1));
    place.write("in/b.jpg", b"no image");
    let answer = place.run(&["process", "in"]).expect(3);
    for text in [
        "in/a.png",
        "png 20×20",
        "succeeded",
        "rejected: Image.Unsupported",
        "2 images",
        "results",
        ".safelight",
    ] {
        assert!(
            answer.stdout.contains(text),
            "{text} is not in\n{}",
            answer.stdout
        );
    }
    assert!(
        !answer.stdout.contains('\u{1b}'),
        "no colours where there is no terminal"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_no_file_is_named_or_left_out_and_counted() {
    let place = Place::new();
    place.write("in/a.png", png(20, 20, 1));
    place.write("in/.hidden.png", png(20, 20, 1));
    let _socket = std::os::unix::net::UnixListener::bind(place.join("in/socket.png")).unwrap();
    let run = place.run(&["process", "in", "--json"]).expect(0);
    assert_eq!(run.by_image().len(), 1);
    let told = "left out: 1 hidden name, 1 device, pipe or socket";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    // What is asked for by its name has an outcome and a record.
    for named in ["in/socket.png", "/dev/zero"] {
        let line = &place.run(&["process", named, "--json"]).expect(3).lines()[0];
        assert_eq!(line["error"]["name"], "Objects.Forbidden", "{line}");
        let cause = line["error"]["cause"].as_str().unwrap();
        assert!(cause.contains("a device, a pipe or a socket"), "{line}");
        place
            .run(&["history", line["execution"].as_str().unwrap()])
            .expect(0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_unicode_and_a_link_to_nowhere_end_in_the_record() {
    use std::os::unix::ffi::OsStrExt as _;
    let place = Place::new();
    place.write("in/.keep", b"");
    let odd = std::ffi::OsStr::from_bytes(b"a\xff.png");
    std::fs::write(place.join("in").join(odd), png(20, 20, 1)).unwrap();
    std::os::unix::fs::symlink("nowhere", place.join("in/link.png")).unwrap();
    let answer = place.run(&["process", "in", "--json"]).expect(3).by_image();
    let named = &answer["in/a\u{fffd}FF.png"];
    assert_eq!(named["outcome"], "succeeded");
    let labels = named["branches"]["label"]["outputs"][0].as_str().unwrap();
    assert!(place.join(labels).exists(), "{labels}");
    assert_eq!(answer["in/link.png"]["error"]["name"], "Image.NotFound");
    for image in ["in/a\u{fffd}FF.png", "in/link.png"] {
        place.run(&["history", image]).expect(0);
    }
    let again = place.run(&["process", "in", "--json"]).by_image();
    assert_eq!(again["in/a\u{fffd}FF.png"]["outcome"], "unchanged");
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn a_line_is_printed_when_its_image_ends_and_not_when_all_have() {
    let place = Place::new();
    place.write("in/a.png", png(20, 20, 1));
    place.write("in/note.txt", b"not an image");
    // Its function waits for a file, which is written when the other image's line was read.
    place.write(".safelight/faults/label", "wait\n");
    let mut process = place
        .command(&["process", "in", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let first = next();
    assert_eq!(
        (&first["image"], &first["outcome"]),
        (&"in/note.txt".into(), &"rejected".into())
    );
    place.write(".safelight/faults/label.go", b"");
    let second = next();
    assert_eq!(
        (&second["image"], &second["outcome"]),
        (&"in/a.png".into(), &"succeeded".into())
    );
    assert_eq!(process.wait().unwrap().code(), Some(3));
}
