//! What an SVG's elements state, by attribute, by `style` and by the rules of the document, resolved as the
//! library resolves it; and what that costs.

use std::cell::Cell;
use std::collections::HashSet;

use resvg::usvg::roxmltree::{Document, Node};
use simplecss::{AttributeOperator, Declaration, DeclarationTokenizer, PseudoClass, StyleSheet};
use svgtypes::{FilterValue, FilterValueListParser};

use super::svg_document::{MAX_STEPS, refuse};
use crate::PixelError;

const SVG: &str = "http://www.w3.org/2000/svg";
pub(super) const XLINK: &str = "http://www.w3.org/1999/xlink";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Commas, dots, brackets and the like in all rules: a selector's part takes a hundred bytes.
const MAX_MARKS: usize = 1_000_000;
/// Declarations, as often as there are selectors for them: each selector has a copy.
const MAX_DECLARATIONS: usize = 4_000_000;
/// Letters that are counted for lines: the parser does so from the beginning at the end of each declaration.
const MAX_COUNTED: usize = 5_000_000_000;
/// A longer value is read again by each shape that inherits it.
const LONG: usize = 1_000;
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
    /// Letters of long values that others may inherit.
    pub(super) long: u64,
    /// Comparisons that it took to find out.
    pub(super) steps: u64,
}

impl<'a> Stated<'a> {
    pub(super) fn value(&self, property: Property) -> Option<&'a str> {
        Some(self.values[property as usize]?.0)
    }

    pub(super) fn is_important(&self, property: Property) -> bool {
        self.values[property as usize].is_some_and(|(_, important)| important)
    }

    /// A value is as important as the declaration says, an inherited one as the one that it is.
    fn set(&mut self, property: Property, value: &'a str, important: bool, above: Important) {
        let important = match value {
            INHERIT => above.has(property),
            _ => important,
        };
        self.values[property as usize] = Some((value, important));
    }

    /// An attribute holds until a declaration comes, a declaration until the next one.
    fn declare(&mut self, declaration: &Declaration<'a>, above: Important) {
        let of_all_markers = declaration.name == "marker";
        for property in Property::ALL {
            let is_meant =
                property.name() == declaration.name || of_all_markers && property.is_marker();
            if is_meant && !self.is_important(property) {
                self.set(property, declaration.value, declaration.important, above);
            }
        }
        self.note(declaration.value);
    }

    fn note(&mut self, value: &str) {
        if value.len() > LONG {
            self.long += value.len() as u64;
        }
    }
}

pub(super) const INHERIT: &str = "inherit";

/// Of which properties the values that are there are important.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Important(u16);

impl Important {
    pub(super) const fn has(self, property: Property) -> bool {
        self.0 & 1 << property as u16 != 0
    }

    pub(super) const fn with(self, property: Property, important: bool) -> Self {
        let bit = 1 << property as u16;
        Self(if important {
            self.0 | bit
        } else {
            self.0 & !bit
        })
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
            .try_fold((styles, Size::default()), |(mut styles, size), text| {
                let size = size.plus(Size::of(text));
                size.check()?;
                styles.sheet.parse_more(text);
                // All are sorted again.
                styles.spend(styles.sheet.rules.len() as u64)?;
                Ok((styles, size))
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
    pub(super) fn of_element(
        &self,
        node: Node<'a, '_>,
        above: Important,
    ) -> Result<Stated<'a>, PixelError> {
        let before = self.spent.get();
        let mut stated = Stated::default();
        for property in Property::ALL {
            if let Some(value) = attributes(node, property.name()).next() {
                stated.set(property, value, false, above);
            }
        }
        for attribute in node.attributes() {
            // None inherits these.
            if !matches!(
                attribute.name(),
                "d" | "points" | "href" | "style" | "class" | "id"
            ) {
                stated.note(attribute.value());
            }
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
            stated.declare(declaration, above);
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
        let style = node.attribute("style").unwrap_or_default();
        self.spend(Size::of(style).counted as u64 / 8)?;
        for declaration in DeclarationTokenizer::from(style) {
            declare(&declaration)?;
        }
        stated.bytes = bytes;
        stated.steps = self.spent.get() - before;
        Ok(stated)
    }
}

/// What reading rules takes.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    marks: usize,
    declarations: usize,
    counted: usize,
}

impl Size {
    fn of(text: &str) -> Self {
        // A brace in a string or in a comment ends nothing.
        let is_plain = !text.contains(['"', '\'']) && !text.contains("/*");
        let end = |letter| is_plain && letter == '}';
        let count =
            |text: &str, marks: &[u8]| text.bytes().filter(|byte| marks.contains(byte)).count();
        let declarations = text
            .split(end)
            .map(|rule| count(rule, b":").saturating_mul(count(rule, b",{") + 1));
        Self {
            marks: text
                .bytes()
                .filter(|byte| !byte.is_ascii_alphanumeric())
                .count(),
            declarations: declarations.fold(0, usize::saturating_add),
            counted: count(text, b":;@").saturating_mul(text.len()),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            marks: self.marks.saturating_add(other.marks),
            declarations: self.declarations.saturating_add(other.declarations),
            counted: self.counted.saturating_add(other.counted),
        }
    }

    fn check(self) -> Result<(), PixelError> {
        if self.marks > MAX_MARKS
            || self.declarations > MAX_DECLARATIONS
            || self.counted > MAX_COUNTED
        {
            return Err(refuse(
                "rules of more selectors and declarations than a picture has",
            ));
        }
        Ok(())
    }
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

/// The names of elements in a property's value: a paint's or a reference's, or those of a list of filters, which may
/// have spaces where others have none.
pub(super) fn links(value: &str) -> Vec<&str> {
    let filters = FilterValueListParser::from(value).map_while(Result::ok);
    let filters = filters.filter_map(|filter| match filter {
        FilterValue::Url(link) => Some(link),
        _ => None,
    });
    let (filters, functions) = (
        filters.collect::<Vec<_>>(),
        functions(value).collect::<Vec<_>>(),
    );
    // As often as the property may mean it.
    let (mut links, others) = if filters.len() > functions.len() {
        (filters, functions)
    } else {
        (functions, filters)
    };
    let known: HashSet<&str> = links.iter().copied().collect();
    links.extend(others.into_iter().filter(|link| !known.contains(link)));
    links
}

fn functions(value: &str) -> impl Iterator<Item = &str> {
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
