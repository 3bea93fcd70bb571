//! HEIF items: the primary one, its properties, and whether another is its alpha plane.

use safelight_schema::image::{ColourModel, Format};

use super::boxes::{Boxes, Found};
use super::{Codec, Header};
use crate::source::{Parsed, Source, Stop};

/// Associations and references that are looked at; a picture of 50 megapixels in tiles has some
/// hundreds.
const MAX_ENTRIES: u32 = 16_384;
const ALPHA_TYPES: [&[u8]; 2] = [
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
];

/// The header of the primary item of the `meta` box; none if the box holds no picture.
pub(super) fn parse(source: &Source, meta: &Found, format: Format) -> Parsed<Option<Header>> {
    let (mut primary, mut references, mut properties) = (None, None, None);
    let mut boxes = Boxes::new(source, meta.body + 4, meta.end);
    while let Some(found) = boxes.next()? {
        match &found.name {
            b"pitm" => {
                primary = Some(if source.u8(found.body)? == 0 {
                    source.u16_be(found.body + 4)?.into()
                } else {
                    source.u32_be(found.body + 4)?
                });
            }
            b"iref" => references = Some(found),
            b"iprp" => properties = Some(found),
            _ => {}
        }
    }
    let (Some(primary), Some(properties)) = (primary, properties) else {
        return Ok(None);
    };
    let Some(container) = Boxes::new(source, properties.body, properties.end).find(*b"ipco")?
    else {
        return Err(Stop::invalid(properties.body, "iprp holds no ipco"));
    };
    let linked = match references {
        Some(references) => Linked::read(source, &references, primary)?,
        None => Linked::default(),
    };
    let mut picture = Picture {
        source,
        primary,
        linked,
        size: None,
        orientation: Matrix::UPRIGHT,
        crop: None,
        pixi: None,
        codec: None,
        tile_codec: None,
        icc: false,
        identity: false,
        alpha: false,
    };
    picture.associations(&properties, &container)?;
    picture.header(format, properties.body).map(Some)
}

/// Items that others refer to.
#[derive(Default)]
struct Linked {
    /// The first tile of the primary item, when that is a grid.
    tile: Option<u32>,
    /// Auxiliary items of the primary: alpha, depth, gain map.
    auxiliary: Vec<u32>,
}

impl Linked {
    fn read(source: &Source, references: &Found, primary: u32) -> Parsed<Self> {
        let wide = source.u8(references.body)? != 0;
        let width = if wide { 4 } else { 2 };
        let id = |at| {
            if wide {
                source.u32_be(at)
            } else {
                source.u16_be(at).map(u32::from)
            }
        };
        let mut linked = Self::default();
        let mut boxes = Boxes::new(source, references.body + 4, references.end);
        while let Some(found) = boxes.next()? {
            let from = id(found.body)?;
            let count = u64::from(source.u16_be(found.body + width)?);
            let first = found.body + width + 2;
            match &found.name {
                b"dimg" if from == primary && count > 0 => linked.tile = Some(id(first)?),
                b"auxl" => {
                    for index in 0..count.min(16) {
                        if id(first + index * width)? == primary && linked.auxiliary.len() < 16 {
                            linked.auxiliary.push(from);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(linked)
    }
}

struct Picture<'a> {
    source: &'a Source,
    primary: u32,
    linked: Linked,
    size: Option<(u32, u32)>,
    orientation: Matrix,
    /// What `clap` leaves, in pixels as stored.
    crop: Option<(u32, u32)>,
    pixi: Option<u8>,
    codec: Option<Codec>,
    tile_codec: Option<Codec>,
    icc: bool,
    /// Whether the colours are stored as they are (matrix coefficients 0), not as luma and chroma.
    identity: bool,
    alpha: bool,
}

impl Picture<'_> {
    /// Walks `ipma`: which item has which properties.
    fn associations(&mut self, properties: &Found, container: &Found) -> Parsed<()> {
        let table = self.table(container)?;
        let mut boxes = Boxes::new(self.source, properties.body, properties.end);
        let mut left = MAX_ENTRIES;
        while let Some(found) = boxes.next()? {
            if &found.name != b"ipma" {
                continue;
            }
            let [version, _, _, flags] = self.source.array(found.body)?;
            let wide_index = flags & 1 != 0;
            let items = self.source.u32_be(found.body + 4)?;
            let mut at = found.body + 8;
            for _ in 0..items {
                let item = if version == 0 {
                    at += 2;
                    self.source.u16_be(at - 2)?.into()
                } else {
                    at += 4;
                    self.source.u32_be(at - 4)?
                };
                let count = self.source.u8(at)?;
                at += 1;
                left = left
                    .checked_sub(1 + u32::from(count))
                    .ok_or_else(|| Stop::invalid(at, "too many property associations"))?;
                for _ in 0..count {
                    let index = if wide_index {
                        at += 2;
                        self.source.u16_be(at - 2)? & 0x7fff
                    } else {
                        at += 1;
                        u16::from(self.source.u8(at - 1)? & 0x7f)
                    };
                    // Indexes count from one; zero is "none".
                    let property = usize::from(index).checked_sub(1);
                    if let Some(property) = property.and_then(|index| table.get(index)) {
                        self.property(item, property)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The properties in order; as many as a wide index reaches matter.
    fn table(&self, container: &Found) -> Parsed<Vec<Found>> {
        let mut table = Vec::new();
        let mut boxes = Boxes::new(self.source, container.body, container.end);
        while let Some(found) = boxes.next()? {
            table.push(found);
        }
        Ok(table)
    }

    fn property(&mut self, item: u32, property: &Found) -> Parsed<()> {
        let (source, body) = (self.source, property.body);
        if self.linked.auxiliary.contains(&item) && &property.name == b"auxC" {
            for kind in ALPHA_TYPES {
                if body + 4 + kind.len() as u64 <= property.end {
                    self.alpha |= source.at(body + 4, kind.len())? == kind;
                }
            }
        }
        if self.linked.tile == Some(item) {
            self.tile_codec = codec(source, property)?.or(self.tile_codec);
        }
        if item != self.primary {
            return Ok(());
        }
        self.codec = codec(source, property)?.or(self.codec);
        match &property.name {
            b"ispe" => self.size = Some((source.u32_be(body + 4)?, source.u32_be(body + 8)?)),
            b"pixi" if source.u8(body + 4)? > 0 => self.pixi = Some(source.u8(body + 5)?),
            b"irot" => {
                // Quarter turns against the clock.
                let turns = source.u8(body)? & 3;
                for _ in 0..turns {
                    self.orientation = self.orientation.then(Matrix::QUARTER_LEFT);
                }
            }
            b"imir" => {
                // 0 exchanges top and bottom, 1 left and right (23008-12:2022, 6.5.12).
                let mirror = if source.u8(body)? & 1 == 0 {
                    Matrix::TOP_BOTTOM
                } else {
                    Matrix::LEFT_RIGHT
                };
                self.orientation = self.orientation.then(mirror);
            }
            b"clap" => {
                let side = |at| -> Parsed<Option<u32>> {
                    let (over, under) = (source.u32_be(at)?, source.u32_be(at + 4)?);
                    Ok(over.checked_div(under))
                };
                if let (Some(width), Some(height)) = (side(body)?, side(body + 8)?) {
                    self.crop = Some((width, height));
                }
            }
            b"colr" => match &source.array(body)? {
                b"rICC" | b"prof" => self.icc = true,
                b"nclx" => self.identity = source.u16_be(body + 8)? == 0,
                _ => {}
            },
            _ => {}
        }
        Ok(())
    }

    fn header(self, format: Format, at: u64) -> Parsed<Header> {
        let Some((mut width, mut height)) = self.size else {
            return Err(Stop::invalid(at, "the primary item has no size (ispe)"));
        };
        if let Some(crop) = self.crop {
            // A crop that is larger than the picture, or empty, is not one.
            if (1..=width).contains(&crop.0) && (1..=height).contains(&crop.1) {
                (width, height) = crop;
            }
        }
        let codec = self.codec.or(self.tile_codec);
        let mut header = Header::new(codec.map_or(format, |codec| codec.format), width, height);
        header.bit_depth = self
            .pixi
            .or(codec.map(|codec| codec.bit_depth))
            .filter(|depth| (1..=32).contains(depth))
            .unwrap_or(8);
        header.colour_model = match codec {
            Some(codec) if self.identity && codec.colour_model == ColourModel::Ycbcr => {
                ColourModel::Rgb
            }
            Some(codec) => codec.colour_model,
            None => ColourModel::Unknown,
        };
        header.alpha = self.alpha;
        header.icc = self.icc;
        header.orientation = self.orientation.exif();
        Ok(header)
    }
}

fn codec(source: &Source, property: &Found) -> Parsed<Option<Codec>> {
    match &property.name {
        b"av1C" => Codec::av1(source, property.body).map(Some),
        b"hvcC" => Codec::hevc(source, property.body).map(Some),
        _ => Ok(None),
    }
}

/// What happens to a direction (x to the right, y downwards) from the stored picture to the shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Matrix([i8; 4]);

impl Matrix {
    const UPRIGHT: Self = Self([1, 0, 0, 1]);
    const QUARTER_LEFT: Self = Self([0, 1, -1, 0]);
    const TOP_BOTTOM: Self = Self([1, 0, 0, -1]);
    const LEFT_RIGHT: Self = Self([-1, 0, 0, 1]);

    /// This, then `next`.
    const fn then(self, next: Self) -> Self {
        let ([xx, xy, yx, yy], by) = (self.0, next.0);
        Self([
            by[0] * xx + by[1] * yx,
            by[0] * xy + by[1] * yy,
            by[2] * xx + by[3] * yx,
            by[2] * xy + by[3] * yy,
        ])
    }

    /// The EXIF orientation that shows the picture alike.
    const fn exif(self) -> u8 {
        match self.0 {
            [-1, 0, 0, 1] => 2,
            [-1, 0, 0, -1] => 3,
            [1, 0, 0, -1] => 4,
            [0, 1, 1, 0] => 5,
            [0, -1, 1, 0] => 6,
            [0, -1, -1, 0] => 7,
            [0, 1, -1, 0] => 8,
            _ => 1,
        }
    }
}
