//! BMP: 24 bits a pixel, or 32 with alpha.

use crate::{Channels, PixelError, Pixels};

/// Writes an uncompressed bitmap. Grey becomes RGB, 16 bits become 8.
pub fn bmp(pixels: &Pixels) -> Result<Vec<u8>, PixelError> {
    let pixels = pixels.clone().into_eight().into_colour();
    let (width, height) = (pixels.width(), pixels.height());
    let has_alpha = pixels.channels() == Channels::Rgba;
    let count = pixels.channels().count();
    let padding = (4 - (width as usize * count) % 4) % 4;
    let image_size = (width as usize * count + padding) * height as usize;
    // BITMAPINFOHEADER has no place for alpha; BITMAPV4HEADER names its bits.
    let header_size: u32 = if has_alpha { 108 } else { 40 };
    let offset = 14 + header_size;
    let mut out = Vec::with_capacity(offset as usize + image_size);
    out.extend_from_slice(b"BM");
    out.extend_from_slice(&(offset + image_size as u32).to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&offset.to_le_bytes());
    out.extend_from_slice(&header_size.to_le_bytes());
    out.extend_from_slice(&(width as i32).to_le_bytes());
    // A negative height means rows from the top.
    out.extend_from_slice(&(-(height as i32)).to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&(count as u16 * 8).to_le_bytes());
    out.extend_from_slice(&(if has_alpha { 3u32 } else { 0 }).to_le_bytes());
    out.extend_from_slice(&(image_size as u32).to_le_bytes());
    // 72 dots an inch, no colour table.
    for value in [2835u32, 2835, 0, 0] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    if has_alpha {
        for mask in [0x00FF_0000u32, 0x0000_FF00, 0x0000_00FF, 0xFF00_0000] {
            out.extend_from_slice(&mask.to_le_bytes());
        }
        out.extend_from_slice(b"BGRs");
        out.extend_from_slice(&[0; 48]);
    }
    let samples = pixels.eight().unwrap_or_default();
    for row in samples.chunks_exact(width as usize * count) {
        for pixel in row.chunks_exact(count) {
            out.extend([pixel[2], pixel[1], pixel[0]]);
            out.extend(pixel.get(3));
        }
        out.extend(std::iter::repeat_n(0, padding));
    }
    Ok(out)
}
