//! WebP (RFC 9649): simple (VP8 or VP8L) and extended (VP8X) files.

use safelight_schema::image::{ColourModel, Format};

use super::{Count, Header, sides};
use crate::exif;
use crate::source::{Parsed, Source, Stop, optional};

const FIRST_CHUNK: u64 = 12;

pub(super) fn parse(source: &Source, max_frames: u32) -> Parsed<Header> {
    let body = FIRST_CHUNK + 8;
    match &source.array::<4>(FIRST_CHUNK)? {
        b"VP8 " => {
            let (width, height) = lossy(source, body)?;
            let mut header = Header::new(Format::Webp, width, height);
            header.colour_model = ColourModel::Ycbcr;
            Ok(header)
        }
        b"VP8L" => {
            let (width, height, alpha) = lossless(source, body)?;
            let mut header = Header::new(Format::Webp, width, height);
            header.alpha = alpha;
            Ok(header)
        }
        b"VP8X" => extended(source, body, max_frames),
        other => Err(Stop::invalid(
            FIRST_CHUNK,
            format!(
                "the first chunk is \"{}\", not VP8, VP8L or VP8X",
                other.escape_ascii()
            ),
        )),
    }
}

fn lossy(source: &Source, body: u64) -> Parsed<(u32, u32)> {
    let frame: [u8; 10] = source.array(body)?;
    let [tag, _, _, start @ .., w0, w1, h0, h1] = frame;
    if tag & 1 != 0 {
        return Err(Stop::invalid(body, "the VP8 frame is not a key frame"));
    }
    if start != [0x9d, 0x01, 0x2a] {
        return Err(Stop::invalid(body + 3, "the VP8 start code is missing"));
    }
    // The two upper bits of each are a scale that decoders ignore.
    let width = u16::from_le_bytes([w0, w1]) & 0x3fff;
    let height = u16::from_le_bytes([h0, h1]) & 0x3fff;
    sides(width.into(), height.into(), body + 6)
}

fn lossless(source: &Source, body: u64) -> Parsed<(u32, u32, bool)> {
    if source.u8(body)? != 0x2f {
        return Err(Stop::invalid(body, "the VP8L signature is missing"));
    }
    let bits = source.u32_le(body + 1)?;
    if bits >> 29 != 0 {
        return Err(Stop::invalid(body + 4, "the VP8L version is not 0"));
    }
    let width = (bits & 0x3fff) + 1;
    let height = ((bits >> 14) & 0x3fff) + 1;
    Ok((width, height, bits & (1 << 28) != 0))
}

fn extended(source: &Source, body: u64, max_frames: u32) -> Parsed<Header> {
    let flags = source.u8(body)?;
    let width = source.u24_le(body + 4)? + 1;
    let height = source.u24_le(body + 7)? + 1;
    let mut header = Header::new(Format::Webp, width, height);
    header.icc = flags & 0x20 != 0;
    header.alpha = flags & 0x10 != 0;
    let mut walk = Walk {
        source,
        wants_exif: flags & 0x08 != 0,
        moving: flags & 0x02 != 0,
        lossy: None,
        orientation: 1,
    };
    let first = FIRST_CHUNK + 8 + padded(source.u32_le(FIRST_CHUNK + 4)?);
    let count = Count::new(max_frames).walked(|count| walk.chunks(first, count))?;
    if count.frames == 0 {
        walk.chunks(first, &mut Count::new(max_frames))?;
        return Err(Stop::Short {
            offset: source.size(),
            length: 8,
        });
    }
    header.frames = count.frames;
    header.frames_exact = count.exact || !walk.moving;
    header.animated = walk.moving && count.frames > 1;
    header.orientation = walk.orientation;
    if walk.lossy == Some(true) {
        header.colour_model = ColourModel::Ycbcr;
    }
    Ok(header)
}

/// Chunks are padded to even sizes.
const fn padded(length: u32) -> u64 {
    length as u64 + (length & 1) as u64
}

struct Walk<'a> {
    source: &'a Source,
    wants_exif: bool,
    moving: bool,
    /// Whether the first frame is VP8 (lossy) rather than VP8L.
    lossy: Option<bool>,
    orientation: u8,
}

impl Walk<'_> {
    fn chunks(&mut self, start: u64, count: &mut Count) -> Parsed<()> {
        let mut at = start;
        // Reaching exactly the end of the file ends the walk; anything shorter is cut off.
        while at < self.source.size() {
            let name: [u8; 4] = self.source.array(at)?;
            let length = self.source.u32_le(at + 4)?;
            let body = at + 8;
            match &name {
                b"VP8 " | b"VP8L" if !self.moving => {
                    if count.frames == 0 {
                        self.lossy = Some(name == *b"VP8 ");
                        count.more();
                    }
                    if !self.wants_exif {
                        return Ok(());
                    }
                }
                b"ANMF" if self.moving => {
                    if !count.more() {
                        return Ok(());
                    }
                    if self.lossy.is_none() {
                        // Sixteen bytes of frame, then its chunks: VP8L, or VP8 with or without ALPH.
                        let inner = optional(self.source.array::<4>(body + 16))?;
                        self.lossy = inner.map(|inner| inner != *b"VP8L");
                    }
                }
                b"EXIF" => {
                    // Some writers repeat JPEG's prefix.
                    let prefixed = self.source.at(body, 6)? == b"Exif\0\0";
                    let tiff = if prefixed { body + 6 } else { body };
                    self.orientation =
                        exif::orientation(self.source, tiff, body + u64::from(length))?;
                    if !self.moving {
                        return Ok(());
                    }
                }
                _ => {}
            }
            at = body + padded(length);
        }
        Ok(())
    }
}
