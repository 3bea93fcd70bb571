//! What a team allows: formats, bytes, sides, megapixels, frames, and extensions that lie.
//!
//! Every limit is inclusive: an image that is exactly as large as the limit passes.

use std::collections::BTreeSet;

use safelight_schema::error_name::{self, ErrorName};
use safelight_schema::image::{Format, ImageFacts};
use serde::{Deserialize, Serialize};

/// What happens to a file whose extension promises another format than its content has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExtensionAction {
    /// It is processed, and a warning is recorded.
    #[default]
    Warn,
    /// It is refused: `Image.ExtensionMismatch`.
    Error,
}

/// What is allowed; the section `[validate]` of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Formats that are taken. Default: all twelve.
    pub formats: BTreeSet<Format>,
    /// Largest object in bytes. Default: 512 MiB, above any photograph, below a film.
    pub max_bytes: u64,
    /// Shortest side in pixels as displayed. Default: 1.
    pub min_side: u32,
    /// Longest side in pixels as displayed. Default: 65,535, the longest that JPEG can store.
    pub max_side: u32,
    /// Most megapixels of one frame. Default: 100, which is 400 MB of decoded RGBA.
    pub max_megapixels: f64,
    /// Most frames or pages. Default: 1,000.
    pub max_frames: u32,
    /// What happens when an extension lies. Default: a warning.
    pub lying_extension: ExtensionAction,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            formats: Format::ALL.into_iter().collect(),
            max_bytes: 512 << 20,
            min_side: 1,
            max_side: 65_535,
            max_megapixels: 100.0,
            max_frames: 1_000,
            lying_extension: ExtensionAction::Warn,
        }
    }
}

/// What is odd about an image that is taken all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "warning", rename_all = "snake_case")]
pub enum Warning {
    /// The extension promises another format than the content has.
    ExtensionMismatch {
        /// What the extension promises.
        promised: Format,
        /// What the content is.
        found: Format,
    },
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ExtensionMismatch { promised, found } => write!(
                f,
                "the extension promises {promised}, but the content is {found}; it is treated as {found}"
            ),
        }
    }
}

/// Why the policy refuses an image.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// More bytes than allowed.
    #[error(
        "the object has {bytes} bytes; at most {max} are allowed; upload a smaller file, or raise max_bytes in [validate]"
    )]
    TooManyBytes {
        /// Size of the object.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A side is longer than allowed.
    #[error(
        "the image is {width} × {height} pixels; a side of at most {max} is allowed; upload a smaller image, or raise max_side in [validate]"
    )]
    TooLarge {
        /// Width as displayed.
        width: u32,
        /// Height as displayed.
        height: u32,
        /// The limit.
        max: u32,
    },
    /// A side is shorter than allowed.
    #[error(
        "the image is {width} × {height} pixels; a side of at least {min} is needed; upload a larger image, or lower min_side in [validate]"
    )]
    TooSmall {
        /// Width as displayed.
        width: u32,
        /// Height as displayed.
        height: u32,
        /// The limit.
        min: u32,
    },
    /// More megapixels than allowed.
    #[error(
        "the image is {width} × {height} pixels, {megapixels} megapixels; at most {max} are allowed; upload a smaller image, or raise max_megapixels in [validate]"
    )]
    TooManyMegapixels {
        /// Width as displayed.
        width: u32,
        /// Height as displayed.
        height: u32,
        /// Megapixels of the image.
        megapixels: f64,
        /// The limit.
        max: f64,
    },
    /// More frames than allowed.
    #[error("the image has {} {frames} frames; at most {max} are allowed; split it, or raise max_frames in [validate]", if *exact { "exactly" } else { "at least" })]
    TooManyFrames {
        /// Frames counted.
        frames: u32,
        /// Whether that is all of them.
        exact: bool,
        /// The limit.
        max: u32,
    },
    /// A format that is recognised, but not taken.
    #[error(
        "the image is {found}; allowed are: {allowed}; convert it, or add \"{found}\" to formats in [validate]"
    )]
    FormatNotAllowed {
        /// Format by content.
        found: Format,
        /// The formats that are taken, separated by commas.
        allowed: String,
    },
    /// The extension promises another format.
    #[error(
        "the extension promises {promised}, but the content is {found}; rename the file, or set lying_extension = \"warn\" in [validate]"
    )]
    ExtensionMismatch {
        /// What the extension promises.
        promised: Format,
        /// What the content is.
        found: Format,
    },
}

impl PolicyError {
    /// The stable name of this error.
    pub const fn name(&self) -> ErrorName {
        match self {
            Self::TooManyBytes { .. } | Self::TooLarge { .. } => error_name::IMAGE_TOO_LARGE,
            Self::TooSmall { .. } => error_name::IMAGE_TOO_SMALL,
            Self::TooManyMegapixels { .. } => error_name::IMAGE_TOO_MANY_MEGAPIXELS,
            Self::TooManyFrames { .. } => error_name::IMAGE_TOO_MANY_FRAMES,
            Self::FormatNotAllowed { .. } => error_name::IMAGE_FORMAT_NOT_ALLOWED,
            Self::ExtensionMismatch { .. } => error_name::IMAGE_EXTENSION_MISMATCH,
        }
    }
}

/// Refuses an object by its size alone, before a byte of it is read.
pub fn check_bytes(bytes: u64, policy: &Policy) -> Result<(), PolicyError> {
    if bytes > policy.max_bytes {
        return Err(PolicyError::TooManyBytes {
            bytes,
            max: policy.max_bytes,
        });
    }
    Ok(())
}

/// Checks an image called `key` against the policy; what is odd but allowed comes back as warnings.
pub fn check(facts: &ImageFacts, key: &str, policy: &Policy) -> Result<Vec<Warning>, PolicyError> {
    check_bytes(facts.bytes, policy)?;
    let (width, height, found) = (facts.width, facts.height, facts.format);
    if !policy.formats.contains(&found) {
        let names: Vec<&str> = policy.formats.iter().map(|format| format.name()).collect();
        return Err(PolicyError::FormatNotAllowed {
            found,
            allowed: names.join(", "),
        });
    }
    if width.min(height) < policy.min_side {
        return Err(PolicyError::TooSmall {
            width,
            height,
            min: policy.min_side,
        });
    }
    if width.max(height) > policy.max_side {
        return Err(PolicyError::TooLarge {
            width,
            height,
            max: policy.max_side,
        });
    }
    // From the sides, since the fact is rounded.
    if f64::from(width) * f64::from(height) > policy.max_megapixels * 1e6 {
        return Err(PolicyError::TooManyMegapixels {
            width,
            height,
            megapixels: facts.megapixels,
            max: policy.max_megapixels,
        });
    }
    if facts.frames > policy.max_frames {
        return Err(PolicyError::TooManyFrames {
            frames: facts.frames,
            exact: facts.frames_exact,
            max: policy.max_frames,
        });
    }
    match (lie(key, found), policy.lying_extension) {
        (None, _) => Ok(Vec::new()),
        (Some(promised), ExtensionAction::Warn) => {
            Ok(vec![Warning::ExtensionMismatch { promised, found }])
        }
        (Some(promised), ExtensionAction::Error) => {
            Err(PolicyError::ExtensionMismatch { promised, found })
        }
    }
}

/// What the key's extension promises, if that is not what was found. `heif` and `hif` name the
/// container, which AVIF shares.
fn lie(key: &str, found: Format) -> Option<Format> {
    let promised = Format::of_extension(key)?;
    let names_container = |key: &str| {
        let extension = key.rsplit('.').next().unwrap_or_default();
        extension.eq_ignore_ascii_case("heif") || extension.eq_ignore_ascii_case("hif")
    };
    if promised == found || (found == Format::Avif && names_container(key)) {
        None
    } else {
        Some(promised)
    }
}
