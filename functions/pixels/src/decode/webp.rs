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
    check_frames(bytes, (width, height), decoder.num_frames())?;
    decoder.set_memory_limit(limits.max_bytes_usize());
    Ok(decoder)
}

/// What the decoder takes for granted, or sees only when it has taken the memory: a lossy bitstream is a
/// key frame, and as large as the canvas, or as the frame in an animation; a frame's chunk has an even length, holds a whole bitstream, and
/// is where the sizes of the chunks before it say.
fn check_frames(bytes: &[u8], canvas: (u32, u32), frames: u32) -> Result<(), PixelError> {
    let broken = |cause: &str| PixelError::decode(FORMAT, "frames", cause);
    let mut walked = 0;
    for (name, data) in riff::chunks(bytes) {
        match &name {
            b"VP8 " => {
                let coded =
                    bitstream_size(data).ok_or_else(|| broken("the bitstream is no key frame"))?;
                if coded != canvas {
                    return Err(broken("the bitstream has another size than the canvas"));
                }
            }
            b"ANMF" => {
                if data.len() % 2 == 1 {
                    return Err(broken("a frame has an odd length"));
                }
                let (Some(width), Some(height)) = (little(data, 6, 3), little(data, 9, 3)) else {
                    return Err(broken("a frame has no size"));
                };
                walked += 1;
                let mut whole = false;
                for (name, part) in riff::walk(data.get(16..).unwrap_or_default()) {
                    whole |= matches!(&name, b"VP8 " | b"VP8L");
                    if &name != b"VP8 " {
                        continue;
                    }
                    let coded = bitstream_size(part)
                        .ok_or_else(|| broken("a frame's bitstream is no key frame"))?;
                    if coded != (width + 1, height + 1) {
                        return Err(broken(
                            "a frame's bitstream has another size than the frame",
                        ));
                    }
                }
                if !whole {
                    return Err(broken("a frame has no whole bitstream"));
                }
            }
            _ => {}
        }
    }
    if walked == frames {
        Ok(())
    } else {
        Err(broken("the sizes of its chunks contradict each other"))
    }
}

/// Width and height of a VP8 key frame (RFC 6386, 9.1).
fn bitstream_size(vp8: &[u8]) -> Option<(u32, u32)> {
    let is_key = vp8.first()? & 1 == 0;
    let size = (little(vp8, 6, 2)? & 0x3FFF, little(vp8, 8, 2)? & 0x3FFF);
    (is_key && size.0 > 0 && size.1 > 0).then_some(size)
}

/// A little-endian number of `count` bytes.
fn little(data: &[u8], at: usize, count: usize) -> Option<u32> {
    data.get(at..at + count).map(|raw| {
        raw.iter()
            .rev()
            .fold(0u32, |value, &byte| (value << 8) | u32::from(byte))
    })
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
