//! PNG: the picture, its frames, and the same picture in fewer bytes.
#![no_main]

use safelight_fuzz_pixels::{LIMITS, decoded, each_frame, ended, fuzz_target};
use safelight_pixels::{Format, MetadataPolicy, lossless};

fuzz_target!(|file: &[u8]| {
    decoded(Format::Png, file);
    each_frame(Format::Png, file);
    ended(lossless::png(
        file,
        &LIMITS,
        MetadataPolicy::WithoutLocation,
    ));
});
