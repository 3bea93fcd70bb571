//! TIFF: the first page; 1 to 32 bits, grey, RGB, palette, CMYK, planar or chunky.

use std::borrow::Cow;
use std::io::Cursor;

use tiff::decoder::{ChunkType, Decoder, DecodingResult};
use tiff::tags::{Tag, Type};
use tiff::{ColorType, TiffError, TiffFormatError};

use super::tiff_samples::{self, Raw};
use super::{Decoded, Source, assemble, tiff_chunks, tiff_directory};
use crate::colour::{self, Colour};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, exif,
};

pub(crate) const FORMAT: Format = Format::Tiff;
const PHOTOMETRIC: u16 = 262;
const PALETTE: u16 = 3;
const BLACK_IS_ZERO: u16 = 1;

pub(crate) type Reader<'a> = Decoder<Cursor<&'a [u8]>>;

pub(crate) fn fail(place: &'static str, error: TiffError) -> PixelError {
    match error {
        TiffError::IoError(error) => PixelError::io(FORMAT, place, &error),
        TiffError::UnsupportedError(error) => PixelError::unsupported(FORMAT, error.to_string()),
        TiffError::LimitsExceeded | TiffError::IntSizeError => PixelError::decode(
            FORMAT,
            place,
            "a strip, tile or tag is larger than the memory limit",
        ),
        TiffError::FormatError(TiffFormatError::TiffSignatureNotFound) => {
            PixelError::decode(FORMAT, "header", "no TIFF signature")
        }
        error => PixelError::decode(FORMAT, place, error),
    }
}

/// Opens the first page after its size was checked.
pub(crate) fn open<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Reader<'a>, PixelError> {
    tiff_directory::check(bytes)?;
    let mut own = tiff::decoder::Limits::default();
    own.decoding_buffer_size = limits.max_bytes_usize();
    own.intermediate_buffer_size = limits.max_bytes_usize();
    own.ifd_value_size = colour::MAX_ICC_BYTES;
    let mut reader = Decoder::new(Cursor::new(bytes))
        .map_err(|error| fail("header", error))?
        .with_limits(own);
    let (width, height) = reader.dimensions().map_err(|error| fail("header", error))?;
    limits.check(FORMAT, u64::from(width), u64::from(height), 1)?;
    tiff_chunks::check(&mut reader, bytes, limits)?;
    Ok(reader)
}

/// The profile and the colour model of the open page, and its raw samples, chunky.
pub(crate) struct Page {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) kind: ColorType,
    pub(crate) raw: Raw,
    pub(crate) icc: Option<Vec<u8>>,
    pub(crate) orientation: Orientation,
    /// Extra sample 1: colours are multiplied by alpha.
    pub(crate) premultiplied: bool,
    /// The colour table: all reds, all greens, all blues.
    pub(crate) palette: Option<Vec<u16>>,
}

/// Reads the first page.
pub(crate) fn read_page(bytes: &[u8], limits: &Limits) -> Result<Page, PixelError> {
    let readable = without_palette(bytes);
    let is_palette = matches!(readable, Cow::Owned(_));
    let mut reader = open(&readable, limits)?;
    let (width, height) = reader.dimensions().map_err(|error| fail("header", error))?;
    let kind = reader.colortype().map_err(|error| fail("header", error))?;
    padded_planes(&mut reader)?;
    let layout = reader
        .image_buffer_layout()
        .map_err(|error| fail("header", error))?;
    // The buffer, and the copy that turning it into pixels takes.
    let size = layout.complete_len as u64 * 2;
    limits.check(
        FORMAT,
        u64::from(width),
        u64::from(height),
        size.div_ceil(u64::from(width) * u64::from(height)),
    )?;
    let palette = if is_palette {
        Some(
            reader
                .find_tag_unsigned_vec::<u16>(Tag::ColorMap)
                .map_err(|error| fail("colour table", error))?
                .ok_or_else(|| PixelError::decode(FORMAT, "colour table", "there is none"))?,
        )
    } else {
        None
    };
    let icc = profile(&mut reader, bytes.len());
    let orientation = reader
        .find_tag_unsigned::<u16>(Tag::Orientation)
        .ok()
        .flatten()
        .map_or(Orientation::Normal, Orientation::from_exif);
    let premultiplied = reader
        .find_tag_unsigned_vec::<u16>(Tag::ExtraSamples)
        .ok()
        .flatten()
        .is_some_and(|extra| extra.first() == Some(&1));
    let mut result = DecodingResult::U8(Vec::new());
    reader
        .read_image_to_buffer(&mut result)
        .map_err(|error| fail("image data", error))?;
    let raw = tiff_samples::chunky(result, layout.planes)?;
    Ok(Page {
        width,
        height,
        kind,
        raw,
        icc,
        orientation,
        premultiplied,
        palette,
    })
}

/// The profile, read as bytes: as a list of values it would take 32 times as much.
fn profile(reader: &mut Reader<'_>, file: usize) -> Option<Vec<u8>> {
    let mut directory = reader.image_ifd();
    let entry = directory.find_entry(Tag::IccProfile)?;
    let size = usize::try_from(entry.count()).ok()?;
    let is_bytes = matches!(entry.field_type(), Type::BYTE | Type::UNDEFINED);
    if !is_bytes || size > colour::MAX_ICC_BYTES.min(file) {
        return None;
    }
    let mut profile = vec![0; size];
    let read = directory.find_tag_bytes(Tag::IccProfile, &mut profile, 0);
    (read.ok()?? == size).then_some(profile)
}

/// Refuses planes of tiles that hang over the edge: the decoder takes those of the second plane and on
/// for whole ones.
fn padded_planes(reader: &mut Reader<'_>) -> Result<(), PixelError> {
    let planar = reader
        .find_tag_unsigned::<u16>(Tag::PlanarConfiguration)
        .ok()
        .flatten()
        == Some(2);
    if !planar || reader.get_chunk_type() != ChunkType::Tile {
        return Ok(());
    }
    let (width, height) = reader.dimensions().map_err(|error| fail("header", error))?;
    let (across, down) = reader.chunk_dimensions();
    if width.is_multiple_of(across) && height.is_multiple_of(down) {
        return Ok(());
    }
    Err(PixelError::unsupported(
        FORMAT,
        "planes of tiles that hang over the edge",
    ))
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let page = read_page(bytes, limits)?;
    let (width, height, bit_depth) = (page.width, page.height, page.kind.bit_depth());
    let colour_model = match page.kind {
        _ if page.palette.is_some() => ColourModel::Palette,
        ColorType::Gray(_) | ColorType::GrayA(_) => ColourModel::Grey,
        ColorType::CMYK(_) | ColorType::CMYKA(_) => ColourModel::Cmyk,
        ColorType::YCbCr(_) => ColourModel::Ycbcr,
        ColorType::Lab(_) => ColourModel::Lab,
        _ => ColourModel::Rgb,
    };
    let (orientation, profile) = (page.orientation, page.icc.clone());
    let (channels, samples, converted) = tiff_samples::pixels(page)?;
    let (icc, colour) = match converted {
        Some(colour) => (None, colour),
        None => colour::keep(profile, channels),
    };
    let frames = tiff_directory::pages(bytes, limits.max_frames.max(2));
    Ok(Decoded {
        pixels: assemble(FORMAT, width, height, channels, samples)?,
        orientation,
        metadata: Metadata {
            icc,
            ..Metadata::default()
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model,
            bit_depth,
            frames,
            animated: false,
            lossy: false,
        },
    })
}

/// The file with its first page declared grey when it was declared as indexes into a colour table:
/// the decoder reads the indexes then, and the table is applied here.
fn without_palette(bytes: &[u8]) -> Cow<'_, [u8]> {
    let Some((endian, at)) = exif::short_at(bytes, PHOTOMETRIC) else {
        return Cow::Borrowed(bytes);
    };
    if endian.u16(bytes, at) != Some(PALETTE) {
        return Cow::Borrowed(bytes);
    }
    let mut patched = bytes.to_vec();
    let value = match endian {
        exif::Endian::Little => BLACK_IS_ZERO.to_le_bytes(),
        exif::Endian::Big => BLACK_IS_ZERO.to_be_bytes(),
    };
    match patched.get_mut(at..at + 2) {
        Some(place) => {
            place.copy_from_slice(&value);
            Cow::Owned(patched)
        }
        None => Cow::Borrowed(bytes),
    }
}

/// A conversion that replaced the profile.
pub(super) type Converted = Option<Colour>;
/// What decoded samples are.
pub(super) type Typed = (Channels, Samples, Converted);
