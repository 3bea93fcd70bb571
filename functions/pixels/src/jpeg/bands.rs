//! What the scans of a progressive file say of a block (ITU-T T.81, annex G).

use std::ops::Range;

use super::decode::QUADRANTS;
use super::header::Scan;
use super::huffman::{Bits, Pieces, Table, extend};
use super::{COLUMNWISE, Give, Refused};

/// Coefficients of a block, by their positions in the zigzag order.
pub(super) trait Block {
    /// Puts one that is not zero where there was none.
    fn set(&mut self, position: usize, value: i16);

    /// Takes the next bit, worth `one`, of each in `band` that is not zero, up to the zero that so
    /// many zeros lie before, or to the band's end; gives where that is.
    fn refine(
        &mut self,
        bits: &mut Bits<'_>,
        band: Range<usize>,
        zeros: Option<u32>,
        one: i16,
    ) -> usize;
}

/// All of them, by columns.
impl Block for [i16; 64] {
    #[inline(always)]
    fn set(&mut self, position: usize, value: i16) {
        self[usize::from(COLUMNWISE[position & 127]) & 63] = value;
    }

    #[inline(always)]
    fn refine(
        &mut self,
        bits: &mut Bits<'_>,
        band: Range<usize>,
        zeros: Option<u32>,
        one: i16,
    ) -> usize {
        let (mut zeros, end) = (zeros.unwrap_or(64), band.end);
        for position in band {
            let place = &mut self[usize::from(COLUMNWISE[position & 127]) & 63];
            if *place != 0 {
                refine(bits, place, one);
            } else if zeros == 0 {
                return position;
            } else {
                zeros -= 1;
            }
        }
        end
    }
}

/// A block of which only the first few are wanted. How many bits a later scan has for it depends on
/// which of the others are not zero, and on no more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outline {
    pub(super) first: [i16; QUADRANTS],
    /// A bit for each that is not zero, the mean apart.
    filled: u64,
}

impl Outline {
    /// As [`super::idct`] takes it.
    #[inline(always)]
    pub(super) fn columnwise(&self) -> [i16; 64] {
        let mut block = [0; 64];
        for (&value, place) in self.first.iter().zip(COLUMNWISE) {
            block[usize::from(place) & 63] = value;
        }
        block
    }
}

impl Block for Outline {
    #[inline(always)]
    fn set(&mut self, position: usize, value: i16) {
        self.filled |= 1 << position.min(63);
        if let Some(place) = self.first.get_mut(position) {
            *place = value;
        }
    }

    #[inline(always)]
    fn refine(
        &mut self,
        bits: &mut Bits<'_>,
        band: Range<usize>,
        zeros: Option<u32>,
        one: i16,
    ) -> usize {
        let end = zeros.map_or(band.end, |zeros| {
            let mut free = !self.filled & below(band.end) & !below(band.start);
            for _ in 0..zeros {
                free &= free.wrapping_sub(1);
            }
            band.end.min(free.trailing_zeros() as usize)
        });
        let mut filled = self.filled & below(end) & !below(band.start);
        if band.start < QUADRANTS {
            for (position, place) in self.first.iter_mut().enumerate() {
                if filled >> position & 1 == 1 {
                    refine(bits, place, one);
                }
            }
            filled &= !below(QUADRANTS);
        }
        let mut others = filled.count_ones();
        while others > 0 {
            let some = others.min(32);
            bits.refill();
            bits.consume(some);
            others -= some;
        }
        end
    }
}

/// The bits of the positions before this one.
#[inline(always)]
fn below(position: usize) -> u64 {
    match 1u64.checked_shl(position as u32) {
        Some(bit) => bit - 1,
        None => u64::MAX,
    }
}

#[inline(always)]
fn refine(bits: &mut Bits<'_>, place: &mut i16, one: i16) {
    bits.refill();
    if bits.take(1) == 1 && *place & one == 0 {
        *place = place.wrapping_add(if *place >= 0 { one } else { -one });
    }
}

/// A scan that is being read.
pub(super) struct Run<'a> {
    scan: &'a Scan,
    pieces: &'a Pieces,
    piece: usize,
    bits: Bits<'a>,
    restart: usize,
    left: usize,
    predicted: [i32; 4],
    /// Blocks that have nothing more, this one included.
    blocks_to_end: u32,
}

impl<'a> Run<'a> {
    pub(super) fn new(scan: &'a Scan, pieces: &'a Pieces, restart: usize) -> Give<Self> {
        Ok(Self {
            scan,
            pieces,
            piece: 0,
            bits: pieces.piece(0)?,
            restart,
            left: restart,
            predicted: [0; 4],
            blocks_to_end: 0,
        })
    }

    pub(super) fn check(&self) -> Give<()> {
        if self.bits.overrun() {
            return Err(Refused("the scan ends too early"));
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn next_unit(&mut self) -> Give<()> {
        if self.restart > 0 {
            if self.left == 0 {
                self.check()?;
                self.piece += 1;
                self.bits = self.pieces.piece(self.piece)?;
                self.left = self.restart;
                self.predicted = [0; 4];
                self.blocks_to_end = 0;
            }
            self.left -= 1;
        }
        Ok(())
    }

    #[inline(always)]
    pub(super) fn dc(
        &mut self,
        place: &mut i16,
        component: usize,
        table: Option<&Table>,
    ) -> Give<()> {
        self.bits.refill();
        let Some(table) = table else {
            *place |= (self.bits.take(1) as i16) << self.scan.low;
            return Ok(());
        };
        let size = self.bits.symbol(table)?;
        if size > 11 {
            return Err(Refused("a step that is too large"));
        }
        let predicted = &mut self.predicted[component & 3];
        *predicted += extend(self.bits.take(size), size);
        *place = (*predicted << self.scan.low) as i16;
        Ok(())
    }

    /// A band of a block.
    #[inline(always)]
    pub(super) fn ac(&mut self, block: &mut impl Block, table: &Table) -> Give<()> {
        if self.scan.high == 0 {
            self.ac_first(block, table)
        } else {
            self.ac_refine(block, table)
        }
    }

    /// The first bits of a band (G.1.2.2).
    #[inline(always)]
    fn ac_first(&mut self, block: &mut impl Block, table: &Table) -> Give<()> {
        if self.blocks_to_end > 0 {
            self.blocks_to_end -= 1;
            return Ok(());
        }
        let mut position = self.scan.spectral_start;
        while position <= self.scan.spectral_end {
            self.bits.refill();
            let symbol = self.bits.symbol(table)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size == 0 {
                if run < 15 {
                    self.blocks_to_end = (1 << run) - 1 + self.bits.take(run);
                    break;
                }
                position += 16;
                continue;
            }
            position += run as usize;
            let value = extend(self.bits.take(size), size);
            block.set(position, (value << self.scan.low) as i16);
            position += 1;
        }
        Ok(())
    }

    /// One more bit of a band (G.1.2.3).
    #[inline(always)]
    fn ac_refine(&mut self, block: &mut impl Block, table: &Table) -> Give<()> {
        let one = 1i16 << self.scan.low;
        let (mut position, end) = (self.scan.spectral_start, self.scan.spectral_end + 1);
        while self.blocks_to_end == 0 && position < end {
            self.bits.refill();
            let symbol = self.bits.symbol(table)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            let mut fresh = 0;
            if size == 0 {
                if run < 15 {
                    self.blocks_to_end = (1 << run) + self.bits.take(run);
                    break;
                }
            } else if size == 1 {
                fresh = if self.bits.take(1) == 1 { one } else { -one };
            } else {
                return Err(Refused("a refinement of more than one bit"));
            }
            position = block.refine(&mut self.bits, position..end, Some(run), one);
            if fresh != 0 && position < end {
                block.set(position, fresh);
            }
            position += 1;
        }
        if self.blocks_to_end > 0 {
            block.refine(&mut self.bits, position..end, None, one);
            self.blocks_to_end -= 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_outline_takes_the_bits_that_the_whole_block_takes(
            values in prop::collection::vec(-3i16..=3, 64),
            data in prop::collection::vec(any::<u8>(), 24),
            start in 1usize..64,
            length in 0usize..64,
            zeros in prop::option::of(0u32..16),
        ) {
            let pieces = Pieces::of(&data, 0);
            let band = start..(start + length).min(64);
            let refined = |block: &mut dyn Block| {
                for (position, &value) in values.iter().enumerate().skip(1) {
                    if value != 0 {
                        block.set(position, value * 2);
                    }
                }
                let mut bits = pieces.piece(0).unwrap();
                let end = block.refine(&mut bits, band.clone(), zeros, 1);
                bits.refill();
                (end, bits.take(16))
            };
            let (mut whole, mut outline) = ([0i16; 64], Outline::default());
            prop_assert_eq!(refined(&mut whole), refined(&mut outline));
            for place in COLUMNWISE.iter().take(QUADRANTS).map(|&place| usize::from(place)) {
                prop_assert_eq!(whole[place], outline.columnwise()[place]);
            }
        }
    }
}
