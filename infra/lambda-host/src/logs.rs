//! What a worker writes to its standard output and error: to tracing line by line, the last lines kept.
//!
//! The text is untrusted: lines are cut at a length, and control characters, which could steer a
//! terminal, become spaces.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;

/// Longest line that is passed on, in bytes.
const MAX_LINE_BYTES: usize = 8 * 1024;
/// How many lines an error carries.
const TAIL_LINES: usize = 16;
/// Longest line that an error carries, in characters.
const TAIL_LINE_CHARS: usize = 512;
/// How long the pipes of a worker that ended may stay open: a grandchild might hold them.
const SETTLE: Duration = Duration::from_secs(1);

/// The readers of one worker's pipes.
#[derive(Debug)]
pub(crate) struct Logs {
    kept: Arc<Kept>,
    readers: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Kept {
    tail: Mutex<VecDeque<String>>,
    allocation_failed: AtomicBool,
}

impl Logs {
    /// Reads both pipes until they close.
    pub(crate) fn follow(
        function: &Arc<str>,
        worker: u64,
        stdout: Option<impl AsyncRead + Unpin + Send + 'static>,
        stderr: Option<impl AsyncRead + Unpin + Send + 'static>,
    ) -> Self {
        let kept = Arc::default();
        let mut readers = Vec::new();
        if let Some(pipe) = stdout {
            readers.push(read_pipe(pipe, function, worker, "stdout", &kept));
        }
        if let Some(pipe) = stderr {
            readers.push(read_pipe(pipe, function, worker, "stderr", &kept));
        }
        Self { kept, readers }
    }

    /// Waits until everything a worker that ended wrote has been read.
    pub(crate) async fn settle(&mut self) {
        let deadline = tokio::time::Instant::now() + SETTLE;
        for mut reader in self.readers.drain(..) {
            if tokio::time::timeout_at(deadline, &mut reader)
                .await
                .is_err()
            {
                reader.abort();
            }
        }
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> Vec<String> {
        let tail = self
            .kept
            .tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        tail.iter().cloned().collect()
    }

    /// Whether the worker's language runtime said that an allocation failed. A backtrace may have pushed
    /// the line out of the tail.
    pub(crate) fn allocation_failed(&self) -> bool {
        self.kept.allocation_failed.load(Ordering::Relaxed)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

fn read_pipe(
    mut pipe: impl AsyncRead + Unpin + Send + 'static,
    function: &Arc<str>,
    worker: u64,
    stream: &'static str,
    kept: &Arc<Kept>,
) -> JoinHandle<()> {
    let function = Arc::clone(function);
    let kept = Arc::clone(kept);
    tokio::spawn(async move {
        let mut lines = Lines::default();
        let mut buffer = vec![0_u8; 4096];
        let mut emit = |line: String| {
            tracing::info!(
                target: "safelight::function",
                function = &*function,
                worker,
                stream,
                "{line}"
            );
            if reports_failed_allocation(&line) {
                kept.allocation_failed.store(true, Ordering::Relaxed);
            }
            let mut tail = kept.tail.lock().unwrap_or_else(PoisonError::into_inner);
            if tail.len() == TAIL_LINES {
                tail.pop_front();
            }
            tail.push_back(line.chars().take(TAIL_LINE_CHARS).collect());
        };
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            lines.push(buffer.get(..read).unwrap_or_default(), &mut emit);
        }
        lines.finish(&mut emit);
    })
}

/// What Rust's and C++'s runtimes write before they abort.
fn reports_failed_allocation(line: &str) -> bool {
    (line.starts_with("memory allocation of ") && line.contains(" bytes failed"))
        || line.contains("std::bad_alloc")
}

/// Cuts a stream into lines, dropping what a line has above the limit.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    cut: bool,
}

impl Lines {
    fn push(&mut self, bytes: &[u8], emit: &mut impl FnMut(String)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.extend(line);
            self.finish(emit);
            rest = after.get(1..).unwrap_or_default();
        }
        self.extend(rest);
    }

    fn extend(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES.saturating_sub(self.line.len());
        self.cut |= bytes.len() > room;
        self.line.extend(bytes.iter().take(room));
    }

    fn finish(&mut self, emit: &mut impl FnMut(String)) {
        let mut text: String = String::from_utf8_lossy(&self.line)
            .trim_end()
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect();
        if self.cut {
            text.push('…');
        }
        self.line.clear();
        self.cut = false;
        if !text.is_empty() {
            emit(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut emitted = Vec::new();
        let mut lines = Lines::default();
        let mut emit = |line| emitted.push(line);
        for chunk in chunks {
            lines.push(chunk, &mut emit);
        }
        lines.finish(&mut emit);
        emitted
    }

    #[test]
    fn lines_are_cut_wherever_the_chunks_end() {
        assert_eq!(
            lines(&[b"on", b"e\ntwo\r\n\n", b"three"]),
            ["one", "two", "three"]
        );
    }

    #[test]
    fn an_endless_line_is_bounded_and_the_next_one_whole() {
        let long = vec![b'x'; MAX_LINE_BYTES];
        let emitted = lines(&[&long, &long, b"\nnext\n"]);
        assert_eq!(emitted.len(), 2);
        assert_eq!(emitted[0].chars().count(), MAX_LINE_BYTES + 1);
        assert!(emitted[0].ends_with('…'));
        assert_eq!(emitted[1], "next");
    }

    #[test]
    fn control_characters_and_bad_text_cannot_reach_a_terminal() {
        assert_eq!(lines(&[b"a\x1b[31mb\xff\n"]), ["a [31mb\u{fffd}"]);
    }

    #[tokio::test]
    async fn the_last_lines_are_kept() {
        let text: String = (0..40)
            .flat_map(|line| ["line ".to_owned(), line.to_string(), "\n".to_owned()])
            .collect();
        let stdout = std::io::Cursor::new(text.into_bytes());
        let mut logs = Logs::follow(&Arc::from("f"), 1, Some(stdout), None::<tokio::io::Empty>);
        logs.settle().await;
        let tail = logs.tail();
        assert_eq!(tail.len(), TAIL_LINES);
        assert_eq!(tail.last().map(String::as_str), Some("line 39"));
    }
}
