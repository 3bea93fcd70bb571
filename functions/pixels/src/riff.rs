//! The RIFF container of WebP: reading its chunks, and writing them around a bitstream.

/// Chunks of a WebP file: name and data, in order, until the file ends.
pub(crate) fn chunks(webp: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    walk(webp.get(12..).unwrap_or_default())
}

/// Chunks of a list of chunks.
pub(crate) fn walk(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let name: [u8; 4] = rest.get(..4)?.try_into().ok()?;
        let size = u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize;
        let data = rest.get(8..8usize.checked_add(size)?)?;
        rest = rest.get(8 + size + (size & 1)..).unwrap_or_default();
        Some((name, data))
    })
}

/// The name of the chunk that the file ends within, if it does.
pub(crate) fn cut(webp: &[u8]) -> Option<[u8; 4]> {
    let padded = |(_, data): ([u8; 4], &[u8])| 8 + data.len().next_multiple_of(2);
    let whole: usize = chunks(webp).map(padded).sum();
    webp.get(12 + whole..)?.get(..4)?.try_into().ok()
}

/// The size that the RIFF header declares for the whole file, in bytes.
pub(crate) fn declared_len(webp: &[u8]) -> Option<u64> {
    let size: [u8; 4] = webp.get(4..8)?.try_into().ok()?;
    (webp.get(..4)? == b"RIFF").then(|| u64::from(u32::from_le_bytes(size)) + 8)
}

/// Appends one chunk, padded to an even length.
pub(crate) fn push(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    out.extend_from_slice(&name);
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
    if data.len() % 2 == 1 {
        out.push(0);
    }
}

/// The last 24 bits' worth of a size or position, little endian.
pub(crate) const fn u24(value: u32) -> [u8; 3] {
    let bytes = value.to_le_bytes();
    [bytes[0], bytes[1], bytes[2]]
}

/// What the extended header announces.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Features {
    pub(crate) alpha: bool,
    pub(crate) animated: bool,
}

/// A whole file in the extended format around `body` (bitstream chunks).
pub(crate) fn extended(
    width: u32,
    height: u32,
    features: Features,
    icc: Option<&[u8]>,
    exif: Option<&[u8]>,
    body: &[u8],
) -> Vec<u8> {
    let flags = u8::from(icc.is_some()) << 5
        | u8::from(features.alpha) << 4
        | u8::from(exif.is_some()) << 3
        | u8::from(features.animated) << 1;
    let mut header = vec![flags, 0, 0, 0];
    header.extend_from_slice(&u24(width.saturating_sub(1)));
    header.extend_from_slice(&u24(height.saturating_sub(1)));
    let mut out = b"RIFF\0\0\0\0WEBP".to_vec();
    push(&mut out, *b"VP8X", &header);
    if let Some(icc) = icc {
        push(&mut out, *b"ICCP", icc);
    }
    out.extend_from_slice(body);
    if let Some(exif) = exif {
        push(&mut out, *b"EXIF", exif);
    }
    let size = (out.len() - 8) as u32;
    out[4..8].copy_from_slice(&size.to_le_bytes());
    out
}
