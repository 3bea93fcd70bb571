//! Small files that ask for much.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

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
    Ok(vec![
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
        // SVG.
        ("laughs.svg", svg_laughs()),
        ("deep.svg", format!("<svg xmlns='http://www.w3.org/2000/svg'>{}{}</svg>", "<g>".repeat(50_000), "</g>".repeat(50_000)).into_bytes()),
        ("nested.svg", format!("{}{}", "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'>".repeat(3_000), "</svg>".repeat(3_000)).into_bytes()),
        ("entities.svg", b"<!DOCTYPE svg [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><svg xmlns='http://www.w3.org/2000/svg'><text>&b;</text></svg>".to_vec()),
        ("huge.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='1e9' height='1e9'><rect width='1e9' height='1e9'/></svg>".to_vec()),
        ("blur.svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='9000' height='9000'><filter id='f'><feGaussianBlur stdDeviation='4000'/></filter><rect width='9000' height='9000' filter='url(#f)'/></svg>".to_vec()),
        ("arcs.svg", svg(&"<path d='M0 0A1e60 1e60 0 1 1 1e60 1e60' stroke='red'/>".repeat(9))),
        ("arcs-allowed.svg", svg(&format!("<path stroke='red' d='M0 0{}'/>", "A3e6 3e6 0 1 1 1 1".repeat(100_000)))),
        ("circles.svg", svg(&"<circle r='1e37' stroke='red'/>".repeat(300))),
        ("clips-in-clips.svg", svg_clips()),
        ("clips-inherited.svg", svg(&format!(
            "<clipPath id='c' clipPathUnits='objectBoundingBox'><path d='M0 0{}'/></clipPath><g clip-path='url(#c)'>{}</g>",
            "L1 1".repeat(50_000), "<path clip-path='inherit' d='M0 0H9V9'/>".repeat(2_000)
        ))),
        ("dashes.svg", svg(&"<path d='M0 9H900000' stroke='red' stroke-dasharray='.5 .5'/>".repeat(2_000))),
        ("dashes-allowed.svg", svg(&"<path d='M0 9H900000' stroke='red' stroke-dasharray='.5 .5'/>".repeat(50))),
        ("path-used.svg", svg(&format!("<path id='p' d='M0 0{}'/>{}", "L1 1".repeat(25_000), "<use href='#p'/>".repeat(9_000)))),
        ("far.svg", svg("<path d='M5 5A4e8 4e8 0 1 1 4e8 0' stroke='red'/>")),
        // Properties of three elements that name each other; of two, and of one, in ways that are easily missed.
        ("circle-of-clips.svg", svg_circle("clipPath", "clip-path", 3)),
        ("circle-of-masks.svg", svg_circle("mask", "mask", 3)),
        ("circle-of-patterns.svg", svg_circle("pattern width='1' height='1'", "fill", 3)),
        ("circle-of-fill-and-stroke.svg", svg(
            "<pattern id='a' width='1' height='1'><path stroke='url(#b)' d='M0 0H1V1'/></pattern>\
             <pattern id='b' width='1' height='1'><path fill='url(#a)' d='M0 0H1V1'/></pattern><path fill='url(#a)' d='M0 0H9V9'/>",
        )),
        ("circle-inherited.svg", svg(
            "<g fill='url(#a)'><pattern id='a' width='1' height='1'><path d='M0 0H1V1'/></pattern></g><path fill='url(#a)' d='M0 0H9V9'/>",
        )),
        ("circle-of-pictures.svg", svg(
            "<filter id='a'><feImage href='#b'/></filter><filter id='c'><feImage href='#d'/></filter>\
             <path id='b' filter='url(#c)' d='M0 0H9V9'/><path id='d' filter='url(#a)' d='M0 0H9V9'/>",
        )),
        ("rules-descend.svg", svg(&format!("<style>q{}{{fill:red}}</style>{}", " *".repeat(9), "<g>".repeat(100) + &"</g>".repeat(100)))),
        ("rules-follow.svg", svg(&format!("<style>{}*{{fill:red}}</style>{}", "*+".repeat(90_000), "<g/>".repeat(90_000)))),
        ("rules-many.svg", svg(&format!("<style>{}</style>{}", ".a{fill:red}".repeat(20_000), "<g/>".repeat(90_000)))),
        ("rules-many-allowed.svg", svg(&format!("<style>{}</style>{}", ".a{fill:red}".repeat(10_000), "<g class='a'/>".repeat(2_000)))),
        ("rules-multiplied.svg", svg(&format!("<style>{}a{{{}}}</style>", "a,".repeat(90_000), "b:c;".repeat(90_000)))),
        ("rules-multiplied-allowed.svg", svg(&format!("<style>{}a{{{}}}</style>", "a,".repeat(2_800), "b:c;".repeat(2_800)))),
        ("rules-of-clips.svg", svg(&svg_rules())),
        ("rules-of-long-values.svg", svg(&format!("<style>*{{font-family:{}}}</style>{}", "a".repeat(1_000_000), "<g/>".repeat(90_000)))),
        ("classes.svg", svg(&format!("<style>{}</style><g class='{}'/>", ".a{fill:red}".repeat(20_000), "b ".repeat(900_000)))),
        ("attributes.svg", svg(&format!("<g{}/>", each(900_000, |number| format!(" a{number}=''"))))),
        ("attributes-allowed.svg", svg(&format!("<g{}/>", each(490, |number| format!(" a{number}=''"))).repeat(2_000))),
        ("namespaces.svg", svg(&each(60_000, |number| format!("<g xmlns:a{number}=''>")))),
        ("stops.svg", svg(&format!("<linearGradient id='p'>{}</linearGradient><g fill='url(#p)'>{}</g>", svg_stops(20_000), "<path d='M0 0H9V9'/>".repeat(20_000)))),
        ("stops-allowed.svg", svg(&format!("<linearGradient id='p'>{}</linearGradient><g fill='url(#p)'>{}</g>", svg_stops(4_000), "<path d='M0 0H9V9'/>".repeat(3_000)))),
        ("dashes-inherited.svg", svg(&format!("<g stroke='red' stroke-dasharray='{}'>{}</g>", "1 ".repeat(500_000), "<path d='M0 0H9V9'/>".repeat(90_000)))),
        ("dashes-inherited-allowed.svg", svg(&format!("<g stroke='red' stroke-dasharray='{}'>{}</g>", "1 ".repeat(10_000), "<path d='M0 0H9V9'/>".repeat(3_000)))),
        ("filters-in-a-list.svg", svg(&format!("<g filter='{}'/>", "blur(1)".repeat(1_000_000)))),
        ("parts-of-a-filter.svg", svg(&format!("<filter id='f'>{}</filter><path filter='url(#f)' d='M0 0H9V9'/>", "<feOffset in='x'/>".repeat(200_000)))),
        ("texts-referred.svg", svg(&format!("<g id='t'>{}</g><text>{}</text>", "a".repeat(1_000_000), "<tref href='#t'/>".repeat(9_000)))),
        // A picture in a picture.
        ("png-in-icon.ico", ico(&png(&[(b"IHDR", header(1 << 30, 1 << 30, 8, 6)), (b"IDAT", zeros)]))),
        ("icons.ico", ico_of_many()),
        // Scans: each is little, and all of them pass over every block.
        ("scans.jpg", jpeg_scans(4_000, 4_000, 20_000)),
    ])
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
    file.extend(jpeg_frame(0xC0, width, height));
    file.extend(segment(0xDA, &[1, 1, 0, 0, 63, 0]));
    file.extend([0, 0xFF, 0xD9]);
    file
}

fn jpeg_frame(marker: u8, width: u16, height: u16) -> Vec<u8> {
    let [w1, w0] = width.to_be_bytes();
    let [h1, h0] = height.to_be_bytes();
    let table = |class: u8| {
        let mut data = vec![class];
        data.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        segment(0xC4, &data)
    };
    [
        segment(0xDB, &[&[0][..], &[1; 64]].concat()),
        segment(marker, &[8, h1, h0, w1, w0, 1, 1, 0x11, 0]),
        table(0x00),
        table(0x10),
    ]
    .concat()
}

/// A progressive JPEG of many scans that say nothing.
fn jpeg_scans(width: u16, height: u16, scans: usize) -> Vec<u8> {
    let mut file = vec![0xFF, 0xD8];
    file.extend(jpeg_frame(0xC2, width, height));
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
    let mut data = vec![0x2F];
    data.extend(bits.to_le_bytes());
    data.extend([0; 11]);
    let mut file = b"RIFF".to_vec();
    file.extend((data.len() as u32 + 12).to_le_bytes());
    file.extend(b"WEBPVP8L");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
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
    let mut body = b"WEBP".to_vec();
    for (name, data) in [(b"VP8X", canvas), (b"VP8 ", bitstream)] {
        body.extend(name);
        body.extend((data.len() as u32).to_le_bytes());
        body.extend(data);
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

fn svg(body: &str) -> Vec<u8> {
    format!("<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'>{body}</svg>")
        .into_bytes()
}

fn svg_laughs() -> Vec<u8> {
    let mut text = "<svg xmlns='http://www.w3.org/2000/svg' width='100' height='100'><rect id='a0' width='1' height='1'/>".to_owned();
    for level in 1..30 {
        let uses = format!("<use href='#a{}'/>", level - 1).repeat(10);
        // Writing to a String does not fail.
        let _ = write!(text, "<g id='a{level}'>{uses}</g>");
    }
    text.push_str("<use href='#a29'/></svg>");
    text.into_bytes()
}

/// So many elements of a kind, each with a shape whose property names the next one; the last, the first.
fn svg_circle(kind: &str, property: &str, count: u32) -> Vec<u8> {
    let name = kind.split(' ').next().unwrap_or_default();
    let links = each(count, |number| {
        let next = (number + 1) % count;
        format!("<{kind} id='c{number}'><path {property}='url(#c{next})' d='M0 0H1V1'/></{name}>")
    });
    svg(&format!(
        "{links}<path {property}='url(#c0)' d='M0 0H9V9'/>"
    ))
}

/// Clips of ten shapes, each clipped by the next, eight deep, by rules.
fn svg_rules() -> String {
    let rules = each(8, |level| format!(".a{level}{{clip-path:url(#c{level})}}"));
    let clips = each(8, |level| {
        let shapes = format!("<path class='a{}' d='M0 0H1V1'/>", level + 1).repeat(10);
        format!("<clipPath id='c{level}' clipPathUnits='objectBoundingBox'>{shapes}</clipPath>")
    });
    format!("<style>{rules}</style>{clips}<path class='a0' d='M0 0H9V9'/>")
}

fn svg_stops(count: u32) -> String {
    each(count, |number| {
        format!("<stop offset='{}'/>", f64::from(number) / f64::from(count))
    })
}

/// So many pieces of text, one after the other.
fn each(count: u32, write: impl Fn(u32) -> String) -> String {
    (0..count).map(write).collect::<Vec<_>>().concat()
}

/// Clips of ten shapes, each clipped by the next, seven deep.
fn svg_clips() -> Vec<u8> {
    let clip = |level: usize| {
        let shape = format!("<path clip-path='url(#c{})' d='M0 0H1V1'/>", level + 1);
        let shapes = shape.repeat(10);
        format!("<clipPath id='c{level}' clipPathUnits='objectBoundingBox'>{shapes}</clipPath>")
    };
    let clips = (0..7).map(clip).collect::<Vec<_>>().concat();
    svg(&format!("{clips}<path clip-path='url(#c0)' d='M0 0H9V9'/>"))
}

fn ico(picture: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 32, 0];
    file.extend((picture.len() as u32).to_le_bytes());
    file.extend(22u32.to_le_bytes());
    file.extend(picture);
    file
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
