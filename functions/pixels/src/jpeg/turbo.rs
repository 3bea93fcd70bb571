//! The same planes by libjpeg-turbo, which is C and quicker: the feature `turbo`.
//!
//! What it does: decodes baseline files that our own reader has gone through from the first segment to
//! the end of the image, where every sample is wanted.
//! What it never does: decide how a file ends. Whatever libjpeg-turbo refuses or warns of is decoded by
//! this crate's own code, as if the feature were not there.

use turbojpeg::{Colorspace, Decompressor, Subsamp, YuvImage, yuv_pixels_len};

use super::decode::Strip;
use super::header::{Frame, Reader};
use super::progressive::end_of_data;
use super::{Give, Refused};

#[cfg(test)]
mod tests;

/// Rows that are handed on at once: few enough to be found in the processor's cache.
const ROWS: usize = 16;

/// Decodes everything, then hands the strips to `each`.
pub(crate) fn decode(bytes: &[u8], frame: &Frame, each: &mut dyn FnMut(Strip<'_>)) -> Give<()> {
    is_whole(bytes, frame)?;
    let image = image(bytes, frame).map_err(|_| Refused("libjpeg-turbo refuses"))??;
    let (luma, colour) = (image.y_size(), image.uv_size());
    let mut rest = &image.pixels[..];
    for (index, component) in frame.components.iter().enumerate() {
        let (stride, height) = if index == 0 { luma } else { colour };
        let (plane, others) = rest
            .split_at_checked(stride * height)
            .ok_or(Refused("a plane is missing"))?;
        rest = others;
        let plane = plane
            .get(..stride * component.height)
            .ok_or(Refused("a plane is missing"))?;
        for rows in plane.chunks(stride * ROWS) {
            each(Strip {
                component: index,
                rows,
                stride,
                width: component.width,
                height: rows.len() / stride,
            });
        }
    }
    Ok(())
}

/// Goes through every segment, as far as the end of the image: C sees no file that is cut short, or that
/// has more than one scan.
fn is_whole(bytes: &[u8], frame: &Frame) -> Give<()> {
    let mut reader = Reader::new(bytes)?;
    let scan = reader.next_scan()?.ok_or(Refused("no scan"))?;
    if frame.progressive || scan.components.len() != frame.components.len() {
        return Err(Refused("several scans"));
    }
    // Our own decoder refuses such files; libjpeg-turbo takes the step, and has tables to make up for those
    // that are missing.
    for &(_, dc, ac) in &scan.components {
        let tables = (&reader.tables.dc[dc], &reader.tables.ac[ac]);
        let (Some(dc), Some(_)) = tables else {
            return Err(Refused("a Huffman table is missing"));
        };
        if dc.most() > 11 {
            return Err(Refused("a step that is too large"));
        }
    }
    reader.skip_to(end_of_data(bytes, scan.data));
    match reader.next_scan()? {
        None => Ok(()),
        Some(_) => Err(Refused("several scans")),
    }
}

fn image(bytes: &[u8], frame: &Frame) -> turbojpeg::Result<Give<YuvImage<Vec<u8>>>> {
    let mut decompressor = Decompressor::new()?;
    let header = decompressor.read_header(bytes)?;
    let expected = match &frame.components[..] {
        [_] => Some(Subsamp::Gray),
        [luma, blue, red] if [blue.h, blue.v, red.h, red.v] == [1; 4] => match (luma.h, luma.v) {
            (1, 1) => Some(Subsamp::None),
            (2, 1) => Some(Subsamp::Sub2x1),
            (1, 2) => Some(Subsamp::Sub1x2),
            (2, 2) => Some(Subsamp::Sub2x2),
            _ => None,
        },
        _ => None,
    };
    if Some(header.subsamp) != expected
        || (header.width, header.height) != (frame.width, frame.height)
        || !matches!(header.colorspace, Colorspace::YCbCr | Colorspace::Gray)
    {
        return Ok(Err(Refused("not what our own reader found")));
    }
    // The crate compares the sides with the file's once more, but not the subsampling: the memory has to
    // be reckoned from libjpeg-turbo's own reading of the header.
    let align = 1;
    let length = yuv_pixels_len(header.width, align, header.height, header.subsamp)?;
    let mut image = YuvImage {
        pixels: vec![0; length],
        width: header.width,
        align,
        height: header.height,
        subsamp: header.subsamp,
    };
    decompressor.decompress_to_yuv(bytes, image.as_deref_mut())?;
    Ok(Ok(image))
}
