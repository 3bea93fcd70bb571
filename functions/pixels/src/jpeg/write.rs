//! A JPEG file around a scan.

use super::codes::{self, Listed};
use super::fdct::Quantiser;
use super::tokens::{self, Plane};
use super::wide::{Wide, wide};
use crate::Metadata;

/// The example tables of ITU-T T.81, annex K.1, in zigzag order: what nearly all software scales.
const LUMINANCE: [u16; 64] = [
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37,
    29, 40, 58, 51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81,
    87, 95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];
const CHROMINANCE: [u16; 64] = [
    17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// A table at a quality, on the scale of the Independent JPEG Group.
fn scaled(table: &[u16; 64], quality: u8) -> [u16; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 {
        5000 / quality
    } else {
        200 - 2 * quality
    };
    table.map(|value| ((u32::from(value) * percent + 50) / 100).clamp(1, 255) as u16)
}

/// Bytes of a segment without its length field.
const MAX_SEGMENT: usize = 65_533;

fn segment(out: &mut Vec<u8>, marker: u8, parts: &[&[u8]]) {
    let length = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&[0xFF, marker]);
    out.extend_from_slice(&(length as u16).to_be_bytes());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Writes planes (one of brightness, or three) as a baseline file of one scan, with Huffman tables
/// made for it.
pub(super) fn write(
    planes: &[Plane<'_>],
    (width, height): (u16, u16),
    quality: u8,
    metadata: &Metadata,
) -> Vec<u8> {
    let (luminance, chrominance) = (scaled(&LUMINANCE, quality), scaled(&CHROMINANCE, quality));
    let quantisers = [Quantiser::new(&luminance), Quantiser::new(&chrominance)];
    let tokens = tokens::tokens(planes, &[&quantisers[0], &quantisers[1], &quantisers[1]]);

    let mut out = vec![0xFF, 0xD8];
    // Version 1.1, no unit, square pixels, no thumbnail.
    segment(&mut out, 0xE0, &[b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"]);
    if let Some(exif) = metadata.exif.as_deref()
        // EXIF blocks from other formats may be larger than a segment and stay behind then.
        && exif.len() + 6 <= MAX_SEGMENT
    {
        segment(&mut out, 0xE1, &[b"Exif\0\0", exif]);
    }
    if let Some(icc) = metadata.icc.as_deref() {
        let chunks = icc.chunks(MAX_SEGMENT - 14);
        if let Ok(count) = u8::try_from(chunks.len()) {
            for (number, chunk) in (1..=count).zip(chunks) {
                segment(&mut out, 0xE2, &[b"ICC_PROFILE\0", &[number, count], chunk]);
            }
        }
    }
    let colour = planes.len() > 1;
    for (id, table) in [(0, &luminance), (1, &chrominance)] {
        if id == 0 || colour {
            segment(&mut out, 0xDB, &[&[id], &table.map(|value| value as u8)]);
        }
    }
    let mut frame = vec![8];
    frame.extend_from_slice(&height.to_be_bytes());
    frame.extend_from_slice(&width.to_be_bytes());
    frame.push(planes.len() as u8);
    let mut scan = vec![planes.len() as u8];
    for (index, plane) in (0u8..).zip(planes) {
        let table = index.min(1);
        frame.extend_from_slice(&[index + 1, (plane.h << 4 | plane.v) as u8, table]);
        scan.extend_from_slice(&[index + 1, table << 4 | table]);
    }
    scan.extend_from_slice(&[0, 63, 0]);
    segment(&mut out, 0xC0, &[&frame]);

    let mut all = [[(0, 0); 256]; 4];
    // Brightness: 0 for DC and 1 for AC; colour: 2 and 3.
    let listed: [Listed; 4] = std::array::from_fn(|table| {
        let class_and_id = (table as u8 & 1) << 4 | table as u8 >> 1;
        codes::optimal(&tokens.counts[table], class_and_id)
    });
    for (table, listed) in listed.iter().enumerate() {
        if table < 2 || colour {
            segment(
                &mut out,
                0xC4,
                &[&[listed.class_and_id], &listed.counts, &listed.symbols],
            );
        }
        all[table] = codes::codes(listed);
    }
    segment(&mut out, 0xDA, &[&scan]);
    wide(Scan {
        tokens: &tokens,
        codes: &all,
        out: &mut out,
    });
    out.extend_from_slice(&[0xFF, 0xD9]);
    out
}

struct Scan<'a> {
    tokens: &'a tokens::Tokens,
    codes: &'a [[(u32, u32); 256]; 4],
    out: &'a mut Vec<u8>,
}

impl Wide for Scan<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        self.tokens.write(self.codes, self.out);
    }
}
