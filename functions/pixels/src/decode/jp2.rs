//! JPEG 2000: a JP2 file or a bare codestream, in 8 or 16 bits a sample.

use hayro_jpeg2000::{
    ColorSpace, DecodeError, DecodeSettings, DecoderContext, DecodingError, Image,
};

use super::{Decoded, Source, assemble, isobmff, jp2_cost};
use crate::colour::{self, Colour};
use crate::{Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples};

pub(super) const FORMAT: Format = Format::Jp2;

fn fail(place: &'static str, error: DecodeError) -> PixelError {
    match error {
        DecodeError::Decoding(DecodingError::UnexpectedEof) => {
            PixelError::truncated(FORMAT, place, error)
        }
        DecodeError::Format(hayro_jpeg2000::FormatError::Unsupported)
        | DecodeError::Marker(hayro_jpeg2000::MarkerError::Unsupported) => {
            PixelError::unsupported(FORMAT, error.to_string())
        }
        error => PixelError::decode(FORMAT, place, error),
    }
}

/// The codestream of the file, and whether it is all there as far as its box says.
fn codestream(bytes: &[u8]) -> Result<&[u8], PixelError> {
    if bytes.starts_with(&[0xFF, 0x4F]) {
        return Ok(bytes);
    }
    let mut parts = isobmff::boxes(bytes).filter(|part| &part.name == b"jp2c");
    let part = parts.next();
    // The decoder would take another one than is checked.
    if parts.next().is_some() {
        return Err(PixelError::unsupported(FORMAT, "several codestreams"));
    }
    match part {
        Some(part) if part.cut => Err(PixelError::truncated(
            FORMAT,
            "container",
            "the codestream is not whole",
        )),
        Some(part) => Ok(part.data),
        None => Err(PixelError::truncated(
            FORMAT,
            "container",
            "there is no codestream",
        )),
    }
}

/// How the components are to be read.
struct Meaning {
    channels: Channels,
    model: ColourModel,
    ink: bool,
    icc: Option<Vec<u8>>,
}

fn meaning(space: &ColorSpace, has_alpha: bool) -> Result<Meaning, PixelError> {
    let (colours, icc) = match space {
        ColorSpace::Gray => (1, None),
        ColorSpace::RGB => (3, None),
        ColorSpace::CMYK => (4, None),
        ColorSpace::Icc {
            profile,
            num_channels,
        } => (*num_channels, Some(profile.clone())),
        ColorSpace::Unknown { num_channels } => (*num_channels, None),
    };
    // Its samples would need a conversion that is not there.
    if icc.as_deref().and_then(|icc| icc.get(16..20)) == Some(b"Lab ") {
        return Err(PixelError::unsupported(FORMAT, "CIE Lab"));
    }
    let (channels, model, ink) = match (colours, has_alpha) {
        (1, false) => (Channels::Grey, ColourModel::Grey, false),
        (1, true) => (Channels::GreyAlpha, ColourModel::Grey, false),
        (3, false) => (Channels::Rgb, ColourModel::Rgb, false),
        (3, true) => (Channels::Rgba, ColourModel::Rgb, false),
        // Transparency beside ink is rare; what is under it is shown.
        (4, _) => (Channels::Rgb, ColourModel::Cmyk, true),
        (other, _) => {
            return Err(PixelError::unsupported(
                FORMAT,
                format!("{other} components"),
            ));
        }
    };
    Ok(Meaning {
        channels,
        model,
        ink,
        icc,
    })
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let cost = jp2_cost::of(codestream(bytes)?)?;
    limits.check(
        FORMAT,
        cost.width,
        cost.height,
        cost.bytes_per_pixel(limits),
    )?;
    let settings = DecodeSettings::default();
    let image = Image::new(bytes, &settings).map_err(|error| fail("header", error))?;
    let (width, height) = (image.width(), image.height());
    if u64::from(width) > cost.width || u64::from(height) > cost.height {
        return Err(PixelError::decode(
            FORMAT,
            "header",
            "the decoder found larger sides than the codestream's",
        ));
    }
    let bit_depth = image.original_bit_depth();
    let Meaning {
        channels,
        model,
        ink,
        icc,
    } = meaning(image.color_space(), image.has_alpha())?;
    let mut context = DecoderContext::default();
    let decoded = image
        .decode(&mut context)
        .map_err(|error| fail("image data", error))?;
    let wanted = if ink { 4 } else { channels.count() };
    let components = decoded.components();
    let pixels = width as usize * height as usize;
    let planes: Vec<(&[f32], u8)> = components
        .iter()
        .take(wanted)
        .map(|component| (component.samples(), component.bit_depth()))
        .collect();
    if planes.len() != wanted || planes.iter().any(|(plane, _)| plane.len() != pixels) {
        return Err(PixelError::unsupported(
            FORMAT,
            "components that are fewer or smaller than the colours need",
        ));
    }
    let samples = if planes.iter().any(|&(_, bits)| bits > 8) {
        Samples::Sixteen(interleaved(&planes, 65_535.0, |value| value as u16))
    } else {
        Samples::Eight(interleaved(&planes, 255.0, |value| value as u8))
    };
    let (samples, icc, colour) = if ink {
        let (samples, colour) = from_ink(samples, icc.as_deref());
        (samples, None, colour)
    } else {
        let (icc, colour) = colour::keep(icc, channels);
        (samples, icc, colour)
    };
    Ok(Decoded {
        pixels: assemble(FORMAT, width, height, channels, samples)?,
        orientation: Orientation::Normal,
        metadata: Metadata {
            icc,
            ..Metadata::default()
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model: model,
            bit_depth,
            frames: 1,
            animated: false,
            lossy: cost.lossy,
        },
    })
}

/// Planes of whatever depth as interleaved samples up to `top`, rounded to nearest.
fn interleaved<T: Copy + Default>(
    planes: &[(&[f32], u8)],
    top: f32,
    convert: impl Fn(f32) -> T,
) -> Vec<T> {
    let count = planes.len();
    let mut out = vec![T::default(); planes.first().map_or(0, |plane| plane.0.len()) * count];
    for (index, (plane, bits)) in planes.iter().enumerate() {
        let scale = top / (((1u64 << (*bits).clamp(1, 38)) - 1) as f32);
        for (pixel, value) in out.chunks_exact_mut(count).zip(*plane) {
            // Float to integer casts saturate, which is the clamping that is wanted.
            pixel[index] = convert((value * scale).round());
        }
    }
    out
}

fn from_ink(samples: Samples, icc: Option<&[u8]>) -> (Samples, Colour) {
    match samples {
        Samples::Eight(ink) => {
            let (samples, colour) = colour::cmyk8_to_rgb(ink, icc);
            (Samples::Eight(samples), colour)
        }
        Samples::Sixteen(ink) => {
            let (samples, colour) = colour::cmyk16_to_rgb(&ink, icc);
            (Samples::Sixteen(samples), colour)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_codestream_is_refused() {
        let one = b"\0\0\0\x0Ajp2c\xFF\x4F";
        assert_eq!(codestream(one).unwrap(), [0xFF, 0x4F]);
        let error = codestream(&[one, &one[..]].concat()).unwrap_err();
        assert_eq!(error.name(), "Image.Unsupported");
    }
}
