//! What an image is to the workflow: where it lies, and what its header says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A file format that validate recognises by content.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG (ISO/IEC 10918).
    Jpeg,
    /// PNG and APNG (W3C PNG, third edition).
    Png,
    /// GIF 87a and 89a.
    Gif,
    /// WebP (RFC 9649).
    Webp,
    /// Windows bitmap.
    Bmp,
    /// TIFF 6.0 and BigTIFF.
    Tiff,
    /// Windows icon.
    Ico,
    /// JPEG XL (ISO/IEC 18181).
    Jxl,
    /// JPEG 2000 (ISO/IEC 15444): codestream or JP2.
    Jp2,
    /// SVG 1.1 and 2.
    Svg,
    /// AV1 image file format.
    Avif,
    /// HEIF with HEVC.
    Heic,
}

impl Format {
    /// Every format, in the order of the documents.
    pub const ALL: [Self; 12] = [
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::Webp,
        Self::Bmp,
        Self::Tiff,
        Self::Ico,
        Self::Jxl,
        Self::Jp2,
        Self::Svg,
        Self::Avif,
        Self::Heic,
    ];

    /// The lower-case name used in events, manifests and `--json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Ico => "ico",
            Self::Jxl => "jxl",
            Self::Jp2 => "jp2",
            Self::Svg => "svg",
            Self::Avif => "avif",
            Self::Heic => "heic",
        }
    }

    /// The file extensions that people give this format, without the dot, the usual one first.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Jpeg => &["jpg", "jpeg", "jpe", "jfif"],
            Self::Png => &["png", "apng"],
            Self::Gif => &["gif"],
            Self::Webp => &["webp"],
            Self::Bmp => &["bmp", "dib"],
            Self::Tiff => &["tiff", "tif"],
            Self::Ico => &["ico"],
            Self::Jxl => &["jxl"],
            Self::Jp2 => &["jp2", "j2k", "j2c", "jpf", "jpx", "jpc"],
            Self::Svg => &["svg"],
            Self::Avif => &["avif"],
            Self::Heic => &["heic", "heif", "hif"],
        }
    }

    /// The media type (IANA) of the format.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
            Self::Bmp => "image/bmp",
            Self::Tiff => "image/tiff",
            Self::Ico => "image/vnd.microsoft.icon",
            Self::Jxl => "image/jxl",
            Self::Jp2 => "image/jp2",
            Self::Svg => "image/svg+xml",
            Self::Avif => "image/avif",
            Self::Heic => "image/heic",
        }
    }

    /// The format that a file's extension promises, if it promises one.
    pub fn of_extension(key: &str) -> Option<Self> {
        let (_, extension) = key.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|format| format.extensions().contains(&extension.as_str()))
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One version of one object: what an execution is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageRef {
    /// Bucket name; locally the name of a folder.
    pub bucket: String,
    /// Object key, decoded, exactly as the object is called.
    pub key: String,
    /// Version id; locally the SHA-256 of the content in hex. Absent for an unversioned bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Entity tag, for `If-Match` reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// S3's sequencer: orders two writes of the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// Size of the object in bytes, where the notification says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl ImageRef {
    /// `bucket/key`: the subject of the image's events.
    pub fn subject(&self) -> String {
        format!("{}/{}", self.bucket, self.key)
    }
}

/// How the samples of a pixel are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColourModel {
    /// One luminance channel.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Indexes into a colour table.
    Palette,
    /// Luma and two chroma channels.
    Ycbcr,
    /// Cyan, magenta, yellow, black.
    Cmyk,
    /// CMYK stored as luma, chroma and black (Adobe JPEG).
    Ycck,
    /// CIE L*a*b*.
    Lab,
    /// Shapes, not pixels (SVG).
    Vector,
    /// The header does not say.
    Unknown,
}

/// What the header of an image says; measured by validate without touching a pixel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a header has that many yes-or-no facts"
)]
pub struct ImageFacts {
    /// Format by content.
    pub format: Format,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// Width in pixels as displayed, after `orientation`.
    pub width: u32,
    /// Height in pixels as displayed, after `orientation`.
    pub height: u32,
    /// Width × height ÷ 1,000,000, to four decimals.
    pub megapixels: f64,
    /// Frames or pages; counted up to the policy's limit and one more.
    pub frames: u32,
    /// Whether `frames` is the whole number; otherwise there are at least so many, and counting on
    /// would have passed the limit of the policy, of the reads or of the bytes read.
    pub frames_exact: bool,
    /// Whether the frames are shown one after the other in time.
    pub animated: bool,
    /// Bits a sample.
    pub bit_depth: u8,
    /// How samples are to be read.
    pub colour_model: ColourModel,
    /// Whether the image carries transparency.
    pub alpha: bool,
    /// EXIF orientation, 1 to 8 (1 where nothing is said).
    pub orientation: u8,
    /// Whether an ICC profile is embedded.
    pub icc: bool,
}

impl ImageFacts {
    /// The megapixels of `width` × `height`, to four decimals.
    pub fn megapixels_of(width: u32, height: u32) -> f64 {
        (f64::from(width) * f64::from(height) / 100.0).round() / 10_000.0
    }
}

/// What reading the header cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeaderCost {
    /// Ranged reads made (at most 32).
    pub reads: u32,
    /// Bytes read (at most 1 MiB).
    pub bytes: u64,
}
