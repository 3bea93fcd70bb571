//! What drawing an SVG may cost, found out before it is drawn.
//!
//! A short document can ask for a great deal: a pattern in every shape of a pattern, a layer in a layer,
//! a tile that is larger than the picture, a line of a million dashes. The tree is walked as the renderer
//! would, with areas in the place of pixels.

use resvg::tiny_skia::{PathSegment, Point, Transform};
use resvg::usvg::{self, ClipPath, Group, Mask, Paint, Pattern, Tree, filter};

use super::svg::FORMAT;
use super::svg_document::{MAX_DEPTH, refuse};
use crate::{Limits, PixelError};

/// Pixels that are touched; half a minute's work, or so.
const MAX_WORK: f64 = 6e9;
/// What a shape costs beside its pixels, in pixels.
const A_SHAPE: f64 = 400.0;
/// What a dash of a line costs, in pixels.
const A_DASH: f64 = 100.0;
/// What a line costs on each row that it crosses, and what it costs there to find its place behind another.
const A_ROW: f64 = 40.0;
const A_PLACE: f64 = 4.0;
/// A shape that reaches farther than this, in pixels, is not drawn soundly by the renderer.
const FAR: f32 = 1e7;
/// The renderer makes no layer larger than five canvases by five, before it is turned.
const LARGEST_LAYER: f64 = 7.1;

/// Walks the tree as the renderer will.
pub(super) fn check(
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
                    if let filter::Kind::Image(image) = primitive.kind() {
                        self.group(image.root(), transform, held, depth + 1)?;
                    }
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
                usvg::Node::Path(path) => self.path(path, transform, held, depth)?,
                // Neither is drawn.
                usvg::Node::Image(_) | usvg::Node::Text(_) => {}
            }
        }
        Ok(())
    }

    fn path(
        &mut self,
        path: &usvg::Path,
        transform: Transform,
        held: f64,
        depth: usize,
    ) -> Result<(), PixelError> {
        if is_far(path.stroke_bounding_box(), transform) {
            return Err(refuse(
                "shapes that reach more than ten million pixels away",
            ));
        }
        let (width, height) = self.sides(path.stroke_bounding_box(), transform);
        let points = path.data().len() as f64;
        let (sx, sy) = transform.get_scale();
        let way = length(path) * f64::from(sx.max(sy));
        // How many lines are on a row at once: each is put in its place among them on every row.
        let abreast = (way / height.max(1.0)).min(points);
        let outline = points * 20.0
            + dashes(path) * A_DASH
            + abreast * height * A_ROW
            + points * abreast * A_PLACE;
        self.spend(A_SHAPE + outline)?;
        let fill = path.fill().map(usvg::Fill::paint);
        let stroke = path.stroke().map(usvg::Stroke::paint);
        for paint in [fill, stroke].into_iter().flatten() {
            self.spend(width * height * a_pixel(paint))?;
            if let Paint::Pattern(pattern) = paint {
                self.pattern(pattern, transform, held, depth + 1)?;
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
        let transform = transform.pre_concat(clip.transform());
        self.clipped(clip.root(), transform, held, layer, depth + 1)
    }

    /// What is in a clip: shapes, and groups that have clips of their own, each on a layer of the clip's size.
    fn clipped(
        &mut self,
        group: &Group,
        transform: Transform,
        held: f64,
        layer: f64,
        depth: usize,
    ) -> Result<(), PixelError> {
        if depth > MAX_DEPTH * 4 {
            return Err(refuse("clips nested too deeply"));
        }
        let transform = transform.pre_concat(group.transform());
        let mut held = held;
        if let Some(clip) = group.clip_path() {
            held += self.bytes(layer);
            self.spend(layer * 2.0)?;
            self.clip(clip, transform, held, layer, depth + 1)?;
        }
        for node in group.children() {
            match node {
                usvg::Node::Group(group) => {
                    self.clipped(group, transform, held, layer, depth + 1)?;
                }
                usvg::Node::Path(path) => self.path(path, transform, held, depth)?,
                usvg::Node::Image(_) | usvg::Node::Text(_) => {}
            }
        }
        Ok(())
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

fn is_far(rect: usvg::Rect, transform: Transform) -> bool {
    rect.transform(transform).is_none_or(|rect| {
        let edges = [rect.left(), rect.top(), rect.right(), rect.bottom()];
        edges.iter().any(|edge| edge.abs() > FAR)
    })
}

/// Into how many dashes a path's line is cut; the renderer makes no more than a million.
fn dashes(path: &usvg::Path) -> f64 {
    let Some(pattern) = path.stroke().and_then(usvg::Stroke::dasharray) else {
        return 0.0;
    };
    let period: f64 = pattern.iter().copied().map(f64::from).sum();
    let pairs = pattern.len() as f64 / 2.0;
    (length(path) / period * pairs).clamp(0.0, 1e6)
}

/// Length of a path, at most: a curve is no longer than the lines between its points.
fn length(path: &usvg::Path) -> f64 {
    let (mut total, mut start, mut last) = (0.0, Point::zero(), Point::zero());
    for segment in path.data().segments() {
        let points: &[Point] = match segment {
            PathSegment::MoveTo(to) => {
                (start, last) = (to, to);
                &[]
            }
            PathSegment::LineTo(to) => &[to],
            PathSegment::QuadTo(by, to) => &[by, to],
            PathSegment::CubicTo(by, then, to) => &[by, then, to],
            PathSegment::Close => &[start],
        };
        for &point in points {
            total += f64::from(last.distance(point));
            last = point;
        }
    }
    total
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
        filter::Kind::Merge(part) => 6.0 * part.inputs().len() as f64,
        _ => 6.0,
    }
}

/// What a painted pixel costs.
const fn a_pixel(paint: &Paint) -> f64 {
    match paint {
        Paint::Color(_) => 1.0,
        Paint::LinearGradient(_) => 6.0,
        Paint::RadialGradient(_) => 16.0,
        Paint::Pattern(_) => 8.0,
    }
}
