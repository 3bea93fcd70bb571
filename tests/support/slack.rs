//! A Slack of loopback: takes what the documented limits allow, and refuses the rest.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// How the next request is answered, whatever it says.
pub enum SlackAnswer {
    /// 429 with this many seconds.
    RetryAfter(u32),
}

#[derive(Default)]
struct State {
    messages: Vec<Value>,
    refused: usize,
    next: VecDeque<SlackAnswer>,
}

/// The server; its thread ends with the test's process.
pub struct Slack {
    address: String,
    state: Arc<Mutex<State>>,
}

impl Slack {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(&stream, &shared);
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("http://{}/services/T0/B0/X", self.address)
    }

    pub fn messages(&self) -> Vec<Value> {
        self.state.lock().unwrap().messages.clone()
    }

    pub fn refused(&self) -> usize {
        self.state.lock().unwrap().refused
    }

    pub fn answer_next(&self, answer: SlackAnswer) {
        self.state.lock().unwrap().next.push_back(answer);
    }
}

fn serve(mut stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let mut state = state.lock().unwrap();
    let (status, head, text) = match state.next.pop_front() {
        Some(SlackAnswer::RetryAfter(seconds)) => {
            state.refused += 1;
            (
                "429 Too Many Requests",
                format!("Retry-After: {seconds}\r\n"),
                "rate_limited",
            )
        }
        None => match check(&body) {
            Ok(message) => {
                state.messages.push(message);
                ("200 OK", String::new(), "ok")
            }
            Err(problem) => {
                state.refused += 1;
                ("400 Bad Request", String::new(), problem)
            }
        },
    };
    drop(state);
    let length = text.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    );
}

/// Slack's documented limits: a top-level text, 50 blocks, 3,000 characters a text, no mention.
fn check(body: &[u8]) -> Result<Value, &'static str> {
    let message: Value = serde_json::from_slice(body).map_err(|_| "invalid_payload")?;
    if message["text"].as_str().is_none_or(str::is_empty) {
        return Err("no_text");
    }
    if message["blocks"]
        .as_array()
        .is_some_and(|blocks| blocks.len() > 50)
    {
        return Err("invalid_blocks");
    }
    let mut texts = Vec::new();
    collect(&message, &mut texts);
    if texts.iter().any(|text| text.chars().count() > 3000) {
        return Err("msg_too_long");
    }
    if texts.iter().any(|text| {
        ["<!", "<@", "<#"]
            .iter()
            .any(|mention| text.contains(mention))
    }) {
        return Err("mention");
    }
    Ok(message)
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
