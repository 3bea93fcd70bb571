//! TIFF: the first page, and the same page in fewer bytes.
#![no_main]

use safelight_fuzz_pixels::{LIMITS, decoded, ended, fuzz_target};
use safelight_pixels::{Format, MetadataPolicy, lossless};

fuzz_target!(|file: &[u8]| {
    decoded(Format::Tiff, file);
    ended(lossless::tiff(file, &LIMITS, MetadataPolicy::Strip));
});
