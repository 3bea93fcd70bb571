//! SVG: drawn at its own size.
//!
//! Nothing outside the file is read, and no entity is expanded: a document that declares one is
//! refused. Text is not drawn, since no font is the same on two machines and none is bundled, and
//! neither are pictures inside the picture. What a document may cost is bounded before it is drawn:
//! see [`super::svg_text`], [`super::svg_document`] and [`super::svg_cost`].

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{self, ImageHrefResolver, Options, Tree, roxmltree};

use super::{Decoded, Source, assemble, svg_cost, svg_document, svg_text};
use crate::colour::Colour;
use crate::{Channels, ColourModel, Format, Limits, Metadata, Orientation, PixelError, Samples};

pub(super) const FORMAT: Format = Format::Svg;

/// A longer document is refused: its tree would be many times as large.
const MAX_BYTES: usize = 32 << 20;

/// CSS's size of a replaced element, where the document says none; validate says the same.
const DEFAULT_SIZE: (f32, f32) = (300.0, 150.0);

pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, PixelError> {
    if bytes.len() > MAX_BYTES {
        return Err(PixelError::unsupported(
            FORMAT,
            format!("a document of more than {} MiB", MAX_BYTES >> 20),
        ));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| PixelError::unsupported(FORMAT, "a document that is not UTF-8"))?;
    let text = svg_text::without_doctype(text.trim_start_matches('\u{feff}'))?;
    svg_text::check(&text)?;
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: svg_document::MAX_NODES,
        ..roxmltree::ParsingOptions::default()
    };
    let document =
        roxmltree::Document::parse_with_options(&text, options).map_err(|error| broken(&error))?;
    svg_document::check(&document, limits)?;
    let (width, height) = DEFAULT_SIZE;
    let options = Options {
        default_size: usvg::Size::from_wh(width, height)
            .ok_or_else(|| PixelError::decode(FORMAT, "header", "no default size"))?,
        image_href_resolver: ImageHrefResolver {
            resolve_data: Box::new(|_, _, _| None),
            resolve_string: Box::new(|_, _| None),
        },
        ..Options::default()
    };
    let tree = Tree::from_xmltree(&document, &options)
        .map_err(|error| PixelError::decode(FORMAT, "document", error))?;
    drop(document);
    // As validate does: up to whole pixels.
    let (width, height) = (
        tree.size().width().ceil() as u32,
        tree.size().height().ceil() as u32,
    );
    limits.check(FORMAT, u64::from(width), u64::from(height), 4)?;
    svg_cost::check(&tree, width, height, limits)?;
    let mut pixmap = Pixmap::new(width, height)
        .ok_or_else(|| PixelError::decode(FORMAT, "header", "the size overflows"))?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    drop(tree);
    let samples = Samples::Eight(straight(pixmap.take()));
    let pixels = assemble(FORMAT, width, height, Channels::Rgba, samples)?;
    Ok(Decoded {
        pixels,
        orientation: Orientation::Normal,
        metadata: Metadata::default(),
        colour: Colour::AssumedSrgb,
        source: Source {
            format: FORMAT,
            width,
            height,
            colour_model: ColourModel::Vector,
            bit_depth: 8,
            frames: 1,
            animated: false,
            lossy: false,
        },
    })
}

fn broken(error: &roxmltree::Error) -> PixelError {
    match error {
        roxmltree::Error::NodesLimitReached => PixelError::unsupported(
            FORMAT,
            format!("more than {} nodes", svg_document::MAX_NODES),
        ),
        roxmltree::Error::UnknownEntityReference(..) => {
            PixelError::unsupported(FORMAT, format!("entities: {error}"))
        }
        roxmltree::Error::UnclosedRootNode | roxmltree::Error::UnexpectedEndOfStream => {
            PixelError::truncated(FORMAT, "document", error)
        }
        error => PixelError::decode(FORMAT, "document", error),
    }
}

/// Premultiplied pixels with straight alpha.
fn straight(mut samples: Vec<u8>) -> Vec<u8> {
    for pixel in samples.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha != 0 && alpha != 255 {
            for colour in &mut pixel[..3] {
                *colour = ((u32::from(*colour) * 255 + alpha / 2) / alpha).min(255) as u8;
            }
        }
    }
    samples
}
