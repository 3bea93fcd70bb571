//! WebP bitstreams that no encoder would write, bit by bit (RFC 9649, sections 4 to 6).

#![allow(clippy::unwrap_used)]

mod support;

use safelight_pixels::{Format, Limits, PixelError, decode};
use support::packed;

const SIDE: u32 = 4;
/// A code of one symbol: zero.
const ZERO: [(u32, u32); 4] = [(1, 1), (0, 1), (0, 1), (0, 1)];

/// A code of one symbol, stored in eight bits.
fn one(symbol: u32) -> [(u32, u32); 4] {
    [(1, 1), (0, 1), (1, 1), (symbol, 8)]
}

/// A code of 2,048 symbols of eleven bits each: their length is the only one there is, which takes no bits.
fn wide() -> Vec<(u32, u32)> {
    let mut fields = vec![(0, 1), (11, 4)];
    fields.extend([(0, 3); 14]);
    fields.extend([(1, 3), (1, 1), (5, 3), (2_046, 12)]);
    fields
}

/// Four by four pixels, each greener by ten, behind so many groups of codes. No header.
fn bitstream(groups: u32) -> Vec<(u32, u32)> {
    // No transform; a cache of 2,048 colours; an entropy image for blocks of four by four.
    let mut fields = vec![(0, 1), (1, 1), (11, 4), (1, 1), (0, 3)];
    // It has no cache, and its only pixel is the last group's number: green and red.
    fields.push((0, 1));
    fields.extend(one((groups - 1) & 0xFF));
    fields.extend(one((groups - 1) >> 8));
    fields.extend([ZERO; 3].concat());
    for _ in 0..groups {
        fields.extend(wide());
        fields.extend([ZERO; 4].concat());
    }
    // Codes of one length are in the symbols' order, the highest bit first.
    let pixel = |number: u32| ((number * 10).reverse_bits() >> 21, 11);
    fields.extend((0..SIDE * SIDE).map(pixel));
    fields
}

fn lossless(groups: u32) -> Vec<u8> {
    let header = [(0x2F, 8), (SIDE - 1, 14), (SIDE - 1, 14), (0, 4)];
    packed(&[&header[..], &bitstream(groups)].concat())
}

/// Alpha of a lossy picture: a byte says that it is a lossless bitstream.
fn alpha(groups: u32) -> Vec<u8> {
    packed(&[&[(1, 8)][..], &bitstream(groups)].concat())
}

fn chunk(name: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut chunk = [&name[..], &(data.len() as u32).to_le_bytes(), data].concat();
    chunk.resize(chunk.len().next_multiple_of(2), 0);
    chunk
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [&b"WEBP"[..], &chunks.concat()].concat();
    chunk(*b"RIFF", &body)
}

/// The header of a file in the extended format.
fn extended(flags: u8) -> Vec<u8> {
    let side = SIDE as u8 - 1;
    chunk(*b"VP8X", &[flags, 0, 0, 0, side, 0, 0, side, 0, 0])
}

/// A lossy key frame of a square, of whose coefficients nothing is there.
fn key_frame(side: u32) -> Vec<u8> {
    let [low, high, ..] = side.to_le_bytes();
    let head = [0x10, 0, 0, 0x9D, 0x01, 0x2A, low, high, low, high];
    chunk(*b"VP8 ", &[&head[..], &[0; 64]].concat())
}

/// A frame that replaces what is below it.
fn frame(chunks: &[Vec<u8>]) -> Vec<u8> {
    let side = SIDE as u8 - 1;
    let head = [0, 0, 0, 0, 0, 0, side, 0, 0, side, 0, 0, 100, 0, 0, 2];
    chunk(*b"ANMF", &[&head[..], &chunks.concat()].concat())
}

fn animation(chunks: &[Vec<u8>]) -> Vec<u8> {
    file(&[extended(0x02), chunk(*b"ANIM", &[0; 6]), frame(chunks)])
}

fn error(file: &[u8]) -> PixelError {
    decode(file, Format::Webp, &Limits::default()).unwrap_err()
}

#[test]
fn long_codes_are_read_as_the_decoder_reads_them() {
    for groups in [1, 2, 300] {
        let still = file(&[chunk(*b"VP8L", &lossless(groups))]);
        let moving = animation(&[chunk(*b"VP8L", &lossless(groups))]);
        for file in [still, moving] {
            let decoded = decode(&file, Format::Webp, &Limits::default()).unwrap();
            let samples = decoded.pixels.eight().unwrap();
            let count = decoded.pixels.channels().count();
            let greens: Vec<u8> = samples.chunks(count).map(|pixel| pixel[1]).collect();
            assert_eq!(
                greens,
                (0..16).map(|number| number * 10).collect::<Vec<u8>>()
            );
        }
    }
}

#[test]
fn codes_that_would_fill_the_memory_are_refused() {
    // Found by a review: 4 GB for a picture of 16 pixels, in a file of 1 MB.
    const MOST: u32 = 1 << 16;
    for file in [
        file(&[chunk(*b"VP8L", &lossless(MOST))]),
        file(&[
            extended(0x10),
            chunk(*b"ALPH", &alpha(MOST)),
            key_frame(SIDE),
        ]),
        animation(&[chunk(*b"VP8L", &lossless(MOST))]),
        animation(&[chunk(*b"ALPH", &alpha(MOST)), key_frame(SIDE)]),
    ] {
        let error = error(&file);
        assert_eq!(error.name(), "Image.TooManyMegapixels", "{error}");
    }
}

#[test]
fn codes_that_are_not_whole_are_refused_and_so_is_a_chunk_that_is_not() {
    let whole = lossless(2);
    let cut = file(&[chunk(*b"VP8L", &whole[..whole.len() / 2])]);
    assert_eq!(error(&cut).name(), "Image.DecodeFailed");
    // The chunk says that it is longer than the file, which says that it is whole.
    let mut longer = file(&[chunk(*b"VP8L", &whole)]);
    longer[18] = 1;
    assert_eq!(error(&longer).name(), "Image.Truncated");
}

#[test]
fn a_bitstream_larger_than_its_canvas_takes_no_memory() {
    // Found by fuzz/pixels/fuzz_targets/webp.rs: 400 MB for a canvas of 30 by 30.
    let text = |side| error(&file(&[extended(0), key_frame(side)])).to_string();
    assert!(text(16_383).contains("another size than the canvas"));
    assert!(
        !text(SIDE).contains("another size"),
        "it gets as far as its coefficients"
    );
}
