//! The same picture in fewer bytes.

use gif::{ColorOutput, Encoder};
use oxipng::{BitDepth, ColorType, Options, RGB16, RGBA8, RawImage};
use png::Transformations;
use tiff::tags::{CompressionMethod, Tag};

use crate::decode::tiff::Page;
use crate::decode::{gif as gif_file, png as png_file, tiff as tiff_file, tiff_directory};
use crate::error::guarded;
use crate::{
    Channels, Format, Limits, Metadata, MetadataPolicy, Orientation, PixelError, Pixels, Samples,
    encode, exif,
};

/// What recompression came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recompressed {
    /// A new file; the caller compares sizes.
    New(Vec<u8>),
    /// Nothing that would keep the picture as it is; why.
    Kept(&'static str),
}

/// Chunks that change how a PNG looks or how large it prints.
const PNG_LOOKS: [&[u8; 4]; 5] = [b"cICP", b"sRGB", b"gAMA", b"cHRM", b"pHYs"];
/// Chunks that only inform.
const PNG_INFORMS: [&[u8; 4]; 4] = [b"tEXt", b"zTXt", b"iTXt", b"tIME"];

fn png_options() -> Options {
    Options::from_preset(1)
}

fn oxipng_failed(error: impl std::fmt::Display) -> PixelError {
    PixelError::encode(Format::Png, error)
}

/// Recompresses a PNG: the same pixels, at the depth and colour type that is smallest. The
/// optimiser sees the samples that we decoded, never the file.
pub fn png(
    bytes: &[u8],
    limits: &Limits,
    policy: MetadataPolicy,
) -> Result<Recompressed, PixelError> {
    guarded(Format::Png, "recompression", || {
        let mut reader = png_file::open(bytes, limits, Transformations::IDENTITY, 12)?;
        if reader
            .info()
            .animation_control
            .is_some_and(|control| control.num_frames > 1)
        {
            return Ok(Recompressed::Kept("an animated PNG is kept as it is"));
        }
        let turned = reader
            .info()
            .exif_metadata
            .as_deref()
            .is_some_and(|block| exif::orientation(block) != Orientation::Normal);
        if turned {
            drop(reader);
            let decoded = crate::decode(bytes, Format::Png, limits)?;
            let metadata = decoded.metadata.under(policy);
            return pixels_as_png(&decoded.pixels, &metadata).map(Recompressed::New);
        }
        let size = reader
            .output_buffer_size()
            .ok_or_else(|| PixelError::decode(Format::Png, "header", "the size overflows"))?;
        let mut samples = vec![0u8; size];
        reader
            .next_frame(&mut samples)
            .map_err(|error| png_file::fail("image data", error))?;
        // What follows the pixels may be metadata; where it is broken there is none.
        let _ = reader.finish();
        let info = reader.info();
        let depth = BitDepth::try_from(info.bit_depth as u8).map_err(oxipng_failed)?;
        let kind = oxipng_type(info, &samples);
        let mut raw =
            RawImage::new(info.width, info.height, kind, depth, samples).map_err(oxipng_failed)?;
        let icc = png_file::profile(bytes).filter(|icc| icc.len() <= crate::colour::MAX_ICC_BYTES);
        if let Some(icc) = &icc {
            raw.add_icc_profile(icc);
        }
        for (name, data) in png_file::chunks(bytes) {
            let looks = PNG_LOOKS.contains(&&name) && (icc.is_none() || &name == b"pHYs");
            let informs = policy == MetadataPolicy::Keep && PNG_INFORMS.contains(&&name);
            if looks || informs {
                raw.add_png_chunk(name, data.to_vec());
            }
        }
        let kept = Metadata {
            exif: info.exif_metadata.as_deref().map(<[u8]>::to_vec),
            ..Metadata::default()
        };
        if let Some(block) = kept.under(policy).exif {
            raw.add_png_chunk(*b"eXIf", block);
        }
        drop(reader);
        raw.create_optimized_png(&png_options())
            .map(Recompressed::New)
            .map_err(oxipng_failed)
    })
}

fn oxipng_type(info: &png::Info<'_>, samples: &[u8]) -> ColorType {
    let transparent = |at: usize| {
        let raw = info.trns.as_deref()?.get(at..at + 2)?;
        Some(u16::from_be_bytes(raw.try_into().ok()?))
    };
    match info.color_type {
        png::ColorType::Grayscale => ColorType::Grayscale {
            transparent_shade: transparent(0),
        },
        png::ColorType::Rgb => ColorType::RGB {
            transparent_color: match (transparent(0), transparent(2), transparent(4)) {
                (Some(r), Some(g), Some(b)) => Some(RGB16::new(r, g, b)),
                _ => None,
            },
        },
        png::ColorType::GrayscaleAlpha => ColorType::GrayscaleAlpha,
        png::ColorType::Rgba => ColorType::RGBA,
        png::ColorType::Indexed => {
            let alphas = info.trns.as_deref().unwrap_or_default();
            let mut palette: Vec<RGBA8> = info
                .palette
                .as_deref()
                .unwrap_or_default()
                .chunks_exact(3)
                .enumerate()
                .map(|(at, rgb)| {
                    RGBA8::new(
                        rgb[0],
                        rgb[1],
                        rgb[2],
                        alphas.get(at).copied().unwrap_or(255),
                    )
                })
                .collect();
            // Indexes past the table are shown black; the optimiser relies on there being none.
            let needed = if info.bit_depth == png::BitDepth::Eight {
                samples
                    .iter()
                    .copied()
                    .max()
                    .map_or(1, |top| usize::from(top) + 1)
            } else {
                1 << (info.bit_depth as u8)
            };
            if palette.len() < needed {
                palette.resize(needed, RGBA8::new(0, 0, 0, 255));
            }
            ColorType::Indexed { palette }
        }
    }
}

/// A PNG of these pixels, as small as the low-effort search makes it.
pub fn pixels_as_png(pixels: &Pixels, metadata: &Metadata) -> Result<Vec<u8>, PixelError> {
    guarded(Format::Png, "recompression", || {
        let kind = match pixels.channels() {
            Channels::Grey => ColorType::Grayscale {
                transparent_shade: None,
            },
            Channels::GreyAlpha => ColorType::GrayscaleAlpha,
            Channels::Rgb => ColorType::RGB {
                transparent_color: None,
            },
            Channels::Rgba => ColorType::RGBA,
        };
        let (depth, samples) = match pixels.samples() {
            Samples::Eight(samples) => (BitDepth::Eight, samples.clone()),
            Samples::Sixteen(samples) => (
                BitDepth::Sixteen,
                samples
                    .iter()
                    .flat_map(|value| value.to_be_bytes())
                    .collect(),
            ),
        };
        let mut raw = RawImage::new(pixels.width(), pixels.height(), kind, depth, samples)
            .map_err(oxipng_failed)?;
        if let Some(icc) = &metadata.icc {
            raw.add_icc_profile(icc);
        }
        for (name, data) in &metadata.png_colour {
            raw.add_png_chunk(*name, data.clone());
        }
        if let Some(block) = &metadata.exif {
            raw.add_png_chunk(*b"eXIf", block.clone());
        }
        raw.create_optimized_png(&png_options())
            .map_err(oxipng_failed)
    })
}

/// Writes every frame of a GIF again, with its own colours, area, delay and disposal: the same
/// animation, without comments, application data and the slack of a careless encoder.
pub fn gif(
    bytes: &[u8],
    limits: &Limits,
    policy: MetadataPolicy,
) -> Result<Recompressed, PixelError> {
    guarded(Format::Gif, "recompression", || {
        if policy == MetadataPolicy::Keep {
            return Ok(Recompressed::Kept(
                "metadata is to be kept, and a GIF's cannot be written again",
            ));
        }
        let mut decoder = gif_file::open(bytes, limits, ColorOutput::Indexed)?;
        if decoder.icc_profile().is_some() {
            return Ok(Recompressed::Kept(
                "a GIF with a colour profile is kept as it is",
            ));
        }
        let (width, height) = (decoder.width(), decoder.height());
        let global = decoder
            .global_palette()
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        let fail = |error: gif::EncodingError| PixelError::encode(Format::Gif, error);
        let mut encoder =
            Encoder::new(Vec::with_capacity(bytes.len()), width, height, &global).map_err(fail)?;
        let (mut frames, mut pixels) = (0, 0);
        while let Some(frame) = decoder.read_next_frame().map_err(gif_file::fail)? {
            let mut frame = frame.clone();
            frames += 1;
            pixels += u64::from(frame.width) * u64::from(frame.height);
            limits.check_animation(Format::Gif, frames, pixels)?;
            if frames == 1 {
                // The loop extension comes before the first frame.
                match decoder.repeat() {
                    gif::Repeat::Finite(0) => {}
                    repeat => encoder.set_repeat(repeat).map_err(fail)?,
                }
            }
            // Rows came out in order.
            frame.interlaced = false;
            if frame.palette.as_ref() == Some(&global) {
                frame.palette = None;
            }
            encoder.write_frame(&frame).map_err(fail)?;
        }
        if frames == 0 {
            return Err(PixelError::truncated(Format::Gif, "image data", "no frame"));
        }
        encoder
            .into_inner()
            .map(Recompressed::New)
            .map_err(|error| PixelError::encode(Format::Gif, error))
    })
}

/// Recompresses a TIFF of one page with deflate.
pub fn tiff(
    bytes: &[u8],
    limits: &Limits,
    policy: MetadataPolicy,
) -> Result<Recompressed, PixelError> {
    guarded(Format::Tiff, "recompression", || {
        if tiff_directory::pages(bytes, 2) > 1 {
            return Ok(Recompressed::Kept("a TIFF of several pages is kept whole"));
        }
        if policy == MetadataPolicy::Keep {
            return Ok(Recompressed::Kept(
                "metadata is to be kept, and a TIFF's cannot be written again",
            ));
        }
        if exif::short_at(bytes, PHOTOMETRIC)
            .is_some_and(|(endian, at)| endian.u16(bytes, at) == Some(PALETTE))
        {
            return Ok(Recompressed::Kept("a TIFF with a colour table is kept"));
        }
        let mut reader = tiff_file::open(bytes, limits)?;
        let compression = reader
            .find_tag_unsigned::<u16>(Tag::Compression)
            .ok()
            .flatten()
            .and_then(CompressionMethod::from_u16);
        if compression == Some(CompressionMethod::ModernJPEG) {
            return Ok(Recompressed::Kept(
                "its pixels are JPEG, which no lossless coding makes smaller",
            ));
        }
        drop(reader);
        let page = tiff_file::read_page(bytes, limits)?;
        recompressed_page(bytes, limits, page)
    })
}

const PHOTOMETRIC: u16 = 262;
const PALETTE: u16 = 3;

fn recompressed_page(
    bytes: &[u8],
    limits: &Limits,
    page: Page,
) -> Result<Recompressed, PixelError> {
    use crate::decode::tiff_samples::Raw;
    use tiff::ColorType as T;
    if page.premultiplied {
        return Ok(Recompressed::Kept(
            "its colours are multiplied by alpha, and dividing would lose some",
        ));
    }
    match (page.kind, &page.raw) {
        (T::Gray(8 | 16) | T::RGB(8 | 16) | T::RGBA(8 | 16), _) => {
            drop(page);
            let decoded = crate::decode(bytes, Format::Tiff, limits)?;
            encode::tiff(&decoded.pixels, &decoded.metadata).map(Recompressed::New)
        }
        (T::CMYK(8 | 16), _) if page.orientation == Orientation::Normal => {
            let ink = match page.raw {
                Raw::Eight(ink) => Samples::Eight(ink),
                Raw::Sixteen(ink) => Samples::Sixteen(ink),
            };
            encode::tiff_cmyk(page.width, page.height, &ink, page.icc.as_deref())
                .map(Recompressed::New)
        }
        _ => Ok(Recompressed::Kept(
            "its samples are of a kind that would have to be converted",
        )),
    }
}
