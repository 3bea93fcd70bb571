//! GIF 87a and 89a: the logical screen, then blocks, of which each image descriptor is a frame.
//!
//! Sub-blocks are 255 bytes at most and cannot be jumped over, so a large file is counted as far as
//! the limits reach.

use safelight_schema::image::{ColourModel, Format};

use super::{Count, Header, sides};
use crate::source::{Parsed, Source, Stop};

pub(super) fn parse(source: &Source, max_frames: u32) -> Parsed<Header> {
    let screen_width = source.u16_le(6)?;
    let screen_height = source.u16_le(8)?;
    let [flags, _, _] = source.array(10)?;
    let blocks = 13 + table(flags);
    let mut walk = Walk {
        source,
        first: None,
        alpha: false,
        icc: false,
    };
    let count = Count::new(max_frames).walked(|count| walk.blocks(blocks, count))?;
    let Some((frame_width, frame_height, local)) = walk.first else {
        // Say why: too far away, cut off, or simply no image.
        walk.blocks(blocks, &mut Count::new(max_frames))?;
        return Err(Stop::invalid(blocks, "the file ends without an image"));
    };
    // Some writers leave the screen empty; browsers then take the first frame's size.
    let (width, height) = if screen_width == 0 || screen_height == 0 {
        (frame_width, frame_height)
    } else {
        (screen_width, screen_height)
    };
    let (width, height) = sides(width.into(), height.into(), 6)?;
    let mut header = Header::new(Format::Gif, width, height);
    header.colour_model = ColourModel::Palette;
    header.bit_depth = match (local & 0x80 != 0, flags & 0x80 != 0) {
        (true, _) => (local & 7) + 1,
        (false, true) => (flags & 7) + 1,
        (false, false) => 8,
    };
    header.frames = count.frames;
    header.frames_exact = count.exact;
    header.animated = count.frames > 1;
    header.alpha = walk.alpha;
    header.icc = walk.icc;
    Ok(header)
}

/// Bytes of the colour table that these flags announce.
const fn table(flags: u8) -> u64 {
    if flags & 0x80 == 0 {
        0
    } else {
        3 << ((flags & 7) + 1)
    }
}

struct Walk<'a> {
    source: &'a Source,
    /// Width, height and flags of the first frame.
    first: Option<(u16, u16, u8)>,
    alpha: bool,
    icc: bool,
}

impl Walk<'_> {
    fn blocks(&mut self, start: u64, count: &mut Count) -> Parsed<()> {
        let mut at = start;
        loop {
            match self.source.u8(at)? {
                0x21 => at = self.extension(at)?,
                0x2c => {
                    let width = self.source.u16_le(at + 5)?;
                    let height = self.source.u16_le(at + 7)?;
                    let flags = self.source.u8(at + 9)?;
                    self.first.get_or_insert((width, height, flags));
                    if !count.more() {
                        return Ok(());
                    }
                    // One byte of LZW code size, then the data.
                    at = self.sub_blocks(at + 10 + table(flags) + 1)?;
                }
                0x3b => return Ok(()),
                other => {
                    return Err(Stop::invalid(
                        at,
                        format!("a block begins with {other:#04x}, which GIF does not have"),
                    ));
                }
            }
        }
    }

    /// Looks at the extension at `at`; answers where it ends.
    fn extension(&mut self, at: u64) -> Parsed<u64> {
        match self.source.u8(at + 1)? {
            // Graphic control: bit 0 of its flags is "a colour is transparent".
            0xf9 => self.alpha |= self.source.u8(at + 3)? & 1 != 0,
            // Application, with eleven bytes of name.
            0xff if self.source.u8(at + 2)? == 11 => {
                self.icc |= self.source.at(at + 3, 11)? == b"ICCRGBG1012";
            }
            _ => {}
        }
        self.sub_blocks(at + 2)
    }

    fn sub_blocks(&self, start: u64) -> Parsed<u64> {
        let mut at = start;
        loop {
            let length = self.source.u8(at)?;
            at += 1 + u64::from(length);
            if length == 0 {
                return Ok(at);
            }
        }
    }
}
