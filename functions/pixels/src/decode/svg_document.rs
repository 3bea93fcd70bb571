//! What reading an SVG may cost, found out before the library copies it.
//!
//! A short document can ask for a great deal: elements that use elements that use elements, a long path
//! that is used a thousand times, a marker on each of a thousand corners, an arc that falls into as many
//! curves as its radius has digits. The document is counted as the library would copy it.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node};
use svgtypes::{PathParser, PathSegment};

use super::svg::FORMAT;
use crate::{Limits, PixelError};

/// Nodes of the document, text between tags included.
pub(super) const MAX_NODES: u32 = 500_000;
/// Elements after every `use` is replaced by what it uses.
const MAX_ELEMENTS: u64 = 300_000;
/// Copies that markers, patterns, masks and clips may make of their elements.
const MAX_COPIES: u64 = 1_000_000;
/// Elements in elements, those that are used included.
pub(super) const MAX_DEPTH: usize = 160;

/// Lines and curves of all paths.
const MAX_SEGMENTS: u64 = 5_000_000;
/// Bytes of a curve in a path, which grows by doubling: three points of eight bytes, and one that says so.
const A_CURVE: u64 = 2 * 25;
/// How far a path with an arc may reach: beyond it, an arc falls into more than fifty curves.
const MAX_REACH: f64 = 1e9;
/// How far from the true arc its curves may lie, as the library has it.
const ARC_TOLERANCE: f64 = 0.1;

pub(super) fn refuse(what: impl Into<String>) -> PixelError {
    PixelError::unsupported(FORMAT, what)
}

/// Counts what the library would make of the document.
pub(super) fn check(document: &Document<'_>, limits: &Limits) -> Result<(), PixelError> {
    let mut count = Count {
        by_id: document
            .descendants()
            .filter_map(|node| Some((node.attribute("id")?, node)))
            .collect(),
        known: HashMap::new(),
    };
    let whole = count.of(document.root(), 0)?;
    if whole.elements > MAX_ELEMENTS {
        return Err(refuse(format!("more than {MAX_ELEMENTS} elements")));
    }
    let [mut marker, mut pattern, mut clip] = [Weight::default(); 3];
    let mut clipped = whole.clipped;
    for node in document.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "marker" => marker = marker.max(count.of(node, 0)?),
            "pattern" => pattern = pattern.max(count.of(node, 0)?),
            "mask" | "clipPath" | "filter" => clip = clip.max(count.of(node, 0)?),
            // Which elements its rules are for is not looked into.
            "style" if node.text().is_some_and(|rules| rules.contains("url(")) => {
                clipped = whole.elements;
            }
            _ => {}
        }
    }
    // At worst there is a marker at each corner, and a pattern in each shape.
    let copies = [
        marker.times(whole.segments),
        pattern.times(whole.shapes),
        clip.times(clipped),
    ];
    if copies.iter().any(|copy| copy.elements > MAX_COPIES) {
        return Err(refuse(
            "markers, patterns, masks or clips that would be copied more than a million times",
        ));
    }
    let segments = copies.into_iter().fold(whole, Weight::plus).segments;
    let most = MAX_SEGMENTS.min(limits.max_bytes / A_CURVE);
    if segments > most {
        return Err(refuse(format!(
            "paths of more than {most} lines and curves, as often as they are used"
        )));
    }
    Ok(())
}

fn is_shape(name: &str) -> bool {
    matches!(
        name,
        "path" | "polygon" | "polyline" | "line" | "rect" | "circle" | "ellipse"
    )
}

fn is_clipped(node: Node<'_, '_>) -> bool {
    node.attributes().any(|attribute| {
        let is_named = matches!(attribute.name(), "clip-path" | "mask" | "filter" | "style");
        is_named && attribute.value().contains("url(")
    })
}

/// What the library would make of a node and all that it holds and uses.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    elements: u64,
    shapes: u64,
    /// Lines and curves of the shapes' paths.
    segments: u64,
    /// Elements with a mask, a clip or a filter.
    clipped: u64,
}

impl Weight {
    fn each(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            elements: join(self.elements, other.elements),
            shapes: join(self.shapes, other.shapes),
            segments: join(self.segments, other.segments),
            clipped: join(self.clipped, other.clipped),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    fn max(self, other: Self) -> Self {
        self.each(other, u64::max)
    }

    fn times(self, count: u64) -> Self {
        self.each(self, |weight, _| weight.saturating_mul(count))
    }
}

struct Count<'a, 'input> {
    by_id: HashMap<&'a str, Node<'a, 'input>>,
    /// What is below a node; nothing while it is being counted, so that a circle ends.
    known: HashMap<usize, Weight>,
}

impl<'a, 'input> Count<'a, 'input> {
    fn of(&mut self, node: Node<'a, 'input>, depth: usize) -> Result<Weight, PixelError> {
        if depth > MAX_DEPTH {
            return Err(refuse(format!("elements nested deeper than {MAX_DEPTH}")));
        }
        let key = node.id().get_usize();
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        self.known.insert(key, Weight::default());
        let mut weight = Weight {
            elements: u64::from(node.is_element()),
            shapes: u64::from(is_shape(node.tag_name().name())),
            segments: segments(node),
            clipped: u64::from(is_clipped(node)),
        };
        for child in node.children().filter(Node::is_element) {
            weight = weight.plus(self.of(child, depth + 1)?);
        }
        if let Some(target) = self.referred(node) {
            weight = weight.plus(self.of(target, depth + 1)?);
        }
        self.known.insert(key, weight);
        Ok(weight)
    }

    /// What a `use`, or a pattern or gradient that builds on another, refers to.
    fn referred(&self, node: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
        let name = node.tag_name().name();
        if !matches!(name, "use" | "pattern" | "tref" | "feImage") {
            return None;
        }
        let href = node
            .attributes()
            .find(|attribute| attribute.name() == "href")?;
        self.by_id
            .get(href.value().trim().strip_prefix('#')?)
            .copied()
    }
}

/// Lines and curves of the path that a shape becomes.
fn segments(node: Node<'_, '_>) -> u64 {
    match node.tag_name().name() {
        "path" => node.attribute("d").map_or(0, segments_of_data),
        // At least four letters a point.
        "polygon" | "polyline" => node
            .attribute("points")
            .map_or(0, |points| points.len() as u64 / 4 + 1),
        // A rectangle with round corners has the most.
        name if is_shape(name) => 9,
        _ => 0,
    }
}

/// The same for path data. An arc falls into more curves the larger it is: the sixth root of its
/// radius over the tolerance for a whole turn, and a circle grows until it reaches the arc's end.
fn segments_of_data(data: &str) -> u64 {
    let (mut segments, mut arcs) = (0u64, 0u64);
    // The largest radius that is asked for, and all ways taken together.
    let (mut radius, mut way) = (0f64, 0f64);
    for segment in PathParser::from(data).map_while(Result::ok) {
        segments += 1;
        way += match segment {
            PathSegment::EllipticalArc { rx, ry, x, y, .. } => {
                arcs += 1;
                radius = radius.max(rx.abs()).max(ry.abs());
                x.abs() + y.abs()
            }
            PathSegment::MoveTo { x, y, .. }
            | PathSegment::LineTo { x, y, .. }
            | PathSegment::CurveTo { x, y, .. }
            | PathSegment::SmoothCurveTo { x, y, .. }
            | PathSegment::Quadratic { x, y, .. }
            | PathSegment::SmoothQuadratic { x, y, .. } => x.abs() + y.abs(),
            PathSegment::HorizontalLineTo { x, .. } => x.abs(),
            PathSegment::VerticalLineTo { y, .. } => y.abs(),
            PathSegment::ClosePath { .. } => 0.0,
        };
    }
    let reach = radius.max(way);
    if arcs > 0 && reach > MAX_REACH {
        return u64::MAX;
    }
    let a_turn = (1.2 * reach / ARC_TOLERANCE).powf(1.0 / 6.0).ceil() as u64;
    let an_arc = a_turn.max(4) + 1;
    segments.saturating_add(arcs.saturating_mul(an_arc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(body: &str) -> Result<(), PixelError> {
        let text = format!("<svg xmlns='http://www.w3.org/2000/svg'>{body}</svg>");
        check(&Document::parse(&text).unwrap(), &Limits::default())
    }

    #[test]
    fn an_arc_has_as_many_curves_as_its_radius_asks_for() {
        assert_eq!(segments_of_data("M0 0A9 9 0 0 1 9 9"), 2 + 5);
        assert!(segments_of_data("M0 0A9e8 9e8 0 1 1 3e8 3e8") < 60);
        assert!(checked("<path d='M0 0A1e6 1e6 0 1 1 1e6 1e6'/>").is_ok());
        assert!(checked("<path d='M0 0A1e60 1e60 0 1 1 1e60 1e60'/>").is_err());
    }

    #[test]
    fn a_path_counts_as_often_as_it_is_used() {
        let path = "L1 1".repeat(25_000);
        let used = |times| {
            let uses = "<use href='#p'/>".repeat(times);
            checked(&format!("<path id='p' d='M0 0{path}'/>{uses}"))
        };
        assert!(used(10).is_ok());
        let error = used(2_000).unwrap_err();
        assert_eq!(error.name(), "Image.Unsupported");
        assert!(error.to_string().contains("5000000"), "{error}");
    }

    #[test]
    fn a_clip_counts_where_it_clips() {
        let outline = "L1 1".repeat(50_000);
        let clip = format!("<clipPath id='c'><path d='M0 0{outline}'/></clipPath>");
        let shapes = "<path d='M0 0H9'/>".repeat(2_000);
        let group = format!("{clip}<g clip-path='url(#c)'>{shapes}</g>");
        assert!(checked(&group).is_ok(), "once, though of many shapes");
        let each = format!("{clip}{}", shapes.replace("d=", "clip-path='url(#c)' d="));
        assert!(checked(&each).is_err());
        let rules = format!("<style>path {{ clip-path: url(#c) }}</style>{clip}{shapes}");
        assert!(checked(&rules).is_err());
    }

    #[test]
    fn a_marker_counts_at_each_corner_of_what_is_used() {
        let marked = |times| {
            let uses = "<use href='#p'/>".repeat(times);
            let marker = "<marker id='m'><rect width='9' height='9'/></marker>";
            let path = "L1 1".repeat(1_000);
            checked(&format!(
                "{marker}<path id='p' marker-mid='url(#m)' d='M0 0{path}'/>{uses}"
            ))
        };
        assert!(marked(10).is_ok());
        let error = marked(1_000).unwrap_err();
        assert!(error.to_string().contains("markers"), "{error}");
    }
}
