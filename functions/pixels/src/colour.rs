//! Colour: which ICC profile travels with which pixels, and conversion to sRGB.
//!
//! An embedded profile is kept, byte for byte, when its colour space is that of the pixels (grey or
//! RGB); so wide-gamut pictures stay wide. CMYK cannot travel in most outputs and becomes sRGB:
//! through its own profile (perceptual intent) when it has a usable one, else by
//!
//! ```text
//! R = (1 − C) × (1 − K)      G = (1 − M) × (1 − K)      B = (1 − Y) × (1 − K)
//! ```
//!
//! with ink from 0 (none) to 1 (full), which is what image software without a profile shows.

use moxcms::{ColorProfile, DataColorSpace, Layout, RenderingIntent, TransformOptions};

use crate::error::guarded;
use crate::{Channels, Format, PixelError, Pixels, Samples};

/// A profile above this size is dropped: the largest press profiles are about 3 MB.
pub const MAX_ICC_BYTES: usize = 8 << 20;

/// Pixels converted at once, so that no second picture is held.
const BATCH: usize = 4096;

/// What happened to the colours of an image when it was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// No profile: the pixels are taken as sRGB.
    AssumedSrgb,
    /// The embedded profile stays with the pixels.
    ProfileKept,
    /// The embedded profile does not fit the pixels, or is broken, and was dropped.
    ProfileDropped,
    /// CMYK, converted to sRGB through its embedded profile.
    CmykByProfile,
    /// CMYK without a usable profile, converted by formula.
    CmykByFormula,
    /// High dynamic range, mapped to what sRGB can show.
    ToneMapped,
}

impl Colour {
    /// The name in results: `srgb`, `profile-kept`, `profile-dropped`, `cmyk-by-profile`,
    /// `cmyk-by-formula`, `tone-mapped`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AssumedSrgb => "srgb",
            Self::ProfileKept => "profile-kept",
            Self::ProfileDropped => "profile-dropped",
            Self::CmykByProfile => "cmyk-by-profile",
            Self::CmykByFormula => "cmyk-by-formula",
            Self::ToneMapped => "tone-mapped",
        }
    }
}

/// The colour space that an ICC profile's header states, when the header is one.
fn space_of(icc: &[u8]) -> Option<[u8; 4]> {
    let signature = icc.get(36..40)?;
    (icc.len() >= 132 && icc.len() <= MAX_ICC_BYTES && signature == b"acsp")
        .then(|| icc.get(16..20)?.try_into().ok())
        .flatten()
}

/// Keeps a profile that fits pixels of these channels.
pub(crate) fn keep(icc: Option<Vec<u8>>, channels: Channels) -> (Option<Vec<u8>>, Colour) {
    let Some(icc) = icc else {
        return (None, Colour::AssumedSrgb);
    };
    let expected = if channels.is_grey() { b"GRAY" } else { b"RGB " };
    if space_of(&icc).as_ref() == Some(expected) {
        (Some(icc), Colour::ProfileKept)
    } else {
        (None, Colour::ProfileDropped)
    }
}

/// Tags of an ICC profile that a conversion reads (ICC.1:2022, section 9.2): texts, of which the parser would copy
/// each as often as it is named, are none of them.
const CONVERSIONS: [&[u8; 4]; 20] = [
    b"A2B0", b"A2B1", b"A2B2", b"A2B3", b"B2A0", b"B2A1", b"B2A2", b"B2A3", b"bTRC", b"bXYZ",
    b"chad", b"cicp", b"gTRC", b"gXYZ", b"kTRC", b"lumi", b"rTRC", b"rXYZ", b"wtpt", b"bkpt",
];
/// Where the table of tags is: their number, and of each its name, its place and its length.
const TAGS: usize = 128;
const A_TAG: usize = 12;

/// Reads what a conversion needs of a profile, each tag once.
fn read_profile(icc: &[u8]) -> Option<ColorProfile> {
    let mut wanted = icc.to_vec();
    let (count, table) = wanted.get_mut(TAGS..)?.split_first_chunk_mut::<4>()?;
    let declared = u32::from_be_bytes(*count) as usize;
    let mut kept: Vec<[u8; A_TAG]> = Vec::new();
    for tag in table.chunks_exact(A_TAG).take(declared) {
        let tag: [u8; A_TAG] = tag.try_into().ok()?;
        let is_wanted = CONVERSIONS.iter().any(|name| tag.starts_with(*name));
        if is_wanted && !kept.iter().any(|known| known[..4] == tag[..4]) {
            kept.push(tag);
        }
    }
    *count = (kept.len() as u32).to_be_bytes();
    for (place, tag) in table.chunks_exact_mut(A_TAG).zip(&kept) {
        place.copy_from_slice(tag);
    }
    ColorProfile::new_from_slice(&wanted).ok()
}

fn cmyk_profile(icc: Option<&[u8]>) -> Option<ColorProfile> {
    let icc = icc.filter(|icc| space_of(icc).as_ref() == Some(b"CMYK"))?;
    let profile = read_profile(icc)?;
    (profile.color_space == DataColorSpace::Cmyk).then_some(profile)
}

fn options() -> TransformOptions {
    TransformOptions {
        rendering_intent: RenderingIntent::Perceptual,
        ..TransformOptions::default()
    }
}

/// Ink, 0 (none) to 255 (full), as sRGB, in the same buffer.
pub(crate) fn cmyk8_to_rgb(mut ink: Vec<u8>, icc: Option<&[u8]>) -> (Vec<u8>, Colour) {
    let transform = cmyk_profile(icc).and_then(|profile| {
        profile
            .create_transform_8bit(
                Layout::Rgba,
                &ColorProfile::new_srgb(),
                Layout::Rgb,
                options(),
            )
            .ok()
    });
    let mut rgb = [0u8; BATCH * 3];
    let mut cmyk = [0u8; BATCH * 4];
    let mut colour = Colour::CmykByFormula;
    let total = ink.len() / 4;
    for start in (0..total).step_by(BATCH) {
        let count = BATCH.min(total - start);
        let (source, target) = (&mut cmyk[..count * 4], &mut rgb[..count * 3]);
        source.copy_from_slice(&ink[start * 4..][..count * 4]);
        let converted = transform
            .as_ref()
            .is_some_and(|transform| transform.transform(source, target).is_ok());
        if converted {
            colour = Colour::CmykByProfile;
        } else {
            for (cmyk, rgb) in source.chunks_exact(4).zip(target.chunks_exact_mut(3)) {
                let light = 255 - u32::from(cmyk[3]);
                for (ink, out) in cmyk.iter().zip(rgb) {
                    *out = (((255 - u32::from(*ink)) * light + 127) / 255) as u8;
                }
            }
        }
        // Three bytes are written for every four read: never ahead of what is still to be read.
        ink[start * 3..][..count * 3].copy_from_slice(target);
    }
    ink.truncate(total * 3);
    (ink, colour)
}

/// Ink, 0 (none) to 65,535 (full), as sRGB.
pub(crate) fn cmyk16_to_rgb(ink: &[u16], icc: Option<&[u8]>) -> (Vec<u16>, Colour) {
    let transform = cmyk_profile(icc).and_then(|profile| {
        profile
            .create_transform_16bit(
                Layout::Rgba,
                &ColorProfile::new_srgb(),
                Layout::Rgb,
                options(),
            )
            .ok()
    });
    let mut rgb = vec![0u16; ink.len() / 4 * 3];
    if let Some(transform) = transform
        && transform.transform(ink, &mut rgb).is_ok()
    {
        return (rgb, Colour::CmykByProfile);
    }
    for (cmyk, rgb) in ink.chunks_exact(4).zip(rgb.chunks_exact_mut(3)) {
        let light = 65_535 - u64::from(cmyk[3]);
        for (ink, out) in cmyk.iter().zip(rgb) {
            *out = (((65_535 - u64::from(*ink)) * light + 32_767) / 65_535) as u16;
        }
    }
    (rgb, Colour::CmykByFormula)
}

/// Pixels with an embedded profile as sRGB, 8 bits a sample. Without a profile, or with one that
/// cannot be read, the values are taken as they are.
pub fn to_srgb8(pixels: Pixels, icc: Option<&[u8]>, format: Format) -> Result<Pixels, PixelError> {
    let pixels = pixels.into_eight();
    let Some(icc) = icc else { return Ok(pixels) };
    guarded(format, "ICC profile", || {
        let layout = match pixels.channels() {
            Channels::Grey => Layout::Gray,
            Channels::GreyAlpha => Layout::GrayAlpha,
            Channels::Rgb => Layout::Rgb,
            Channels::Rgba => Layout::Rgba,
        };
        let (target_layout, channels) = if pixels.channels().has_alpha() {
            (Layout::Rgba, Channels::Rgba)
        } else {
            (Layout::Rgb, Channels::Rgb)
        };
        let transform = read_profile(icc).and_then(|profile| {
            let target = ColorProfile::new_srgb();
            profile
                .create_transform_8bit(layout, &target, target_layout, options())
                .ok()
        });
        let Some(transform) = transform else {
            return Ok(pixels);
        };
        let Samples::Eight(source) = pixels.samples() else {
            return Ok(pixels);
        };
        let mut out =
            vec![0u8; pixels.width() as usize * pixels.height() as usize * channels.count()];
        if transform.transform(source, &mut out).is_err() {
            return Ok(pixels);
        }
        Ok(Pixels::from_eight(pixels.width(), pixels.height(), channels, out).unwrap_or(pixels))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ink_becomes_light_by_the_formula() {
        // Invariant 4: no ink is white, full black is black, pure inks are their complements.
        let ink = vec![
            0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 255, 0, 0, 0, 0, 255, 0, 51, 0, 0, 51,
        ];
        let (rgb, colour) = cmyk8_to_rgb(ink, None);
        assert_eq!(colour, Colour::CmykByFormula);
        assert_eq!(
            rgb,
            [
                255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 0, 255, 255, 255, 0, 163, 204, 204
            ]
        );
        let (deep, _) = cmyk16_to_rgb(&[0, 65_535, 0, 0], None);
        assert_eq!(deep, [65_535, 0, 65_535]);
    }

    #[test]
    fn more_pixels_than_one_batch_convert_in_place() {
        let ink: Vec<u8> = (0..(BATCH + 7) * 4).map(|at| (at % 251) as u8).collect();
        let whole = cmyk8_to_rgb(ink.clone(), None).0;
        let (tail, _) = cmyk8_to_rgb(ink[BATCH * 4..].to_vec(), None);
        assert_eq!(whole.len(), (BATCH + 7) * 3);
        assert_eq!(&whole[BATCH * 3..], &tail[..]);
    }

    #[test]
    fn a_profile_stays_only_with_pixels_of_its_space() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        assert_eq!(
            keep(Some(p3.clone()), Channels::Rgba),
            (Some(p3.clone()), Colour::ProfileKept)
        );
        assert_eq!(
            keep(Some(p3), Channels::Grey),
            (None, Colour::ProfileDropped)
        );
        assert_eq!(
            keep(Some(vec![0; 400]), Channels::Rgb),
            (None, Colour::ProfileDropped)
        );
        assert_eq!(keep(None, Channels::Rgb), (None, Colour::AssumedSrgb));
    }

    #[test]
    fn wide_gamut_converts_to_srgb() {
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let pixels = Pixels::from_eight(1, 1, Channels::Rgb, vec![200, 100, 100]).unwrap();
        let out = to_srgb8(pixels, Some(&p3), Format::Png).unwrap();
        let out = out.eight().unwrap();
        // The same colour needs a stronger red in the smaller gamut.
        assert!(out[0] > 205 && out[1] < 100, "{out:?}");
    }

    #[test]
    fn each_tag_of_a_profile_is_read_once_and_texts_are_not() {
        // Found by a review: 100,000 copyrights on one text of 2 MB, deflated to 5 KB, took minutes.
        let p3 = ColorProfile::new_display_p3().encode().unwrap();
        let (head, rest) = p3.split_at(TAGS);
        let (count, rest) = rest.split_first_chunk::<4>().unwrap();
        let count = u32::from_be_bytes(*count);
        let (table, data) = rest.split_at(count as usize * A_TAG);
        let texts = 1_000usize;
        let shift = texts * A_TAG;
        let moved = table.chunks_exact(A_TAG).flat_map(|tag| {
            let place = u32::from_be_bytes(tag[4..8].try_into().unwrap()) + shift as u32;
            [&tag[..4], &place.to_be_bytes(), &tag[8..]].concat()
        });
        let text = (p3.len() + shift) as u32;
        let words = [&b"text\0\0\0\0"[..], &vec![b'a'; 1 << 20]].concat();
        let mut profile = head.to_vec();
        profile.extend((count + texts as u32).to_be_bytes());
        profile.extend(moved);
        for _ in 0..texts {
            profile.extend(b"cprt");
            profile.extend(text.to_be_bytes());
            profile.extend((words.len() as u32).to_be_bytes());
        }
        profile.extend(data);
        profile.extend(words);
        let read = read_profile(&profile).unwrap();
        assert!(read.copyright.is_none());
        let whole = ColorProfile::new_from_slice(&p3).unwrap();
        assert_eq!(read.red_colorant, whole.red_colorant);
        assert_eq!(read.white_point, whole.white_point);
    }
}
