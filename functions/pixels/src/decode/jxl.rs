//! JPEG XL: the picture, or the first frame of an animation, in 8 or 16 bits a sample.
//!
//! Only the codestream and an uncompressed EXIF box reach a decoder: a container may hold boxes
//! that inflate without end. The decoder turns the picture upright itself.

use jxl_oxide::color::{ColourEncoding, ColourSpace, TransferFunction, WhitePoint};
use jxl_oxide::image::BitDepth;
use jxl_oxide::{
    AllocTracker, EnumColourEncoding, ExtraChannelType, ImageStream, InitializeResult, JxlImage,
    RenderingIntent,
};

use super::{Decoded, Source, alpha, assemble, isobmff, jxl_cost};
use crate::colour::{self, Colour};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, exif,
};

pub(super) const FORMAT: Format = Format::Jxl;

/// Bytes of a codestream that are handed over at once, so few that few frames are in them.
const PIECE: usize = 1 << 10;
/// Bytes of a header: what is more is no profile that anyone needs.
const MAX_HEADER: usize = 4 << 20;
/// Frames that are not shown by themselves: each may build on the one before, and is drawn from within it.
const MAX_HIDDEN: usize = 200;
pub(super) type Foreign = Box<dyn std::error::Error + Send + Sync + 'static>;

/// The parts of the file that are read.
#[derive(Default)]
struct Parts {
    codestream: Vec<u8>,
    exif: Option<Vec<u8>>,
    /// A box of the codestream ends behind the file.
    cut: bool,
}

fn parts(bytes: &[u8]) -> Parts {
    let mut found = Parts::default();
    if bytes.starts_with(&[0xFF, 0x0A]) {
        found.codestream = bytes.to_vec();
        return found;
    }
    for part in isobmff::boxes(bytes) {
        match &part.name {
            b"jxlc" => found.codestream.extend_from_slice(part.data),
            // Four bytes of index come first; the parts lie in order.
            b"jxlp" => found
                .codestream
                .extend_from_slice(part.data.get(4..).unwrap_or_default()),
            b"Exif" => found.exif = exif_of(part.data),
            _ => continue,
        }
        found.cut |= part.cut;
    }
    found
}

/// The TIFF structure of an EXIF box: four bytes say how far behind them it begins.
fn exif_of(data: &[u8]) -> Option<Vec<u8>> {
    let offset = u32::from_be_bytes(data.get(..4)?.try_into().ok()?) as usize;
    let tiff = data.get(4..)?.get(offset..)?;
    (tiff.len() <= exif::MAX_BYTES).then(|| exif::without_prefix(tiff).to_vec())
}

/// What the decoder said, by its words: its errors have no common type.
pub(super) fn fail(place: &'static str, error: &Foreign, size: (u64, u64)) -> PixelError {
    let text = error.to_string();
    let mut chain = text.clone();
    let mut source = error.source();
    while let Some(inner) = source {
        chain.push_str(&inner.to_string());
        source = inner.source();
    }
    if chain.contains("failed to allocate") {
        return PixelError::TooManyMegapixels {
            format: FORMAT,
            width: size.0,
            height: size.1,
            cause: format!("the decoder's buffers would exceed the memory limit: {text}"),
        };
    }
    PixelError::decode(FORMAT, place, text)
}

pub(super) fn cut_off(place: &'static str) -> PixelError {
    PixelError::truncated(FORMAT, place, "the codestream is not whole")
}

/// Hands over bytes until the header is read; returns how many.
fn open(codestream: &[u8], tracker: AllocTracker) -> Result<(JxlImage, usize), PixelError> {
    let header = |error: &Foreign| fail("header", error, (0, 0));
    let mut waiting = JxlImage::builder().alloc_tracker(tracker).build_uninit();
    // A header is read from its beginning each time: an eighth more each time keeps that linear.
    let mut fed = 0;
    while fed < codestream.len().min(MAX_HEADER) {
        let next = codestream.len().min(fed + PIECE.max(fed / 8));
        let mut rest = &codestream[fed..next];
        while !rest.is_empty() {
            let taken = waiting.feed_bytes(rest).map_err(|error| header(&error))?;
            if taken == 0 {
                return Err(PixelError::decode(FORMAT, "header", "the decoder is stuck"));
            }
            rest = &rest[taken..];
        }
        fed = next;
        match waiting.try_init().map_err(|error| header(&error))? {
            InitializeResult::Initialized(image) => return Ok((image, fed)),
            InitializeResult::NeedMoreData(more) => waiting = more,
        }
    }
    if codestream.len() > MAX_HEADER {
        return Err(PixelError::unsupported(
            FORMAT,
            format!("a header of more than {} MiB", MAX_HEADER >> 20),
        ));
    }
    Err(cut_off("header"))
}

/// Hands over the frames; counts them up to the limit and one more.
fn load(image: &mut JxlImage, codestream: &[u8], limits: &Limits) -> Result<u32, PixelError> {
    let size = (u64::from(image.width()), u64::from(image.height()));
    let enough = limits.max_frames.max(1) as usize;
    for piece in codestream.chunks(PIECE) {
        if image.is_loading_done() || image.num_loaded_keyframes() > enough {
            break;
        }
        if let Err(error) = image.feed_bytes(piece) {
            // What follows the first frame is not shown.
            if image.num_loaded_keyframes() == 0 {
                return Err(fail("frame", &error, size));
            }
            break;
        }
        check_frames(image)?;
    }
    check_frames(image)?;
    if image.num_loaded_keyframes() == 0 {
        return Err(cut_off("frame"));
    }
    Ok(image.num_loaded_keyframes().min(enough) as u32)
}

/// Refuses frames that build on each other without end.
fn check_frames(image: &JxlImage) -> Result<(), PixelError> {
    let hidden = image.num_loaded_frames() - image.num_loaded_keyframes();
    if hidden > MAX_HIDDEN {
        return Err(PixelError::unsupported(
            FORMAT,
            format!("more than {MAX_HIDDEN} frames that are not shown"),
        ));
    }
    Ok(())
}

/// Whether the samples mean sRGB, or its grey axis.
fn is_srgb(encoding: &EnumColourEncoding) -> bool {
    let plain = matches!(encoding.tf, TransferFunction::Srgb)
        && matches!(encoding.white_point, WhitePoint::D65);
    plain
        && (matches!(encoding.colour_space, ColourSpace::Grey)
            || encoding.cicp() == Some([1, 13, 0, 1]))
}

/// Whether the decoder can say in a profile what the samples mean.
fn is_described(encoding: &EnumColourEncoding) -> bool {
    matches!(encoding.colour_space, ColourSpace::Rgb | ColourSpace::Grey)
        && !matches!(
            encoding.tf,
            TransferFunction::Unknown | TransferFunction::Gamma { g: 0, .. }
        )
}

/// Asks for what can be shown, and says which profile the samples have then.
fn colour_of(
    image: &mut JxlImage,
    channels: Channels,
) -> Result<(Option<Vec<u8>>, Colour), PixelError> {
    if image.hdr_type().is_some() {
        let intent = RenderingIntent::Relative;
        image.request_color_encoding(if channels.is_grey() {
            EnumColourEncoding::gray_srgb(intent)
        } else {
            EnumColourEncoding::srgb(intent)
        });
        return Ok((None, Colour::ToneMapped));
    }
    Ok(match &image.image_header().metadata.colour_encoding {
        ColourEncoding::Enum(encoding) if is_srgb(encoding) => (None, Colour::AssumedSrgb),
        ColourEncoding::Enum(encoding) if !is_described(encoding) => {
            return Err(PixelError::unsupported(
                FORMAT,
                "colours of a space or a transfer function that the file does not name",
            ));
        }
        // Without a colour management system an XYB picture is rendered as sRGB, whose profile
        // this is then.
        _ => colour::keep(Some(image.rendered_icc()), channels),
    })
}

fn read<T: jxl_oxide::FrameBufferSample + Copy + Default>(
    stream: &mut ImageStream<'_>,
    count: usize,
) -> Result<Vec<T>, PixelError> {
    let mut samples = vec![T::default(); count];
    if stream.write_to_buffer(&mut samples) == count {
        Ok(samples)
    } else {
        Err(PixelError::decode(
            FORMAT,
            "frame",
            "samples are missing from it",
        ))
    }
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let Parts {
        codestream,
        exif: exif_block,
        cut,
    } = parts(bytes);
    if codestream.is_empty() {
        return Err(if cut {
            cut_off("container")
        } else {
            PixelError::decode(FORMAT, "container", "there is no codestream")
        });
    }
    let tracker = AllocTracker::with_limit(limits.max_bytes_usize());
    let (mut image, fed) = open(&codestream, tracker.clone())?;
    let size = (u64::from(image.width()), u64::from(image.height()));
    let metadata = &image.image_header().metadata;
    let deep = match metadata.bit_depth {
        BitDepth::IntegerSample { bits_per_sample } => bits_per_sample > 8,
        BitDepth::FloatSample { .. } => true,
    };
    let bits = metadata.bit_depth.bits_per_sample();
    let lossy = metadata.xyb_encoded;
    let premultiplied = metadata
        .ec_info
        .iter()
        .find_map(|channel| match channel.ty {
            ExtraChannelType::Alpha { alpha_associated } => Some(alpha_associated),
            _ => None,
        });
    let format = image.pixel_format();
    let per_pixel = format.channels() as u64 * if deep { 2 } else { 1 };
    limits.check(FORMAT, size.0, size.1, per_pixel)?;
    // What the decoder may take is what the samples leave.
    tracker
        .shrink_limit((size.0 * size.1 * per_pixel) as usize)
        .map_err(|error| fail("header", &error.into(), size))?;
    let frames = load(&mut image, &codestream[fed..], limits)?;
    let channels = match (format.is_grayscale(), format.has_alpha()) {
        (true, false) => Channels::Grey,
        (true, true) => Channels::GreyAlpha,
        (false, false) => Channels::Rgb,
        (false, true) => Channels::Rgba,
    };
    if format.has_black() && format.has_alpha() {
        return Err(PixelError::unsupported(FORMAT, "CMYK with transparency"));
    }
    let (icc, colour) = if format.has_black() {
        (Some(image.rendered_icc()), Colour::CmykByFormula)
    } else {
        colour_of(&mut image, channels)?
    };
    jxl_cost::check(&image, &tracker, limits)?;
    let render = image
        .render_frame(0)
        .map_err(|error| fail("frame", &error, size))?;
    let mut stream = render.stream();
    let (width, height) = (stream.width(), stream.height());
    let expected = (width as usize)
        .saturating_mul(height as usize)
        .saturating_mul(format.channels());
    if (u64::from(width), u64::from(height)) != size
        || stream.channels() as usize != format.channels()
    {
        return Err(PixelError::decode(
            FORMAT,
            "frame",
            "it is not as the header says",
        ));
    }
    let samples = if deep {
        Samples::Sixteen(read(&mut stream, expected)?)
    } else {
        Samples::Eight(read(&mut stream, expected)?)
    };
    drop(render);
    let samples = if premultiplied == Some(true) {
        alpha::divided(samples, channels.count())
    } else {
        samples
    };
    let (samples, icc, colour) = if format.has_black() {
        let (samples, colour) = from_light(samples, icc.as_deref());
        (samples, None, colour)
    } else {
        (samples, icc, colour)
    };
    Ok(Decoded {
        pixels: assemble(FORMAT, width, height, channels, samples)?,
        orientation: Orientation::Normal,
        metadata: Metadata {
            icc,
            exif: exif_block.as_deref().map(exif::with_normal_orientation),
            ..Metadata::default()
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model: match (format.has_black(), format.is_grayscale()) {
                (true, _) => ColourModel::Cmyk,
                (_, true) => ColourModel::Grey,
                _ => ColourModel::Rgb,
            },
            bit_depth: bits.min(32) as u8,
            frames,
            // Its frames are counted and not read: see `for_each_frame`.
            animated: false,
            lossy,
        },
    })
}

/// CMYK as JPEG XL stores it, the most for no ink, as sRGB.
fn from_light(samples: Samples, icc: Option<&[u8]>) -> (Samples, Colour) {
    match samples {
        Samples::Eight(mut samples) => {
            for sample in &mut samples {
                *sample = !*sample;
            }
            let (samples, colour) = colour::cmyk8_to_rgb(samples, icc);
            (Samples::Eight(samples), colour)
        }
        Samples::Sixteen(mut samples) => {
            for sample in &mut samples {
                *sample = !*sample;
            }
            let (samples, colour) = colour::cmyk16_to_rgb(&samples, icc);
            (Samples::Sixteen(samples), colour)
        }
    }
}
