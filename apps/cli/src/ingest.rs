//! Files become notifications: which files, under which bucket and key, and as which version.

use std::fs::FileType;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use safelight_local::{FolderObjects, key_of_path};
use safelight_schema::ImageRef;
use safelight_schema::chain::sha256_hex;
use serde_json::{Value, json};

use crate::failure::with_next_step;

/// A folder with a name: what a bucket is on one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub root: PathBuf,
}

impl Bucket {
    /// The bucket of a folder: `local-<8 hex of its path's SHA-256>`, so that two folders that share
    /// a state folder are never mistaken for each other.
    pub fn of(root: &Path) -> Self {
        let digest = sha256_hex(root.as_os_str().as_encoded_bytes());
        Self {
            name: format!("local-{}", &digest[..8]),
            root: root.to_owned(),
        }
    }
}

/// One file to be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As it is shown to the person: relative to the working directory if it lies below it.
    pub shown: String,
    /// Where it lies.
    pub path: PathBuf,
    /// The bucket it is in.
    pub bucket: Bucket,
    /// Its key there.
    pub key: String,
}

impl Source {
    /// A file of a bucket, shown as `bucket/key`; none if it is not below the bucket's folder.
    pub fn in_bucket(bucket: &Bucket, path: PathBuf) -> Option<Self> {
        let key = key_of_path(path.strip_prefix(&bucket.root).ok()?);
        Some(Self {
            shown: format!("{}/{key}", bucket.name),
            bucket: bucket.clone(),
            key,
            path,
        })
    }
}

/// Every file below a folder, without the hidden ones and the `excluded` folders, and what could not
/// be read.
pub fn files_below(folder: &Path, excluded: &[PathBuf]) -> (Vec<PathBuf>, Vec<Problem>) {
    let mut walk = Walk::new(excluded);
    walk.folder(folder);
    (walk.files, walk.problems)
}

/// A folder that cannot be looked into: what is in it has no names, so nothing can be recorded of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// As it is shown to the person.
    pub shown: String,
    /// Why not.
    pub cause: String,
}

/// What was found below some paths.
#[derive(Debug, Default)]
pub struct Found {
    /// The files.
    pub sources: Vec<Source>,
    /// What could not be read. The rest goes on without it.
    pub problems: Vec<Problem>,
    /// What was left out on purpose.
    pub left_out: LeftOut,
}

/// What is below a folder and is not taken for an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Files and folders whose name starts with a dot.
    pub hidden: usize,
    /// Links to folders: they could be loops.
    pub links: usize,
    /// Devices, pipes and sockets.
    pub devices: usize,
}

impl LeftOut {
    /// As a person reads it; none where nothing was left out.
    pub fn told(self) -> Option<String> {
        let counts = [
            (self.hidden, "hidden name"),
            (self.links, "link to a folder"),
            (self.devices, "device, pipe or socket"),
        ];
        let parts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| match count {
                1 => format!("1 {what}"),
                _ => format!("{count} × {what}"),
            })
            .collect();
        (!parts.is_empty()).then(|| format!("left out: {}", parts.join(", ")))
    }
}

/// Every file below `paths`, sorted and once each. Hidden files and folders inside a folder are left
/// out, and so are `excluded` folders (our own results and state).
///
/// A file below the working directory is in the bucket of the working directory; any other is in the
/// bucket of `/`, so a key never names two files.
pub fn sources(paths: &[PathBuf], excluded: &[PathBuf]) -> anyhow::Result<Found> {
    let here = std::env::current_dir()
        .and_then(|folder| folder.canonicalize())
        .context("the working directory cannot be read")?;
    let mut walk = Walk::new(excluded);
    for path in paths {
        let whole = path.canonicalize().map_err(|error| {
            with_next_step(
                format!("{} cannot be read: {error}", path.display()),
                "give files or folders that exist",
            )
        })?;
        if whole.is_dir() {
            walk.folder(&whole);
        } else {
            walk.files.push(whole);
        }
    }
    let Walk {
        mut files,
        problems,
        left_out,
        ..
    } = walk;
    files.sort();
    files.dedup();
    let home = Bucket::of(&here);
    let outside = Bucket::of(Path::new("/"));
    let sources = files
        .into_iter()
        .map(|path| source(path, &home, &outside))
        .collect();
    Ok(Found {
        sources,
        problems,
        left_out,
    })
}

fn source(path: PathBuf, home: &Bucket, outside: &Bucket) -> Source {
    let (bucket, relative) = match path.strip_prefix(&home.root) {
        Ok(relative) => (home, relative),
        Err(_) => (outside, path.strip_prefix("/").unwrap_or(&path)),
    };
    let key = key_of_path(relative);
    let shown = if bucket == home {
        key.clone()
    } else {
        format!("/{key}")
    };
    Source {
        shown,
        bucket: bucket.clone(),
        key,
        path,
    }
}

/// A walk through folders.
struct Walk {
    excluded: Vec<PathBuf>,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
    left_out: LeftOut,
}

impl Walk {
    fn new(excluded: &[PathBuf]) -> Self {
        let excluded = excluded.iter();
        Self {
            excluded: excluded.filter_map(|it| it.canonicalize().ok()).collect(),
            files: Vec::new(),
            problems: Vec::new(),
            left_out: LeftOut::default(),
        }
    }

    fn folder(&mut self, folder: &Path) {
        let problem = |error: std::io::Error| Problem {
            shown: folder.display().to_string(),
            cause: format!("the folder cannot be read: {error}"),
        };
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.problems.push(problem(error)),
        };
        for entry in entries {
            let found = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)));
            match found {
                Ok((path, kind)) => self.entry(path, kind),
                Err(error) => self.problems.push(problem(error)),
            }
        }
    }

    fn entry(&mut self, path: PathBuf, kind: FileType) {
        let name = path.file_name().unwrap_or_default();
        if self.excluded.contains(&path) {
            return;
        }
        if name.as_encoded_bytes().starts_with(b".") {
            self.left_out.hidden += 1;
        } else if kind.is_dir() {
            self.folder(&path);
        } else if kind.is_file() {
            self.files.push(path);
        } else if kind.is_symlink() {
            match path.canonicalize() {
                Ok(target) if target.is_dir() => self.left_out.links += 1,
                // A link to a file is that file.
                Ok(target) if target.is_file() => self.files.push(target),
                Ok(_) => self.left_out.devices += 1,
                // One that leads nowhere ends as an image that is not there.
                Err(_) => self.files.push(path),
            }
        } else {
            self.left_out.devices += 1;
        }
    }
}

/// The image that a file is now: its version is the SHA-256 of its content.
pub async fn image_of(objects: &FolderObjects, source: &Source) -> ImageRef {
    let sequencer = std::fs::metadata(&source.path)
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map(|since| format!("{:032X}", since.as_nanos()));
    match objects.identify(&source.bucket.name, &source.key).await {
        Ok(image) => ImageRef { sequencer, ..image },
        // A file that cannot be read goes through the workflow as well, which says so and records it.
        Err(error) => {
            tracing::warn!(image = source.shown, %error, "the file cannot be read");
            ImageRef {
                bucket: source.bucket.name.clone(),
                key: source.key.clone(),
                version: None,
                etag: None,
                sequencer,
                bytes: None,
            }
        }
    }
}

/// The S3 notification of an image.
///
/// Source: Amazon S3 User Guide, "Event message structure" (keys are form-encoded there).
pub fn notification(image: &ImageRef, time: DateTime<Utc>) -> Value {
    json!({ "Records": [{
        "eventVersion": "2.3",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": safelight_schema::time::format(&time),
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": { "name": image.bucket, "arn": format!("arn:aws:s3:::{}", image.bucket) },
            "object": {
                "key": form_encode(&image.key),
                "size": image.bytes,
                "eTag": image.etag,
                "versionId": image.version,
                "sequencer": image.sequencer,
            },
        },
    }]})
}

/// Reads a message of ours back: the image and the name of its execution.
pub fn read_message(body: &str) -> Option<(ImageRef, String)> {
    let message: Value = serde_json::from_str(body).ok()?;
    if let Some(redrive) = message.get("redrive") {
        let image = serde_json::from_value(redrive["input"]["image"].clone()).ok()?;
        return Some((image, redrive["execution"].as_str()?.to_owned()));
    }
    let record = message["Records"].get(0)?;
    let object = &record["s3"]["object"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let image = ImageRef {
        bucket: text(&record["s3"]["bucket"]["name"])?,
        key: form_decode(object["key"].as_str()?)?,
        version: text(&object["versionId"]),
        etag: text(&object["eTag"]),
        sequencer: text(&object["sequencer"]),
        bytes: object["size"].as_u64(),
    };
    let time = DateTime::parse_from_rfc3339(record["eventTime"].as_str()?)
        .ok()?
        .to_utc();
    let execution = safelight_schema::key::execution_name(&image, time);
    Some((image, execution))
}

/// Decodes a key of a notification.
fn form_decode(text: &str) -> Option<String> {
    let spaces = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaces)
        .decode_utf8()
        .ok()
        .map(std::borrow::Cow::into_owned)
}

/// Encodes a key as S3 does in notifications: a space is `+`, `/` stays, the rest by percent.
fn form_encode(key: &str) -> String {
    use std::fmt::Write as _;
    key.bytes()
        .fold(String::with_capacity(key.len()), |mut text, byte| {
            match byte {
                b' ' => text.push('+'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                    text.push(char::from(byte));
                }
                _ => {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_does() {
        assert_eq!(form_encode("a b/c+d%한.jpg"), "a+b/c%2Bd%25%ED%95%9C.jpg");
    }

    #[test]
    fn a_message_is_read_back() {
        let image = ImageRef {
            bucket: "photos".into(),
            key: "한글 사진 +100%.jpg".into(),
            version: Some("v".into()),
            etag: Some("e".into()),
            sequencer: Some("0A".into()),
            bytes: Some(7),
        };
        let time = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
        let (read, execution) = read_message(&notification(&image, time).to_string()).unwrap();
        assert_eq!(read, image);
        assert_eq!(
            execution,
            safelight_schema::key::execution_name(&image, time)
        );
        assert_eq!(read_message("{}"), None);
    }

    #[test]
    fn a_folder_gives_its_files_once_without_the_hidden_ones() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/.hidden")).unwrap();
        std::fs::create_dir_all(root.join("out")).unwrap();
        for name in ["a/1.jpg", "a/.hidden/2.jpg", ".3.jpg", "4.png", "out/5.png"] {
            std::fs::write(root.join(name), b"x").unwrap();
        }
        std::os::unix::fs::symlink(root.join("a"), root.join("again")).unwrap();
        let found = sources(&[root.clone(), root.join("4.png")], &[root.join("out")]).unwrap();
        let told = found.left_out.told().unwrap();
        assert_eq!(told, "left out: 2 × hidden name, 1 link to a folder");
        assert_eq!(LeftOut::default().told(), None);
        let found = found.sources;
        let keys: Vec<_> = found
            .iter()
            .map(|source| source.path.strip_prefix(&root).unwrap().to_owned())
            .collect();
        assert_eq!(keys, [PathBuf::from("4.png"), PathBuf::from("a/1.jpg")]);
        assert!(found.iter().all(|source| source.shown.starts_with('/')));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_that_is_not_unicode_has_a_key() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let odd = std::ffi::OsStr::from_bytes(b"a\xff.png");
        std::fs::write(folder.path().join(odd), b"x").unwrap();
        std::fs::write(folder.path().join("b.png"), b"x").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link.png")).unwrap();
        let found = sources(&[folder.path().to_owned()], &[]).unwrap();
        assert!(found.problems.is_empty());
        let names: Vec<&str> = found
            .sources
            .iter()
            .filter_map(|source| source.shown.rsplit('/').next())
            .collect();
        assert_eq!(names, ["a\u{fffd}FF.png", "b.png", "link.png"]);
    }
}
