//! Decoding, every format: the first byte chooses it, the others are the file. No panic, not even one
//! that is caught, and no more memory than the limits allow, whatever the bytes.
#![no_main]

use std::alloc::System;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use safelight_pixels::lossless;
use safelight_pixels::{Format, Limits, MetadataPolicy, decode, for_each_frame};

/// What a decode, and everything else in the process, may hold.
const MEMORY: usize = 512 << 20;

/// An allocation beyond the limit fails, and ends the process.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, file)) = bytes.split_first() else {
        return;
    };
    let format = Format::ALL[usize::from(choice) % Format::ALL.len()];
    let limits = Limits {
        max_pixels: 1_000_000,
        max_bytes: 64 << 20,
        max_frames: 50,
    };
    match decode(file, format, &limits) {
        Ok(decoded) => {
            let pixels = u64::from(decoded.pixels.width()) * u64::from(decoded.pixels.height());
            assert!(pixels <= limits.max_pixels);
            if decoded.source.animated {
                let _ = for_each_frame(file, format, &limits, &mut |_, _| Ok(()));
            }
        }
        Err(error) => assert!(error.name().starts_with("Image."), "{error}"),
    }
    let _ = match format {
        Format::Png => lossless::png(file, &limits, MetadataPolicy::Keep).map(drop),
        Format::Gif => lossless::gif(file, &limits, MetadataPolicy::Strip).map(drop),
        Format::Tiff => lossless::tiff(file, &limits, MetadataPolicy::Strip).map(drop),
        _ => Ok(()),
    };
});
