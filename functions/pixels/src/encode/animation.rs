//! Animations: each frame is compared with the one before it, and only the rectangle that changed
//! is written.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use gif::{DisposalMethod, Repeat};
use png::{BitDepth, BlendOp, ColorType, Compression, Filter};

use super::webp::{WebpCoding, bitstream};
use crate::riff::{self, Features, u24};
use crate::{Channels, Format, Metadata, PixelError, Pixels, Samples};

/// Writes an animation frame by frame.
pub struct AnimationEncoder {
    width: u32,
    height: u32,
    shown: Option<Vec<u8>>,
    kind: Kind,
}

enum Kind {
    Gif {
        encoder: gif::Encoder<Vec<u8>>,
        /// The frame whose end is not known yet: how it is disposed of depends on the next one.
        pending: Option<(Vec<u8>, u32)>,
        cleared: bool,
    },
    Webp {
        body: Vec<u8>,
        coding: WebpCoding,
        metadata: Metadata,
        alpha: bool,
    },
    Png {
        writer: Box<png::Writer<Shared>>,
        out: Shared,
    },
}

/// A buffer that an encoder writes and its owner keeps.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A rectangle of the canvas: left, top, width, height.
type Area = (usize, usize, usize, usize);

fn gif_fail(error: impl std::fmt::Display) -> PixelError {
    PixelError::encode(Format::Gif, error)
}

impl AnimationEncoder {
    /// A GIF that is shown `plays` times (0: for ever). 256 colours a frame, transparency on or
    /// off, delays in hundredths of a second.
    pub fn gif(width: u32, height: u32, plays: u32) -> Result<Self, PixelError> {
        let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
            return Err(gif_fail(format!(
                "{width} × {height} pixels, and a side is at most 65535"
            )));
        };
        let mut encoder = gif::Encoder::new(Vec::new(), w, h, &[]).map_err(gif_fail)?;
        match plays {
            0 => encoder.set_repeat(Repeat::Infinite).map_err(gif_fail)?,
            1 => {}
            times => encoder
                .set_repeat(Repeat::Finite(u16::try_from(times - 1).unwrap_or(u16::MAX)))
                .map_err(gif_fail)?,
        }
        Ok(Self {
            width,
            height,
            shown: None,
            kind: Kind::Gif {
                encoder,
                pending: None,
                cleared: true,
            },
        })
    }

    /// A WebP that is shown `plays` times (0: for ever).
    pub fn webp(
        width: u32,
        height: u32,
        plays: u32,
        coding: WebpCoding,
        metadata: Metadata,
    ) -> Self {
        let mut body = Vec::new();
        let mut control = vec![0u8; 4];
        control.extend_from_slice(&u16::try_from(plays).unwrap_or(u16::MAX).to_le_bytes());
        riff::push(&mut body, *b"ANIM", &control);
        Self {
            width,
            height,
            shown: None,
            kind: Kind::Webp {
                body,
                coding,
                metadata,
                alpha: false,
            },
        }
    }

    /// An APNG of exactly `frames` frames that is shown `plays` times (0: for ever).
    pub fn png(
        width: u32,
        height: u32,
        plays: u32,
        frames: u32,
        metadata: &Metadata,
    ) -> Result<Self, PixelError> {
        use super::png::{fail, write_colour};
        let out = Shared::default();
        // The encoder lives as long as this value, so it owns what it writes first.
        let mut header = png::Info::with_size(width, height);
        header.color_type = ColorType::Rgba;
        header.bit_depth = BitDepth::Eight;
        header.icc_profile = metadata.icc.clone().map(Into::into);
        header.exif_metadata = metadata.exif.clone().map(Into::into);
        let mut encoder = png::Encoder::with_info(out.clone(), header).map_err(fail)?;
        encoder.set_animated(frames, plays).map_err(fail)?;
        encoder.set_compression(Compression::Balanced);
        encoder.set_filter(Filter::Adaptive);
        encoder.set_blend_op(BlendOp::Source).map_err(fail)?;
        let mut writer = encoder.write_header().map_err(fail)?;
        write_colour(&mut writer, metadata)?;
        Ok(Self {
            width,
            height,
            shown: None,
            kind: Kind::Png {
                writer: Box::new(writer),
                out,
            },
        })
    }

    /// Adds a frame of the canvas' size, shown for `delay_ms` milliseconds.
    pub fn push(&mut self, pixels: Pixels, delay_ms: u32) -> Result<(), PixelError> {
        if (pixels.width(), pixels.height()) != (self.width, self.height) {
            return Err(gif_fail("a frame has another size than the canvas"));
        }
        let Samples::Eight(mut canvas) = pixels.into_rgba8().into_samples() else {
            return Err(gif_fail("16-bit frames"));
        };
        let (width, height) = (self.width as usize, self.height as usize);
        match &mut self.kind {
            Kind::Gif {
                encoder,
                pending,
                cleared,
            } => {
                for pixel in canvas.chunks_exact_mut(4) {
                    if pixel[3] < 128 {
                        pixel.fill(0);
                    } else {
                        pixel[3] = 255;
                    }
                }
                if let Some((frame, delay)) = pending.take() {
                    // Where the next frame is transparent, this one has to go first.
                    let clear = canvas.chunks_exact(4).any(|pixel| pixel[3] == 0);
                    let area = match &self.shown {
                        Some(shown) if !*cleared && !clear => {
                            changed(shown, &frame, width, 1).unwrap_or((0, 0, 1, 1))
                        }
                        _ => (0, 0, width, height),
                    };
                    write_gif(encoder, &frame, width, area, delay, clear)?;
                    *cleared = clear;
                    self.shown = Some(frame);
                }
                *pending = Some((canvas, delay_ms));
                return Ok(());
            }
            Kind::Webp {
                body,
                coding,
                alpha,
                ..
            } => {
                let area = match &self.shown {
                    // Offsets are stored halved, so they are even.
                    Some(shown) => changed(shown, &canvas, width, 2).unwrap_or((0, 0, 1, 1)),
                    None => (0, 0, width, height),
                };
                let part = cut(&canvas, width, area);
                let (stream, has_alpha) =
                    bitstream(&part, Channels::Rgba, area.2 as u32, area.3 as u32, *coding)?;
                *alpha |= has_alpha;
                let mut frame = Vec::with_capacity(stream.len() + 16);
                for value in [area.0 / 2, area.1 / 2, area.2 - 1, area.3 - 1] {
                    frame.extend_from_slice(&u24(value as u32));
                }
                frame.extend_from_slice(&u24(delay_ms.min(0x00FF_FFFF)));
                // Do not blend with what is below; do not dispose.
                frame.push(0b10);
                frame.extend_from_slice(&stream);
                riff::push(body, *b"ANMF", &frame);
            }
            Kind::Png { writer, .. } => {
                use super::png::fail;
                let area = match &self.shown {
                    Some(shown) => changed(shown, &canvas, width, 1).unwrap_or((0, 0, 1, 1)),
                    None => (0, 0, width, height),
                };
                let delay = u16::try_from(delay_ms).unwrap_or(u16::MAX);
                writer.set_frame_delay(delay, 1000).map_err(fail)?;
                if self.shown.is_some() {
                    // Position and size are checked against each other: first make room.
                    writer.set_frame_dimension(1, 1).map_err(fail)?;
                    writer
                        .set_frame_position(area.0 as u32, area.1 as u32)
                        .map_err(fail)?;
                    writer
                        .set_frame_dimension(area.2 as u32, area.3 as u32)
                        .map_err(fail)?;
                }
                writer
                    .write_image_data(&cut(&canvas, width, area))
                    .map_err(fail)?;
            }
        }
        self.shown = Some(canvas);
        Ok(())
    }

    /// Writes what is left and returns the file.
    pub fn finish(self) -> Result<Vec<u8>, PixelError> {
        let (width, height) = (self.width as usize, self.height as usize);
        match self.kind {
            Kind::Gif {
                mut encoder,
                pending,
                cleared,
            } => {
                if let Some((frame, delay)) = pending {
                    let area = match &self.shown {
                        Some(shown) if !cleared => {
                            changed(shown, &frame, width, 1).unwrap_or((0, 0, 1, 1))
                        }
                        _ => (0, 0, width, height),
                    };
                    write_gif(&mut encoder, &frame, width, area, delay, false)?;
                }
                encoder.into_inner().map_err(gif_fail)
            }
            Kind::Webp {
                body,
                metadata,
                alpha,
                ..
            } => Ok(riff::extended(
                self.width,
                self.height,
                Features {
                    alpha,
                    animated: true,
                },
                metadata.icc.as_deref(),
                metadata.exif.as_deref(),
                &body,
            )),
            Kind::Png { writer, out } => {
                writer.finish().map_err(super::png::fail)?;
                let mut bytes = out.0.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(std::mem::take(&mut bytes))
            }
        }
    }
}

fn write_gif(
    encoder: &mut gif::Encoder<Vec<u8>>,
    canvas: &[u8],
    width: usize,
    area: Area,
    delay_ms: u32,
    clear: bool,
) -> Result<(), PixelError> {
    let mut part = cut(canvas, width, area);
    // Speed 10 of 30: the quantiser's own advice between quality and time.
    let mut frame = gif::Frame::from_rgba_speed(area.2 as u16, area.3 as u16, &mut part, 10);
    (frame.left, frame.top) = (area.0 as u16, area.1 as u16);
    frame.delay = u16::try_from((delay_ms + 5) / 10).unwrap_or(u16::MAX);
    frame.dispose = if clear {
        DisposalMethod::Background
    } else {
        DisposalMethod::Keep
    };
    encoder.write_frame(&frame).map_err(gif_fail)
}

/// The smallest rectangle outside which two RGBA canvases are the same; its corner is a multiple
/// of `grid`. `None` when nothing changed.
fn changed(before: &[u8], after: &[u8], width: usize, grid: usize) -> Option<Area> {
    let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
    let rows = before
        .chunks_exact(width * 4)
        .zip(after.chunks_exact(width * 4));
    for (y, (old, new)) in rows.enumerate() {
        if old == new {
            continue;
        }
        let differs = |x: &usize| old[x * 4..x * 4 + 4] != new[x * 4..x * 4 + 4];
        left = left.min((0..width).find(differs)?);
        right = right.max((0..width).rev().find(differs)?);
        top = top.min(y);
        bottom = y;
    }
    if top == usize::MAX {
        return None;
    }
    (left, top) = (left / grid * grid, top / grid * grid);
    Some((left, top, right + 1 - left, bottom + 1 - top))
}

fn cut(canvas: &[u8], width: usize, (left, top, w, h): Area) -> Vec<u8> {
    canvas
        .chunks_exact(width * 4)
        .skip(top)
        .take(h)
        .flat_map(|row| &row[left * 4..(left + w) * 4])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_changed_rectangle_is_found() {
        let before = vec![0u8; 6 * 5 * 4];
        let mut after = before.clone();
        assert_eq!(changed(&before, &after, 6, 1), None);
        after[(2 * 6 + 3) * 4] = 9;
        after[(3 * 6 + 5) * 4 + 3] = 9;
        assert_eq!(changed(&before, &after, 6, 1), Some((3, 2, 3, 2)));
        assert_eq!(changed(&before, &after, 6, 2), Some((2, 2, 4, 2)));
        assert_eq!(cut(&after, 6, (3, 2, 1, 1)), [9, 0, 0, 0]);
    }
}
