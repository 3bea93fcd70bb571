//! GIF: the first frame on its canvas.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, Decoder, DecodingError, MemoryLimit};

use super::{Decoded, Source, assemble};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, colour,
};

pub(crate) const FORMAT: Format = Format::Gif;

pub(crate) fn fail(error: DecodingError) -> PixelError {
    let place = "image data";
    match error {
        DecodingError::UnexpectedEof => PixelError::truncated(FORMAT, place, error),
        DecodingError::Io(error) => PixelError::io(FORMAT, place, &error),
        error if error.to_string().contains("truncated") => {
            PixelError::truncated(FORMAT, place, error)
        }
        error => PixelError::decode(FORMAT, place, error),
    }
}

/// Opens a GIF after the size of its canvas was checked.
pub(crate) fn open<'a>(
    bytes: &'a [u8],
    limits: &Limits,
    output: ColorOutput,
) -> Result<Decoder<&'a [u8]>, PixelError> {
    // The logical screen descriptor follows the six bytes of the signature.
    let side = |at: usize| {
        bytes
            .get(at..at + 2)
            .and_then(|raw| raw.try_into().ok())
            .map(|raw| u64::from(u16::from_le_bytes(raw)))
    };
    let (Some(width), Some(height)) = (side(6), side(8)) else {
        return Err(PixelError::truncated(FORMAT, "header", "no screen size"));
    };
    // The canvas, and a frame that may be as large as it.
    limits.check(FORMAT, width, height, 8)?;
    let mut options = DecodeOptions::new();
    options.set_color_output(output);
    options.set_memory_limit(MemoryLimit::Bytes(
        NonZeroU64::new(limits.max_bytes).unwrap_or(NonZeroU64::MIN),
    ));
    options.read_info(bytes).map_err(fail)
}

/// Copies the opaque pixels of a frame onto the canvas; what lies outside is cut off.
pub(crate) fn draw(canvas: &mut [u8], width: u32, height: u32, frame: &gif::Frame<'_>) {
    let (width, height) = (width as usize, height as usize);
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let frame_width = usize::from(frame.width);
    if frame_width == 0 || left >= width {
        return;
    }
    let visible = frame_width.min(width - left);
    for (row, source) in frame.buffer.chunks_exact(frame_width * 4).enumerate() {
        let y = top + row;
        if y >= height {
            break;
        }
        let Some(target) = canvas.get_mut((y * width + left) * 4..(y * width + left + visible) * 4)
        else {
            break;
        };
        for (target, source) in target.chunks_exact_mut(4).zip(source.chunks_exact(4)) {
            if source[3] != 0 {
                target.copy_from_slice(source);
            }
        }
    }
}

/// Frames of the file, without decoding their pixels; at most `limit`. An end that is missing ends
/// the count.
fn count_frames(bytes: &[u8], limit: u32) -> u32 {
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let Ok(mut decoder) = options.read_info(bytes) else {
        return 1;
    };
    let mut frames = 0;
    while frames < limit && matches!(decoder.next_frame_info(), Ok(Some(_))) {
        frames += 1;
    }
    frames.max(1)
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let mut decoder = open(bytes, limits, ColorOutput::RGBA)?;
    let (width, height) = (u32::from(decoder.width()), u32::from(decoder.height()));
    let mut canvas = vec![0u8; width as usize * height as usize * 4];
    match decoder.read_next_frame().map_err(fail)? {
        Some(frame) => draw(&mut canvas, width, height, frame),
        None => return Err(PixelError::truncated(FORMAT, "image data", "no frame")),
    }
    let (icc, colour) = colour::keep(decoder.icc_profile().map(<[u8]>::to_vec), Channels::Rgba);
    drop(decoder);
    let pixels = assemble(
        FORMAT,
        width,
        height,
        Channels::Rgba,
        Samples::Eight(canvas),
    )?
    .without_idle_alpha();
    let frames = count_frames(bytes, limits.max_frames.max(2));
    Ok(Decoded {
        pixels,
        orientation: Orientation::Normal,
        metadata: Metadata {
            icc,
            ..Metadata::default()
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model: ColourModel::Palette,
            bit_depth: 8,
            frames,
            animated: frames > 1,
            lossy: false,
        },
    })
}
