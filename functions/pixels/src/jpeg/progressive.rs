//! Progressive files: coefficients are kept until the last scan.

use super::bands::{Outline, Run};
use super::decode::{Buffer, Detail, Strip};
use super::header::{Frame, Reader, Scan};
use super::huffman::Pieces;
use super::idct::{self, Dequantiser};
use super::{Give, Refused};

/// Each scan goes over the whole picture, so their number bounds the work.
const MAX_SCANS: usize = 100;

/// Coefficients of all components.
pub(crate) struct Coefficients {
    planes: Vec<Plane>,
}

/// What is kept of a component, block by block.
enum Plane {
    /// All, each block stored by columns.
    Whole(Vec<[i16; 64]>),
    Outlines(Vec<Outline>),
    Means(Vec<i16>),
}

impl Plane {
    fn new(detail: Detail, blocks: usize) -> Self {
        match detail {
            Detail::Full => Self::Whole(vec![[0; 64]; blocks]),
            Detail::Quarter => Self::Outlines(vec![Outline::default(); blocks]),
            Detail::Eighth => Self::Means(vec![0; blocks]),
        }
    }

    /// The first coefficient of a block.
    #[inline(always)]
    fn mean(&mut self, at: usize) -> Give<&mut i16> {
        match self {
            Self::Whole(blocks) => blocks.get_mut(at).map(|block| &mut block[0]),
            Self::Outlines(blocks) => blocks.get_mut(at).map(|block| &mut block.first[0]),
            Self::Means(means) => means.get_mut(at),
        }
        .ok_or(OUTSIDE)
    }
}

const OUTSIDE: Refused = Refused("a block outside");

impl Coefficients {
    #[inline(always)]
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        bytes: &[u8],
        first: Scan,
        frame: &Frame,
        details: &[Detail],
    ) -> Give<Self> {
        let planes = frame
            .components
            .iter()
            .zip(details)
            .map(|(component, &detail)| {
                Plane::new(detail, component.blocks_wide * component.blocks_high)
            })
            .collect();
        let mut coefficients = Self { planes };
        let mut scans = 0;
        let mut next = Some(first);
        let mut seen = vec![false; frame.components.len()];
        while let Some(scan) = next {
            scans += 1;
            if scans > MAX_SCANS {
                return Err(Refused("more scans than any encoder writes"));
            }
            for &(index, ..) in &scan.components {
                seen[index] |= scan.spectral_start == 0;
            }
            let end = coefficients.scan(reader, bytes, &scan, frame)?;
            reader.skip_to(end);
            next = reader.next_scan()?;
        }
        if !seen.iter().all(|&seen| seen) {
            return Err(Refused("a component without scan"));
        }
        Ok(coefficients)
    }

    /// Reads one scan; gives where the file goes on.
    #[inline(always)]
    fn scan(
        &mut self,
        reader: &Reader<'_>,
        bytes: &[u8],
        scan: &Scan,
        frame: &Frame,
    ) -> Give<usize> {
        let (start, end) = (scan.spectral_start, scan.spectral_end);
        let sound = match start {
            0 => end == 0,
            _ => start <= end && end < 64 && scan.components.len() == 1,
        };
        if !sound || scan.low > 13 || (scan.high > 0 && scan.high != scan.low + 1) {
            return Err(Refused("an unusual scan"));
        }
        let needed = |&(index, ..): &(usize, _, _)| {
            start == 0 || !matches!(self.planes[index], Plane::Means(_))
        };
        if !scan.components.iter().any(needed) {
            // Where the next marker is, is all that is wanted.
            return Ok(end_of_data(bytes, scan.data));
        }
        let pieces = Pieces::of(bytes, scan.data);
        let mut run = Run::new(scan, &pieces, reader.tables.restart)?;
        let missing = Refused("a Huffman table is missing");
        if let [(index, dc, ac)] = scan.components[..] {
            let component = &frame.components[index];
            let plane = &mut self.planes[index];
            let (wide, high) = (component.width.div_ceil(8), component.height.div_ceil(8));
            let table = match (start, scan.high) {
                (0, 0) => Some(reader.tables.dc[dc].as_ref().ok_or(missing)?),
                (0, _) => None,
                _ => Some(reader.tables.ac[ac].as_ref().ok_or(missing)?),
            };
            for y in 0..high {
                for x in 0..wide {
                    run.next_unit()?;
                    let at = y * component.blocks_wide + x;
                    match (start, table, &mut *plane) {
                        (0, table, plane) => run.dc(plane.mean(at)?, 0, table)?,
                        (_, Some(table), Plane::Whole(blocks)) => {
                            run.ac(blocks.get_mut(at).ok_or(OUTSIDE)?, table)?;
                        }
                        (_, Some(table), Plane::Outlines(blocks)) => {
                            run.ac(blocks.get_mut(at).ok_or(OUTSIDE)?, table)?;
                        }
                        _ => return Err(missing),
                    }
                }
                run.check()?;
            }
        } else {
            for unit_row in 0..frame.units_high {
                for unit in 0..frame.units_wide {
                    run.next_unit()?;
                    for &(index, dc, _) in &scan.components {
                        let component = &frame.components[index];
                        let table = match scan.high {
                            0 => Some(reader.tables.dc[dc].as_ref().ok_or(missing)?),
                            _ => None,
                        };
                        for y in 0..component.v {
                            for x in 0..component.h {
                                let row = unit_row * component.v + y;
                                let at = row * component.blocks_wide + unit * component.h + x;
                                run.dc(self.planes[index].mean(at)?, index, table)?;
                            }
                        }
                    }
                }
                run.check()?;
            }
        }
        Ok(pieces.end)
    }

    /// Hands the samples on, row of units by row of units.
    #[inline(always)]
    pub(crate) fn strips(
        &self,
        frame: &Frame,
        factors: &[Dequantiser],
        details: &[Detail],
        each: &mut dyn FnMut(Strip<'_>),
    ) {
        let mut buffers: Vec<Buffer> = frame
            .components
            .iter()
            .zip(details)
            .map(|(component, &detail)| Buffer::new(component, detail))
            .collect();
        for unit_row in 0..frame.units_high {
            for (index, component) in frame.components.iter().enumerate() {
                let (buffer, factors) = (&mut buffers[index], &factors[index]);
                let plane = &self.planes[index];
                for y in 0..component.v {
                    let row = unit_row * component.v + y;
                    let line = row * component.blocks_wide..(row + 1) * component.blocks_wide;
                    match plane {
                        Plane::Whole(blocks) => {
                            for (x, block) in blocks[line].iter().enumerate() {
                                let (out, stride) = buffer.place(x, y);
                                if block[1..].iter().fold(0, |all, &value| all | value) == 0 {
                                    idct::flat_block(block[0], factors, out, stride);
                                } else {
                                    idct::block(block, factors, out, stride);
                                }
                            }
                        }
                        Plane::Outlines(blocks) => {
                            for (x, block) in blocks[line].iter().enumerate() {
                                let (out, stride) = buffer.place(x, y);
                                idct::quadrants(&block.columnwise(), factors, out, stride);
                            }
                        }
                        Plane::Means(means) => {
                            for (x, &dc) in means[line].iter().enumerate() {
                                if let Some(place) = buffer.place(x, y).0.first_mut() {
                                    *place = idct::flat(dc, factors);
                                }
                            }
                        }
                    }
                }
                buffer.give(index, component, unit_row, each);
            }
        }
    }
}

/// Where the marker behind a scan's data is.
pub(super) fn end_of_data(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        at += memchr::memchr(0xFF, rest).unwrap_or(rest.len());
        match bytes.get(at + 1) {
            Some(0 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            _ => return at,
        }
    }
}
