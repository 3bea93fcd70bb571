//! Small files that ask for much.

use std::path::{Path, PathBuf};

use super::bombs_svg;

/// Writes every bomb into a folder.
pub fn all(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut made = Vec::new();
    for (name, bytes) in bombs()? {
        let path = folder.join(name);
        std::fs::write(&path, bytes)?;
        made.push(path);
    }
    Ok(made)
}

fn bombs() -> anyhow::Result<Vec<(&'static str, Vec<u8>)>> {
    let zeros = zlib_of_zeros(200_000_000)?;
    let mut bombs = vec![
        // Pixel count.
        ("pixels-declared.png", png(&[(b"IHDR", header(1 << 30, 1 << 30, 8, 6)), (b"IDAT", zeros.clone())])),
        ("pixels-large.png", png(&[(b"IHDR", header(14_000, 14_000, 8, 0)), (b"IDAT", zeros.clone())])),
        ("pixels-just-allowed.png", png(&[(b"IHDR", header(10_000, 9_999, 8, 0)), (b"IDAT", zlib_of_zeros(100_000_000)?)])),
        ("pixels-one-bit.png", png(&[(b"IHDR", header(65_000, 60_000, 1, 0)), (b"IDAT", zeros.clone())])),
        ("pixels.jpg", jpeg(65_000, 65_000, &[])),
        ("pixels-in-limits.jpg", jpeg(9_000, 9_000, &[])),
        ("pixels.gif", gif(65_535, 65_535, 1)),
        ("pixels.bmp", bmp(100_000, 100_000)),
        ("pixels.webp", webp(16_383, 16_383)),
        ("pixels-behind-a-canvas.webp", webp_canvas(30, 16_383)),
        ("codes.webp", webp_codes()),
        // zlib ratio: more data than the header has pixels for.
        ("ratio.png", png(&[(b"IHDR", header(8, 8, 8, 0)), (b"IDAT", zeros.clone())])),
        // Metadata.
        ("icc.png", png(&[(b"IHDR", header(8, 8, 8, 0)), (b"iCCP", [b"x\0\0".to_vec(), zeros.clone()].concat()), (b"IDAT", zlib_of_zeros(72)?)])),
        ("text.png", png(&[(b"IHDR", header(8, 8, 8, 0)), (b"zTXt", [b"x\0\0".to_vec(), zeros.clone()].concat()), (b"IDAT", zlib_of_zeros(72)?)])),
        ("icc.jpg", jpeg(64, 64, &[0xE2; 255])),
        ("exif.jpg", jpeg(64, 64, &[0xE1; 1_000])),
        // Frames.
        ("frames.gif", gif(16, 16, 100_000)),
        ("frames-large.gif", gif(9_000, 9_000, 900)),
        ("frames.png", png(&[(b"IHDR", header(8, 8, 8, 0)), (b"acTL", [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0].to_vec()), (b"IDAT", zlib_of_zeros(72)?)])),
        ("pages.tiff", tiff_pages(100_000)),
        ("pages-in-a-circle.tiff", tiff_circle()),
        ("directories-in-directories.tiff", tiff_nested(2_000)),
        ("strips.tiff", tiff_strips()),
        ("strips-declared.tiff", [b"II*\0\x08\0\0\0".to_vec(), directory(&[(256, 1, 9), (257, 1, 9), (273, 7_000_000, 8), (279, 7_000_000, 8)], 0)].concat()),
        // A picture in a picture.
        ("png-in-icon.ico", ico(&png(&[(b"IHDR", header(1 << 30, 1 << 30, 8, 6)), (b"IDAT", zeros.clone())]))),
        ("icons.ico", ico_of_many()),
        // Scans: each is little, and all of them pass over every block.
        ("scans.jpg", jpeg_scans(4_000, 4_000, 20_000)),
        // What is drawn, decoded or read beside the picture: found by a review of the decoders.
        ("splines.jxl", b"\xff\x0a\xf8\x9f\x01\xd8\x33\x08\x00\x40\x00\x0a\x81\x1f\x5e\x82\x0e\xe2\x04\x0c\x10\x27\x7a\x3f\x91\xcf\x07".to_vec()),
        ("patches.jxl", b"\xff\x0a\xf8\x9f\x01\x08\x03\x04\x00\x0c\x00\x89\x7c\x3e\x58\x30\x08\x00\x40\x00\x1a\x42\x08\xff\x41\x48\x10\x2b\x41\xff\xfe\xff\xff\x13\xf9\x7c".to_vec()),
        ("hidden-frames.jxl", [
            &b"\xff\x0a\x41\x06"[..],
            &b"\x08\x03\x00\x00\x0c\x00\x89\x7c\x3e".repeat(60_000),
            b"\x08\x83\x00\x00\x0c\x00\x89\x7c\x3e",
        ].concat()),
        ("scans-of-one-component.jpg", jpeg_separate(4_000, 4_000, 20_000)),
        ("jpegs-in-strips.tiff", tiff_of_jpegs(16_384)),
        ("tiles.tiff", [b"II*\0\x08\0\0\0".to_vec(), directory(&[
            (256, 1, 1), (257, 1, 10), (258, 1, 8), (259, 1, 8), (262, 1, 1),
            (322, 1, 100_000_000), (323, 1, 10), (324, 1, 134), (325, 1, zeros.len() as u32),
        ], 0), vec![0; 12], zeros.clone()].concat()),
        ("codestreams.jp2", jp2_of_two(20_000)),
        ("orders.j2k", jp2_codestream(1_000, &segment(0x5F, &[0, 0, 0, 1, 33, 0, 2].repeat(9_000)))),
        ("png-behind-an-icon.ico", ico_cut(&png(&[(b"IHDR", header(8, 8, 8, 0)), (b"iCCP", [b"x\0\0".to_vec(), zeros].concat()), (b"IDAT", zlib_of_zeros(72)?)]))),
    ];
    bombs.extend(bombs_svg::bombs());
    Ok(bombs)
}

/// A zlib stream of about so many zeros, as a PNG encoder writes it.
fn zlib_of_zeros(count: usize) -> anyhow::Result<Vec<u8>> {
    let (width, height) = if count < 1_000 {
        (8, 8)
    } else {
        (9_999, count.div_ceil(10_000))
    };
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&vec![0; width * height])?;
    writer.finish()?;
    let (mut data, mut at) = (Vec::new(), 8);
    while let Some(head) = file.get(at..at + 8) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        if &head[4..] == b"IDAT" {
            data.extend_from_slice(&file[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    Ok(data)
}

fn header(width: u32, height: u32, depth: u8, kind: u8) -> Vec<u8> {
    [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[depth, kind, 0, 0, 0],
    ]
    .concat()
}

fn png(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks.iter().chain([&(b"IEND", Vec::new())]) {
        file.extend_from_slice(&(data.len() as u32).to_be_bytes());
        let start = file.len();
        file.extend_from_slice(*name);
        file.extend_from_slice(data);
        let sum = crc(&file[start..]);
        file.extend_from_slice(&sum.to_be_bytes());
    }
    file
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 {
                0xEDB8_8320 ^ (sum >> 1)
            } else {
                sum >> 1
            }
        })
    })
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [
        &[0xFF, marker][..],
        &((data.len() + 2) as u16).to_be_bytes(),
        data,
    ]
    .concat()
}

/// A grey JPEG whose scan is one byte, with full segments of these markers.
fn jpeg(width: u16, height: u16, markers: &[u8]) -> Vec<u8> {
    let mut file = vec![0xFF, 0xD8];
    for (number, &marker) in markers.iter().enumerate() {
        let mut data = match marker {
            0xE2 => [
                &b"ICC_PROFILE\0"[..],
                &[number as u8 + 1, markers.len() as u8],
            ]
            .concat(),
            _ => b"Exif\0\0II*\0".to_vec(),
        };
        data.resize(65_000, 0);
        file.extend(segment(marker, &data));
    }
    file.extend(jpeg_frame(0xC0, width, height, 1));
    file.extend(segment(0xDA, &[1, 1, 0, 0, 63, 0]));
    file.extend([0, 0xFF, 0xD9]);
    file
}

fn jpeg_frame(marker: u8, width: u16, height: u16, components: u8) -> Vec<u8> {
    let [w1, w0] = width.to_be_bytes();
    let [h1, h0] = height.to_be_bytes();
    let mut frame = vec![8, h1, h0, w1, w0, components];
    for component in 1..=components {
        // Brightness in full detail, colours in half of it.
        let sampling = if component == 1 && components > 1 {
            0x22
        } else {
            0x11
        };
        frame.extend([component, sampling, 0]);
    }
    let table = |class: u8| {
        let mut data = vec![class];
        data.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        segment(0xC4, &data)
    };
    [
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(marker, &frame),
        table(0x00),
        table(0x10),
    ]
    .concat()
}

/// A progressive JPEG of many scans that say nothing.
fn jpeg_scans(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let mut file = vec![0xFF, 0xD8];
    file.extend(jpeg_frame(0xC2, width, height, 1));
    // Every block of all scans but the first is skipped by runs of 32767 ended bands.
    file.extend([segment(0xDA, &[1, 1, 0, 0, 0, 0]), vec![0; 40_000]].concat());
    let mut table = vec![0x10, 1];
    table.extend([0; 15]);
    table.push(0xE0);
    file.extend(segment(0xC4, &table));
    for _ in 0..scans {
        file.extend([segment(0xDA, &[1, 1, 0, 1, 63, 0]), vec![0; 32]].concat());
    }
    file.extend([0xFF, 0xD9]);
    file
}

fn gif(width: u16, height: u16, frames: usize) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([0x80, 0, 0, 0, 0, 0, 255, 255, 255]);
    for _ in 0..frames {
        // One pixel of the canvas.
        file.extend([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0]);
    }
    file.push(0x3B);
    file
}

fn bmp(width: i32, height: i32) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    file.extend([0; 8]);
    file.extend(54u32.to_le_bytes());
    file.extend(40u32.to_le_bytes());
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    file.extend([1, 0, 24, 0]);
    file.extend([0; 24]);
    file.extend([0; 64]);
    file
}

/// Lossless, of a header and nothing that decodes.
fn webp(width: u32, height: u32) -> Vec<u8> {
    let bits = (width - 1) | (height - 1) << 14;
    webp_of(&[(
        b"VP8L",
        [&[0x2F][..], &bits.to_le_bytes(), &[0; 11]].concat(),
    )])
}

/// Lossy and still, with a side of the canvas and another of the bitstream.
fn webp_canvas(canvas: u32, coded: u16) -> Vec<u8> {
    let side = &(canvas - 1).to_le_bytes()[..3];
    let canvas = [&[0; 4], side, side].concat();
    let coded = coded.to_le_bytes();
    let bitstream = [
        &[0x10, 0, 0, 0x9D, 0x01, 0x2A][..],
        &coded,
        &coded,
        &[0; 64],
    ]
    .concat();
    webp_of(&[(b"VP8X", canvas), (b"VP8 ", bitstream)])
}

/// Lossless, 4 by 4 pixels, whose entropy image asks for 65,536 groups: the widest cache of colours, and of each
/// group a green code of 2,048 symbols of 11 bits, and four of one symbol (RFC 9649, section 6).
fn webp_codes() -> Vec<u8> {
    let head = b"\x2f\x03\xc0\x00\x00\x6e\xe8\x7f\xff\x23";
    // A group takes 82 bits.
    let four_groups =
        b"\xc2\x02\x00\x00\x00\x00\x90\xf5\xbf\x88\x08\x0b\x00\x00\x00\x00\x40\xd6\xff\x22\x22\
        \x2c\x00\x00\x00\x00\x00\x59\xff\x8b\x88\xb0\x00\x00\x00\x00\x00\x64\xfd\x2f\x22";
    webp_of(&[(
        b"VP8L",
        [&head[..], &four_groups.repeat(1 << 14), &[0x22; 24]].concat(),
    )])
}

fn webp_of(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend(*name);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [&b"RIFF"[..], &(body.len() as u32).to_le_bytes(), &body].concat()
}

/// A little-endian directory of long values, and where the next one is.
fn directory(entries: &[(u16, u32, u32)], next: u32) -> Vec<u8> {
    let mut bytes = (entries.len() as u16).to_le_bytes().to_vec();
    for (tag, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(4u16.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(next.to_le_bytes());
    bytes
}

/// Tags of a grey picture of one pixel, whose strip is the file's first byte.
const PAGE: [(u16, u32, u32); 7] = [
    (256, 1, 1),
    (257, 1, 1),
    (258, 1, 8),
    (259, 1, 1),
    (262, 1, 1),
    (273, 1, 0),
    (279, 1, 1),
];

fn tiff_pages(pages: u32) -> Vec<u8> {
    let size = 2 + 12 * PAGE.len() as u32 + 4;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    for page in 1..=pages {
        let next = if page == pages { 0 } else { 8 + page * size };
        file.extend(directory(&PAGE, next));
    }
    file
}

fn tiff_circle() -> Vec<u8> {
    [b"II*\0\x08\0\0\0".to_vec(), directory(&PAGE, 8)].concat()
}

/// Directories by way of the tag for sub-directories.
fn tiff_nested(depth: u32) -> Vec<u8> {
    let size = 2 + 12 * (PAGE.len() as u32 + 1) + 4;
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    for level in 1..=depth {
        let mut entries = PAGE.to_vec();
        entries.push((330, 1, 8 + (level % depth) * size));
        file.extend(directory(&entries, 0));
    }
    file
}

/// A strip for each of very many rows, all of them the same bytes.
fn tiff_strips() -> Vec<u8> {
    let rows = 60_000u32;
    let offsets = 8 + 2 + 12 * 8 + 4;
    let entries = [
        (256, 1, 1_000),
        (257, 1, rows),
        (258, 1, 8),
        (259, 1, 1),
        (262, 1, 1),
        (273, rows, offsets),
        (278, 1, 1),
        (279, rows, offsets + rows * 4),
    ];
    let mut file = [b"II*\0\x08\0\0\0".to_vec(), directory(&entries, 0)].concat();
    for value in [8u32, 1_000] {
        for _ in 0..rows {
            file.extend(value.to_le_bytes());
        }
    }
    file
}

fn ico(picture: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 32, 0];
    file.extend((picture.len() as u32).to_le_bytes());
    file.extend(22u32.to_le_bytes());
    file.extend(picture);
    file
}

/// The same, of which the icon says that it goes on behind the file.
fn ico_cut(picture: &[u8]) -> Vec<u8> {
    let mut file = ico(picture);
    let length = picture.len() as u32 + 1;
    file[14..18].copy_from_slice(&length.to_le_bytes());
    file
}

/// A JPEG of three components with so many scans of the first, which say nothing.
fn jpeg_separate(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let scan = |component: u8| segment(0xDA, &[1, component, 0, 0, 63, 0]);
    [
        vec![0xFF, 0xD8],
        jpeg_frame(0xC0, width, height, 3),
        scan(1).repeat(scans),
        scan(2),
        scan(3),
        vec![0xFF, 0xD9],
    ]
    .concat()
}

/// A picture of 16 by 1 pixels whose strip is a progressive JPEG of so many by as many.
fn tiff_of_jpegs(side: u16) -> Vec<u8> {
    let jpeg = [
        vec![0xFF, 0xD8],
        jpeg_frame(0xC2, side, side, 3),
        segment(0xDA, &[3, 1, 0, 2, 0, 3, 0, 0, 0, 0]),
        vec![0, 0, 0xFF, 0xD9],
    ]
    .concat();
    let entries = |at: u32| {
        [
            (256, 1, 16),
            (257, 1, 1),
            (258, 1, 8),
            (259, 1, 7),
            (262, 1, 6),
            (273, 1, at),
            (277, 1, 3),
            (278, 1, 1),
            (279, 1, jpeg.len() as u32),
        ]
    };
    let at = 8 + directory(&entries(0), 0).len() as u32;
    [
        b"II*\0\x08\0\0\0".to_vec(),
        directory(&entries(at), 0),
        jpeg,
    ]
    .concat()
}

/// A grey JPEG 2000 codestream of one tile, with another segment in its header.
fn jp2_codestream(side: u32, more: &[u8]) -> Vec<u8> {
    let mut sizes = vec![0, 0];
    for value in [side, side, 0, 0, side, side, 0, 0] {
        sizes.extend(value.to_be_bytes());
    }
    sizes.extend([0, 1, 7, 1, 1]);
    [
        vec![0xFF, 0x4F],
        segment(0x51, &sizes),
        segment(0x52, &[0, 0, 0, 1, 0, 5, 4, 4, 0, 1]),
        segment(0x5C, &[0x40; 17]),
        more.to_vec(),
        segment(0x90, &[0, 0, 0, 0, 0, 78, 0, 1]),
        vec![0xFF, 0x93],
        vec![0; 64],
        vec![0xFF, 0xD9],
    ]
    .concat()
}

/// A JP2 whose first codestream is small and whose second is not.
fn jp2_of_two(side: u32) -> Vec<u8> {
    let part = |name: &[u8; 4], data: &[u8]| {
        let length = (data.len() as u32 + 8).to_be_bytes();
        [&length[..], name, data].concat()
    };
    let header = [
        part(b"ihdr", b"\0\0\0\x08\0\0\0\x08\0\x01\x07\x07\0\0"),
        part(b"colr", b"\x01\0\0\0\0\0\x11"),
    ];
    [
        part(b"jP  ", b"\r\n\x87\n"),
        part(b"ftyp", b"jp2 \0\0\0\0jp2 "),
        part(b"jp2h", &header.concat()),
        part(b"jp2c", &jp2_codestream(8, &[])),
        part(b"jp2c", &jp2_codestream(side, &[])),
    ]
    .concat()
}

/// As many entries as can be stated, all of the same bytes.
fn ico_of_many() -> Vec<u8> {
    let mut file = vec![0, 0, 1, 0, 0xFF, 0xFF];
    for _ in 0..65_535 {
        file.extend([0, 0, 0, 0, 1, 0, 32, 0, 0xFF, 0xFF, 0xFF, 0x7F, 6, 0, 0, 0]);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_png_is_made_of_the_same_parts() {
        let file = png(&[
            (b"IHDR", header(8, 8, 8, 0)),
            (b"IDAT", zlib_of_zeros(72).unwrap()),
        ]);
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![1; 64];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [0; 64]);
    }

    #[test]
    fn what_asks_for_much_is_small() {
        assert!(zlib_of_zeros(10_000_000).unwrap().len() < 200_000);
        assert_eq!(crc(b"IEND"), 0xAE42_6082);
    }
}
