//! What the parts of an HEVC picture may say (ITU-T H.265, 7.3): the decoder takes memory by its parameter sets without
//! a limit of its own, and starts a slice where it says.

use heic::heif::HevcDecoderConfig;

use crate::{Format, Limits, PixelError};

/// Types of NAL units (table 7-1); the pictures that one may begin with are the last slices.
const FIRST_RANDOM_ACCESS: u8 = 16;
const LAST_SLICE: u8 = 21;
const SEQUENCE_PARAMETERS: u8 = 33;
const PICTURE_PARAMETERS: u8 = 34;

/// Parameter sets are some tens of bytes long, and a slice says its address first; no more is looked at.
const MAX_BYTES: usize = 1 << 10;

/// Tiles side by side; the highest level allows 20 columns and 22 rows (annex A).
const MAX_TILES: u64 = 64;

/// Blocks in a row: the decoder takes 16,384 pixels, and the smallest block has 8.
const MAX_BLOCKS: u64 = 2_048;

/// NAL units of an item, which the decoder all keeps; the highest level allows 600 slices (annex A).
const MAX_UNITS: usize = 4_096;

/// Bytes that the decoder keeps for one of a slice that may say where tiles and rows begin: twice four for each bit.
const KEPT_OF_A_BYTE: u64 = 64;

/// What items are checked against.
pub(super) struct Check<'a> {
    pub(super) format: Format,
    pub(super) limits: &'a Limits,
    pub(super) bytes_per_pixel: u64,
}

impl Check<'_> {
    pub(super) fn broken(&self, cause: &str) -> PixelError {
        PixelError::decode(self.format, "parameter sets", cause)
    }

    /// Checks an item, and says how many pixels its slices pass over. The sizes of what is typed as HEVC have to be in
    /// its configuration (ISO/IEC 14496-15, 8.4.1): else the decoder looks for them behind start codes in the data.
    pub(super) fn item(
        &self,
        config: &HevcDecoderConfig,
        data: &[u8],
        is_hevc: bool,
    ) -> Result<u64, PixelError> {
        let configured = || config.nal_units.iter().filter_map(|unit| Unit::new(unit));
        if is_hevc && !configured().any(|unit| unit.kind == SEQUENCE_PARAMETERS) {
            return Err(self.broken("an HEVC item has none"));
        }
        let starts = memchr::memmem::find_iter(data, &[0, 0, 1]);
        if is_hevc && starts.take(MAX_UNITS + 1).count() > MAX_UNITS {
            return Err(self.too_many_units());
        }
        // The configuration may hold slices too.
        let length_bytes = usize::from(config.length_size_minus_one) + 1;
        self.units(configured().chain(units(data, length_bytes)))
    }

    fn too_many_units(&self) -> PixelError {
        let what = format!("an item of more than {MAX_UNITS} NAL units");
        PixelError::unsupported(self.format, what)
    }

    fn units<'u>(&self, units: impl Iterator<Item = Unit<'u>>) -> Result<u64, PixelError> {
        let units: Vec<Unit> = units.take(MAX_UNITS + 1).collect();
        if units.len() > MAX_UNITS {
            return Err(self.too_many_units());
        }
        let mut last = Sets::default();
        for unit in &units {
            self.set(unit, &mut last)?;
        }
        let (Some(sequence), Some(picture)) = (last.sequence, last.picture) else {
            return Ok(0);
        };
        let mut slices = 0;
        for slice in units.iter().filter(|unit| unit.is_slice()) {
            slices += 1;
            // What is cut off has no address, and the decoder says so.
            if address(slice, &sequence, &picture).is_some_and(|at| at >= sequence.blocks) {
                let cause = "it begins behind the picture";
                return Err(PixelError::decode(self.format, "slice", cause));
            }
            let kept = slice.payload.len() as u64 * KEPT_OF_A_BYTE;
            if picture.entry_points && kept > self.limits.max_bytes {
                let what = format!(
                    "a slice of more than {} MB in tiles or rows",
                    self.limits.max_bytes / KEPT_OF_A_BYTE / 1_000_000
                );
                return Err(PixelError::unsupported(self.format, what));
            }
        }
        Ok(sequence.width * sequence.height * slices.max(1))
    }

    fn set(&self, unit: &Unit, last: &mut Sets) -> Result<(), PixelError> {
        match unit.kind {
            SEQUENCE_PARAMETERS => {
                let set = sequence(&mut unit.bits()).ok_or_else(|| {
                    self.broken("they are cut off, or say no known format of colours")
                })?;
                let (width, height) = (set.width, set.height);
                self.limits
                    .check(self.format, width, height, self.bytes_per_pixel)?;
                last.sequence = Some(set);
            }
            PICTURE_PARAMETERS => {
                let set = picture(&mut unit.bits())
                    .ok_or_else(|| self.broken("the tiles are cut off"))?;
                if !set.tiles_fit {
                    return Err(self.broken("more tiles than a picture may have"));
                }
                last.picture = Some(set);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The sets that stand last: by them the decoder reads all slices of an item.
#[derive(Default)]
struct Sets {
    sequence: Option<Sequence>,
    picture: Option<Picture>,
}

/// What a sequence parameter set says.
#[derive(Debug, PartialEq)]
struct Sequence {
    /// In pixels.
    width: u64,
    height: u64,
    /// Coding tree blocks of a picture.
    blocks: u64,
}

/// What a picture parameter set says.
#[derive(Debug, PartialEq)]
struct Picture {
    id: u64,
    dependent_slices: bool,
    /// Slices may say where their tiles or rows begin.
    entry_points: bool,
    /// Its tiles could be those of a picture that is decoded.
    tiles_fit: bool,
}

/// A NAL unit that the decoder reads (7.3.1).
struct Unit<'a> {
    kind: u8,
    layer: u8,
    payload: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Nothing for a unit whose head the decoder passes over.
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let ([head, tail], payload) = bytes.split_first_chunk::<2>()?;
        (head >> 7 == 0 && tail & 7 != 0).then_some(Self {
            kind: head >> 1,
            layer: (head & 1) << 5 | tail >> 3,
            payload,
        })
    }

    fn bits(&self) -> Bits {
        Bits::new(self.payload)
    }

    /// Of the picture itself: further layers have sets of their own, and are not decoded.
    fn is_slice(&self) -> bool {
        let reserved = 10..FIRST_RANDOM_ACCESS;
        self.kind <= LAST_SLICE && !reserved.contains(&self.kind) && self.layer == 0
    }
}

/// The NAL units of an item, each of which stands after its length of so many bytes.
fn units(data: &[u8], length_bytes: usize) -> impl Iterator<Item = Unit<'_>> {
    let mut rest = data;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_at_checked(length_bytes)?;
        let length = length
            .iter()
            .fold(0usize, |length, byte| (length << 8) | usize::from(*byte));
        let (unit, after) = after.split_at_checked(length)?;
        rest = after;
        Some(unit)
    })
    .filter_map(Unit::new)
}

/// The block of the picture with which a slice begins (7.3.6.1).
fn address(slice: &Unit, sequence: &Sequence, picture: &Picture) -> Option<u64> {
    let mut head = slice.bits();
    if head.bits(1)? == 1 {
        return Some(0);
    }
    if slice.kind >= FIRST_RANDOM_ACCESS {
        head.bits(1)?;
    }
    // The decoder refuses slices of another set, and those that depend on another.
    let other = head.number()? & 0xFF != picture.id;
    if other || picture.dependent_slices && head.bits(1)? == 1 {
        return None;
    }
    head.bits(sequence.blocks.next_power_of_two().ilog2())
}

/// A sequence parameter set (7.3.2.2), as far as the size of its blocks.
fn sequence(set: &mut Bits) -> Option<Sequence> {
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
    let (width, height) = (set.number()?, set.number()?);
    // The part of the picture that is shown.
    if set.bits(1)? == 1 {
        set.numbers(4)?;
    }
    // Depths of the samples, and the digits of a picture's number.
    set.numbers(3)?;
    let layers = if set.bits(1)? == 1 { sub_layers } else { 0 };
    set.numbers(3 * (layers + 1))?;
    // The smallest block, and how often the largest is doubled from it: the decoder takes three at most of both.
    let (smallest, doubled) = (set.number()? & 0xFF, set.number()? & 0xFF);
    let side = 1 << (3 + smallest.min(3) + doubled.min(3));
    Some(Sequence {
        width,
        height,
        blocks: width.div_ceil(side).saturating_mul(height.div_ceil(side)),
    })
}

/// A picture parameter set (7.3.2.3), as far as its tiles.
fn picture(set: &mut Bits) -> Option<Picture> {
    let id = set.number()? & 0xFF;
    // The sequence parameter set's.
    set.number()?;
    let dependent_slices = set.bits(1)? == 1;
    set.bits(6)?;
    // Active references, and the first quantiser.
    set.numbers(3)?;
    set.bits(2)?;
    if set.bits(1)? == 1 {
        set.number()?;
    }
    // Offsets of the chroma quantisers.
    set.numbers(2)?;
    set.bits(4)?;
    let (tiles, rows) = (set.bits(1)? == 1, set.bits(1)? == 1);
    Some(Picture {
        id,
        dependent_slices,
        entry_points: tiles || rows,
        tiles_fit: !tiles || tiles_fit(set)?,
    })
}

/// Whether the tiles of a picture parameter set could be those of a picture that is decoded.
fn tiles_fit(set: &mut Bits) -> Option<bool> {
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

/// Bits of a NAL unit's payload.
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    /// Without the bytes that keep a start code from coming up by chance (7.3.1.1).
    fn new(payload: &[u8]) -> Self {
        let payload = &payload[..payload.len().min(MAX_BYTES)];
        let mut bytes = Vec::with_capacity(payload.len());
        let mut from = 0;
        for at in memchr::memmem::find_iter(payload, &[0, 0, 3]) {
            bytes.extend_from_slice(&payload[from..at + 2]);
            from = at + 3;
        }
        bytes.extend_from_slice(&payload[from..]);
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

    fn numbers(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.number()?;
        }
        Some(())
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
        let fit = |set: Set| picture(&mut set.read()).map(|picture| picture.tiles_fit);
        assert_eq!(fit(tiled(19, 21).bits(1, 1)), Some(true));
        assert_eq!(fit(tiled(64, 0).bits(1, 1)), Some(false));
        assert_eq!(fit(tiled(0, 64).bits(1, 1)), Some(false));
        let widths = |width| tiled(1, 1).bits(1, 0).number(width).number(3);
        assert_eq!(fit(widths(2_047)), Some(true));
        assert_eq!(fit(widths(2_048)), Some(false));
        assert_eq!(fit(tiled(1, 1).bits(1, 0).bits(8, 0)), None);
    }

    #[test]
    fn a_size_stands_behind_the_profile_and_its_layers() {
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
                set = set.number(1_080).number(720);
                // What is shown of it, two depths, the digits of a number, and three numbers of each layer.
                set = set.bits(1, 1).number(0).number(4).number(0).number(4);
                set = set.number(2).number(2).number(4).bits(1, 1);
                for _ in 0..=layers {
                    set = set.number(4).number(2).number(5);
                }
                // Blocks of 8, and of 64.
                let found = sequence(&mut set.number(0).number(3).read());
                let expected = Sequence {
                    width: 1_080,
                    height: 720,
                    blocks: 17 * 12,
                };
                assert_eq!(found, Some(expected));
            }
        }
    }

    #[test]
    fn a_slice_says_where_it_begins() {
        let sequence = Sequence {
            width: 1_080,
            height: 720,
            blocks: 17 * 12,
        };
        let of = |kind: u8, dependent_slices, head: Set| {
            let picture = Picture {
                id: 3,
                dependent_slices,
                entry_points: false,
                tiles_fit: true,
            };
            let bytes = [&[kind << 1, 1], &head.read().bytes[..]].concat();
            address(&Unit::new(&bytes).unwrap(), &sequence, &picture)
        };
        assert_eq!(of(1, false, Set::default().bits(1, 1)), Some(0));
        let later = Set::default().bits(1, 0).number(3).bits(8, 203);
        assert_eq!(of(1, false, later), Some(203));
        let may_depend = |depends| {
            Set::default()
                .bits(2, 0)
                .number(3)
                .bits(1, depends)
                .bits(8, 204)
        };
        assert_eq!(of(19, true, may_depend(0)), Some(204));
        assert_eq!(of(19, true, may_depend(1)), None);
        let of_another_set = Set::default().bits(1, 0).number(2).bits(8, 203);
        assert_eq!(of(1, false, of_another_set), None);
        assert_eq!(of(19, true, Set::default().bits(2, 0).bits(6, 0)), None);
    }

    #[test]
    fn an_item_has_as_many_units_as_a_picture_may_have() {
        let check = Check {
            format: Format::Heic,
            limits: &Limits::default(),
            bytes_per_pixel: 16,
        };
        let all = |count| check.units(units(&[2, 1 << 1, 1].repeat(count), 1));
        all(4_096).unwrap();
        assert_eq!(all(4_097).unwrap_err().name(), "Image.Unsupported");
    }

    #[test]
    fn slices_are_units_of_the_picture() {
        let is_slice = |head: [u8; 2]| Unit::new(&head).map(|unit| unit.is_slice());
        assert_eq!(is_slice([21 << 1, 1]), Some(true));
        assert_eq!(is_slice([12 << 1, 1]), Some(false));
        assert_eq!(is_slice([22 << 1, 1]), Some(false));
        assert_eq!(is_slice([1 << 1, 1 << 3 | 1]), Some(false));
        assert_eq!(is_slice([0x80, 1]), None);
        assert_eq!(is_slice([1 << 1, 0]), None);
    }

    #[test]
    fn a_slice_that_says_where_its_parts_begin_is_not_too_long() {
        let limits = Limits {
            max_bytes: 64_000,
            ..Limits::default()
        };
        let check = Check {
            format: Format::Heic,
            limits: &limits,
            bytes_per_pixel: 1,
        };
        let sequence = Set::default().bits(4, 0).bits(4, 1).bits(64, 0).bits(32, 0);
        let sequence = sequence
            .number(0)
            .number(0)
            .number(64)
            .number(64)
            .bits(1, 0);
        let sequence = sequence.number(0).number(0).number(0).bits(1, 0);
        let sequence = sequence.bits(3, 0b111).number(0).number(3).read().bytes;
        let sized = |rows, length| {
            let picture = Set::default().number(0).number(0).bits(7, 0);
            let picture = picture.number(0).number(0).number(0).bits(3, 0);
            let picture = picture.number(0).number(0).bits(5, 0).bits(1, rows);
            let picture = picture.read().bytes;
            let slice = vec![0x80; length];
            let units = [
                (SEQUENCE_PARAMETERS, &sequence),
                (PICTURE_PARAMETERS, &picture),
                (1, &slice),
            ];
            let units = units.map(|(kind, payload)| Unit {
                kind,
                layer: 0,
                payload,
            });
            check.units(units.into_iter())
        };
        assert_eq!(sized(1, 1_000).unwrap(), 64 * 64);
        assert_eq!(sized(0, 1_001).unwrap(), 64 * 64);
        assert_eq!(sized(1, 1_001).unwrap_err().name(), "Image.Unsupported");
    }

    #[test]
    fn bytes_against_start_codes_are_left_out() {
        let read = Bits::new(&[0, 0, 3, 1, 0, 0, 0, 3, 0, 0, 3]);
        assert_eq!(read.bytes, [0, 0, 1, 0, 0, 0, 0, 0]);
    }
}
