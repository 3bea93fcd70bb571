//! Which format the first bytes belong to and, when it is none of ours, what they look like.

use crate::source::{Parsed, Source, Stop};

/// A family of headers that is parsed in one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Jpeg,
    Png,
    Gif,
    Webp,
    Bmp,
    Tiff,
    Ico,
    JxlCodestream,
    JxlContainer,
    Jp2Codestream,
    Jp2Container,
    Svg,
    /// ISO base media: HEIC, AVIF, or a film.
    Bmff,
}

impl Kind {
    /// How messages call it.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Gif => "GIF",
            Self::Webp => "WebP",
            Self::Bmp => "BMP",
            Self::Tiff => "TIFF",
            Self::Ico => "ICO",
            Self::JxlCodestream | Self::JxlContainer => "JPEG XL",
            Self::Jp2Codestream | Self::Jp2Container => "JPEG 2000",
            Self::Svg => "SVG",
            Self::Bmff => "HEIF/AVIF",
        }
    }
}

const JXL_CONTAINER: &[u8] = b"\0\0\0\x0cJXL \r\n\x87\n";
const JP2_CONTAINER: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n";

/// Signatures at the beginning of a file. `BM` and the ICO's are short, and are checked further.
const SIGNATURES: [(&[u8], Kind); 13] = [
    (b"\xff\xd8\xff", Kind::Jpeg),
    (b"\x89PNG\r\n\x1a\n", Kind::Png),
    (b"GIF87a", Kind::Gif),
    (b"GIF89a", Kind::Gif),
    (b"II*\0", Kind::Tiff),
    (b"MM\0*", Kind::Tiff),
    (b"II+\0\x08\0\0\0", Kind::Tiff),
    (b"MM\0+\0\x08\0\0", Kind::Tiff),
    (b"\xff\x0a", Kind::JxlCodestream),
    (JXL_CONTAINER, Kind::JxlContainer),
    (b"\xff\x4f\xff\x51", Kind::Jp2Codestream),
    (JP2_CONTAINER, Kind::Jp2Container),
    (b"\0\0\x01\0", Kind::Ico),
];

/// Bytes at the beginning that are looked at to name what is not an image.
const LOOK: usize = 512;

/// The family of the file, or what it looks like instead.
pub(crate) fn kind(source: &Source) -> Parsed<Kind> {
    let head = source.head(LOOK)?;
    if let Some((_, kind)) = SIGNATURES.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Ok(*kind);
    }
    if head.starts_with(b"RIFF") {
        match head.get(8..12) {
            Some(b"WEBP") | None => return Ok(Kind::Webp),
            Some(_) => {}
        }
    }
    if head.get(4..8) == Some(b"ftyp") {
        return Ok(Kind::Bmff);
    }
    if head.starts_with(b"BM") {
        // "BM" begins many texts: the size of the second header tells a bitmap.
        match head.get(14..18) {
            Some(&[size, 0, 0, 0]) if [12, 16, 40, 52, 56, 64, 108, 124].contains(&size) => {
                return Ok(Kind::Bmp);
            }
            None if !is_text(head) => return Ok(Kind::Bmp),
            _ => {}
        }
    }
    // A file that ends within a signature is cut off, not of an unknown kind; its parser says where.
    if head.len() >= 2
        && head.iter().any(|byte| *byte != 0)
        && let Some((_, kind)) = SIGNATURES.iter().find(|(magic, _)| magic.starts_with(head))
    {
        return Ok(*kind);
    }
    if begins_with_markup(head) {
        return Ok(Kind::Svg);
    }
    Err(Stop::Unsupported(describe(head, source.size())))
}

/// Whether the text begins with `<`: XML of some kind, and the SVG parser looks closer.
fn begins_with_markup(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    head.trim_ascii_start().first() == Some(&b'<')
}

/// Begins of files that people upload instead of images.
const OTHERS: [(&[u8], &str); 45] = [
    (b"%PDF-", "a PDF document"),
    (b"%!PS", "a PostScript file"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (
        b"\x1f\x8b",
        "gzip-compressed data (an SVGZ must be unpacked)",
    ),
    (b"BZh", "bzip2-compressed data"),
    (b"\xfd7zXZ\0", "xz-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"8BPS", "a Photoshop document"),
    (b"gimp xcf", "a GIMP document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image"),
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"qoif", "a QOI image"),
    (b"DDS ", "a DirectDraw surface"),
    (b"FLIF", "a FLIF image"),
    (b"BPG\xfb", "a BPG image"),
    (b"II\xbc\x01", "a JPEG XR image"),
    (b"IIRO", "an Olympus camera raw file"),
    (b"IIRS", "an Olympus camera raw file"),
    (b"IIU\0", "a Panasonic camera raw file"),
    (b"FUJIFILMCCD-RAW", "a Fujifilm camera raw file"),
    (b"FOVb", "a Sigma camera raw file"),
    (b"icns", "an Apple icon"),
    (b"\0\0\x02\0", "a Windows cursor"),
    (b"SIMPLE  =", "a FITS image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"P1\n", "a PBM image"),
    (b"P2\n", "a PGM image"),
    (b"P3\n", "a PPM image"),
    (b"P4\n", "a PBM image"),
    (b"P5\n", "a PGM image"),
    (b"P6\n", "a PPM image"),
    (b"P7\n", "a PAM image"),
    (b"RIFF", "a RIFF file such as AVI or WAV"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM film"),
    (b"OggS", "an Ogg file"),
    (b"fLaC", "FLAC sound"),
    (b"ID3", "MP3 sound"),
    (b"\x7fELF", "a Linux program"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
];

/// What the bytes look like, for a person.
fn describe(head: &[u8], size: u64) -> String {
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return (*what).to_owned();
    }
    if head.get(128..132) == Some(b"DICM") {
        return "a DICOM image".to_owned();
    }
    if head.get(257..262) == Some(b"ustar") {
        return "a tar archive".to_owned();
    }
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return "UTF-16 text".to_owned();
    }
    if head.iter().all(|byte| *byte == 0) {
        return format!("{size} bytes that begin with zeros only");
    }
    if is_text(head) {
        let text = String::from_utf8_lossy(head);
        let mut line: String = text
            .trim()
            .chars()
            .take_while(|c| !c.is_control())
            .take(40)
            .collect();
        if text.trim().chars().count() > line.chars().count() {
            line.push('…');
        }
        return format!("plain text (\"{line}\")");
    }
    let hex: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
    format!("unknown binary data (it begins with {})", hex.join(" "))
}

/// Whether the bytes are UTF-8 text, perhaps cut within the last character.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => head,
        Err(error) if error.error_len().is_none() => {
            head.get(..error.valid_up_to()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.is_empty()
        && !valid
            .iter()
            .any(|b| *b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c))
}

/// What XML with this root element looks like.
pub(crate) fn markup(root: &str) -> String {
    let is_html = ["html", "!doctype", "head", "body", "div", "p"]
        .iter()
        .any(|name| root.eq_ignore_ascii_case(name));
    if is_html {
        "an HTML page".to_owned()
    } else if root.is_empty() {
        "plain text that begins with \"<\"".to_owned()
    } else {
        format!("XML whose root element is <{root}>")
    }
}
