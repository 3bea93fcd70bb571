//! What the prefix codes of a lossless WebP bitstream take in memory, read before the decoder builds them: it
//! keeps a table for each code of each group, and ten bytes of a file can ask for 70 KB (RFC 9649, sections 4 to 6).
//!
//! The entropy image says how many groups there are: one more than its largest number. That is the number of a
//! literal pixel, since copies and the colour cache only repeat what was there. So bits are read here as a decoder
//! reads them, and no pixel is kept.

use std::mem::replace;

/// Symbols of the five codes of a group: green with lengths (the colour cache comes on top), red, blue, alpha,
/// distances.
const ALPHABETS: [u32; 5] = [LITERALS + 24, LITERALS, LITERALS, LITERALS, 40];
/// Symbols of green that are a pixel's; lengths of copies follow, and then the colour cache.
const LITERALS: u32 = 256;
/// In which order the lengths of the code for lengths are stored.
const LENGTHS_ORDER: [usize; 19] = [
    17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
];
/// The longest code, in bits.
const LONGEST: usize = 15;

/// Bits that the decoder looks up in one table; longer codes go on in a tree.
const TABLE_BITS: usize = 10;
/// Bytes of an entry of the table, and of the tree for each symbol in it.
const AN_ENTRY: u64 = 4;
const A_LONG_CODE: u64 = 32;
/// Bytes of a code without its table, in a list that grows by doubling.
const A_CODE: u64 = 200;

/// Bytes that the decoder takes for the codes of one bitstream, or nothing where they are not sound: cut off, or
/// codes that are not complete. `size` is that of the picture, where the bitstream has no header of its own. Beyond
/// `most` bytes they are not counted further.
pub(super) fn of(bitstream: &[u8], size: Option<(u32, u32)>, most: u64) -> Option<u64> {
    let mut bits = Bits {
        bytes: bitstream,
        at: 0,
    };
    let size = match size {
        Some(size) => size,
        None => header(&mut bits)?,
    };
    codes(&mut bits, size, most)
}

/// Width and height, behind the signature; before whether alpha is used, and the version.
fn header(bits: &mut Bits<'_>) -> Option<(u32, u32)> {
    bits.take(8)?;
    let size = (bits.take(14)? + 1, bits.take(14)? + 1);
    bits.take(4)?;
    Some(size)
}

fn codes(bits: &mut Bits<'_>, (width, height): (u32, u32), most: u64) -> Option<u64> {
    let mut size = (width, height);
    let mut seen = [false; 4];
    while bits.flag()? {
        let transform = bits.take(2)?;
        if replace(&mut seen[transform as usize], true) {
            return None;
        }
        match transform {
            // Prediction and colour, each stored for blocks.
            0 | 1 => {
                let blocks = blocks(bits, size)?;
                largest_number(bits, blocks)?;
            }
            // Green is subtracted: nothing more is stored.
            2 => {}
            // A palette. Few colours are several to a pixel.
            _ => {
                let colours = bits.take(8)? + 1;
                largest_number(bits, (colours, 1))?;
                size.0 = size.0.div_ceil(match colours {
                    0..=2 => 8,
                    3..=4 => 4,
                    5..=16 => 2,
                    _ => 1,
                });
            }
        }
    }
    let cached = cached(bits)?;
    let mut groups = 1;
    if bits.flag()? {
        let blocks = blocks(bits, size)?;
        groups += largest_number(bits, blocks)?;
    }
    let mut taken = 0;
    for _ in 0..groups {
        for alphabet in alphabets(cached) {
            taken += Code::read(bits, alphabet)?.taken();
        }
        if taken > most {
            break;
        }
    }
    Some(taken)
}

/// How many blocks there are for a picture of a size, from the size of one.
fn blocks(bits: &mut Bits<'_>, (width, height): (u32, u32)) -> Option<(u32, u32)> {
    let block = 4 << bits.take(3)?;
    Some((width.div_ceil(block), height.div_ceil(block)))
}

/// Colours in the cache.
fn cached(bits: &mut Bits<'_>) -> Option<u32> {
    if !bits.flag()? {
        return Some(0);
    }
    let width = bits.take(4)?;
    (1..=11).contains(&width).then(|| 1 << width)
}

fn alphabets(cached: u32) -> [u32; 5] {
    let mut alphabets = ALPHABETS;
    alphabets[0] += cached;
    alphabets
}

/// Reads one of the small pictures that the bitstream holds beside its own: the largest number that red and green
/// are together.
fn largest_number(bits: &mut Bits<'_>, (width, height): (u32, u32)) -> Option<u32> {
    let [of_green, of_red, of_blue, of_alpha, of_distance] = alphabets(cached(bits)?);
    let green = Code::read(bits, of_green)?;
    let red = Code::read(bits, of_red)?;
    let blue = Code::read(bits, of_blue)?;
    let alpha = Code::read(bits, of_alpha)?;
    let distance = Code::read(bits, of_distance)?;
    let colours_are_one = [&red, &blue, &alpha].into_iter().all(Code::is_one_symbol);
    let mut left = u64::from(width) * u64::from(height);
    let mut largest = 0;
    while left > 0 {
        let symbol = green.symbol(bits)?;
        if symbol < LITERALS {
            largest = largest.max(red.symbol(bits)? << 8 | symbol);
            blue.symbol(bits)?;
            alpha.symbol(bits)?;
        }
        let is_copy = (LITERALS..ALPHABETS[0]).contains(&symbol);
        let count = if is_copy {
            let length = value(bits, symbol - LITERALS)?;
            let prefix = distance.symbol(bits)?;
            value(bits, prefix)?;
            length
        } else if green.is_one_symbol() && (symbol >= LITERALS || colours_are_one) {
            // No bits: all pixels are like this one.
            left
        } else {
            1
        };
        left = left.checked_sub(count)?;
    }
    Some(largest)
}

/// A length or a distance, from the symbol that says how many of its bits follow.
fn value(bits: &mut Bits<'_>, prefix: u32) -> Option<u64> {
    if prefix < 4 {
        return Some(u64::from(prefix) + 1);
    }
    let more = (prefix - 2) >> 1;
    let first = u64::from(2 + (prefix & 1)) << more;
    Some(first + u64::from(bits.take(more)?) + 1)
}

/// Bits of the bitstream, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
}

impl Bits<'_> {
    /// A number of at most 24 bits.
    fn take(&mut self, count: u32) -> Option<u32> {
        let end = self.at.checked_add(count as usize)?;
        if end > self.bytes.len().checked_mul(8)? {
            return None;
        }
        let ahead = self.bytes[self.at / 8..].iter().take(4);
        let number = ahead
            .rev()
            .fold(0u32, |all, &byte| all << 8 | u32::from(byte));
        let number = number >> (self.at % 8) & ((1 << count) - 1);
        self.at = end;
        Some(number)
    }

    fn flag(&mut self) -> Option<bool> {
        Some(self.take(1)? == 1)
    }
}

/// A canonical prefix code.
struct Code {
    /// How many symbols have a code of so many bits.
    counts: [u32; LONGEST + 1],
    /// The symbols, by the length of their codes and by number.
    symbols: Vec<u32>,
}

impl Code {
    fn read(bits: &mut Bits<'_>, alphabet: u32) -> Option<Self> {
        if bits.flag()? {
            return Self::simple(bits, alphabet);
        }
        let stored = 4 + bits.take(4)? as usize;
        let mut of_lengths = [0; LENGTHS_ORDER.len()];
        for &place in &LENGTHS_ORDER[..stored] {
            of_lengths[place] = bits.take(3)? as usize;
        }
        let lengths = lengths(bits, &Self::of(&of_lengths)?, alphabet)?;
        Self::of(&lengths)
    }

    /// One symbol, or two of a bit each in the order they are stored in.
    fn simple(bits: &mut Bits<'_>, alphabet: u32) -> Option<Self> {
        let has_two = bits.flag()?;
        let width = if bits.flag()? { 8 } else { 1 };
        let mut symbols = vec![bits.take(width)?];
        if has_two {
            symbols.push(bits.take(8)?);
        }
        let mut counts = [0; LONGEST + 1];
        counts[1] = symbols.len() as u32;
        let known = symbols.iter().all(|&symbol| symbol < alphabet);
        known.then_some(Self { counts, symbols })
    }

    /// The code whose symbols have these lengths, if it is complete. One symbol alone takes no bits.
    fn of(lengths: &[usize]) -> Option<Self> {
        let mut counts = [0; LONGEST + 1];
        let mut symbols: Vec<u32> = Vec::new();
        for (symbol, &length) in lengths
            .iter()
            .enumerate()
            .filter(|&(_, &length)| length > 0)
        {
            counts[length] += 1;
            symbols.push(symbol as u32);
        }
        symbols.sort_by_key(|&symbol| lengths[symbol as usize]);
        let code = Self { counts, symbols };
        (code.is_one_symbol() || code.is_complete()).then_some(code)
    }

    fn is_one_symbol(&self) -> bool {
        self.symbols.len() == 1
    }

    /// Whether every sequence of bits begins with one code of it (Kraft's equality).
    fn is_complete(&self) -> bool {
        let room = |(length, &count): (usize, &u32)| u64::from(count) << (LONGEST - length);
        self.counts.iter().enumerate().map(room).sum::<u64>() == 1 << LONGEST
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u32> {
        if self.is_one_symbol() {
            return self.symbols.first().copied();
        }
        let (mut code, mut first, mut before) = (0, 0, 0);
        for count in &self.counts[1..] {
            code = code << 1 | bits.take(1)?;
            first <<= 1;
            if code < first + count {
                return self.symbols.get((before + code - first) as usize).copied();
            }
            first += count;
            before += count;
        }
        None
    }

    /// Bytes that the decoder keeps for it.
    fn taken(&self) -> u64 {
        if self.is_one_symbol() {
            return A_CODE;
        }
        let longest = self.counts.iter().rposition(|&count| count > 0);
        let table = AN_ENTRY << longest.unwrap_or_default().min(TABLE_BITS);
        let long: u32 = self.counts[TABLE_BITS + 1..].iter().sum();
        A_CODE + table + A_LONG_CODE * u64::from(long)
    }
}

/// The lengths of a code's symbols.
fn lengths(bits: &mut Bits<'_>, code: &Code, alphabet: u32) -> Option<Vec<usize>> {
    let stored = if bits.flag()? {
        let width = 2 + 2 * bits.take(3)?;
        2 + bits.take(width)?
    } else {
        alphabet
    };
    if stored > alphabet {
        return None;
    }
    let alphabet = alphabet as usize;
    let mut lengths = Vec::with_capacity(alphabet);
    let mut last = 8;
    for _ in 0..stored {
        if lengths.len() == alphabet {
            break;
        }
        let (length, count) = match code.symbol(bits)? as usize {
            16 => (last, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        if length > 0 {
            last = length;
        }
        let end = lengths.len() + count as usize;
        if end > alphabet {
            return None;
        }
        lengths.resize(end, length);
    }
    Some(lengths)
}
