//! Pages of text: one clean, one scanned, one by fax.

use image::{GrayImage, Luma, Rgb, RgbImage, RgbaImage};
use noto_sans_mono_bitmap::RasterHeight::{self, Size20, Size24, Size32};

use crate::drawing::{DARK, Face, Ink, LAMP, paint, write};
use crate::noise::{fbm, hash};

const LETTER: &str = "\
Dear colleague,

thank you for sending the photographs of the harbour. All of
them arrived, and every one was looked at before it was filed.

Four things were done with each picture. Its header was read,
so that we know its format and its size before anything large
is kept in memory. It was labelled, a small copy was made for
the catalogue, and a copy with fewer bytes for the web. What
was done, when, and by which version of which program is
written down, and nobody can change it afterwards without
leaving a trace.

Two of the files could not be taken. One was a letter like
this one that somebody had renamed to look like a photograph.
The other ended in the middle of the picture; perhaps the
card was pulled out too early. Both are listed on the second
page, with the reason and with what can be done about it.

If you have more pictures, put them in the same folder. There
is no need to sort them, to turn them upright, or to make
them smaller first. Names may contain spaces, plus signs and
letters of any alphabet.

With kind regards,
";

const SECOND: &str = "\
Files that were not taken

  notes.jpg
     What it is    plain text, 2 kilobytes
     Why           it is not an image
     What to do    export the picture again

  harbour-17.jpg
     What it is    JPEG, 4000 x 3000
     Why           it ends at 41 percent
     What to do    copy it from the card again

Files that were taken                       298
Bytes before                      1 204 772 118
Bytes after                         486 020 557
Labels                                    2 114
Time spent                     3 min 41 s
";

fn page(width: u32, height: u32) -> RgbaImage {
    paint(width, height, |_, _| [255, 255, 255, 255])
}

fn lines(picture: &mut RgbaImage, x: u32, y: u32, size: RasterHeight, step: u32, text: &str) {
    for (index, line) in (0_u32..).zip(text.lines()) {
        write(
            picture,
            x,
            y + index * step,
            Face::regular(size, DARK),
            line,
        );
    }
}

fn rule(picture: &mut RgbaImage, y: u32, ink: Ink) {
    for x in 96..picture.width() - 96 {
        for row in y..y + 3 {
            picture.put_pixel(x, row, image::Rgba(ink));
        }
    }
}

/// A letter on white paper, as a program prints it.
pub(crate) fn letter() -> RgbaImage {
    let mut picture = page(960, 1_240);
    write(&mut picture, 96, 84, Face::bold(Size32, DARK), "Safelight");
    write(
        &mut picture,
        96,
        124,
        Face::regular(Size20, [110, 106, 112, 255]),
        "Image workflows, on the record",
    );
    rule(&mut picture, 164, LAMP);
    lines(&mut picture, 96, 210, Size24, 36, LETTER);
    write(
        &mut picture,
        96,
        1_110,
        Face::bold(Size24, DARK),
        "The darkroom",
    );
    write(
        &mut picture,
        800,
        1_180,
        Face::regular(Size20, DARK),
        "1 / 2",
    );
    picture
}

/// The same letter from a scanner: a little askew, on paper that is not white, not quite sharp.
pub(crate) fn scanned_letter() -> RgbImage {
    let clean = image::DynamicImage::ImageRgba8(letter()).to_luma8();
    let light = |x: f32, y: f32| {
        let (left, top) = (x.floor(), y.floor());
        let at = |x: f32, y: f32| {
            let inside = x >= 0.0 && y >= 0.0 && x < 960.0 && y < 1_240.0;
            if inside {
                f32::from(clean.get_pixel(x as u32, y as u32).0[0])
            } else {
                255.0
            }
        };
        let (u, v) = (x - left, y - top);
        let above = at(left, top) * (1.0 - u) + at(left + 1.0, top) * u;
        let below = at(left, top + 1.0) * (1.0 - u) + at(left + 1.0, top + 1.0) * u;
        (above * (1.0 - v) + below * v) / 255.0
    };
    RgbImage::from_fn(960, 1_240, |x, y| {
        let (fx, fy) = (x as f32, y as f32);
        // Turned by about a degree.
        let (cx, cy) = (fx - 480.0, fy - 620.0);
        let (sx, sy) = (cx + cy * 0.018 + 480.0, cy - cx * 0.018 + 620.0);
        let soft = light(sx, sy) * 0.5
            + (light(sx + 0.8, sy)
                + light(sx - 0.8, sy)
                + light(sx, sy + 0.8)
                + light(sx, sy - 0.8))
                * 0.125;
        let paper = 0.925 + fbm(fx / 300.0, fy / 300.0, 3, 3) * 0.05 - fy / 1_240.0 * 0.03;
        // A fold across the middle.
        let fold = 1.0 - 0.06 / (1.0 + (cy + 4.0 + fx * 0.004).abs() * 0.25);
        let noise = (hash(x as i32, y as i32, 4) - 0.5) * 0.035;
        let tone = ((0.10 + soft * 0.90) * paper * fold + noise).clamp(0.0, 1.0);
        Rgb([tone, tone * 0.985, tone * 0.945].map(|part| (part * 255.0 + 0.5) as u8))
    })
}

/// Two pages by fax: black or white, with the noise of the line.
pub(crate) fn fax_pages() -> Vec<GrayImage> {
    let mut second = page(960, 1_240);
    write(&mut second, 96, 84, Face::bold(Size32, DARK), "Safelight");
    rule(&mut second, 144, DARK);
    lines(&mut second, 96, 210, Size24, 36, SECOND);
    write(
        &mut second,
        800,
        1_180,
        Face::regular(Size20, DARK),
        "2 / 2",
    );
    (0_u32..)
        .zip([letter(), second])
        .map(|(number, page)| {
            let page = image::DynamicImage::ImageRgba8(page).to_luma8();
            GrayImage::from_fn(page.width(), page.height(), |x, y| {
                let speck = hash(x as i32, y as i32, 60 + number) > 0.9994;
                let dark = page.get_pixel(x, y).0[0] < 150;
                Luma([if dark || speck { 0 } else { 255 }])
            })
        })
        .collect()
}
