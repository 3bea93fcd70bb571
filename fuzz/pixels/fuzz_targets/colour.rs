//! ICC profiles: the first byte chooses what the pixels are that one is embedded with, the others are the
//! profile.
#![no_main]

use safelight_fuzz_pixels::{decoded, ended, fuzz_target};
use safelight_pixels::{Channels, Format, Pixels, colour};

const SIDE: u32 = 8;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, profile)) = bytes.split_first() else {
        return;
    };
    let channels = match choice % 5 {
        0 => Channels::Grey,
        1 => Channels::GreyAlpha,
        2 => Channels::Rgb,
        3 => Channels::Rgba,
        _ => {
            decoded(Format::Tiff, &cmyk_tiff(profile));
            return;
        }
    };
    let samples = ramp(channels.count() as u32);
    let pixels = Pixels::from_eight(SIDE, SIDE, channels, samples).expect("one sample a channel");
    ended(colour::to_srgb8(pixels, Some(profile), Format::Png));
});

fn ramp(channels: u32) -> Vec<u8> {
    (0..SIDE * SIDE * channels)
        .map(|at| (at * 37) as u8)
        .collect()
}

/// The same square in ink, with the profile: the one way by which a profile of ink is used.
fn cmyk_tiff(profile: &[u8]) -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const UNDEFINED: u16 = 7;
    const SEPARATED: u32 = 5;
    let samples = ramp(4);
    let entries = 9;
    let bits_at = 8 + 2 + entries * 12 + 4;
    let samples_at = bits_at + 4 * 2;
    let profile_at = samples_at + samples.len() as u32;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((entries as u16).to_le_bytes());
    for (tag, kind, count, value) in [
        (256u16, SHORT, 1, SIDE),
        (257, SHORT, 1, SIDE),
        (258, SHORT, 4, bits_at),
        (262, SHORT, 1, SEPARATED),
        (273, LONG, 1, samples_at),
        (277, SHORT, 1, 4),
        (278, SHORT, 1, SIDE),
        (279, LONG, 1, samples.len() as u32),
        (34675, UNDEFINED, profile.len() as u32, profile_at),
    ] {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    file.extend([8u16; 4].map(u16::to_le_bytes).as_flattened());
    file.extend(samples);
    file.extend(profile);
    file
}
