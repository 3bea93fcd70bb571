//! SVG: the root element's `width`, `height` and `viewBox`, by a reader that knows just enough XML to
//! find them. No entity is expanded and no reference is followed.
//!
//! Sizes are CSS pixels (96 to the inch), rounded up. Where the root says neither a size nor a
//! viewBox, it is CSS's size of a replaced element: 300 × 150.

use safelight_schema::image::{ColourModel, Format};

use super::{Header, sides};
use crate::detect;
use crate::source::{Parsed, Source, Stop};

/// Bytes within which the root element's start tag must end.
const WINDOW: u64 = 256 << 10;
/// Bytes of a name or a value that are kept.
const MAX_TOKEN: usize = 256;
const DEFAULT: (f64, f64) = (300.0, 150.0);

pub(super) fn parse(source: &Source) -> Parsed<Header> {
    let mut reader = Reader { source, at: 0 };
    reader.prologue()?;
    let root_at = reader.at;
    let name = reader.name()?;
    if name.rsplit(':').next() != Some("svg") {
        return Err(Stop::Unsupported(detect::markup(&name)));
    }
    let root = reader.attributes()?;
    let (width, height) = root.size(root_at)?;
    let (width, height) = sides(pixels(width, root_at)?, pixels(height, root_at)?, root_at)?;
    let mut header = Header::new(Format::Svg, width, height);
    header.colour_model = ColourModel::Vector;
    header.alpha = true;
    Ok(header)
}

fn pixels(length: f64, at: u64) -> Parsed<u32> {
    let up = length.ceil();
    if up >= 0.0 && up <= f64::from(u32::MAX) {
        Ok(up as u32)
    } else {
        Err(Stop::invalid(at, format!("a side of {length} pixels")))
    }
}

#[derive(Default)]
struct Root {
    width: Option<Length>,
    height: Option<Length>,
    view_box: Option<(f64, f64)>,
}

#[derive(Clone, Copy)]
enum Length {
    Pixels(f64),
    /// Of whatever shows the picture: as good as absent.
    Relative,
}

impl Root {
    fn size(&self, at: u64) -> Parsed<(f64, f64)> {
        let fixed = |length: Option<Length>| match length {
            Some(Length::Pixels(pixels)) => Some(pixels),
            Some(Length::Relative) | None => None,
        };
        let size = match (fixed(self.width), fixed(self.height), self.view_box) {
            (Some(width), Some(height), _) => (width, height),
            (Some(width), None, Some((w, h))) => (width, width * h / w),
            (None, Some(height), Some((w, h))) => (height * w / h, height),
            (None, None, Some(view_box)) => view_box,
            (width, height, None) => (width.unwrap_or(DEFAULT.0), height.unwrap_or(DEFAULT.1)),
        };
        if size.0 > 0.0 && size.1 > 0.0 {
            Ok(size)
        } else {
            Err(Stop::invalid(
                at,
                format!("the size is {} × {}", size.0, size.1),
            ))
        }
    }

    fn set(&mut self, name: &str, value: &str, at: u64) -> Parsed<()> {
        if matches!(name, "width" | "height" | "viewBox") && value.contains('&') {
            return Err(Stop::invalid(
                at,
                format!("{name}=\"{value}\" refers to an entity, and entities are not expanded"),
            ));
        }
        // As in browsers, a length that is not one counts as absent.
        match name {
            "width" => self.width = length(value),
            "height" => self.height = length(value),
            "viewBox" => self.view_box = view_box(value),
            _ => {}
        }
        Ok(())
    }
}

/// A CSS length in pixels.
fn length(text: &str) -> Option<Length> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("auto") {
        return Some(Length::Relative);
    }
    // Units end with a letter or `%`; the `e` of an exponent is followed by a digit.
    let digits = text
        .trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%')
        .len();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: f64 = number.trim().parse().ok().filter(|n: &f64| n.is_finite())?;
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "px" => 1.0,
        "pt" => 96.0 / 72.0,
        "in" => 96.0,
        "cm" => 96.0 / 2.54,
        "mm" => 96.0 / 25.4,
        "q" => 96.0 / 101.6,
        // A pica; CSS's initial font size is 16 px, too, and an x half of it.
        "pc" | "em" | "rem" => 16.0,
        "ex" | "ch" => 8.0,
        "%" | "vw" | "vh" | "vmin" | "vmax" => return Some(Length::Relative),
        _ => return None,
    };
    Some(Length::Pixels(number * scale))
}

/// Width and height of a viewBox; one that is not valid is ignored, as SVG demands.
fn view_box(text: &str) -> Option<(f64, f64)> {
    let mut numbers = text
        .split(|c: char| c.is_ascii_whitespace() || c == ',')
        .filter(|part| !part.is_empty())
        .map(|part| part.parse::<f64>().ok().filter(|n| n.is_finite()));
    let (_, _) = (numbers.next()??, numbers.next()??);
    let (width, height) = (numbers.next()??, numbers.next()??);
    (width > 0.0 && height > 0.0).then_some((width, height))
}

struct Reader<'a> {
    source: &'a Source,
    at: u64,
}

impl Reader<'_> {
    fn peek(&self) -> Parsed<u8> {
        if self.at >= WINDOW {
            return Err(Stop::Far { offset: self.at });
        }
        self.source.u8(self.at)
    }

    fn next(&mut self) -> Parsed<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    fn spaces(&mut self) -> Parsed<()> {
        while self.peek()?.is_ascii_whitespace() {
            self.at += 1;
        }
        Ok(())
    }

    fn looking_at(&self, text: &[u8]) -> Parsed<bool> {
        for (index, expected) in text.iter().enumerate() {
            if self.source.u8(self.at + index as u64)? != *expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops behind the `<` of the root element's start tag.
    fn prologue(&mut self) -> Parsed<()> {
        if self.peek()? == 0xef {
            self.at += 3;
        }
        loop {
            self.spaces()?;
            if self.peek()? != b'<' {
                return Err(Stop::Unsupported(detect::markup("")));
            }
            self.at += 1;
            match self.peek()? {
                b'?' => self.behind(b"?>")?,
                b'!' if self.looking_at(b"!--")? => {
                    self.at += 3;
                    self.behind(b"-->")?;
                }
                b'!' => self.doctype()?,
                _ => return Ok(()),
            }
        }
    }

    fn behind(&mut self, end: &[u8]) -> Parsed<()> {
        while !self.looking_at(end)? {
            self.next()?;
        }
        self.at += end.len() as u64;
        Ok(())
    }

    /// Passes `<!DOCTYPE …>` with its internal subset; what it declares is not used.
    fn doctype(&mut self) -> Parsed<()> {
        let mut depth = 0_u32;
        loop {
            match self.next()? {
                quote @ (b'"' | b'\'') => while self.next()? != quote {},
                b'<' if self.looking_at(b"!--")? => {
                    self.at += 3;
                    self.behind(b"-->")?;
                }
                b'[' => depth += 1,
                b']' => depth = depth.saturating_sub(1),
                b'>' if depth == 0 => return Ok(()),
                _ => {}
            }
        }
    }

    fn name(&mut self) -> Parsed<String> {
        let mut name = Vec::new();
        loop {
            match self.peek()? {
                b'>' | b'/' | b'=' => break,
                byte if byte.is_ascii_whitespace() => break,
                byte => {
                    self.at += 1;
                    if name.len() < MAX_TOKEN {
                        name.push(byte);
                    }
                }
            }
        }
        let name: String = String::from_utf8_lossy(&name)
            .chars()
            .filter(|c| !c.is_control())
            .take(40)
            .collect();
        Ok(name)
    }

    fn attributes(&mut self) -> Parsed<Root> {
        let mut root = Root::default();
        loop {
            self.spaces()?;
            let at = self.at;
            if matches!(self.peek()?, b'>' | b'/') {
                return Ok(root);
            }
            let name = self.name()?;
            self.spaces()?;
            if self.next()? != b'=' {
                return Err(Stop::invalid(
                    at,
                    format!("attribute \"{name}\" has no value"),
                ));
            }
            self.spaces()?;
            let quote = self.next()?;
            if quote != b'"' && quote != b'\'' {
                return Err(Stop::invalid(
                    at,
                    format!("the value of \"{name}\" is not quoted"),
                ));
            }
            let mut value = Vec::new();
            loop {
                let byte = self.next()?;
                if byte == quote {
                    break;
                }
                if value.len() < MAX_TOKEN {
                    value.push(byte);
                }
            }
            root.set(&name, &String::from_utf8_lossy(&value), at)?;
        }
    }
}
