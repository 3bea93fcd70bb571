//! TIFF 6.0 and BigTIFF: the chain of image file directories. The facts are those of the first page;
//! reduced copies and masks (NewSubfileType) are not pages.

use safelight_schema::image::{ColourModel, Format};

use super::{Count, Header, sides};
use crate::exif;
use crate::source::{Parsed, Source, Stop, optional};

/// Entries of one directory; real ones have some dozens, camera raw files some hundreds.
const MAX_ENTRIES: u64 = 4_096;

pub(super) fn parse(source: &Source, max_frames: u32) -> Parsed<Header> {
    let tiff = Tiff {
        source,
        little: source.u8(0)? == b'I',
        big: matches!(source.array::<4>(0)?, [_, _, b'+', _] | [_, _, _, b'+']),
    };
    if source.size() >= 10 && source.array::<3>(8)? == *b"CR\x02" {
        return Err(Stop::Unsupported(
            "a Canon camera raw file (CR2)".to_owned(),
        ));
    }
    let (offset_at, first) = if tiff.big {
        (8, tiff.u64(8)?)
    } else {
        (4, tiff.u32(4)?.into())
    };
    if first == 0 {
        return Err(Stop::invalid(offset_at, "there is no image file directory"));
    }
    let mut header = tiff.header(first)?;
    let count = Count::new(max_frames).walked(|count| tiff.pages(first, count))?;
    header.frames = count.frames.max(1);
    header.frames_exact = count.exact;
    Ok(header)
}

struct Tiff<'a> {
    source: &'a Source,
    little: bool,
    big: bool,
}

/// One directory: its entries lie at `first`, and the next directory's offset behind them.
struct Directory {
    first: u64,
    entries: u64,
    next: u64,
}

/// One entry of a directory.
struct Entry {
    tag: u16,
    kind: u16,
    count: u64,
    /// Where the value is, or the offset of the values when they are too many to fit.
    value: u64,
}

impl Tiff<'_> {
    fn u16(&self, at: u64) -> Parsed<u16> {
        if self.little {
            self.source.u16_le(at)
        } else {
            self.source.u16_be(at)
        }
    }

    fn u32(&self, at: u64) -> Parsed<u32> {
        if self.little {
            self.source.u32_le(at)
        } else {
            self.source.u32_be(at)
        }
    }

    fn u64(&self, at: u64) -> Parsed<u64> {
        let bytes = self.source.array(at)?;
        Ok(if self.little {
            u64::from_le_bytes(bytes)
        } else {
            u64::from_be_bytes(bytes)
        })
    }

    const fn entry_size(&self) -> u64 {
        if self.big { 20 } else { 12 }
    }

    fn directory(&self, at: u64) -> Parsed<Directory> {
        let (entries, first) = if self.big {
            (self.u64(at)?, at.saturating_add(8))
        } else {
            (self.u16(at)?.into(), at.saturating_add(2))
        };
        if entries == 0 || entries > MAX_ENTRIES {
            return Err(Stop::invalid(
                at,
                format!("the image file directory has {entries} entries"),
            ));
        }
        let end = first.saturating_add(entries * self.entry_size());
        Ok(Directory {
            first,
            entries,
            next: end,
        })
    }

    fn entry(&self, at: u64) -> Parsed<Entry> {
        Ok(Entry {
            tag: self.u16(at)?,
            kind: self.u16(at + 2)?,
            count: if self.big {
                self.u64(at + 4)?
            } else {
                self.u32(at + 4)?.into()
            },
            value: at + if self.big { 12 } else { 8 },
        })
    }

    /// The first value of an entry: BYTE, SHORT, LONG or LONG8.
    fn value(&self, entry: &Entry) -> Parsed<u64> {
        let width = match entry.kind {
            1 | 7 => 1,
            3 => 2,
            4 | 13 => 4,
            16 | 18 => 8,
            other => {
                return Err(Stop::invalid(
                    entry.value,
                    format!("tag {} has the value type {other}", entry.tag),
                ));
            }
        };
        let room = if self.big { 8 } else { 4 };
        let at = if entry.count.saturating_mul(width) <= room {
            entry.value
        } else if self.big {
            self.u64(entry.value)?
        } else {
            self.u32(entry.value)?.into()
        };
        match width {
            1 => Ok(self.source.u8(at)?.into()),
            2 => Ok(self.u16(at)?.into()),
            4 => Ok(self.u32(at)?.into()),
            _ => self.u64(at),
        }
    }

    fn header(&self, at: u64) -> Parsed<Header> {
        let directory = self.directory(at)?;
        let (mut width, mut height) = (None, None);
        let mut header = Header::new(Format::Tiff, 0, 0);
        header.bit_depth = 1;
        header.colour_model = ColourModel::Unknown;
        let (mut reduced, mut nested) = (false, false);
        for index in 0..directory.entries {
            let entry = self.entry(directory.first + index * self.entry_size())?;
            match entry.tag {
                254 => reduced = self.value(&entry)? & 1 != 0,
                256 => width = Some(self.side(&entry)?),
                257 => height = Some(self.side(&entry)?),
                258 => {
                    let bits = self.value(&entry)?;
                    header.bit_depth = u8::try_from(bits)
                        .ok()
                        .filter(|bits| (1..=64).contains(bits))
                        .ok_or_else(|| {
                            Stop::invalid(entry.value, format!("{bits} bits a sample"))
                        })?;
                }
                262 => {
                    header.colour_model = match self.value(&entry)? {
                        0 | 1 | 4 => ColourModel::Grey,
                        2 => ColourModel::Rgb,
                        3 => ColourModel::Palette,
                        5 => ColourModel::Cmyk,
                        6 => ColourModel::Ycbcr,
                        8..=10 => ColourModel::Lab,
                        32_803 | 34_892 => {
                            return Err(Stop::Unsupported(
                                "a camera raw file (TIFF with sensor data)".to_owned(),
                            ));
                        }
                        _ => ColourModel::Unknown,
                    };
                }
                274 => {
                    let value = optional(self.value(&entry))?;
                    header.orientation = value.and_then(exif::valid).unwrap_or(1);
                }
                330 => nested = true,
                // ExtraSamples: 1 is associated alpha, 2 unassociated; 0 says nothing.
                338 => {
                    let value = optional(self.value(&entry))?;
                    header.alpha = value.is_some_and(|value| matches!(value, 1 | 2));
                }
                34_675 => header.icc = true,
                50_706 => {
                    return Err(Stop::Unsupported("a camera raw file (DNG)".to_owned()));
                }
                _ => {}
            }
        }
        if reduced && nested {
            // The first directory is only a preview: NEF and its like.
            return Err(Stop::Unsupported(
                "a camera raw file (TIFF whose first image is a preview)".to_owned(),
            ));
        }
        let (Some(width), Some(height)) = (width, height) else {
            return Err(Stop::invalid(
                at,
                "the first directory has no ImageWidth or no ImageLength",
            ));
        };
        (header.width, header.height) = sides(width, height, at)?;
        Ok(header)
    }

    fn side(&self, entry: &Entry) -> Parsed<u32> {
        let value = self.value(entry)?;
        u32::try_from(value)
            .map_err(|_| Stop::invalid(entry.value, format!("a side of {value} pixels")))
    }

    /// Counts the pages along the chain. A chain that turns back on itself ends there.
    fn pages(&self, first: u64, count: &mut Count) -> Parsed<()> {
        let mut seen = std::collections::HashSet::new();
        let mut at = first;
        while at != 0 {
            if !seen.insert(at) {
                return Err(Stop::invalid(at, "the chain of directories is a ring"));
            }
            let directory = self.directory(at)?;
            // NewSubfileType is the lowest tag in use, so it comes first.
            let entry = self.entry(directory.first)?;
            let is_page = entry.tag != 254 || self.value(&entry)? & 0b101 == 0;
            if is_page && !count.more() {
                return Ok(());
            }
            at = if self.big {
                self.u64(directory.next)?
            } else {
                self.u32(directory.next)?.into()
            };
        }
        Ok(())
    }
}
