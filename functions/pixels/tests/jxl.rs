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
                && error
                    .to_string()
                    .contains("the palette of a frame of 44 × 33")
        })
    };
    let palette = include_bytes!("fixtures/palette.jxl");
    assert!(refused(palette, LIST - 1));
    assert!(!refused(palette, LIST));
    let without = include_bytes!("fixtures/lossy.jxl");
    assert!(!refused(without, LIST - 1));
}
