//! HEIC and AVIF: ISO base media files (ISO/IEC 14496-12) with HEIF items (23008-12) or, for
//! sequences, a track.

mod boxes;
mod items;
mod track;

use safelight_schema::image::{ColourModel, Format};

use self::boxes::Boxes;
use super::{Header, sides};
use crate::source::{Parsed, Source, Stop, optional};

/// Brands of `ftyp` that are looked at.
const MAX_BRANDS: u64 = 64;

pub(super) fn parse(source: &Source, max_frames: u32) -> Parsed<Header> {
    let brands = Brands::read(source)?;
    if !brands.is_picture() {
        return Err(Stop::Unsupported(brands.describe()));
    }
    let mut header = None;
    let mut boxes = Boxes::top(source);
    loop {
        // A picture that is known is not spoiled by what lies behind it.
        let next = if header.is_some() {
            optional(boxes.next())?.flatten()
        } else {
            boxes.next()?
        };
        let Some(found) = next else { break };
        match &found.name {
            b"meta" if header.is_none() => {
                header = items::parse(source, &found, brands.format())?;
                if !brands.is_sequence() {
                    break;
                }
            }
            b"moov" => {
                let track = if header.is_some() {
                    optional(track::parse(source, &found))?
                } else {
                    Some(track::parse(source, &found)?)
                };
                if let Some(track) = track {
                    let header = header.get_or_insert_with(|| track.header(brands.format()));
                    header.frames = track.frames.clamp(1, max_frames.saturating_add(1));
                    header.frames_exact = track.frames <= max_frames;
                    header.animated = track.frames > 1;
                }
                break;
            }
            _ => {}
        }
    }
    // Neither a primary item (meta) nor a track (moov) up to the end of the file: it is cut off.
    let header = header.ok_or(Stop::Short {
        offset: source.size(),
        length: 8,
    })?;
    sides(header.width, header.height, 0)?;
    Ok(header)
}

/// What `ftyp` says the file is compatible with.
struct Brands {
    major: [u8; 4],
    all: Vec<[u8; 4]>,
}

impl Brands {
    fn read(source: &Source) -> Parsed<Self> {
        let size = u64::from(source.u32_be(0)?);
        let major = source.array(8)?;
        let mut all = vec![major];
        let end = if size == 0 { source.size() } else { size };
        let mut at = 16;
        while at + 4 <= end && at < 16 + 4 * MAX_BRANDS {
            all.push(source.array(at)?);
            at += 4;
        }
        Ok(Self { major, all })
    }

    fn has(&self, names: &[&[u8; 4]]) -> bool {
        self.all.iter().any(|brand| names.contains(&brand))
    }

    fn is_picture(&self) -> bool {
        // Films, too, may be compatible with `mif1`; Canon's raw files say so with their major brand.
        const PICTURES: [&[u8; 4]; 10] = [
            b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1",
            b"msf1",
        ];
        self.major != *b"crx " && self.has(&PICTURES)
    }

    fn is_sequence(&self) -> bool {
        self.has(&[b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"])
    }

    /// AVIF or HEIC by brand; the primary item's type decides where there is one.
    fn format(&self) -> Format {
        if self.has(&[b"avif", b"avis"]) {
            Format::Avif
        } else {
            Format::Heic
        }
    }

    fn describe(&self) -> String {
        let brand = self.major.escape_ascii();
        match &self.major {
            b"qt  " => "a QuickTime film".to_owned(),
            b"crx " => "a Canon camera raw file (CR3)".to_owned(),
            b"M4A " | b"M4B " => "MPEG-4 sound".to_owned(),
            _ => format!("a film or another ISO media file (brand \"{brand}\")"),
        }
    }
}

/// Bits a sample and colours, as a codec's configuration record says them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Codec {
    format: Format,
    bit_depth: u8,
    colour_model: ColourModel,
}

impl Codec {
    /// `av1C` (AV1 in ISOBMFF, 2.3.3).
    fn av1(source: &Source, body: u64) -> Parsed<Self> {
        let flags = source.u8(body + 2)?;
        let bit_depth = match (flags & 0x40 != 0, flags & 0x20 != 0) {
            (false, _) => 8,
            (true, false) => 10,
            (true, true) => 12,
        };
        Ok(Self {
            format: Format::Avif,
            bit_depth,
            colour_model: grey_if(flags & 0x10 != 0),
        })
    }

    /// `hvcC` (ISO/IEC 14496-15, 8.3.3).
    fn hevc(source: &Source, body: u64) -> Parsed<Self> {
        let chroma = source.u8(body + 16)? & 3;
        let depth = source.u8(body + 17)? & 7;
        Ok(Self {
            format: Format::Heic,
            bit_depth: depth + 8,
            colour_model: grey_if(chroma == 0),
        })
    }
}

const fn grey_if(monochrome: bool) -> ColourModel {
    if monochrome {
        ColourModel::Grey
    } else {
        ColourModel::Ycbcr
    }
}
