//! Tiny files built by hand, one a variant of a format: headers as the specifications draw them, with
//! no picture behind them where none is needed.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "box and chunk names are written as byte strings, which are references"
)]

/// A name and a file, for tests that go through all of them.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("jpeg grey", jpeg(8, 3, 2, &[1], &[])),
        ("jpeg exif", jpeg(8, 30, 20, &[1, 2, 3], &[exif_segment(6)])),
        (
            "jpeg cmyk icc",
            jpeg(8, 3, 2, &[1, 2, 3, 4], &[icc_segment(), adobe_segment(0)]),
        ),
        ("png rgb", png(4, 3, 8, 2, &[])),
        (
            "apng",
            png(4, 3, 8, 6, &[chunk(b"acTL", &[0, 0, 0, 7, 0, 0, 0, 0])]),
        ),
        (
            "png exif",
            png(4, 3, 8, 2, &[chunk(b"eXIf", &tiff_orientation(8))]),
        ),
        ("gif", gif(9, 8, 3)),
        ("webp lossy", webp(&[vp8(20, 10)])),
        ("webp lossless", webp(&[vp8l(20, 10, true)])),
        ("webp animated", webp(&animated_webp(4))),
        (
            "webp exif",
            webp(&[
                vp8x(0x08, 20, 10),
                vp8(20, 10),
                riff_chunk(b"EXIF", &tiff_orientation(5)),
            ]),
        ),
        ("bmp", bmp(40, 7, -5, 24, 0)),
        ("bmp core", bmp(12, 7, 5, 8, 0)),
        ("bmp v5", bmp(124, 7, 5, 32, 3)),
        ("tiff little", tiff(true, &[page(5, 4), page(5, 4)])),
        ("tiff big-endian", tiff(false, &[page(5, 4)])),
        ("bigtiff", bigtiff(5, 4)),
        ("ico bmp", ico(&[ico_dib(16), ico_dib(32)])),
        ("ico png", ico(&[ico_dib(16), png(256, 256, 8, 6, &[])])),
        ("jxl", jxl_codestream(40, 24)),
        ("jxl animated", jxl_full(50, 40)),
        ("jxl container", jxl_container(&jxl_full(50, 40))),
        ("j2k", j2k(11, 6, 3)),
        ("jp2", jp2(11, 6, 3)),
        ("svg", SVG.as_bytes().to_vec()),
        ("heic", heif(b"heic", &Item::default())),
        ("avif", heif(b"avif", &Item::default())),
        ("avis", avis(10, 7, 12)),
    ]
}

pub const SVG: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [
  <!ENTITY ns "it's > none of ours">
]>
<svg xmlns="http://www.w3.org/2000/svg" width="2in" height="48pt" viewBox="0 0 10 10"><g/></svg>
"#;

// JPEG

pub fn jpeg(
    depth: u8,
    width: u16,
    height: u16,
    components: &[u8],
    segments: &[Vec<u8>],
) -> Vec<u8> {
    let mut file = vec![0xff, 0xd8];
    file.extend(segments.concat());
    let mut frame = vec![depth];
    frame.extend(height.to_be_bytes());
    frame.extend(width.to_be_bytes());
    frame.push(components.len() as u8);
    for id in components {
        frame.extend([*id, 0x11, 0]);
    }
    file.extend(segment(0xc0, &frame));
    file.extend(segment(0xda, &[1, 1, 0, 0, 63, 0]));
    file.extend([0, 0xff, 0xd9]);
    file
}

pub fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff, marker];
    bytes.extend((body.len() as u16 + 2).to_be_bytes());
    bytes.extend(body);
    bytes
}

/// A TIFF structure whose IFD 0 says the orientation, and nothing else.
pub fn tiff_orientation(orientation: u8) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    bytes.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

pub fn exif_segment(orientation: u8) -> Vec<u8> {
    segment(
        0xe1,
        &[b"Exif\0\0", &tiff_orientation(orientation)[..]].concat(),
    )
}

pub fn icc_segment() -> Vec<u8> {
    segment(0xe2, b"ICC_PROFILE\0\x01\x01profile")
}

pub fn adobe_segment(transform: u8) -> Vec<u8> {
    segment(0xee, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat())
}

// PNG

pub fn chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    // The checksum is not looked at by a header reader: four bytes stand for it.
    [&(body.len() as u32).to_be_bytes()[..], name, body, &[0; 4]].concat()
}

pub fn png(width: u32, height: u32, depth: u8, colour: u8, chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut ihdr = Vec::new();
    ihdr.extend(width.to_be_bytes());
    ihdr.extend(height.to_be_bytes());
    ihdr.extend([depth, colour, 0, 0, 0]);
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &ihdr),
        chunks.concat(),
        chunk(b"IDAT", b"data"),
        chunk(b"IEND", b""),
    ]
    .concat()
}

// GIF

pub fn gif(width: u16, height: u16, frames: u32) -> Vec<u8> {
    let mut file = b"GIF89a".to_vec();
    file.extend(width.to_le_bytes());
    file.extend(height.to_le_bytes());
    // A global table of eight colours.
    file.extend([0b1000_0010, 0, 0]);
    file.extend([0; 24]);
    file.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
    for _ in 0..frames {
        file.extend([0x21, 0xf9, 4, 1, 0, 0, 0, 0]);
        file.push(0x2c);
        file.extend([0; 4]);
        file.extend(width.to_le_bytes());
        file.extend(height.to_le_bytes());
        file.extend([0, 3, 2, 0x44, 0x01, 0]);
    }
    file.push(0x3b);
    file
}

// WebP

pub fn riff_chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = [name, &(body.len() as u32).to_le_bytes()[..], body].concat();
    if body.len() % 2 == 1 {
        bytes.push(0);
    }
    bytes
}

pub fn webp(chunks: &[Vec<u8>]) -> Vec<u8> {
    let body = [b"WEBP".to_vec(), chunks.concat()].concat();
    riff_chunk(b"RIFF", &body)
}

pub fn vp8(width: u16, height: u16) -> Vec<u8> {
    let mut frame = vec![0x10, 0, 0, 0x9d, 0x01, 0x2a];
    frame.extend(width.to_le_bytes());
    frame.extend(height.to_le_bytes());
    frame.extend([0; 6]);
    riff_chunk(b"VP8 ", &frame)
}

pub fn vp8l(width: u32, height: u32, alpha: bool) -> Vec<u8> {
    let bits = (width - 1) | (height - 1) << 14 | u32::from(alpha) << 28;
    riff_chunk(
        b"VP8L",
        &[&[0x2f], &bits.to_le_bytes()[..], &[0; 3]].concat(),
    )
}

pub fn vp8x(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let mut body = vec![flags, 0, 0, 0];
    body.extend(&(width - 1).to_le_bytes()[..3]);
    body.extend(&(height - 1).to_le_bytes()[..3]);
    riff_chunk(b"VP8X", &body)
}

pub fn animated_webp(frames: usize) -> Vec<Vec<u8>> {
    let mut chunks = vec![vp8x(0x12, 20, 10), riff_chunk(b"ANIM", &[0; 6])];
    for _ in 0..frames {
        chunks.push(riff_chunk(
            b"ANMF",
            &[vec![0; 16], vp8l(20, 10, true)].concat(),
        ));
    }
    chunks
}

// BMP and ICO

pub fn dib(size: u32, width: i32, height: i32, bits: u16, compression: u32) -> Vec<u8> {
    let mut header = size.to_le_bytes().to_vec();
    if size == 12 {
        header.extend((width as u16).to_le_bytes());
        header.extend((height as u16).to_le_bytes());
        header.extend([1, 0]);
        header.extend(bits.to_le_bytes());
        return header;
    }
    header.extend(width.to_le_bytes());
    header.extend(height.to_le_bytes());
    header.extend([1, 0]);
    header.extend(bits.to_le_bytes());
    header.extend(compression.to_le_bytes());
    header.resize(40, 0);
    if size >= 56 {
        for mask in [0xff_0000_u32, 0xff00, 0xff, 0xff00_0000] {
            header.extend(mask.to_le_bytes());
        }
    }
    if size == 124 {
        header.extend(u32::from_be_bytes(*b"MBED").to_le_bytes());
    }
    header.resize(size as usize, 0);
    header
}

pub fn bmp(size: u32, width: i32, height: i32, bits: u16, compression: u32) -> Vec<u8> {
    [
        vec![b'B', b'M'],
        vec![0; 12],
        dib(size, width, height, bits, compression),
    ]
    .concat()
}

pub fn ico_dib(side: i32) -> Vec<u8> {
    dib(40, side, side * 2, 32, 0)
}

pub fn ico(images: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![0, 0, 1, 0];
    file.extend((images.len() as u16).to_le_bytes());
    let mut offset = 6 + 16 * images.len() as u32;
    for (index, image) in images.iter().enumerate() {
        // The last is the largest, of 256, which is written as 0.
        let side = if index + 1 == images.len() { 0 } else { 16 };
        file.extend([side, side, 0, 0, 1, 0, 32, 0]);
        file.extend((image.len() as u32).to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += image.len() as u32;
    }
    file.extend(images.concat());
    file
}

// TIFF

/// Tag, type, count, value.
pub type TiffEntry = (u16, u16, u32, u32);

pub fn page(width: u32, height: u32) -> Vec<TiffEntry> {
    vec![
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
    ]
}

/// Classic TIFF; the values of SHORTs are placed as the byte order demands.
pub fn tiff(little: bool, pages: &[Vec<TiffEntry>]) -> Vec<u8> {
    let two = |n: u16| {
        if little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let four = |n: u32| {
        if little {
            n.to_le_bytes()
        } else {
            n.to_be_bytes()
        }
    };
    let mut file = if little {
        b"II*\0".to_vec()
    } else {
        b"MM\0*".to_vec()
    };
    file.extend(four(8));
    for (index, entries) in pages.iter().enumerate() {
        file.extend(two(entries.len() as u16));
        for (tag, kind, count, value) in entries {
            file.extend(two(*tag));
            file.extend(two(*kind));
            file.extend(four(*count));
            if *kind == 3 && *count == 1 {
                file.extend(two(*value as u16));
                file.extend([0, 0]);
            } else {
                file.extend(four(*value));
            }
        }
        let next = if index + 1 < pages.len() {
            file.len() as u32 + 4
        } else {
            0
        };
        file.extend(four(next));
    }
    file
}

pub fn bigtiff(width: u64, height: u64) -> Vec<u8> {
    let mut file = b"II+\0\x08\0\0\0".to_vec();
    file.extend(16_u64.to_le_bytes());
    file.extend(2_u64.to_le_bytes());
    for (tag, value) in [(256_u16, width), (257, height)] {
        file.extend(tag.to_le_bytes());
        file.extend([16, 0]);
        file.extend(1_u64.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0_u64.to_le_bytes());
    file
}

// JPEG XL

/// Writes bits from the least significant one of each byte.
#[derive(Default)]
pub struct Bits(Vec<bool>);

impl Bits {
    pub fn put(mut self, value: u32, count: u32) -> Self {
        for index in 0..count {
            self.0.push(value >> index & 1 == 1);
        }
        self
    }

    pub fn bytes(self) -> Vec<u8> {
        self.0
            .chunks(8)
            .map(|bits| {
                bits.iter()
                    .rev()
                    .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
            })
            .collect()
    }
}

/// Small sides (multiples of eight), everything default.
pub fn jxl_codestream(width: u32, height: u32) -> Vec<u8> {
    let bits = Bits::default()
        .put(1, 1)
        .put(height / 8 - 1, 5)
        .put(0, 3)
        .put(width / 8 - 1, 5)
        .put(1, 1);
    [vec![0xff, 0x0a], bits.bytes(), vec![0; 4]].concat()
}

/// Orientation 6, animated, 16 bits, an alpha channel, grey with an ICC profile.
pub fn jxl_full(width: u32, height: u32) -> Vec<u8> {
    let bits = Bits::default()
        .put(0, 1)
        .put(0, 2)
        .put(height - 1, 9)
        .put(0, 3)
        .put(0, 2)
        .put(width - 1, 9)
        .put(0, 1) // not all default
        .put(1, 1) // extra fields
        .put(5, 3) // orientation 6
        .put(0, 2) // no intrinsic size, no preview
        .put(1, 1) // animation: 100/1 ticks, endless, no timecodes
        .put(0, 2)
        .put(0, 2)
        .put(0, 2)
        .put(0, 1)
        .put(0, 1) // integer samples of 15 + 1 bits
        .put(3, 2)
        .put(15, 6)
        .put(0, 1)
        .put(1, 2) // one extra channel: all default, which is alpha
        .put(1, 1)
        .put(0, 1) // not XYB
        .put(0, 1) // colours: not default, ICC, grey
        .put(1, 1)
        .put(1, 2);
    [vec![0xff, 0x0a], bits.bytes(), vec![0; 4]].concat()
}

pub fn jxl_container(codestream: &[u8]) -> Vec<u8> {
    [
        b"\0\0\0\x0cJXL \r\n\x87\n".to_vec(),
        iso_box(b"ftyp", b"jxl \0\0\0\0jxl "),
        iso_box(b"Exif", &[0; 30]),
        iso_box(b"jxlp", &[&[0; 4], codestream].concat()),
    ]
    .concat()
}

// JPEG 2000

pub fn j2k(width: u32, height: u32, components: u16) -> Vec<u8> {
    let mut file = vec![0xff, 0x4f, 0xff, 0x51];
    file.extend((38 + 3 * components).to_be_bytes());
    file.extend([0, 0]);
    // The image begins at (2, 1) of its grid.
    for n in [width + 2, height + 1, 2, 1, width, height, 0, 0] {
        file.extend(n.to_be_bytes());
    }
    file.extend(components.to_be_bytes());
    for _ in 0..components {
        file.extend([11, 1, 1]);
    }
    file
}

pub fn jp2(width: u32, height: u32, components: u16) -> Vec<u8> {
    let mut ihdr = Vec::new();
    ihdr.extend(height.to_be_bytes());
    ihdr.extend(width.to_be_bytes());
    ihdr.extend(components.to_be_bytes());
    ihdr.extend([15, 7, 0, 0]);
    let header = [
        iso_box(b"ihdr", &ihdr),
        iso_box(b"colr", &[1, 0, 0, 0, 0, 0, 18]),
        iso_box(b"cdef", &[0, 1, 0, 3, 0, 1, 0, 0]),
    ]
    .concat();
    [
        b"\0\0\0\x0cjP  \r\n\x87\n".to_vec(),
        iso_box(b"ftyp", b"jp2 \0\0\0\0jp2 "),
        iso_box(b"jp2h", &header),
        iso_box(b"jp2c", &j2k(width, height, components)),
    ]
    .concat()
}

// HEIC and AVIF

pub fn iso_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32 + 8).to_be_bytes()[..], name, body].concat()
}

fn full_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    iso_box(name, &[&[0; 4], body].concat())
}

pub struct Item {
    pub width: u32,
    pub height: u32,
    pub rotate: Option<u8>,
    pub mirror: Option<u8>,
    pub crop: Option<(u32, u32)>,
    pub alpha: bool,
    pub icc: bool,
}

impl Default for Item {
    fn default() -> Self {
        Self {
            width: 64,
            height: 48,
            rotate: None,
            mirror: None,
            crop: None,
            alpha: false,
            icc: false,
        }
    }
}

fn av1c() -> Vec<u8> {
    // Ten bits.
    iso_box(b"av1C", &[0x81, 0, 0x40, 0])
}

fn hvcc() -> Vec<u8> {
    let mut body = vec![0; 23];
    body[16] = 0xfd;
    body[17] = 0xf8;
    iso_box(b"hvcC", &body)
}

/// One primary item (1), and an alpha plane (2) when asked for.
pub fn heif(brand: &[u8; 4], item: &Item) -> Vec<u8> {
    let mut size = item.width.to_be_bytes().to_vec();
    size.extend(item.height.to_be_bytes());
    let mut properties = vec![
        full_box(b"ispe", &size),
        if brand == b"avif" { av1c() } else { hvcc() },
    ];
    if item.icc {
        properties.push(iso_box(b"colr", b"prof0123"));
    }
    if let Some((width, height)) = item.crop {
        let numbers = [width, 1, height, 1, 0, 1, 0, 1];
        properties.push(iso_box(b"clap", &numbers.map(u32::to_be_bytes).concat()));
    }
    if let Some(turns) = item.rotate {
        properties.push(iso_box(b"irot", &[turns]));
    }
    if let Some(axis) = item.mirror {
        properties.push(iso_box(b"imir", &[axis]));
    }
    let own = properties.len() as u8;
    properties.push(full_box(
        b"auxC",
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0",
    ));
    let mut ipma = vec![0, 0, 0, if item.alpha { 2 } else { 1 }, 0, 1, own];
    ipma.extend(1..=own);
    if item.alpha {
        ipma.extend([0, 2, 1, own + 1]);
    }
    let references = if item.alpha {
        full_box(b"iref", &iso_box(b"auxl", &[0, 2, 0, 1, 0, 1]))
    } else {
        Vec::new()
    };
    let meta = [
        full_box(b"hdlr", b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        full_box(b"pitm", &[0, 1]),
        references,
        iso_box(
            b"iprp",
            &[
                iso_box(b"ipco", &properties.concat()),
                full_box(b"ipma", &ipma),
            ]
            .concat(),
        ),
    ]
    .concat();
    [
        iso_box(b"ftyp", &[&brand[..], &[0; 4], b"mif1", brand].concat()),
        full_box(b"meta", &meta),
        iso_box(b"mdat", &[0; 16]),
    ]
    .concat()
}

/// A sequence with a track, and no item.
pub fn avis(width: u16, height: u16, frames: u32) -> Vec<u8> {
    let mut sample = vec![0; 24];
    sample.extend(width.to_be_bytes());
    sample.extend(height.to_be_bytes());
    sample.resize(78, 0);
    sample.extend(av1c());
    let entries = full_box(
        b"stsd",
        &[&[0, 0, 0, 1][..], &iso_box(b"av01", &sample)].concat(),
    );
    let sizes = full_box(b"stsz", &[&[0; 4][..], &frames.to_be_bytes()].concat());
    let minf = iso_box(b"minf", &iso_box(b"stbl", &[entries, sizes].concat()));
    let hdlr = full_box(b"hdlr", b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let mdia = iso_box(b"mdia", &[hdlr, minf].concat());
    [
        iso_box(b"ftyp", b"avis\0\0\0\0avisavifmsf1"),
        iso_box(b"moov", &iso_box(b"trak", &mdia)),
    ]
    .concat()
}
