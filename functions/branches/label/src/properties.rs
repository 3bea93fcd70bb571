//! The provider `properties`: an answer from pixels alone.

use safelight_pixels::{Format, Limits, Output, PixelError, decode_stored};
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};

use crate::features::{self, Small};
use crate::response::{DetectLabels, ImageProperties, Label, Named, Part};
use crate::{colours, model, quality};

/// Version of formulas and weights; raise it when either changes.
pub const MODEL_VERSION: &str = "properties-1.0";

/// Settings of the provider; the names and defaults are those of `DetectLabels`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Least confidence of a label, 0 to 100.
    pub min_confidence: f64,
    /// Most labels.
    pub max_labels: u32,
    /// Most dominant colours, 1 to 12.
    pub max_dominant_colors: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_confidence: 55.0,
            max_labels: 1000,
            max_dominant_colors: 10,
        }
    }
}

/// Why there are no labels.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BranchError {
    /// The pixels could not be had.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// A setting is out of its range.
    #[error("[label] {0}")]
    Settings(String),
}

impl BranchError {
    /// The stable name that `Retry` and `Catch` match.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pixels(error) => error.name(),
            Self::Settings(_) => error_name::SETTINGS_INVALID.name,
        }
    }
}

/// What was found, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Name and confidence of each label, most confident first.
    pub labels: Vec<(String, f64)>,
    /// Version of what made them.
    pub label_model_version: String,
    /// The most frequent colour, `#rrggbb`; absent where every pixel is transparent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dominant_color: Option<String>,
}

/// Files and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// `labels.json`.
    pub outputs: Vec<Output>,
    /// The same answer, typed.
    pub response: DetectLabels,
    /// What was found, in short.
    pub details: Details,
}

impl Settings {
    /// Refuses what is out of its range.
    pub fn check(&self) -> Result<(), BranchError> {
        if !(0.0..=100.0).contains(&self.min_confidence) {
            return Err(BranchError::Settings(format!(
                "min_confidence is {}: it has to be 0 to 100",
                self.min_confidence
            )));
        }
        if !(1..=12).contains(&self.max_dominant_colors) {
            return Err(BranchError::Settings(format!(
                "max_dominant_colors is {}: it has to be 1 to 12",
                self.max_dominant_colors
            )));
        }
        Ok(())
    }
}

/// Labels an image by its pixels.
pub fn run(
    bytes: &[u8],
    format: Format,
    settings: &Settings,
    limits: &Limits,
) -> Result<Outcome, BranchError> {
    settings.check()?;
    let quick = match format {
        Format::Jpeg => Small::of_jpeg(bytes, limits)?,
        _ => None,
    };
    let small = match quick {
        Some(small) => small,
        None => Small::of(decode_stored(bytes, format, limits)?)?,
    };
    let response = answer(&small, settings);
    let mut json =
        serde_json::to_vec_pretty(&response).map_err(|error| PixelError::EncodeFailed {
            format,
            cause: format!("labels.json: {error}"),
        })?;
    json.push(b'\n');
    Ok(Outcome {
        details: Details {
            labels: response
                .labels
                .iter()
                .map(|label| (label.name.clone(), label.confidence))
                .collect(),
            label_model_version: response.label_model_version.clone(),
            dominant_color: response
                .image_properties
                .dominant_colors
                .first()
                .map(|colour| colour.hex_code.clone()),
        },
        outputs: vec![Output {
            file_name: "labels.json".to_owned(),
            content_type: "application/json",
            bytes: json,
        }],
        response,
    })
}

/// The answer for a measured picture.
pub fn answer(small: &Small, settings: &Settings) -> DetectLabels {
    let measured = features::measure(small);
    let detail = quality::Detail::of(small);
    let mut labels: Vec<Label> = model::scores(&measured, detail.blur)
        .into_iter()
        .map(|(name, score)| (name, quality::rounded(score * 100.0)))
        .filter(|&(_, confidence)| confidence > 0.0 && confidence >= settings.min_confidence)
        .map(|(name, confidence)| Label {
            name: name.to_owned(),
            confidence,
            instances: Vec::new(),
            parents: Vec::new(),
            aliases: Vec::new(),
            categories: vec![Named {
                name: "Image Properties".to_owned(),
            }],
        })
        .collect();
    labels.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    labels.truncate(settings.max_labels as usize);
    let most = settings.max_dominant_colors as usize;
    let part = |wanted: &dyn Fn(usize) -> bool| Part {
        quality: quality::quality(&detail, wanted),
        dominant_colors: colours::dominant(small, wanted, most),
    };
    let visible = |at: usize| small.visible(at);
    let whole = part(&visible);
    // Alpha tells the parts apart only where there is some of both.
    let told_apart = measured.transparent > 0.005 && measured.transparent < 0.995;
    let foreground = told_apart.then(|| part(&visible));
    let background = (told_apart && small.alpha.iter().any(|&alpha| (1..128).contains(&alpha)))
        .then(|| {
            part(&|at| {
                small
                    .alpha
                    .get(at)
                    .is_some_and(|alpha| (1..128).contains(alpha))
            })
        });
    DetectLabels {
        labels,
        image_properties: ImageProperties {
            quality: whole.quality,
            dominant_colors: whole.dominant_colors,
            foreground,
            background,
        },
        label_model_version: MODEL_VERSION.to_owned(),
    }
}
