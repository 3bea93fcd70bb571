//! Synthetic images, and files that our encoders do not write.

#![allow(dead_code, clippy::trivially_copy_pass_by_ref)]

use safelight_pixels::{Channels, Pixels, Samples};

/// A picture with a different colour in each corner and a smooth middle.
pub fn scene(width: u32, height: u32, channels: Channels) -> Pixels {
    let mut samples = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (u, v) = (x * 255 / width.max(1), y * 255 / height.max(1));
            let colour = [u as u8, v as u8, (255 - u) as u8];
            let grey = u.midpoint(v) as u8;
            let alpha = if x < width / 4 {
                0
            } else {
                (128 + v / 2) as u8
            };
            match channels {
                Channels::Grey => samples.push(grey),
                Channels::GreyAlpha => samples.extend([grey, alpha]),
                Channels::Rgb => samples.extend(colour),
                Channels::Rgba => samples.extend([colour[0], colour[1], colour[2], alpha]),
            }
        }
    }
    Pixels::from_eight(width, height, channels, samples).unwrap()
}

/// The same in 16 bits, with something in the lower eight.
pub fn deep_scene(width: u32, height: u32, channels: Channels) -> Pixels {
    let samples = scene(width, height, channels)
        .eight()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(at, &value)| (u16::from(value) * 257) ^ (at as u16 & 0x3F))
        .collect();
    Pixels::new(width, height, channels, Samples::Sixteen(samples)).unwrap()
}

/// The mean absolute difference of two pictures of the same shape, in 1/255.
pub fn difference(a: &Pixels, b: &Pixels) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    assert_eq!(a.channels(), b.channels());
    let (a, b) = (a.clone().into_eight(), b.clone().into_eight());
    let (a, b) = (a.eight().unwrap(), b.eight().unwrap());
    a.iter()
        .zip(b)
        .map(|(&x, &y)| f64::from(x.abs_diff(y)))
        .sum::<f64>()
        / a.len() as f64
}

/// An EXIF block that states an orientation.
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend_from_slice(&orientation.to_le_bytes());
    block.extend_from_slice(&[0; 6]);
    block
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// One PNG chunk.
pub fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut body = name.to_vec();
    body.extend_from_slice(data);
    let mut out = (data.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(&body);
    out.extend_from_slice(&crc(&body).to_be_bytes());
    out
}

/// A zlib stream of stored blocks.
pub fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks: Vec<&[u8]> = data.chunks(65_535).collect();
    for (at, block) in blocks.iter().enumerate() {
        out.push(u8::from(at + 1 == blocks.len()));
        out.extend_from_slice(&(block.len() as u16).to_le_bytes());
        out.extend_from_slice(&(!(block.len() as u16)).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    out.extend_from_slice(&(b << 16 | a).to_be_bytes());
    out
}

/// The header chunk of a PNG, after its signature.
pub fn png_header(width: u32, height: u32, depth: u8, kind: u8, interlaced: bool) -> Vec<u8> {
    let mut ihdr = width.to_be_bytes().to_vec();
    ihdr.extend_from_slice(&height.to_be_bytes());
    ihdr.extend_from_slice(&[depth, kind, 0, 0, u8::from(interlaced)]);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    out.extend(chunk(b"IHDR", &ihdr));
    out
}

/// A PNG of one sample a pixel, `value(x, y)`, packed to `depth` bits.
pub fn png_of(
    (width, height): (u32, u32),
    depth: u8,
    kind: u8,
    interlaced: bool,
    extra: &[Vec<u8>],
    value: impl Fn(u32, u32) -> u32,
) -> Vec<u8> {
    // Adam7: first column and row, and steps, of each pass.
    const ADAM7: [(u32, u32, u32, u32); 7] = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    let passes: &[(u32, u32, u32, u32)] = if interlaced { &ADAM7 } else { &[(0, 0, 1, 1)] };
    let mut data = Vec::new();
    for &(left, top, step_x, step_y) in passes {
        for y in (top..height).step_by(step_y as usize) {
            let columns: Vec<u32> = (left..width).step_by(step_x as usize).collect();
            if columns.is_empty() {
                continue;
            }
            data.push(0);
            if depth == 16 {
                for x in columns {
                    data.extend_from_slice(&(value(x, y) as u16).to_be_bytes());
                }
                continue;
            }
            let (mut byte, mut used) = (0u32, 0);
            for x in columns {
                byte = byte << depth | value(x, y);
                used += depth;
                if used == 8 {
                    data.push(byte as u8);
                    (byte, used) = (0, 0);
                }
            }
            if used > 0 {
                data.push((byte << (8 - used)) as u8);
            }
        }
    }
    let mut out = png_header(width, height, depth, kind, interlaced);
    for part in extra {
        out.extend_from_slice(part);
    }
    out.extend(chunk(b"IDAT", &stored(&data)));
    out.extend(chunk(b"IEND", &[]));
    out
}

/// A classic little-endian TIFF of one strip. Entries: tag, type, values.
pub fn tiff_of(entries: &[(u16, u16, Vec<u32>)], strip: &[u8]) -> Vec<u8> {
    let size = |kind: u16| match kind {
        1 | 7 => 1,
        3 => 2,
        _ => 4,
    };
    let mut entries = entries.to_vec();
    entries.push((273, 4, vec![0]));
    entries.push((279, 4, vec![strip.len() as u32]));
    entries.sort_by_key(|entry| entry.0);
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    let mut tail_at = 8 + 2 + entries.len() * 12 + 4;
    let mut tail = Vec::new();
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    let strip_at = tail_at
        + entries
            .iter()
            .map(|(_, kind, values)| size(*kind) * values.len())
            .filter(|bytes| *bytes > 4)
            .sum::<usize>();
    for (tag, kind, values) in &entries {
        let values = if *tag == 273 {
            vec![strip_at as u32]
        } else {
            values.clone()
        };
        let mut raw: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes()[..size(*kind)].to_vec())
            .collect();
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&(values.len() as u32).to_le_bytes());
        if raw.len() > 4 {
            out.extend_from_slice(&(tail_at as u32).to_le_bytes());
            tail_at += raw.len();
            tail.extend_from_slice(&raw);
        } else {
            raw.resize(4, 0);
            out.extend_from_slice(&raw);
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&tail);
    out.extend_from_slice(strip);
    out
}

/// Values and their widths, the lowest bit first.
pub fn packed(fields: &[(u32, u32)]) -> Vec<u8> {
    let bits = fields
        .iter()
        .flat_map(|&(value, width)| (0..width).map(move |bit| value >> bit & 1));
    let bits: Vec<u32> = bits.collect();
    let byte = |bits: &[u32]| {
        bits.iter()
            .rev()
            .fold(0, |byte, bit| byte << 1 | *bit as u8)
    };
    bits.chunks(8).map(byte).collect()
}
