//! What the targets share: limits that a few bytes can reach, and what has to hold of every file.

use std::alloc::System;

use cap::Cap;
use safelight_pixels::{Decoded, Format, Limits, PixelError, decode, for_each_frame};

pub use libfuzzer_sys::fuzz_target;

/// Small, so that an execution is short; each limit is checked as the product's is.
pub const LIMITS: Limits = Limits {
    max_pixels: 300_000,
    max_bytes: 32 << 20,
    max_frames: 10,
};

/// What a target may hold on its heap: three times what the decoder is let have, since what it made,
/// what is made of that, and the file are there beside it.
const MEMORY: usize = 3 * (32 << 20);

/// An allocation beyond the limit fails, and ends the process.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, MEMORY);

/// Decodes a file. A panic, even one that is caught, ends the process: libFuzzer's hook sees to it.
pub fn decoded(format: Format, file: &[u8]) -> Option<Decoded> {
    let decoded = ended(decode(file, format, &LIMITS))?;
    let (width, height) = (decoded.pixels.width(), decoded.pixels.height());
    assert!(u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
    assert_eq!(decoded.source.format, format);
    Some(decoded)
}

/// Decodes every frame of a file.
pub fn each_frame(format: Format, file: &[u8]) {
    let mut frames = 0;
    let animation = ended(for_each_frame(file, format, &LIMITS, &mut |_, _| {
        frames += 1;
        Ok(())
    }));
    assert!(frames <= LIMITS.max_frames);
    if let Some(animation) = animation {
        assert_eq!(animation.source.frames, frames);
    }
}

/// What came of it, if anything; an error has one of the names that are documented.
pub fn ended<T>(result: Result<T, PixelError>) -> Option<T> {
    result
        .inspect_err(|error| assert!(error.name().starts_with("Image."), "{error}"))
        .ok()
}
