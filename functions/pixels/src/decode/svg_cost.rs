//! What drawing an SVG may cost, found out before it is drawn.
//!
//! A short document can ask for a great deal: elements that use elements that use elements, a marker
//! on each of a thousand corners, a pattern in every shape of a pattern, a layer in a layer, a tile
//! that is larger than the picture. First the document is counted as the library would copy it, then
//! its tree is walked as the renderer would, with areas in the place of pixels.

use std::collections::HashMap;

use resvg::tiny_skia::Transform;
use resvg::usvg::roxmltree::{Document, Node};
use resvg::usvg::{self, ClipPath, Group, Mask, Paint, Pattern, Tree, filter};

use super::svg::FORMAT;
use crate::{Limits, PixelError};

/// Nodes of the document, text between tags included.
pub(super) const MAX_NODES: u32 = 500_000;
/// Elements after every `use` is replaced by what it uses.
const MAX_ELEMENTS: u64 = 300_000;
/// Copies that markers, patterns, masks and clips may make of their elements.
const MAX_COPIES: u64 = 1_000_000;
/// Elements in elements, those that are used included.
const MAX_DEPTH: usize = 160;
/// Pixels that are touched; half a minute's work, or so.
const MAX_WORK: f64 = 6e9;
/// What a shape costs beside its pixels, in pixels.
const A_SHAPE: f64 = 400.0;
/// The renderer makes no layer larger than five canvases by five, before it is turned.
const LARGEST_LAYER: f64 = 7.1;

fn refuse(what: impl Into<String>) -> PixelError {
    PixelError::unsupported(FORMAT, what)
}

/// Counts what the library would make of the document.
pub(super) fn check_document(document: &Document<'_>) -> Result<(), PixelError> {
    let mut count = Count {
        by_id: document
            .descendants()
            .filter_map(|node| Some((node.attribute("id")?, node)))
            .collect(),
        known: HashMap::new(),
    };
    let elements = count.of(document.root(), 0)?;
    if elements > MAX_ELEMENTS {
        return Err(refuse(format!("more than {MAX_ELEMENTS} elements")));
    }
    let (mut markers, mut paints, mut shapes, mut corners) = (0, 0, 0u64, 0u64);
    for node in document.descendants().filter(Node::is_element) {
        match node.tag_name().name() {
            "marker" => markers = count.of(node, 0)?.max(markers),
            "pattern" | "mask" | "clipPath" | "filter" => paints = count.of(node, 0)?.max(paints),
            "path" | "polygon" | "polyline" | "line" | "rect" | "circle" | "ellipse" => {
                shapes += 1;
                let length = |name| node.attribute(name).map_or(0, str::len);
                corners += (length("d").max(length("points")) as u64 / 2).max(4);
            }
            _ => {}
        }
    }
    // As often as the shapes themselves are copied by `use`.
    let repeats = (elements / (document.descendants().count() as u64).max(1)).max(1);
    let copies = markers
        .saturating_mul(corners)
        .max(paints.saturating_mul(shapes))
        .saturating_mul(repeats);
    if copies > MAX_COPIES {
        return Err(refuse(
            "markers, patterns, masks or clips that would be copied more than a million times",
        ));
    }
    Ok(())
}

struct Count<'a, 'input> {
    by_id: HashMap<&'a str, Node<'a, 'input>>,
    /// Elements below a node; zero while it is being counted, so that a circle ends.
    known: HashMap<usize, u64>,
}

impl<'a, 'input> Count<'a, 'input> {
    fn of(&mut self, node: Node<'a, 'input>, depth: usize) -> Result<u64, PixelError> {
        if depth > MAX_DEPTH {
            return Err(refuse(format!("elements nested deeper than {MAX_DEPTH}")));
        }
        let key = node.id().get_usize();
        if let Some(&known) = self.known.get(&key) {
            return Ok(known);
        }
        self.known.insert(key, 0);
        let mut elements = u64::from(node.is_element());
        for child in node.children().filter(Node::is_element) {
            elements = elements.saturating_add(self.of(child, depth + 1)?);
        }
        if let Some(target) = self.referred(node) {
            elements = elements.saturating_add(self.of(target, depth + 1)?);
        }
        self.known.insert(key, elements);
        Ok(elements)
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

/// Walks the tree as the renderer will.
pub(super) fn check_drawing(
    tree: &Tree,
    width: u32,
    height: u32,
    limits: &Limits,
) -> Result<(), PixelError> {
    let (width, height) = (f64::from(width), f64::from(height));
    let mut walk = Walk {
        canvas: (width, height),
        work: width * height,
        max_bytes: limits.max_bytes as f64,
    };
    walk.group(
        tree.root(),
        Transform::identity(),
        walk.bytes(width * height),
        0,
    )
}

struct Walk {
    canvas: (f64, f64),
    work: f64,
    max_bytes: f64,
}

impl Walk {
    #[expect(clippy::unused_self, reason = "reads as a question to the walk")]
    fn bytes(&self, area: f64) -> f64 {
        area * 4.0
    }

    fn spend(&mut self, work: f64) -> Result<(), PixelError> {
        self.work += if work.is_finite() { work } else { MAX_WORK };
        if self.work > MAX_WORK {
            return Err(refuse(
                "layers, patterns, masks and filters that take too long to draw",
            ));
        }
        Ok(())
    }

    fn hold(&self, bytes: f64) -> Result<(), PixelError> {
        if bytes.is_finite() && bytes <= self.max_bytes {
            return Ok(());
        }
        Err(PixelError::TooManyMegapixels {
            format: FORMAT,
            width: self.canvas.0 as u64,
            height: self.canvas.1 as u64,
            cause: format!(
                "its layers need {:.0} MiB, and the limit is {:.0} MiB",
                bytes / 1_048_576.0,
                self.max_bytes / 1_048_576.0
            ),
        })
    }

    /// Width and height of a rectangle on a layer, cut to the largest layer.
    fn sides(&self, rect: usvg::Rect, transform: Transform) -> (f64, f64) {
        let Some(rect) = rect.transform(transform) else {
            return (0.0, 0.0);
        };
        (
            (f64::from(rect.width()) + 4.0).min(self.canvas.0 * LARGEST_LAYER + 4.0),
            (f64::from(rect.height()) + 4.0).min(self.canvas.1 * LARGEST_LAYER + 4.0),
        )
    }

    fn group(
        &mut self,
        group: &Group,
        transform: Transform,
        held: f64,
        depth: usize,
    ) -> Result<(), PixelError> {
        if depth > MAX_DEPTH * 4 {
            return Err(refuse("groups, patterns or masks nested too deeply"));
        }
        let transform = transform.pre_concat(group.transform());
        let mut held = held;
        if group.should_isolate() {
            let (width, height) = self.sides(group.layer_bounding_box().to_rect(), transform);
            let layer = width * height;
            // A filter keeps what each of its parts makes.
            let parts: usize = group
                .filters()
                .iter()
                .map(|filter| filter.primitives().len() + 4)
                .sum();
            held += self.bytes(layer);
            self.spend(layer * 3.0)?;
            self.hold(held + self.bytes(layer) * parts as f64)?;
            for filter in group.filters() {
                for primitive in filter.primitives() {
                    self.spend(layer * effort(primitive, transform))?;
                }
            }
            if let Some(clip) = group.clip_path() {
                self.clip(clip, transform, held, layer, depth + 1)?;
            }
            if let Some(mask) = group.mask() {
                self.mask(mask, transform, held, layer, depth + 1)?;
            }
        }
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => self.group(group, transform, held, depth + 1)?,
                usvg::Node::Path(path) => {
                    let (width, height) = self.sides(path.stroke_bounding_box(), transform);
                    self.spend(A_SHAPE + path.data().len() as f64 * 20.0 + width * height)?;
                    let fill = path.fill().map(usvg::Fill::paint);
                    let stroke = path.stroke().map(usvg::Stroke::paint);
                    for paint in [fill, stroke].into_iter().flatten() {
                        if let Paint::Pattern(pattern) = paint {
                            self.pattern(pattern, transform, held, depth + 1)?;
                        }
                    }
                }
                // Neither is drawn.
                usvg::Node::Image(_) | usvg::Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn pattern(
        &mut self,
        pattern: &Pattern,
        transform: Transform,
        held: f64,
        depth: usize,
    ) -> Result<(), PixelError> {
        let (sx, sy) = transform.pre_concat(pattern.transform()).get_scale();
        let rect = pattern.rect();
        // The tile is made whole, however little of it is seen.
        let tile = f64::from(rect.width() * sx).ceil() * f64::from(rect.height() * sy).ceil();
        let held = held + self.bytes(tile);
        self.spend(A_SHAPE + tile)?;
        self.hold(held)?;
        self.group(pattern.root(), Transform::from_scale(sx, sy), held, depth)
    }

    fn clip(
        &mut self,
        clip: &ClipPath,
        transform: Transform,
        held: f64,
        layer: f64,
        depth: usize,
    ) -> Result<(), PixelError> {
        let held = held + self.bytes(layer);
        self.spend(layer * 2.0)?;
        self.hold(held)?;
        if let Some(outer) = clip.clip_path() {
            self.clip(outer, transform, held, layer, depth + 1)?;
        }
        // A clip's children have clips of their own, each on a layer of this size.
        let nested =
            clip.root().children().iter().filter(
                |node| matches!(node, usvg::Node::Group(group) if group.clip_path().is_some()),
            );
        self.spend(nested.count() as f64 * layer * 2.0)?;
        let transform = transform.pre_concat(clip.transform());
        self.group(clip.root(), transform, held, depth + 1)
    }

    fn mask(
        &mut self,
        mask: &Mask,
        transform: Transform,
        held: f64,
        layer: f64,
        depth: usize,
    ) -> Result<(), PixelError> {
        // The mask's layer, and one byte a pixel for its outline and for its result.
        let held = held + self.bytes(layer) + layer * 2.0;
        self.spend(layer * 4.0)?;
        self.hold(held)?;
        if let Some(outer) = mask.mask() {
            self.mask(outer, transform, held, layer, depth + 1)?;
        }
        self.group(mask.root(), transform, held, depth + 1)
    }
}

/// How often a part of a filter touches each pixel, or as much as it costs.
fn effort(primitive: &filter::Primitive, transform: Transform) -> f64 {
    let (sx, sy) = transform.get_scale();
    match primitive.kind() {
        filter::Kind::ConvolveMatrix(matrix) => {
            let data = matrix.matrix();
            f64::from(data.columns()) * f64::from(data.rows()) * 2.0
        }
        filter::Kind::Morphology(part) => {
            let across = f64::from(part.radius_x().get() * sx) * 2.0 + 1.0;
            let down = f64::from(part.radius_y().get() * sy) * 2.0 + 1.0;
            across * down
        }
        filter::Kind::Turbulence(part) => f64::from(part.num_octaves().max(1)) * 60.0,
        filter::Kind::DiffuseLighting(_) | filter::Kind::SpecularLighting(_) => 40.0,
        filter::Kind::GaussianBlur(_) | filter::Kind::DropShadow(_) => 20.0,
        _ => 6.0,
    }
}
