//! Strips of samples, component by component, at the resolution they are stored in.

use super::header::{Component, Frame, Reader, Scan};
use super::huffman::{Bits, Pieces, Skips, Table, WHOLE, extend};
use super::idct::{self, Dequantiser};
use super::progressive::Coefficients;
use super::wide::{Wide, wide};
use super::{COLUMNWISE, Give, Refused};

/// Rows of one component, from the top of the picture on.
pub(crate) struct Strip<'a> {
    pub(crate) component: usize,
    pub(crate) rows: &'a [u8],
    /// Bytes from one row to the next; what lies past the component's width is padding.
    pub(crate) stride: usize,
    pub(crate) width: usize,
    /// How many rows count.
    pub(crate) height: usize,
}

/// How much of the detail is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Every sample.
    Full,
    /// The means of each 4 × 4 samples, nearly: detail that cancels out in them is not read.
    Quarter,
    /// The mean of each block of 8 × 8.
    Eighth,
}

impl Detail {
    /// As little as samples need that are reduced by so much.
    pub(crate) fn for_reduction(reduction: f64) -> Self {
        if reduction >= 8.0 {
            Self::Eighth
        } else if reduction >= 4.0 {
            Self::Quarter
        } else {
            Self::Full
        }
    }

    /// Samples of a side that become one.
    pub(crate) const fn shrink(self) -> usize {
        match self {
            Self::Full => 1,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }
}

/// Decodes the image behind `reader`'s first scan header, each component in its detail, and hands
/// every strip to `each`.
pub(crate) fn decode(
    reader: &mut Reader<'_>,
    bytes: &[u8],
    first: Scan,
    details: &[Detail],
    each: &mut dyn FnMut(Strip<'_>),
) -> Give<()> {
    #[cfg(feature = "turbo")]
    if details.iter().all(|&detail| detail == Detail::Full)
        && let Some(frame) = &reader.frame
        && super::turbo::decode(bytes, frame, each).is_ok()
    {
        return Ok(());
    }
    in_rust(reader, bytes, first, details, each)
}

/// The same, always by this crate's own code.
pub(crate) fn in_rust(
    reader: &mut Reader<'_>,
    bytes: &[u8],
    first: Scan,
    details: &[Detail],
    each: &mut dyn FnMut(Strip<'_>),
) -> Give<()> {
    wide(Work {
        reader,
        bytes,
        first,
        details,
        each,
    })
}

struct Work<'a, 'b, 'c> {
    reader: &'a mut Reader<'b>,
    bytes: &'a [u8],
    first: Scan,
    details: &'a [Detail],
    each: &'c mut dyn FnMut(Strip<'_>),
}

impl Wide for Work<'_, '_, '_> {
    type Output = Give<()>;

    #[inline(always)]
    fn run(self) -> Give<()> {
        let Self {
            reader,
            bytes,
            first,
            details,
            each,
        } = self;
        let frame = reader.frame.clone().ok_or(Refused("no frame"))?;
        if frame.progressive {
            let coefficients = Coefficients::read(reader, bytes, first, &frame, details)?;
            let factors = dequantisers(&frame, reader)?;
            coefficients.strips(&frame, &factors, details, each);
            Ok(())
        } else {
            baseline(reader, bytes, &first, &frame, details, each)
        }
    }
}

fn dequantisers(frame: &Frame, reader: &Reader<'_>) -> Give<Vec<Dequantiser>> {
    frame
        .components
        .iter()
        .map(|component| {
            reader.tables.quantisation[component.quantisation]
                .as_ref()
                .map(Dequantiser::new)
                .ok_or(Refused("a quantisation table is missing"))
        })
        .collect()
}

/// The samples of one row of units.
pub(crate) struct Buffer {
    samples: Vec<u8>,
    side: usize,
    stride: usize,
    rows: usize,
}

impl Buffer {
    pub(crate) fn new(component: &Component, detail: Detail) -> Self {
        let side = 8 / detail.shrink();
        let (stride, rows) = (component.blocks_wide * side, component.v * side);
        Self {
            samples: vec![0; stride * rows],
            side,
            stride,
            rows,
        }
    }

    /// Where block `x` of row `y` of the unit row begins.
    #[inline(always)]
    pub(crate) fn place(&mut self, x: usize, y: usize) -> (&mut [u8], usize) {
        let start = y * self.side * self.stride + x * self.side;
        (
            self.samples.get_mut(start..).unwrap_or_default(),
            self.stride,
        )
    }

    /// Hands row `unit` of units on.
    pub(crate) fn give(
        &self,
        index: usize,
        component: &Component,
        unit: usize,
        each: &mut dyn FnMut(Strip<'_>),
    ) {
        let shrink = 8 / self.side;
        let scaled = |side: usize| side.div_ceil(shrink);
        let height = scaled(component.height).saturating_sub(unit * self.rows);
        each(Strip {
            component: index,
            rows: &self.samples,
            stride: self.stride,
            width: scaled(component.width),
            height: height.min(self.rows),
        });
    }
}

struct Stage<'a> {
    index: usize,
    component: &'a Component,
    dc: &'a Table,
    ac: &'a Table,
    skips: Option<Skips>,
    factors: Dequantiser,
    buffer: Buffer,
    predicted: i32,
}

#[inline(always)]
fn baseline(
    reader: &Reader<'_>,
    bytes: &[u8],
    scan: &Scan,
    frame: &Frame,
    details: &[Detail],
    each: &mut dyn FnMut(Strip<'_>),
) -> Give<()> {
    if scan.components.len() != frame.components.len() {
        return Err(Refused("a scan for each component"));
    }
    let missing = Refused("a Huffman table is missing");
    let mut stages = Vec::new();
    for ((&(index, dc, ac), component), factors) in scan
        .components
        .iter()
        .zip(&frame.components)
        .zip(dequantisers(frame, reader)?)
    {
        let ac = reader.tables.ac[ac].as_ref().ok_or(missing)?;
        let detail = details.get(index).copied().unwrap_or(Detail::Full);
        stages.push(Stage {
            index,
            component,
            dc: reader.tables.dc[dc].as_ref().ok_or(missing)?,
            ac,
            skips: (detail != Detail::Full).then(|| Skips::new(ac)),
            factors,
            buffer: Buffer::new(component, detail),
            predicted: 0,
        });
    }
    let pieces = Pieces::of(bytes, scan.data);
    let mut piece = 0;
    let mut bits = pieces.piece(piece)?;
    let restart = reader.tables.restart;
    let mut left = restart;
    for unit_row in 0..frame.units_high {
        for unit in 0..frame.units_wide {
            if restart > 0 && left == 0 {
                check(&bits)?;
                piece += 1;
                bits = pieces.piece(piece)?;
                left = restart;
                for stage in &mut stages {
                    stage.predicted = 0;
                }
            }
            left = left.wrapping_sub(1);
            for stage in &mut stages {
                for y in 0..stage.component.v {
                    for x in 0..stage.component.h {
                        let x = unit * stage.component.h + x;
                        stage.block(&mut bits, x, y)?;
                    }
                }
            }
        }
        check(&bits)?;
        for stage in &stages {
            stage
                .buffer
                .give(stage.index, stage.component, unit_row, each);
        }
    }
    Ok(())
}

fn check(bits: &Bits<'_>) -> Give<()> {
    if bits.overrun() {
        return Err(Refused("the scan ends too early"));
    }
    Ok(())
}

impl Stage<'_> {
    #[inline(always)]
    fn block(&mut self, bits: &mut Bits<'_>, x: usize, y: usize) -> Give<()> {
        bits.refill();
        let size = bits.symbol(self.dc)?;
        if size > 11 {
            return Err(Refused("a step that is too large"));
        }
        self.predicted += extend(bits.take(size), size);
        let dc = self.predicted as i16;
        let mut coefficients = [0i16; 64];
        coefficients[0] = dc;
        if let Some(skips) = &self.skips {
            let mut position = 1;
            if self.buffer.side == 2 {
                position = ac_coefficients(bits, self.ac, &mut coefficients, QUADRANTS)?.1;
            }
            bits.skip_block(self.ac, skips, position as u32)?;
            let quarter = self.buffer.side == 2;
            let (out, stride) = self.buffer.place(x, y);
            if quarter {
                idct::quadrants(&coefficients, &self.factors, out, stride);
            } else if let Some(place) = out.first_mut() {
                *place = idct::flat(dc, &self.factors);
            }
            return Ok(());
        }
        let (last, _) = ac_coefficients(bits, self.ac, &mut coefficients, 64)?;
        let (out, stride) = self.buffer.place(x, y);
        if last == 0 {
            idct::flat_block(dc, &self.factors, out, stride);
        } else {
            idct::block(&coefficients, &self.factors, out, stride);
        }
        Ok(())
    }
}

/// Zigzag positions below this hold what quadrants are made of.
pub(crate) const QUADRANTS: usize = 5;

/// Reads a block's AC coefficients up to a zigzag position; gives the position of the last one that
/// is not zero, and the one to go on from (64 at the block's end).
#[inline(always)]
fn ac_coefficients(
    bits: &mut Bits<'_>,
    table: &Table,
    out: &mut [i16; 64],
    end: usize,
) -> Give<(usize, usize)> {
    let (mut position, mut last) = (1usize, 0usize);
    while position < end {
        bits.refill();
        let entry = bits.entry(table);
        if entry & WHOLE != 0 {
            bits.consume(entry & 63);
            position += (entry >> 12 & 15) as usize;
            out[usize::from(COLUMNWISE[position & 127]) & 63] = (entry >> 16) as i16;
            last = position;
            position += 1;
            continue;
        }
        let symbol = bits.symbol(table)?;
        let (run, size) = ((symbol >> 4) as usize, symbol & 15);
        if size == 0 {
            if run < 15 {
                position = 64;
                break;
            }
            position += 16;
            continue;
        }
        position += run;
        out[usize::from(COLUMNWISE[position & 127]) & 63] = extend(bits.take(size), size) as i16;
        last = position;
        position += 1;
    }
    Ok((last, position))
}
