//! `safelight serve`: watched folders, uploads, the Step Functions API, an end in order.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Place, png};

/// A running `serve`, ended with the test.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        Self::start_with(place, arguments, &[])
    }

    fn start_with(place: &Place, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let mut command = place.command(&all);
        command
            .envs(environment.iter().copied())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first
            .rsplit_once("http://")
            .unwrap_or_else(|| panic!("{first}"))
            .1
            .to_owned();
        // The rest is read so that the pipe never fills.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status()
            .unwrap();
        assert!(status.success());
    }

    fn ended(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    fn request(&self, head: &str, body: &[u8]) -> (u16, Value) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let host = &self.address;
        write!(
            stream,
            "{head}Host: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        // A server that refuses may close before it has read everything.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    fn put(&self, path: &str, body: &[u8]) -> (u16, Value) {
        self.request(&format!("PUT {path} HTTP/1.1\r\n"), body)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition, not for a time.
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::yield_now();
    }
}

fn labelled(place: &Place, key: &str) -> bool {
    place
        .join(format!("results/label/{key}/labels.json"))
        .exists()
}

fn closed(place: &Place, image: &str) -> bool {
    let answer = place.run(&["history", image, "--json"]);
    answer.code == 0 && answer.lines()[0]["summary"]["outcome"] == "succeeded"
}

#[test]
fn a_file_that_appears_is_processed_and_sigterm_ends_in_order() {
    let place = Place::new();
    place.write("photos/before.png", png(20, 20, 1));
    let mut server = Server::start(&place, &["--watch", "photos"]);
    place.write("photos/sub/한글 +.png", png(20, 20, 2));
    place.write("photos/.hidden.png", png(20, 20, 3));
    until("the first image", || closed(&place, "photos/before.png"));
    until("the second image", || {
        closed(&place, "photos/sub/한글 +.png")
    });
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    assert!(labelled(&place, "before.png") && labelled(&place, "sub/한글 +.png"));
    assert!(!labelled(&place, ".hidden.png"));
    place.run(&["audit", "verify"]).expect(0);
}

/// Another process that has a file open for writing until it is let go.
struct Writer {
    child: Child,
    input: Option<ChildStdin>,
}

impl Writer {
    /// Opens the file and writes the beginning.
    fn begin(path: &Path, bytes: &[u8]) -> Self {
        let mut child = std::process::Command::new("sh")
            .args(["-c", r#"cat > "$0""#])
            .arg(path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(bytes).unwrap();
        let length = bytes.len() as u64;
        until("the first half", || {
            std::fs::metadata(path).is_ok_and(|file| file.len() == length)
        });
        Self {
            child,
            input: Some(input),
        }
    }

    /// Writes the rest and closes the file.
    fn end(mut self, bytes: &[u8]) {
        self.input.take().unwrap().write_all(bytes).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

/// Only Linux says who has a file open.
#[cfg(target_os = "linux")]
#[test]
fn a_file_is_left_alone_while_another_process_writes_it() {
    let place = Place::new();
    place.write("photos/.keep", b"");
    let (here, moved) = (png(40, 40, 1), png(40, 40, 2));
    let (here_half, here_rest) = here.split_at(here.len() / 2);
    let (moved_half, moved_rest) = moved.split_at(moved.len() / 2);
    // One that is there at the start, one that is moved into the folder while it is open.
    let first = Writer::begin(&place.join("photos/here.png"), here_half);
    let second = Writer::begin(&place.join("elsewhere.png"), moved_half);
    let _server = Server::start(&place, &["--watch", "photos"]);
    std::fs::rename(place.join("elsewhere.png"), place.join("photos/moved.png")).unwrap();
    // Each of these is taken after two looks at least, at the other two as well.
    for look in 0..3 {
        let image = format!("photos/look-{look}.png");
        place.write(&image, png(20, 20, look));
        until("the look", || closed(&place, &image));
    }
    for image in ["photos/here.png", "photos/moved.png"] {
        let answer = place.run(&["history", image]).expect(1);
        assert!(
            answer.stderr.contains("nothing is recorded"),
            "{}",
            answer.stderr
        );
    }
    first.end(here_rest);
    second.end(moved_rest);
    for image in ["photos/here.png", "photos/moved.png"] {
        until("the whole image", || closed(&place, image));
        let all = place.run(&["history", image, "--all", "--json"]).expect(0);
        assert_eq!(all.lines().len(), 1, "it was taken once");
    }
}

#[test]
fn an_execution_that_is_stopped_is_closed_at_once_and_its_function_writes_no_more() {
    let place = Place::new();
    place.write(".safelight/faults/label", "wait\n");
    place.write("photos/a.png", png(20, 20, 1));
    let mut server = Server::start(&place, &["--watch", "photos"]);
    let fault = place.join(".safelight/faults/label");
    until("the call of label", || {
        std::fs::read_to_string(&fault).unwrap().is_empty()
    });
    let history = || place.run(&["history", "photos/a.png", "--json"]).lines()[0].clone();
    let events = history()["events"].clone();
    let started = events.as_array().unwrap().iter();
    let mut started = started.map(|event| &event["data"]["execution_arn"]);
    let arn = started.find_map(Value::as_str).unwrap().to_owned();
    let stop = "X-Amz-Target: AWSStepFunctions.StopExecution\r\nContent-Type: application/x-amz-json-1.0\r\n";
    let (status, answer) = server.request(
        &format!("POST / HTTP/1.1\r\n{stop}"),
        serde_json::json!({ "executionArn": arn })
            .to_string()
            .as_bytes(),
    );
    assert_eq!(status, 200, "{answer}");
    // Long before the function's own timeout.
    until("its end in the record", || {
        history()["summary"]["outcome"] == "failed"
    });
    let sealed = history();
    let events = sealed["events"].as_array().unwrap().iter();
    let ends: Vec<&Value> = events.filter(|event| event["lane"] == "op").collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0]["type"], "execution.aborted.v1");
    // What would be written now would be under no seal.
    place.write(".safelight/faults/label.go", b"");
    place.write("photos/b.png", png(20, 20, 2));
    until("another image", || closed(&place, "photos/b.png"));
    assert_eq!(history()["events"], sealed["events"]);
    assert!(!labelled(&place, "a.png"));
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    place.run(&["audit", "verify"]).expect(0);
}

#[test]
fn an_upload_is_kept_and_processed() {
    let place = Place::new();
    place.write("safelight.toml", "[serve]\nmax_upload_bytes = 100000\n[serve.buckets.uploads]\npath = \"up\"\nwatch = false\n");
    let server = Server::start(&place, &[]);
    let (status, answer) = server.put("/uploads/a%20b/%ED%95%9C+.png", &png(20, 20, 1));
    assert_eq!(status, 201, "{answer}");
    assert_eq!(answer["key"], "a b/한+.png");
    until("the upload", || closed(&place, "uploads/a b/한+.png"));
    assert_eq!(server.put("/nowhere/a.png", b"x").0, 404);
    // A page of another site, in its visitor's browser.
    let foreign = "PUT /uploads/b.png HTTP/1.1\r\nOrigin: http://elsewhere.example\r\n";
    assert_eq!(server.request(foreign, b"x").0, 403);
    assert_eq!(server.put("/uploads/../a.png", b"x").0, 400);
    assert_eq!(server.put("/uploads/%2e%2e/a.png", b"x").0, 400);
    let long = format!("/uploads/{}.png", "a".repeat(252));
    let (status, answer) = server.put(&long, b"x");
    assert_eq!(
        (status, &answer["error"]["name"]),
        (400, &"InvalidKey".into())
    );
    // Who asks before sending is answered without having sent.
    let mut asking = TcpStream::connect(&server.address).unwrap();
    let host = &server.address;
    let head =
        "PUT /uploads/huge.png HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10000000000";
    write!(asking, "{head}\r\nHost: {host}\r\n\r\n").unwrap();
    let mut first = String::new();
    BufReader::new(asking).read_line(&mut first).unwrap();
    assert!(first.starts_with("HTTP/1.1 413"), "{first}");
    let (status, answer) = server.put("/uploads/large.png", &vec![0; 100_001]);
    assert_eq!(status, 413, "{answer}");
    assert!(!place.join("up/large.png").exists());
    assert!(
        only_files(&place.join("up")),
        "no part of an upload is left"
    );
}

fn only_files(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().all(|entry| {
        !entry
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".upload-")
    })
}

#[test]
fn sigkill_loses_nothing() {
    let place = Place::new();
    for seed in 0..12 {
        place.write(&format!("photos/{seed}.png"), png(60, 60, seed));
    }
    let mut server = Server::start(&place, &["--watch", "photos"]);
    until("the first result", || {
        (0..12).any(|seed| labelled(&place, &format!("{seed}.png")))
    });
    server.signal("KILL");
    server.ended();
    let mut server = Server::start(&place, &["--watch", "photos"]);
    for seed in 0..12 {
        until("every image", || {
            closed(&place, &format!("photos/{seed}.png"))
        });
    }
    server.signal("TERM");
    assert_eq!(server.ended(), 0);
    let verified = place.run(&["audit", "verify", "--json"]).expect(0).lines();
    assert_eq!(verified[0]["executions"], 12);
}

#[test]
fn listening_beyond_loopback_needs_a_token_and_the_token_is_asked_for() {
    let place = Place::new();
    let missing = place
        .run(&["serve", "--listen", "127.0.0.1:0", "--watch", "photos"])
        .expect(1);
    assert!(
        missing.stderr.contains("photos is not a folder"),
        "{}",
        missing.stderr
    );
    assert!(!place.join("photos").exists());
    place.write("photos/.keep", b"");
    let refused = place
        .run(&["serve", "--listen", "0.0.0.0:0", "--watch", "photos"])
        .expect(1);
    assert!(
        refused.stderr.contains("SAFELIGHT_TOKEN"),
        "{}",
        refused.stderr
    );
    let server = Server::start_with(
        &place,
        &["--watch", "photos"],
        &[("SAFELIGHT_TOKEN", "hush-hush")],
    );
    assert_eq!(server.put("/photos/a.png", &png(8, 8, 1)).0, 401);
    let list = "X-Amz-Target: AWSStepFunctions.ListStateMachines\r\nContent-Type: application/x-amz-json-1.0\r\n";
    let (status, _) = server.request(&format!("POST / HTTP/1.1\r\n{list}"), b"{}");
    assert!(matches!(status, 400 | 401 | 403), "{status}");
    let (status, answer) = server.request(
        &format!("POST / HTTP/1.1\r\n{list}Authorization: Bearer hush-hush\r\n"),
        b"{}",
    );
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["stateMachines"][0]["name"], "safelight-image");
}

#[test]
fn a_second_owner_is_told_who_the_first_is() {
    let place = Place::new();
    place.write("photos/.keep", b"");
    let server = Server::start(&place, &["--watch", "photos"]);
    place.write("a.png", png(8, 8, 1));
    let refused = place.run(&["process", "a.png"]).expect(1);
    assert!(
        refused.stderr.contains(&server.child.id().to_string()),
        "{}",
        refused.stderr
    );
    // Reading works beside it.
    place.run(&["doctor"]).expect(0);
    place.run(&["failures", "list"]).expect(0);
}
