//! What a JPEG XL frame draws of earlier frames over itself (ISO/IEC 18181-1, annex K.3), counted before the decoder keeps
//! any of it: its own count is of billions, and wraps.

use jxl_bitstream::Bitstream;
use jxl_coding::Decoder;
use jxl_frame::data::TocGroupKind;
use jxl_oxide::Frame;

use super::jxl::{FORMAT, cut_off, fail};
use crate::PixelError;

/// How often the picture's pixels all patches may have, and how many in any case.
const MAX_PATCHED: (u64, u64) = (4, 1 << 22);

/// Patches of all frames, each as often as a pixel has channels that are mixed by themselves: some 20 MB.
const MAX_PATCHES: u64 = 1 << 18;

/// Where a frame begins, behind its header.
pub(super) fn first_section(frame: &Frame) -> Option<&[u8]> {
    frame.data(if frame.toc().is_single_entry() {
        TocGroupKind::All
    } else {
        TocGroupKind::LfGlobal
    })
}

/// What the frames of a picture may still draw.
pub(super) struct Room {
    size: (u64, u64),
    pixels: u64,
    patches: u64,
}

impl Room {
    pub(super) fn of(size: (u64, u64)) -> Self {
        let (times, always) = MAX_PATCHED;
        Self {
            size,
            pixels: (size.0 * size.1 * times).max(always),
            patches: MAX_PATCHES,
        }
    }

    /// Reads the patches of a frame, which stand first in it.
    pub(super) fn take(&mut self, frame: &Frame) -> Result<(), PixelError> {
        if !frame.header().flags.patches() {
            return Ok(());
        }
        let section = first_section(frame).ok_or_else(|| cut_off("frame"))?;
        let channels = &frame.image_header().metadata.ec_info;
        let alphas = channels.iter().filter(|channel| channel.is_alpha()).count();
        let mut bits = Bitstream::new(section);
        let broken = |error: jxl_coding::Error| fail("patches", &error.into(), self.size);
        let mut codes = Decoder::parse(&mut bits, 10).map_err(broken)?;
        codes.begin(&mut bits).map_err(broken)?;
        let mut read = |context| codes.read_varint(&mut bits, context).map_err(broken);
        for _ in 0..read(0)? {
            for context in [1, 3, 3] {
                read(context)?;
            }
            let (width, height) = (u64::from(read(2)?) + 1, u64::from(read(2)?) + 1);
            let count = u64::from(read(7)?) + 1;
            let pixels = width.saturating_mul(height).saturating_mul(count);
            let patches = count * (channels.len() as u64 + 1);
            let left = self
                .pixels
                .checked_sub(pixels)
                .zip(self.patches.checked_sub(patches));
            let Some(left) = left else {
                return Err(PixelError::unsupported(
                    FORMAT,
                    "patches of more pixels than a picture needs",
                ));
            };
            (self.pixels, self.patches) = left;
            for number in 0..count {
                let place = if number == 0 { 4 } else { 6 };
                read(place)?;
                read(place)?;
                for _ in 0..=channels.len() {
                    let mode = read(5)?;
                    if mode >= 4 && alphas >= 2 {
                        read(8)?;
                    }
                    if mode >= 3 {
                        read(9)?;
                    }
                }
            }
        }
        Ok(())
    }
}
