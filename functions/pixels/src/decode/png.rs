//! PNG: 1 to 16 bits, palette, transparency, interlaced; the first frame of APNG.

use std::io::{Cursor, Read as _};

use flate2::read::ZlibDecoder;
use png::{BitDepth, ColorType, DecodingError, Transformations};

use super::{Decoded, Source, assemble};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, colour, exif,
};

const FORMAT: Format = Format::Png;

pub(crate) type Reader<'a> = png::Reader<Cursor<&'a [u8]>>;

pub(crate) fn fail(place: &'static str, error: DecodingError) -> PixelError {
    match error {
        DecodingError::IoError(error) => PixelError::io(FORMAT, place, &error),
        DecodingError::LimitsExceeded => PixelError::decode(
            FORMAT,
            place,
            "the decoder's own buffers would exceed the memory limit",
        ),
        error => PixelError::decode(FORMAT, place, error),
    }
}

/// Opens a PNG after its size was checked.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    transformations: Transformations,
    bytes_per_pixel: u64,
) -> Result<Reader<'a>, PixelError> {
    let mut decoder = png::Decoder::new_with_limits(
        Cursor::new(bytes),
        png::Limits {
            bytes: limits.max_bytes_usize(),
        },
    );
    decoder.set_transformations(transformations);
    decoder.set_ignore_text_chunk(true);
    // It would be inflated up to the limit of all memory: see `profile`.
    decoder.set_ignore_iccp_chunk(true);
    let info = decoder
        .read_header_info()
        .map_err(|error| fail("header", error))?;
    let depth_bytes = if info.bit_depth == BitDepth::Sixteen {
        2
    } else {
        1
    };
    limits.check(
        FORMAT,
        u64::from(info.width),
        u64::from(info.height),
        bytes_per_pixel * depth_bytes,
    )?;
    // The decoder takes whole entries for granted.
    if chunks(bytes).any(|(name, data)| &name == b"PLTE" && data.len() % 3 != 0) {
        return Err(PixelError::decode(
            FORMAT,
            "palette",
            "its length is not a multiple of three",
        ));
    }
    decoder.read_info().map_err(|error| fail("header", error))
}

/// Name and data of each chunk, in order, while they are whole.
pub(crate) fn chunks(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?) as usize;
        let name: [u8; 4] = rest.get(4..8)?.try_into().ok()?;
        let data = rest.get(8..8usize.checked_add(size)?)?;
        rest = rest.get(12 + size..).unwrap_or_default();
        Some((name, data))
    })
}

/// The ICC profile, of one that is too large only so much that this is seen; none where it does not inflate.
pub(crate) fn profile(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, data) = chunks(bytes)
        .take_while(|(name, _)| name != b"IDAT")
        .find(|(name, _)| name == b"iCCP")?;
    // A name, a zero, and the method, of which there is one.
    let name = memchr::memchr(0, data)?;
    let deflated = data.get(name + 2..)?;
    let mut profile = Vec::new();
    ZlibDecoder::new(deflated)
        .take(colour::MAX_ICC_BYTES as u64 + 1)
        .read_to_end(&mut profile)
        .ok()?;
    Some(profile)
}

/// PNG's own colour chunks, which mean something only where there is no ICC profile; `cICP` goes
/// first of all.
pub(crate) fn colour_chunks(bytes: &[u8], with_icc: bool) -> Vec<([u8; 4], Vec<u8>)> {
    chunks(bytes)
        .take_while(|(name, _)| name != b"IDAT")
        .filter(|(name, data)| match name {
            b"cICP" => data.len() == 4,
            b"sRGB" => data.len() == 1 && !with_icc,
            b"gAMA" => data.len() == 4 && !with_icc,
            b"cHRM" => data.len() == 32 && !with_icc,
            _ => false,
        })
        .map(|(name, data)| (name, data.to_vec()))
        .collect()
}

pub(crate) fn channels_of(kind: ColorType) -> Channels {
    match kind {
        ColorType::Grayscale => Channels::Grey,
        ColorType::GrayscaleAlpha => Channels::GreyAlpha,
        // An indexed image is expanded to RGB before it gets here.
        ColorType::Rgb | ColorType::Indexed => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
    }
}

/// Reads one frame into samples of the machine's byte order.
pub(crate) fn read_frame(reader: &mut Reader<'_>) -> Result<Samples, PixelError> {
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| PixelError::decode(FORMAT, "header", "the size overflows"))?;
    if reader.output_color_type().1 == BitDepth::Sixteen {
        let mut samples = vec![0u16; size / 2];
        reader
            .next_frame(bytemuck::cast_slice_mut(&mut samples))
            .map_err(|error| fail("image data", error))?;
        for sample in &mut samples {
            *sample = u16::from_be(*sample);
        }
        Ok(Samples::Sixteen(samples))
    } else {
        let mut samples = vec![0u8; size];
        reader
            .next_frame(&mut samples)
            .map_err(|error| fail("image data", error))?;
        Ok(Samples::Eight(samples))
    }
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let mut reader = open(bytes, limits, Transformations::EXPAND, 4)?;
    let samples = read_frame(&mut reader)?;
    let channels = channels_of(reader.output_color_type().0);
    let info = reader.info();
    let (width, height) = (info.width, info.height);
    let exif_block = info
        .exif_metadata
        .as_deref()
        .map(|block| exif::without_prefix(block).to_vec());
    let (icc, colour) = colour::keep(profile(bytes), channels);
    let frames = info
        .animation_control
        .map_or(1, |control| control.num_frames)
        .max(1);
    Ok(Decoded {
        pixels: assemble(FORMAT, width, height, channels, samples)?,
        orientation: exif_block
            .as_deref()
            .map_or(Orientation::Normal, exif::orientation),
        metadata: Metadata {
            png_colour: colour_chunks(bytes, icc.is_some()),
            icc,
            exif: exif_block,
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model: match info.color_type {
                ColorType::Grayscale | ColorType::GrayscaleAlpha => ColourModel::Grey,
                ColorType::Rgb | ColorType::Rgba => ColourModel::Rgb,
                ColorType::Indexed => ColourModel::Palette,
            },
            bit_depth: info.bit_depth as u8,
            frames: frames.min(limits.max_frames.max(1)),
            animated: frames > 1,
            lossy: false,
        },
    })
}
