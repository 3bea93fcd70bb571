//! Against the general decoder and resizer, which were written by others.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::*;
use crate::encode::Chroma;
use crate::{
    Channels, Filter, Format, Limits, Metadata, Orientation, Pixels, decode_stored, resize,
};

/// Smooth shapes with some grain, as photographs have them.
fn scene(width: u32, height: u32) -> Vec<u8> {
    let mut grain = 1u32;
    (0..width * height)
        .flat_map(|at| {
            let (x, y) = ((at % width) as f32, (at / width) as f32);
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (grain >> 28) as f32;
            let wave = (x / 29.0).sin() * 60.0 + (y / 23.0).cos() * 50.0;
            [
                (120.0 + wave + noise) as u8,
                (110.0 - wave / 2.0 + x / 9.0 + noise) as u8,
                (90.0 + y / 5.0 + noise) as u8,
            ]
        })
        .collect()
}

pub(super) struct Made {
    pub(super) sampling: SamplingFactor,
    pub(super) grey: bool,
    pub(super) progressive: bool,
    pub(super) restart: u16,
}

pub(super) const PLAIN: Made = Made {
    sampling: SamplingFactor::R_4_2_0,
    grey: false,
    progressive: false,
    restart: 0,
};

pub(super) fn file(width: u16, height: u16, made: &Made) -> Vec<u8> {
    let samples = scene(u32::from(width), u32::from(height));
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 92);
    encoder.set_sampling_factor(made.sampling);
    encoder.set_progressive(made.progressive);
    if made.restart > 0 {
        encoder.set_restart_interval(made.restart);
    }
    if made.grey {
        let grey: Vec<u8> = samples.iter().step_by(3).copied().collect();
        encoder
            .encode(&grey, width, height, ColorType::Luma)
            .unwrap();
    } else {
        encoder
            .encode(&samples, width, height, ColorType::Rgb)
            .unwrap();
    }
    out
}

fn wanted(jpeg: &Jpeg<'_>, width: u32, height: u32, kernel: Kernel) -> Wanted {
    Wanted {
        area: jpeg.whole(),
        width,
        height,
        chroma: Chroma::Full,
        kernel,
    }
}

fn picture(file: &[u8], width: u32, height: u32, kernel: Kernel) -> Option<Pixels> {
    let jpeg = Jpeg::open(file, &Limits::default())?;
    let wanted = wanted(&jpeg, width, height, kernel);
    jpeg.pictures(&[wanted])?.pop()?.into_pixels()
}

fn general(file: &[u8]) -> Pixels {
    decode_stored(file, Format::Jpeg, &Limits::default())
        .unwrap()
        .pixels
}

/// The mean difference, and the largest.
fn difference(a: &Pixels, b: &Pixels) -> (f64, u8) {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let (a, b) = (a.eight().unwrap(), b.eight().unwrap());
    assert_eq!(a.len(), b.len());
    let apart = a.iter().zip(b).map(|(&a, &b)| a.abs_diff(b));
    (
        apart.clone().map(f64::from).sum::<f64>() / a.len() as f64,
        apart.max().unwrap(),
    )
}

#[test]
fn every_kind_decodes_as_the_general_decoder_does() {
    for (sampling, mean) in [
        (SamplingFactor::R_4_4_4, 0.4),
        // Colour is blown up by another kernel than the general decoder's.
        (SamplingFactor::R_4_2_2, 2.0),
        (SamplingFactor::R_4_2_0, 2.0),
        (SamplingFactor::R_4_4_0, 2.0),
    ] {
        for progressive in [false, true] {
            for restart in [0, 3] {
                let made = Made {
                    sampling,
                    grey: false,
                    progressive,
                    restart,
                };
                let file = file(101, 67, &made);
                let ours = picture(&file, 101, 67, Kernel::Lanczos3).unwrap();
                let (apart, most) = difference(&ours, &general(&file));
                assert!(
                    apart < mean && most < 64,
                    "{sampling:?} progressive {progressive} restart {restart}: {apart} {most}"
                );
            }
        }
    }
    let grey = Made {
        grey: true,
        ..PLAIN
    };
    let file = file(50, 41, &grey);
    let ours = picture(&file, 50, 41, Kernel::Lanczos3).unwrap();
    assert_eq!(ours.channels(), Channels::Grey);
    let (_, most) = difference(&ours, &general(&file));
    assert!(most <= 1, "{most}");
}

#[test]
fn resizing_planes_is_resizing_the_picture() {
    let file = file(
        203,
        151,
        &Made {
            sampling: SamplingFactor::R_4_4_4,
            ..PLAIN
        },
    );
    let whole = general(&file);
    for (width, height) in [(102, 76), (60, 31), (203, 40), (300, 200)] {
        let ours = picture(&file, width, height, Kernel::Lanczos3).unwrap();
        let theirs = resize(&whole, width, height, Filter::Lanczos3).unwrap();
        let (apart, most) = difference(&ours, &theirs);
        assert!(
            apart < 0.6 && most <= 5,
            "{width} × {height}: {apart} {most}"
        );
    }
}

#[test]
fn little_detail_gives_the_same_means() {
    for progressive in [false, true] {
        let made = Made {
            progressive,
            ..PLAIN
        };
        let file = file(640, 480, &made);
        let whole = general(&file);
        for (width, height, most_apart) in [(80, 60, 0.7), (40, 30, 0.7), (150, 112, 1.5)] {
            let ours = picture(&file, width, height, Kernel::Box).unwrap();
            let theirs = resize(&whole, width, height, Filter::Box).unwrap();
            let (apart, most) = difference(&ours, &theirs);
            assert!(
                apart < most_apart && most < 12,
                "{width} × {height} progressive {progressive}: {apart} {most}"
            );
        }
    }
}

#[test]
fn little_detail_of_a_file_that_is_refined_scan_by_scan_is_that_of_one_scan() {
    // The same coefficients in libjpeg's usual ten scans (`jpeg_encoder` writes none that refine) and in one.
    let refined = include_bytes!("../../tests/fixtures/progressive.jpg");
    let baseline = include_bytes!("../../tests/fixtures/quarter.jpg");
    for (width, height) in [(44, 33), (22, 16), (11, 8), (5, 4), (2, 2)] {
        let [ours, theirs] = [&refined[..], baseline].map(|file| {
            let picture = picture(file, width, height, Kernel::Box);
            picture.unwrap_or_else(|| panic!("{width} × {height} was left to the general decoder"))
        });
        let (_, most) = difference(&ours, &theirs);
        // libjpeg-turbo, which reads the baseline file then, rounds another way.
        let allowed = if cfg!(feature = "turbo") { 4 } else { 0 };
        assert!(most <= allowed, "{width} × {height}: {most}");
    }
}

#[test]
fn several_pictures_come_from_one_decode() {
    let file = file(320, 200, &PLAIN);
    let jpeg = Jpeg::open(&file, &Limits::default()).unwrap();
    let sizes = [(160, 100), (80, 50)];
    let all: Vec<Wanted> = sizes
        .iter()
        .map(|&(width, height)| wanted(&jpeg, width, height, Kernel::Lanczos3))
        .collect();
    let pictures = jpeg.pictures(&all).unwrap();
    for (picture, (width, height)) in pictures.into_iter().zip(sizes) {
        let alone = self::picture(&file, width, height, Kernel::Lanczos3).unwrap();
        assert_eq!(picture.into_pixels().unwrap(), alone);
    }
}

#[test]
fn colour_at_half_the_resolution_is_nearly_that_of_the_whole() {
    for (sampling, progressive) in [
        (SamplingFactor::R_4_4_4, false),
        (SamplingFactor::R_4_4_4, true),
        (SamplingFactor::R_4_2_2, true),
        (SamplingFactor::R_4_2_0, false),
    ] {
        let made = Made {
            sampling,
            progressive,
            ..PLAIN
        };
        let file = file(640, 400, &made);
        let jpeg = Jpeg::open(&file, &Limits::default()).unwrap();
        let small = Wanted {
            chroma: Chroma::Quarter,
            ..wanted(&jpeg, 160, 100, Kernel::Box)
        };
        let small = jpeg.pictures(&[small]).unwrap().remove(0);
        let whole = resize(&general(&file), 160, 100, Filter::Box).unwrap();
        let (mean, most) = difference(&small.into_pixels().unwrap(), &whole);
        assert!(mean < 1.0 && most < 10, "{mean} {most}");
    }
}

#[test]
fn what_is_written_is_read_again() {
    for (width, height) in [(1, 1), (7, 9), (16, 16), (101, 67)] {
        let samples = scene(width, height);
        let colour = Pixels::from_eight(width, height, Channels::Rgb, samples.clone()).unwrap();
        let grey: Vec<u8> = samples.iter().step_by(3).copied().collect();
        let grey = Pixels::from_eight(width, height, Channels::Grey, grey).unwrap();
        for chroma in [Chroma::Full, Chroma::Half, Chroma::Quarter] {
            for pixels in [&colour, &grey] {
                let planes = Planes::of(pixels, chroma).unwrap();
                for quality in [1, 50, 95, 100] {
                    let file = planes.jpeg(&Metadata::default(), quality).unwrap();
                    let back = general(&file);
                    let (apart, _) = difference(&back, pixels);
                    let most = match quality {
                        1 => 60.0,
                        50 => 8.0,
                        _ => 4.0,
                    };
                    assert!(
                        apart < most,
                        "{width} × {height} {chroma:?} quality {quality}: {apart}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_best_quality_loses_next_to_nothing() {
    let pixels = Pixels::from_eight(64, 48, Channels::Rgb, scene(64, 48)).unwrap();
    let file = Planes::of(&pixels, Chroma::Full)
        .unwrap()
        .jpeg(&Metadata::default(), 100)
        .unwrap();
    let (apart, most) = difference(&general(&file), &pixels);
    assert!(apart < 0.6 && most <= 3, "{apart} {most}");
}

#[test]
fn profiles_of_several_segments_and_exif_travel() {
    let pixels = Pixels::from_eight(9, 9, Channels::Rgb, scene(9, 9)).unwrap();
    let mut icc: Vec<u8> = (0..150_000u32).map(|at| (at % 251) as u8).collect();
    icc[16..20].copy_from_slice(b"RGB ");
    icc[36..40].copy_from_slice(b"acsp");
    let exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    let metadata = Metadata {
        icc: Some(icc),
        exif: Some(exif),
        ..Metadata::default()
    };
    let file = Planes::of(&pixels, Chroma::Quarter)
        .unwrap()
        .jpeg(&metadata, 80)
        .unwrap();
    let jpeg = Jpeg::open(&file, &Limits::default()).unwrap();
    assert_eq!(jpeg.metadata().icc, metadata.icc);
    assert_eq!(jpeg.orientation(), Orientation::Rotate90);
    let decoded = decode_stored(&file, Format::Jpeg, &Limits::default()).unwrap();
    assert_eq!(decoded.metadata.icc, metadata.icc);
    assert_eq!(decoded.metadata.exif, metadata.exif);
}

#[test]
fn pictures_stand_upright_with_their_colours_in_place() {
    // Colour has edges, so that a plane that lies half a sample off is seen.
    for (width, height) in [(45, 31), (44, 31), (45, 30)] {
        for chroma in [Chroma::Full, Chroma::Half, Chroma::Quarter] {
            for orientation in 1..=8 {
                stands_upright(width, height, chroma, orientation);
            }
        }
    }
}

fn oriented(orientation: u8) -> Metadata {
    let mut exif = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0".to_vec();
    exif[18] = orientation;
    Metadata {
        exif: Some(exif),
        ..Metadata::default()
    }
}

#[test]
fn colour_of_half_the_width_is_of_half_the_height_when_it_is_turned() {
    let pixels = Pixels::from_eight(8, 4, Channels::Rgb, vec![99; 96]).unwrap();
    for (orientation, stored) in [(1, Chroma::Half), (6, Chroma::Quarter)] {
        let file = Planes::of(&pixels, Chroma::Half)
            .unwrap()
            .jpeg(&oriented(orientation), 90)
            .unwrap();
        let jpeg = Jpeg::open(&file, &Limits::default()).unwrap();
        assert_eq!(jpeg.at_most(Chroma::Full), stored);
    }
}

fn stands_upright(width: u32, height: u32, chroma: Chroma, orientation: u8) {
    let samples: Vec<u8> = (0..width * height)
        .flat_map(|at| {
            if (at % width / 6 + at / width / 6).is_multiple_of(2) {
                [200, 60, 40]
            } else {
                [40, 70, 190]
            }
        })
        .collect();
    let pixels = Pixels::from_eight(width, height, Channels::Rgb, samples).unwrap();
    let file = Planes::of(&pixels, Chroma::Full)
        .unwrap()
        .jpeg(&oriented(orientation), 100)
        .unwrap();
    let upright = Orientation::from_exif(u16::from(orientation)).apply(general(&file));
    let jpeg = Jpeg::open(&file, &Limits::default()).unwrap();
    let same = Wanted {
        chroma,
        kernel: Kernel::Box,
        ..wanted(&jpeg, width, height, Kernel::Box)
    };
    let planes = jpeg.pictures(&[same]).unwrap().pop().unwrap();
    // As if the upright pixels had been written.
    let expected = Planes::of(&upright, chroma).unwrap();
    assert_eq!(
        (planes.width(), planes.height()),
        (expected.width(), expected.height())
    );
    for (plane, (ours, theirs)) in planes.samples.iter().zip(&expected.samples).enumerate() {
        let most = ours.iter().zip(theirs).map(|(&a, &b)| a.abs_diff(b)).max();
        assert_eq!(ours.len(), theirs.len());
        assert!(
            most.unwrap() <= 3,
            "{width} × {height}, {chroma:?}, orientation {orientation}, plane {plane}: {most:?}"
        );
    }
}

#[test]
fn what_is_cut_short_is_left_to_the_general_decoder() {
    for progressive in [false, true] {
        let made = Made {
            progressive,
            ..PLAIN
        };
        let file = file(120, 90, &made);
        for part in 1..20 {
            let cut = &file[..file.len() * part / 20];
            assert!(
                picture(cut, 60, 45, Kernel::Lanczos3).is_none(),
                "{part}/20, progressive {progressive}"
            );
        }
    }
}

#[test]
fn too_many_pixels_are_left_to_the_general_decoder() {
    let file = file(120, 90, &PLAIN);
    let limits = Limits {
        max_pixels: 100,
        ..Limits::default()
    };
    assert!(Jpeg::open(&file, &limits).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn damage_never_panics(
        progressive: bool,
        damage in proptest::collection::vec((0.0..1.0f64, any::<u8>()), 1..12),
    ) {
        let mut file = file(70, 50, &Made { progressive, restart: 5, ..PLAIN });
        for (place, value) in damage {
            let at = (place * file.len() as f64) as usize;
            file[at] = value;
        }
        // Without the guard around `pictures`, which would hide a panic.
        if let Some(mut jpeg) = Jpeg::open(&file, &Limits { max_pixels: 1_000_000, ..Limits::default() }) {
            let wanted = [
                wanted(&jpeg, 35, 25, Kernel::Lanczos3),
                wanted(&jpeg, 9, 7, Kernel::Box),
            ];
            let _ = jpeg.make(&wanted);
        }
    }
}
