//! The directories of a TIFF or BigTIFF, as far as they have to be known before the decoder reads them:
//! how many there are, and how many values the tags have of which it makes a list, in memory that no
//! limit of its own bounds until the first directory is read.

use super::tiff::FORMAT;
use crate::PixelError;
use crate::exif::Endian;

/// Values of one tag. A strip has one, or a tile: a picture of the most pixels that are decoded has
/// fewer even in tiles of 16 by 16. The decoder takes 32 bytes for each.
const MAX_VALUES: u64 = 1 << 20;
/// The tags that the decoder reads (TIFF 6.0, section 8 and on).
const READ: [u16; 21] = [
    256, 257, 258, 259, 262, 273, 274, 277, 278, 279, 284, 317, 320, 322, 323, 324, 325, 338, 339,
    347, 530,
];

/// The types of values that the decoder knows. Behind one that it does not it reads on at a wrong place in a BigTIFF.
const KINDS: [u16; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 16, 17, 18];

/// Refuses a first directory with a tag of more values than any picture needs, or one whose fields the decoder would
/// not find.
pub(super) fn check(bytes: &[u8]) -> Result<(), PixelError> {
    let Some(file) = File::of(bytes) else {
        return Ok(());
    };
    let Some(first) = file.first() else {
        return Ok(());
    };
    for (tag, kind, count) in file.fields(first) {
        if file.big && !KINDS.contains(&kind) {
            let what = format!("tag {tag} of a type {kind} in a BigTIFF");
            return Err(PixelError::unsupported(FORMAT, what));
        }
        if count > MAX_VALUES && READ.contains(&tag) {
            return Err(PixelError::unsupported(
                FORMAT,
                format!("tag {tag} with {count} values: the limit is {MAX_VALUES}"),
            ));
        }
    }
    Ok(())
}

/// Pages of the file: its directories, at most `limit`, and one where there is none that can be read.
pub(crate) fn pages(bytes: &[u8], limit: u32) -> u32 {
    let Some(file) = File::of(bytes) else {
        return 1;
    };
    let mut seen = Vec::new();
    let mut next = file.first();
    while let Some(at) = next.filter(|at| !seen.contains(at))
        && file.count(at).is_some()
        && (seen.len() as u64) < u64::from(limit)
    {
        seen.push(at);
        next = file.next(at);
    }
    (seen.len() as u32).max(1)
}

/// How a file is to be read: BigTIFF has eight bytes where TIFF has four, or two.
struct File<'a> {
    bytes: &'a [u8],
    endian: Endian,
    big: bool,
}

impl<'a> File<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (endian, big) = match bytes.get(..4)? {
            b"II*\0" => (Endian::Little, false),
            b"MM\0*" => (Endian::Big, false),
            b"II+\0" => (Endian::Little, true),
            b"MM\0+" => (Endian::Big, true),
            _ => return None,
        };
        Some(Self { bytes, endian, big })
    }

    /// A number of eight bytes, or of four.
    fn offset(&self, at: usize) -> Option<u64> {
        if self.big {
            self.endian.u64(self.bytes, at)
        } else {
            self.endian.u32(self.bytes, at).map(u64::from)
        }
    }

    fn first(&self) -> Option<usize> {
        let at = self.offset(if self.big { 8 } else { 4 })?;
        usize::try_from(at).ok().filter(|&at| at > 0)
    }

    /// Entries that the directory at this place says it has.
    fn declared(&self, at: usize) -> Option<usize> {
        if self.big {
            usize::try_from(self.endian.u64(self.bytes, at)?).ok()
        } else {
            self.endian.u16(self.bytes, at).map(usize::from)
        }
    }

    /// The same where they are all there.
    fn count(&self, at: usize) -> Option<usize> {
        let count = self.declared(at)?;
        let end = count
            .checked_mul(self.entry_size())?
            .checked_add(self.entries(at)?)?;
        (end <= self.bytes.len()).then_some(count)
    }

    fn entries(&self, at: usize) -> Option<usize> {
        at.checked_add(if self.big { 8 } else { 2 })
    }

    const fn entry_size(&self) -> usize {
        if self.big { 20 } else { 12 }
    }

    /// Where the directory behind this one is.
    fn next(&self, at: usize) -> Option<usize> {
        let end = self.entries(at)? + self.count(at)? * self.entry_size();
        usize::try_from(self.offset(end)?).ok().filter(|&at| at > 0)
    }

    /// Fields of a directory: the tag, the type of its values, and how many it has.
    fn fields(&self, at: usize) -> impl Iterator<Item = (u16, u16, u64)> {
        let first = self.entries(at).unwrap_or(usize::MAX);
        // A directory that is cut off is read as far as it goes.
        let room = self.bytes.len().saturating_sub(first) / self.entry_size();
        (0..room.min(self.declared(at).unwrap_or(0))).filter_map(move |number| {
            let at = first + number * self.entry_size();
            let number = |at| self.endian.u16(self.bytes, at);
            Some((number(at)?, number(at + 2)?, self.offset(at + 4)?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A little-endian TIFF of one directory, whose successor is at `next`.
    fn classic(tag: u16, count: u32, next: u32) -> Vec<u8> {
        let mut file = b"II*\0\x08\0\0\0\x01\0".to_vec();
        file.extend(tag.to_le_bytes());
        file.extend(4u16.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(0u32.to_le_bytes());
        file.extend(next.to_le_bytes());
        file
    }

    #[test]
    fn a_tag_of_more_values_than_a_picture_needs_is_refused() {
        let most = MAX_VALUES as u32;
        assert!(check(&classic(273, most, 0)).is_ok());
        let error = check(&classic(273, most + 1, 0)).unwrap_err();
        assert_eq!(error.name(), "Image.Unsupported");
        // Nothing reads a tag that only its writer knows.
        assert!(check(&classic(50_000, u32::MAX, 0)).is_ok());
        let mut big = b"MM\0+\0\x08\0\0\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x01\x01\x11\0\x04".to_vec();
        big.extend((MAX_VALUES + 1).to_be_bytes());
        big.extend([0; 16]);
        assert!(check(&big).is_err());
        big.truncate(44);
        assert!(check(&big).is_err(), "cut off behind its first entry");
    }

    #[test]
    fn a_big_tiff_whose_fields_the_decoder_would_not_find_is_refused() {
        // Found by fuzz/pixels/fuzz_targets/tiff.rs: a list of 100 MB, from a count at another place.
        let mut big = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
        big.extend([0, 1, 14, 0]);
        big.extend([0; 24]);
        let error = check(&big).unwrap_err();
        assert_eq!(error.name(), "Image.Unsupported");
        big[26] = 13;
        assert!(check(&big).is_ok());
    }

    #[test]
    fn pages_are_directories_until_one_comes_again() {
        let circle = classic(256, 1, 8);
        assert_eq!(pages(&circle, 10), 1);
        let mut two = classic(256, 1, 26);
        two.extend_from_slice(&classic(256, 1, 0)[8..]);
        assert_eq!(pages(&two, 10), 2);
        assert_eq!(pages(&two, 1), 1);
        assert_eq!(pages(b"II*\0\xff\xff\xff\xff", 10), 1);
    }
}
