//! The answer of `DetectLabels`, field by field as Amazon Rekognition names them.

use serde::{Deserialize, Serialize};

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DetectLabels {
    /// Labels, most confident first.
    pub labels: Vec<Label>,
    /// Quality and colours.
    pub image_properties: ImageProperties,
    /// Version of what made the labels.
    pub label_model_version: String,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Label {
    /// Name.
    pub name: String,
    /// Confidence, 0 to 100.
    pub confidence: f64,
    /// Where it was seen; always empty for labels of the whole image.
    pub instances: Vec<Instance>,
    /// More general labels.
    pub parents: Vec<Named>,
    /// Other names.
    pub aliases: Vec<Named>,
    /// Categories.
    pub categories: Vec<Named>,
}

/// A name on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Named {
    /// The name.
    pub name: String,
}

/// One place of a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Instance {
    /// The place, as ratios of the image's sides.
    pub bounding_box: BoundingBox,
    /// Confidence, 0 to 100.
    pub confidence: f64,
    /// Colours in it.
    pub dominant_colors: Vec<DominantColor>,
}

/// A rectangle in ratios of the image's sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BoundingBox {
    /// Width, 0 to 1.
    pub width: f64,
    /// Height, 0 to 1.
    pub height: f64,
    /// Left edge, 0 to 1.
    pub left: f64,
    /// Upper edge, 0 to 1.
    pub top: f64,
}

/// Quality and colours of the image, and of its parts where they can be told apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ImageProperties {
    /// Of the whole image.
    pub quality: Quality,
    /// Of the whole image, most frequent first.
    pub dominant_colors: Vec<DominantColor>,
    /// Of what is not transparent; only where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreground: Option<Part>,
    /// Of what is partly transparent; only where something is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<Part>,
}

/// Quality and colours of a part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Part {
    /// Quality of the part.
    pub quality: Quality,
    /// Colours of the part, most frequent first.
    pub dominant_colors: Vec<DominantColor>,
}

/// Quality, each from 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Quality {
    /// Mean brightness.
    pub brightness: f64,
    /// How much fine detail stands out.
    pub sharpness: f64,
    /// Spread of brightness.
    pub contrast: f64,
}

/// One colour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct DominantColor {
    /// 0 to 255.
    pub red: u8,
    /// 0 to 255.
    pub green: u8,
    /// 0 to 255.
    pub blue: u8,
    /// `#rrggbb`.
    pub hex_code: String,
    /// The nearest CSS colour name.
    #[serde(rename = "CSSColor")]
    pub css_color: String,
    /// One of Rekognition's twelve simplified colours.
    pub simplified_color: String,
    /// Share of the pixels, 0 to 100.
    pub pixel_percent: f64,
}
