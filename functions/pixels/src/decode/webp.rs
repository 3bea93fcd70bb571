//! WebP: lossy, lossless, alpha; the first frame of an animation.

use std::io::Cursor;

use image_webp::{DecodingError, WebPDecoder};

use super::{Decoded, Source, assemble, webp_cost};
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
    // The same past the end of the file. What is no picture may be cut off.
    if let Some(b"VP8 " | b"VP8L" | b"ALPH" | b"ANMF") = riff::cut(bytes).as_ref() {
        let cause = "a chunk of the picture is longer than the file";
        return Err(PixelError::truncated(FORMAT, "container", cause));
    }
    let mut decoder =
        WebPDecoder::new(Cursor::new(bytes)).map_err(|error| fail("header", error))?;
    let (width, height) = decoder.dimensions();
    check_memory(limits, (width, height), 0)?;
    check_frames(bytes, (width, height), decoder.num_frames())?;
    check_codes(bytes, (width, height), limits)?;
    decoder.set_memory_limit(limits.max_bytes_usize());
    Ok(decoder)
}

/// Checks the size, and what is taken beside a pixel's bytes: the bitstream decoder's planes or its RGBA buffer, beside
/// the output.
fn check_memory(limits: &Limits, canvas: (u32, u32), beside: u64) -> Result<(), PixelError> {
    let (width, height) = (u64::from(canvas.0), u64::from(canvas.1));
    let pixels = width.saturating_mul(height).max(1);
    limits.check(FORMAT, width, height, 8 + beside.div_ceil(pixels))
}

/// Refuses lossless bitstreams, of a picture, a frame or their alpha, whose codes would take too much memory.
fn check_codes(bytes: &[u8], canvas: (u32, u32), limits: &Limits) -> Result<(), PixelError> {
    let check = |name: &[u8; 4], data: &[u8], size| {
        let (bitstream, size) = match (name, data) {
            (b"VP8L", _) => (data, None),
            // A byte says how alpha is stored; the bitstream behind it has no header.
            (b"ALPH", [how, rest @ ..]) if how & 3 == 1 => (rest, Some(size)),
            _ => return Ok(()),
        };
        let codes = webp_cost::of(bitstream, size, limits.max_bytes).ok_or_else(|| {
            let cause = "the codes of a lossless bitstream are cut off or not complete";
            PixelError::decode(FORMAT, "image data", cause)
        })?;
        check_memory(limits, canvas, codes)
    };
    for (name, data) in riff::chunks(bytes) {
        check(&name, data, canvas)?;
        if &name == b"ANMF" {
            let side = |at| little(data, at, 3).map_or(1, |stored| stored + 1);
            let frame = (side(6), side(9));
            for (name, part) in riff::walk(data.get(16..).unwrap_or_default()) {
                check(&name, part, frame)?;
            }
        }
    }
    Ok(())
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
