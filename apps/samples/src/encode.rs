//! Pictures into files, by encoders that give the same bytes on every machine.

use std::io::Cursor;

use anyhow::{Context, Result};
use image::{GrayImage, RgbImage, RgbaImage};

/// JPEG; grey when the picture is asked to be.
pub(crate) fn jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    encode_jpeg(
        picture.as_raw(),
        picture.dimensions(),
        quality,
        jpeg_encoder::ColorType::Rgb,
        None,
    )
}

/// JPEG with one component.
pub(crate) fn grey_jpeg(picture: &GrayImage, quality: u8) -> Result<Vec<u8>> {
    encode_jpeg(
        picture.as_raw(),
        picture.dimensions(),
        quality,
        jpeg_encoder::ColorType::Luma,
        None,
    )
}

/// JPEG as a camera that was held upright stores it: turned a quarter to the left, with EXIF's
/// orientation 6, which turns it back.
pub(crate) fn turned_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    // A TIFF structure of one entry: tag 0x0112, SHORT, one value, 6.
    const EXIF: &[u8] = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let stored = image::imageops::rotate270(picture);
    encode_jpeg(
        stored.as_raw(),
        stored.dimensions(),
        quality,
        jpeg_encoder::ColorType::Rgb,
        Some(EXIF),
    )
}

/// JPEG of printing inks, as Adobe's programs write it.
pub(crate) fn cmyk_jpeg(picture: &RgbImage, quality: u8) -> Result<Vec<u8>> {
    let inks: Vec<u8> = picture
        .pixels()
        .flat_map(|pixel| {
            let [c, m, y] = pixel.0.map(|light| 255 - light);
            let k = c.min(m).min(y);
            [c - k, m - k, y - k, k]
        })
        .collect();
    // Adobe's marker (version 100, no transform) says that the inks are stored inverted, as they are.
    let (width, height) = picture.dimensions();
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    encoder.add_app_segment(14, b"Adobe\0\x64\0\0\0\0\0".to_vec())?;
    encoder.encode(
        &inks,
        u16::try_from(width)?,
        u16::try_from(height)?,
        jpeg_encoder::ColorType::Cmyk,
    )?;
    Ok(file)
}

fn encode_jpeg(
    samples: &[u8],
    (width, height): (u32, u32),
    quality: u8,
    colours: jpeg_encoder::ColorType,
    exif: Option<&[u8]>,
) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut file, quality);
    if matches!(colours, jpeg_encoder::ColorType::Rgb) {
        encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    }
    encoder.set_optimized_huffman_tables(true);
    if let Some(exif) = exif {
        encoder.add_exif_metadata(exif)?;
    }
    encoder.encode(
        samples,
        u16::try_from(width)?,
        u16::try_from(height)?,
        colours,
    )?;
    Ok(file)
}

/// WebP: lossy.
pub(crate) fn webp(picture: &RgbImage, quality: f32) -> Vec<u8> {
    let (width, height) = picture.dimensions();
    webp::Encoder::from_rgb(picture.as_raw(), width, height)
        .encode(quality)
        .to_vec()
}

/// WebP: lossless frames, shown for so many milliseconds each.
pub(crate) fn animated_webp(frames: &[RgbaImage], milliseconds: u32) -> Result<Vec<u8>> {
    let (width, height) = frames.first().context("no frames")?.dimensions();
    let mut config =
        webp::WebPConfig::new().map_err(|()| anyhow::anyhow!("libwebp has another version"))?;
    config.lossless = 1;
    let mut encoder = webp::AnimEncoder::new(width, height, &config);
    for (index, frame) in (0_u32..).zip(frames) {
        let shown = i32::try_from(index * milliseconds)?;
        encoder.add_frame(webp::AnimFrame::from_rgba(
            frame.as_raw(),
            width,
            height,
            shown,
        ));
    }
    let file = encoder
        .try_encode()
        .map_err(|error| anyhow::anyhow!("libwebp: {error:?}"))?;
    Ok(file.to_vec())
}

/// PNG of eight bits with or without transparency.
pub(crate) fn png(picture: &RgbaImage) -> Result<Vec<u8>> {
    let (width, height) = picture.dimensions();
    if picture.pixels().all(|pixel| pixel.0[3] == 255) {
        let opaque: Vec<u8> = picture
            .pixels()
            .flat_map(|pixel| [pixel.0[0], pixel.0[1], pixel.0[2]])
            .collect();
        return encode_png(
            &opaque,
            width,
            height,
            png::ColorType::Rgb,
            png::BitDepth::Eight,
        );
    }
    encode_png(
        picture.as_raw(),
        width,
        height,
        png::ColorType::Rgba,
        png::BitDepth::Eight,
    )
}

/// PNG of one grey channel.
pub(crate) fn grey_png(picture: &GrayImage) -> Result<Vec<u8>> {
    let (width, height) = picture.dimensions();
    encode_png(
        picture.as_raw(),
        width,
        height,
        png::ColorType::Grayscale,
        png::BitDepth::Eight,
    )
}

/// PNG of sixteen bits a sample.
pub(crate) fn deep_png(samples: &[u16], width: u32, height: u32) -> Result<Vec<u8>> {
    let bytes: Vec<u8> = samples
        .iter()
        .flat_map(|sample| sample.to_be_bytes())
        .collect();
    encode_png(
        &bytes,
        width,
        height,
        png::ColorType::Rgb,
        png::BitDepth::Sixteen,
    )
}

fn encode_png(
    bytes: &[u8],
    width: u32,
    height: u32,
    colours: png::ColorType,
    depth: png::BitDepth,
) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(colours);
    encoder.set_depth(depth);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(bytes)?;
    writer.finish()?;
    Ok(file)
}

/// PNG with a colour table of sixteen, four bits a pixel; the first colour is transparent.
pub(crate) fn palette_png(picture: &RgbaImage) -> Result<Vec<u8>> {
    let (width, height) = picture.dimensions();
    let palette = palette_of(picture, 16);
    let mut packed = Vec::new();
    for row in picture.rows() {
        let indexes: Vec<u8> = row.map(|pixel| nearest(&palette, pixel.0)).collect();
        for pair in indexes.chunks(2) {
            let second = pair.get(1).copied().unwrap_or(0);
            packed.push(pair[0] << 4 | second);
        }
    }
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(palette.concat());
    encoder.set_trns(vec![0]);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&packed)?;
    writer.finish()?;
    Ok(file)
}

/// Animated PNG, endless.
pub(crate) fn animated_png(frames: &[RgbaImage], milliseconds: u16) -> Result<Vec<u8>> {
    let (width, height) = frames.first().context("no frames")?.dimensions();
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_animated(u32::try_from(frames.len())?, 0)?;
    encoder.set_frame_delay(milliseconds, 1_000)?;
    let mut writer = encoder.write_header()?;
    for frame in frames {
        writer.write_image_data(frame.as_raw())?;
    }
    writer.finish()?;
    Ok(file)
}

/// GIF, endless when it has several frames; all share one colour table.
pub(crate) fn gif(frames: &[RgbaImage], centiseconds: u16) -> Result<Vec<u8>> {
    let first = frames.first().context("no frames")?;
    let palette = palette_of(first, 255);
    let (width, height) = (
        u16::try_from(first.width())?,
        u16::try_from(first.height())?,
    );
    let mut file = Vec::new();
    let mut encoder = gif::Encoder::new(&mut file, width, height, &palette.concat())?;
    if frames.len() > 1 {
        encoder.set_repeat(gif::Repeat::Infinite)?;
    }
    for picture in frames {
        let indexes: Vec<u8> = picture
            .pixels()
            .map(|pixel| nearest(&palette, pixel.0))
            .collect();
        let mut frame = gif::Frame::from_indexed_pixels(width, height, indexes, None);
        frame.delay = centiseconds;
        encoder.write_frame(&frame)?;
    }
    drop(encoder);
    Ok(file)
}

/// The most frequent colours, at most so many.
fn palette_of(picture: &RgbaImage, most: usize) -> Vec<[u8; 3]> {
    let mut counts = std::collections::BTreeMap::<[u8; 3], u32>::new();
    for pixel in picture.pixels() {
        let [r, g, b, _] = pixel.0;
        *counts.entry([r, g, b]).or_default() += 1;
    }
    let mut colours: Vec<_> = counts.into_iter().collect();
    // The map is ordered by colour, and the sort is stable: ties fall alike everywhere.
    colours.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    colours
        .into_iter()
        .take(most)
        .map(|(colour, _)| colour)
        .collect()
}

fn nearest(palette: &[[u8; 3]], [r, g, b, _]: [u8; 4]) -> u8 {
    let away = |colour: &[u8; 3]| -> u32 {
        [r, g, b]
            .iter()
            .zip(colour)
            .map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2))
            .sum()
    };
    let found = palette
        .iter()
        .enumerate()
        .min_by_key(|(_, colour)| away(colour));
    found.map_or(0, |(index, _)| index as u8)
}

/// TIFF of one page each, deflated.
pub(crate) fn tiff(pages: &[GrayImage]) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut file)?.with_compression(
        tiff::encoder::Compression::Deflate(tiff::encoder::DeflateLevel::Best),
    );
    for page in pages {
        encoder.write_image::<tiff::encoder::colortype::Gray8>(
            page.width(),
            page.height(),
            page.as_raw(),
        )?;
    }
    Ok(file.into_inner())
}

/// Windows bitmap.
pub(crate) fn bmp(picture: &RgbaImage) -> Result<Vec<u8>> {
    let mut file = Cursor::new(Vec::new());
    image::DynamicImage::ImageRgba8(picture.clone())
        .to_rgb8()
        .write_to(&mut file, image::ImageFormat::Bmp)?;
    Ok(file.into_inner())
}

/// Icon of several sizes, each a PNG.
pub(crate) fn ico(pictures: &[RgbaImage]) -> Result<Vec<u8>> {
    let frames = pictures
        .iter()
        .map(|picture| {
            image::codecs::ico::IcoFrame::as_png(
                picture.as_raw(),
                picture.width(),
                picture.height(),
                image::ExtendedColorType::Rgba8,
            )
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut file = Vec::new();
    image::codecs::ico::IcoEncoder::new(&mut file).encode_images(&frames)?;
    Ok(file)
}

/// A PNG whose header promises so many pixels, with data for the first row only.
pub(crate) fn png_bomb(side: u32) -> Vec<u8> {
    let chunk = |name: &[u8; 4], body: &[u8]| {
        let mut bytes = u32::try_from(body.len())
            .unwrap_or_default()
            .to_be_bytes()
            .to_vec();
        bytes.extend(name);
        bytes.extend(body);
        let sum = crc32(bytes.get(4..).unwrap_or_default());
        bytes.extend(sum.to_be_bytes());
        bytes
    };
    // Zlib's header, one stored block that is the last of an empty stream, and Adler's sum of nothing.
    let data = [0x78, 0x01, 0x01, 0, 0, 0xff, 0xff, 0, 0, 0, 1];
    let mut header = side.to_be_bytes().to_vec();
    header.extend(side.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &data),
        chunk(b"IEND", b""),
    ]
    .concat()
}

/// The checksum of PNG's chunks.
fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            };
        }
    }
    !sum
}
