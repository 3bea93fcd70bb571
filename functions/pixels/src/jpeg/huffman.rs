//! Huffman tables for reading, and the bits that they read.

use super::{Give, Refused};

/// Codes up to this length are looked up at once.
pub(crate) const FAST: u32 = 10;
/// Set in an entry whose code and extra bits both fit the look-up: it holds the value.
pub(crate) const WHOLE: u32 = 1 << 6;
/// Bits of [`Skips`].
const SKIP: u32 = 13;

/// A table for reading. An entry of `fast`: bits to take (6 bits), [`WHOLE`], the symbol (from
/// bit 8), the value (from bit 16); 0 where the code is longer.
pub(crate) struct Table {
    pub(crate) fast: Vec<u32>,
    /// For each length: first code, number of codes, position of the first symbol.
    lengths: [(u32, u32, usize); 16],
    symbols: Vec<u8>,
}

impl Table {
    pub(crate) fn new(counts: &[u8; 16], symbols: &[u8]) -> Give<Self> {
        let mut table = Self {
            fast: vec![0; 1 << FAST],
            lengths: [(0, 0, 0); 16],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut at) = (0u32, 0usize);
        for (index, &count) in counts.iter().enumerate() {
            let length = index as u32 + 1;
            if code + u32::from(count) > 1 << length {
                return Err(Refused("too many codes of a length"));
            }
            table.lengths[index] = (code, u32::from(count), at);
            for &symbol in &symbols[at..at + usize::from(count)] {
                if length <= FAST {
                    table.fill(code, length, symbol);
                }
                code += 1;
            }
            at += usize::from(count);
            code <<= 1;
        }
        Ok(table)
    }

    /// The largest symbol.
    #[cfg(feature = "turbo")]
    pub(crate) fn most(&self) -> u8 {
        self.symbols.iter().copied().max().unwrap_or_default()
    }

    fn fill(&mut self, code: u32, length: u32, symbol: u8) {
        let free = FAST - length;
        let size = u32::from(symbol & 15);
        for rest in 0..1u32 << free {
            let whole = size > 0 && size <= free;
            let entry = if whole {
                let extra = rest >> (free - size);
                u32::from(extend(extra, size) as u16) << 16 | WHOLE | (length + size)
            } else {
                length
            };
            self.fast[(code << free | rest) as usize] = entry | u32::from(symbol) << 8;
        }
    }
}

/// The value of `size` extra bits (ITU-T T.81, F.2.2.1).
#[inline(always)]
pub(crate) fn extend(extra: u32, size: u32) -> i32 {
    if size == 0 {
        return 0;
    }
    let half = 1i32 << (size - 1);
    let extra = extra as i32;
    if extra < half {
        extra - 2 * half + 1
    } else {
        extra
    }
}

/// For skipping: how many bits and coefficients as many whole symbols take as fit a look-up.
/// An entry: bits (low 5), coefficients (next 7), whether the block ends (bit 15); 0 where not even
/// one symbol fits.
pub(crate) struct Skips {
    entries: Vec<u16>,
}

const ENDS: u16 = 1 << 15;

impl Skips {
    pub(crate) fn new(table: &Table) -> Self {
        let one = |window: u32, left: u32| -> Option<(u32, u32, bool)> {
            // `window` is left-aligned in SKIP bits, `left` of them are real.
            let (length, symbol) = table.look_up(u64::from(window) << (64 - SKIP))?;
            let total = length + u32::from(symbol & 15);
            if total > left {
                return None;
            }
            Some(match symbol {
                0x00 => (total, 0, true),
                _ => (
                    total,
                    u32::from(symbol >> 4) + 1,
                    symbol.trailing_zeros() >= 4 && symbol != 0xF0,
                ),
            })
        };
        let entries = (0..1u32 << SKIP)
            .map(|window| {
                let (mut bits, mut coefficients, mut ends) = (0, 0, false);
                while !ends && coefficients < 48 {
                    let rest = (window << bits) & ((1 << SKIP) - 1);
                    let Some((taken, passed, end)) = one(rest, SKIP - bits) else {
                        break;
                    };
                    (bits, coefficients, ends) = (bits + taken, coefficients + passed, end);
                }
                bits as u16 | (coefficients as u16) << 5 | if ends { ENDS } else { 0 }
            })
            .collect();
        Self { entries }
    }
}

impl Table {
    /// Length and symbol of the code at the top of `buffer`.
    #[inline]
    fn look_up(&self, buffer: u64) -> Option<(u32, u8)> {
        let entry = self.fast[(buffer >> (64 - FAST)) as usize];
        if entry != 0 {
            let symbol = entry >> 8 & 0xFF;
            let extra = if entry & WHOLE != 0 { symbol & 15 } else { 0 };
            return Some(((entry & 63) - extra, symbol as u8));
        }
        for (index, &(first, count, position)) in self.lengths.iter().enumerate() {
            let length = index as u32 + 1;
            let code = (buffer >> (64 - length)) as u32;
            if code >= first && code - first < count {
                let symbol = *self.symbols.get(position + (code - first) as usize)?;
                return Some((length, symbol));
            }
        }
        None
    }
}

/// Zeros behind each piece of scan data, so that reading needs no end.
const PADDING: usize = 16;

/// A scan's data without stuffed zeros, in pieces between restart markers.
pub(crate) struct Pieces {
    clean: Vec<u8>,
    /// Start and end of each, without padding.
    bounds: Vec<(usize, usize)>,
    /// Where the file goes on.
    pub(crate) end: usize,
}

impl Pieces {
    pub(crate) fn of(bytes: &[u8], start: usize) -> Self {
        let mut clean = Vec::new();
        let mut bounds = Vec::new();
        let (mut at, mut begun) = (start, 0);
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let marker = memchr::memchr(0xFF, rest);
            let plain = marker.unwrap_or(rest.len());
            clean.extend_from_slice(&rest[..plain]);
            at += plain;
            match bytes.get(at + 1) {
                Some(0) => {
                    clean.push(0xFF);
                    at += 2;
                }
                Some(0xFF) => at += 1,
                next => {
                    bounds.push((begun, clean.len()));
                    clean.resize(clean.len() + PADDING, 0);
                    begun = clean.len();
                    if !matches!(next, Some(0xD0..=0xD7)) {
                        break;
                    }
                    at += 2;
                }
            }
        }
        Self {
            clean,
            bounds,
            end: at,
        }
    }

    pub(crate) fn piece(&self, index: usize) -> Give<Bits<'_>> {
        let &(start, end) = self
            .bounds
            .get(index)
            .ok_or(Refused("a restart marker is missing"))?;
        Ok(Bits {
            data: &self.clean[start..end + PADDING],
            at: 0,
            buffer: 0,
            held: 0,
        })
    }
}

/// Bits of a piece. Past its end they are zeros, which [`Bits::overrun`] tells.
pub(crate) struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    held: u32,
}

impl Bits<'_> {
    /// Makes at least 56 bits available.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        if let Some(&eight) = self.data.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            self.buffer |= u64::from_be_bytes(eight) >> self.held;
            self.at += ((63 - self.held) >> 3) as usize;
        } else {
            self.at = self.data.len() - 7;
        }
        self.held |= 0x38;
    }

    #[inline(always)]
    fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    #[inline(always)]
    pub(crate) fn consume(&mut self, count: u32) {
        self.buffer <<= count;
        self.held -= count;
    }

    /// At most 16 bits.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u32) -> u32 {
        // In two steps, since shifting by 64 is none.
        let value = (self.buffer >> 1 >> (63 - count)) as u32;
        self.consume(count);
        value
    }

    /// The entry of the next code: see [`Table`].
    #[inline(always)]
    pub(crate) fn entry(&self, table: &Table) -> u32 {
        table
            .fast
            .get(self.peek(FAST) as usize)
            .copied()
            .unwrap_or(0)
    }

    #[inline(always)]
    pub(crate) fn symbol(&mut self, table: &Table) -> Give<u32> {
        let entry = self.entry(table);
        let symbol = entry >> 8 & 0xFF;
        let mut length = entry & 63;
        if entry & WHOLE != 0 {
            length -= symbol & 15;
        }
        if length == 0 {
            return self.long_symbol(table);
        }
        self.consume(length);
        Ok(symbol)
    }

    #[cold]
    #[inline(never)]
    fn long_symbol(&mut self, table: &Table) -> Give<u32> {
        let (length, symbol) = table
            .look_up(self.buffer)
            .ok_or(Refused("a code that is none"))?;
        self.consume(length);
        Ok(u32::from(symbol))
    }

    /// Skips the AC coefficients of a block from a zigzag position on.
    #[inline(always)]
    pub(crate) fn skip_block(
        &mut self,
        table: &Table,
        skips: &Skips,
        mut position: u32,
    ) -> Give<()> {
        while position < 64 {
            self.refill();
            let entry = skips
                .entries
                .get(self.peek(SKIP) as usize)
                .copied()
                .unwrap_or(0);
            let passed = u32::from(entry >> 5 & 127);
            if entry != 0 && position + passed < 64 {
                self.consume(u32::from(entry & 31));
                position += passed;
                if entry & ENDS != 0 {
                    return Ok(());
                }
                continue;
            }
            let symbol = self.symbol(table)?;
            self.consume(symbol & 15);
            match symbol {
                0xF0 => position += 16,
                _ if symbol.trailing_zeros() >= 4 => return Ok(()),
                _ => position += (symbol >> 4) + 1,
            }
        }
        Ok(())
    }

    /// Whether bits past the end were taken.
    pub(crate) fn overrun(&self) -> bool {
        self.at * 8 > (self.data.len() - PADDING) * 8 + self.held as usize
    }
}
