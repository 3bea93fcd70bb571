//! What HEVC's parameter sets may say (ITU-T H.265, 7.3): the decoder takes memory by it without a limit of its own.

use heic::Unstoppable;
use heic::heif::{self, ItemType};

use crate::{Format, Limits, PixelError};

/// Types of NAL units (table 7-1).
const SEQUENCE_PARAMETERS: u8 = 33;
const PICTURE_PARAMETERS: u8 = 34;

/// Parameter sets are some tens of bytes long; of a longer one no more is looked at.
const MAX_SET_BYTES: usize = 1 << 10;

/// Tiles side by side; the highest level allows 20 columns and 22 rows (annex A).
const MAX_TILES: u64 = 64;

/// Blocks in a row: the decoder takes 16,384 pixels, and the smallest block has 8.
const MAX_BLOCKS: u64 = 2_048;

/// Item data that is looked at, in files: items whose data lie over each other would take long.
const MAX_FILES: u64 = 4;

/// Checks every parameter set of every HEVC item, in its configuration and among its data.
pub(super) fn check(
    bytes: &[u8],
    format: Format,
    limits: &Limits,
    bytes_per_pixel: u64,
) -> Result<(), PixelError> {
    let broken = |cause: &str| PixelError::decode(format, "parameter sets", cause);
    let Ok(container) = heif::parse(bytes, &Unstoppable) else {
        // The decoder says what is wrong with it.
        return Ok(());
    };
    let check_unit = |unit: &[u8]| match unit.split_first_chunk::<2>() {
        Some(([head, _], set)) => match (head >> 1) & 0x3F {
            SEQUENCE_PARAMETERS => {
                let (width, height) = sides(&mut Bits::new(set)).ok_or_else(|| {
                    broken("a size is cut off, or behind no known format of colours")
                })?;
                limits.check(format, width, height, bytes_per_pixel)
            }
            PICTURE_PARAMETERS => match tiles_fit(&mut Bits::new(set)) {
                Some(true) => Ok(()),
                Some(false) => Err(broken("more tiles than a picture may have")),
                None => Err(broken("the tiles are cut off")),
            },
            _ => Ok(()),
        },
        None => Ok(()),
    };
    let mut looked_at = 0;
    for item in container.items() {
        if !matches!(item.item_type, ItemType::Hvc1 | ItemType::Unknown(_)) {
            continue;
        }
        let Some(config) = item.hevc_config else {
            if item.item_type == ItemType::Hvc1 {
                return Err(broken("an HEVC item has none"));
            }
            continue;
        };
        for unit in &config.nal_units {
            check_unit(unit)?;
        }
        let Ok(data) = container.get_item_data(item.id) else {
            continue;
        };
        looked_at += data.len() as u64;
        if looked_at > bytes.len() as u64 * MAX_FILES {
            return Err(broken("items lie over each other"));
        }
        let mut rest = &data[..];
        while let Some(unit) = next_unit(&mut rest, usize::from(config.length_size_minus_one) + 1) {
            check_unit(unit)?;
        }
    }
    Ok(())
}

/// The next NAL unit, which stands after its length of so many bytes.
fn next_unit<'a>(rest: &mut &'a [u8], length_bytes: usize) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(length_bytes)?;
    let length = length
        .iter()
        .fold(0usize, |length, byte| (length << 8) | usize::from(*byte));
    let (unit, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(unit)
}

/// Width and height of a sequence parameter set (7.3.2.2), in pixels.
fn sides(set: &mut Bits) -> Option<(u64, u64)> {
    set.bits(4)?;
    let sub_layers = set.bits(3)? as usize;
    set.bits(1)?;
    // Profile, tier and level (7.3.3).
    set.skip(96)?;
    if sub_layers > 0 {
        let flags = set.bits(16)?;
        for layer in 0..sub_layers {
            let (profile, level) = (flags >> (15 - 2 * layer) & 1, flags >> (14 - 2 * layer) & 1);
            set.skip(88 * profile as usize + 8 * level as usize)?;
        }
    }
    set.number()?;
    // The decoder keeps eight bits of it. With a chroma format that is none it leaves the planes of colour.
    match set.number()? & 0xFF {
        0..=2 => {}
        3 => drop(set.bits(1)?),
        _ => return None,
    }
    Some((set.number()?, set.number()?))
}

/// Whether the tiles of a picture parameter set (7.3.2.3) could be those of a picture that is decoded.
fn tiles_fit(set: &mut Bits) -> Option<bool> {
    // Ids.
    set.number()?;
    set.number()?;
    set.bits(7)?;
    // Active references, and the first quantiser.
    set.number()?;
    set.number()?;
    set.number()?;
    set.bits(2)?;
    if set.bits(1)? == 1 {
        set.number()?;
    }
    // Offsets of the chroma quantisers.
    set.number()?;
    set.number()?;
    set.bits(4)?;
    let (tiles, _in_rows) = (set.bits(1)?, set.bits(1)?);
    if tiles == 0 {
        return Some(true);
    }
    let (columns, rows) = (set.number()?, set.number()?);
    if columns >= MAX_TILES || rows >= MAX_TILES {
        return Some(false);
    }
    if set.bits(1)? == 1 {
        // They share the picture evenly.
        return Some(true);
    }
    for count in [columns, rows] {
        let mut blocks = 0;
        for _ in 0..count {
            blocks += set.number()? + 1;
        }
        if blocks > MAX_BLOCKS {
            return Some(false);
        }
    }
    Some(true)
}

/// Bits of a parameter set.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// Without the bytes that keep a start code from coming up by chance (7.3.1.1).
    fn new(set: &[u8]) -> Self {
        let set = &set[..set.len().min(MAX_SET_BYTES)];
        let mut bytes = Vec::with_capacity(set.len());
        let mut from = 0;
        for at in memchr::memmem::find_iter(set, &[0, 0, 3]) {
            bytes.extend_from_slice(&set[from..at + 2]);
            from = at + 3;
        }
        bytes.extend_from_slice(&set[from..]);
        Self { bytes, at: 0 }
    }

    fn bits(&mut self, count: u32) -> Option<u64> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// An Exp-Golomb code (9.2); of a signed one, its place in the order.
    fn number(&mut self) -> Option<u64> {
        let mut zeros = 0;
        while self.bits(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Writes bits, and codes of numbers.
    #[derive(Default)]
    struct Set(Vec<bool>);

    impl Set {
        fn bits(mut self, count: u32, value: u64) -> Self {
            self.0
                .extend((0..count).rev().map(|at| value >> at & 1 == 1));
            self
        }

        fn number(self, value: u64) -> Self {
            let digits = (value + 1).ilog2();
            self.bits(digits, 0).bits(digits + 1, value + 1)
        }

        fn read(self) -> Bits {
            let bytes = self.0.chunks(8).map(|bits| {
                let byte = bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
                byte << (8 - bits.len())
            });
            Bits {
                bytes: bytes.collect(),
                at: 0,
            }
        }
    }

    /// A picture parameter set as far as the number of its tiles.
    fn tiled(columns: u64, rows: u64) -> Set {
        let set = Set::default().number(0).number(0).bits(7, 0);
        let set = set.number(0).number(0).number(7).bits(2, 0);
        let set = set.bits(1, 1).number(2).number(1).number(1).bits(4, 0);
        set.bits(2, 0b10).number(columns).number(rows)
    }

    #[test]
    fn tiles_are_those_of_a_picture() {
        let fit = |set: Set| tiles_fit(&mut set.read());
        assert_eq!(fit(tiled(19, 21).bits(1, 1)), Some(true));
        assert_eq!(fit(tiled(64, 0).bits(1, 1)), Some(false));
        assert_eq!(fit(tiled(0, 64).bits(1, 1)), Some(false));
        let widths = |width| tiled(1, 1).bits(1, 0).number(width).number(3);
        assert_eq!(fit(widths(2_047)), Some(true));
        assert_eq!(fit(widths(2_048)), Some(false));
        assert_eq!(fit(tiled(1, 1).bits(1, 0).bits(8, 0)), None);
    }

    #[test]
    fn sides_stand_behind_the_profile_and_its_layers() {
        for layers in [0, 2] {
            for chroma in [1, 3] {
                let mut set = Set::default().bits(4, 0).bits(3, layers).bits(1, 1);
                set = set.bits(64, 0).bits(32, 0);
                if layers == 2 {
                    // The first has a profile and a level, the second a level.
                    set = set.bits(16, 0b1101 << 12).bits(64, 9).bits(40, 9);
                }
                set = set.number(0).number(chroma);
                if chroma == 3 {
                    set = set.bits(1, 0);
                }
                let set = set.number(1_080).number(720);
                assert_eq!(sides(&mut set.read()), Some((1_080, 720)));
            }
        }
    }

    #[test]
    fn every_set_of_a_file_is_checked() {
        let sample = include_bytes!("../../../../samples/photos/alpine-valley.heic");
        let check = |file: &[u8], max_pixels| {
            let limits = Limits {
                max_pixels,
                ..Limits::default()
            };
            check(file, Format::Heic, &limits, 16)
        };
        check(sample, 1_080 * 720).unwrap();
        let error = check(sample, 1_080 * 720 - 1).unwrap_err();
        assert_eq!(error.name(), "Image.TooManyMegapixels");

        // Two columns of tiles, the first of which is as wide as there are bits.
        let mut tiled = sample.to_vec();
        let head = [0, 7, 0x44, 0x01];
        let set = memchr::memmem::find(sample, &head).unwrap() + head.len();
        tiled[set..set + 5].copy_from_slice(&[0xC0, 0x71, 0x84, 0xA0, 0]);
        let error = check(&tiled, 1_080 * 720).unwrap_err();
        assert!(
            error.to_string().contains("the tiles are cut off"),
            "{error}"
        );
    }

    #[test]
    fn bytes_against_start_codes_are_left_out() {
        let read = Bits::new(&[0, 0, 3, 1, 0, 0, 0, 3, 0, 0, 3]);
        assert_eq!(read.bytes, [0, 0, 1, 0, 0, 0, 0, 0]);
    }
}
