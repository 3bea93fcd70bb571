//! The function around the providers: settings, results, errors.

use std::sync::Arc;

use safelight_kit::branch::{self, Artifact, Branch, Common, Picture, Work};
use safelight_kit::{Adapters, Function, FunctionError, Handler, Place};
use safelight_pixels::{Limits, Output};
use safelight_ports::Labels;
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::properties;

const NAME: &str = "label";

/// Name of the result.
const OUTPUT: &str = "labels.json";

/// The branch's function.
pub const FUNCTION: Function = Function {
    name: NAME,
    place: Place::Branch,
    build,
};

/// Who makes the labels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// This crate, from pixels alone.
    #[default]
    Properties,
    /// Amazon Rekognition.
    Rekognition,
}

/// The settings of the branch: the provider, and what `properties` may be told.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BranchSettings {
    /// Who makes the labels.
    pub provider: Provider,
    /// See [`properties::Settings::min_confidence`].
    pub min_confidence: f64,
    /// See [`properties::Settings::max_labels`].
    pub max_labels: u32,
    /// See [`properties::Settings::max_dominant_colors`].
    pub max_dominant_colors: u32,
}

impl Default for BranchSettings {
    fn default() -> Self {
        let properties::Settings {
            min_confidence,
            max_labels,
            max_dominant_colors,
        } = properties::Settings::default();
        Self {
            provider: Provider::default(),
            min_confidence,
            max_labels,
            max_dominant_colors,
        }
    }
}

impl BranchSettings {
    /// The settings of the provider `properties`.
    const fn properties(&self) -> properties::Settings {
        properties::Settings {
            min_confidence: self.min_confidence,
            max_labels: self.max_labels,
            max_dominant_colors: self.max_dominant_colors,
        }
    }
}

fn build(adapters: Adapters) -> Result<Box<dyn Handler>, FunctionError> {
    let (common, settings): (Common, BranchSettings) = branch::settings(&adapters, NAME)?;
    settings
        .properties()
        .check()
        .map_err(|error| FunctionError::named(error.name(), error.to_string()))?;
    let service = match settings.provider {
        Provider::Properties => None,
        Provider::Rekognition => Some(adapters.labels.clone().ok_or_else(|| {
            FunctionError::new(
                &error_name::SETTINGS_INVALID,
                "[branches.label] provider is \"rekognition\", but this build or this host has no Rekognition: build with the feature 'rekognition' and set AWS_REGION and credentials",
            )
        })?),
    };
    let label = Label {
        common,
        settings,
        service,
    };
    Ok(branch::handler(NAME, adapters, label))
}

struct Label {
    common: Common,
    settings: BranchSettings,
    service: Option<Arc<dyn Labels>>,
}

impl Branch for Label {
    fn max_bytes(&self) -> u64 {
        self.common.max_bytes
    }

    async fn work(&self, picture: Picture) -> Result<Work, FunctionError> {
        match &self.service {
            Some(service) => {
                let answer = service.detect(&picture.image, &picture.bytes).await?;
                from_service(&answer)
            }
            None => self.by_pixels(&picture),
        }
    }
}

impl Label {
    fn by_pixels(&self, picture: &Picture) -> Result<Work, FunctionError> {
        let limits = Limits {
            max_pixels: self.common.max_pixels(),
            max_bytes: self.common.max_decoded_bytes(),
            max_frames: self.common.max_frames,
        };
        let settings = self.settings.properties();
        let outcome = properties::run(&picture.bytes, picture.facts.format, &settings, &limits)
            .map_err(|error| FunctionError::named(error.name(), error.to_string()))?;
        Work::new(
            outcome.outputs.into_iter().map(Output::into_parts),
            &outcome.details,
        )
    }
}

/// The answer of a service, as it came, and the same details as `properties` gives.
fn from_service(answer: &Value) -> Result<Work, FunctionError> {
    let mut bytes = serde_json::to_vec_pretty(answer).map_err(unwritable)?;
    bytes.push(b'\n');
    let labels = answer["Labels"].as_array().map(Vec::as_slice);
    let labels: Vec<Value> = labels
        .unwrap_or_default()
        .iter()
        .map(|label| json!([label["Name"], label["Confidence"]]))
        .collect();
    let mut details = json!({
        "labels": labels,
        "label_model_version": answer["LabelModelVersion"],
    });
    if let Some(hex) = answer["ImageProperties"]["DominantColors"][0]["HexCode"].as_str() {
        details["dominant_color"] = hex.into();
    }
    Ok(Work {
        artifacts: vec![Artifact {
            name: OUTPUT.into(),
            media_type: "application/json".into(),
            bytes,
        }],
        details,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn unwritable(error: serde_json::Error) -> FunctionError {
    FunctionError::new(&error_name::IMAGE_ENCODE_FAILED, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safelight_kit::testing::{Bench, FixedLabels, TINY_GIF, tiny_gif_event};
    use safelight_ports::LabelError;

    const KEY: &str = "results/label/a.gif/labels.json";

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.objects.put("photos", "a.gif", TINY_GIF);
        bench
    }

    #[tokio::test]
    async fn properties_are_written_once() {
        let bench = bench();
        let first = bench.call(&FUNCTION, tiny_gif_event(NAME)).await.unwrap();
        assert_eq!(
            first,
            bench.call(&FUNCTION, tiny_gif_event(NAME)).await.unwrap()
        );
        let stored: Value =
            serde_json::from_slice(&bench.objects.bytes("results", KEY).unwrap()).unwrap();
        assert!(
            stored["ImageProperties"]["Quality"]["Brightness"].is_number(),
            "{stored}"
        );
        assert_eq!(bench.objects.writes(), 1);
    }

    async fn with_service(
        bench: &Bench,
        answer: Result<Value, LabelError>,
    ) -> Result<Value, FunctionError> {
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "provider": "rekognition" });
        adapters.labels = Some(Arc::new(FixedLabels(answer)));
        bench
            .call_with(&FUNCTION, adapters, tiny_gif_event(NAME))
            .await
    }

    #[tokio::test]
    async fn the_answer_of_the_service_is_stored_as_it_came() {
        let bench = bench();
        let answer = json!({
            "Labels": [{ "Name": "Cat", "Confidence": 98.5 }],
            "ImageProperties": { "DominantColors": [{ "HexCode": "#102030" }] },
            "LabelModelVersion": "3.0",
        });
        let output = with_service(&bench, Ok(answer.clone())).await.unwrap();
        assert_eq!(
            output["details"],
            json!({ "labels": [["Cat", 98.5]], "label_model_version": "3.0", "dominant_color": "#102030" })
        );
        let stored: Value =
            serde_json::from_slice(&bench.objects.bytes("results", KEY).unwrap()).unwrap();
        assert_eq!(stored, answer);
    }

    #[tokio::test]
    async fn the_errors_of_the_service_keep_their_names() {
        for (error, name) in [
            (LabelError::Throttled("slow".into()), "Label.Throttled"),
            (
                LabelError::ServiceError("down".into()),
                "Label.ServiceError",
            ),
            (LabelError::Refused("no".into()), "Label.Refused"),
        ] {
            let bench = bench();
            let error = with_service(&bench, Err(error)).await.unwrap_err();
            assert_eq!(error.name(), name);
            assert!(bench.objects.keys("results").is_empty());
        }
    }

    #[tokio::test]
    async fn a_provider_that_is_not_there_is_said_before_the_first_image() {
        let bench = bench();
        let mut adapters = bench.adapters();
        adapters.settings = json!({ "provider": "rekognition" });
        let error = bench
            .call_with(&FUNCTION, adapters, tiny_gif_event(NAME))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Settings.Invalid");
    }
}
