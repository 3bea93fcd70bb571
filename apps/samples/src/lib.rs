//! Draws every file under `samples/`, so that none of them has an owner but this project.
//!
//! It never reads a picture, loads a font from the machine, or uses the network. What it draws is
//! made of integer hashes, polynomials and square roots.
//!
//! Invariants:
//! 1. A sample that is made here has the same bytes on every machine and in every run; a test compares
//!    them with the committed ones.
//! 2. A sample that needs a program of Debian's is left as it is where the program is missing.
//! 3. `docs/samples.md` lists every sample; a test compares it with the catalogue.
#![cfg_attr(test, allow(clippy::unwrap_used))]
#![expect(
    clippy::many_single_char_names,
    clippy::similar_names,
    reason = "x, y, z, u and v are what places and colours are called"
)]

mod canvas;
mod catalogue;
mod documents;
mod drawing;
mod encode;
mod external;
mod graphics;
mod noise;
mod page;
mod scenes;
mod terrain;

pub use catalogue::{Make, Outcome, SAMPLES, Sample};
pub use external::Encoder;
pub use page::page;
