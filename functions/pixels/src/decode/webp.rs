//! WebP: lossy, lossless, alpha; the first frame of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::{Decoded, Source, assemble};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, colour,
    exif, riff,
};

pub(crate) const FORMAT: Format = Format::Webp;

pub(crate) fn fail(place: &'static str, error: DecodingError) -> PixelError {
    match error {
        DecodingError::IoError(error) => PixelError::io(FORMAT, place, &error),
        error => PixelError::decode(FORMAT, place, error),
    }
}

/// Opens a WebP after its size was checked.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    limits: &Limits,
) -> Result<WebPDecoder<Cursor<&'a [u8]>>, PixelError> {
    if let Some(declared) = riff::declared_len(bytes)
        && declared > bytes.len() as u64
    {
        // A decoder would read zeros past the end and paint them.
        return Err(PixelError::truncated(
            FORMAT,
            "container",
            format!("{} of {declared} bytes are there", bytes.len()),
        ));
    }
    let mut decoder =
        WebPDecoder::new(Cursor::new(bytes)).map_err(|error| fail("header", error))?;
    let (width, height) = decoder.dimensions();
    // The bitstream decoder's planes or its RGBA buffer, beside the output.
    limits.check(FORMAT, u64::from(width), u64::from(height), 8)?;
    decoder.set_memory_limit(limits.max_bytes_usize());
    Ok(decoder)
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let mut decoder = open(bytes, limits)?;
    let (width, height) = decoder.dimensions();
    let size = decoder
        .output_buffer_size()
        .ok_or_else(|| PixelError::decode(FORMAT, "header", "the size overflows"))?;
    let mut samples = vec![0u8; size];
    decoder
        .read_image(&mut samples)
        .map_err(|error| fail("image data", error))?;
    let channels = if decoder.has_alpha() {
        Channels::Rgba
    } else {
        Channels::Rgb
    };
    let icc = decoder.icc_profile().ok().flatten();
    let exif_block = decoder
        .exif_metadata()
        .ok()
        .flatten()
        .map(|block| exif::without_prefix(&block).to_vec());
    let (icc, colour) = colour::keep(icc, channels);
    let animated = decoder.is_animated();
    let frames = if animated {
        decoder.num_frames().max(1)
    } else {
        1
    };
    let lossy = decoder.is_lossy();
    Ok(Decoded {
        pixels: assemble(FORMAT, width, height, channels, Samples::Eight(samples))?,
        orientation: exif_block
            .as_deref()
            .map_or(Orientation::Normal, exif::orientation),
        metadata: Metadata {
            icc,
            exif: exif_block,
            png_colour: Vec::new(),
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model: if lossy {
                ColourModel::Ycbcr
            } else {
                ColourModel::Rgb
            },
            bit_depth: 8,
            frames: frames.min(limits.max_frames.max(1)),
            animated: frames > 1,
            lossy,
        },
    })
}
