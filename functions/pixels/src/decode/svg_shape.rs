//! How many lines and curves the path of an SVG's shape has, found out without making it.

use std::str::FromStr as _;

use resvg::usvg::roxmltree::{Document, Node};
use svgtypes::{Length, LengthUnit, PathParser, PathSegment};

/// How far a path with an arc, and a radius, may reach: beyond it, an arc falls into more than fifty curves.
const MAX_REACH: f64 = 1e9;
/// How far from the true arc its curves may lie, as the library has it.
const ARC_TOLERANCE: f64 = 0.1;

pub(super) fn is_shape(name: &str) -> bool {
    matches!(
        name,
        "path" | "polygon" | "polyline" | "line" | "rect" | "circle" | "ellipse"
    )
}

/// Lines and curves of the path that a shape becomes.
pub(super) fn segments(node: Node<'_, '_>, relative: &Relative) -> u64 {
    match node.tag_name().name() {
        "path" => node.attribute("d").map_or(0, segments_of_data),
        // At least four letters a point.
        "polygon" | "polyline" => node
            .attribute("points")
            .map_or(0, |points| points.len() as u64 / 4 + 1),
        // A rectangle with round corners has the most: a turn, four lines and where it begins.
        name if is_shape(name) => {
            let longest = |names: &[&str]| {
                names
                    .iter()
                    .filter_map(|name| node.attribute(*name))
                    .map(|length| relative.pixels(length))
                    .fold(0.0, f64::max)
            };
            let mut radius = longest(&["r", "rx", "ry"]);
            if name == "rect" {
                // The library makes it half a side at most.
                radius = radius.min(longest(&["width", "height"]));
            }
            curves_of_a_turn(radius).saturating_add(5)
        }
        _ => 0,
    }
}

/// How far a path's points lie from each other, at most, and how many there are.
pub(super) fn way(node: Node<'_, '_>) -> (f64, u64) {
    let (mut way, mut points) = (0.0, 0);
    for segment in PathParser::from(node.attribute("d").unwrap_or_default()).map_while(Result::ok) {
        points += 1;
        way += way_of(&segment);
        if let PathSegment::CurveTo { x1, y1, x2, y2, .. } = segment {
            way += x1.abs() + y1.abs() + x2.abs() + y2.abs();
        }
        if let PathSegment::SmoothCurveTo { x2, y2, .. } = segment {
            way += x2.abs() + y2.abs();
        }
        if let PathSegment::Quadratic { x1, y1, .. } = segment {
            way += x1.abs() + y1.abs();
        }
    }
    (way * 2.0, points)
}

/// How far a segment's end lies from where it begins, or from the origin.
fn way_of(segment: &PathSegment) -> f64 {
    match *segment {
        PathSegment::EllipticalArc { x, y, .. }
        | PathSegment::MoveTo { x, y, .. }
        | PathSegment::LineTo { x, y, .. }
        | PathSegment::CurveTo { x, y, .. }
        | PathSegment::SmoothCurveTo { x, y, .. }
        | PathSegment::Quadratic { x, y, .. }
        | PathSegment::SmoothQuadratic { x, y, .. } => x.abs() + y.abs(),
        PathSegment::HorizontalLineTo { x, .. } => x.abs(),
        PathSegment::VerticalLineTo { y, .. } => y.abs(),
        PathSegment::ClosePath { .. } => 0.0,
    }
}

/// Pixels that lengths in relative units may become.
pub(super) struct Relative {
    /// The size of the font, which an element may state in that of another.
    em: f64,
    /// A percent of the largest picture.
    percent: f64,
}

impl Relative {
    pub(super) fn of(document: &Document<'_>) -> Self {
        let sides = document
            .descendants()
            .flat_map(|node| node.attributes())
            .filter(|attribute| matches!(attribute.name(), "viewBox" | "width" | "height"))
            .flat_map(|attribute| attribute.value().split([' ', ',']))
            .filter_map(|side| Length::from_str(side.trim()).ok())
            .map(|side| side.number.abs() * INCH);
        let is_set = document.input_text().contains("font");
        Self {
            em: if is_set { f64::INFINITY } else { INCH },
            percent: sides.fold(INCH, f64::max),
        }
    }

    /// A length in pixels, or more than it can be.
    fn pixels(&self, length: &str) -> f64 {
        let Ok(Length { number, unit }) = Length::from_str(length.trim()) else {
            return 0.0;
        };
        let a_unit = match unit {
            LengthUnit::None | LengthUnit::Px => 1.0,
            LengthUnit::Em | LengthUnit::Ex => self.em,
            LengthUnit::Percent => self.percent,
            _ => INCH,
        };
        if number == 0.0 {
            0.0
        } else {
            number.abs() * a_unit
        }
    }
}

/// Pixels of the largest absolute unit.
const INCH: f64 = 96.0;

/// Curves of a whole turn: the sixth root of the radius over the tolerance.
fn curves_of_a_turn(radius: f64) -> u64 {
    if radius > MAX_REACH {
        return u64::MAX;
    }
    let turn = (1.2 * radius / ARC_TOLERANCE).powf(1.0 / 6.0).ceil() as u64;
    turn.max(4)
}

/// Lines and curves of path data. An arc falls into more curves the larger it is, and its circle grows
/// until it reaches the arc's end.
fn segments_of_data(data: &str) -> u64 {
    let (mut segments, mut arcs) = (0u64, 0u64);
    // The largest radius that is asked for, and all ways taken together.
    let (mut radius, mut way) = (0f64, 0f64);
    for segment in PathParser::from(data).map_while(Result::ok) {
        segments += 1;
        way += way_of(&segment);
        if let PathSegment::EllipticalArc { rx, ry, .. } = segment {
            arcs += 1;
            radius = radius.max(rx.abs()).max(ry.abs());
        }
    }
    if arcs > 0 {
        let an_arc = curves_of_a_turn(radius.max(way)).saturating_add(1);
        segments = segments.saturating_add(arcs.saturating_mul(an_arc));
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::super::svg_document::tests::checked;
    use super::*;

    #[test]
    fn an_arc_has_as_many_curves_as_its_radius_asks_for() {
        assert_eq!(segments_of_data("M0 0A9 9 0 0 1 9 9"), 2 + 5);
        assert!(segments_of_data("M0 0A9e8 9e8 0 1 1 3e8 3e8") < 60);
        assert!(checked("<path d='M0 0A1e6 1e6 0 1 1 1e6 1e6'/>").is_ok());
        assert!(checked("<path d='M0 0A1e60 1e60 0 1 1 1e60 1e60'/>").is_err());
    }

    #[test]
    fn a_circle_has_as_many_curves_as_its_radius_asks_for() {
        for shape in ["circle r", "rect width='1e37' height='9' rx", "ellipse ry"] {
            for (radius, whole) in [("9", true), ("1e8", true), ("1e37", false)] {
                let shape = format!("<{shape}='{radius}'/>");
                assert_eq!(checked(&shape).is_ok(), whole, "{shape}");
            }
        }
        assert!(checked("<circle r='1em'/><circle r='50%'/>").is_ok());
        let button = "<rect width='90' height='20' rx='.5em'/><text font-size='9'>go</text>";
        assert!(checked(button).is_ok());
        assert!(checked("<g font-size='1e30'><circle r='1em'/></g>").is_err());
        assert!(checked("<svg viewBox='0 0 1e20 9'><circle r='50%'/></svg>").is_err());
    }
}
