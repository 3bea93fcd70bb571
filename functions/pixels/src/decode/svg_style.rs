//! What an SVG's elements state, by attribute, by `style` and by the rules of the document, resolved as the
//! library resolves it; and what that costs.

use std::cell::Cell;

use resvg::usvg::roxmltree::{Document, Node};
use simplecss::{AttributeOperator, Declaration, DeclarationTokenizer, PseudoClass, StyleSheet};

use super::svg_document::{MAX_STEPS, refuse};
use crate::PixelError;

const SVG: &str = "http://www.w3.org/2000/svg";
pub(super) const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Commas, dots, brackets and the like in all rules: a selector's part takes a hundred bytes.
const MAX_MARKS: usize = 1_000_000;
/// Declarations, as often as there are selectors for them: each selector has a copy.
const MAX_DECLARATIONS: usize = 8_000_000;
/// Steps that an element or a declaration takes at least.
const A_LOOK: u64 = 20;
/// Elements that one match may lead through, one inside the other or one after the other.
const MAX_STRIDE: u32 = 2_000;

/// A property that names elements, or that is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Property {
    Clip,
    Mask,
    Filter,
    Fill,
    Stroke,
    MarkerStart,
    MarkerMid,
    MarkerEnd,
    Dashes,
}

impl Property {
    pub(super) const ALL: [Self; 9] = [
        Self::Clip,
        Self::Mask,
        Self::Filter,
        Self::Fill,
        Self::Stroke,
        Self::MarkerStart,
        Self::MarkerMid,
        Self::MarkerEnd,
        Self::Dashes,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Clip => "clip-path",
            Self::Mask => "mask",
            Self::Filter => "filter",
            Self::Fill => "fill",
            Self::Stroke => "stroke",
            Self::MarkerStart => "marker-start",
            Self::MarkerMid => "marker-mid",
            Self::MarkerEnd => "marker-end",
            Self::Dashes => "stroke-dasharray",
        }
    }

    /// Whether elements have it from those that they are in.
    pub(super) const fn is_inherited(self) -> bool {
        !matches!(self, Self::Clip | Self::Mask | Self::Filter)
    }

    pub(super) const fn is_marker(self) -> bool {
        matches!(self, Self::MarkerStart | Self::MarkerMid | Self::MarkerEnd)
    }
}

/// What one element states.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stated<'a> {
    /// The values that hold, and whether they are important.
    values: [Option<(&'a str, bool)>; Property::ALL.len()],
    /// Bytes of declarations, which are copied.
    pub(super) bytes: u64,
    /// Comparisons that it took to find out.
    pub(super) steps: u64,
}

impl<'a> Stated<'a> {
    pub(super) fn value(&self, property: Property) -> Option<&'a str> {
        Some(self.values[property as usize]?.0)
    }

    /// An attribute holds until a declaration comes, a declaration until the next one.
    fn declare(&mut self, declaration: &Declaration<'a>) {
        let of_all_markers = declaration.name == "marker";
        for property in Property::ALL {
            let is_meant =
                property.name() == declaration.name || of_all_markers && property.is_marker();
            let value = &mut self.values[property as usize];
            if is_meant && !value.is_some_and(|(_, important)| important) {
                *value = Some((declaration.value, declaration.important));
            }
        }
    }
}

/// The rules of a document.
pub(super) struct Styles<'a> {
    sheet: StyleSheet<'a>,
    spent: Cell<u64>,
}

impl<'a> Styles<'a> {
    pub(super) fn of(document: &'a Document<'_>) -> Result<Self, PixelError> {
        let styles = Self {
            sheet: StyleSheet::new(),
            spent: Cell::new(0),
        };
        document
            .descendants()
            .filter(|node| node.has_tag_name("style"))
            .filter(|node| matches!(node.attribute("type"), None | Some("text/css")))
            .filter_map(|node| node.text())
            .try_fold((styles, 0), |(mut styles, marks), text| {
                let marks = marks + bounded(text)?;
                if marks > MAX_MARKS {
                    return Err(refuse(format!("rules of more than {MAX_MARKS} marks")));
                }
                styles.sheet.parse_more(text);
                // All are sorted again.
                styles.spend(styles.sheet.rules.len() as u64)?;
                Ok((styles, marks))
            })
            .map(|(styles, _)| styles)
    }

    /// Counts steps, up to the most that a document may take.
    pub(super) fn spend(&self, steps: u64) -> Result<(), PixelError> {
        self.spent.set(self.spent.get().saturating_add(steps));
        if self.spent.get() > MAX_STEPS {
            return Err(refuse("rules and references that take too long to follow"));
        }
        Ok(())
    }

    /// What an element states.
    pub(super) fn of_element(&self, node: Node<'a, '_>) -> Result<Stated<'a>, PixelError> {
        let before = self.spent.get();
        let mut stated = Stated::default();
        for property in Property::ALL {
            let attribute = attributes(node, property.name()).next();
            stated.values[property as usize] = attribute.map(|value| (value, false));
        }
        let element = Element {
            node,
            spent: &self.spent,
            stride: 0,
        };
        let own = node.attributes().len() as u64;
        let letters: usize = node
            .attributes()
            .map(|attribute| attribute.value().len())
            .sum();
        // Each is read.
        self.spend(A_LOOK + own + letters as u64 / 2)?;
        let mut bytes = 0;
        let mut declare = |declaration: &Declaration<'a>| {
            stated.declare(declaration);
            bytes += declaration.value.len() as u64;
            // Looked for among those that are there.
            self.spend(A_LOOK + own)
        };
        for rule in &self.sheet.rules {
            self.spend(1)?;
            if rule.selector.matches(&element) {
                rule.declarations.iter().try_for_each(&mut declare)?;
            }
        }
        for declaration in DeclarationTokenizer::from(node.attribute("style").unwrap_or_default()) {
            declare(&declaration)?;
        }
        stated.bytes = bytes;
        stated.steps = self.spent.get() - before;
        Ok(stated)
    }
}

/// The marks of a style's text, if its rules may be read.
fn bounded(text: &str) -> Result<usize, PixelError> {
    // A brace in a string or in a comment ends nothing.
    let is_plain = !text.contains(['"', '\'']) && !text.contains("/*");
    let end = |letter| is_plain && letter == '}';
    let count = |text: &str, marks: &[u8]| text.bytes().filter(|byte| marks.contains(byte)).count();
    let declarations = text
        .split(end)
        .map(|rule| count(rule, b":").saturating_mul(count(rule, b",{") + 1))
        .fold(0usize, usize::saturating_add);
    if declarations > MAX_DECLARATIONS {
        return Err(refuse(format!(
            "rules of more than {MAX_DECLARATIONS} declarations, as often as they have selectors"
        )));
    }
    Ok(text
        .bytes()
        .filter(|byte| !byte.is_ascii_alphanumeric())
        .count())
}

/// An element as rules look at it, with each look counted.
struct Element<'c, 'a, 'input> {
    node: Node<'a, 'input>,
    spent: &'c Cell<u64>,
    /// How many elements led to it.
    stride: u32,
}

impl Element<'_, '_, '_> {
    fn look(&self, steps: usize) {
        self.spent
            .set(self.spent.get().saturating_add(steps as u64));
    }

    /// The next element, unless the way is too long or all steps are spent, which is refused after the match.
    fn step(&self, to: impl FnOnce(&Self) -> Option<Self>) -> Option<Self> {
        self.look(1);
        if self.stride >= MAX_STRIDE {
            self.spent.set(u64::MAX);
        }
        if self.spent.get() > MAX_STEPS {
            return None;
        }
        to(self)
    }
}

impl simplecss::Element for Element<'_, '_, '_> {
    fn parent_element(&self) -> Option<Self> {
        self.step(|element| {
            Some(Self {
                node: element.node.parent_element()?,
                stride: element.stride + 1,
                ..*element
            })
        })
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        self.step(|element| {
            Some(Self {
                node: element.node.prev_sibling_element()?,
                stride: element.stride + 1,
                ..*element
            })
        })
    }

    fn has_local_name(&self, name: &str) -> bool {
        self.look(1);
        self.node.tag_name().name() == name
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        self.look(1 + self.node.attributes().len());
        self.node.attribute(name).is_some_and(|value| {
            self.look(value.len() / 2);
            operator.matches(value)
        })
    }

    fn pseudo_class_matches(&self, class: PseudoClass<'_>) -> bool {
        class == PseudoClass::FirstChild && self.prev_sibling_element().is_none()
    }
}

/// The values of an attribute in the namespaces that the library reads.
pub(super) fn attributes<'a>(
    node: Node<'a, '_>,
    name: &'static str,
) -> impl Iterator<Item = &'a str> {
    node.attributes()
        .filter(move |attribute| attribute.name() == name)
        .filter(|attribute| matches!(attribute.namespace(), None | Some(SVG | XLINK | XML)))
        .map(|attribute| attribute.value())
}

/// Whether the library takes it for a `use` when it looks for circles.
pub(super) fn is_use(node: Node<'_, '_>) -> bool {
    node.has_tag_name((SVG, "use"))
}

/// The names of elements in a property's value.
pub(super) fn links(value: &str) -> impl Iterator<Item = &str> {
    const SPACES: [char; 4] = [' ', '\t', '\n', '\r'];
    value.split("url(").skip(1).filter_map(|link| {
        let link = link.trim_start_matches(SPACES);
        let (quote, link) = match link.strip_prefix(['"', '\'']) {
            Some(rest) => (link.chars().next(), rest.trim_start_matches(SPACES)),
            None => (None, link),
        };
        let link = link.strip_prefix('#')?;
        match quote {
            Some(quote) => Some(link.split(quote).next()?.trim_end()),
            None => link.split([' ', ')']).next(),
        }
    })
}
