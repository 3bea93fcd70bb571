//! JPEG plane by plane: what it makes of a file is as large as what the general decoder makes of it, and
//! can be written.
#![no_main]

use safelight_fuzz_pixels::{LIMITS, decoded, fuzz_target};
use safelight_pixels::encode::Chroma;
use safelight_pixels::jpeg::{Jpeg, Kernel, Wanted};
use safelight_pixels::{Format, Metadata};

fuzz_target!(|file: &[u8]| {
    let Some(jpeg) = Jpeg::open(file, &LIMITS) else {
        return;
    };
    let wanted = [1, 2, 5, 30].map(|part| Wanted {
        area: jpeg.whole(),
        width: jpeg.width().div_ceil(part),
        height: jpeg.height().div_ceil(part),
        chroma: if part == 5 {
            Chroma::Full
        } else {
            Chroma::Quarter
        },
        kernel: if part == 30 {
            Kernel::Box
        } else {
            Kernel::Lanczos3
        },
    });
    let Some(pictures) = jpeg.pictures(&wanted) else {
        return;
    };
    for planes in &pictures {
        planes
            .jpeg(&Metadata::default(), 80)
            .expect("planes within the limits can be written");
    }
    if let Some(decoded) = decoded(Format::Jpeg, file) {
        assert_eq!(decoded.pixels.width(), pictures[0].width());
        assert_eq!(decoded.pixels.height(), pictures[0].height());
    }
});
