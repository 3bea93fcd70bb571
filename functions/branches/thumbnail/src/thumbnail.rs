//! The pure transform.

use safelight_pixels::encode::{self, AnimationEncoder, Chroma, JpegOptions, WebpCoding};
use safelight_pixels::jpeg::{Jpeg, Kernel, Wanted};
use safelight_pixels::{
    Decoded, Filter, Format, Limits, MetadataPolicy, Output, PixelError, Pixels, decode_stored,
    for_each_frame, light, resize,
};
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};

/// What becomes of an animation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Animated {
    /// All frames, in the image's own format (GIF, WebP, APNG).
    Keep,
    /// The first frame, as a still picture.
    #[default]
    First,
}

/// Settings of the branch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Size of a side beside the original's: above 0, at most 1.
    pub scale: f64,
    /// Quality of JPEG and lossy WebP, 1 to 100.
    pub quality: u8,
    /// Whether pixels are averaged as light, not as coded values: fine bright detail stays bright, at
    /// several times the cost.
    pub linear: bool,
    /// What becomes of an animation.
    pub animated: Animated,
    /// Whether EXIF is copied; colour profiles always are.
    pub metadata: MetadataPolicy,
}

impl Default for Settings {
    /// Half a side, quality 85, over coded values, first frame, no EXIF.
    fn default() -> Self {
        Self {
            scale: 0.5,
            quality: 85,
            linear: false,
            animated: Animated::First,
            metadata: MetadataPolicy::Strip,
        }
    }
}

/// Why there is no thumbnail.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum BranchError {
    /// The pixels could not be had or written.
    #[error(transparent)]
    Pixels(#[from] PixelError),
    /// A setting is out of its range.
    #[error("[thumbnail] {0}")]
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
    /// Format of the thumbnail.
    pub format: Format,
    /// Width of the thumbnail, pixels.
    pub width: u32,
    /// Height of the thumbnail, pixels.
    pub height: u32,
    /// Width of the image, upright, pixels.
    pub source_width: u32,
    /// Height of the image, upright, pixels.
    pub source_height: u32,
    /// Frames in the thumbnail.
    pub frames: u32,
    /// Frames or pages in the image.
    pub source_frames: u32,
    /// EXIF orientation that was applied, 1 to 8.
    pub orientation: u8,
    /// What happened to the colours: `srgb`, `profile-kept`, `profile-dropped`,
    /// `cmyk-by-profile`, `cmyk-by-formula`, `tone-mapped`.
    pub colour: String,
    /// Size of the thumbnail, bytes.
    pub bytes: u64,
}

/// Files and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The thumbnail, `thumbnail.<ext>`.
    pub outputs: Vec<Output>,
    /// What was made, in numbers.
    pub details: Details,
}

/// Makes the thumbnail of an image.
///
/// Formats: JPEG stays JPEG, PNG stays PNG, WebP stays WebP (lossless where the image is). A GIF's
/// first frame becomes PNG, since a resized picture has more than 256 colours; its animation stays
/// GIF. BMP, ICO and SVG become PNG. TIFF, JPEG XL, JPEG 2000, AVIF and HEIC become JPEG, or PNG where it has transparency, 16 bits or a
/// colour table, which JPEG cannot keep.
pub fn run(
    bytes: &[u8],
    format: Format,
    settings: &Settings,
    limits: &Limits,
) -> Result<Outcome, BranchError> {
    settings.check()?;
    if format == Format::Jpeg
        && let Some(outcome) = by_planes(bytes, settings, limits)?
    {
        return Ok(outcome);
    }
    let decoded = decode_stored(bytes, format, limits)?;
    if decoded.source.animated && settings.animated == Animated::Keep {
        drop(decoded);
        return animation(bytes, format, settings, limits);
    }
    Ok(still(decoded, settings)?)
}

impl Settings {
    /// Refuses what is out of its range.
    pub fn check(&self) -> Result<(), BranchError> {
        if !(self.scale > 0.0 && self.scale <= 1.0) {
            return Err(BranchError::Settings(format!(
                "scale is {}: it has to be above 0 and at most 1",
                self.scale
            )));
        }
        if !(1..=100).contains(&self.quality) {
            return Err(BranchError::Settings(format!(
                "quality is {}: it has to be 1 to 100",
                self.quality
            )));
        }
        Ok(())
    }
}

/// A JPEG's thumbnail without the detour over red, green and blue; `None` where the general decoder
/// has to judge.
fn by_planes(
    bytes: &[u8],
    settings: &Settings,
    limits: &Limits,
) -> Result<Option<Outcome>, PixelError> {
    let Some(jpeg) = Jpeg::open(bytes, limits).filter(|_| !settings.linear) else {
        return Ok(None);
    };
    let (stored_width, stored_height) = (jpeg.width(), jpeg.height());
    let (orientation, colour) = (jpeg.orientation(), jpeg.colour());
    let metadata = jpeg.metadata().clone().under(settings.metadata);
    let wanted = Wanted {
        area: jpeg.whole(),
        width: scaled(stored_width, settings.scale),
        height: scaled(stored_height, settings.scale),
        chroma: Chroma::usual(settings.quality),
        kernel: Kernel::Lanczos3,
    };
    let Some(planes) = jpeg.pictures(&[wanted]).and_then(|mut all| all.pop()) else {
        return Ok(None);
    };
    let (source_width, source_height) = if orientation.swaps_sides() {
        (stored_height, stored_width)
    } else {
        (stored_width, stored_height)
    };
    Ok(Some(outcome(
        planes.jpeg(&metadata, settings.quality)?,
        Details {
            format: Format::Jpeg,
            width: planes.width(),
            height: planes.height(),
            source_width,
            source_height,
            frames: 1,
            source_frames: 1,
            orientation: orientation.exif(),
            colour: colour.name().to_owned(),
            bytes: 0,
        },
    )))
}

/// Resized as set: over coded values, or over light.
fn smaller(pixels: &Pixels, settings: &Settings) -> Result<Pixels, PixelError> {
    let width = scaled(pixels.width(), settings.scale);
    let height = scaled(pixels.height(), settings.scale);
    if settings.linear {
        let small = resize(&light::to_light(pixels), width, height, Filter::Lanczos3)?;
        return Ok(light::from_light(&small, pixels.bit_depth()));
    }
    resize(pixels, width, height, Filter::Lanczos3)
}

/// Invariant 1.
fn scaled(side: u32, scale: f64) -> u32 {
    ((f64::from(side) * scale + 0.5).floor() as u32).clamp(1, side.max(1))
}

fn still(decoded: Decoded, settings: &Settings) -> Result<Outcome, PixelError> {
    let orientation = decoded.orientation;
    let (stored_width, stored_height) = (decoded.pixels.width(), decoded.pixels.height());
    // Resized as stored and turned afterwards: a quarter of the pixels has to be moved.
    let small = smaller(&decoded.pixels, settings)?;
    let mut decoded = Decoded {
        pixels: orientation.apply(small),
        ..decoded
    };
    decoded.turned();
    let format = still_format(&decoded);
    let metadata = decoded.metadata.under(settings.metadata);
    let pixels = &decoded.pixels;
    let file = match format {
        Format::Jpeg => encode::jpeg(pixels, &metadata, JpegOptions::of_quality(settings.quality))?,
        Format::Webp => {
            let coding = if decoded.source.lossy {
                WebpCoding::Lossy(settings.quality)
            } else {
                WebpCoding::Lossless
            };
            encode::webp(pixels, &metadata, coding)?
        }
        _ => encode::png(pixels, &metadata)?,
    };
    let (source_width, source_height) = if orientation.swaps_sides() {
        (stored_height, stored_width)
    } else {
        (stored_width, stored_height)
    };
    Ok(outcome(
        file,
        Details {
            format,
            width: pixels.width(),
            height: pixels.height(),
            source_width,
            source_height,
            frames: 1,
            source_frames: decoded.source.frames,
            orientation: orientation.exif(),
            colour: decoded.colour.name().to_owned(),
            bytes: 0,
        },
    ))
}

fn still_format(decoded: &Decoded) -> Format {
    let (pixels, source) = (&decoded.pixels, &decoded.source);
    let fits = |format| pixels.width().max(pixels.height()) <= encode::max_side(format);
    match source.format {
        Format::Jpeg if fits(Format::Jpeg) => Format::Jpeg,
        Format::Webp if fits(Format::Webp) => Format::Webp,
        Format::Tiff | Format::Jxl | Format::Jp2 | Format::Avif | Format::Heic
            if fits(Format::Jpeg)
                && !pixels.channels().has_alpha()
                && pixels.bit_depth() == 8
                && source.bit_depth == 8
                && source.colour_model != safelight_pixels::ColourModel::Palette =>
        {
            Format::Jpeg
        }
        _ => Format::Png,
    }
}

fn animation(
    bytes: &[u8],
    format: Format,
    settings: &Settings,
    limits: &Limits,
) -> Result<Outcome, BranchError> {
    let mut encoder: Option<AnimationEncoder> = None;
    let mut size = (0, 0);
    let animation = for_each_frame(bytes, format, limits, &mut |animation, frame| {
        let small = smaller(frame.pixels, settings)?;
        let small = animation.orientation.apply(small);
        size = (small.width(), small.height());
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            empty => {
                let metadata = animation.metadata.clone().under(settings.metadata);
                empty.insert(match format {
                    Format::Gif => AnimationEncoder::gif(size.0, size.1, animation.plays)?,
                    Format::Webp => {
                        let coding = if animation.source.lossy {
                            WebpCoding::Lossy(settings.quality)
                        } else {
                            WebpCoding::Lossless
                        };
                        AnimationEncoder::webp(size.0, size.1, animation.plays, coding, metadata)
                    }
                    _ => AnimationEncoder::png(
                        size.0,
                        size.1,
                        animation.plays,
                        animation.source.frames,
                        &metadata,
                    )?,
                })
            }
        };
        encoder.push(small, frame.delay_ms)
    })?;
    let Some(encoder) = encoder else {
        return Err(PixelError::Truncated {
            format,
            place: "frames",
            cause: "there is none".to_owned(),
        }
        .into());
    };
    let (width, height) = (animation.source.width, animation.source.height);
    let (source_width, source_height) = if animation.orientation.swaps_sides() {
        (height, width)
    } else {
        (width, height)
    };
    Ok(outcome(
        encoder.finish()?,
        Details {
            format,
            width: size.0,
            height: size.1,
            source_width,
            source_height,
            frames: animation.source.frames,
            source_frames: animation.source.frames,
            orientation: animation.orientation.exif(),
            colour: if animation.metadata.icc.is_some() {
                "profile-kept".to_owned()
            } else {
                "srgb".to_owned()
            },
            bytes: 0,
        },
    ))
}

fn outcome(bytes: Vec<u8>, details: Details) -> Outcome {
    let extension = details
        .format
        .extensions()
        .first()
        .copied()
        .unwrap_or_default();
    Outcome {
        details: Details {
            bytes: bytes.len() as u64,
            ..details
        },
        outputs: vec![Output {
            file_name: format!("thumbnail.{extension}"),
            content_type: details.format.media_type(),
            bytes,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_round_half_up() {
        // Invariant 1.
        assert_eq!(
            [1, 2, 3, 4, 5, 101].map(|side| scaled(side, 0.5)),
            [1, 1, 2, 2, 3, 51]
        );
        assert_eq!(scaled(7, 1.0), 7);
        assert_eq!(scaled(1, 0.01), 1);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for settings in [
            Settings {
                scale: 0.0,
                ..Settings::default()
            },
            Settings {
                scale: f64::NAN,
                ..Settings::default()
            },
            Settings {
                scale: 1.5,
                ..Settings::default()
            },
            Settings {
                quality: 0,
                ..Settings::default()
            },
        ] {
            let error = run(b"x", Format::Png, &settings, &Limits::default()).unwrap_err();
            assert_eq!(error.name(), "Settings.Invalid", "{settings:?}");
        }
    }
}
