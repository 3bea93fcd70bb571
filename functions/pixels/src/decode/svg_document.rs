//! What reading an SVG may cost, found out before the library copies it.
//!
//! A short document can ask for a great deal: elements that use elements that use elements, a long path
//! that is used a thousand times, a marker on each of a thousand corners, an arc that falls into as many
//! curves as its radius has digits. The document is counted as the library would copy it.

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node};

use super::svg::FORMAT;
use super::svg_shape::{Relative, is_shape, segments};
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
/// Bytes of a curve in a path: three points of eight bytes, and one that says so; twice, since a path grows by doubling.
const A_CURVE: u64 = 2 * 25;

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
        known_clips: HashMap::new(),
        relative: Relative::of(document),
    };
    let mut whole = count.of(document.root(), 0)?;
    if whole.elements > MAX_ELEMENTS {
        return Err(refuse(format!("more than {MAX_ELEMENTS} elements")));
    }
    // Which elements a rule is for is not looked into: at worst, all have the heaviest of each kind.
    let mut heaviest = [Weight::default(); 3];
    for (place, target) in count.named_by_rules(document) {
        let most = &mut heaviest[place as usize];
        *most = most.max(count.of(target, 0)?);
    }
    for place in [Place::Element, Place::Shape, Place::Corner] {
        whole = whole.with_copies(heaviest[place as usize], place.times(whole));
    }
    if whole.copies > MAX_COPIES {
        return Err(refuse(
            "markers, patterns, masks or clips that would be copied more than a million times",
        ));
    }
    let most = MAX_SEGMENTS.min(limits.max_bytes / A_CURVE);
    if whole.segments > most {
        return Err(refuse(format!(
            "paths of more than {most} lines and curves, as often as they are used"
        )));
    }
    Ok(())
}

const INHERIT: &str = "inherit";

/// What the target of a property is copied for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The element that has the property.
    Element,
    /// Each shape that inherits it.
    Shape,
    /// Each corner of each shape that inherits it.
    Corner,
}

impl Place {
    fn of(property: &str) -> Option<Self> {
        match property {
            "clip-path" | "mask" | "filter" => Some(Self::Element),
            "fill" | "stroke" => Some(Self::Shape),
            "marker" | "marker-start" | "marker-mid" | "marker-end" => Some(Self::Corner),
            _ => None,
        }
    }

    fn takes(self, target: Node<'_, '_>) -> bool {
        match (self, target.tag_name().name()) {
            (Self::Element, name) => matches!(name, "clipPath" | "mask" | "filter"),
            (Self::Shape, name) => name == "pattern",
            (Self::Corner, name) => name == "marker",
        }
    }

    /// How often that is at most, in a part of the document.
    const fn times(self, part: Weight) -> u64 {
        match self {
            Self::Element => part.elements,
            Self::Shape => part.shapes,
            Self::Corner => part.corners,
        }
    }
}

/// Names and values in rules, or in an attribute `style`.
fn declarations(rules: &str) -> impl Iterator<Item = (&str, &str)> {
    rules
        .split(['{', '}', ';'])
        .filter_map(|declaration| declaration.split_once(':'))
        .map(|(name, value)| (name.trim(), value))
}

/// What an element states of the properties of a place, as an attribute or in `style`.
fn stated<'a>(node: Node<'a, '_>, place: Place) -> Vec<&'a str> {
    node.attributes()
        .flat_map(|attribute| {
            let style = match attribute.name() {
                "style" => attribute.value(),
                _ => "",
            };
            declarations(style).chain([(attribute.name(), attribute.value())])
        })
        .filter(|(name, _)| Place::of(name) == Some(place))
        .map(|(_, value)| value)
        .collect()
}

/// What the library would make of a node and all that it holds and uses.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    elements: u64,
    shapes: u64,
    /// Lines and curves of the shapes' paths.
    corners: u64,
    /// The same with those of the copies.
    segments: u64,
    /// Elements of markers, patterns, masks, clips and filters, as often as they are copied.
    copies: u64,
}

impl Weight {
    fn each(self, other: Self, join: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            elements: join(self.elements, other.elements),
            shapes: join(self.shapes, other.shapes),
            corners: join(self.corners, other.corners),
            segments: join(self.segments, other.segments),
            copies: join(self.copies, other.copies),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    fn max(self, other: Self) -> Self {
        self.each(other, u64::max)
    }

    /// With so many copies of another that its properties name.
    fn with_copies(self, other: Self, times: u64) -> Self {
        let elements = other.elements.saturating_add(other.copies);
        Self {
            segments: self
                .segments
                .saturating_add(other.segments.saturating_mul(times)),
            copies: self.copies.saturating_add(elements.saturating_mul(times)),
            ..self
        }
    }
}

struct Count<'a, 'input> {
    by_id: HashMap<&'a str, Node<'a, 'input>>,
    /// What is below a node; nothing while it is being counted, so that a circle ends.
    known: HashMap<usize, Weight>,
    known_clips: HashMap<usize, Weight>,
    relative: Relative,
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
        let segments = segments(node, &self.relative);
        let mut weight = Weight {
            elements: u64::from(node.is_element()),
            shapes: u64::from(is_shape(node.tag_name().name())),
            corners: segments,
            segments,
            copies: 0,
        };
        for child in node.children().filter(Node::is_element) {
            weight = weight.plus(self.of(child, depth + 1)?);
        }
        if let Some(target) = self.referred(node) {
            weight = weight.plus(self.of(target, depth + 1)?);
        }
        // Inherited without saying so, and counted where they are stated.
        for place in [Place::Shape, Place::Corner] {
            let times = place.times(weight);
            for target in self.named(place, stated(node, place)) {
                weight = weight.with_copies(self.of(target, depth + 1)?, times);
            }
        }
        weight = weight.plus(self.clips(node, depth)?);
        self.known.insert(key, weight);
        Ok(weight)
    }

    /// The copies that an element's clips, masks and filters are, its parent's where it inherits them.
    fn clips(&mut self, node: Node<'a, 'input>, depth: usize) -> Result<Weight, PixelError> {
        let key = node.id().get_usize();
        if let Some(&known) = self.known_clips.get(&key) {
            return Ok(known);
        }
        let values = stated(node, Place::Element);
        let mut copies = Weight::default();
        for target in self.named(Place::Element, values.iter().copied()) {
            copies = copies.with_copies(self.of(target, depth + 1)?, 1);
        }
        if values.iter().any(|value| value.contains(INHERIT))
            && let Some(parent) = node.parent()
        {
            copies = copies.plus(self.clips(parent, depth + 1)?);
        }
        self.known_clips.insert(key, copies);
        Ok(copies)
    }

    /// The elements that the rules of the document name; all clips, where they say that one is inherited.
    fn named_by_rules(&self, document: &'a Document<'input>) -> Vec<(Place, Node<'a, 'input>)> {
        let mut named = Vec::new();
        let mut inherits = false;
        let styles = document
            .descendants()
            .filter(|node| node.tag_name().name() == "style");
        for (name, value) in styles.filter_map(|node| node.text()).flat_map(declarations) {
            if let Some(place) = Place::of(name) {
                inherits |= place == Place::Element && value.contains(INHERIT);
                named.extend(
                    self.named(place, [value])
                        .into_iter()
                        .map(|node| (place, node)),
                );
            }
        }
        if inherits {
            let all = document
                .descendants()
                .filter(|node| Place::Element.takes(*node));
            named.extend(all.map(|node| (Place::Element, node)));
        }
        named
    }

    /// The elements that values of properties name, of those that are copied for them.
    fn named<'v>(
        &self,
        place: Place,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Vec<Node<'a, 'input>> {
        values
            .into_iter()
            .flat_map(|value| value.split("url(").skip(1))
            .filter_map(|rest| {
                let name = rest.split(')').next()?.trim();
                let name = name.trim_matches(['"', '\'']).trim().strip_prefix('#')?;
                self.by_id.get(name).copied()
            })
            .filter(|target| place.takes(*target))
            .collect()
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::decode) fn checked(body: &str) -> Result<(), PixelError> {
        let text = format!("<svg xmlns='http://www.w3.org/2000/svg'>{body}</svg>");
        check(&Document::parse(&text).unwrap(), &Limits::default())
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
        for rule in [
            "clip-path: url(#c)",
            "mask : url( '#c' )",
            "clip-path: inherit",
        ] {
            let rules = format!("<style>path {{ {rule} }}</style>{clip}{shapes}");
            assert!(checked(&rules).is_err(), "{rule}");
        }
        for rule in ["fill: url(#c)", "fill: inherit"] {
            let rules = format!("<style>path {{ {rule} }}</style>{clip}{shapes}");
            assert!(checked(&rules).is_ok(), "{rule}");
        }
        for stated in ["clip-path='inherit'", "style='fill:none;clip-path:inherit'"] {
            let each = group.replace("path d='M0 0H9'", &format!("path {stated} d='M0 0H9'"));
            assert!(checked(&each).is_err(), "{stated}");
        }
    }

    #[test]
    fn what_is_named_by_what_is_named_counts_each_time() {
        let nested = |levels: usize| {
            let clips = (0..levels).map(|level| {
                let clipped = format!("<path clip-path='url(#c{})' d='M0 0H9'/>", level + 1);
                format!("<clipPath id='c{level}'>{}</clipPath>", clipped.repeat(10))
            });
            let clips = clips.collect::<Vec<_>>().concat();
            checked(&format!("{clips}<path clip-path='url(#c0)' d='M0 0H9'/>"))
        };
        assert!(nested(3).is_ok());
        assert!(nested(7).is_err());
        let corners = "L1 1".repeat(200);
        let markers = (0..4).map(|level| {
            format!(
                "<marker id='m{level}'><path marker-mid='url(#m{})' d='M0 0{corners}'/></marker>",
                level + 1
            )
        });
        assert!(checked(&markers.collect::<Vec<_>>().concat()).is_err());
        // Each of a shape's markers by its own corners, not by those of the others.
        let three = "<marker id='m'><path d='M0 0{corners}'/></marker><path marker-start='url(#m)' \
            marker-mid='url(#m)' marker-end='url(#m)' d='M0 0{corners}'/>";
        assert!(checked(&three.replace("{corners}", &corners)).is_ok());
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
