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

/// Bytes of all paths: five million curves, or twice as many lines.
const MAX_PATH_BYTES: u64 = 128 << 20;
/// How far a path with an arc may reach: beyond it, an arc falls into more than fifty curves.
const MAX_REACH: f64 = 1e9;
/// Bytes of a curve in a path: three points of eight bytes, and one that says so.
const A_CURVE: u64 = 25;
/// Bytes of the outline of a rectangle or an ellipse.
const AN_OUTLINE: u64 = 8 * A_CURVE;
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
    let (mut marker, mut paint) = (Weight::default(), Weight::default());
    let (mut shapes, mut corners) = (0, 0u64);
    for node in document.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "marker" => marker = marker.max(count.of(node, 0)?),
            "pattern" | "mask" | "clipPath" | "filter" => paint = paint.max(count.of(node, 0)?),
            name if is_shape(name) => {
                shapes += 1;
                let length = |name| node.attribute(name).map_or(0, str::len);
                corners += (length("d").max(length("points")) as u64 / 2).max(4);
            }
            _ => {}
        }
    }
    // As often as the shapes themselves are copied by `use`.
    let nodes = (document.descendants().count() as u64).max(1);
    let repeats = (whole.elements / nodes).max(1);
    let (markers, paints) = (
        marker.times(corners).times(repeats),
        paint.times(shapes).times(repeats),
    );
    if markers.elements.max(paints.elements) > MAX_COPIES {
        return Err(refuse(
            "markers, patterns, masks or clips that would be copied more than a million times",
        ));
    }
    // A path grows by doubling.
    let most = MAX_PATH_BYTES.min(limits.max_bytes / 2);
    let bytes = whole.plus(markers).plus(paints).path_bytes;
    if bytes > most {
        return Err(refuse(format!(
            "paths of {} MiB, and the limit is {} MiB",
            bytes >> 20,
            most >> 20
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

/// What the library would make of a node and all that it holds and uses.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    elements: u64,
    /// Bytes of their paths.
    path_bytes: u64,
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self {
            elements: self.elements.saturating_add(other.elements),
            path_bytes: self.path_bytes.saturating_add(other.path_bytes),
        }
    }

    fn times(self, count: u64) -> Self {
        Self {
            elements: self.elements.saturating_mul(count),
            path_bytes: self.path_bytes.saturating_mul(count),
        }
    }

    fn max(self, other: Self) -> Self {
        Self {
            elements: self.elements.max(other.elements),
            path_bytes: self.path_bytes.max(other.path_bytes),
        }
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
            path_bytes: path_bytes(node),
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

/// Bytes of the path that a shape becomes.
fn path_bytes(node: Node<'_, '_>) -> u64 {
    match node.tag_name().name() {
        "path" => node.attribute("d").map_or(0, outline_bytes),
        // At least four letters a point.
        "polygon" | "polyline" => node
            .attribute("points")
            .map_or(0, |points| points.len() as u64 * 9 / 4),
        name if is_shape(name) => AN_OUTLINE,
        _ => 0,
    }
}

/// The same for path data. An arc falls into more curves the larger it is: the sixth root of its
/// radius over the tolerance for a whole turn, and a circle grows until it reaches the arc's end.
fn outline_bytes(data: &str) -> u64 {
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
    segments
        .saturating_add(arcs.saturating_mul(an_arc))
        .saturating_mul(A_CURVE)
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
        let curves = |data| outline_bytes(data) / A_CURVE;
        assert_eq!(curves("M0 0A9 9 0 0 1 9 9"), 2 + 5);
        assert!(curves("M0 0A9e8 9e8 0 1 1 3e8 3e8") < 60);
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
        assert!(error.to_string().contains("MiB"), "{error}");
    }
}
