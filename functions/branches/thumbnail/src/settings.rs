//! What a team can set.

use safelight_pixels::{Format, Ground, MetadataPolicy, encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::BranchError;

/// Most thumbnails of one image.
pub const MAX_SIZES: usize = 16;
/// Longest side of a box, pixels: what WebP can state.
pub const MAX_SIDE: u32 = 16_383;

/// Settings of the branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Size of a side beside the original's: above 0, at most 1 (10 where `enlarge` is set).
    pub scale: f64,
    /// Boxes to fit into, each its own file from the one decode; they take the place of `scale`.
    pub sizes: Vec<Size>,
    /// How a picture is fitted into a box.
    pub fit: Fit,
    /// Whether a picture that is smaller than its box is enlarged.
    pub enlarge: bool,
    /// What is around a padded picture, and behind a transparent one in JPEG.
    pub background: Background,
    /// Format of the thumbnail.
    pub format: OutputFormat,
    /// Quality of JPEG, lossy WebP and AVIF, 1 to 100.
    pub quality: u8,
    /// Whether a colour profile is kept, or the colours become sRGB.
    pub colour: ColourPolicy,
    /// Whether pixels are averaged as light, not as coded values: fine bright detail stays bright, at
    /// several times the cost.
    pub linear: bool,
    /// What becomes of an animation.
    pub animated: Animated,
    /// Whether EXIF is copied; colour profiles always are, unless the colours become sRGB.
    pub metadata: MetadataPolicy,
}

impl Default for Settings {
    /// Half a side, quality 85, over coded values, in the image's format and colours, first frame, no
    /// EXIF.
    fn default() -> Self {
        Self {
            scale: 0.5,
            sizes: Vec::new(),
            fit: Fit::Contain,
            enlarge: false,
            background: Background(Ground::WHITE),
            format: OutputFormat::Same,
            quality: 85,
            colour: ColourPolicy::Keep,
            linear: false,
            animated: Animated::First,
            metadata: MetadataPolicy::Strip,
        }
    }
}

/// A box to fit into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Name of the file, without its extension: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Width, pixels; absent where only the height counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// Height, pixels; absent where only the width counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How; the settings' own `fit` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<Fit>,
}

/// How a picture is fitted into a box.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// All of it, as large as the box allows.
    #[default]
    Contain,
    /// The box is filled; what is over is cut off on both sides.
    Cover,
    /// All of it, with background around it up to the size of the box.
    Pad,
}

/// Format of the thumbnail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// As the image, or what can hold it: see [`crate::run`].
    #[default]
    Same,
    /// JPEG, over the background.
    Jpeg,
    /// PNG.
    Png,
    /// WebP: lossy where the image is, else lossless.
    Webp,
    /// AVIF, in sRGB: a feature of the build.
    Avif,
}

impl OutputFormat {
    pub(crate) const fn set(self) -> Option<Format> {
        match self {
            Self::Same => None,
            Self::Jpeg => Some(Format::Jpeg),
            Self::Png => Some(Format::Png),
            Self::Webp => Some(Format::Webp),
            Self::Avif => Some(Format::Avif),
        }
    }
}

/// What becomes of a colour profile.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColourPolicy {
    /// It travels with the thumbnail: no colour changes.
    #[default]
    Keep,
    /// The colours become sRGB, 8 bits a sample; those outside of it become the nearest inside.
    Srgb,
}

/// What becomes of an animation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Animated {
    /// All frames, in the image's own format (GIF, WebP, APNG) or the one that is set, unless that is
    /// JPEG or AVIF.
    Keep,
    /// The first frame, as a still picture.
    #[default]
    First,
}

/// `#rrggbb` or `transparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Background(pub Ground);

impl Serialize for Background {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Ground::Opaque([red, green, blue]) => {
                serializer.collect_str(&format_args!("#{red:02x}{green:02x}{blue:02x}"))
            }
            Ground::Transparent => serializer.serialize_str("transparent"),
        }
    }
}

impl<'de> Deserialize<'de> for Background {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "transparent" {
            return Ok(Self(Ground::Transparent));
        }
        let digits = text.strip_prefix('#').filter(|digits| {
            digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] = number
            .ok_or_else(|| {
                serde::de::Error::custom(format!(
                    "background is '{text}': it has to be like '#ffffff', or 'transparent'"
                ))
            })?
            .to_be_bytes();
        Ok(Self(Ground::Opaque([red, green, blue])))
    }
}

impl Settings {
    /// Refuses what is out of its range.
    pub fn check(&self) -> Result<(), BranchError> {
        let refuse = |text: String| Err(BranchError::Settings(text));
        let most = if self.enlarge { 10.0 } else { 1.0 };
        if !(self.scale > 0.0 && self.scale <= most) {
            return refuse(format!(
                "scale is {}: it has to be above 0 and at most {most}",
                self.scale
            ));
        }
        if !(1..=100).contains(&self.quality) {
            return refuse(format!(
                "quality is {}: it has to be 1 to 100",
                self.quality
            ));
        }
        if self.format == OutputFormat::Avif && !encode::WRITES_AVIF {
            return refuse(
                "format is 'avif', which this build does not write: build with the feature \
                 'avif-output', or set another"
                    .to_owned(),
            );
        }
        if self.sizes.len() > MAX_SIZES {
            return refuse(format!(
                "there are {} sizes: at most {MAX_SIZES} are made",
                self.sizes.len()
            ));
        }
        for (index, size) in self.sizes.iter().enumerate() {
            size.check(self.fit)?;
            if self.sizes[..index]
                .iter()
                .any(|other| other.name == size.name)
            {
                return refuse(format!("two sizes are named '{}'", size.name));
            }
        }
        Ok(())
    }
}

impl Size {
    fn check(&self, usual: Fit) -> Result<(), BranchError> {
        let refuse = |text: &str| {
            Err(BranchError::Settings(format!(
                "size '{}': {text}",
                self.name
            )))
        };
        let plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(plain) {
            return refuse("a name is 1 to 64 lower-case letters, digits, '-' and '_'");
        }
        let sides = [self.width, self.height];
        if sides
            .iter()
            .flatten()
            .any(|&side| side == 0 || side > MAX_SIDE)
        {
            return refuse("a side is 1 to 16383 pixels");
        }
        match (sides, self.fit.unwrap_or(usual)) {
            ([None, None], _) => refuse("width or height is missing"),
            ([None, _] | [_, None], Fit::Cover | Fit::Pad) => {
                refuse("'cover' and 'pad' need width and height")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: serde_json::Value) -> Result<Settings, String> {
        let settings: Settings = serde_json::from_value(json).map_err(|error| error.to_string())?;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (json, expected) in [
            (serde_json::json!({"scale": 0.0}), "scale is 0"),
            (serde_json::json!({"scale": 1.5}), "at most 1"),
            (
                serde_json::json!({"scale": 11.0, "enlarge": true}),
                "at most 10",
            ),
            (serde_json::json!({"quality": 0}), "quality is 0"),
            (serde_json::json!({"background": "red"}), "like '#ffffff'"),
            (
                serde_json::json!({"background": "#12345é"}),
                "like '#ffffff'",
            ),
            (
                serde_json::json!({"sizes": [{"name": "a"}]}),
                "width or height is missing",
            ),
            (
                serde_json::json!({"sizes": [{"name": "../a", "width": 1}]}),
                "a name is",
            ),
            (
                serde_json::json!({"sizes": [{"name": "a", "width": 0}]}),
                "1 to 16383",
            ),
            (
                serde_json::json!({"fit": "cover", "sizes": [{"name": "a", "width": 9}]}),
                "need width and height",
            ),
            (
                serde_json::json!({"sizes": [{"name": "a", "width": 9}, {"name": "a", "width": 8}]}),
                "two sizes",
            ),
        ] {
            let error = of(json.clone()).unwrap_err();
            assert!(error.contains(expected), "{json}: {error}");
        }
        assert!(of(serde_json::json!({"scale": 1.5, "enlarge": true})).is_ok());
    }

    #[test]
    fn settings_are_written_as_they_are_read() {
        let settings = of(
            serde_json::json!({"background": "#0a0b0c", "format": "webp", "fit": "pad",
            "sizes": [{"name": "small", "width": 8, "height": 9}]}),
        )
        .unwrap();
        assert_eq!(
            settings.background,
            Background(Ground::Opaque([10, 11, 12]))
        );
        let text = serde_json::to_value(&settings).unwrap();
        assert_eq!(text["background"], "#0a0b0c");
        assert_eq!(of(text).unwrap(), settings);
    }
}
