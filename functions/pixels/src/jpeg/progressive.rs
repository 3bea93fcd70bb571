//! Progressive files: every coefficient is kept until the last scan.

use super::decode::{Buffer, Detail, Strip};
use super::header::{Frame, Reader, Scan};
use super::huffman::{Bits, Pieces, Table, extend};
use super::idct::{self, Dequantiser};
use super::{COLUMNWISE, Give, Refused};

/// Each scan goes over the whole picture, so their number bounds the work.
const MAX_SCANS: usize = 100;

/// Coefficients of all components.
pub(crate) struct Coefficients {
    planes: Vec<Plane>,
}

/// Coefficients of a component, block by block, each stored by columns.
struct Plane {
    coefficients: Vec<i16>,
    /// Coefficients a block: 64, or 1 where only means are wanted. Which bits a later scan has for the
    /// first few of 64 depends on all of them.
    each: usize,
    detail: Detail,
}

impl Coefficients {
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
                let each = match detail {
                    Detail::Full | Detail::Quarter => 64,
                    Detail::Eighth => 1,
                };
                Plane {
                    coefficients: vec![0; component.blocks_wide * component.blocks_high * each],
                    each,
                    detail,
                }
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
        let needed = |&(index, ..): &(usize, _, _)| start < self.planes[index].each;
        if !scan.components.iter().any(needed) {
            // Where the next marker is, is all that is wanted.
            return Ok(end_of_data(bytes, scan.data));
        }
        let pieces = Pieces::of(bytes, scan.data);
        let mut run = Run {
            scan,
            piece: 0,
            restart: reader.tables.restart,
            left: reader.tables.restart,
            bits: pieces.piece(0)?,
            pieces: &pieces,
            predicted: [0; 4],
            blocks_to_end: 0,
        };
        let missing = Refused("a Huffman table is missing");
        if let [(index, dc, ac)] = scan.components[..] {
            let component = &frame.components[index];
            let Plane {
                coefficients: plane,
                each,
                ..
            } = &mut self.planes[index];
            let each = *each;
            let (wide, high) = (component.width.div_ceil(8), component.height.div_ceil(8));
            let table = match (start, scan.high) {
                (0, 0) => Some(reader.tables.dc[dc].as_ref().ok_or(missing)?),
                (0, _) => None,
                _ => Some(reader.tables.ac[ac].as_ref().ok_or(missing)?),
            };
            for y in 0..high {
                for x in 0..wide {
                    run.next_unit()?;
                    let at = (y * component.blocks_wide + x) * each;
                    let block = plane
                        .get_mut(at..at + each)
                        .ok_or(Refused("a block outside"))?;
                    match (start, table) {
                        (0, table) => run.dc(&mut block[0], 0, table)?,
                        (_, Some(table)) => {
                            let block = block
                                .first_chunk_mut::<64>()
                                .ok_or(Refused("a block outside"))?;
                            if scan.high == 0 {
                                run.ac_first(block, table)?;
                            } else {
                                run.ac_refine(block, table)?;
                            }
                        }
                        (_, None) => return Err(missing),
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
                                let of = &mut self.planes[index];
                                let place = of
                                    .coefficients
                                    .get_mut(at * of.each)
                                    .ok_or(Refused("a block outside"))?;
                                run.dc(place, index, table)?;
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
                    let at = row * component.blocks_wide * plane.each;
                    let line = &plane.coefficients[at..][..component.blocks_wide * plane.each];
                    if plane.each == 1 {
                        for (x, &dc) in line.iter().enumerate() {
                            if let Some(place) = buffer.place(x, y).0.first_mut() {
                                *place = idct::flat(dc, factors);
                            }
                        }
                        continue;
                    }
                    for (x, block) in line.as_chunks::<64>().0.iter().enumerate() {
                        let (out, stride) = buffer.place(x, y);
                        if plane.detail == Detail::Quarter {
                            idct::quadrants(block, factors, out, stride);
                        } else if block[1..].iter().fold(0, |all, &value| all | value) == 0 {
                            idct::flat_block(block[0], factors, out, stride);
                        } else {
                            idct::block(block, factors, out, stride);
                        }
                    }
                }
                buffer.give(index, component, unit_row, each);
            }
        }
    }
}

fn end_of_data(bytes: &[u8], start: usize) -> usize {
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

struct Run<'a> {
    scan: &'a Scan,
    pieces: &'a Pieces,
    piece: usize,
    bits: Bits<'a>,
    restart: usize,
    left: usize,
    predicted: [i32; 4],
    /// Blocks that have nothing more, this one included.
    blocks_to_end: u32,
}

impl Run<'_> {
    fn check(&self) -> Give<()> {
        if self.bits.overrun() {
            return Err(Refused("the scan ends too early"));
        }
        Ok(())
    }

    #[inline(always)]
    fn next_unit(&mut self) -> Give<()> {
        if self.restart > 0 {
            if self.left == 0 {
                self.check()?;
                self.piece += 1;
                self.bits = self.pieces.piece(self.piece)?;
                self.left = self.restart;
                self.predicted = [0; 4];
                self.blocks_to_end = 0;
            }
            self.left -= 1;
        }
        Ok(())
    }

    #[inline(always)]
    fn dc(&mut self, place: &mut i16, component: usize, table: Option<&Table>) -> Give<()> {
        self.bits.refill();
        let Some(table) = table else {
            *place |= (self.bits.take(1) as i16) << self.scan.low;
            return Ok(());
        };
        let size = self.bits.symbol(table)?;
        if size > 11 {
            return Err(Refused("a step that is too large"));
        }
        let predicted = &mut self.predicted[component & 3];
        *predicted += extend(self.bits.take(size), size);
        *place = (*predicted << self.scan.low) as i16;
        Ok(())
    }

    /// The first bits of a band (ITU-T T.81, G.1.2.2).
    #[inline(always)]
    fn ac_first(&mut self, block: &mut [i16; 64], table: &Table) -> Give<()> {
        if self.blocks_to_end > 0 {
            self.blocks_to_end -= 1;
            return Ok(());
        }
        let mut position = self.scan.spectral_start;
        while position <= self.scan.spectral_end {
            self.bits.refill();
            let symbol = self.bits.symbol(table)?;
            let (run, size) = (symbol >> 4, symbol & 15);
            if size == 0 {
                if run < 15 {
                    self.blocks_to_end = (1 << run) - 1 + self.bits.take(run);
                    break;
                }
                position += 16;
                continue;
            }
            position += run as usize;
            let value = extend(self.bits.take(size), size);
            block[usize::from(COLUMNWISE[position & 127]) & 63] = (value << self.scan.low) as i16;
            position += 1;
        }
        Ok(())
    }

    /// One more bit of a band (G.1.2.3).
    #[inline(always)]
    fn ac_refine(&mut self, block: &mut [i16; 64], table: &Table) -> Give<()> {
        let one = 1i16 << self.scan.low;
        let mut position = self.scan.spectral_start;
        if self.blocks_to_end == 0 {
            while position <= self.scan.spectral_end {
                self.bits.refill();
                let symbol = self.bits.symbol(table)?;
                let (mut run, size) = (symbol >> 4, symbol & 15);
                let mut fresh = 0;
                if size == 0 {
                    if run < 15 {
                        self.blocks_to_end = (1 << run) + self.bits.take(run);
                        break;
                    }
                } else if size == 1 {
                    fresh = if self.bits.take(1) == 1 { one } else { -one };
                } else {
                    return Err(Refused("a refinement of more than one bit"));
                }
                while position <= self.scan.spectral_end {
                    let place = &mut block[usize::from(COLUMNWISE[position & 127]) & 63];
                    position += 1;
                    if *place != 0 {
                        refine(&mut self.bits, place, one);
                    } else if run == 0 {
                        *place = fresh;
                        break;
                    } else {
                        run -= 1;
                    }
                }
            }
        }
        if self.blocks_to_end > 0 {
            while position <= self.scan.spectral_end {
                let place = &mut block[usize::from(COLUMNWISE[position & 127]) & 63];
                if *place != 0 {
                    refine(&mut self.bits, place, one);
                }
                position += 1;
            }
            self.blocks_to_end -= 1;
        }
        Ok(())
    }
}

#[inline(always)]
fn refine(bits: &mut Bits<'_>, place: &mut i16, one: i16) {
    bits.refill();
    if bits.take(1) == 1 && *place & one == 0 {
        *place = place.wrapping_add(if *place >= 0 { one } else { -one });
    }
}
