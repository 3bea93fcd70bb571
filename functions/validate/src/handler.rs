//! Drives the prober with ranged reads and records what validate found.

use safelight_kit::task::{Done, Failure, Recorded, Task, TaskCall};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_ports::ObjectsError;
use safelight_schema::task::{ValidateInput, ValidateOutput};
use safelight_schema::{EventData, HeaderCost, ImageFacts, ImageRef, Lane};

use crate::policy::{self, Policy};
use crate::prober::{Prober, Step};

/// The function.
pub const FUNCTION: Function = Function {
    name: "validate",
    place: Place::Trunk,
    build,
};

struct Validate {
    adapters: Adapters,
    policy: Policy,
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let task = Validate {
        policy: adapters.settings(FUNCTION.name)?,
        adapters: adapters.clone(),
    };
    Ok(Box::new(Recorded::new(
        FUNCTION.name,
        Lane::Trunk,
        adapters,
        task,
    )))
}

/// Why an image was refused, and what was known of it by then.
struct Refusal {
    error: FunctionError,
    facts: Option<ImageFacts>,
    cost: HeaderCost,
}

impl Refusal {
    fn early(error: impl Into<FunctionError>) -> Self {
        Self {
            error: error.into(),
            facts: None,
            cost: HeaderCost::default(),
        }
    }
}

impl Task for Validate {
    type Input = ValidateInput;
    type Output = ValidateOutput;

    async fn run(&self, call: TaskCall<ValidateInput>) -> Result<Done<ValidateOutput>, Failure> {
        match self.look(call.image).await {
            Ok((output, cost)) => Ok(Done {
                events: vec![EventData::ImageValidated {
                    facts: output.facts.clone(),
                    cost,
                    warnings: output.warnings.clone(),
                }],
                output,
                pointers: Vec::new(),
            }),
            Err(Refusal { error, facts, cost }) => Err(Failure {
                // Storage that does not answer says nothing about the image: it is tried again.
                events: if error.name().starts_with("Image.") {
                    vec![EventData::ImageRejected {
                        error: error.info(),
                        facts,
                        cost,
                    }]
                } else {
                    Vec::new()
                },
                error,
            }),
        }
    }
}

impl Validate {
    async fn look(&self, image: ImageRef) -> Result<(ValidateOutput, HeaderCost), Refusal> {
        let (image, bytes) = self.pin(image).await.map_err(Refusal::early)?;
        policy::check_bytes(bytes, &self.policy)
            .map_err(|error| Refusal::early(refused(error.name().name, &error)))?;
        let mut prober = Prober::new(bytes, self.policy.max_frames);
        let facts = loop {
            let refusal = |error: FunctionError, prober: &Prober| Refusal {
                error,
                facts: None,
                cost: prober.cost(),
            };
            match prober.step() {
                Step::Read { offset, length } => {
                    let range = offset..offset.saturating_add(u64::from(length));
                    match self.adapters.objects.read_range(&image, range).await {
                        Ok(bytes) => prober.feed(&bytes),
                        Err(error) => return Err(refusal(error.into(), &prober)),
                    }
                }
                Step::Done(facts) => break facts,
                Step::Failed(error) => {
                    return Err(refusal(refused(error.name().name, &error), &prober));
                }
            }
        };
        match policy::check(&facts, &image.key, &self.policy) {
            Ok(warnings) => {
                let warnings = warnings.iter().map(ToString::to_string).collect();
                Ok((ValidateOutput { facts, warnings }, prober.cost()))
            }
            Err(error) => Err(Refusal {
                error: refused(error.name().name, &error),
                facts: Some(facts),
                cost: prober.cost(),
            }),
        }
    }

    /// The image's size, and the image with what `If-Match` needs, so that all reads see one version.
    async fn pin(&self, mut image: ImageRef) -> Result<(ImageRef, u64), ObjectsError> {
        let named = image.version.is_some() || image.etag.is_some();
        if let (Some(bytes), true) = (image.bytes, named) {
            return Ok((image, bytes));
        }
        let head = self
            .adapters
            .objects
            .head(&image.bucket, &image.key)
            .await?;
        let Some(head) = head else {
            return Err(ObjectsError::NotFound {
                bucket: image.bucket,
                key: image.key,
            });
        };
        if !named {
            image.etag = Some(head.etag);
        }
        let bytes = image.bytes.unwrap_or(head.bytes);
        Ok((image, bytes))
    }
}

fn refused(name: &'static str, why: &dyn std::fmt::Display) -> FunctionError {
    FunctionError::named(name, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, image, task_event};
    use serde_json::{Value, json};

    const GIF: &[u8] =
        b"GIF89a\x02\x00\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x00\x3b";

    fn event(image: &ImageRef) -> Value {
        task_event("Validate", 0, image, &json!({}))
    }

    fn rejected() -> [&'static str; 3] {
        ["state.entered.v1", "image.rejected.v1", "state.failed.v1"]
    }

    #[tokio::test]
    async fn the_facts_and_what_they_cost_are_recorded_once() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", GIF);
        for _ in 0..2 {
            let answer = bench.call(&FUNCTION, event(&image("a.gif"))).await.unwrap();
            assert_eq!(answer["facts"]["format"], "gif");
            assert_eq!(answer["facts"]["width"], 2);
        }
        let lane = bench.lane("x-1", &Lane::Trunk).await;
        assert_eq!(lane.len(), 3);
        let EventData::ImageValidated { cost, warnings, .. } = &lane[1].data else {
            panic!("{lane:?}")
        };
        assert_eq!((cost.reads, cost.bytes), (1, GIF.len() as u64));
        assert!(warnings.is_empty());
    }

    #[tokio::test]
    async fn an_extension_that_lies_is_a_warning_or_an_error() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.jpg", GIF);
        let answer = bench.call(&FUNCTION, event(&image("a.jpg"))).await.unwrap();
        assert!(answer["warnings"][0].as_str().unwrap().contains("jpeg"));
        let strict = Bench::new();
        strict.objects.put("photos", "a.jpg", GIF);
        let mut adapters = strict.adapters();
        adapters.settings = json!({ "lying_extension": "error" });
        let error = strict
            .call_with(&FUNCTION, adapters, event(&image("a.jpg")))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Image.ExtensionMismatch");
        assert_eq!(strict.kinds("x-1", &Lane::Trunk).await, rejected());
        let lane = strict.lane("x-1", &Lane::Trunk).await;
        assert!(matches!(
            &lane[1].data,
            EventData::ImageRejected { facts: Some(_), .. }
        ));
    }

    #[tokio::test]
    async fn what_is_no_image_is_rejected_by_name() {
        for (content, name) in [
            (&b""[..], "Image.Empty"),
            (b"just some text, and more of it", "Image.Unsupported"),
            (&GIF[..8], "Image.TruncatedHeader"),
        ] {
            let bench = Bench::new();
            bench.objects.put("photos", "a.gif", content);
            let error = bench
                .call(&FUNCTION, event(&image("a.gif")))
                .await
                .unwrap_err();
            assert_eq!(error.name(), name);
            assert_eq!(bench.kinds("x-1", &Lane::Trunk).await, rejected());
        }
    }

    #[tokio::test]
    async fn an_object_that_is_gone_or_replaced_is_told_apart() {
        let bench = Bench::new();
        let gone = bench
            .call(&FUNCTION, event(&image("a.gif")))
            .await
            .unwrap_err();
        assert_eq!(gone.name(), "Image.NotFound");
        let bench = Bench::new();
        let mut replaced = image("a.gif");
        replaced.etag = Some(bench.objects.put("photos", "a.gif", b"older"));
        bench.objects.put("photos", "a.gif", GIF);
        let error = bench.call(&FUNCTION, event(&replaced)).await.unwrap_err();
        assert_eq!(error.name(), "Image.Superseded");
    }

    #[tokio::test]
    async fn storage_that_does_not_answer_rejects_nothing() {
        let bench = Bench::new();
        bench.objects.set_down(true);
        let error = bench
            .call(&FUNCTION, event(&image("a.gif")))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Objects.Unavailable");
        assert_eq!(
            bench.kinds("x-1", &Lane::Trunk).await,
            ["state.entered.v1", "state.failed.v1"]
        );
    }

    #[tokio::test]
    async fn too_many_bytes_are_refused_before_one_is_read() {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", GIF);
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "max_bytes": 10 });
        let error = bench
            .call_with(&FUNCTION, adapters, event(&image("a.gif")))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Image.TooLarge");
        assert_eq!(bench.objects.reads(), 0);
    }
}
