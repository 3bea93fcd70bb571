//! JPEG XL (ISO/IEC 18181-1, annexes A to D; container in 18181-2): the size header and the image
//! metadata, bit by bit.
//!
//! Frames are not counted: their sizes lie behind entropy-coded tables. An animation is reported as
//! animated, with at least one frame.

use safelight_schema::image::{ColourModel, Format};

use super::{Header, sides};
use crate::source::{Parsed, Source, Stop};

/// Bytes of the codestream within which the metadata must end. Names of extra channels are the only
/// part that can be long.
const WINDOW: u64 = 4 << 10;
/// Boxes in front of the codestream that are looked at.
const MAX_BOXES: u32 = 256;

/// A bare codestream.
pub(super) fn codestream(source: &Source) -> Parsed<Header> {
    metadata(source, 2, source.size())
}

/// A container of boxes, of which `jxlc` or the first `jxlp` holds the header.
pub(super) fn container(source: &Source) -> Parsed<Header> {
    let mut at = 12;
    for _ in 0..MAX_BOXES {
        let short = u64::from(source.u32_be(at)?);
        let name: [u8; 4] = source.array(at + 4)?;
        let (body, end) = match short {
            0 => (at + 8, source.size()),
            1 => (at + 16, at.saturating_add(source.u64_be(at + 8)?)),
            _ => (at + 8, at + short),
        };
        if end < body {
            return Err(Stop::invalid(
                at,
                format!("a box of {} bytes", end.saturating_sub(at)),
            ));
        }
        let start = match &name {
            b"jxlc" => Some(body),
            // Four bytes of index come first.
            b"jxlp" => Some(body + 4),
            _ => None,
        };
        if let Some(start) = start {
            if source.array::<2>(start)? != [0xff, 0x0a] {
                return Err(Stop::invalid(
                    start,
                    "the codestream does not begin with FF 0A",
                ));
            }
            return metadata(source, start + 2, end);
        }
        at = end;
    }
    Err(Stop::invalid(at, "no codestream among the first 256 boxes"))
}

fn metadata(source: &Source, start: u64, end: u64) -> Parsed<Header> {
    let mut bits = Bits {
        source,
        start,
        end: end.min(start + WINDOW),
        position: 0,
    };
    let (width, height) = size(&mut bits)?;
    let (width, height) = sides(width, height, start)?;
    let mut header = Header::new(Format::Jxl, width, height);
    let all_default = bits.flag()?;
    if all_default {
        return Ok(header);
    }
    let extra_fields = bits.flag()?;
    if extra_fields {
        header.orientation = bits.u(3)? as u8 + 1;
        if bits.flag()? {
            size(&mut bits)?;
        }
        if bits.flag()? {
            preview(&mut bits)?;
        }
        if bits.flag()? {
            header.animated = true;
            header.frames_exact = false;
            bits.u32([Value(100), Value(1_000), Range(10, 1), Range(30, 1)])?;
            bits.u32([Value(1), Value(1_001), Range(8, 1), Range(10, 1)])?;
            bits.u32([Value(0), Range(3, 0), Range(16, 0), Range(32, 0)])?;
            bits.flag()?;
        }
    }
    header.bit_depth = bit_depth(&mut bits)?;
    let _modular_16bit_buffers = bits.flag()?;
    let extra_channels = bits.u32([Value(0), Value(1), Range(4, 2), Range(12, 1)])?;
    for _ in 0..extra_channels {
        header.alpha |= extra_channel(&mut bits)? == ALPHA;
    }
    let _xyb_encoded = bits.flag()?;
    let colour_is_default = bits.flag()?;
    if !colour_is_default {
        header.icc = bits.flag()?;
        header.colour_model = match bits.enumeration()? {
            0 | 2 => ColourModel::Rgb,
            1 => ColourModel::Grey,
            _ => ColourModel::Unknown,
        };
    }
    Ok(header)
}

fn size(bits: &mut Bits<'_>) -> Parsed<(u32, u32)> {
    const SIDE: [Distribution; 4] = [Range(9, 1), Range(13, 1), Range(18, 1), Range(30, 1)];
    let small = bits.flag()?;
    let side = |bits: &mut Bits<'_>| {
        if small {
            Ok((bits.u(5)? + 1) * 8)
        } else {
            bits.u32(SIDE)
        }
    };
    let height = side(bits)?;
    let ratio = bits.u(3)?;
    let width = if ratio == 0 {
        side(bits)?
    } else {
        by_ratio(height, ratio)
    };
    Ok((width, height))
}

fn by_ratio(height: u32, ratio: u32) -> u32 {
    let (numerator, denominator) = match ratio {
        1 => (1, 1),
        2 => (12, 10),
        3 => (4, 3),
        4 => (3, 2),
        5 => (16, 9),
        6 => (5, 4),
        _ => (2, 1),
    };
    (u64::from(height) * numerator / denominator) as u32
}

fn preview(bits: &mut Bits<'_>) -> Parsed<()> {
    let side = if bits.flag()? {
        [Value(16), Value(32), Range(5, 1), Range(9, 33)]
    } else {
        [Range(6, 1), Range(8, 65), Range(10, 321), Range(12, 1_345)]
    };
    bits.u32(side)?;
    if bits.u(3)? == 0 {
        bits.u32(side)?;
    }
    Ok(())
}

fn bit_depth(bits: &mut Bits<'_>) -> Parsed<u8> {
    let float = bits.flag()?;
    let depth = if float {
        let depth = bits.u32([Value(32), Value(16), Value(24), Range(6, 1)])?;
        bits.u(4)?;
        depth
    } else {
        bits.u32([Value(8), Value(10), Value(12), Range(6, 1)])?
    };
    Ok(depth as u8)
}

const ALPHA: u32 = 0;

/// Reads past one extra channel; answers its type.
fn extra_channel(bits: &mut Bits<'_>) -> Parsed<u32> {
    if bits.flag()? {
        return Ok(ALPHA);
    }
    let kind = bits.enumeration()?;
    bit_depth(bits)?;
    bits.u32([Value(0), Value(3), Value(4), Range(3, 1)])?;
    let name = bits.u32([Value(0), Range(4, 0), Range(5, 16), Range(10, 48)])?;
    bits.skip(u64::from(name) * 8);
    match kind {
        ALPHA => {
            bits.flag()?;
        }
        // A spot colour: four half floats.
        2 => bits.skip(64),
        // A colour filter array's channel.
        5 => {
            bits.u32([Value(1), Range(2, 0), Range(4, 3), Range(8, 19)])?;
        }
        _ => {}
    }
    Ok(kind)
}

use Distribution::{Range, Value};

/// One of the four ways in which a `U32` is written: a constant, or some bits and what is added.
#[derive(Clone, Copy)]
enum Distribution {
    Value(u32),
    Range(u32, u32),
}

/// Bits from the least significant one of each byte.
struct Bits<'a> {
    source: &'a Source,
    start: u64,
    end: u64,
    /// In bits from `start`.
    position: u64,
}

impl Bits<'_> {
    fn u(&mut self, count: u32) -> Parsed<u32> {
        let mut value = 0;
        for index in 0..count {
            let at = self.start + self.position / 8;
            if at >= self.end {
                return Err(if self.end == self.source.size() {
                    Stop::Short {
                        offset: at,
                        length: 1,
                    }
                } else {
                    Stop::invalid(at, "the image metadata does not end")
                });
            }
            let bit = self.source.u8(at)? >> (self.position % 8) & 1;
            value |= u32::from(bit) << index;
            self.position += 1;
        }
        Ok(value)
    }

    fn flag(&mut self) -> Parsed<bool> {
        Ok(self.u(1)? == 1)
    }

    fn u32(&mut self, ways: [Distribution; 4]) -> Parsed<u32> {
        let [a, b, c, d] = ways;
        let way = match self.u(2)? {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        };
        match way {
            Value(value) => Ok(value),
            Range(count, plus) => Ok(self.u(count)?.saturating_add(plus)),
        }
    }

    fn enumeration(&mut self) -> Parsed<u32> {
        self.u32([Value(0), Value(1), Range(4, 2), Range(6, 18)])
    }

    const fn skip(&mut self, count: u64) {
        self.position += count;
    }
}
