//! A working directory of its own for each test, and the `safelight` command in it.
#![allow(dead_code, clippy::unwrap_used, missing_docs)]

pub mod slack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The command under test.
pub const SAFELIGHT: &str = env!("CARGO_BIN_EXE_safelight");

/// A working directory.
pub struct Place {
    folder: TempDir,
}

/// What a command answered.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output as JSON lines.
    pub fn lines(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| {
                serde_json::from_str(line)
                    .unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.stderr))
            })
            .collect()
    }

    /// JSON lines by image.
    pub fn by_image(&self) -> BTreeMap<String, Value> {
        self.lines()
            .into_iter()
            .map(|line| (line["image"].as_str().unwrap().to_owned(), line))
            .collect()
    }

    /// Asserts the exit code, and shows what was said if it is another.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout, self.stderr
        );
        self
    }
}

impl Place {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.path().join(path)
    }

    /// Writes a file, its folders too.
    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// The command, not started yet, in this directory and without the environment's settings.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SAFELIGHT);
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SAFELIGHT_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs the command.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(&self.command(arguments).output().unwrap())
    }

    /// Runs the command with more in its environment.
    pub fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Answer {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied());
        Answer::of(&command.output().unwrap())
    }

    /// The database.
    pub fn database(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.join(".safelight/safelight.db")).unwrap()
    }
}

/// A PNG of one colour with a gradient over it, so that no two seeds give the same bytes.
pub fn png(width: u32, height: u32, seed: u8) -> Vec<u8> {
    encode(width, height, seed, image::ImageFormat::Png)
}

/// The same as JPEG.
pub fn jpeg(width: u32, height: u32, seed: u8) -> Vec<u8> {
    encode(width, height, seed, image::ImageFormat::Jpeg)
}

fn encode(width: u32, height: u32, seed: u8, format: image::ImageFormat) -> Vec<u8> {
    let pixels = image::RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, seed])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// The repository's samples.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../samples")
        .canonicalize()
        .unwrap()
}
