//! What reading an SVG may cost, found out before the library copies it.
//!
//! A short document can ask for a great deal: elements that use elements that use elements, a long path
//! that is used a thousand times, a marker on each of a thousand corners, a clip that clips itself by way
//! of two others, which the library would follow without end. The document is counted as the library
//! would copy it, with what each copy inherits where it is.

#[cfg(test)]
pub(super) mod tests;
mod weight;

use std::collections::HashMap;

use resvg::usvg::roxmltree::{Document, Node};
use svgtypes::{IRI, NumberListParser};

use self::weight::Weight;
use super::svg::FORMAT;
use super::svg_shape::{Relative, is_shape, segments, way};
use super::svg_style::{
    INHERIT, Important, Property, Stated, Styles, XLINK, attributes, is_use, links,
};
use crate::{Limits, PixelError};

/// Nodes of the document, text between tags included.
pub(super) const MAX_NODES: u32 = 500_000;
/// Elements after every `use` is replaced by what it uses.
const MAX_ELEMENTS: u64 = 300_000;
/// Copies that markers, patterns, masks and clips may make of their elements.
const MAX_COPIES: u64 = 500_000;
/// Elements in elements, those that are used included.
pub(super) const MAX_DEPTH: usize = 160;
/// Elements that are looked at here, once for each way in which what they inherit differs.
const MAX_VISITS: u64 = 1_000_000;
/// Sets of markers that are in each other.
const MAX_SETS: usize = 1_000;
/// Bytes that one visit keeps.
const A_VISIT: u64 = 240;
/// Bytes of the list that a dashed curve's bends are measured out in, for each pixel under a root.
const A_BEND: f64 = 24.0;
/// Gradients, patterns, clips, masks and filters, as often as they are copied: each is compared with all others.
const MAX_SERVERS: u64 = 50_000;
/// Letters of the shortest filter in a list.
const A_FILTER: u64 = 6;
/// What a filter may be told, of its frequencies and radii: the renderer has no infinite ones.
const MAX_NUMBER: f64 = 1e9;
/// Comparisons of rules, attributes and elements, as often as they are used: some seconds of them.
pub(super) const MAX_STEPS: u64 = 300_000_000;
/// Memory of attributes, dashes and stops, as often as they are used.
const MAX_BYTES: u64 = 256 << 20;

/// Lines and curves of all paths.
const MAX_SEGMENTS: u64 = 5_000_000;
/// Bytes of a curve in a path: three points of eight bytes, and one that says so; twice, since a path grows by doubling.
const A_CURVE: u64 = 2 * 25;
/// Bytes of an attribute beside its value.
const AN_ATTRIBUTE: u64 = 40;
/// Bytes of a filter for each letter of a list of filters: the shortest that says one has seven.
const A_FILTERS_LETTER: u64 = 40;
/// Bytes of a list of dashes for each of its letters.
const A_DASHES_LETTER: u64 = 4;
/// Shorter lists of dashes are not counted.
const SHORT_DASHES: usize = 64;

pub(super) fn refuse(what: impl Into<String>) -> PixelError {
    PixelError::unsupported(FORMAT, what)
}

/// Counts what the library would make of the document.
pub(super) fn check(document: &Document<'_>, limits: &Limits) -> Result<(), PixelError> {
    let mut count = Count::of(document, limits)?;
    let mut whole = count.weigh(document.root(), Context::default(), Edge::Child)?;
    // Whose pattern each borrows is not looked into: at worst, the heaviest.
    let heaviest = count.heaviest_pattern(document)?;
    whole.copies = whole
        .copies
        .saturating_add(whole.borrowers.saturating_mul(heaviest));
    if whole.elements > MAX_ELEMENTS {
        return Err(refuse(format!("more than {MAX_ELEMENTS} elements")));
    }
    if whole.copies > MAX_COPIES {
        return Err(refuse(
            "markers, patterns, masks or clips that would be copied more than half a million times",
        ));
    }
    if whole.servers > MAX_SERVERS {
        return Err(refuse(format!(
            "more than {MAX_SERVERS} gradients, patterns, masks, clips or filters, as often as they are used"
        )));
    }
    if whole.steps > MAX_STEPS {
        return Err(refuse(
            "rules and references that take too long to follow, as often as they are used",
        ));
    }
    let most = MAX_SEGMENTS.min(limits.max_bytes / A_CURVE);
    if whole.segments > most {
        return Err(refuse(format!(
            "paths of more than {most} lines and curves, as often as they are used"
        )));
    }
    let most = MAX_BYTES.min(limits.max_bytes);
    if whole.bytes > most {
        return Err(refuse(format!(
            "attributes of more than {} MiB, as often as they are used",
            most >> 20
        )));
    }
    Ok(())
}

/// What an element has by its place. A clip, a mask and a filter are its own; the rest it may have from any
/// element that it is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Context {
    /// Numbers of the values that name something; zero for others. Of a list of dashes, its length.
    values: [u32; Property::ALL.len()],
    important: Important,
    /// Letters of the long values that it may inherit.
    long: u32,
    /// Number of the set of markers that it is in.
    inside: u32,
}

/// How one element leads to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Child,
    /// A `use`.
    Use,
    /// A gradient, pattern or filter that builds on another.
    Base,
    /// A property, or a filter's picture of an element.
    Reference,
}

type Key = (usize, Context);

struct Count<'a, 'input> {
    by_id: HashMap<&'a str, Vec<Node<'a, 'input>>>,
    styles: Styles<'a>,
    relative: Relative,
    nodes: u64,
    is_dashed: bool,
    max_bytes: u64,
    /// Numbers of values, and what each names; none has number zero.
    values: HashMap<&'a str, u32>,
    named: Vec<Vec<Node<'a, 'input>>>,
    /// The sets of markers; the empty one has number zero.
    markers: Vec<Vec<usize>>,
    numbers_of_markers: HashMap<Vec<usize>, u32>,
    /// What elements have where they stand.
    standing: HashMap<usize, Context>,
    /// What is below a node; nothing while it is being counted.
    known: HashMap<Key, Option<Weight>>,
    /// From the root to the node that is being counted.
    path: Vec<(Key, Edge)>,
    visits: u64,
}

impl<'a, 'input> Count<'a, 'input> {
    fn of(document: &'a Document<'input>, limits: &Limits) -> Result<Self, PixelError> {
        let mut by_id = HashMap::<_, Vec<_>>::new();
        for node in document.descendants() {
            // In any namespace: the library does not look at it everywhere.
            for id in node
                .attributes()
                .filter(|attribute| attribute.name() == "id")
            {
                by_id.entry(id.value()).or_default().push(node);
            }
        }
        Ok(Self {
            by_id,
            styles: Styles::of(document)?,
            relative: Relative::of(document),
            nodes: document.descendants().count() as u64,
            is_dashed: document.input_text().contains("dasharray"),
            max_bytes: limits.max_bytes,
            values: HashMap::new(),
            named: vec![Vec::new()],
            markers: vec![Vec::new()],
            numbers_of_markers: HashMap::new(),
            standing: HashMap::new(),
            known: HashMap::new(),
            path: Vec::new(),
            visits: 0,
        })
    }

    /// Counts a node that is in what has the context.
    fn weigh(
        &mut self,
        node: Node<'a, 'input>,
        above: Context,
        edge: Edge,
    ) -> Result<Weight, PixelError> {
        if self.path.len() > MAX_DEPTH {
            return Err(refuse(format!("elements nested deeper than {MAX_DEPTH}")));
        }
        let stated = self.styles.of_element(node, above.important)?;
        let context = self.context(above, &stated);
        let key = (node.id().get_usize(), context);
        match self.known.get(&key) {
            Some(Some(weight)) => return Ok(*weight),
            // The library ends a circle of gradients.
            Some(None) if edge == Edge::Base && self.is_of_bases(key) => {
                return Ok(Weight::default());
            }
            Some(None) => return Err(refuse("elements that refer to themselves in a circle")),
            None => {}
        }
        self.visits += 1;
        let most = MAX_VISITS.min(self.max_bytes / A_VISIT);
        if self.visits > most {
            return Err(refuse(format!(
                "more than {most} elements, each time that one inherits differently"
            )));
        }
        // Most elements are shapes that name nothing and are met once.
        let is_plain = is_shape(node.tag_name().name())
            && node.first_element_child().is_none()
            && context.values.iter().all(|&value| value == 0);
        let is_known = !is_plain || edge != Edge::Child;
        if is_known {
            self.known.insert(key, None);
        }
        self.path.push((key, edge));
        let mut weight = self.alone(node, context, &stated)?;
        let corners = weight.segments;
        for child in node.children().filter(Node::is_element) {
            weight = weight.plus(self.weigh(child, context, Edge::Child)?);
        }
        if node.tag_name().name() == "filter" {
            // Each part looks for its input among those before it.
            let looks = weight.elements.saturating_pow(2);
            weight.steps = weight.steps.saturating_add(looks);
        }
        let weight = self.with_links(node, context, weight)?;
        let weight = self.with_properties(node, context, &stated, corners, weight)?;
        self.path.pop();
        if is_known {
            self.known.insert(key, Some(weight));
        }
        Ok(weight)
    }

    /// Whether all that led from a node to here are bases.
    fn is_of_bases(&self, key: Key) -> bool {
        let mut since = self.path.iter().rev().take_while(|(at, _)| *at != key);
        since.all(|(_, edge)| *edge == Edge::Base)
    }

    /// The context of an element.
    fn context(&mut self, above: Context, stated: &Stated<'a>) -> Context {
        let mut context = above;
        context.long = u32::try_from(stated.long)
            .unwrap_or(u32::MAX)
            .saturating_add(above.long);
        for property in Property::ALL {
            if stated.value(property).is_some() || !property.is_inherited() {
                let important = stated.is_important(property);
                context.important = context.important.with(property, important);
            }
            let inherits = match stated.value(property) {
                Some(value) => value == INHERIT,
                None => property.is_inherited(),
            };
            if inherits {
                continue;
            }
            let value = stated.value(property).unwrap_or_default();
            context.values[property as usize] = match property {
                Property::Dashes if value.len() > SHORT_DASHES => value.len() as u32,
                Property::Dashes => 0,
                _ => self.number(value),
            };
        }
        context
    }

    /// The number of a value.
    fn number(&mut self, value: &'a str) -> u32 {
        if !value.contains("url") {
            return 0;
        }
        *self.values.entry(value).or_insert_with(|| {
            let named = links(value).into_iter().filter_map(|id| self.by_id.get(id));
            self.named.push(named.flatten().copied().collect());
            (self.named.len() - 1) as u32
        })
    }

    /// The context of what an element is in, where it stands in the document.
    fn standing(&mut self, node: Node<'a, 'input>, inside: u32) -> Result<Context, PixelError> {
        let mut unknown = Vec::new();
        let mut context = Context::default();
        for above in node.ancestors().skip(1) {
            if let Some(known) = self.standing.get(&above.id().get_usize()) {
                context = *known;
                break;
            }
            unknown.push(above);
            if unknown.len() > MAX_DEPTH {
                return Err(refuse(format!("elements nested deeper than {MAX_DEPTH}")));
            }
        }
        for above in unknown.into_iter().rev() {
            let stated = self.styles.of_element(above, context.important)?;
            context = self.context(context, &stated);
            self.standing.insert(above.id().get_usize(), context);
        }
        Ok(Context { inside, ..context })
    }

    /// The number of a set of markers with one more, unless that is in it.
    fn inside(&mut self, inside: u32, marker: Node<'a, 'input>) -> Result<Option<u32>, PixelError> {
        let marker = marker.id().get_usize();
        let mut markers = self.markers[inside as usize].clone();
        let Err(place) = markers.binary_search(&marker) else {
            return Ok(None);
        };
        markers.insert(place, marker);
        if let Some(number) = self.numbers_of_markers.get(&markers) {
            return Ok(Some(*number));
        }
        if self.markers.len() >= MAX_SETS {
            return Err(refuse("markers that are in each other in too many ways"));
        }
        let number = self.markers.len() as u32;
        self.markers.push(markers.clone());
        self.numbers_of_markers.insert(markers, number);
        Ok(Some(number))
    }

    /// Elements of the pattern that has the most.
    fn heaviest_pattern(&mut self, document: &'a Document<'input>) -> Result<u64, PixelError> {
        let mut most = 0;
        for node in document.descendants() {
            if node.tag_name().name() == "pattern" {
                let above = self.standing(node, 0)?;
                let weight = self.weigh(node, above, Edge::Reference)?;
                most = most.max(weight.elements.saturating_add(weight.copies));
            }
        }
        Ok(most)
    }

    /// The node without what it holds and names.
    fn alone(
        &self,
        node: Node<'a, 'input>,
        context: Context,
        stated: &Stated<'a>,
    ) -> Result<Weight, PixelError> {
        let name = node.tag_name().name();
        check_numbers(node)?;
        if self.is_dashed && name == "path" {
            let (way, points) = way(node);
            // The library does so before it is known what will be seen.
            if (way * points as f64).sqrt() * A_BEND > self.max_bytes as f64 {
                return Err(refuse(
                    "dashes along curves that are too long to be measured",
                ));
            }
        }
        let attributes: u64 = node
            .attributes()
            .map(|attribute| AN_ATTRIBUTE + attribute.value().len() as u64)
            .sum();
        let filters = stated.value(Property::Filter).map_or(0, str::len) as u64;
        let (mut dashes, mut again, mut borrowers) = (0, 0, 0);
        if is_painted(node) {
            dashes = u64::from(context.values[Property::Dashes as usize]);
            // Read by each that inherits it.
            again = u64::from(context.long);
            let borrows = |property| {
                stated
                    .value(property)
                    .is_some_and(|value| value.contains("context-"))
            };
            borrowers = u64::from(borrows(Property::Fill)) + u64::from(borrows(Property::Stroke));
        }
        if name == "text" {
            // Spaces are taken out of each part again for each that is empty.
            let parts = node.descendants().filter(Node::is_text).count() as u64;
            again += parts.saturating_mul(text(node.descendants()));
        }
        let again = again / 4;
        self.styles.spend(again)?;
        let bytes = [
            attributes,
            stated.bytes,
            text(node.children()),
            filters * A_FILTERS_LETTER,
            dashes * A_DASHES_LETTER,
        ];
        Ok(Weight {
            elements: u64::from(node.is_element()),
            segments: segments(node, &self.relative),
            copies: 0,
            servers: filters / A_FILTER,
            borrowers,
            bytes: bytes.iter().sum(),
            steps: stated.steps + again,
        })
    }

    /// With what a `use`, a gradient, a pattern or a filter refers to.
    fn with_links(
        &mut self,
        node: Node<'a, 'input>,
        context: Context,
        mut weight: Weight,
    ) -> Result<Weight, PixelError> {
        let (edge, steps) = match node.tag_name().name() {
            "use" => return self.with_use(node, context, weight),
            "linearGradient" | "radialGradient" | "pattern" | "filter" => (Edge::Base, 0),
            "feImage" => (Edge::Reference, 0),
            // All nodes are looked through for the one that is named.
            "tref" => (Edge::Use, self.nodes),
            _ => return Ok(weight),
        };
        for id in hrefs(node) {
            weight.steps = weight.steps.saturating_add(steps);
            self.styles.spend(steps)?;
            for target in self.by_id.get(id).cloned().unwrap_or_default() {
                if edge == Edge::Use {
                    weight.bytes = weight.bytes.saturating_add(text(target.descendants()));
                    continue;
                }
                let above = self.standing(target, context.inside)?;
                let other = self.weigh(target, above, edge)?;
                weight = match edge {
                    Edge::Reference => weight.with_copies(other, 1),
                    _ => weight.plus(other),
                };
            }
        }
        Ok(weight)
    }

    /// With what a `use` is replaced by.
    fn with_use(
        &mut self,
        node: Node<'a, 'input>,
        context: Context,
        mut weight: Weight,
    ) -> Result<Weight, PixelError> {
        let Some(target) = self.used(node) else {
            return Ok(weight);
        };
        // The library looks for the circles that it ends.
        let steps = target.descendants().count() as u64;
        weight.steps = weight.steps.saturating_add(steps);
        self.styles.spend(steps)?;
        let is_circle = |inner| matches!(self.used(inner), Some(to) if to == node || to == target);
        let ends = target == node
            || target
                .descendants()
                .skip(1)
                .filter(|inner| is_use(*inner))
                .any(is_circle);
        if ends {
            return Ok(weight);
        }
        Ok(weight.plus(self.weigh(target, context, Edge::Use)?))
    }

    /// What a `use` names.
    fn used(&self, node: Node<'a, 'input>) -> Option<Node<'a, 'input>> {
        let href = |namespace: Option<&str>| {
            node.attributes()
                .find(|attribute| attribute.name() == "href" && attribute.namespace() == namespace)
        };
        let href = href(None).or_else(|| href(Some(XLINK)))?;
        let id = IRI::from_str(href.value()).ok()?.0;
        let mut named = self.by_id.get(id)?.iter();
        named
            .find(|named| named.attribute("id") == Some(id))
            .copied()
    }

    /// With what its properties name, inherited ones too where they are painted.
    fn with_properties(
        &mut self,
        node: Node<'a, 'input>,
        context: Context,
        stated: &Stated<'a>,
        corners: u64,
        mut weight: Weight,
    ) -> Result<Weight, PixelError> {
        for property in Property::ALL {
            let times = match property {
                Property::Dashes => 0,
                _ if property.is_marker() => corners,
                // Where nothing is painted, the library still follows what is stated.
                _ if stated.value(property).is_some() || is_painted(node) => 1,
                _ => 0,
            };
            let value = context.values[property as usize];
            if value == 0 || times == 0 {
                continue;
            }
            for target in self.named[value as usize].clone() {
                self.styles.spend(1)?;
                let name = target.tag_name().name();
                let inside = match property.is_marker() {
                    true if name != "marker" => None,
                    // The library ends a circle of markers.
                    true => self.inside(context.inside, target)?,
                    false => Some(context.inside),
                };
                let Some(inside) = inside else { continue };
                let above = self.standing(target, inside)?;
                let other = self.weigh(target, above, Edge::Reference)?;
                weight = match name {
                    "linearGradient" | "radialGradient" => weight.with_gradient(other),
                    _ => weight.with_copies(other, times),
                };
            }
        }
        Ok(weight)
    }
}

/// Whether an element has a fill and a stroke, or hands them on.
fn is_painted(node: Node<'_, '_>) -> bool {
    let name = node.tag_name().name();
    is_shape(name) || name == "use"
}

/// Refuses a filter's numbers that the library makes infinite ones of.
fn check_numbers(node: Node<'_, '_>) -> Result<(), PixelError> {
    for name in ["baseFrequency", "radius"] {
        let numbers = attributes(node, name).flat_map(NumberListParser::from);
        for number in numbers.map_while(Result::ok) {
            if number.abs() > MAX_NUMBER {
                return Err(refuse(format!("{name} of {number}")));
            }
        }
    }
    Ok(())
}

/// Bytes of the texts among nodes.
fn text<'a, 'input: 'a>(nodes: impl Iterator<Item = Node<'a, 'input>>) -> u64 {
    nodes
        .filter(Node::is_text)
        .filter_map(|node| node.text())
        .map(|text| text.len() as u64)
        .sum()
}

/// The names of what an element refers to.
fn hrefs<'a>(node: Node<'a, '_>) -> impl Iterator<Item = &'a str> {
    attributes(node, "href").filter_map(|href| Some(IRI::from_str(href).ok()?.0))
}
