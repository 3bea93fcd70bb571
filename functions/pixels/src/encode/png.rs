//! PNG.

use std::borrow::Cow;

use png::{BitDepth, ColorType, Compression, Encoder, Filter, Info, chunk::ChunkType};

use crate::{Channels, Format, Metadata, PixelError, Pixels, Samples};

pub(super) fn fail(error: png::EncodingError) -> PixelError {
    PixelError::encode(Format::Png, error)
}

pub(super) fn color_type(channels: Channels) -> ColorType {
    match channels {
        Channels::Grey => ColorType::Grayscale,
        Channels::GreyAlpha => ColorType::GrayscaleAlpha,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    }
}

/// Header information of an image with this metadata.
pub(super) fn info(
    width: u32,
    height: u32,
    kind: ColorType,
    depth: BitDepth,
    metadata: &Metadata,
) -> Info<'_> {
    let mut info = Info::with_size(width, height);
    info.color_type = kind;
    info.bit_depth = depth;
    info.icc_profile = metadata.icc.as_deref().map(Cow::Borrowed);
    info.exif_metadata = metadata.exif.as_deref().map(Cow::Borrowed);
    info
}

/// Writes the colour chunks, which have to come before the image data.
pub(super) fn write_colour<W: std::io::Write>(
    writer: &mut png::Writer<W>,
    metadata: &Metadata,
) -> Result<(), PixelError> {
    for (name, data) in &metadata.png_colour {
        writer.write_chunk(ChunkType(*name), data).map_err(fail)?;
    }
    Ok(())
}

/// Writes a PNG of the pixels' own depth, compressed with balanced effort.
pub fn png(pixels: &Pixels, metadata: &Metadata) -> Result<Vec<u8>, PixelError> {
    let depth = match pixels.samples() {
        Samples::Eight(_) => BitDepth::Eight,
        Samples::Sixteen(_) => BitDepth::Sixteen,
    };
    let mut out = Vec::with_capacity(pixels.byte_len() / 2);
    let mut encoder = Encoder::with_info(
        &mut out,
        info(
            pixels.width(),
            pixels.height(),
            color_type(pixels.channels()),
            depth,
            metadata,
        ),
    )
    .map_err(fail)?;
    encoder.set_compression(Compression::Balanced);
    encoder.set_filter(Filter::Adaptive);
    let mut writer = encoder.write_header().map_err(fail)?;
    write_colour(&mut writer, metadata)?;
    match pixels.samples() {
        Samples::Eight(samples) => writer.write_image_data(samples).map_err(fail)?,
        Samples::Sixteen(samples) => {
            let big_endian: Vec<u8> = samples
                .iter()
                .flat_map(|sample| sample.to_be_bytes())
                .collect();
            writer.write_image_data(&big_endian).map_err(fail)?;
        }
    }
    writer.finish().map_err(fail)?;
    Ok(out)
}
