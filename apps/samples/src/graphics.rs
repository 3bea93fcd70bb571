//! Graphics: a chart, a logo, a map, a badge, a test card.

use image::{Rgba, RgbaImage};
use noto_sans_mono_bitmap::RasterHeight::{Size16, Size24};

use crate::drawing::{CLEAR, DARK, Face, Ink, LAMP, WHITE, in_rounded, lay, paint, write};
use crate::noise::fbm;

/// Bars of a week, with axis and title.
pub(crate) fn chart() -> RgbaImage {
    const BARS: [(&str, f32); 7] = [
        ("Mon", 412.0),
        ("Tue", 530.0),
        ("Wed", 468.0),
        ("Thu", 655.0),
        ("Fri", 742.0),
        ("Sat", 286.0),
        ("Sun", 193.0),
    ];
    const PAPER: Ink = [250, 249, 246, 255];
    const GREY: Ink = [120, 118, 124, 255];
    const LINE: Ink = [222, 220, 216, 255];
    const BLUE: Ink = [58, 110, 165, 255];
    let bar = |index: usize| 130.0 + index as f32 * 100.0;
    let top = |value: f32| 500.0 - value * 0.46;
    let mut picture = paint(880, 560, |x, y| {
        for (index, (_, value)) in BARS.iter().enumerate() {
            let rect = [bar(index), top(*value), bar(index) + 64.0, 520.0];
            if y < 500.0 && in_rounded(x, y, rect, 6.0) {
                return if index == 4 { LAMP } else { BLUE };
            }
        }
        let is_axis = (499.0..501.0).contains(&y) && x > 96.0 && x < 840.0;
        let is_grid = (0..4).any(|line| {
            let at = top(200.0 * (line + 1) as f32);
            (y - at).abs() < 0.5 && x > 96.0 && x < 840.0
        });
        match (is_axis, is_grid) {
            (true, _) => GREY,
            (false, true) => LINE,
            (false, false) => PAPER,
        }
    });
    write(
        &mut picture,
        40,
        28,
        Face::bold(Size24, DARK),
        "Images processed a day",
    );
    for line in 0..=4_u32 {
        let label = format!("{:>3}", line * 200);
        let y = top(200.0 * line as f32) as u32 - 8;
        write(&mut picture, 54, y, Face::regular(Size16, GREY), &label);
    }
    for (index, (day, value)) in BARS.iter().enumerate() {
        let face = Face::regular(Size16, GREY);
        let middle = bar(index) as u32 + 32;
        write(&mut picture, middle - face.width(day) / 2, 512, face, day);
        let face = Face::bold(Size16, DARK);
        let number = value.to_string();
        write(
            &mut picture,
            middle - face.width(&number) / 2,
            top(*value) as u32 - 22,
            face,
            &number,
        );
    }
    picture
}

/// The logo as SVG; [`logo`] draws the same.
pub(crate) const LOGO_SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 256 256">
  <title>Safelight: a darkroom lamp</title>
  <rect x="8" y="8" width="240" height="240" rx="52" fill="#1c1a1f"/>
  <rect x="122" y="30" width="12" height="52" fill="#8d8893"/>
  <path d="M80 128a48 48 0 0 1 96 0z" fill="#8d8893"/>
  <path d="M68 136a60 60 0 0 0 120 0z" fill="#e2382d"/>
  <path d="M92 144a36 36 0 0 0 36 36" fill="none" stroke="#ff9d8f" stroke-width="8" stroke-linecap="round"/>
</svg>
"##;

/// The logo at a size: a lamp with a red glass on a dark tile.
pub(crate) fn logo(side: u32) -> RgbaImage {
    const METAL: Ink = [141, 136, 147, 255];
    const SHINE: Ink = [255, 157, 143, 255];
    let scale = 256.0 / side as f32;
    paint(side, side, |x, y| {
        let (x, y) = (x * scale, y * scale);
        let away = |cx: f32, cy: f32| {
            let (dx, dy) = (x - cx, y - cy);
            (dx * dx + dy * dy).sqrt()
        };
        if !in_rounded(x, y, [8.0, 8.0, 248.0, 248.0], 52.0) {
            return CLEAR;
        }
        let is_arc = (away(128.0, 144.0) - 36.0).abs() < 4.0 && x < 128.0 && y > 144.0;
        if is_arc || away(92.0, 144.0) < 4.0 || away(128.0, 180.0) < 4.0 {
            return SHINE;
        }
        if away(128.0, 136.0) < 60.0 && y > 136.0 {
            return LAMP;
        }
        let is_cord = (122.0..134.0).contains(&x) && (30.0..82.0).contains(&y);
        if is_cord || (away(128.0, 128.0) < 48.0 && y < 128.0) {
            return METAL;
        }
        DARK
    })
}

/// Contour lines of invented hills: few colours, fine lines.
pub(crate) fn contour_map() -> RgbaImage {
    const LAND: [Ink; 6] = [
        [176, 206, 222, 255],
        [226, 232, 205, 255],
        [205, 221, 178, 255],
        [232, 222, 178, 255],
        [226, 200, 156, 255],
        [246, 242, 236, 255],
    ];
    const LINE: Ink = [150, 112, 78, 255];
    const SHORE: Ink = [72, 116, 148, 255];
    const GRID: Ink = [120, 130, 140, 255];
    let height = |x: f32, y: f32| 2.0 + fbm(x / 170.0 + 2.4, y / 170.0, 5, 44) * 6.5;
    let mut map = RgbaImage::from_fn(720, 480, |x, y| {
        let (fx, fy) = (x as f32, y as f32);
        let here = height(fx, fy);
        let tone = (here.floor().max(0.0) as usize).min(5);
        let (right, below) = (height(fx + 1.0, fy), height(fx, fy + 1.0));
        let crosses =
            |level: f32| (here < level) != (right < level) || (here < level) != (below < level);
        let ink = if crosses(1.0) {
            SHORE
        } else if (2..18).any(|step| step != 2 && crosses(step as f32 * 0.5)) && here > 1.0 {
            LINE
        } else if x % 120 == 60 || y % 120 == 60 {
            GRID
        } else {
            LAND[tone]
        };
        Rgba(ink)
    });
    write(
        &mut map,
        20,
        440,
        Face::bold(Size24, DARK),
        "Grey Lake 1:25 000",
    );
    map
}

/// A round badge on nothing: half of it is see-through.
pub(crate) fn badge() -> RgbaImage {
    const GREEN: [u8; 3] = [38, 148, 96];
    let mut picture = paint(360, 360, |x, y| {
        let (dx, dy) = (x - 180.0, y - 180.0);
        let away = (dx * dx + dy * dy).sqrt();
        // A check mark: two strokes.
        let stroke = |ax: f32, ay: f32, bx: f32, by: f32| {
            let (vx, vy) = (bx - ax, by - ay);
            let along = (((x - ax) * vx + (y - ay) * vy) / (vx * vx + vy * vy)).clamp(0.0, 1.0);
            let (ex, ey) = (x - ax - vx * along, y - ay - vy * along);
            (ex * ex + ey * ey).sqrt() < 15.0
        };
        if stroke(118.0, 176.0, 162.0, 222.0) || stroke(162.0, 222.0, 246.0, 124.0) {
            return WHITE;
        }
        let [r, g, b] = GREEN;
        match away {
            near if near < 132.0 => [r, g, b, 255],
            near if near < 142.0 => CLEAR,
            near if near < 158.0 => [r, g, b, 255],
            // A soft shadow that ends in nothing.
            near if near < 178.0 => [0, 0, 0, ((178.0 - near) * 3.0) as u8],
            _ => CLEAR,
        }
    });
    for x in 0..picture.width() {
        // A shine on the upper half.
        for y in 0..150 {
            if picture.get_pixel(x, y).0 == [GREEN[0], GREEN[1], GREEN[2], 255] {
                lay(
                    &mut picture,
                    x,
                    y,
                    [255, 255, 255, 255],
                    (150 - y) as f32 / 900.0,
                );
            }
        }
    }
    picture
}

/// Bars of colour over a ramp of grey.
pub(crate) fn test_card() -> RgbaImage {
    const BARS: [Ink; 8] = [
        [235, 235, 235, 255],
        [235, 235, 16, 255],
        [16, 235, 235, 255],
        [16, 235, 16, 255],
        [235, 16, 235, 255],
        [235, 16, 16, 255],
        [16, 16, 235, 255],
        [16, 16, 16, 255],
    ];
    RgbaImage::from_fn(256, 160, |x, y| {
        Rgba(if y < 120 {
            BARS[(x / 32) as usize % 8]
        } else {
            [x as u8, x as u8, x as u8, 255]
        })
    })
}

/// One frame of a spinner: twelve dots, the brightest at `turn`.
pub(crate) fn spinner(turn: u32, side: u32, background: Ink) -> RgbaImage {
    // Cosines and sines of the twelfths of a turn.
    const HALF: f32 = 0.5;
    const ROOT: f32 = 0.866_025_4;
    const DOTS: [(f32, f32); 12] = [
        (0.0, -1.0),
        (HALF, -ROOT),
        (ROOT, -HALF),
        (1.0, 0.0),
        (ROOT, HALF),
        (HALF, ROOT),
        (0.0, 1.0),
        (-HALF, ROOT),
        (-ROOT, HALF),
        (-1.0, 0.0),
        (-ROOT, -HALF),
        (-HALF, -ROOT),
    ];
    let middle = side as f32 / 2.0;
    paint(side, side, |x, y| {
        for (index, (dx, dy)) in (0_u32..).zip(DOTS) {
            let (ex, ey) = (
                x - middle - dx * middle * 0.72,
                y - middle - dy * middle * 0.72,
            );
            if (ex * ex + ey * ey).sqrt() < middle * 0.13 {
                let age = (turn + 12 - index) % 12;
                let [r, g, b, _] = LAMP;
                return if background[3] == 0 {
                    [r, g, b, 255 - (age * 20) as u8]
                } else {
                    let fade = |from: u8, to: u8| {
                        (u32::from(from) * (12 - age) / 12 + u32::from(to) * age / 12) as u8
                    };
                    let [br, bg, bb, _] = background;
                    [fade(r, br), fade(g, bg), fade(b, bb), 255]
                };
            }
        }
        background
    })
}

/// One frame of a ball that is thrown up and falls.
pub(crate) fn ball(frame: u32, frames: u32) -> RgbaImage {
    let time = (frame as f32 + 0.5) / frames as f32;
    let up = 4.0 * time * (1.0 - time);
    let (cx, cy) = (100.0, 118.0 - up * 88.0);
    paint(200, 150, |x, y| {
        let (dx, dy) = (x - cx, y - cy);
        if dx * dx + dy * dy < 20.0 * 20.0 {
            let (sx, sy) = (dx + 6.0, dy + 7.0);
            return if sx * sx + sy * sy < 30.0 {
                [255, 176, 160, 255]
            } else {
                LAMP
            };
        }
        let (sx, sy) = ((x - 100.0) / (26.0 - up * 12.0), (y - 140.0) / 4.5);
        if sx * sx + sy * sy < 1.0 {
            return [190, 186, 178, 255];
        }
        if y > 138.0 {
            [222, 218, 208, 255]
        } else {
            [244, 242, 236, 255]
        }
    })
}
