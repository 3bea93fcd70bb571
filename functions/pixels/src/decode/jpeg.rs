//! JPEG: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Decoded, Source, assemble};
use crate::colour::{self, Colour};
use crate::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples, exif,
};

const FORMAT: Format = Format::Jpeg;

/// What the markers say before any decoding.
#[derive(Debug, Default)]
struct Markers {
    /// Width and height of the frame.
    size: Option<(u64, u64)>,
    components: u64,
    /// The start-of-frame marker's second byte and the sample precision.
    frame: Option<(u8, u8)>,
    /// An Adobe marker was seen, so CMYK is stored inverted.
    adobe: bool,
    /// An end-of-image marker follows the first scan.
    complete: bool,
    /// Some component has more samples than another.
    subsampled: bool,
    /// Components of the first scan.
    first_scan: u64,
}

fn markers(bytes: &[u8]) -> Markers {
    let mut found = Markers::default();
    for (marker, data) in segments(bytes) {
        match marker {
            marker if is_frame(marker) => {
                if let Some(&[precision, h1, h0, w1, w0, components]) = data.first_chunk::<6>() {
                    found.frame.get_or_insert((marker, precision));
                    found.size.get_or_insert((
                        u64::from(u16::from_be_bytes([w1, w0])),
                        u64::from(u16::from_be_bytes([h1, h0])),
                    ));
                    found.components = u64::from(components);
                    found.subsampled = data
                        .get(6..)
                        .unwrap_or_default()
                        .chunks_exact(3)
                        .take(usize::from(components))
                        .any(|component| component[1] != 0x11);
                }
            }
            0xEE => found.adobe |= data.starts_with(b"Adobe"),
            0xDA => {
                found.first_scan = data.first().copied().map_or(0, u64::from);
                found.complete = data.windows(2).rev().any(|pair| pair == [0xFF, 0xD9]);
                break;
            }
            _ => {}
        }
    }
    found
}

/// Every start of a frame before the first scan: its marker's second byte, width and height, and components.
pub(super) fn frames(bytes: &[u8]) -> impl Iterator<Item = (u8, (u64, u64), u64)> {
    segments(bytes)
        .take_while(|(marker, _)| *marker != 0xDA)
        .filter(|(marker, _)| is_frame(*marker))
        .filter_map(|(marker, data)| {
            let &[_, h1, h0, w1, w0, components] = data.first_chunk::<6>()?;
            let side = |bytes| u64::from(u16::from_be_bytes(bytes));
            Some((
                marker,
                (side([w1, w0]), side([h1, h0])),
                u64::from(components),
            ))
        })
}

const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF)
}

/// Marker segments in order, each with all that follows its length; past the first scan they mean nothing.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    std::iter::from_fn(move || {
        while let Some(&[first, marker]) = bytes.get(at..).and_then(<[u8]>::first_chunk::<2>) {
            if first != 0xFF || marker == 0xFF {
                // Fill bytes, or junk between segments, which decoders skip.
                at += 1;
                continue;
            }
            if matches!(marker, 0x00 | 0x01 | 0xD0..=0xD9) {
                at += 2;
                continue;
            }
            let length = bytes.get(at + 2..).and_then(<[u8]>::first_chunk::<2>)?;
            let data = bytes.get(at + 4..).unwrap_or_default();
            at += 2 + usize::from(u16::from_be_bytes(*length)).max(2);
            return Some((marker, data));
        }
        None
    })
}

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    let found = markers(bytes);
    refuse_what_is_not_decoded(&found)?;
    let progressive = matches!(found.frame, Some((0xC2, _)));
    let several_scans = found.first_scan < found.components;
    // An image in several scans keeps every coefficient, two bytes each, until the last of them.
    let keeps = progressive || several_scans;
    let per_pixel = found.components.max(3) * if keeps { 3 } else { 1 };
    if let Some((width, height)) = found.size {
        limits.check(FORMAT, width, height, per_pixel)?;
    }
    let fail = |place, error: &zune_jpeg::errors::DecodeErrors| {
        if found.complete {
            PixelError::decode(FORMAT, place, error)
        } else {
            PixelError::truncated(FORMAT, place, error)
        }
    };
    // Without an end marker the pixels may still all be there; strict decoding tells.
    let separate = !progressive && found.subsampled && found.components > 1 && several_scans;
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .set_strict_mode(!found.complete);
    let mut header = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    header
        .decode_headers()
        .map_err(|error| fail("header", &error))?;
    let (Some(stored), Some((width, height))) = (header.input_colorspace(), header.dimensions())
    else {
        return Err(PixelError::decode(FORMAT, "header", "no frame"));
    };
    limits.check(FORMAT, width as u64, height as u64, per_pixel)?;
    let (wanted, colour_model) = match stored {
        ColorSpace::Luma => (ColorSpace::Luma, ColourModel::Grey),
        ColorSpace::YCbCr => (ColorSpace::RGB, ColourModel::Ycbcr),
        ColorSpace::RGB => (ColorSpace::RGB, ColourModel::Rgb),
        ColorSpace::CMYK => (ColorSpace::CMYK, ColourModel::Cmyk),
        ColorSpace::YCCK => (ColorSpace::YCCK, ColourModel::Ycck),
        other => {
            return Err(PixelError::unsupported(
                FORMAT,
                format!("components that mean {other:?}"),
            ));
        }
    };
    if separate && wanted != ColorSpace::RGB {
        return Err(PixelError::unsupported(
            FORMAT,
            "CMYK with a scan for each component",
        ));
    }
    let icc = header.icc_profile();
    let exif_block = header
        .exif()
        .map(|block| exif::without_prefix(block).to_vec());
    drop(header);
    let mut samples = if separate {
        separate_scans(bytes, &found, limits)?
    } else {
        interleaved(bytes, options.jpeg_set_out_colorspace(wanted), &fail)?
    };

    let (channels, samples, icc, colour) = match wanted {
        ColorSpace::Luma => {
            let (icc, colour) = colour::keep(icc, Channels::Grey);
            (Channels::Grey, samples, icc, colour)
        }
        ColorSpace::RGB => {
            let (icc, colour) = colour::keep(icc, Channels::Rgb);
            (Channels::Rgb, samples, icc, colour)
        }
        _ => {
            to_ink(&mut samples, wanted == ColorSpace::YCCK, found.adobe);
            let (samples, colour): (Vec<u8>, Colour) =
                colour::cmyk8_to_rgb(samples, icc.as_deref());
            (Channels::Rgb, samples, None, colour)
        }
    };
    let (width, height) = (width as u32, height as u32);
    let pixels = assemble(FORMAT, width, height, channels, Samples::Eight(samples))?;
    Ok(Decoded {
        pixels,
        orientation: exif_block
            .as_deref()
            .map_or(Orientation::Normal, exif::orientation),
        metadata: Metadata {
            icc,
            exif: exif_block,
            png_colour: Vec::new(),
        },
        colour,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model,
            bit_depth: 8,
            frames: 1,
            animated: false,
            lossy: true,
        },
    })
}

fn interleaved(
    bytes: &[u8],
    options: DecoderOptions,
    fail: &dyn Fn(&'static str, &zune_jpeg::errors::DecodeErrors) -> PixelError,
) -> Result<Vec<u8>, PixelError> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder
        .decode_headers()
        .map_err(|error| fail("header", &error))?;
    let size = decoder
        .output_buffer_size()
        .ok_or_else(|| PixelError::decode(FORMAT, "header", "no size"))?;
    let mut samples = vec![0u8; size];
    decoder
        .decode_into(&mut samples)
        .map_err(|error| fail("scan data", &error))?;
    Ok(samples)
}

/// RGB of a baseline file with one scan for each component of different resolutions: the main
/// decoder reads half of the rows of such a scan only.
fn separate_scans(bytes: &[u8], found: &Markers, limits: &Limits) -> Result<Vec<u8>, PixelError> {
    // It would pass over the picture for each scan, however little is in it. A thumbnail before them has its own.
    let first = segments(bytes).find(|(marker, _)| *marker == 0xDA);
    let others = memchr::memmem::find_iter(first.map_or(bytes, |(_, data)| data), &[0xFF, 0xDA]);
    if others.take(256).count() as u64 >= found.components {
        return Err(PixelError::unsupported(
            FORMAT,
            "more scans than components without a progression",
        ));
    }
    let mut decoder = jpeg_decoder::Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(limits.max_bytes_usize());
    let samples = decoder.decode().map_err(|error| {
        if found.complete {
            PixelError::decode(FORMAT, "scan data", error)
        } else {
            PixelError::truncated(FORMAT, "scan data", error)
        }
    })?;
    match decoder.info().map(|info| info.pixel_format) {
        Some(jpeg_decoder::PixelFormat::RGB24) => Ok(samples),
        other => Err(PixelError::unsupported(FORMAT, format!("{other:?}"))),
    }
}

fn refuse_what_is_not_decoded(found: &Markers) -> Result<(), PixelError> {
    let Some((marker, precision)) = found.frame else {
        return Ok(());
    };
    let what = match marker {
        0xC3 | 0xC7 | 0xCB | 0xCF => "lossless JPEG",
        0xC5..=0xC6 | 0xCD..=0xCE => "hierarchical JPEG",
        0xC9 | 0xCA => "arithmetic coding",
        _ if precision != 8 => {
            return Err(PixelError::unsupported(
                FORMAT,
                format!("{precision}-bit samples"),
            ));
        }
        _ => return Ok(()),
    };
    Err(PixelError::unsupported(FORMAT, what))
}

/// Stored samples as ink, 0 (none) to 255 (full). YCCK is CMY by way of YCbCr (ITU-T T.872), and
/// Adobe stores ink inverted.
fn to_ink(samples: &mut [u8], ycck: bool, inverted: bool) {
    if ycck {
        for pixel in samples.chunks_exact_mut(4) {
            let luma = f32::from(pixel[0]);
            let (cb, cr) = (f32::from(pixel[1]) - 128.0, f32::from(pixel[2]) - 128.0);
            // Float to integer casts saturate, which is the clamping that is wanted.
            pixel[0] = 255 - (luma + 1.402 * cr).round() as u8;
            pixel[1] = 255 - (luma - 0.344_136 * cb - 0.714_136 * cr).round() as u8;
            pixel[2] = 255 - (luma + 1.772 * cb).round() as u8;
        }
    }
    if inverted {
        for sample in samples {
            *sample = 255 - *sample;
        }
    }
}
