//! TIFF: deflate with the horizontal predictor.

use std::io::Cursor;

use tiff::TiffError;
use tiff::encoder::colortype::{
    CMYK8, CMYK16, ColorType, Gray8, Gray16, RGB8, RGB16, RGBA8, RGBA16,
};
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder, TiffValue};
use tiff::tags::Tag;

use crate::{Channels, Format, Metadata, PixelError, Pixels, Samples};

/// ExtraSamples: alpha that is not multiplied into the colours.
const UNASSOCIATED_ALPHA: u16 = 2;

fn fail(error: TiffError) -> PixelError {
    PixelError::encode(Format::Tiff, error)
}

fn write<C: ColorType>(
    width: u32,
    height: u32,
    samples: &[C::Inner],
    alpha: bool,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, PixelError>
where
    [C::Inner]: TiffValue,
{
    let mut out = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut out)
        .map_err(fail)?
        .with_compression(Compression::Deflate(DeflateLevel::Balanced))
        .with_predictor(Predictor::Horizontal);
    let mut image = encoder.new_image::<C>(width, height).map_err(fail)?;
    if alpha {
        image
            .encoder()
            .write_tag(Tag::ExtraSamples, UNASSOCIATED_ALPHA)
            .map_err(fail)?;
    }
    if let Some(icc) = icc {
        image
            .encoder()
            .write_tag(Tag::IccProfile, icc)
            .map_err(fail)?;
    }
    image.write_data(samples).map_err(fail)?;
    Ok(out.into_inner())
}

/// Writes a TIFF of one page, of the pixels' own depth. Grey with alpha becomes RGB with alpha.
pub fn tiff(pixels: &Pixels, metadata: &Metadata) -> Result<Vec<u8>, PixelError> {
    if pixels.channels() == Channels::GreyAlpha {
        return tiff(&pixels.clone().into_colour(), metadata);
    }
    let (w, h) = (pixels.width(), pixels.height());
    let icc = metadata.icc.as_deref();
    match (pixels.samples(), pixels.channels()) {
        (Samples::Eight(samples), Channels::Grey) => write::<Gray8>(w, h, samples, false, icc),
        (Samples::Eight(samples), Channels::Rgb) => write::<RGB8>(w, h, samples, false, icc),
        (Samples::Eight(samples), _) => write::<RGBA8>(w, h, samples, true, icc),
        (Samples::Sixteen(samples), Channels::Grey) => write::<Gray16>(w, h, samples, false, icc),
        (Samples::Sixteen(samples), Channels::Rgb) => write::<RGB16>(w, h, samples, false, icc),
        (Samples::Sixteen(samples), _) => write::<RGBA16>(w, h, samples, true, icc),
    }
}

/// Writes ink as it is, with its profile.
pub(crate) fn tiff_cmyk(
    width: u32,
    height: u32,
    ink: &Samples,
    icc: Option<&[u8]>,
) -> Result<Vec<u8>, PixelError> {
    match ink {
        Samples::Eight(ink) => write::<CMYK8>(width, height, ink, false, icc),
        Samples::Sixteen(ink) => write::<CMYK16>(width, height, ink, false, icc),
    }
}
