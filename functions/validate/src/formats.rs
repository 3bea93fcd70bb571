//! One file a format; what they have in common is [`Header`].

mod bmff;
mod bmp;
mod gif;
mod ico;
mod jp2;
mod jpeg;
mod jxl;
mod png;
mod svg;
mod tiff;
mod webp;

use safelight_schema::image::{ColourModel, Format, ImageFacts};

use crate::detect::Kind;
use crate::source::{Parsed, Source, Stop};

/// What a header says, in the terms of its format.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, as in ImageFacts"
)]
pub(crate) struct Header {
    pub(crate) format: Format,
    /// Width as stored (after cropping that the container demands), before orientation.
    pub(crate) width: u32,
    /// Height as stored, before orientation.
    pub(crate) height: u32,
    pub(crate) frames: u32,
    pub(crate) frames_exact: bool,
    pub(crate) animated: bool,
    pub(crate) bit_depth: u8,
    pub(crate) colour_model: ColourModel,
    pub(crate) alpha: bool,
    pub(crate) orientation: u8,
    pub(crate) icc: bool,
}

impl Header {
    /// A still of eight bits a sample, opaque and upright.
    pub(crate) const fn new(format: Format, width: u32, height: u32) -> Self {
        Self {
            format,
            width,
            height,
            frames: 1,
            frames_exact: true,
            animated: false,
            bit_depth: 8,
            colour_model: ColourModel::Rgb,
            alpha: false,
            orientation: 1,
            icc: false,
        }
    }

    pub(crate) fn into_facts(self, bytes: u64) -> ImageFacts {
        let (width, height) = if self.orientation >= 5 {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        };
        ImageFacts {
            format: self.format,
            bytes,
            width,
            height,
            megapixels: ImageFacts::megapixels_of(width, height),
            frames: self.frames,
            frames_exact: self.frames_exact,
            animated: self.animated,
            bit_depth: self.bit_depth,
            colour_model: self.colour_model,
            alpha: self.alpha,
            orientation: self.orientation,
            icc: self.icc,
        }
    }
}

/// A number of frames that was counted, up to a limit and one more.
#[derive(Debug, Clone, Copy)]
struct Count {
    frames: u32,
    limit: u32,
    exact: bool,
}

impl Count {
    const fn new(limit: u32) -> Self {
        Self {
            frames: 0,
            limit,
            exact: true,
        }
    }

    /// Counts one; false when the limit is passed and counting stops.
    const fn more(&mut self) -> bool {
        self.frames = self.frames.saturating_add(1);
        if self.frames > self.limit {
            self.exact = false;
        }
        self.exact
    }

    /// What a walk counted: when it could not go to the end, there are at least so many.
    fn walked(mut self, walk: impl FnOnce(&mut Self) -> Parsed<()>) -> Parsed<Self> {
        match walk(&mut self) {
            Ok(()) => {}
            Err(need @ Stop::Need { .. }) => return Err(need),
            Err(_) => self.exact = false,
        }
        Ok(self)
    }
}

/// Checks that neither side is zero; `offset` is where the sides are written.
fn sides(width: u32, height: u32, offset: u64) -> Parsed<(u32, u32)> {
    if width == 0 || height == 0 {
        return Err(Stop::invalid(
            offset,
            format!("the size is {width} × {height}"),
        ));
    }
    Ok((width, height))
}

/// Parses the header of a family.
pub(crate) fn parse(kind: Kind, source: &Source, max_frames: u32) -> Parsed<Header> {
    match kind {
        Kind::Jpeg => jpeg::parse(source),
        Kind::Png => png::parse(source, 0),
        Kind::Gif => gif::parse(source, max_frames),
        Kind::Webp => webp::parse(source, max_frames),
        Kind::Bmp => bmp::parse(source),
        Kind::Tiff => tiff::parse(source, max_frames),
        Kind::Ico => ico::parse(source),
        Kind::JxlCodestream => jxl::codestream(source),
        Kind::JxlContainer => jxl::container(source),
        Kind::Jp2Codestream => jp2::codestream(source, 0),
        Kind::Jp2Container => jp2::container(source),
        Kind::Svg => svg::parse(source),
        Kind::Bmff => bmff::parse(source, max_frames),
    }
}
