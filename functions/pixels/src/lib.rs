//! Pixels: untrusted bytes in, pixels out; pixels in, image files out.
//!
//! What it does: decodes JPEG, PNG, GIF, WebP, BMP, TIFF, ICO, JPEG XL, JPEG 2000 and SVG with
//! memory-safe decoders (AVIF and HEIC with a feature), turns the picture upright, keeps or converts
//! its colours, resizes, and encodes.
//! What it never does: read a file or a socket, decide by file extension, run a C decoder on foreign
//! bytes (but see invariant 5), or change a picture without saying so in what it returns.
//!
//! Invariants:
//! 1. Width × height is read from the header and checked against [`Limits`] before memory for
//!    pixels is taken.
//! 2. Any bytes at all end in pixels or in a [`PixelError`] with a stable name; a panic inside a
//!    decoder becomes `Image.DecodeFailed`.
//! 3. [`Pixels`] always holds exactly width × height × channels samples.
//! 4. Colours survive: an ICC profile that fits the pixels travels with them; CMYK becomes sRGB,
//!    through its profile when it has one, else by the formula of [`colour`].
//! 5. Decoders that are not Rust (libwebp, libdeflate) are never called; their encoders see only
//!    pixels that this crate decoded. The one exception is off by default: with the feature `turbo`,
//!    libjpeg-turbo reads baseline JPEGs, once the limits and our own reading of every segment let it.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod colour;
pub mod encode;
pub mod jpeg;
pub mod light;
pub mod lossless;

mod animation;
mod canvas;
mod decode;
mod error;
mod exif;
mod limits;
mod metadata;
mod orientation;
mod output;
mod pixels;
mod resize;
mod riff;

pub use animation::{Animation, Frame, for_each_frame};
pub use canvas::{Ground, on_ground};
pub use decode::{Decoded, Source, decode, decode_stored};
pub use error::PixelError;
pub use limits::Limits;
pub use metadata::{Metadata, MetadataPolicy};
pub use orientation::Orientation;
pub use output::Output;
pub use pixels::{Channels, Pixels, Samples};
pub use resize::{Area, Filter, half, resize, resize_area};
pub use safelight_schema::{ColourModel, Format};

/// The features of this build that add a decoder, as the manifests' `formats_with_feature` name them.
pub const FEATURES: &[&str] = &[
    #[cfg(feature = "avif")]
    "avif",
    #[cfg(feature = "heic")]
    "heic",
];
