//! The pure transform.

use safelight_pixels::encode::{
    self, AnimationEncoder, AvifEffort, Chroma, JpegOptions, WebpCoding,
};
use safelight_pixels::jpeg::{Jpeg, Kernel, Wanted};
use safelight_pixels::lossless::{self, Recompressed};
use safelight_pixels::{
    Decoded, Format, Limits, MetadataPolicy, Output, PixelError, colour, decode, for_each_frame,
};
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};

/// Settings of the branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Quality of JPEG, 1 to 100.
    pub jpeg_quality: u8,
    /// Resolution of colour in JPEG.
    pub jpeg_chroma: JpegChroma,
    /// Whether JPEG is written in several scans of growing detail.
    pub jpeg_progressive: bool,
    /// Quality of lossy WebP, 1 to 100.
    pub webp_quality: u8,
    /// What pictures that are coded with loss become.
    pub lossy_format: LossyFormat,
    /// Quality of AVIF, 1 to 100; at 85 a photograph looks as it does as a JPEG of quality 80.
    pub avif_quality: u8,
    /// Whether EXIF is kept; colour profiles always are, but in AVIF.
    pub metadata: MetadataPolicy,
}

impl Default for Settings {
    /// Quality 80, one scan, no EXIF.
    fn default() -> Self {
        Self {
            jpeg_quality: 80,
            jpeg_chroma: JpegChroma::Auto,
            jpeg_progressive: false,
            webp_quality: 80,
            lossy_format: LossyFormat::Same,
            avif_quality: 85,
            metadata: MetadataPolicy::Strip,
        }
    }
}

/// What still pictures that are coded with loss become.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossyFormat {
    /// What they are: JPEG or WebP.
    #[default]
    Same,
    /// AVIF, in sRGB: a feature of the build.
    Avif,
}

/// Resolution of colour in JPEG. Never more than the image has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum JpegChroma {
    /// 4:2:0 below quality 90, 4:4:4 from there.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// One sample a pixel.
    #[serde(rename = "4:4:4")]
    Full,
    /// One for two pixels of a row.
    #[serde(rename = "4:2:2")]
    Half,
    /// One for 2 × 2 pixels.
    #[serde(rename = "4:2:0")]
    Quarter,
}

impl JpegChroma {
    const fn at(self, quality: u8) -> Chroma {
        match self {
            Self::Auto => Chroma::usual(quality),
            Self::Full => Chroma::Full,
            Self::Half => Chroma::Half,
            Self::Quarter => Chroma::Quarter,
        }
    }
}

/// Why there is no compressed image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BranchError {
    /// The pixels could not be had or written.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// A setting is out of its range.
    #[error("[compress] {0}")]
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

/// What was made, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Format of the output.
    pub format: Format,
    /// Size of the image, bytes.
    pub source_bytes: u64,
    /// Size of the output, bytes.
    pub bytes: u64,
    /// Whether the output is the image as it was.
    pub kept_original: bool,
    /// Why it was kept; absent where it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `lossy` or `lossless`: how the output was coded; absent where the original was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coding: Option<String>,
    /// Quality of a lossy output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u8>,
    /// Chroma subsampling of a JPEG output, `4:2:0`, `4:2:2` or `4:4:4`; AVIF's is always `4:4:4`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chroma: Option<String>,
    /// What happened to the colours of an AVIF output, such as `converted-to-srgb`; in every other format
    /// they stay what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
}

/// Files and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The compressed image, `compressed.<ext>`.
    pub outputs: Vec<Output>,
    /// What was made, in numbers.
    pub details: Details,
}

/// What an AVIF may take, seconds of a core: `timeout_seconds` of branch.json, less the decoding.
pub const AVIF_SECONDS: u64 = 100;

/// What the details say where the colours of a profile became those of sRGB.
const CONVERTED: &str = "converted-to-srgb";

/// A candidate for the output, or why there is none.
enum Candidate {
    Lossy {
        bytes: Vec<u8>,
        format: Format,
        quality: u8,
        chroma: Option<Chroma>,
        colour: Option<&'static str>,
    },
    Lossless {
        bytes: Vec<u8>,
        format: Format,
    },
    None(&'static str),
}

/// Compresses an image.
///
/// JPEG becomes JPEG and lossy WebP lossy WebP, or both become AVIF (an animation does not), at the
/// set quality; PNG, GIF, TIFF and lossless WebP become smaller without loss in their own format;
/// BMP becomes PNG. An icon is kept as it is, and so are JPEG XL, JPEG 2000, SVG, AVIF and HEIC.
pub fn run(
    bytes: &[u8],
    format: Format,
    settings: &Settings,
    limits: &Limits,
) -> Result<Outcome, BranchError> {
    settings.check()?;
    let candidate = candidate(bytes, format, *settings, limits)?;
    Ok(smaller_of(bytes, format, candidate))
}

impl Settings {
    /// Refuses what is out of its range.
    pub fn check(&self) -> Result<(), BranchError> {
        for (name, quality) in [
            ("jpeg_quality", self.jpeg_quality),
            ("webp_quality", self.webp_quality),
            ("avif_quality", self.avif_quality),
        ] {
            if !(1..=100).contains(&quality) {
                return Err(BranchError::Settings(format!(
                    "{name} is {quality}: it has to be 1 to 100"
                )));
            }
        }
        if self.lossy_format == LossyFormat::Avif && !encode::WRITES_AVIF {
            return Err(BranchError::Settings(
                "lossy_format is 'avif', which this build does not write: build with the feature \
                 'avif-output', or set another"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

fn candidate(
    bytes: &[u8],
    format: Format,
    settings: Settings,
    limits: &Limits,
) -> Result<Candidate, PixelError> {
    let recompressed = match format {
        Format::Jpeg => return jpeg(bytes, settings, limits),
        Format::Webp => return webp(bytes, settings, limits),
        Format::Bmp => {
            let decoded = decode(bytes, format, limits)?;
            return Ok(Candidate::Lossless {
                bytes: lossless::pixels_as_png(&decoded.pixels, &decoded.metadata)?,
                format: Format::Png,
            });
        }
        Format::Png => lossless::png(bytes, limits, settings.metadata)?,
        Format::Gif => lossless::gif(bytes, limits, settings.metadata)?,
        Format::Tiff => lossless::tiff(bytes, limits, settings.metadata)?,
        Format::Ico => Recompressed::Kept("an icon holds several pictures and is kept whole"),
        // Each is smaller as it is than as anything that is written here.
        Format::Jxl | Format::Jp2 | Format::Svg | Format::Avif | Format::Heic => {
            // What cannot be decoded is not passed on as if it were sound.
            decode(bytes, format, limits)?;
            Recompressed::Kept("this format is read and not written, and is kept as it is")
        }
    };
    Ok(match recompressed {
        Recompressed::New(bytes) => Candidate::Lossless { bytes, format },
        Recompressed::Kept(reason) => Candidate::None(reason),
    })
}

fn jpeg(bytes: &[u8], settings: Settings, limits: &Limits) -> Result<Candidate, PixelError> {
    let as_avif = settings.lossy_format == LossyFormat::Avif;
    if !as_avif
        && !settings.jpeg_progressive
        && let Some(candidate) = jpeg_by_planes(bytes, settings, limits)?
    {
        return Ok(candidate);
    }
    let decoded = decode(bytes, Format::Jpeg, limits)?;
    if as_avif {
        return avif(decoded, settings);
    }
    let metadata = decoded.metadata.under(settings.metadata);
    let options = JpegOptions {
        quality: settings.jpeg_quality,
        progressive: settings.jpeg_progressive,
        chroma: settings.jpeg_chroma.at(settings.jpeg_quality),
    };
    Ok(Candidate::Lossy {
        bytes: encode::jpeg(&decoded.pixels, &metadata, options)?,
        format: Format::Jpeg,
        quality: settings.jpeg_quality,
        chroma: Some(options.chroma),
        colour: None,
    })
}

/// The same without the detour over red, green and blue; `None` where the general decoder has to
/// judge.
fn jpeg_by_planes(
    bytes: &[u8],
    settings: Settings,
    limits: &Limits,
) -> Result<Option<Candidate>, PixelError> {
    let Some(jpeg) = Jpeg::open(bytes, limits) else {
        return Ok(None);
    };
    let metadata = jpeg.metadata().clone().under(settings.metadata);
    let chroma = jpeg.at_most(settings.jpeg_chroma.at(settings.jpeg_quality));
    let wanted = Wanted {
        area: jpeg.whole(),
        width: jpeg.width(),
        height: jpeg.height(),
        chroma,
        kernel: Kernel::Box,
    };
    let Some(planes) = jpeg.pictures(&[wanted]).and_then(|mut all| all.pop()) else {
        return Ok(None);
    };
    Ok(Some(Candidate::Lossy {
        bytes: planes.jpeg(&metadata, settings.jpeg_quality)?,
        format: Format::Jpeg,
        quality: settings.jpeg_quality,
        chroma: Some(chroma),
        colour: None,
    }))
}

/// As AVIF, in sRGB: a profile does not travel along.
fn avif(decoded: Decoded, settings: Settings) -> Result<Candidate, PixelError> {
    let effort = AvifEffort::within(
        AVIF_SECONDS,
        [(decoded.pixels.width(), decoded.pixels.height())],
    )?;
    let mut metadata = decoded.metadata.under(settings.metadata);
    let profile = metadata.icc.take();
    let colour = match profile {
        Some(_) => CONVERTED,
        None => decoded.colour.name(),
    };
    let pixels = colour::to_srgb8(decoded.pixels, profile.as_deref(), Format::Avif)?;
    Ok(Candidate::Lossy {
        bytes: encode::avif(pixels, &metadata, settings.avif_quality, effort)?,
        format: Format::Avif,
        quality: settings.avif_quality,
        chroma: Some(Chroma::Full),
        colour: Some(colour),
    })
}

fn webp(bytes: &[u8], settings: Settings, limits: &Limits) -> Result<Candidate, PixelError> {
    let decoded = decode(bytes, Format::Webp, limits)?;
    let coding = if decoded.source.lossy {
        WebpCoding::Lossy(settings.webp_quality)
    } else {
        WebpCoding::Lossless
    };
    if settings.lossy_format == LossyFormat::Avif
        && decoded.source.lossy
        && !decoded.source.animated
    {
        return avif(decoded, settings);
    }
    let file = if decoded.source.animated {
        drop(decoded);
        webp_animation(bytes, coding, settings, limits)?
    } else {
        let metadata = decoded.metadata.under(settings.metadata);
        encode::webp(&decoded.pixels, &metadata, coding)?
    };
    Ok(match coding {
        WebpCoding::Lossy(quality) => Candidate::Lossy {
            bytes: file,
            format: Format::Webp,
            quality,
            chroma: None,
            colour: None,
        },
        WebpCoding::Lossless => Candidate::Lossless {
            bytes: file,
            format: Format::Webp,
        },
    })
}

fn webp_animation(
    bytes: &[u8],
    coding: WebpCoding,
    settings: Settings,
    limits: &Limits,
) -> Result<Vec<u8>, PixelError> {
    let mut encoder: Option<AnimationEncoder> = None;
    for_each_frame(bytes, Format::Webp, limits, &mut |animation, frame| {
        let upright = animation.orientation.apply(frame.pixels.clone());
        encoder
            .get_or_insert_with(|| {
                AnimationEncoder::webp(
                    upright.width(),
                    upright.height(),
                    animation.plays,
                    coding,
                    animation.metadata.clone().under(settings.metadata),
                )
            })
            .push(upright, frame.delay_ms)
    })?;
    match encoder {
        Some(encoder) => encoder.finish(),
        None => Err(PixelError::Truncated {
            format: Format::Webp,
            place: "frames",
            cause: "there is none".to_owned(),
        }),
    }
}

/// Invariant 1.
fn smaller_of(original: &[u8], format: Format, candidate: Candidate) -> Outcome {
    let source_bytes = original.len() as u64;
    let (bytes, details) = match candidate {
        Candidate::Lossy {
            bytes,
            format,
            quality,
            chroma,
            colour,
        } if bytes.len() < original.len() => {
            let details = Details {
                format,
                source_bytes,
                bytes: bytes.len() as u64,
                kept_original: false,
                reason: None,
                coding: Some("lossy".to_owned()),
                quality: Some(quality),
                chroma: chroma.map(|chroma| chroma.name().to_owned()),
                colour: colour.map(str::to_owned),
            };
            (bytes, details)
        }
        Candidate::Lossless { bytes, format } if bytes.len() < original.len() => {
            let details = Details {
                format,
                source_bytes,
                bytes: bytes.len() as u64,
                kept_original: false,
                reason: None,
                coding: Some("lossless".to_owned()),
                quality: None,
                chroma: None,
                colour: None,
            };
            (bytes, details)
        }
        refused => {
            let reason = match refused {
                Candidate::None(reason) => reason.to_owned(),
                Candidate::Lossy { bytes, .. } | Candidate::Lossless { bytes, .. } => format!(
                    "recompressed it has {} bytes, and the original has {source_bytes}",
                    bytes.len()
                ),
            };
            let details = Details {
                format,
                source_bytes,
                bytes: source_bytes,
                kept_original: true,
                reason: Some(reason),
                coding: None,
                quality: None,
                chroma: None,
                colour: None,
            };
            (original.to_vec(), details)
        }
    };
    let extension = details
        .format
        .extensions()
        .first()
        .copied()
        .unwrap_or_default();
    Outcome {
        outputs: vec![Output {
            file_name: format!("compressed.{extension}"),
            content_type: details.format.media_type(),
            bytes,
        }],
        details,
    }
}
