//! Dominant colours and their names.

use std::sync::LazyLock;

use crate::features::{Small, bin};
use crate::quality::rounded;
use crate::response::DominantColor;

/// Rounds of k-means; it has settled long before.
const ROUNDS: usize = 12;
/// Two centres nearer than this in CIE L*a*b* (ΔE 1976) are one colour to the eye.
const SAME: f64 = 10.0;
/// A colour below this share is not dominant.
const LEAST_SHARE: f64 = 0.005;

/// CSS Color Module Level 4, 6.1: names and values (synonyms left out).
const CSS: &[(&str, u32)] = &[
    ("aliceblue", 0xF0_F8FF),
    ("antiquewhite", 0xFA_EBD7),
    ("aquamarine", 0x7F_FFD4),
    ("azure", 0xF0_FFFF),
    ("beige", 0xF5_F5DC),
    ("bisque", 0xFF_E4C4),
    ("black", 0x00_0000),
    ("blanchedalmond", 0xFF_EBCD),
    ("blue", 0x00_00FF),
    ("blueviolet", 0x8A_2BE2),
    ("brown", 0xA5_2A2A),
    ("burlywood", 0xDE_B887),
    ("cadetblue", 0x5F_9EA0),
    ("chartreuse", 0x7F_FF00),
    ("chocolate", 0xD2_691E),
    ("coral", 0xFF_7F50),
    ("cornflowerblue", 0x64_95ED),
    ("cornsilk", 0xFF_F8DC),
    ("crimson", 0xDC_143C),
    ("darkblue", 0x00_008B),
    ("darkcyan", 0x00_8B8B),
    ("darkgoldenrod", 0xB8_860B),
    ("darkgray", 0xA9_A9A9),
    ("darkgreen", 0x00_6400),
    ("darkkhaki", 0xBD_B76B),
    ("darkmagenta", 0x8B_008B),
    ("darkolivegreen", 0x55_6B2F),
    ("darkorange", 0xFF_8C00),
    ("darkorchid", 0x99_32CC),
    ("darkred", 0x8B_0000),
    ("darksalmon", 0xE9_967A),
    ("darkseagreen", 0x8F_BC8F),
    ("darkslateblue", 0x48_3D8B),
    ("darkslategray", 0x2F_4F4F),
    ("darkturquoise", 0x00_CED1),
    ("darkviolet", 0x94_00D3),
    ("deeppink", 0xFF_1493),
    ("deepskyblue", 0x00_BFFF),
    ("dimgray", 0x69_6969),
    ("dodgerblue", 0x1E_90FF),
    ("firebrick", 0xB2_2222),
    ("floralwhite", 0xFF_FAF0),
    ("forestgreen", 0x22_8B22),
    ("gainsboro", 0xDC_DCDC),
    ("ghostwhite", 0xF8_F8FF),
    ("gold", 0xFF_D700),
    ("goldenrod", 0xDA_A520),
    ("gray", 0x80_8080),
    ("green", 0x00_8000),
    ("greenyellow", 0xAD_FF2F),
    ("honeydew", 0xF0_FFF0),
    ("hotpink", 0xFF_69B4),
    ("indianred", 0xCD_5C5C),
    ("indigo", 0x4B_0082),
    ("ivory", 0xFF_FFF0),
    ("khaki", 0xF0_E68C),
    ("lavender", 0xE6_E6FA),
    ("lavenderblush", 0xFF_F0F5),
    ("lawngreen", 0x7C_FC00),
    ("lemonchiffon", 0xFF_FACD),
    ("lightblue", 0xAD_D8E6),
    ("lightcoral", 0xF0_8080),
    ("lightcyan", 0xE0_FFFF),
    ("lightgoldenrodyellow", 0xFA_FAD2),
    ("lightgray", 0xD3_D3D3),
    ("lightgreen", 0x90_EE90),
    ("lightpink", 0xFF_B6C1),
    ("lightsalmon", 0xFF_A07A),
    ("lightseagreen", 0x20_B2AA),
    ("lightskyblue", 0x87_CEFA),
    ("lightslategray", 0x77_8899),
    ("lightsteelblue", 0xB0_C4DE),
    ("lightyellow", 0xFF_FFE0),
    ("lime", 0x00_FF00),
    ("limegreen", 0x32_CD32),
    ("linen", 0xFA_F0E6),
    ("maroon", 0x80_0000),
    ("mediumaquamarine", 0x66_CDAA),
    ("mediumblue", 0x00_00CD),
    ("mediumorchid", 0xBA_55D3),
    ("mediumpurple", 0x93_70DB),
    ("mediumseagreen", 0x3C_B371),
    ("mediumslateblue", 0x7B_68EE),
    ("mediumspringgreen", 0x00_FA9A),
    ("mediumturquoise", 0x48_D1CC),
    ("mediumvioletred", 0xC7_1585),
    ("midnightblue", 0x19_1970),
    ("mintcream", 0xF5_FFFA),
    ("mistyrose", 0xFF_E4E1),
    ("moccasin", 0xFF_E4B5),
    ("navajowhite", 0xFF_DEAD),
    ("navy", 0x00_0080),
    ("oldlace", 0xFD_F5E6),
    ("olive", 0x80_8000),
    ("olivedrab", 0x6B_8E23),
    ("orange", 0xFF_A500),
    ("orangered", 0xFF_4500),
    ("orchid", 0xDA_70D6),
    ("palegoldenrod", 0xEE_E8AA),
    ("palegreen", 0x98_FB98),
    ("paleturquoise", 0xAF_EEEE),
    ("palevioletred", 0xDB_7093),
    ("papayawhip", 0xFF_EFD5),
    ("peachpuff", 0xFF_DAB9),
    ("peru", 0xCD_853F),
    ("pink", 0xFF_C0CB),
    ("plum", 0xDD_A0DD),
    ("powderblue", 0xB0_E0E6),
    ("purple", 0x80_0080),
    ("rebeccapurple", 0x66_3399),
    ("red", 0xFF_0000),
    ("rosybrown", 0xBC_8F8F),
    ("royalblue", 0x41_69E1),
    ("saddlebrown", 0x8B_4513),
    ("salmon", 0xFA_8072),
    ("sandybrown", 0xF4_A460),
    ("seagreen", 0x2E_8B57),
    ("seashell", 0xFF_F5EE),
    ("sienna", 0xA0_522D),
    ("silver", 0xC0_C0C0),
    ("skyblue", 0x87_CEEB),
    ("slateblue", 0x6A_5ACD),
    ("slategray", 0x70_8090),
    ("snow", 0xFF_FAFA),
    ("springgreen", 0x00_FF7F),
    ("steelblue", 0x46_82B4),
    ("tan", 0xD2_B48C),
    ("teal", 0x00_8080),
    ("thistle", 0xD8_BFD8),
    ("tomato", 0xFF_6347),
    ("turquoise", 0x40_E0D0),
    ("violet", 0xEE_82EE),
    ("wheat", 0xF5_DEB3),
    ("white", 0xFF_FFFF),
    ("whitesmoke", 0xF5_F5F5),
    ("yellow", 0xFF_FF00),
    ("yellowgreen", 0x9A_CD32),
];

/// The light of each coded value.
static LIGHT: LazyLock<[f64; 256]> = LazyLock::new(|| {
    std::array::from_fn(|value| {
        let value = value as f64 / 255.0;
        if value <= 0.040_45 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    })
});

/// The names in CIE L*a*b*.
static NAMED: LazyLock<Vec<(&str, [f64; 3])>> = LazyLock::new(|| {
    CSS.iter()
        .map(|&(name, value)| (name, lab(unpacked(value))))
        .collect()
});

/// A colour in CIE L*a*b* (D65).
pub(crate) fn lab(rgb: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = rgb.map(|value| LIGHT[usize::from(value)]);
    let xyz = [
        (0.412_456 * r + 0.357_576 * g + 0.180_438 * b) / 0.950_47,
        0.212_673 * r + 0.715_152 * g + 0.072_175 * b,
        (0.019_334 * r + 0.119_192 * g + 0.950_304 * b) / 1.088_83,
    ]
    .map(|value| {
        if value > 0.008_856 {
            value.cbrt()
        } else {
            7.787 * value + 16.0 / 116.0
        }
    });
    [
        116.0 * xyz[1] - 16.0,
        500.0 * (xyz[0] - xyz[1]),
        200.0 * (xyz[1] - xyz[2]),
    ]
}

/// The square of ΔE 1976.
fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Which of some colours is nearest; of equals the first.
fn nearest(colours: impl Iterator<Item = [f64; 3]>, point: [f64; 3]) -> usize {
    let mut best = (0, f64::INFINITY);
    for (at, colour) in colours.enumerate() {
        let distance = distance(colour, point);
        if distance < best.1 {
            best = (at, distance);
        }
    }
    best.0
}

/// The nearest CSS colour name, by ΔE 1976.
pub fn css_name(rgb: [u8; 3]) -> &'static str {
    let at = nearest(NAMED.iter().map(|named| named.1), lab(rgb));
    NAMED.get(at).map_or("black", |named| named.0)
}

fn unpacked(value: u32) -> [u8; 3] {
    let [_, red, green, blue] = value.to_be_bytes();
    [red, green, blue]
}

/// One of the twelve simplified colours: black, blue, brown, cyan, green, grey, orange, pink,
/// purple, red, white, yellow. By lightness and chroma first, then by hue.
pub fn simplified(rgb: [u8; 3]) -> &'static str {
    let [lightness, a, b] = lab(rgb);
    let chroma = a.hypot(b);
    let hue = b.atan2(a).to_degrees().rem_euclid(360.0);
    if lightness < 14.0 {
        return "black";
    }
    if chroma < 12.0 {
        return match lightness {
            lightness if lightness > 88.0 => "white",
            lightness if lightness < 22.0 => "black",
            _ => "grey",
        };
    }
    match hue {
        hue if !(15.0..345.0).contains(&hue) => {
            if lightness > 58.0 {
                "pink"
            } else {
                "red"
            }
        }
        hue if hue < 48.0 => {
            if lightness > 70.0 {
                "pink"
            } else if lightness < 42.0 && chroma < 60.0 {
                "brown"
            } else {
                "red"
            }
        }
        hue if hue < 80.0 => {
            if lightness < 62.0 || chroma < 40.0 {
                "brown"
            } else {
                "orange"
            }
        }
        hue if hue < 108.0 => {
            if lightness < 45.0 {
                "brown"
            } else {
                "yellow"
            }
        }
        hue if hue < 172.0 => "green",
        hue if hue < 238.0 => "cyan",
        hue if hue < 307.0 => "blue",
        hue if hue < 330.0 => "purple",
        _ => {
            if lightness > 60.0 {
                "pink"
            } else {
                "purple"
            }
        }
    }
}

/// The dominant colours of the pixels for which `wanted` says so, most frequent first: k-means in
/// L*a*b* over a histogram of 32 levels a channel, from the most frequent colours that differ.
pub fn dominant(small: &Small, wanted: &dyn Fn(usize) -> bool, most: usize) -> Vec<DominantColor> {
    // Weight and mean colour of each cell of the histogram.
    let mut cells = vec![(0u32, [0u32; 3]); 1 << 15];
    let mut total = 0u32;
    for (at, rgb) in small.rgb.iter().enumerate() {
        if !wanted(at) {
            continue;
        }
        let cell = &mut cells[bin(*rgb, 5)];
        cell.0 += 1;
        for (sum, value) in cell.1.iter_mut().zip(rgb) {
            *sum += u32::from(*value);
        }
        total += 1;
    }
    let mut points: Vec<(f64, [f64; 3], [f64; 3])> = cells
        .into_iter()
        .filter(|cell| cell.0 > 0)
        .map(|(count, sums)| {
            let weight = f64::from(count);
            let mean = sums.map(|sum| f64::from(sum) / weight);
            (weight, mean, lab(mean.map(|value| value.round() as u8)))
        })
        .collect();
    points.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut centres: Vec<[f64; 3]> = Vec::new();
    for (_, _, point) in &points {
        if centres.len() >= most {
            break;
        }
        if centres
            .iter()
            .all(|&centre| distance(centre, *point) > 4.0 * SAME * SAME)
        {
            centres.push(*point);
        }
    }
    let mut clusters = Vec::new();
    for _ in 0..ROUNDS {
        clusters = vec![(0.0, [0.0; 3], [0.0; 3]); centres.len()];
        for &(weight, mean, point) in &points {
            let Some(cluster) = clusters.get_mut(nearest(centres.iter().copied(), point)) else {
                continue;
            };
            cluster.0 += weight;
            for channel in 0..3 {
                cluster.1[channel] += mean[channel] * weight;
                cluster.2[channel] += point[channel] * weight;
            }
        }
        let before = centres.clone();
        for (centre, cluster) in centres.iter_mut().zip(&clusters) {
            if cluster.0 > 0.0 {
                *centre = cluster.2.map(|sum| sum / cluster.0);
            }
        }
        // The rounds to come would give the same.
        if before == centres {
            break;
        }
    }
    let total = f64::from(total.max(1));
    let mut colours: Vec<DominantColor> = clusters
        .into_iter()
        .filter(|cluster| cluster.0 / total >= LEAST_SHARE)
        .map(|(weight, sums, _)| {
            let rgb = sums.map(|sum| (sum / weight).round() as u8);
            let [red, green, blue] = rgb;
            DominantColor {
                red,
                green,
                blue,
                hex_code: format!("#{red:02x}{green:02x}{blue:02x}"),
                css_color: css_name(rgb).to_owned(),
                simplified_color: simplified(rgb).to_owned(),
                pixel_percent: rounded(weight / total * 100.0),
            }
        })
        .collect();
    colours.sort_by(|a, b| b.pixel_percent.total_cmp(&a.pixel_percent));
    colours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn css_names_are_exact_for_themselves() {
        for (name, value) in CSS {
            assert_eq!(css_name(unpacked(*value)), *name);
        }
    }

    #[test]
    fn simplified_colours_are_what_a_person_says() {
        for (rgb, name) in [
            (0xFF_0000, "red"),
            (0x00_FF00, "green"),
            (0x00_00FF, "blue"),
            (0xFF_FF00, "yellow"),
            (0x00_FFFF, "cyan"),
            (0xFF_A500, "orange"),
            (0x80_0080, "purple"),
            (0xFF_C0CB, "pink"),
            (0x8B_4513, "brown"),
            (0x80_8080, "grey"),
            (0xFF_FFFF, "white"),
            (0x00_0000, "black"),
        ] {
            assert_eq!(simplified(unpacked(rgb)), name, "{rgb:06x}");
        }
    }

    #[test]
    fn shares_of_two_colours_are_exact() {
        let small = Small {
            width: 10,
            height: 10,
            rgb: (0..100)
                .map(|at| if at < 30 { [255, 0, 0] } else { [0, 0, 255] })
                .collect(),
            alpha: Vec::new(),
        };
        let colours = dominant(&small, &|_| true, 10);
        assert_eq!(colours.len(), 2);
        assert_eq!(colours[0].hex_code, "#0000ff");
        assert!((colours[0].pixel_percent - 70.0).abs() < 1e-9);
        assert_eq!(colours[1].css_color, "red");
    }
}
