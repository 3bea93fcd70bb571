//! EXIF blocks: the location is taken out in place, and all of it at once.
#![no_main]

use safelight_fuzz_pixels::fuzz_target;
use safelight_pixels::{Metadata, MetadataPolicy};

fuzz_target!(|block: &[u8]| {
    let metadata = Metadata {
        exif: Some(block.to_vec()),
        ..Metadata::default()
    };
    assert_eq!(metadata.clone().under(MetadataPolicy::Strip).exif, None);
    assert_eq!(
        metadata.clone().under(MetadataPolicy::Keep).exif.as_deref(),
        Some(block)
    );
    let without = metadata.under(MetadataPolicy::WithoutLocation);
    let again = without.clone().under(MetadataPolicy::WithoutLocation);
    assert_eq!(without, again, "a second time finds nothing more");
    if let Some(left) = &without.exif {
        let prefix = if block.starts_with(b"Exif\0\0") { 6 } else { 0 };
        assert_eq!(left.len(), block.len() - prefix);
    }
});
