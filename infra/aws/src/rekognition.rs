//! Amazon Rekognition's DetectLabels as a label service.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use aws_sdk_rekognition::Client;
use aws_sdk_rekognition::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_rekognition::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_rekognition::error::{BoxError, DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_rekognition::primitives::Blob;
use aws_sdk_rekognition::types::{DetectLabelsFeatureName, Image, S3Object};
use safelight_ports::{LabelError, Labels};
use safelight_schema::ImageRef;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::Sdk;

/// Largest image that is given as bytes.
/// <https://docs.aws.amazon.com/rekognition/latest/dg/limits.html>
pub const MAX_INLINE_BYTES: usize = 5_000_000;

/// How Rekognition is given an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageSource {
    /// By reference to the object in S3, which its role may read.
    S3,
    /// As bytes, at most [`MAX_INLINE_BYTES`].
    Bytes,
}

/// The label service.
#[derive(Debug)]
pub struct Rekognition {
    client: OnceCell<Client>,
    source: ImageSource,
}

/// Rekognition for images on this machine, if the environment names a region or a profile.
pub fn rekognition_from_environment() -> Result<Option<Arc<dyn Labels>>, std::env::VarError> {
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"] {
        match std::env::var(name) {
            Ok(value) if !value.is_empty() => {
                return Ok(Some(Arc::new(Rekognition {
                    client: OnceCell::new(),
                    source: ImageSource::Bytes,
                })));
            }
            Ok(_) | Err(std::env::VarError::NotPresent) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

impl Rekognition {
    /// A service behind `client`.
    pub fn new(client: Client, source: ImageSource) -> Self {
        Self {
            client: OnceCell::new_with(Some(client)),
            source,
        }
    }

    /// The client; made from the environment when it is first asked for, since that is asynchronous.
    async fn client(&self) -> &Client {
        self.client
            .get_or_init(|| async {
                let config = Sdk::of_machine().await;
                config.rekognition()
            })
            .await
    }

    fn image(&self, image: &ImageRef, bytes: &[u8]) -> Result<Image, LabelError> {
        match self.source {
            ImageSource::S3 => Ok(Image::builder()
                .s3_object(
                    S3Object::builder()
                        .bucket(&image.bucket)
                        .name(&image.key)
                        .set_version(image.version.clone())
                        .build(),
                )
                .build()),
            ImageSource::Bytes if bytes.len() > MAX_INLINE_BYTES => {
                Err(LabelError::Refused(format!(
                    "the image has {} bytes; Rekognition takes {MAX_INLINE_BYTES} at most that are not in S3",
                    bytes.len()
                )))
            }
            ImageSource::Bytes => Ok(Image::builder().bytes(Blob::new(bytes)).build()),
        }
    }
}

#[async_trait]
impl Labels for Rekognition {
    async fn detect(&self, image: &ImageRef, bytes: &[u8]) -> Result<Value, LabelError> {
        let image = self.image(image, bytes)?;
        let body = Body::default();
        self.client()
            .await
            .detect_labels()
            .image(image)
            .features(DetectLabelsFeatureName::GeneralLabels)
            .features(DetectLabelsFeatureName::ImageProperties)
            .customize()
            .interceptor(body.clone())
            .send()
            .await
            .map_err(|error| failed(&error))?;
        // The wire's own JSON, not what this client made of it (invariant 1).
        serde_json::from_slice(&body.take()).map_err(|error| {
            LabelError::ServiceError(format!("its answer cannot be read: {error}"))
        })
    }
}

/// Keeps the body of the last answer.
#[derive(Debug, Clone, Default)]
struct Body(Arc<Mutex<Vec<u8>>>);

impl Body {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Intercept for Body {
    fn name(&self) -> &'static str {
        "KeepBody"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(bytes) = context.response().body().bytes() {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes.to_vec();
        }
        Ok(())
    }
}

/// Invariant 2.
fn failed<E>(error: &SdkError<E>) -> LabelError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let Some(service) = error.as_service_error() else {
        return LabelError::ServiceError(DisplayErrorContext(error).to_string());
    };
    let status = error
        .raw_response()
        .map_or(500, |raw| raw.status().as_u16());
    let code = service.code().unwrap_or("no code");
    let why = format!("{code}: {}", service.message().unwrap_or("no message"));
    match (code, status) {
        (
            "ThrottlingException"
            | "Throttling"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "TooManyRequestsException",
            _,
        )
        | (_, 429) => LabelError::Throttled(why),
        (_, 400..=499) => LabelError::Refused(why),
        _ => LabelError::ServiceError(why),
    }
}
