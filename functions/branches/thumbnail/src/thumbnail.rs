//! The pure transform.

use std::borrow::Cow;

use safelight_pixels::encode::{
    self, AnimationEncoder, AvifEffort, Chroma, JpegOptions, WebpCoding,
};
use safelight_pixels::jpeg::{Jpeg, Kernel, Wanted};
use safelight_pixels::{
    Animation, ColourModel, Decoded, Filter, Format, Ground, Limits, Metadata, Orientation, Output,
    PixelError, Pixels, Source, colour, decode_stored, for_each_frame, light, on_ground,
    resize_area,
};
use safelight_schema::error_name;
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, plans};
use crate::settings::{Animated, ColourPolicy, OutputFormat, Settings};

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

/// What was made, in numbers: of the first size, where there are several.
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
    /// `cmyk-by-profile`, `cmyk-by-formula`, `tone-mapped`, `converted-to-srgb`.
    pub colour: String,
    /// Size of the thumbnail, bytes.
    pub bytes: u64,
    /// Every size, where `sizes` is set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<Made>,
}

/// One size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Name of its file.
    pub file: String,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Size, bytes.
    pub bytes: u64,
}

/// Files and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The thumbnail, `thumbnail.<ext>`; or each size, by its name.
    pub outputs: Vec<Output>,
    /// What was made, in numbers.
    pub details: Details,
}

/// Makes the thumbnails of an image, from one decode.
///
/// Formats, where none is set: JPEG stays JPEG, PNG stays PNG, WebP stays WebP (lossless where the
/// image is). A GIF's first frame becomes PNG, since a resized picture has more than 256 colours; its
/// animation stays GIF. BMP, ICO and SVG become PNG. TIFF, JPEG XL, JPEG 2000, AVIF and HEIC become
/// JPEG, or PNG where it has transparency, 16 bits or a colour table, which JPEG cannot keep.
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
    let moves = !matches!(settings.format, OutputFormat::Jpeg | OutputFormat::Avif);
    let keeps = settings.animated == Animated::Keep && moves;
    if decoded.source.animated && keeps {
        drop(decoded);
        return animation(bytes, format, settings, limits);
    }
    Ok(still(decoded, settings, limits)?)
}

/// The plans for a picture, when all of them keep to the limits: one that is enlarged or lies on a
/// ground may be larger than what was decoded.
fn allowed(
    format: Format,
    source: (u32, u32),
    settings: &Settings,
    limits: &Limits,
) -> Result<Vec<Plan>, PixelError> {
    let plans = plans(source, settings);
    for plan in plans.iter().filter(|plan| plan.grows()) {
        let (width, height) = plan.size();
        limits.check(format, u64::from(width), u64::from(height), 8)?;
    }
    Ok(plans)
}

/// A JPEG's thumbnails without the detour over red, green and blue; `None` where they take more than
/// that, or the general decoder has to judge.
fn by_planes(
    bytes: &[u8],
    settings: &Settings,
    limits: &Limits,
) -> Result<Option<Outcome>, PixelError> {
    let stays = matches!(settings.format, OutputFormat::Same | OutputFormat::Jpeg);
    let Some(jpeg) = Jpeg::open(bytes, limits).filter(|_| stays && !settings.linear) else {
        return Ok(None);
    };
    let (orientation, colour) = (jpeg.orientation(), jpeg.colour());
    let converts = settings.colour == ColourPolicy::Srgb && jpeg.metadata().icc.is_some();
    let source = orientation.sides((jpeg.width(), jpeg.height()));
    let plans = allowed(Format::Jpeg, source, settings, limits)?;
    if converts || plans.iter().any(Plan::grows) {
        return Ok(None);
    }
    let metadata = jpeg.metadata().clone().under(settings.metadata);
    let wanted: Vec<Wanted> = plans
        .iter()
        .map(|plan| {
            let swaps = orientation.swaps_sides();
            let (width, height) = orientation.sides((plan.width, plan.height));
            Wanted {
                area: if swaps {
                    plan.area.transposed()
                } else {
                    plan.area
                },
                width,
                height,
                chroma: Chroma::usual(settings.quality),
                kernel: Kernel::Lanczos3,
            }
        })
        .collect();
    let Some(pictures) = jpeg.pictures(&wanted) else {
        return Ok(None);
    };
    let mut files = Files::new(Format::Jpeg, settings);
    for (plan, planes) in plans.iter().zip(pictures) {
        let file = planes.jpeg(&metadata, settings.quality)?;
        files.push(plan, (planes.width(), planes.height()), file);
    }
    let facts = Facts {
        source,
        frames: 1,
        source_frames: 1,
        orientation,
        colour: colour.name().to_owned(),
    };
    Ok(files.outcome(facts))
}

/// A picture as stored, ready for every size: as coded values, or as light.
struct Ready<'a> {
    pixels: Cow<'a, Pixels>,
    orientation: Orientation,
    bit_depth: u8,
    linear: bool,
}

impl<'a> Ready<'a> {
    fn new(pixels: &'a Pixels, orientation: Orientation, linear: bool) -> Self {
        Self {
            bit_depth: pixels.bit_depth(),
            pixels: if linear {
                Cow::Owned(light::to_light(pixels))
            } else {
                Cow::Borrowed(pixels)
            },
            orientation,
            linear,
        }
    }

    /// Resized as stored and turned afterwards: fewer pixels have to be moved.
    fn made(&self, plan: &Plan) -> Result<Pixels, PixelError> {
        let swaps = self.orientation.swaps_sides();
        let (width, height) = self.orientation.sides((plan.width, plan.height));
        let area = if swaps {
            plan.area.transposed()
        } else {
            plan.area
        };
        let small = resize_area(&self.pixels, area, width, height, Filter::Lanczos3)?;
        let small = if self.linear {
            light::from_light(&small, self.bit_depth)
        } else {
            small
        };
        Ok(self.orientation.apply(small))
    }
}

/// A picture as it goes into its file: in sRGB where that is wanted, on its ground where it has one.
/// An opaque ground shows through the picture as well.
fn finished(
    pixels: Pixels,
    plan: &Plan,
    format: Format,
    profile: Option<&[u8]>,
    settings: &Settings,
) -> Result<Pixels, PixelError> {
    let pixels = match profile {
        Some(_) => colour::to_srgb8(pixels, profile, format)?,
        None => pixels,
    };
    let opaque = format == Format::Jpeg;
    if plan.ground.is_none() && !(opaque && pixels.channels().has_alpha()) {
        return Ok(pixels);
    }
    let ground = match settings.background.0 {
        Ground::Transparent if opaque => Ground::WHITE,
        ground => ground,
    };
    let (width, height) = plan.size();
    on_ground(pixels, width, height, ground).ok_or_else(|| PixelError::EncodeFailed {
        format,
        cause: "a side of the ground is zero".to_owned(),
    })
}

/// The profile to convert from, where the colours are to become sRGB; it leaves the metadata then.
fn converts(metadata: &mut Metadata, settings: &Settings) -> Option<Vec<u8>> {
    // AVIF is written without a profile.
    if settings.colour != ColourPolicy::Srgb && settings.format != OutputFormat::Avif {
        return None;
    }
    let profile = metadata.icc.take()?;
    metadata.png_colour.clear();
    Some(profile)
}

/// What the AVIFs of one image may take together, seconds of a core: `timeout_seconds` of branch.json,
/// less the decoding.
pub const AVIF_SECONDS: u64 = 52;

const CONVERTED: &str = "converted-to-srgb";

fn webp_coding(source: &Source, settings: &Settings) -> WebpCoding {
    if source.lossy {
        WebpCoding::Lossy(settings.quality)
    } else {
        WebpCoding::Lossless
    }
}

fn still(
    mut decoded: Decoded,
    settings: &Settings,
    limits: &Limits,
) -> Result<Outcome, PixelError> {
    let orientation = decoded.orientation;
    let source = orientation.sides((decoded.pixels.width(), decoded.pixels.height()));
    let plans = allowed(decoded.source.format, source, settings, limits)?;
    decoded.turned();
    let mut metadata = decoded.metadata.clone().under(settings.metadata);
    let profile = converts(&mut metadata, settings);
    let longest = plans
        .iter()
        .map(|plan| plan.size().0.max(plan.size().1))
        .max();
    let format = settings
        .format
        .set()
        .unwrap_or_else(|| still_format(&decoded, longest.unwrap_or(1)));
    let avif = match format {
        Format::Avif => Some(AvifEffort::within(
            AVIF_SECONDS,
            plans.iter().map(Plan::size),
        )?),
        _ => None,
    };
    let ready = Ready::new(&decoded.pixels, orientation, settings.linear);
    let mut files = Files::new(format, settings);
    for plan in &plans {
        let made = finished(
            ready.made(plan)?,
            plan,
            format,
            profile.as_deref(),
            settings,
        )?;
        let size = (made.width(), made.height());
        let file = match (format, avif) {
            (Format::Jpeg, _) => {
                encode::jpeg(&made, &metadata, JpegOptions::of_quality(settings.quality))?
            }
            (Format::Webp, _) => {
                encode::webp(&made, &metadata, webp_coding(&decoded.source, settings))?
            }
            (_, Some(effort)) => encode::avif(made, &metadata, settings.quality, effort)?,
            _ => encode::png(&made, &metadata)?,
        };
        files.push(plan, size, file);
    }
    let facts = Facts {
        source,
        frames: 1,
        source_frames: decoded.source.frames,
        orientation,
        colour: match profile {
            Some(_) => CONVERTED.to_owned(),
            None => decoded.colour.name().to_owned(),
        },
    };
    files.outcome(facts).ok_or_else(|| nothing(format))
}

fn still_format(decoded: &Decoded, longest: u32) -> Format {
    let (pixels, source) = (&decoded.pixels, &decoded.source);
    let fits = |format| longest <= encode::max_side(format);
    match source.format {
        Format::Jpeg if fits(Format::Jpeg) => Format::Jpeg,
        Format::Webp if fits(Format::Webp) => Format::Webp,
        Format::Tiff | Format::Jxl | Format::Jp2 | Format::Avif | Format::Heic
            if fits(Format::Jpeg)
                && !pixels.channels().has_alpha()
                && pixels.bit_depth() == 8
                && source.bit_depth == 8
                && source.colour_model != ColourModel::Palette =>
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
    let target = settings.format.set().unwrap_or(format);
    let mut plans: Vec<Plan> = Vec::new();
    let mut encoders: Vec<((u32, u32), AnimationEncoder)> = Vec::new();
    let mut profile = None;
    let animation = for_each_frame(bytes, format, limits, &mut |animation, frame| {
        let first = plans.is_empty();
        if first {
            let (width, height) = (animation.source.width, animation.source.height);
            let source = animation.orientation.sides((width, height));
            plans = allowed(format, source, settings, limits)?;
        }
        let mut metadata = animation.metadata.clone().under(settings.metadata);
        profile = converts(&mut metadata, settings);
        let ready = Ready::new(frame.pixels, animation.orientation, settings.linear);
        for (index, plan) in plans.iter().enumerate() {
            let made = finished(
                ready.made(plan)?,
                plan,
                target,
                profile.as_deref(),
                settings,
            )?;
            if first {
                let size = (made.width(), made.height());
                encoders.push((size, encoder(target, size, animation, &metadata, settings)?));
            }
            if let Some((_, encoder)) = encoders.get_mut(index) {
                encoder.push(made, frame.delay_ms)?;
            }
        }
        Ok(())
    })?;
    let mut files = Files::new(target, settings);
    for (plan, (size, encoder)) in plans.iter().zip(encoders) {
        files.push(plan, size, encoder.finish()?);
    }
    let (width, height) = (animation.source.width, animation.source.height);
    let facts = Facts {
        source: animation.orientation.sides((width, height)),
        frames: animation.source.frames,
        source_frames: animation.source.frames,
        orientation: animation.orientation,
        colour: match (profile, &animation.metadata.icc) {
            (Some(_), _) => CONVERTED,
            (None, Some(_)) => "profile-kept",
            (None, None) => "srgb",
        }
        .to_owned(),
    };
    Ok(files.outcome(facts).ok_or_else(|| nothing(format))?)
}

fn encoder(
    format: Format,
    (width, height): (u32, u32),
    animation: &Animation,
    metadata: &Metadata,
    settings: &Settings,
) -> Result<AnimationEncoder, PixelError> {
    match format {
        Format::Gif => AnimationEncoder::gif(width, height, animation.plays),
        Format::Webp => {
            let coding = webp_coding(&animation.source, settings);
            Ok(AnimationEncoder::webp(
                width,
                height,
                animation.plays,
                coding,
                metadata.clone(),
            ))
        }
        _ => AnimationEncoder::png(
            width,
            height,
            animation.plays,
            animation.source.frames,
            metadata,
        ),
    }
}

fn nothing(format: Format) -> PixelError {
    PixelError::Truncated {
        format,
        place: "frames",
        cause: "there is none".to_owned(),
    }
}

/// What is the same for every size.
struct Facts {
    source: (u32, u32),
    frames: u32,
    source_frames: u32,
    orientation: Orientation,
    colour: String,
}

/// The files as they are made.
struct Files {
    format: Format,
    several: bool,
    outputs: Vec<Output>,
    made: Vec<Made>,
}

impl Files {
    fn new(format: Format, settings: &Settings) -> Self {
        Self {
            format,
            several: !settings.sizes.is_empty(),
            outputs: Vec::new(),
            made: Vec::new(),
        }
    }

    fn push(&mut self, plan: &Plan, (width, height): (u32, u32), bytes: Vec<u8>) {
        let extension = self
            .format
            .extensions()
            .first()
            .copied()
            .unwrap_or_default();
        let file_name = format!("{}.{extension}", plan.name);
        self.made.push(Made {
            file: file_name.clone(),
            width,
            height,
            bytes: bytes.len() as u64,
        });
        self.outputs.push(Output {
            file_name,
            content_type: self.format.media_type(),
            bytes,
        });
    }

    /// `None` where there is no file.
    fn outcome(self, facts: Facts) -> Option<Outcome> {
        let first = self.made.first()?.clone();
        let (source_width, source_height) = facts.source;
        Some(Outcome {
            details: Details {
                format: self.format,
                width: first.width,
                height: first.height,
                source_width,
                source_height,
                frames: facts.frames,
                source_frames: facts.source_frames,
                orientation: facts.orientation.exif(),
                colour: facts.colour,
                bytes: first.bytes,
                sizes: if self.several { self.made } else { Vec::new() },
            },
            outputs: self.outputs,
        })
    }
}
