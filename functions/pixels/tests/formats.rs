//! Every format and its awkward variants, against pictures made here.

#![allow(clippy::unwrap_used)]

mod support;

use safelight_pixels::colour::Colour;
use safelight_pixels::encode::{self, AnimationEncoder, Chroma, JpegOptions, WebpCoding};
use safelight_pixels::{
    Channels, ColourModel, Format, Limits, Metadata, Orientation, Pixels, Samples, decode,
    decode_stored, for_each_frame,
};
use support::{chunk, deep_scene, difference, exif, png_of, scene, tiff_of};

const ALL: [Channels; 4] = [
    Channels::Grey,
    Channels::GreyAlpha,
    Channels::Rgb,
    Channels::Rgba,
];

fn limits() -> Limits {
    Limits::default()
}

fn with_exif(orientation: u16) -> Metadata {
    Metadata {
        exif: Some(exif(orientation)),
        ..Metadata::default()
    }
}

#[test]
fn jpeg_grey_and_colour_come_back() {
    for channels in [Channels::Grey, Channels::Rgb] {
        for progressive in [false, true] {
            for chroma in [Chroma::Full, Chroma::Quarter] {
                let picture = scene(67, 45, channels);
                let file = encode::jpeg(
                    &picture,
                    &Metadata::default(),
                    JpegOptions {
                        quality: 92,
                        progressive,
                        chroma,
                    },
                )
                .unwrap();
                let back = decode(&file, Format::Jpeg, &limits()).unwrap();
                assert!(difference(&picture, &back.pixels) < 3.0);
                assert!(back.source.lossy);
            }
        }
    }
}

#[test]
fn a_scan_for_each_component_is_read() {
    for sampling in [
        jpeg_encoder::SamplingFactor::R_4_4_4,
        jpeg_encoder::SamplingFactor::R_4_2_2,
        jpeg_encoder::SamplingFactor::R_4_2_0,
    ] {
        let picture = scene(67, 45, Channels::Rgb);
        let mut file = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut file, 92);
        encoder.set_sampling_factor(sampling);
        encoder.set_optimized_huffman_tables(true);
        encoder
            .encode(
                picture.eight().unwrap(),
                67,
                45,
                jpeg_encoder::ColorType::Rgb,
            )
            .unwrap();
        let back = decode(&file, Format::Jpeg, &limits()).unwrap();
        assert!(difference(&picture, &back.pixels) < 3.0, "{sampling:?}");
    }
}

#[test]
fn all_eight_orientations_are_applied_in_each_format_that_has_them() {
    // Blocks of sixteen pixels, so that lossy coding keeps the corners.
    let upright = {
        let mut samples = Vec::new();
        for y in 0..32 {
            for x in 0..48 {
                samples.extend(match (x / 16, y / 16) {
                    (0, 0) => [250, 10, 10],
                    (2, 0) => [10, 250, 10],
                    (0, 1) => [10, 10, 250],
                    (2, 1) => [250, 250, 10],
                    _ => [128, 128, 128],
                });
            }
        }
        Pixels::from_eight(48, 32, Channels::Rgb, samples).unwrap()
    };
    for value in 1..=8u16 {
        // What a camera stores is the inverse of what the value asks for: a quarter turn's inverse
        // is the other quarter turn, and all others are their own.
        let inverse = match value {
            6 => 8,
            8 => 6,
            other => other,
        };
        let stored = Orientation::from_exif(inverse).apply(upright.clone());
        let files = [
            (
                Format::Jpeg,
                encode::jpeg(&stored, &with_exif(value), JpegOptions::of_quality(95)).unwrap(),
            ),
            (
                Format::Png,
                encode::png(&stored, &with_exif(value)).unwrap(),
            ),
            (
                Format::Webp,
                encode::webp(&stored, &with_exif(value), WebpCoding::Lossless).unwrap(),
            ),
            (Format::Tiff, tiff_with_orientation(&stored, value)),
        ];
        for (format, file) in files {
            let raw = decode_stored(&file, format, &limits()).unwrap();
            assert_eq!(u16::from(raw.orientation.exif()), value, "{format}");
            let back = decode(&file, format, &limits()).unwrap();
            assert_eq!(back.orientation, Orientation::Normal);
            assert!(difference(&upright, &back.pixels) < 2.0, "{format} {value}");
            if let Some(block) = back.metadata.exif {
                // The kept block must not turn the picture a second time.
                let again = encode::png(
                    &back.pixels,
                    &Metadata {
                        exif: Some(block),
                        ..Metadata::default()
                    },
                )
                .unwrap();
                let again = decode_stored(&again, Format::Png, &limits()).unwrap();
                assert_eq!(again.orientation, Orientation::Normal, "{format} {value}");
            }
        }
    }
}

fn tiff_with_orientation(pixels: &Pixels, value: u16) -> Vec<u8> {
    tiff_of(
        &[
            (256, 4, vec![pixels.width()]),
            (257, 4, vec![pixels.height()]),
            (258, 3, vec![8, 8, 8]),
            (259, 3, vec![1]),
            (262, 3, vec![2]),
            (274, 3, vec![u32::from(value)]),
            (277, 3, vec![3]),
            (278, 4, vec![pixels.height()]),
        ],
        pixels.eight().unwrap(),
    )
}

#[test]
fn cmyk_and_ycck_jpegs_have_the_right_colours() {
    // Patches of 16 × 16: no ink, cyan, magenta, yellow, black.
    let inks = [
        [0u8, 0, 0, 0],
        [255, 0, 0, 0],
        [0, 255, 0, 0],
        [0, 0, 255, 0],
        [0, 0, 0, 255],
    ];
    let expected = [
        [255u8, 255, 255],
        [0, 255, 255],
        [255, 0, 255],
        [255, 255, 0],
        [0, 0, 0],
    ];
    let mut samples = Vec::new();
    for _ in 0..16 {
        for ink in inks {
            for _ in 0..16 {
                // jpeg-encoder inverts and writes the Adobe marker, as Photoshop does.
                samples.extend(ink);
            }
        }
    }
    for (kind, model) in [
        (jpeg_encoder::ColorType::Cmyk, ColourModel::Cmyk),
        (jpeg_encoder::ColorType::CmykAsYcck, ColourModel::Ycck),
    ] {
        let mut file = Vec::new();
        jpeg_encoder::Encoder::new(&mut file, 100)
            .encode(&samples, 80, 16, kind)
            .unwrap();
        let back = decode(&file, Format::Jpeg, &limits()).unwrap();
        assert_eq!(back.source.colour_model, model);
        assert_eq!(back.colour, Colour::CmykByFormula);
        assert_eq!(back.pixels.channels(), Channels::Rgb);
        let row = &back.pixels.eight().unwrap()[80 * 3 * 8..80 * 3 * 9];
        for (patch, expected) in expected.iter().enumerate() {
            let pixel = &row[(patch * 16 + 8) * 3..][..3];
            for (got, want) in pixel.iter().zip(expected) {
                assert!(
                    got.abs_diff(*want) <= 6,
                    "{model:?} patch {patch}: {pixel:?}"
                );
            }
        }
    }
}

#[test]
fn png_keeps_every_kind_of_pixel() {
    for channels in ALL {
        for picture in [scene(19, 13, channels), deep_scene(19, 13, channels)] {
            let file = encode::png(&picture, &Metadata::default()).unwrap();
            let back = decode(&file, Format::Png, &limits()).unwrap();
            assert_eq!(back.pixels, picture);
        }
    }
}

#[test]
fn png_of_few_bits_palette_and_interlaced_expand() {
    for interlaced in [false, true] {
        for depth in [1u8, 2, 4, 8] {
            let top = (1u32 << depth) - 1;
            let value = |x: u32, y: u32| (x * 3 + y * 5) % (top + 1);
            let grey = png_of((21, 17), depth, 0, interlaced, &[], value);
            let back = decode(&grey, Format::Png, &limits()).unwrap();
            let expected: Vec<u8> = (0..17)
                .flat_map(|y| (0..21).map(move |x| (value(x, y) * 255 / top) as u8))
                .collect();
            assert_eq!(
                back.pixels.eight().unwrap(),
                expected,
                "{depth} {interlaced}"
            );
            assert_eq!(back.source.bit_depth, depth);

            let colours: Vec<u8> = (0..=top)
                .flat_map(|at| [(at * 7) as u8, (255 - at) as u8, (at / 2) as u8])
                .collect();
            let extra = [chunk(b"PLTE", &colours), chunk(b"tRNS", &[9])];
            let palette = png_of((21, 17), depth, 3, interlaced, &extra, value);
            let back = decode(&palette, Format::Png, &limits()).unwrap();
            assert_eq!(back.source.colour_model, ColourModel::Palette);
            assert_eq!(back.pixels.channels(), Channels::Rgba);
            let expected: Vec<u8> = (0..17)
                .flat_map(|y| (0..21).map(move |x| value(x, y)))
                .flat_map(|at| {
                    let alpha = if at == 0 { 9 } else { 255 };
                    [(at * 7) as u8, (255 - at) as u8, (at / 2) as u8, alpha]
                })
                .collect();
            assert_eq!(
                back.pixels.eight().unwrap(),
                expected,
                "{depth} {interlaced}"
            );
        }
        let deep = png_of((9, 9), 16, 0, interlaced, &[], |x, y| x * 7000 + y);
        let back = decode(&deep, Format::Png, &limits()).unwrap();
        assert_eq!(back.pixels.bit_depth(), 16);
        let Samples::Sixteen(samples) = back.pixels.samples() else {
            panic!("not 16 bits")
        };
        assert_eq!(samples[9 * 8 + 8], 8 * 7000 + 8);
    }
}

#[test]
fn profiles_travel_and_fit_their_pixels() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let metadata = Metadata {
        icc: Some(p3.clone()),
        ..Metadata::default()
    };
    let picture = scene(24, 24, Channels::Rgb);
    let files = [
        (
            Format::Jpeg,
            encode::jpeg(&picture, &metadata, JpegOptions::of_quality(90)).unwrap(),
        ),
        (Format::Png, encode::png(&picture, &metadata).unwrap()),
        (
            Format::Webp,
            encode::webp(&picture, &metadata, WebpCoding::Lossy(90)).unwrap(),
        ),
        (Format::Tiff, encode::tiff(&picture, &metadata).unwrap()),
    ];
    for (format, file) in files {
        let back = decode(&file, format, &limits()).unwrap();
        assert_eq!(back.colour, Colour::ProfileKept, "{format}");
        assert_eq!(back.metadata.icc.as_ref(), Some(&p3), "{format}");
    }
    let grey = scene(24, 24, Channels::Grey);
    let file = encode::jpeg(&grey, &metadata, JpegOptions::of_quality(90)).unwrap();
    let back = decode(&file, Format::Jpeg, &limits()).unwrap();
    assert_eq!(back.colour, Colour::ProfileDropped);
}

#[test]
fn png_gamma_stays_with_png() {
    let gamma = chunk(b"gAMA", &100_000u32.to_be_bytes());
    let file = png_of((4, 4), 8, 0, false, &[gamma], |x, _| x * 60);
    let back = decode(&file, Format::Png, &limits()).unwrap();
    let again = encode::png(&back.pixels, &back.metadata).unwrap();
    let again = decode(&again, Format::Png, &limits()).unwrap();
    assert_eq!(
        again.metadata.png_colour,
        [(*b"gAMA", 100_000u32.to_be_bytes().to_vec())]
    );
}

#[test]
fn webp_bmp_and_tiff_come_back() {
    for channels in ALL {
        let picture = scene(31, 22, channels);
        let colour = picture.clone().into_colour();
        let file = encode::webp(&picture, &Metadata::default(), WebpCoding::Lossless).unwrap();
        let back = decode(&file, Format::Webp, &limits()).unwrap();
        assert_eq!(back.pixels, colour, "webp {channels:?}");
        assert!(!back.source.lossy);

        let file = encode::webp(&picture, &Metadata::default(), WebpCoding::Lossy(95)).unwrap();
        let back = decode(&file, Format::Webp, &limits()).unwrap();
        assert!(back.source.lossy);
        // Colours under full transparency are not kept by a lossy coding.
        let (a, b) = (
            colour.clone().flattened(1.0),
            back.pixels.clone().flattened(1.0),
        );
        assert!(difference(&a, &b) < 5.0, "webp {channels:?}");

        let file = encode::bmp(&picture).unwrap();
        let back = decode(&file, Format::Bmp, &limits()).unwrap();
        assert_eq!(back.pixels, colour, "bmp {channels:?}");

        for picture in [picture, deep_scene(31, 22, channels)] {
            let file = encode::tiff(&picture, &Metadata::default()).unwrap();
            let back = decode(&file, Format::Tiff, &limits()).unwrap();
            let expected = if channels == Channels::GreyAlpha {
                picture.into_colour()
            } else {
                picture
            };
            assert_eq!(back.pixels, expected, "tiff {channels:?}");
        }
    }
}

#[test]
fn tiff_palette_bilevel_cmyk_planar_and_premultiplied() {
    let base = |bits: Vec<u32>, photometric: u32, samples: u32| {
        vec![
            (256, 4, vec![4]),
            (257, 4, vec![2]),
            (258, 3, bits),
            (259, 3, vec![1]),
            (262, 3, vec![photometric]),
            (277, 3, vec![samples]),
            (278, 4, vec![2]),
        ]
    };
    let table: Vec<u32> = (0..3)
        .flat_map(|channel| (0..16).map(move |at| (at * 16 + channel) * 257))
        .collect();
    let mut entries = base(vec![4], 3, 1);
    entries.push((320, 3, table));
    let back = decode(
        &tiff_of(&entries, &[0x01, 0x23, 0xF0, 0x00]),
        Format::Tiff,
        &limits(),
    )
    .unwrap();
    assert_eq!(back.source.colour_model, ColourModel::Palette);
    let samples = back.pixels.eight().unwrap();
    assert_eq!(samples[3..6], [16, 17, 18]);
    assert_eq!(samples[12..15], [240, 241, 242]);

    // White is zero; rows begin on a byte.
    let back = decode(
        &tiff_of(&base(vec![1], 0, 1), &[0b0101_0000, 0b1111_0000]),
        Format::Tiff,
        &limits(),
    )
    .unwrap();
    assert_eq!(back.pixels.eight().unwrap(), [255, 0, 255, 0, 0, 0, 0, 0]);

    let ink: Vec<u8> = [255, 0, 0, 0, 0, 0, 0, 255].repeat(4);
    let back = decode(
        &tiff_of(&base(vec![8; 4], 5, 4), &ink),
        Format::Tiff,
        &limits(),
    )
    .unwrap();
    assert_eq!(back.colour, Colour::CmykByFormula);
    assert_eq!(back.pixels.eight().unwrap()[..6], [0, 255, 255, 0, 0, 0]);

    let mut entries = base(vec![8; 4], 2, 4);
    entries.push((338, 3, vec![1]));
    let back = decode(
        &tiff_of(&entries, &[100, 50, 0, 128].repeat(8)),
        Format::Tiff,
        &limits(),
    )
    .unwrap();
    assert_eq!(back.pixels.channels(), Channels::Rgba);
    assert_eq!(back.pixels.eight().unwrap()[..4], [199, 100, 0, 128]);
}

/// An icon of pictures that are PNGs: sides, bits a pixel, file.
fn icon(pictures: &[(u8, u16, Vec<u8>)]) -> Vec<u8> {
    let mut file = vec![0, 0, 1, 0, pictures.len() as u8, 0];
    let mut start = 6 + 16 * pictures.len() as u32;
    for (side, bits, png) in pictures {
        file.extend_from_slice(&[*side, *side, 0, 0, 1, 0]);
        file.extend_from_slice(&bits.to_le_bytes());
        file.extend_from_slice(&(png.len() as u32).to_le_bytes());
        file.extend_from_slice(&start.to_le_bytes());
        start += png.len() as u32;
    }
    for (.., png) in pictures {
        file.extend_from_slice(png);
    }
    file
}

#[test]
fn ico_holds_its_largest_picture_with_alpha_or_without() {
    for channels in [Channels::Rgba, Channels::Rgb, Channels::Grey] {
        let png = |side| {
            let picture = scene(side, side, channels);
            let png = encode::png(&picture, &Metadata::default()).unwrap();
            (picture, png)
        };
        let ((large, png), (_, small)) = (png(16), png(8));
        let file = icon(&[
            (8, 32, small.clone()),
            (16, 32, png.clone()),
            (8, 32, small),
        ]);
        let back = decode(&file, Format::Ico, &limits()).unwrap();
        assert_eq!(back.pixels, large, "{channels:?}");
        assert_eq!((back.source.format, back.source.frames), (Format::Ico, 3));
        // What it says of the picture has to be so, and every cut ends by name.
        let error = decode(&icon(&[(15, 32, png)]), Format::Ico, &limits()).unwrap_err();
        assert!(error.to_string().contains("sides"), "{error}");
        for length in 0..file.len() {
            let _ = decode(&file[..length], Format::Ico, &limits());
        }
    }
}

/// Three frames with a square that moves over a background that may be transparent.
fn moving(transparent: bool) -> Vec<Pixels> {
    (0..3u32)
        .map(|step| {
            let samples = (0..20)
                .flat_map(|y| (0..30).map(move |x| (x, y)))
                .flat_map(|(x, y)| {
                    if (step * 8..step * 8 + 8).contains(&x) && (4..12).contains(&y) {
                        [255, 255, 0, 255]
                    } else if transparent {
                        [0, 0, 0, 0]
                    } else {
                        [0, 0, 255, 255]
                    }
                })
                .collect();
            Pixels::from_eight(30, 20, Channels::Rgba, samples).unwrap()
        })
        .collect()
}

#[test]
fn animations_come_back_frame_by_frame() {
    for transparent in [false, true] {
        let frames = moving(transparent);
        for plays in [0, 1, 5] {
            for format in [Format::Gif, Format::Webp, Format::Png] {
                let mut encoder = match format {
                    Format::Gif => AnimationEncoder::gif(30, 20, plays).unwrap(),
                    Format::Webp => AnimationEncoder::webp(
                        30,
                        20,
                        plays,
                        WebpCoding::Lossless,
                        Metadata::default(),
                    ),
                    _ => AnimationEncoder::png(30, 20, plays, 3, &Metadata::default()).unwrap(),
                };
                for (at, frame) in frames.iter().enumerate() {
                    encoder.push(frame.clone(), 50 + at as u32 * 10).unwrap();
                }
                let file = encoder.finish().unwrap();
                let mut seen = Vec::new();
                let animation = for_each_frame(&file, format, &limits(), &mut |_, frame| {
                    seen.push((frame.pixels.clone().into_rgba8(), frame.delay_ms));
                    Ok(())
                })
                .unwrap();
                let case = format!("{format} transparent={transparent} plays={plays}");
                assert_eq!(animation.plays, plays, "{case}");
                assert_eq!(animation.source.frames, 3, "{case}");
                assert!(animation.source.animated, "{case}");
                for (at, (pixels, delay)) in seen.iter().enumerate() {
                    assert_eq!(*delay, 50 + at as u32 * 10, "{case}");
                    assert_eq!(pixels, &frames[at], "{case} frame {at}");
                }
                let first = decode(&file, format, &limits()).unwrap();
                assert_eq!(first.pixels.clone().into_rgba8(), frames[0], "{case}");
                assert_eq!(first.source.frames, 3, "{case}");

                let few = Limits {
                    max_frames: 2,
                    ..limits()
                };
                let error = for_each_frame(&file, format, &few, &mut |_, _| Ok(())).unwrap_err();
                assert_eq!(error.name(), "Image.TooManyFrames", "{case}");
            }
        }
    }
}
