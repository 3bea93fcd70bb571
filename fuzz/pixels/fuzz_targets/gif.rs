//! GIF: the picture, its frames, and the same frames in fewer bytes.
#![no_main]

use safelight_fuzz_pixels::{LIMITS, decoded, each_frame, ended, fuzz_target};
use safelight_pixels::{Format, MetadataPolicy, lossless};

fuzz_target!(|file: &[u8]| {
    decoded(Format::Gif, file);
    each_frame(Format::Gif, file);
    ended(lossless::gif(file, &LIMITS, MetadataPolicy::Strip));
});
