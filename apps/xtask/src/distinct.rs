//! Images without end: the same pixels under other bytes, so that each is an image of its own.

use anyhow::{Context as _, ensure};

const PNG_SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Signature, and IHDR with its length, type and checksum.
const PNG_HEADER: usize = 8 + 25;

/// The JPEG or PNG with a comment that holds `index`; none where the bytes are neither.
pub fn with_index(image: &[u8], index: usize) -> Option<Vec<u8>> {
    let comment = format!("copy {index}");
    if image.starts_with(b"\xff\xd8\xff") {
        return Some(splice(image, 2, &jpeg_comment(comment.as_bytes())));
    }
    if image.starts_with(PNG_SIGNATURE) && image.len() > PNG_HEADER {
        return Some(splice(image, PNG_HEADER, &png_text(comment.as_bytes())));
    }
    None
}

fn splice(image: &[u8], at: usize, inserted: &[u8]) -> Vec<u8> {
    let (head, tail) = image.split_at(at);
    [head, inserted, tail].concat()
}

/// A COM segment; its length counts itself (ITU T.81, B.2.4.5).
fn jpeg_comment(text: &[u8]) -> Vec<u8> {
    let length = (text.len() as u16 + 2).to_be_bytes();
    [b"\xff\xfe".as_slice(), &length, text].concat()
}

/// A tEXt chunk (PNG, 11.3.3.2).
fn png_text(text: &[u8]) -> Vec<u8> {
    let body = [b"tEXtComment\0".as_slice(), text].concat();
    let length = (body.len() as u32 - 4).to_be_bytes();
    [length.as_slice(), &body, &crc(&body).to_be_bytes()].concat()
}

/// The checksum of a chunk (PNG, annex D).
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                0xedb8_8320 ^ (crc >> 1)
            } else {
                crc >> 1
            };
        }
        crc
    })
}

/// A PNG of 32 × 32 pixels with a gradient and `index` in it.
pub fn tiny_png(index: usize) -> anyhow::Result<Vec<u8>> {
    const SIDE: u32 = 32;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let pixels: Vec<u8> = (0..SIDE * SIDE)
        .flat_map(|pixel| {
            [
                (pixel % SIDE * 8) as u8,
                (pixel / SIDE * 8) as u8,
                index as u8,
            ]
        })
        .collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    with_index(&bytes, index).context("the encoder wrote no PNG")
}

/// Writes `count` tiny PNGs into a new folder.
pub fn write_tiny_pngs(folder: &std::path::Path, count: usize) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    ensure!(
        folder.read_dir()?.next().is_none(),
        "{} is not empty",
        folder.display()
    );
    for index in 0..count {
        std::fs::write(folder.join(format!("{index:06}.png")), tiny_png(index)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pngs_differ_and_decode() {
        let images: Vec<_> = [1, 257].map(|index| tiny_png(index).unwrap()).into();
        assert_ne!(images[0], images[1], "also where the pixels are the same");
        for image in images {
            let mut reader = png::Decoder::new(std::io::Cursor::new(image))
                .read_info()
                .unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            let info = reader.info();
            assert_eq!((info.width, info.height), (32, 32));
            assert_eq!(
                info.uncompressed_latin1_text.len(),
                1,
                "the checksum of the chunk is right"
            );
        }
    }

    #[test]
    fn a_jpeg_gets_a_comment_behind_its_start() {
        let image = with_index(b"\xff\xd8\xff\xe0rest", 7).unwrap();
        assert_eq!(image, b"\xff\xd8\xff\xfe\x00\x08copy 7\xff\xe0rest");
    }

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn other_files_are_left_out() {
        assert_eq!(with_index(b"GIF89a", 1), None);
        assert_eq!(with_index(b"", 1), None);
        assert_eq!(with_index(PNG_SIGNATURE, 1), None);
    }
}
