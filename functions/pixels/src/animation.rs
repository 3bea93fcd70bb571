//! Frames of GIF, WebP and APNG, each drawn on the whole canvas, one in memory at a time.

use std::io::Cursor;

use png::{BlendOp, DisposeOp, Transformations};

use crate::decode::{Source, gif as gif_file, png as png_file, webp as webp_file};
use crate::error::guarded;
use crate::{Channels, Format, Limits, Metadata, Orientation, PixelError, Pixels, Samples, exif};

/// One frame: the whole canvas as it is shown.
#[derive(Debug)]
pub struct Frame<'a> {
    /// The canvas, as stored (see [`Animation::orientation`]).
    pub pixels: &'a Pixels,
    /// How long it is shown, in milliseconds.
    pub delay_ms: u32,
}

/// What is common to all frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Animation {
    /// What the file is; `frames` is exact.
    pub source: Source,
    /// How often the frames are shown; 0 is for ever.
    pub plays: u32,
    /// How each frame has to be turned.
    pub orientation: Orientation,
    /// What travels with the pixels.
    pub metadata: Metadata,
}

/// Decodes every frame in order and hands each to `each`, which may stop with an error.
///
/// More frames than `limits` allow, or larger ones, are an error before the second one is decoded. A format
/// without animation is `Image.Unsupported`.
pub fn for_each_frame(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    each: &mut dyn FnMut(&Animation, Frame<'_>) -> Result<(), PixelError>,
) -> Result<Animation, PixelError> {
    guarded(format, "frames", || match format {
        Format::Gif => gif_frames(bytes, limits, each),
        Format::Webp => webp_frames(bytes, limits, each),
        Format::Png => png_frames(bytes, limits, each),
        _ => Err(PixelError::unsupported(format, "animation")),
    })
}

type Each<'a> = &'a mut dyn FnMut(&Animation, Frame<'_>) -> Result<(), PixelError>;

/// The first frame tells everything but the number of plays.
fn described(bytes: &[u8], format: Format, limits: &Limits) -> Result<Animation, PixelError> {
    // One more than the limit is counted, so that exceeding it is seen.
    let counting = Limits {
        max_frames: limits.max_frames.saturating_add(1),
        ..*limits
    };
    let first = crate::decode_stored(bytes, format, &counting)?;
    // Each is the whole canvas, whatever its own area is.
    let (width, height) = (first.source.width, first.source.height);
    let canvas = u64::from(width) * u64::from(height);
    let frames = first.source.frames;
    limits.check_animation(format, frames, canvas.saturating_mul(u64::from(frames)))?;
    let metadata = Metadata {
        exif: first
            .metadata
            .exif
            .as_deref()
            .map(exif::with_normal_orientation),
        ..first.metadata
    };
    Ok(Animation {
        source: first.source,
        plays: 1,
        orientation: first.orientation,
        metadata,
    })
}

fn canvas_pixels(
    animation: &Animation,
    channels: Channels,
    canvas: Vec<u8>,
) -> Result<Pixels, PixelError> {
    let source = &animation.source;
    Pixels::from_eight(source.width, source.height, channels, canvas)
        .ok_or_else(|| PixelError::decode(source.format, "frames", "the canvas changed its size"))
}

fn eight(pixels: Pixels) -> Vec<u8> {
    match pixels.into_eight().into_samples() {
        Samples::Eight(samples) => samples,
        Samples::Sixteen(_) => Vec::new(),
    }
}

fn gif_frames(bytes: &[u8], limits: &Limits, each: Each<'_>) -> Result<Animation, PixelError> {
    let mut animation = described(bytes, Format::Gif, limits)?;
    let (width, height) = (animation.source.width, animation.source.height);
    let mut decoder = gif_file::open(bytes, limits, gif::ColorOutput::RGBA)?;
    // The loop count comes before the first frame; GIF counts repetitions, so one more is shown.
    let mut canvas = vec![0u8; width as usize * height as usize * 4];
    let mut before: Option<Vec<u8>> = None;
    let mut shown = 0;
    while let Some(frame) = decoder.read_next_frame().map_err(gif_file::fail)? {
        let area = (frame.left, frame.top, frame.width, frame.height);
        let (dispose, delay_ms) = (frame.dispose, u32::from(frame.delay) * 10);
        if dispose == gif::DisposalMethod::Previous {
            before = Some(canvas.clone());
        }
        gif_file::draw(&mut canvas, width, height, frame);
        if shown == 0 {
            animation.plays = match decoder.repeat() {
                gif::Repeat::Infinite => 0,
                gif::Repeat::Finite(0) => 1,
                gif::Repeat::Finite(times) => u32::from(times) + 1,
            };
        }
        let pixels = canvas_pixels(&animation, Channels::Rgba, canvas)?;
        each(
            &animation,
            Frame {
                pixels: &pixels,
                delay_ms,
            },
        )?;
        canvas = eight(pixels);
        match dispose {
            gif::DisposalMethod::Background => clear(&mut canvas, width, area),
            gif::DisposalMethod::Previous => {
                if let Some(before) = before.take() {
                    canvas = before;
                }
            }
            gif::DisposalMethod::Any | gif::DisposalMethod::Keep => {}
        }
        shown += 1;
        if shown >= limits.max_frames {
            break;
        }
    }
    animation.source.frames = shown;
    Ok(animation)
}

/// Makes a rectangle transparent; what lies outside the canvas is ignored.
fn clear(canvas: &mut [u8], width: u32, (left, top, w, h): (u16, u16, u16, u16)) {
    let (width, left) = (width as usize, usize::from(left));
    let right = width.min(left + usize::from(w));
    if left >= right {
        return;
    }
    for row in canvas
        .chunks_exact_mut(width * 4)
        .skip(usize::from(top))
        .take(usize::from(h))
    {
        row[left * 4..right * 4].fill(0);
    }
}

fn webp_frames(bytes: &[u8], limits: &Limits, each: Each<'_>) -> Result<Animation, PixelError> {
    let mut animation = described(bytes, Format::Webp, limits)?;
    let mut decoder = webp_file::open(bytes, limits)?;
    if !decoder.is_animated() {
        return Err(PixelError::unsupported(
            Format::Webp,
            "frames of a still image",
        ));
    }
    animation.plays = match decoder.loop_count() {
        image_webp::LoopCount::Forever => 0,
        image_webp::LoopCount::Times(times) => u32::from(times.get()),
    };
    let channels = if decoder.has_alpha() {
        Channels::Rgba
    } else {
        Channels::Rgb
    };
    let mut canvas = vec![0u8; decoder.output_buffer_size().unwrap_or(0)];
    animation.source.frames = decoder.num_frames();
    for _ in 0..decoder.num_frames() {
        let delay_ms = decoder
            .read_frame(&mut canvas)
            .map_err(|error| webp_file::fail("frames", error))?;
        let pixels = canvas_pixels(&animation, channels, canvas)?;
        each(
            &animation,
            Frame {
                pixels: &pixels,
                delay_ms,
            },
        )?;
        canvas = eight(pixels);
    }
    Ok(animation)
}

fn png_frames(bytes: &[u8], limits: &Limits, each: Each<'_>) -> Result<Animation, PixelError> {
    let mut animation = described(bytes, Format::Png, limits)?;
    let mut reader: png::Reader<Cursor<&[u8]>> = png_file::open(
        bytes,
        limits,
        Transformations::EXPAND | Transformations::STRIP_16 | Transformations::ALPHA,
        12,
    )?;
    let Some(control) = reader.info().animation_control else {
        return Err(PixelError::unsupported(
            Format::Png,
            "frames of a still image",
        ));
    };
    animation.plays = control.num_plays;
    let (width, height) = (animation.source.width, animation.source.height);
    let mut canvas = vec![0u8; width as usize * height as usize * 4];
    let mut buffer = vec![0u8; reader.output_buffer_size().unwrap_or(0)];
    let mut shown = 0;
    while shown < control.num_frames {
        let info = reader
            .next_frame(&mut buffer)
            .map_err(|error| png_file::fail("frames", error))?;
        let Some(area) = reader.info().frame_control else {
            // A default image that is not part of the animation.
            continue;
        };
        let channels = png_file::channels_of(info.color_type);
        let used = buffer.get(..info.buffer_size()).unwrap_or_default();
        let drawn = Pixels::from_eight(info.width, info.height, channels, used.to_vec())
            .ok_or_else(|| PixelError::decode(Format::Png, "frames", "sizes disagree"))?;
        let before = (area.dispose_op == DisposeOp::Previous).then(|| canvas.clone());
        compose(
            &mut canvas,
            width,
            (area.x_offset, area.y_offset),
            &drawn.into_rgba8(),
            area.blend_op == BlendOp::Over,
        );
        // A denominator of zero means hundredths (APNG).
        let denominator = match area.delay_den {
            0 => 100,
            other => u32::from(other),
        };
        let delay_ms = u32::from(area.delay_num) * 1000 / denominator;
        let pixels = canvas_pixels(&animation, Channels::Rgba, canvas)?;
        each(
            &animation,
            Frame {
                pixels: &pixels,
                delay_ms,
            },
        )?;
        canvas = before.unwrap_or_else(|| eight(pixels));
        if area.dispose_op == DisposeOp::Background {
            let side = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
            clear(
                &mut canvas,
                width,
                (
                    side(area.x_offset),
                    side(area.y_offset),
                    side(area.width),
                    side(area.height),
                ),
            );
        }
        shown += 1;
    }
    animation.source.frames = shown;
    Ok(animation)
}

/// Draws an RGBA picture at an offset, over what is there or in its place.
fn compose(canvas: &mut [u8], width: u32, (left, top): (u32, u32), drawn: &Pixels, over: bool) {
    let Some(samples) = drawn.eight() else { return };
    let row_bytes = drawn.width() as usize * 4;
    for (row, source) in samples.chunks_exact(row_bytes).enumerate() {
        let start = ((top as usize + row) * width as usize + left as usize) * 4;
        let Some(target) = canvas.get_mut(start..start + row_bytes) else {
            return;
        };
        if !over {
            target.copy_from_slice(source);
            continue;
        }
        for (under, pixel) in target.chunks_exact_mut(4).zip(source.chunks_exact(4)) {
            let (alpha, below) = (u32::from(pixel[3]), u32::from(under[3]));
            if alpha == 255 || below == 0 {
                under.copy_from_slice(pixel);
            } else if alpha > 0 {
                // Porter and Duff's "over", not premultiplied; weights in 1/65,025.
                let (front, back) = (alpha * 255, below * (255 - alpha));
                let total = front + back;
                for channel in 0..3 {
                    let mixed = u32::from(pixel[channel]) * front
                        + u32::from(under[channel]) * back
                        + total / 2;
                    under[channel] = (mixed / total) as u8;
                }
                under[3] = ((total + 127) / 255) as u8;
            }
        }
    }
}
