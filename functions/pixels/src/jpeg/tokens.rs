//! Planes to a baseline JPEG with optimal Huffman tables.

use super::COLUMNWISE;
use super::fdct::{self, Quantiser};
use super::wide::{Wide, wide};

/// A plane and its sampling factors.
pub(crate) struct Plane<'a> {
    pub(crate) samples: &'a [u8],
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) h: usize,
    pub(crate) v: usize,
}

/// A token of the scan: symbol (low 8 bits), extra bits (from bit 8), table (from bit 30).
type Token = u32;

pub(crate) struct Tokens {
    tokens: Vec<Token>,
    pub(crate) counts: [[u32; 256]; 4],
}

/// Reads the planes in units of blocks, and makes tokens of them.
pub(crate) fn tokens(planes: &[Plane<'_>], quantisers: &[&Quantiser]) -> Tokens {
    wide(Work { planes, quantisers })
}

struct Work<'a> {
    planes: &'a [Plane<'a>],
    quantisers: &'a [&'a Quantiser],
}

impl Wide for Work<'_> {
    type Output = Tokens;

    #[inline(always)]
    fn run(self) -> Tokens {
        tokens_in(self.planes, self.quantisers)
    }
}

#[inline(always)]
fn tokens_in(planes: &[Plane<'_>], quantisers: &[&Quantiser]) -> Tokens {
    let mut tokens = Tokens {
        tokens: Vec::with_capacity(planes[0].width * planes[0].height / 4 + 1024),
        counts: [[0; 256]; 4],
    };
    let single = planes.len() == 1;
    let units_wide = planes[0].width.div_ceil(8 * planes[0].h);
    let units_high = planes[0].height.div_ceil(8 * planes[0].v);
    let mut strips: Vec<(Vec<u8>, usize)> = planes
        .iter()
        .map(|plane| {
            let stride = units_wide * plane.h * 8;
            (vec![0; stride * plane.v * 8], stride)
        })
        .collect();
    let mut predicted = [0i16; 4];
    for row in 0..units_high {
        for (plane, (strip, stride)) in planes.iter().zip(&mut strips) {
            fill(plane, row * plane.v * 8, strip, *stride);
        }
        for unit in 0..units_wide {
            for (index, (plane, (strip, stride))) in planes.iter().zip(&strips).enumerate() {
                let table = if index == 0 || single { 0 } else { 2 };
                for y in 0..plane.v {
                    for x in 0..plane.h {
                        let at = y * 8 * stride + (unit * plane.h + x) * 8;
                        let block = fdct::block(&strip[at..], *stride, quantisers[index]);
                        tokens.block(&block, table, &mut predicted[index & 3]);
                    }
                }
            }
        }
    }
    tokens
}

/// Copies rows from `top` on, with the last column and row repeated into the padding.
#[inline(always)]
fn fill(plane: &Plane<'_>, top: usize, strip: &mut [u8], stride: usize) {
    for (y, line) in strip.chunks_exact_mut(stride).enumerate() {
        let row = (top + y).min(plane.height - 1);
        let source = &plane.samples[row * plane.width..][..plane.width];
        line[..plane.width].copy_from_slice(source);
        line[plane.width..].fill(source[plane.width - 1]);
    }
}

/// For each byte of a mask of columnwise places, which zigzag positions they are.
static ZIGZAG: [[u64; 256]; 8] = zigzag_masks();

const fn zigzag_masks() -> [[u64; 256]; 8] {
    let mut position = [0u32; 64];
    let mut at = 0;
    while at < 64 {
        position[COLUMNWISE[at] as usize] = at as u32;
        at += 1;
    }
    let mut table = [[0u64; 256]; 8];
    let mut byte = 0;
    while byte < 8 {
        let mut value = 0;
        while value < 256 {
            let mut bit = 0;
            while bit < 8 {
                if value >> bit & 1 == 1 {
                    table[byte][value] |= 1 << position[byte * 8 + bit];
                }
                bit += 1;
            }
            value += 1;
        }
        byte += 1;
    }
    table
}

/// Zigzag positions of what is not zero.
#[inline(always)]
fn mask(block: &[i16; 64]) -> u64 {
    let mut ones = [0u8; 64];
    for i in 0..64 {
        ones[i] = u8::from(block[i] != 0);
    }
    let mut mask = 0;
    for (byte, eight) in ones.as_chunks::<8>().0.iter().enumerate() {
        // Gathers the lowest bits of eight bytes.
        let bits = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        mask |= ZIGZAG[byte][bits as usize];
    }
    mask
}

impl Tokens {
    #[inline(always)]
    fn block(&mut self, block: &[i16; 64], table: u32, predicted: &mut i16) {
        let step = block[0].wrapping_sub(*predicted);
        *predicted = block[0];
        self.push(table, 0, step);
        let mut left = mask(block) & !1;
        let mut last = 0u32;
        while left != 0 {
            let position = left.trailing_zeros();
            left &= left - 1;
            let mut run = position - last - 1;
            last = position;
            while run > 15 {
                self.token(table + 1, 0xF0, 0);
                run -= 16;
            }
            let value = block[usize::from(COLUMNWISE[position as usize & 127]) & 63];
            self.push(table + 1, run, value);
        }
        if last < 63 {
            self.token(table + 1, 0, 0);
        }
    }

    #[inline(always)]
    fn push(&mut self, table: u32, run: u32, value: i16) {
        let value = i32::from(value);
        let size = 32 - value.unsigned_abs().leading_zeros();
        // Negative values are written as one less, in their lowest bits.
        let extra = (value + (value >> 31)) as u32 & ((1 << size) - 1);
        self.token(table, run << 4 | size, extra);
    }

    #[inline(always)]
    fn token(&mut self, table: u32, symbol: u32, extra: u32) {
        self.counts[(table & 3) as usize][(symbol & 255) as usize] += 1;
        self.tokens.push(table << 30 | extra << 8 | symbol);
    }

    /// The scan's data. `codes`: for each table, code and length of each symbol.
    #[inline(always)]
    pub(crate) fn write(&self, codes: &[[(u32, u32); 256]; 4], out: &mut Vec<u8>) {
        let (mut buffer, mut held) = (0u64, 0u32);
        for &token in &self.tokens {
            let symbol = token & 255;
            let (code, length) = codes[(token >> 30) as usize][symbol as usize];
            let size = symbol & 15;
            let extra = token << 2 >> 10;
            buffer = buffer << (length + size) | u64::from(code << size | extra);
            held += length + size;
            if held >= 32 {
                held -= 32;
                let word = (buffer >> held) as u32;
                // Whether one of the four bytes is all ones.
                if word & 0x8080_8080 & !(word.wrapping_add(0x0101_0101)) == 0 {
                    out.extend_from_slice(&word.to_be_bytes());
                } else {
                    stuffed(&word.to_be_bytes(), out);
                }
            }
        }
        // Filled up with ones.
        let missing = (8 - held % 8) % 8;
        let rest = buffer << missing | ((1 << missing) - 1);
        let bytes = ((held + missing) / 8) as usize;
        stuffed(&rest.to_be_bytes()[8 - bytes..], out);
    }
}

#[cold]
#[inline(never)]
fn stuffed(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        out.push(byte);
        if byte == 0xFF {
            out.push(0);
        }
    }
}
