//! BMP.
#![no_main]

use safelight_fuzz_pixels::{decoded, fuzz_target};
use safelight_pixels::Format;

fuzz_target!(|file: &[u8]| {
    decoded(Format::Bmp, file);
});
