//! What every branch does around its pure part: read the object once, hash it, write the results,
//! and say so.

use std::future::Future;

use safelight_schema::chain::sha256_hex;
use safelight_schema::task::{BranchInput, BranchOutput};
use safelight_schema::{EventData, ImageFacts, ImageRef, Lane, ObjectRef, Pointer, error_name};
use serde_json::{Value, json};

use crate::adapters::Adapters;
use crate::error::FunctionError;
use crate::function::Handler;
use crate::payload;
use crate::results::{self, Origin, Stored};
use crate::task::{Done, Failure, Recorded, Task, TaskCall};

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
        branch,
    };
    Box::new(Recorded::new(
        name,
        Lane::Branch(name.into()),
        adapters,
        task,
    ))
}

struct BranchTask<B> {
    name: &'static str,
    adapters: Adapters,
    branch: B,
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
            .branch
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
