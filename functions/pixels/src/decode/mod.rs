//! Decoding: bytes in, upright pixels out.

mod alpha;
mod bitmap;
pub(crate) mod gif;
#[cfg(any(feature = "avif", feature = "heic"))]
mod heif;
#[cfg(any(feature = "avif", feature = "heic"))]
mod heif_items;
#[cfg(any(feature = "avif", feature = "heic"))]
mod hevc;
mod isobmff;
mod jp2;
mod jp2_cost;
mod jpeg;
mod jxl;
mod jxl_cost;
mod jxl_patches;
pub(crate) mod png;
mod svg;
mod svg_cost;
mod svg_document;
mod svg_shape;
mod svg_style;
mod svg_text;
pub(crate) mod tiff;
mod tiff_chunks;
pub(crate) mod tiff_directory;
pub(crate) mod tiff_samples;
pub(crate) mod webp;
mod webp_cost;

use crate::colour::Colour;
use crate::error::guarded;
use crate::{ColourModel, Format, Limits, Metadata, Orientation, PixelError, Pixels};

/// What the file was, before it was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Format by content.
    pub format: Format,
    /// Width in pixels, as stored.
    pub width: u32,
    /// Height in pixels, as stored.
    pub height: u32,
    /// How the samples were to be read.
    pub colour_model: ColourModel,
    /// Bits a sample, as stored.
    pub bit_depth: u8,
    /// Frames or pages: 1 for a still image; at most the limit.
    pub frames: u32,
    /// Whether the frames follow each other in time.
    pub animated: bool,
    /// Whether the coding lost information (JPEG, lossy WebP).
    pub lossy: bool,
}

/// A decoded image: its first frame or page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The pixels.
    pub pixels: Pixels,
    /// How the pixels still have to be turned: `Normal` after [`Decoded::upright`].
    pub orientation: Orientation,
    /// What travels with them.
    pub metadata: Metadata,
    /// What happened to their colours.
    pub colour: Colour,
    /// What the file was.
    pub source: Source,
}

impl Decoded {
    /// Turns the pixels upright, and says so in the EXIF block.
    #[must_use]
    pub fn upright(mut self) -> Self {
        self.pixels = self.orientation.apply(self.pixels);
        self.turned();
        self
    }

    /// Notes that the pixels stand upright now; for a caller that turned them itself, as one that
    /// resizes does, since fewer pixels are turned more cheaply.
    pub fn turned(&mut self) {
        self.orientation = Orientation::Normal;
        if let Some(exif) = &self.metadata.exif {
            self.metadata.exif = Some(crate::exif::with_normal_orientation(exif));
        }
    }
}

/// Decodes the first frame or page and turns it upright.
pub fn decode(bytes: &[u8], format: Format, limits: &Limits) -> Result<Decoded, PixelError> {
    decode_stored(bytes, format, limits).map(Decoded::upright)
}

/// Decodes the first frame or page as it is stored; `orientation` says how to turn it.
pub fn decode_stored(bytes: &[u8], format: Format, limits: &Limits) -> Result<Decoded, PixelError> {
    if bytes.is_empty() {
        return Err(PixelError::truncated(format, "header", "no bytes"));
    }
    guarded(format, "pixels", || match format {
        Format::Jpeg => jpeg::decode(bytes, limits),
        Format::Png => png::decode(bytes, limits),
        Format::Gif => gif::decode(bytes, limits),
        Format::Webp => webp::decode(bytes, limits),
        Format::Bmp | Format::Ico => bitmap::decode(bytes, format, limits),
        Format::Tiff => tiff::decode(bytes, limits),
        Format::Jxl => on_a_deep_stack(format, || jxl::decode(bytes, limits)),
        Format::Jp2 => jp2::decode(bytes, limits),
        Format::Svg => on_a_deep_stack(format, || svg::decode(bytes, limits)),
        #[cfg(feature = "avif")]
        Format::Avif => heif::decode(bytes, format, limits),
        #[cfg(feature = "heic")]
        Format::Heic => heif::decode(bytes, format, limits),
        #[cfg(not(feature = "avif"))]
        Format::Avif => Err(PixelError::DecoderMissing { format }),
        #[cfg(not(feature = "heic"))]
        Format::Heic => Err(PixelError::DecoderMissing { format }),
    })
}

/// Stack of a decoder that goes as deep, by recursion, as a file lets it; what it may cost is checked before.
const DEEP_STACK: usize = 48 << 20;

/// Runs it on a thread that has such a stack.
fn on_a_deep_stack<T: Send>(
    format: Format,
    work: impl FnOnce() -> Result<T, PixelError> + Send,
) -> Result<T, PixelError> {
    let done = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name(format.to_string())
            .stack_size(DEEP_STACK)
            .spawn_scoped(scope, work)
            .map(std::thread::ScopedJoinHandle::join)
    });
    match done {
        Ok(Ok(result)) => result,
        // The caller tells a panic from an error.
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => Err(PixelError::decode(format, "start", error)),
    }
}

/// Pixels of a buffer whose length was computed from the same header (invariant 3).
fn assemble(
    format: Format,
    width: u32,
    height: u32,
    channels: crate::Channels,
    samples: crate::Samples,
) -> Result<Pixels, PixelError> {
    Pixels::new(width, height, channels, samples).ok_or_else(|| {
        PixelError::decode(
            format,
            "pixels",
            format!("not {width} × {height} pixels of {channels:?}"),
        )
    })
}
