//! Invariants 1 and 2: bombs are refused from the header, and any bytes end in a named error.

#![allow(clippy::unwrap_used)]

mod support;

use std::sync::LazyLock;

use proptest::prelude::*;
use safelight_pixels::encode::{self, AnimationEncoder, JpegOptions, WebpCoding};
use safelight_pixels::lossless;
use safelight_pixels::{
    Channels, Format, Limits, Metadata, MetadataPolicy, PixelError, decode, for_each_frame,
};
use support::{chunk, exif, png_header, png_of, scene, stored, tiff_of};

/// Small limits, so that the tests themselves stay small.
fn limits() -> Limits {
    Limits {
        max_pixels: 1_000_000,
        max_bytes: 32 << 20,
        max_frames: 50,
    }
}

fn animation(format: Format) -> Vec<u8> {
    let mut encoder = match format {
        Format::Gif => AnimationEncoder::gif(20, 20, 0).unwrap(),
        Format::Webp => {
            AnimationEncoder::webp(20, 20, 0, WebpCoding::Lossy(80), Metadata::default())
        }
        _ => AnimationEncoder::png(20, 20, 0, 3, &Metadata::default()).unwrap(),
    };
    for shade in [0u8, 100, 200] {
        let mut samples = scene(20, 20, Channels::Rgba).eight().unwrap().to_vec();
        samples[400..800].fill(shade);
        encoder
            .push(
                safelight_pixels::Pixels::from_eight(20, 20, Channels::Rgba, samples).unwrap(),
                100,
            )
            .unwrap();
    }
    encoder.finish().unwrap()
}

static SEEDS: LazyLock<Vec<(Format, Vec<u8>)>> = LazyLock::new(|| {
    let metadata = Metadata {
        icc: Some(moxcms::ColorProfile::new_display_p3().encode().unwrap()),
        exif: Some(exif(6)),
        ..Metadata::default()
    };
    let plain = Metadata::default();
    let rgb = scene(40, 30, Channels::Rgb);
    let rgba = scene(40, 30, Channels::Rgba);
    let mut progressive = JpegOptions::of_quality(80);
    progressive.progressive = true;
    let mut ink = Vec::new();
    jpeg_encoder::Encoder::new(&mut ink, 80)
        .encode(
            rgba.eight().unwrap(),
            40,
            30,
            jpeg_encoder::ColorType::CmykAsYcck,
        )
        .unwrap();
    let palette = [chunk(b"PLTE", &[7; 48]), chunk(b"tRNS", &[0, 9])];
    let page = [
        (256, 4, vec![40]),
        (257, 4, vec![30]),
        (258, 3, vec![8, 8, 8]),
        (259, 3, vec![1]),
        (262, 3, vec![2]),
        (277, 3, vec![3]),
        (278, 4, vec![30]),
    ];
    vec![
        (
            Format::Jpeg,
            encode::jpeg(&rgb, &metadata, JpegOptions::of_quality(80)).unwrap(),
        ),
        (
            Format::Jpeg,
            encode::jpeg(&rgb, &plain, progressive).unwrap(),
        ),
        (Format::Jpeg, ink),
        (Format::Png, encode::png(&rgba, &metadata).unwrap()),
        (
            Format::Png,
            png_of((40, 30), 4, 3, true, &palette, |x, y| (x + y) % 16),
        ),
        (Format::Png, animation(Format::Png)),
        (Format::Gif, animation(Format::Gif)),
        (
            Format::Webp,
            encode::webp(&rgba, &metadata, WebpCoding::Lossy(80)).unwrap(),
        ),
        (
            Format::Webp,
            encode::webp(&rgba, &plain, WebpCoding::Lossless).unwrap(),
        ),
        (Format::Webp, animation(Format::Webp)),
        (Format::Bmp, encode::bmp(&rgba).unwrap()),
        (Format::Tiff, encode::tiff(&rgb, &metadata).unwrap()),
        (Format::Tiff, tiff_of(&page, rgb.eight().unwrap())),
    ]
});

/// The same PNG with the checksums that its chunks should have.
fn mended(file: &[u8]) -> Vec<u8> {
    let mut out = file.get(..8).unwrap_or(file).to_vec();
    let mut rest = file.get(8..).unwrap_or_default();
    while let Some(size) = rest.first_chunk::<4>() {
        let size = u32::from_be_bytes(*size) as usize;
        let (Some(name), Some(data)) = (rest.get(4..8), rest.get(8..8usize.saturating_add(size)))
        else {
            break;
        };
        out.extend(chunk(name.try_into().unwrap(), data));
        rest = rest.get(12 + size..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

fn is_named(error: &PixelError) -> bool {
    error.name().starts_with("Image.") && !error.to_string().is_empty()
}

/// Everything that reads foreign bytes.
fn try_all(bytes: &[u8], format: Format) {
    let check = |result: Result<(), PixelError>| {
        if let Err(error) = result {
            assert!(is_named(&error), "{error:?}");
            assert!(
                !error.to_string().contains("panicked"),
                "a decoder panicked on {format}: {error}"
            );
        }
    };
    check(decode(bytes, format, &limits()).map(|decoded| {
        let pixels = &decoded.pixels;
        assert!(pixels.width() as usize * pixels.height() as usize <= 1_000_000);
    }));
    let strip = MetadataPolicy::Strip;
    match format {
        Format::Png => check(lossless::png(bytes, &limits(), strip).map(|_| ())),
        Format::Gif => check(lossless::gif(bytes, &limits(), strip).map(|_| ())),
        Format::Tiff => check(lossless::tiff(bytes, &limits(), strip).map(|_| ())),
        _ => {}
    }
    check(for_each_frame(bytes, format, &limits(), &mut |_, _| Ok(())).map(|_| ()));
}

#[test]
fn bombs_are_refused_by_their_header() {
    let png = [
        png_header(60_000, 60_000, 8, 2, false),
        chunk(b"IDAT", &stored(&[0; 10])),
    ]
    .concat();
    let gif = b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff".to_vec();
    let mut jpeg =
        b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
            .to_vec();
    jpeg.extend_from_slice(b"\xff\xda\0\x0c\x03\x01\0\x02\x11\x03\x11\0\x3f\0\xff\xd9");
    let mut bmp = encode::bmp(&scene(4, 4, Channels::Rgb)).unwrap();
    bmp[18..22].copy_from_slice(&30_000i32.to_le_bytes());
    bmp[22..26].copy_from_slice(&30_000i32.to_le_bytes());
    let tiff = tiff_of(
        &[
            (256, 4, vec![60_000]),
            (257, 4, vec![60_000]),
            (258, 3, vec![8]),
            (259, 3, vec![1]),
            (262, 3, vec![1]),
            (277, 3, vec![1]),
            (278, 4, vec![60_000]),
        ],
        &[0; 16],
    );
    let mut webp = b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\x3f\0\xff\x3f\0".to_vec();
    webp.extend_from_slice(b"VP8L\x06\0\0\0\x2f\xff\xff\xff\x0f\0");
    let size = (webp.len() - 8) as u32;
    webp[4..8].copy_from_slice(&size.to_le_bytes());
    for (format, file) in [
        (Format::Png, png),
        (Format::Gif, gif),
        (Format::Jpeg, jpeg),
        (Format::Bmp, bmp),
        (Format::Tiff, tiff),
        (Format::Webp, webp),
    ] {
        let error = decode(&file, format, &Limits::default()).unwrap_err();
        assert_eq!(error.name(), "Image.TooManyMegapixels", "{error}");
    }
}

#[test]
fn memory_is_limited_beside_pixels() {
    let file = encode::png(&scene(100, 100, Channels::Rgba), &Metadata::default()).unwrap();
    let tight = Limits {
        max_bytes: 10_000,
        ..Limits::default()
    };
    let error = decode(&file, Format::Png, &tight).unwrap_err();
    assert_eq!(error.name(), "Image.TooManyMegapixels");
    assert!(error.to_string().contains("MiB"), "{error}");
}

#[test]
fn half_a_file_is_called_truncated() {
    for (format, file) in SEEDS.iter() {
        let half = &file[..file.len() / 2];
        let error = match decode(half, *format, &limits()) {
            Err(error) => error,
            // The first frame of an animation may be whole in the first half.
            Ok(decoded) => {
                assert!(
                    decoded.source.frames > 1 || *format == Format::Gif || *format == Format::Png,
                    "{format}"
                );
                continue;
            }
        };
        assert_eq!(error.name(), "Image.Truncated", "{format}: {error}");
    }
}

#[test]
fn no_bytes_and_other_formats_are_named() {
    for format in Format::ALL {
        let error = decode(b"", format, &limits()).unwrap_err();
        assert!(is_named(&error), "{error:?}");
        let error = decode(b"hello, this is text", format, &limits()).unwrap_err();
        assert!(is_named(&error), "{error:?}");
    }
    for (format, feature) in [(Format::Avif, "avif"), (Format::Heic, "heic")] {
        if safelight_pixels::FEATURES.contains(&feature) {
            continue;
        }
        let error = decode(b"anything", format, &limits()).unwrap_err();
        assert_eq!(error.name(), "Image.DecoderMissing");
    }
}

#[test]
fn variants_that_are_not_decoded_say_which() {
    let twelve_bit = b"\xff\xd8\xff\xc1\0\x0b\x0c\0\x10\0\x10\x01\x01\x11\0";
    let error = decode(twelve_bit, Format::Jpeg, &limits()).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported");
    assert!(error.to_string().contains("12-bit"), "{error}");
    let arithmetic = b"\xff\xd8\xff\xc9\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0";
    let error = decode(arithmetic, Format::Jpeg, &limits()).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported");
    assert!(error.to_string().contains("arithmetic"), "{error}");
}

proptest! {

    #[test]
    fn mutated_files_never_panic(
        seed in 0usize..13,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in proptest::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let (format, file) = &SEEDS[seed];
        let mut file = file.clone();
        for (at, value) in edits {
            let at = at.index(file.len());
            file[at] = value;
        }
        if let Some(cut) = cut {
            file.truncate(cut.index(file.len()));
        }
        try_all(&file, *format);
        if *format == Format::Png {
            // A wrong checksum ends the decoding early: mend it, and get further.
            try_all(&mended(&file), *format);
        }
    }

    #[test]
    fn random_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        format in prop::sample::select(Format::ALL.to_vec()),
    ) {
        try_all(&bytes, format);
    }

    #[test]
    fn random_bytes_behind_a_signature_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        seed in 0usize..13,
        kept in 4usize..60,
    ) {
        let (format, file) = &SEEDS[seed];
        let mut file = file[..kept.min(file.len())].to_vec();
        file.extend(bytes);
        try_all(&file, *format);
    }
}

/// A TIFF of three planes, in tiles of 16 × 16 that all are the same bytes.
fn tiled_planes(width: u32, height: u32) -> Vec<u8> {
    const DIRECTORY: u32 = 8 + 2 + 11 * 12 + 4;
    let tiles = width.div_ceil(16) * height.div_ceil(16) * 3;
    let (offsets, counts) = (DIRECTORY + 6, DIRECTORY + 6 + tiles * 4);
    let data = counts + tiles * 4;
    let mut out = b"II*\0\x08\0\0\0\x0B\0".to_vec();
    for (tag, kind, count, value) in [
        (256u16, 4u16, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, DIRECTORY),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (277, 3, 1, 3),
        (284, 3, 1, 2),
        (322, 4, 1, 16),
        (323, 4, 1, 16),
        (324, 4, tiles, offsets),
        (325, 4, tiles, counts),
    ] {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(u32::to_le_bytes(count));
        out.extend(u32::to_le_bytes(value));
    }
    out.extend([0, 0, 0, 0, 8, 0, 8, 0, 8, 0]);
    for value in [data, 256] {
        for _ in 0..tiles {
            out.extend(value.to_le_bytes());
        }
    }
    out.extend([77; 256]);
    out
}

#[test]
fn planes_of_whole_tiles_are_read_and_others_refused() {
    let decoded = decode(&tiled_planes(32, 16), Format::Tiff, &limits()).unwrap();
    assert_eq!(decoded.pixels.eight().unwrap(), [77; 32 * 16 * 3]);
    // The decoder would panic at a tile that hangs over the edge in the second plane.
    let error = decode(&tiled_planes(20, 20), Format::Tiff, &limits()).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported");
}

/// A JPEG segment.
fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xFF, marker], &length[..], data].concat()
}

/// A JPEG of three components whose scans are as empty as they can be: each says which it is of.
fn jpeg_of_scans(frame: u8, sides: u16, sampling: u8, scans: &[&[u8]]) -> Vec<u8> {
    let side = sides.to_be_bytes();
    let frame_data = [
        &[8, side[0], side[1], side[0], side[1], 3, 1, sampling, 0][..],
        &[2, 0x11, 0, 3, 0x11, 0],
    ];
    let table = |class: u8| segment(0xC4, &[&[class, 1][..], &[0; 16]].concat());
    let scans = scans.iter().flat_map(|components| {
        let each = components.iter().flat_map(|component| [*component, 0]);
        let data = [vec![components.len() as u8], each.collect(), vec![0, 63, 0]];
        segment(0xDA, &data.concat())
    });
    [
        vec![0xFF, 0xD8],
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(frame, &frame_data.concat()),
        table(0),
        table(0x10),
        scans.collect(),
        vec![0, 0, 0xFF, 0xD9],
    ]
    .concat()
}

/// A GIF of so many frames of a side each.
fn gif_of(canvas: u16, frames: usize, side: u16) -> Vec<u8> {
    let mut encoder = gif::Encoder::new(Vec::new(), canvas, canvas, &[0, 0, 0, 9, 9, 9]).unwrap();
    let pixels = vec![0; usize::from(side) * usize::from(side)];
    let frame = gif::Frame::from_indexed_pixels(side, side, pixels, None);
    for _ in 0..frames {
        encoder.write_frame(&frame).unwrap();
    }
    encoder.into_inner().unwrap()
}

#[test]
fn the_frames_of_an_animation_are_ten_of_the_largest_at_most() {
    let canvases = |file: &[u8]| for_each_frame(file, Format::Gif, &limits(), &mut |_, _| Ok(()));
    canvases(&gif_of(1_000, 10, 1)).unwrap();
    let error = canvases(&gif_of(1_000, 11, 1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gif: more than 10 megapixels in all of its frames"
    );

    let areas = |file: &[u8]| lossless::gif(file, &limits(), MetadataPolicy::Strip);
    areas(&gif_of(1_000, 11, 1)).unwrap();
    areas(&gif_of(1, 10, 1_000)).unwrap();
    let error = areas(&gif_of(1, 11, 1_000)).unwrap_err();
    assert_eq!(error.name(), "Image.TooManyFrames");
}

#[test]
fn a_baseline_jpeg_has_a_scan_for_each_component_at_most() {
    let [y, cb, cr] = [&[1][..], &[2], &[3]];
    let whole = jpeg_of_scans(0xC0, 64, 0x22, &[y, cb, cr]);
    decode(&whole, Format::Jpeg, &limits()).unwrap();
    // A thumbnail's scan is none of them.
    let thumbnail = segment(
        0xE1,
        &[&b"Exif\0\0"[..], &segment(0xDA, &[1, 1, 0, 0, 63, 0])].concat(),
    );
    let with_thumbnail = [&whole[..2], &thumbnail, &whole[2..]].concat();
    decode(&with_thumbnail, Format::Jpeg, &limits()).unwrap();
    let error = decode(
        &jpeg_of_scans(0xC0, 64, 0x22, &[y, y, cb, cr]),
        Format::Jpeg,
        &limits(),
    )
    .unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported");
}

#[test]
fn several_scans_need_memory_for_their_coefficients() {
    let few = Limits {
        max_bytes: 4 << 20,
        ..limits()
    };
    let one: &[&[u8]] = &[&[1, 2, 3]];
    let each: &[&[u8]] = &[&[1], &[2], &[3]];
    decode(&jpeg_of_scans(0xC0, 992, 0x11, one), Format::Jpeg, &few).unwrap();
    for (frame, sampling, scans) in [(0xC0, 0x11, each), (0xC0, 0x22, each), (0xC2, 0x11, one)] {
        let file = jpeg_of_scans(frame, 992, sampling, scans);
        let error = decode(&file, Format::Jpeg, &few).unwrap_err();
        assert_eq!(error.name(), "Image.TooManyMegapixels");
    }
}

#[test]
fn a_jpeg_in_a_tiff_is_as_large_as_its_strip() {
    let all: &[&[u8]] = &[&[1, 2, 3]];
    let page = |jpeg: &[u8]| {
        let entries = [
            (256, 4, vec![16]),
            (257, 4, vec![16]),
            (258, 3, vec![8, 8, 8]),
            (259, 3, vec![7]),
            (262, 3, vec![6]),
            (277, 3, vec![3]),
            (278, 4, vec![16]),
        ];
        decode(&tiff_of(&entries, jpeg), Format::Tiff, &limits())
    };
    page(&jpeg_of_scans(0xC0, 16, 0x11, all)).unwrap();
    let error = page(&jpeg_of_scans(0xC0, 64, 0x11, all)).unwrap_err();
    assert!(
        error.to_string().contains("larger than its strip"),
        "{error}"
    );
    let error = page(&jpeg_of_scans(0xC2, 16, 0x11, all)).unwrap_err();
    assert_eq!(error.name(), "Image.Unsupported");
}

#[test]
fn tiles_are_not_far_larger_than_the_picture() {
    let page = |side: u32| {
        let mut file = b"II*\0\x08\0\0\0\x09\0".to_vec();
        for (tag, value) in [
            (256u16, 10),
            (257, 10),
            (258, 8),
            (259, 1),
            (262, 1),
            (322, side),
            (323, side),
            (324, 8),
            (325, 8),
        ] {
            file.extend(tag.to_le_bytes());
            file.extend([4, 0, 1, 0, 0, 0]);
            file.extend(u32::to_le_bytes(value));
        }
        file.extend([0; 4]);
        decode(&file, Format::Tiff, &limits()).unwrap_err()
    };
    let error = page(10_000);
    assert!(error.to_string().contains("10000 × 10000"), "{error}");
    assert!(!page(512).to_string().contains("512"));
}

#[test]
fn what_jpeg_xl_draws_for_nothing_is_refused() {
    // 512 × 512 pixels. 65,000 splines of no length, and 65,536 patches of the whole picture.
    let splines = b"\xff\x0a\xf8\x9f\x01\xd8\x33\x08\x00\x40\x00\x0a\x81\x1f\x5e\x82\x0e\xe2\x04\x0c\x10\x27\x7a\x3f\x91\xcf\x07";
    let patches = b"\xff\x0a\xf8\x9f\x01\x08\x03\x04\x00\x0c\x00\x89\x7c\x3e\x58\x30\x08\x00\x40\x00\x1a\x42\x08\xff\x41\x48\x10\x2b\x41\xff\xfe\xff\xff\x13\xf9\x7c";
    // Frames of 8 × 8 pixels that are not shown; the last one is.
    let frames = |hidden: usize| {
        let hidden = b"\x08\x03\x00\x00\x0c\x00\x89\x7c\x3e".repeat(hidden);
        [
            b"\xff\x0a\x41\x06",
            &hidden[..],
            b"\x08\x83\x00\x00\x0c\x00\x89\x7c\x3e",
        ]
        .concat()
    };
    decode(&frames(9), Format::Jxl, &limits()).unwrap();
    for (bytes, what) in [
        (&splines[..], "splines"),
        (patches, "patches"),
        (&frames(20_000), "not shown"),
    ] {
        let error = decode(bytes, Format::Jxl, &limits()).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn a_profile_is_inflated_up_to_the_most_that_is_kept() {
    let with = |profile: &[u8]| {
        let data = [&b"name\0\0"[..], &stored(profile)].concat();
        let chunks = [
            png_header(1, 1, 8, 0, false),
            chunk(b"iCCP", &data),
            chunk(b"IDAT", &stored(&[0, 7])),
            chunk(b"IEND", &[]),
        ];
        decode(&chunks.concat(), Format::Png, &limits()).unwrap()
    };
    let mut profile = vec![0; 200];
    profile[16..20].copy_from_slice(b"GRAY");
    profile[36..40].copy_from_slice(b"acsp");
    assert_eq!(with(&profile).metadata.icc.as_deref(), Some(&profile[..]));
    profile.resize((8 << 20) + 2, 0);
    let decoded = with(&profile);
    assert_eq!(decoded.colour.name(), "profile-dropped");
    assert!(decoded.metadata.icc.is_none());
}

#[test]
fn a_colour_table_may_come_with_transparency() {
    let table: Vec<u32> = (0..768).map(|at| at % 256 * 257).collect();
    let file = tiff_of(
        &[
            (256, 4, vec![2]),
            (257, 4, vec![1]),
            (258, 3, vec![8, 8]),
            (259, 3, vec![1]),
            (262, 3, vec![3]),
            (277, 3, vec![2]),
            (278, 4, vec![1]),
            (320, 3, table),
            (338, 3, vec![2]),
        ],
        &[10, 255, 200, 0],
    );
    let decoded = decode(&file, Format::Tiff, &limits()).unwrap();
    assert_eq!(decoded.pixels.channels(), Channels::Rgba);
    assert_eq!(
        decoded.pixels.clone().into_eight().eight().unwrap(),
        [10, 10, 10, 255, 200, 200, 200, 0]
    );
}
