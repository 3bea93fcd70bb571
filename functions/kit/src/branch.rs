//! What every branch does around its pure part: read the object once, hash it, write the results,
//! and say so.

use std::future::Future;
use std::panic::resume_unwind;
use std::sync::Arc;

use safelight_schema::chain::sha256_hex;
use safelight_schema::task::{BranchInput, BranchOutput};
use safelight_schema::{EventData, ImageFacts, ImageRef, Lane, ObjectRef, Pointer, error_name};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tracing::Span;

use crate::adapters::Adapters;
use crate::error::FunctionError;
use crate::function::Handler;
use crate::payload;
use crate::results::{self, Origin, Stored};
use crate::task::{Done, Failure, Recorded, Task, TaskCall};

/// The settings that every branch may have beside its own.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Common {
    /// Largest object that is read, bytes.
    pub max_bytes: u64,
    /// Most megapixels of one frame that are decoded.
    pub max_megapixels: f64,
    /// Memory for decoded pixels, MiB; keep it well below `memory_mb` of `branch.json`.
    pub max_decoded_mb: u32,
    /// Most frames or pages that are decoded.
    pub max_frames: u32,
}

impl Default for Common {
    fn default() -> Self {
        Self {
            max_bytes: 512 << 20,
            max_megapixels: 100.0,
            max_decoded_mb: 768,
            max_frames: 1_000,
        }
    }
}

impl Common {
    /// Most pixels of one frame that are decoded.
    pub fn max_pixels(&self) -> u64 {
        (self.max_megapixels * 1e6) as u64
    }

    /// Memory for decoded pixels, bytes.
    pub fn max_decoded_bytes(&self) -> u64 {
        u64::from(self.max_decoded_mb) << 20
    }
}

/// The settings of branch `name`: those that every branch has, and its own, in one flat section.
pub fn settings<S: DeserializeOwned + Default>(
    adapters: &Adapters,
    name: &str,
) -> Result<(Common, S), FunctionError> {
    const NAMES: [&str; 4] = [
        "max_bytes",
        "max_megapixels",
        "max_decoded_mb",
        "max_frames",
    ];
    let (mut common, mut own) = (adapters.clone(), adapters.clone());
    if let Value::Object(fields) = &adapters.settings {
        let (shared, rest) = fields
            .clone()
            .into_iter()
            .partition(|(field, _)| NAMES.contains(&field.as_str()));
        common.settings = Value::Object(shared);
        own.settings = Value::Object(rest);
    }
    Ok((common.settings(name)?, own.settings(name)?))
}

/// One file that a branch made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Name below `results/<branch>/<key>/`.
    pub name: String,
    /// Media type.
    pub media_type: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What a branch made of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The files.
    pub artifacts: Vec<Artifact>,
    /// What it says of its work; small.
    pub details: Value,
}

impl Work {
    /// Files, each a name, a media type and its content, and what is said of them.
    pub fn new<M: Into<String>>(
        files: impl IntoIterator<Item = (String, M, Vec<u8>)>,
        details: &impl Serialize,
    ) -> Result<Self, FunctionError> {
        let details = serde_json::to_value(details).map_err(|error| {
            FunctionError::new(&error_name::IMAGE_ENCODE_FAILED, error.to_string())
        })?;
        let artifact = |(name, media_type, bytes): (String, M, Vec<u8>)| Artifact {
            name,
            media_type: media_type.into(),
            bytes,
        };
        Ok(Self {
            artifacts: files.into_iter().map(artifact).collect(),
            details,
        })
    }
}

/// An image as a branch is given it.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Where it lies.
    pub image: ImageRef,
    /// What its header says.
    pub facts: ImageFacts,
    /// Its bytes, whole.
    pub bytes: Vec<u8>,
}

/// The part of a branch that is its own. The same picture and the same version give the same files.
pub trait Branch: Send + Sync + 'static {
    /// Largest object that it reads, bytes.
    fn max_bytes(&self) -> u64;

    /// Makes the results.
    fn work(&self, picture: Picture) -> impl Future<Output = Result<Work, FunctionError>> + Send;
}

/// The handler of branch `name`.
pub fn handler<B: Branch>(name: &'static str, adapters: Adapters, branch: B) -> Box<dyn Handler> {
    let task = BranchTask {
        name,
        adapters: adapters.clone(),
        branch: Arc::new(branch),
    };
    Box::new(Recorded::new(
        name,
        Lane::Branch(name.into()),
        adapters,
        task,
    ))
}

/// The handler of a branch that is one function of the image's bytes and its settings, which are
/// checked before there is an image.
pub fn pure<S>(
    name: &'static str,
    adapters: Adapters,
    check: fn(&S) -> Result<(), FunctionError>,
    work: fn(&Picture, &Common, &S) -> Result<Work, FunctionError>,
) -> Result<Box<dyn Handler>, FunctionError>
where
    S: DeserializeOwned + Default + Send + Sync + 'static,
{
    let (common, own) = settings(&adapters, name)?;
    check(&own)?;
    Ok(handler(name, adapters, Pure { common, own, work }))
}

struct Pure<S> {
    common: Common,
    own: S,
    work: fn(&Picture, &Common, &S) -> Result<Work, FunctionError>,
}

impl<S: Send + Sync + 'static> Branch for Pure<S> {
    fn max_bytes(&self) -> u64 {
        self.common.max_bytes
    }

    async fn work(&self, picture: Picture) -> Result<Work, FunctionError> {
        (self.work)(&picture, &self.common, &self.own)
    }
}

struct BranchTask<B> {
    name: &'static str,
    adapters: Adapters,
    branch: Arc<B>,
}

impl<B: Branch> Task for BranchTask<B> {
    type Input = BranchInput;
    type Output = BranchOutput;

    async fn run(&self, call: TaskCall<BranchInput>) -> Result<Done<BranchOutput>, Failure> {
        let BranchInput {
            branch,
            version,
            facts,
        } = call.input;
        if branch != self.name {
            return Err(FunctionError::new(
                &error_name::INPUT_INVALID,
                format!(
                    "the function of branch '{}' was asked for branch '{branch}'",
                    self.name
                ),
            )
            .into());
        }
        let objects = self.adapters.objects.as_ref();
        let bytes = objects.read(&call.image, self.branch.max_bytes()).await?;
        let input_sha256 = sha256_hex(&bytes);
        let execution = &call.context.execution;
        let origin = Origin {
            branch: branch.clone(),
            branch_version: version.clone(),
            image: call.image.clone(),
            input_sha256: input_sha256.clone(),
            order: results::order_of(self.adapters.record.as_ref(), execution, &call.image).await?,
        };
        let Work {
            artifacts,
            mut details,
        } = self
            .work(Picture {
                image: call.image,
                facts,
                bytes,
            })
            .await?;
        let outputs = self.store(&origin, artifacts, &mut details).await?;
        let details = payload::offload(objects, details).await?;
        let event = EventData::BranchCompleted {
            branch: branch.clone(),
            version: version.clone(),
            input_sha256,
            outputs: outputs.clone(),
            details: details.clone(),
        };
        let now = self.adapters.clock.now();
        Ok(Done {
            pointers: vec![Pointer::branch(execution, &branch, &version, now)],
            events: vec![event],
            output: BranchOutput {
                branch,
                outputs,
                details,
            },
        })
    }
}

impl<B: Branch> BranchTask<B> {
    /// The branch's own part, on a thread of its own: it computes for long, and the runtime has only
    /// this one to record that it was entered, and to notice that the host is gone.
    async fn work(&self, picture: Picture) -> Result<Work, FunctionError> {
        let branch = Arc::clone(&self.branch);
        let (runtime, span) = (Handle::current(), Span::current());
        let work = move || span.in_scope(|| runtime.block_on(branch.work(picture)));
        let work = spawn_blocking(work);
        match work.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => Err(FunctionError::new(
                    &error_name::FUNCTION_PANICKED,
                    format!("the work of branch '{}' was given up: {error}", self.name),
                )),
            },
        }
    }
}

impl<B> BranchTask<B> {
    /// Writes the artifacts. Where a newer version of the image was there first, `details` say so and
    /// there are no outputs: that is no failure, the newer version's own execution made them.
    async fn store(
        &self,
        origin: &Origin,
        artifacts: Vec<Artifact>,
        details: &mut Value,
    ) -> Result<Vec<ObjectRef>, FunctionError> {
        let mut outputs = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            let stored = results::put(
                self.adapters.objects.as_ref(),
                origin,
                &artifact.name,
                &artifact.bytes,
                &artifact.media_type,
            )
            .await?;
            match stored {
                Stored::Written(object) | Stored::Unchanged(object) => outputs.push(object),
                Stored::Superseded => {
                    *details = json!({ "superseded": artifact.name, "details": details.take() });
                    return Ok(Vec::new());
                }
            }
        }
        Ok(outputs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, facts, image, invocation, task_event};

    /// Writes what it read, and its length.
    struct Copy;

    impl Branch for Copy {
        fn max_bytes(&self) -> u64 {
            10
        }

        async fn work(&self, picture: Picture) -> Result<Work, FunctionError> {
            Ok(Work {
                details: json!({ "length": picture.bytes.len() }),
                artifacts: vec![Artifact {
                    name: "copy.bin".into(),
                    media_type: "application/octet-stream".into(),
                    bytes: picture.bytes,
                }],
            })
        }
    }

    async fn call(bench: &Bench, image: &ImageRef) -> Result<Value, FunctionError> {
        let input = BranchInput {
            branch: "copy".into(),
            version: "1".into(),
            facts: facts(),
        };
        let event = task_event("copy/Run", 0, image, &input);
        handler("copy", bench.adapters(), Copy)
            .handle(event, &invocation())
            .await
    }

    #[tokio::test]
    async fn results_and_their_event_are_written_once() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.jpg", b"pixels");
        let first = call(&bench, &image("a.jpg")).await.unwrap();
        let again = call(&bench, &image("a.jpg")).await.unwrap();
        assert_eq!(first, again);
        assert_eq!(first["outputs"][0]["key"], "results/copy/a.jpg/copy.bin");
        let lane = bench.lane("x-1", &Lane::Branch("copy".into())).await;
        assert_eq!(lane.len(), 3);
        let EventData::BranchCompleted { input_sha256, .. } = &lane[1].data else {
            panic!("{lane:?}")
        };
        assert_eq!(*input_sha256, sha256_hex(b"pixels"));
        assert_eq!((bench.record.appends(), bench.objects.writes()), (1, 1));
        assert_eq!(bench.record.pointers("x-1")[0].sk, "P#B#copy");
    }

    #[tokio::test]
    async fn a_superseded_version_succeeds_without_outputs() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.jpg", b"pixels");
        call(&bench, &image("a.jpg")).await.unwrap();
        let other = Bench {
            record: Arc::default(),
            ..bench.clone()
        };
        let mut older = image("a.jpg");
        older.sequencer = Some("0000".into());
        let answer = call(&other, &older).await.unwrap();
        assert_eq!(answer["outputs"], json!([]));
        assert_eq!(answer["details"]["superseded"], "copy.bin");
    }

    #[tokio::test]
    async fn a_large_object_and_another_branch_are_refused() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.jpg", b"more than ten bytes");
        let error = call(&bench, &image("a.jpg")).await.unwrap_err();
        assert_eq!(error.name(), "Image.TooLarge");
        let input = json!({ "branch": "paste", "version": "1", "facts": facts() });
        let event = task_event("paste/Run", 0, &image("a.jpg"), &input);
        let error = handler("copy", bench.adapters(), Copy)
            .handle(event, &invocation())
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
    }

    #[test]
    fn common_and_own_settings_share_one_section() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        struct Own {
            quality: u8,
        }
        let mut adapters = Bench::new().adapters();
        let (common, own) = settings::<Own>(&adapters, "copy").unwrap();
        assert_eq!((common, own), (Common::default(), Own::default()));
        adapters.settings = json!({ "max_bytes": 3, "quality": 4 });
        let (common, own) = settings::<Own>(&adapters, "copy").unwrap();
        assert_eq!((common.max_bytes, own.quality), (3, 4));
        adapters.settings = json!({ "max_byte": 3 });
        assert!(settings::<Own>(&adapters, "copy").is_err());
    }
}
