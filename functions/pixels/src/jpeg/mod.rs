//! JPEG without detours.
//!
//! What it does: decodes the JPEGs that cameras and software write (baseline and progressive, 8 bits,
//! grey or YCbCr) plane by plane, at the resolution each is stored in, a strip at a time; resizes the
//! planes as they come; and writes planes as JPEG. So brightness and colour are never converted to
//! red, green and blue and back, colour that is stored at a quarter is never blown up, and the
//! whole picture is never in memory where a smaller one is wanted.
//!
//! What it never does: judge a file. Whatever is unusual or broken is left to the general decoder
//! ([`crate::decode`]), whose verdict counts: [`Jpeg::pictures`] gives `None`.
//!
//! Invariants:
//! 1. Width × height is checked against the limits before memory is taken; a strip, the tables and,
//!    in a progressive file, the coefficients are all that decoding needs. (The feature `turbo` takes whole
//!    planes, which the limits count.)
//! 2. The same file gives the same bytes on every processor. (Builds with the feature `turbo` give others,
//!    at most a step of 256 away.)

#![expect(
    clippy::inline_always,
    reason = "inner loops are compiled for wider registers only where they are inlined: see `wide`"
)]

mod bands;
mod codes;
mod decode;
mod fdct;
mod header;
mod huffman;
mod idct;
mod picture;
mod planes;
mod progressive;
mod resample;
mod tokens;
#[cfg(feature = "turbo")]
mod turbo;
mod wide;
mod write;

#[cfg(test)]
mod tests;

pub use picture::{Jpeg, Wanted};
pub use planes::Planes;
#[cfg(feature = "avif-output")]
pub(crate) use planes::ycbcr;
pub use resample::Kernel;

/// Why this code leaves a file to the general decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refused(&'static str);

type Give<T> = Result<T, Refused>;

/// Position of each coefficient of the zigzag order in a block that is stored by columns
/// (horizontal frequency × 8 + vertical frequency). Behind the 64th all are the last one.
const COLUMNWISE: [u8; 128] = columnwise();

const fn columnwise() -> [u8; 128] {
    let mut table = [63u8; 128];
    let (mut x, mut y) = (0i32, 0i32);
    let mut up = true;
    let mut at = 0;
    while at < 64 {
        table[at] = (x * 8 + y) as u8;
        at += 1;
        if up {
            if x == 7 {
                y += 1;
                up = false;
            } else if y == 0 {
                x += 1;
                up = false;
            } else {
                x += 1;
                y -= 1;
            }
        } else if y == 7 {
            x += 1;
            up = true;
        } else if x == 0 {
            y += 1;
            up = true;
        } else {
            x -= 1;
            y += 1;
        }
    }
    table
}

/// Factors of the scaled transforms (Arai, Agui and Nakajima): 1, then √2 × cos(k π / 16).
const SCALES: [f64; 8] = [
    1.0,
    1.387_039_845,
    1.306_562_965,
    1.175_875_602,
    1.0,
    0.785_694_958,
    0.541_196_100,
    0.275_899_379,
];
