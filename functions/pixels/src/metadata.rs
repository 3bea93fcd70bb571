//! What travels beside the pixels.

use serde::{Deserialize, Serialize};

/// Metadata that an encoder writes into its output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// ICC profile of the pixels; absent means sRGB.
    pub icc: Option<Vec<u8>>,
    /// EXIF block (a TIFF structure, without the `Exif\0\0` of JPEG).
    pub exif: Option<Vec<u8>>,
    /// PNG's own colour chunks (`sRGB`, `gAMA`, `cHRM`, `cICP`), name and data. Only PNG can carry
    /// them; other outputs lose a bare `gAMA`, as most software does.
    pub png_colour: Vec<([u8; 4], Vec<u8>)>,
}

impl Metadata {
    /// The same without what does not change how pixels look.
    #[must_use]
    pub fn under(mut self, policy: MetadataPolicy) -> Self {
        match policy {
            MetadataPolicy::Strip => self.exif = None,
            MetadataPolicy::WithoutLocation => {
                self.exif = self
                    .exif
                    .as_deref()
                    .map(crate::exif::without_location)
                    .filter(|block| !block.is_empty());
            }
            MetadataPolicy::Keep => {}
        }
        self
    }
}

/// What happens to metadata that does not change how pixels look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataPolicy {
    /// EXIF, XMP, comments and thumbnails are dropped. Colour information always stays.
    #[default]
    Strip,
    /// EXIF stays, with its orientation reset where the pixels were turned.
    Keep,
    /// EXIF stays without the place where the picture was taken; texts, which may name it, go.
    WithoutLocation,
}
