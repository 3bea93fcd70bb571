//! The little of EXIF (a TIFF structure) that pixels need: the orientation, and where it lies.

use std::ops::Range;

use crate::Orientation;

const ORIENTATION: u16 = 0x0112;
/// An EXIF block above this size is dropped: in JPEG none is larger than 64 KiB.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// More entries than this in one directory is nonsense.
const MAX_ENTRIES: u16 = 1024;

/// A TIFF structure's byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endian {
    Little,
    Big,
}

impl Endian {
    pub(crate) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u16::from_le_bytes(raw),
            Self::Big => u16::from_be_bytes(raw),
        })
    }

    pub(crate) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u32::from_le_bytes(raw),
            Self::Big => u32::from_be_bytes(raw),
        })
    }

    pub(crate) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        Some(match self {
            Self::Little => u64::from_le_bytes(raw),
            Self::Big => u64::from_be_bytes(raw),
        })
    }
}

/// Where the SHORT value of `tag` lies in the first directory of a classic TIFF structure.
pub(crate) fn short_at(tiff: &[u8], tag: u16) -> Option<(Endian, usize)> {
    let endian = match tiff.get(..4)? {
        b"II*\0" => Endian::Little,
        b"MM\0*" => Endian::Big,
        _ => return None,
    };
    let directory = usize::try_from(endian.u32(tiff, 4)?).ok()?;
    let count = endian.u16(tiff, directory)?.min(MAX_ENTRIES);
    for entry in 0..usize::from(count) {
        let at = directory.checked_add(2 + entry * 12)?;
        if endian.u16(tiff, at)? == tag {
            // Type 3 is SHORT; a count of one lies in the entry itself.
            let is_short = endian.u16(tiff, at + 2)? == 3 && endian.u32(tiff, at + 4)? >= 1;
            return is_short.then_some((endian, at + 8));
        }
    }
    None
}

/// The EXIF block without the `Exif\0\0` that JPEG and some WebP and PNG writers put in front.
pub(crate) fn without_prefix(exif: &[u8]) -> &[u8] {
    exif.strip_prefix(b"Exif\0\0").unwrap_or(exif)
}

/// The orientation that an EXIF block states; "as stored" where it states none.
pub(crate) fn orientation(exif: &[u8]) -> Orientation {
    let tiff = without_prefix(exif);
    short_at(tiff, ORIENTATION)
        .and_then(|(endian, at)| endian.u16(tiff, at))
        .map_or(Orientation::Normal, Orientation::from_exif)
}

/// The same block stating orientation 1, for pixels that were turned upright.
pub(crate) fn with_normal_orientation(exif: &[u8]) -> Vec<u8> {
    let mut tiff = without_prefix(exif).to_vec();
    if let Some((endian, at)) = short_at(&tiff, ORIENTATION)
        && let Some(value) = tiff.get_mut(at..at + 2)
    {
        value.copy_from_slice(&match endian {
            Endian::Little => 1u16.to_le_bytes(),
            Endian::Big => 1u16.to_be_bytes(),
        });
    }
    tiff
}

const LOCATION: u16 = 0x8825;
/// Byte order, 42, and where the first directory is.
const HEADER: usize = 8;
/// Bytes of a directory's entry.
const ENTRY: usize = 12;
/// Bytes of a value of each type (TIFF 6.0, and SSHORT to DOUBLE).
const SIZES: [usize; 13] = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];

/// The same block without its GPS directory: its entry is taken out, and its content is wiped.
pub(crate) fn without_location(exif: &[u8]) -> Vec<u8> {
    let mut tiff = without_prefix(exif).to_vec();
    // A block whose location cannot be found for sure is dropped whole.
    if taken_out(&mut tiff).is_none() {
        tiff.clear();
    }
    tiff
}

fn taken_out(tiff: &mut [u8]) -> Option<()> {
    let endian = match tiff.get(..4)? {
        b"II*\0" => Endian::Little,
        b"MM\0*" => Endian::Big,
        _ => return None,
    };
    let directories = directories(tiff, endian)?;
    // What has to stay as it is, for the rest to be found.
    let mut stays = directories.clone();
    stays.push(0..HEADER);
    // Of what may be wiped: all of it, for the picture and for its thumbnail.
    let mut room = tiff.len() * 2;
    for directory in directories.iter().map(|range| range.start) {
        let count = usize::from(endian.u16(tiff, directory)?);
        let end = directory.checked_add(2 + count * ENTRY)?;
        // Backwards, so that what moves up was looked at.
        for entry in (0..count).rev() {
            let at = directory + 2 + entry * ENTRY;
            if endian.u16(tiff, at)? == LOCATION {
                let place = usize::try_from(endian.u32(tiff, at + 8)?).ok()?;
                wipe(tiff, endian, place, &stays, &mut room)?;
                tiff.get(..end + 4)?;
                tiff.copy_within(at + ENTRY..end + 4, at);
                tiff.get_mut(end + 4 - ENTRY..end + 4)?.fill(0);
                let fewer = endian.u16(tiff, directory)?.checked_sub(1)?;
                tiff.get_mut(directory..directory + 2)?
                    .copy_from_slice(&match endian {
                        Endian::Little => fewer.to_le_bytes(),
                        Endian::Big => fewer.to_be_bytes(),
                    });
            }
        }
    }
    Some(())
}

/// Where the picture's directory lies, and its thumbnail's if there is one, each with the word about
/// the next, which the last may lack. `None` where they share bytes, or lie over the header: what is taken
/// out of one would change the other.
fn directories(tiff: &[u8], endian: Endian) -> Option<Vec<Range<usize>>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut next = endian.u32(tiff, 4);
    while let Some(directory) = next.filter(|&at| at != 0)
        && found.len() < 2
    {
        let directory = usize::try_from(directory).ok()?;
        // What some programs leave where they took the thumbnail out: a directory past the end, where
        // nothing can be, or the one that was there already.
        if !found.is_empty()
            && (directory >= tiff.len() || found.iter().any(|other| other.start == directory))
        {
            break;
        }
        let count = usize::from(endian.u16(tiff, directory)?);
        let end = directory.checked_add(2 + count * ENTRY)?;
        next = endian.u32(tiff, end);
        let range = directory..end + 4;
        let header = 0..HEADER;
        if found
            .iter()
            .chain([&header])
            .any(|other| share(other, &range))
        {
            return None;
        }
        found.push(range);
    }
    Some(found)
}

fn share(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start < other.end && other.start < one.end
}

/// Zeroes a directory and the values that it points to; `None` where it is too long to be one, or
/// shares bytes with what stays, or where more is wiped than there is room.
fn wipe(
    tiff: &mut [u8],
    endian: Endian,
    directory: usize,
    stays: &[Range<usize>],
    room: &mut usize,
) -> Option<()> {
    let mut zero = |tiff: &mut [u8], from: usize, length: usize| {
        let range = from.min(tiff.len())..from.saturating_add(length).min(tiff.len());
        *room = room.checked_sub(range.len())?;
        if stays.iter().any(|other| share(other, &range)) {
            return None;
        }
        tiff.get_mut(range)?.fill(0);
        Some(())
    };
    let Some(count) = endian.u16(tiff, directory) else {
        return Some(());
    };
    if count > MAX_ENTRIES {
        return None;
    }
    for entry in 0..usize::from(count) {
        let at = directory + 2 + entry * ENTRY;
        let (Some(kind), Some(number), Some(place)) = (
            endian.u16(tiff, at + 2),
            endian.u32(tiff, at + 4),
            endian.u32(tiff, at + 8),
        ) else {
            return Some(());
        };
        let size = SIZES.get(usize::from(kind)).copied().unwrap_or(0);
        let length = size.saturating_mul(number as usize);
        if length > 4 {
            zero(tiff, place as usize, length)?;
        }
        zero(tiff, at, ENTRY)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(value: u16) -> Vec<u8> {
        let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
        exif.extend_from_slice(&value.to_be_bytes());
        exif.extend_from_slice(&[0; 6]);
        exif
    }

    #[test]
    fn the_place_is_taken_out_and_wiped() {
        // Orientation, GPS, then no other directory; the GPS directory has one RATIONAL.
        let mut exif = b"MM\0*\0\0\0\x08\0\x02".to_vec();
        exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
        exif.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x26");
        exif.extend([0; 4]);
        assert_eq!(exif.len(), 0x26);
        exif.extend(b"\0\x01\0\x02\0\x05\0\0\0\x01\0\0\0\x38\0\0\0\0");
        assert_eq!(exif.len(), 0x38);
        exif.extend(b"SECRET!!");
        let clean = without_location(&exif);
        assert_eq!(clean.len(), exif.len());
        assert_eq!(orientation(&clean), Orientation::Rotate90);
        assert_eq!(Endian::Big.u16(&clean, 8), Some(1));
        assert!(!clean.windows(2).any(|pair| pair == b"\x88\x25"));
        assert!(!clean.windows(6).any(|six| six == b"SECRET"));
        for end in 0..exif.len() {
            without_location(&exif[..end]);
        }
        assert!(without_location(b"nonsense").is_empty());
    }

    #[test]
    fn every_place_is_taken_out() {
        // Two entries of location, and the orientation between them.
        let mut exif = b"MM\0*\0\0\0\x08\0\x03".to_vec();
        exif.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x32");
        exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
        exif.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x32");
        exif.extend([0; 4]);
        assert_eq!(exif.len(), 0x32);
        exif.extend(b"\0\x01\0\x01\0\x02\0\0\0\x02N\0\0\0");
        let clean = without_location(&exif);
        assert_eq!(Endian::Big.u16(&clean, 8), Some(1));
        assert_eq!(orientation(&clean), Orientation::Rotate90);
        assert!(!clean.windows(2).any(|pair| pair == b"\x88\x25"));
        assert_eq!(without_location(&clean), clean);
    }

    #[test]
    fn of_a_value_that_the_block_cuts_off_the_rest_is_wiped() {
        let mut exif = b"MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1A".to_vec();
        exif.extend(b"\0\0\0\0\0\x01\0\x02\0\x05\0\0\0\x03\0\0\0\x2C\0\0\0\0");
        assert_eq!(exif.len(), 0x2C);
        exif.extend(b"SECRET");
        let clean = without_location(&exif);
        assert!(!clean.is_empty() && !clean.windows(3).any(|three| three == b"CRE"));
    }

    #[test]
    fn a_block_whose_place_lies_over_its_own_directory_is_dropped() {
        // Of one GPS entry, which points at the header, at its directory, or at itself.
        for place in [0, 6, 8, 10, 12] {
            let mut exif = b"MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0".to_vec();
            exif.push(place);
            exif.extend([0; 64]);
            let clean = without_location(&exif);
            assert!(
                clean.is_empty() || without_location(&clean) == clean,
                "{place}: {clean:?}"
            );
        }
        // The thumbnail's, which points at the picture's.
        let mut exif =
            b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\x1A".to_vec();
        exif.extend(b"\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\0");
        assert!(without_location(&exif).is_empty());
        // A directory that is too long to be one.
        let mut exif = b"MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1A".to_vec();
        exif.extend(b"\0\0\0\0\xFF\xFF");
        exif.extend([1; 200]);
        assert!(without_location(&exif).is_empty());
        // A value over the header.
        let mut exif = b"MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1A".to_vec();
        exif.extend([0; 4]);
        exif.extend(b"\0\x01\0\x01\0\x02\0\0\0\x08\0\0\0\0");
        assert!(without_location(&exif).is_empty());
    }

    #[test]
    fn a_block_whose_directories_lie_over_each_other_is_dropped() {
        // The picture's: location, and two entries that the thumbnail's, with a location too, lies in.
        let mut exif = b"MM\0*\0\0\0\x08\0\x03".to_vec();
        exif.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x60");
        exif.extend(b"\0\0\0\0\0\x01\x88\x25\0\x04\0\0");
        exif.extend(b"\0\x01\0\0\0\x60\0\0\0\0\0\0\0\0\0\x1A");
        exif.extend([0; 80]);
        assert!(without_location(&exif).is_empty());
        // The thumbnail's lies over the header: 42 entries, the last of them a location.
        let mut exif = b"MM\0*\0\0\x02\x40".to_vec();
        exif.resize(0x240, 0);
        exif[4 + 41 * 12..][..2].copy_from_slice(b"\x88\x25");
        exif[4 + 41 * 12 + 10..][..2].copy_from_slice(b"\x03\0");
        exif.extend(b"\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\x02\0\0");
        assert!(without_location(&exif).is_empty());
    }

    #[test]
    fn a_block_whose_values_lie_over_each_other_is_dropped() {
        // Each value is all that comes behind the directories.
        let block = |values: u8| {
            let mut exif =
                b"MM\0*\0\0\0\x08\0\x01\x88\x25\0\x04\0\0\0\x01\0\0\0\x1A\0\0\0\0".to_vec();
            exif.extend([0, values]);
            for _ in 0..values {
                exif.extend(b"\0\x01\0\x01\0\0\x08\0\0\0\x01\0");
            }
            exif.resize(256 + 2048, 1);
            exif
        };
        assert!(!without_location(&block(2)).is_empty());
        assert!(without_location(&block(3)).is_empty());
    }

    #[test]
    fn a_thumbnail_that_was_taken_out_does_not_matter() {
        // The picture's directory, of a location, goes on at itself, or where the block has ended.
        for next in [8, 0x99] {
            let mut exif = b"MM\0*\0\0\0\x08\0\x02".to_vec();
            exif.extend(b"\x01\x12\0\x03\0\0\0\x01\0\x06\0\0");
            exif.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x26\0\0\0");
            exif.push(next);
            exif.extend([0; 8]);
            let clean = without_location(&exif);
            assert_eq!(orientation(&clean), Orientation::Rotate90);
            assert!(!clean.windows(2).any(|pair| pair == b"\x88\x25"));
            assert_eq!(without_location(&clean), clean);
        }
    }

    #[test]
    fn orientation_is_read_and_reset() {
        assert_eq!(orientation(&block(6)), Orientation::Rotate90);
        assert_eq!(
            orientation(&with_normal_orientation(&block(6))),
            Orientation::Normal
        );
        assert_eq!(orientation(b"Exif\0\0MM"), Orientation::Normal);
        for end in 0..block(6).len() {
            orientation(&block(6)[..end]);
        }
    }
}
