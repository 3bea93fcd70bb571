//! A branch that is a command: what `kit` does in the process of a function, the host does here around
//! the call, since a program in another language has no `kit`.
//!
//! It records that the Task was entered and how it ended, in the branch's lane, which nobody else
//! writes. It shows the command where the image lies, gives it a folder to leave files in, and keeps
//! these as results, under the rules that every branch's results have.

use std::future::Future;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use safelight_kit::results::{self, Origin, Stored};
use safelight_kit::{FunctionError, MAX_OUTPUT_BYTES, payload};
use safelight_local::{FolderObjects, SqliteRecord};
use safelight_ports::{Objects as _, Record as _};
use safelight_schema::task::{TaskContext, TaskPayload};
use safelight_schema::{
    Draft, ErrorInfo, EventData, Format, ImageRef, Lane, Manifest, ObjectRef, Pointer, error_name,
};
use serde::Deserialize as _;
use serde_json::{Map, Value, json};

/// Largest file that is kept as a result, bytes.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// Version of the code, as its events say it: a command has no other than the one that is there.
const FUNCTION_VERSION: &str = "$LATEST";

/// Media types of what commands write, beside those of images.
const MEDIA_TYPES: [(&str, &str); 10] = [
    ("json", "application/json"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("pdf", "application/pdf"),
    ("mp3", "audio/mpeg"),
    ("ogg", "audio/ogg"),
    ("wav", "audio/wav"),
    ("mp4", "video/mp4"),
];

/// How a Task failed: a stable name, and the cause as Step Functions hands it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The name that Retry and Catch match.
    pub name: String,
    /// The cause.
    pub cause: String,
}

impl Failed {
    /// As the record has it: with what the function said, and not the JSON around it.
    fn info(&self) -> ErrorInfo {
        safelight_functions::readable(&ErrorInfo::new(&self.name, &self.cause))
    }
}

impl<E: Into<FunctionError>> From<E> for Failed {
    fn from(error: E) -> Self {
        let error = error.into();
        let cause = json!({ "errorType": error.name(), "errorMessage": error.cause() });
        Self {
            name: error.name().to_owned(),
            cause: cause.to_string(),
        }
    }
}

/// A branch that is a command.
pub struct CommandBranch {
    /// Its name.
    pub name: String,
    /// Version of its manifest.
    pub version: String,
    /// The record.
    pub record: SqliteRecord,
    /// The folders.
    pub objects: FolderObjects,
    /// Where the folders of calls are made.
    pub scratch: PathBuf,
}

/// The call of a Task.
struct Call<'a> {
    branch: &'a CommandBranch,
    context: TaskContext,
    image: ImageRef,
}

impl CommandBranch {
    /// The branch of a manifest.
    pub fn new(
        manifest: &Manifest,
        record: SqliteRecord,
        objects: FolderObjects,
        scratch: PathBuf,
    ) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            record,
            objects,
            scratch,
        }
    }

    /// Does a Task by `invoke`, with what is recorded and kept around it. It may be called again for
    /// the same attempt: the events are the same, and so are the results.
    pub async fn call<F>(
        &self,
        event: &Value,
        invoke: impl FnOnce(Value) -> F,
    ) -> Result<Value, Failed>
    where
        F: Future<Output = Result<Value, Failed>>,
    {
        let TaskPayload { context, image, .. } =
            TaskPayload::<Value>::deserialize(event).map_err(|error| {
                let cause = format!("the payload of '{}': {error}", self.name);
                FunctionError::new(&error_name::INPUT_INVALID, cause)
            })?;
        let call = Call {
            branch: self,
            context,
            image,
        };
        let begun = Utc::now();
        let function_version = FUNCTION_VERSION.to_owned();
        let entered = if call.context.attempt == 0 {
            EventData::StateEntered { function_version }
        } else {
            EventData::StateRetried { function_version }
        };
        call.append(vec![entered], &[], begun).await?;
        let outcome = call.run(event, invoke).await;
        let now = Utc::now();
        let duration_ms = u64::try_from((now - begun).num_milliseconds()).unwrap_or(0);
        match outcome {
            Ok(Done { answer, event }) => {
                let pointer =
                    Pointer::branch(&call.context.execution, &self.name, &self.version, now);
                let ended = vec![event, EventData::StateSucceeded { duration_ms }];
                call.append(ended, &[pointer], now).await?;
                Ok(answer)
            }
            Err(failed) => {
                let ended = EventData::StateFailed {
                    error: failed.info(),
                    duration_ms,
                };
                call.append(vec![ended], &[], now).await?;
                Err(failed)
            }
        }
    }
}

/// A Task that succeeded.
struct Done {
    answer: Value,
    event: EventData,
}

impl Call<'_> {
    async fn append(
        &self,
        events: Vec<EventData>,
        pointers: &[Pointer],
        time: DateTime<Utc>,
    ) -> Result<(), Failed> {
        let drafts: Vec<Draft> = events
            .into_iter()
            .map(|data| Draft {
                execution: self.context.execution.clone(),
                lane: Lane::Branch(self.branch.name.clone()),
                state: Some(self.context.state.clone()),
                epoch: self.context.epoch,
                attempt: self.context.attempt,
                source: format!("/safelight/{}", self.branch.name),
                subject: self.image.subject(),
                time,
                data,
            })
            .collect();
        self.branch.record.append(&drafts, pointers).await?;
        Ok(())
    }

    async fn run<F>(&self, event: &Value, invoke: impl FnOnce(Value) -> F) -> Result<Done, Failed>
    where
        F: Future<Output = Result<Value, Failed>>,
    {
        let CommandBranch {
            name,
            version,
            objects,
            ..
        } = self.branch;
        let folder = Scratch::make(&self.branch.scratch).map_err(|error| {
            let cause = format!("{}: {error}", self.branch.scratch.display());
            FunctionError::new(&error_name::OBJECTS_UNAVAILABLE, cause)
        })?;
        let mut event = event.clone();
        event["files"] = json!({
            "image": objects.path(&self.image.bucket, &self.image.key),
            "out": folder.path,
        });
        let answer = invoke(event).await?;
        let Value::Object(mut answer) = answer else {
            return Err(self.refuse(
                &error_name::RUNTIME_INVALID_RESPONSE,
                "the answer is no object",
            ));
        };
        let mut outputs = match answer.remove("outputs") {
            None => Vec::new(),
            Some(outputs) => Vec::<ObjectRef>::deserialize(outputs).map_err(|error| {
                let cause = format!("outputs: {error}; leave files in files.out instead");
                self.refuse(&error_name::RUNTIME_INVALID_RESPONSE, &cause)
            })?,
        };
        let mut details = answer.remove("details").unwrap_or(Value::Null);
        let input_sha256 = self.digest().await?;
        let origin = Origin {
            branch: name.clone(),
            branch_version: version.clone(),
            image: self.image.clone(),
            input_sha256: input_sha256.clone(),
            order: results::order_of(&self.branch.record, &self.context.execution, &self.image)
                .await?,
        };
        for (file, path) in folder
            .files()
            .map_err(|why| self.refuse(&error_name::OUTPUT_INVALID, &why))?
        {
            match self.keep(&origin, &file, &path).await? {
                Stored::Written(object) | Stored::Unchanged(object) => outputs.push(object),
                // A newer version of the image was there first: its own execution made the results.
                Stored::Superseded => {
                    details = json!({ "superseded": file, "details": details });
                    outputs.clear();
                    break;
                }
            }
        }
        let details = payload::offload(objects, details).await?;
        answer.insert("branch".into(), json!(name));
        answer.insert("outputs".into(), json!(outputs));
        answer.insert("details".into(), details.clone());
        Ok(Done {
            answer: self.small(answer)?,
            event: EventData::BranchCompleted {
                branch: name.clone(),
                version: version.clone(),
                input_sha256,
                outputs,
                details,
            },
        })
    }

    fn refuse(&self, name: &safelight_schema::ErrorName, cause: &str) -> Failed {
        FunctionError::new(
            name,
            format!("the command of '{}': {cause}", self.branch.name),
        )
        .into()
    }

    /// SHA-256 of the image's content, if it is still what the command was shown.
    async fn digest(&self) -> Result<String, Failed> {
        let ImageRef { bucket, key, .. } = &self.image;
        let head = self.branch.objects.head(bucket, key).await?;
        let etag = head.map(|head| head.etag);
        if self.image.etag.is_some() && self.image.etag != etag {
            let cause = format!("'{key}' was replaced while the command ran");
            return Err(self.refuse(&error_name::IMAGE_SUPERSEDED, &cause));
        }
        match &self.image.version {
            Some(version) if version.len() == 64 => Ok(version.clone()),
            _ => {
                let image = self.branch.objects.identify(bucket, key).await?;
                Ok(image.version.unwrap_or_default())
            }
        }
    }

    async fn keep(&self, origin: &Origin, file: &str, path: &Path) -> Result<Stored, Failed> {
        let unreadable = |error: std::io::Error| {
            self.refuse(&error_name::OUTPUT_INVALID, &format!("{file}: {error}"))
        };
        let bytes = tokio::fs::metadata(path).await.map_err(unreadable)?.len();
        if bytes > MAX_FILE_BYTES {
            let cause = format!("{file} has {bytes} bytes; at most {MAX_FILE_BYTES} are kept");
            return Err(self.refuse(&error_name::OUTPUT_INVALID, &cause));
        }
        let bytes = tokio::fs::read(path).await.map_err(unreadable)?;
        let objects = &self.branch.objects;
        Ok(results::put(objects, origin, file, &bytes, media_type(file)).await?)
    }

    fn small(&self, answer: Map<String, Value>) -> Result<Value, Failed> {
        let answer = Value::Object(answer);
        let bytes = answer.to_string().len();
        if bytes > MAX_OUTPUT_BYTES {
            let cause = format!(
                "the answer has {bytes} bytes; at most {MAX_OUTPUT_BYTES} are allowed: leave files in files.out"
            );
            return Err(self.refuse(&error_name::OUTPUT_TOO_LARGE, &cause));
        }
        Ok(answer)
    }
}

fn media_type(file: &str) -> &'static str {
    let extension = file.rsplit_once('.').map_or("", |(_, extension)| extension);
    let known = MEDIA_TYPES
        .iter()
        .find(|(known, _)| extension.eq_ignore_ascii_case(known));
    known
        .map(|(_, media_type)| *media_type)
        .or_else(|| Some(Format::of_extension(file)?.media_type()))
        .unwrap_or("application/octet-stream")
}

/// The folder of one call; it goes away with it.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn make(below: &Path) -> std::io::Result<Self> {
        let path = below.join(uuid::Uuid::new_v4().to_string());
        std::fs::create_dir_all(&path)?;
        Ok(Self { path })
    }

    /// Names and paths of the files, in order of their names; why not otherwise.
    fn files(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let mut files = Vec::new();
        let unreadable = |error: std::io::Error| format!("files.out cannot be read: {error}");
        for entry in std::fs::read_dir(&self.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let shown = name.to_string_lossy().into_owned();
            if !entry.file_type().map_err(unreadable)?.is_file() {
                return Err(format!("'{shown}' in files.out is no file"));
            }
            let Some(name) = name.to_str() else {
                return Err(format!("'{shown}' in files.out is not a Unicode name"));
            };
            files.push((name.to_owned(), entry.path()));
        }
        files.sort();
        Ok(files)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_follow_the_name() {
        for (file, expected) in [
            ("note.json", "application/json"),
            ("speech.MP3", "audio/mpeg"),
            ("small.webp", "image/webp"),
            ("data", "application/octet-stream"),
        ] {
            assert_eq!(media_type(file), expected, "{file}");
        }
    }

    #[test]
    fn only_files_are_kept_and_the_folder_goes_away() {
        let below = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(below.path()).unwrap();
        for name in ["b.txt", "a.txt"] {
            std::fs::write(scratch.path.join(name), name).unwrap();
        }
        let names: Vec<String> = scratch
            .files()
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["a.txt", "b.txt"]);
        std::os::unix::fs::symlink("/etc/hostname", scratch.path.join("link")).unwrap();
        assert!(scratch.files().unwrap_err().contains("link"));
        drop(scratch);
        assert_eq!(std::fs::read_dir(below.path()).unwrap().count(), 0);
    }
}
