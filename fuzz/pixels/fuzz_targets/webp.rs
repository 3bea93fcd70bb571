//! WebP: the picture and its frames.
#![no_main]

use safelight_fuzz_pixels::{decoded, each_frame, fuzz_target};
use safelight_pixels::Format;

fuzz_target!(|file: &[u8]| {
    decoded(Format::Webp, file);
    each_frame(Format::Webp, file);
});
