//! Boxes, one after the other.

use crate::source::{Parsed, Source, Stop};

/// Boxes on one level that are looked at; a picture has about twenty.
const MAX_BOXES: u32 = 4_096;

/// A box: its content lies at `body .. end`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) name: [u8; 4],
    pub(super) body: u64,
    pub(super) end: u64,
}

/// Walks the boxes of one level.
pub(super) struct Boxes<'a> {
    source: &'a Source,
    at: u64,
    end: u64,
    /// Whether these boxes lie in another, which they must not leave: otherwise a file of nested
    /// boxes could be walked over and over.
    nested: bool,
    left: u32,
}

impl<'a> Boxes<'a> {
    /// The boxes in `start .. end` of another box.
    pub(super) const fn new(source: &'a Source, start: u64, end: u64) -> Self {
        Self {
            source,
            at: start,
            end,
            nested: true,
            left: MAX_BOXES,
        }
    }

    /// The boxes of the file itself.
    pub(super) const fn top(source: &'a Source) -> Self {
        Self {
            source,
            at: 0,
            end: source.size(),
            nested: false,
            left: MAX_BOXES,
        }
    }

    pub(super) fn next(&mut self) -> Parsed<Option<Found>> {
        if self.at >= self.end {
            return Ok(None);
        }
        let at = self.at;
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Stop::invalid(at, "more than 4,096 boxes on one level"))?;
        let short = u64::from(self.source.u32_be(at)?);
        let name: [u8; 4] = self.source.array(at + 4)?;
        let (body, end) = match short {
            0 => (at + 8, self.end),
            1 => (at + 16, at.saturating_add(self.source.u64_be(at + 8)?)),
            _ => (at + 8, at + short),
        };
        if end < body {
            return Err(Stop::invalid(
                at,
                format!("a box of {} bytes", end.saturating_sub(at)),
            ));
        }
        if self.nested && end > self.end {
            return Err(Stop::invalid(
                at,
                format!(
                    "the box \"{}\" ends at {end}, behind the end of the box around it at {}",
                    name.escape_ascii(),
                    self.end
                ),
            ));
        }
        self.at = end;
        Ok(Some(Found { name, body, end }))
    }

    /// The first box of this name.
    pub(super) fn find(&mut self, name: [u8; 4]) -> Parsed<Option<Found>> {
        while let Some(found) = self.next()? {
            if found.name == name {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
