//! JPEG XL headers that no encoder would write, bit by bit (ISO/IEC 18181-1, annexes D and E).

#![allow(clippy::unwrap_used)]

mod support;

use safelight_pixels::{Format, Limits, PixelError, decode};
use support::packed;

/// Values of an enumeration: two bits choose 0, 1, 2 and on in four bits, or 18 and on in six.
fn enumerated(value: u32) -> (u32, u32) {
    match value {
        0 | 1 => (value, 2),
        2..18 => (2 | (value - 2) << 2, 6),
        _ => (3 | (value - 18) << 2, 8),
    }
}

/// Eight by eight pixels in these colours, with a frame whose only section is empty.
fn file(space: u32, transfer: (u32, u32)) -> Vec<u8> {
    const GREY: u32 = 1;
    const XYB: u32 = 2;
    let mut fields = vec![(1, 1), (0, 5), (1, 3)];
    // Metadata: no defaults, no more fields, 8-bit integers, 16-bit buffers, no more channels, no XYB.
    fields.extend([(0, 1), (0, 1), (0, 1), (0, 2), (1, 1), (0, 2), (0, 1)]);
    // Colours: no defaults, no profile.
    fields.extend([(0, 1), (0, 1), enumerated(space)]);
    if space != XYB {
        fields.push(enumerated(1));
        if space != GREY {
            fields.push(enumerated(1));
        }
        fields.push((0, 1));
        fields.push(transfer);
    }
    fields.push(enumerated(1));
    // No extensions, and the matrices of the standard.
    fields.extend([(0, 2), (1, 1)]);
    let mut file = b"\xff\x0a".to_vec();
    file.extend(packed(&fields));
    // A frame as by default, and its table of contents: not permuted; one section, of no bytes.
    file.extend(packed(&[(1, 1), (0, 1)]));
    file.extend(packed(&[(0, 12)]));
    file
}

fn error(space: u32, transfer: u32) -> PixelError {
    let file = file(space, enumerated(transfer));
    decode(&file, Format::Jxl, &Limits::default()).unwrap_err()
}

#[test]
fn colours_that_cannot_be_put_into_a_profile_are_refused() {
    // Found by fuzz/pixels/fuzz_targets/jxl.rs: the decoder panicked while it wrote the profile.
    const RGB: u32 = 0;
    const UNKNOWN_SPACE: u32 = 3;
    const LINEAR: u32 = 8;
    const UNKNOWN_TRANSFER: u32 = 2;
    for (space, transfer) in [(RGB, UNKNOWN_TRANSFER), (UNKNOWN_SPACE, LINEAR)] {
        let error = error(space, transfer);
        assert_eq!(error.name(), "Image.Unsupported", "{error}");
    }
    // The same file in colours that can be named is refused for its frame.
    let error = error(RGB, LINEAR);
    assert_ne!(error.name(), "Image.Unsupported", "{error}");
    assert!(!error.to_string().contains("panicked"), "{error}");
}

#[test]
fn a_palette_fits_into_the_memory_limit() {
    // 44 by 33 pixels; the decoder lists those that a palette says as a difference, in 16 bytes each. The list takes
    // memory for a power of two.
    const LIST: u64 = 2_048 * 16;
    let refused = |file: &[u8], max_bytes| {
        let limits = Limits {
            max_bytes,
            ..Limits::default()
        };
        let error = decode(file, Format::Jxl, &limits).err();
        error.is_some_and(|error| {
            error.name() == "Image.TooManyMegapixels"
                && error.to_string().contains("what a frame's palette changes")
        })
    };
    let palette = include_bytes!("fixtures/palette.jxl");
    assert!(refused(palette, LIST - 1));
    assert!(!refused(palette, LIST));
    let without = include_bytes!("fixtures/lossy.jxl");
    assert!(!refused(without, LIST - 1));
}

type Fields = Vec<(u32, u32)>;

/// A number in one of four ranges: two bits choose, and so many say how far it is above the first of the range.
fn ranged(value: u32, ranges: [(u32, u32); 4]) -> Fields {
    let within = |&(first, bits): &(u32, u32)| (first..first + (1 << bits)).contains(&value);
    let which = ranges.iter().position(within).unwrap();
    let (first, bits) = ranges[which];
    vec![(which as u32, 2), (value - first, bits)]
}

fn first_channel(number: u32) -> Fields {
    ranged(number, [(0, 3), (8, 6), (72, 10), (1_096, 13)])
}

/// Turns so many channels into half as wide or high ones, twice as many, again and again; and how many there are then.
fn squeezes(mut channels: u32, times: u32) -> (Vec<Fields>, u32) {
    let mut steps = Vec::new();
    for time in 0..times {
        let mut first = 0;
        while first < 2 * channels {
            let count = (channels - first / 2).min(19);
            let mut step = vec![(time % 2, 1), (1, 1)];
            step.extend(first_channel(first));
            step.extend(ranged(count, [(1, 0), (2, 0), (3, 0), (4, 4)]));
            steps.push(step);
            first += 2 * count;
        }
        channels *= 2;
    }
    let transforms = steps.chunks(296).map(|steps| {
        let mut squeeze = vec![(2, 2)];
        squeeze.extend(ranged(
            steps.len() as u32,
            [(0, 0), (1, 4), (9, 6), (41, 8)],
        ));
        squeeze.extend(steps.concat());
        squeeze
    });
    (transforms.collect(), channels)
}

fn palette(channels: u32, colours: u32, differences: u32) -> Fields {
    let mut fields = vec![(1, 2)];
    fields.extend(first_channel(0));
    fields.extend(ranged(channels, [(1, 0), (3, 0), (4, 0), (1, 13)]));
    fields.extend(ranged(
        colours,
        [(0, 8), (256, 10), (1_280, 12), (5_376, 16)],
    ));
    fields.extend(ranged(
        differences,
        [(0, 0), (1, 8), (257, 10), (1_281, 16)],
    ));
    fields.push((0, 4));
    fields
}

/// A header with the frame's codes and a palette of so many colours of thousands of channels, and one of that palette, which has no
/// colour: all of it is differences.
fn palettes(colours: u32) -> Fields {
    let (mut transforms, channels) = squeezes(3, 11);
    transforms.push(palette(channels, colours, 0));
    transforms.push(palette(1, 0, 1));
    let mut fields = vec![(1, 1), (1, 1)];
    fields.extend(ranged(
        transforms.len() as u32,
        [(0, 0), (1, 0), (2, 4), (18, 8)],
    ));
    fields.extend(transforms.concat());
    fields
}

/// A tree of one leaf, and codes of one symbol: a sample is nothing, and takes no bits.
fn codes() -> Fields {
    let code = [(1, 1), (15, 4), (0, 1)];
    let mut fields = vec![(1, 1), (0, 1), (1, 1), (0, 2)];
    fields.extend(code);
    fields.push((0, 1));
    fields.extend(code);
    fields
}

/// A picture of 1,024 by 1,024 pixels with this frame header, in these sections.
fn picture(header: &[(u32, u32)], sections: &[Fields]) -> Vec<u8> {
    let mut file = b"\xff\x0a".to_vec();
    // Sides, and everything else as by default.
    file.extend(packed(&[
        (0, 1),
        (1, 2),
        (1_023, 13),
        (1, 3),
        (1, 1),
        (1, 1),
    ]));
    // No permutation.
    file.extend(packed(&[header, &[(0, 1)]].concat()));
    let sections: Vec<Vec<u8>> = sections
        .iter()
        .map(|fields| packed(&[&fields[..], &[(0, 32); 4]].concat()))
        .collect();
    let sizes = sections.iter().flat_map(|section| {
        ranged(
            section.len() as u32,
            [(0, 10), (1_024, 14), (17_408, 22), (4_211_712, 30)],
        )
    });
    file.extend(packed(&sizes.collect::<Vec<_>>()));
    file.extend(sections.concat());
    file
}

/// The header of a frame without coefficients, in groups of 128 pixels, and twice that for each step.
fn plain_frame(group: u32) -> Fields {
    let mut fields = vec![(0, 1), (0, 2), (1, 1), (0, 2), (0, 2), (group, 2)];
    // One pass, not cropped, replaces what is below it, and is the last; no name, filters as by default.
    fields.extend([(0, 2), (0, 1), (0, 2), (1, 1), (0, 2), (1, 1), (0, 2)]);
    fields
}

/// Palettes of palettes where a frame may have them.
fn with_palettes(colours: u32) -> [(&'static str, Vec<u8>); 3] {
    let palettes = palettes(colours);
    let beside = |fields: &[(u32, u32)]| [&[(1, 1)][..], &codes(), fields].concat();
    let no_transform = [(1, 1), (1, 1), (0, 2)];
    // Of 128 pixels there are 64 groups, in one of low frequencies.
    let mut groups = vec![Vec::new(); 1 + 1 + 1 + 64];
    groups[0] = beside(&no_transform);
    groups[3].clone_from(&palettes);
    // A scale, the quantiser of low frequencies, contexts and correlations; then the same codes.
    let mut coefficients = vec![Vec::new(); 1 + 1 + 1 + 16];
    coefficients[0] = [
        &[(1, 1), (0, 2), (0, 11), (0, 2), (1, 1), (1, 1)][..],
        &codes(),
    ]
    .concat();
    coefficients[1] = [&[(0, 2)], &palettes[..]].concat();
    // The tables of quantisers by default, one preset, the order by default, and codes.
    coefficients[2] = vec![(1, 1), (0, 4), (2, 2), (0, 1), (1, 1), (0, 2)];
    coefficients[2].extend([(1, 1), (15, 4), (0, 1)]);
    [
        ("frame", picture(&plain_frame(3), &[beside(&palettes)])),
        ("group", picture(&plain_frame(0), &groups)),
        ("low frequencies", picture(&[(1, 1)], &coefficients)),
    ]
}

#[test]
fn palettes_of_palettes_take_no_memory_that_is_not_counted() {
    // Found by a review: 900 bytes took 2 GB.
    let memory = |file: &[u8]| {
        let error = decode(file, Format::Jxl, &Limits::default()).err();
        error.is_some_and(|error| error.name() == "Image.TooManyMegapixels")
    };
    for (place, file) in with_palettes(5_000) {
        assert!(memory(&file), "{place}");
    }
    // Few samples are none too many.
    for (place, file) in with_palettes(5) {
        assert!(!memory(&file), "{place}");
    }
}

#[test]
fn patches_are_counted_before_they_are_kept() {
    // Found by a review: the decoder's own sum of them wraps. Here there are 32,767 times 32,768 of one pixel.
    let mut patches = vec![(0, 1), (1, 1), (1, 2)];
    // How many and how often are 32,767, and all else is zero.
    patches.extend((0..10).map(|context| (u32::from([0, 7].contains(&context)), 1)));
    patches.extend([(1, 1), (15, 4), (15, 4)]);
    patches.extend([(0, 1), (1, 1), (14, 4), (16_383, 14)]);
    patches.extend([(1, 2), (0, 2), (32_767, 15)]);
    let mut header = plain_frame(3);
    // Flags: patches.
    header.splice(3..4, [(1, 2), (1, 4)]);
    let file = picture(&header, &[patches]);
    let error = decode(&file, Format::Jxl, &Limits::default()).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported", "{error}");
    assert!(error.to_string().contains("patches"), "{error}");
}
