//! The segments before the first scan.

use super::huffman::Table;
use super::{Give, Refused};

/// One component of the frame.
#[derive(Debug, Clone)]
pub(crate) struct Component {
    id: u8,
    /// Samples a unit, horizontally and vertically: 1, 2 or 4.
    pub(crate) h: usize,
    pub(crate) v: usize,
    /// Which quantisation table.
    pub(crate) quantisation: usize,
    /// Size in samples.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Blocks a row and rows of blocks, padded to whole units.
    pub(crate) blocks_wide: usize,
    pub(crate) blocks_high: usize,
}

/// The frame.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) progressive: bool,
    pub(crate) components: Vec<Component>,
    pub(crate) h_max: usize,
    pub(crate) v_max: usize,
    /// Units (MCUs) a row and rows of units.
    pub(crate) units_wide: usize,
    pub(crate) units_high: usize,
}

/// What a scan header says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scan {
    /// For each component of the scan: its index in the frame, its DC table and its AC table.
    pub(crate) components: Vec<(usize, usize, usize)>,
    pub(crate) spectral_start: usize,
    pub(crate) spectral_end: usize,
    pub(crate) high: u32,
    pub(crate) low: u32,
    /// Where its data begins in the file.
    pub(crate) data: usize,
}

/// Tables, which scans may replace.
#[derive(Default)]
pub(crate) struct Tables {
    /// In zigzag order.
    pub(crate) quantisation: [Option<[u16; 64]>; 4],
    pub(crate) dc: [Option<Table>; 4],
    pub(crate) ac: [Option<Table>; 4],
    /// Units between restart markers; 0 for none.
    pub(crate) restart: usize,
}

/// Everything that was read so far, and where reading goes on.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    pub(crate) tables: Tables,
    pub(crate) frame: Option<Frame>,
    jfif: bool,
    adobe_transform: Option<u8>,
    pub(crate) exif: Option<Vec<u8>>,
    icc: Vec<(u8, &'a [u8])>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Give<Self> {
        if bytes.get(..2) != Some(&[0xFF, 0xD8]) {
            return Err(Refused("no start of image"));
        }
        Ok(Self {
            bytes,
            at: 2,
            tables: Tables::default(),
            frame: None,
            jfif: false,
            adobe_transform: None,
            exif: None,
            icc: Vec::new(),
        })
    }

    /// Goes on behind a scan's data.
    pub(crate) fn skip_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Reads segments up to the next scan header; `None` at the end of the image.
    pub(crate) fn next_scan(&mut self) -> Give<Option<Scan>> {
        loop {
            let Some(&[first, marker]) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk)
            else {
                return Err(Refused("no end of image"));
            };
            if first != 0xFF {
                return Err(Refused("junk between segments"));
            }
            match marker {
                0xFF => {
                    self.at += 1;
                    continue;
                }
                0xD9 => return Ok(None),
                0xD0..=0xD7 | 0x00 | 0x01 => return Err(Refused("a marker out of place")),
                _ => {}
            }
            let rest = self.bytes.get(self.at + 2..).unwrap_or_default();
            let length = rest
                .first_chunk()
                .map(|&pair| usize::from(u16::from_be_bytes(pair)))
                .filter(|&length| length >= 2)
                .ok_or(Refused("a segment without length"))?;
            let data = rest
                .get(2..length)
                .ok_or(Refused("a segment past the end"))?;
            self.at += 2 + length;
            match marker {
                0xC0..=0xC2 => self.start_of_frame(marker, data)?,
                0xC4 => self.huffman(data)?,
                0xC3 | 0xC5..=0xCF => return Err(Refused("another kind of frame")),
                0xDA => return self.scan(data).map(Some),
                0xDB => self.quantisation(data)?,
                0xDD => {
                    let pair = data.first_chunk().ok_or(Refused("a short DRI"))?;
                    self.tables.restart = usize::from(u16::from_be_bytes(*pair));
                }
                0xDC => return Err(Refused("a DNL segment")),
                0xE0 => self.jfif |= data.starts_with(b"JFIF\0"),
                0xE1 => {
                    if let Some(exif) = data.strip_prefix(b"Exif\0\0") {
                        self.exif.get_or_insert_with(|| exif.to_vec());
                    }
                }
                0xE2 => {
                    if let Some([number, _, chunk @ ..]) = data.strip_prefix(b"ICC_PROFILE\0") {
                        self.icc.push((*number, chunk));
                    }
                }
                0xEE if data.starts_with(b"Adobe") => {
                    self.adobe_transform = data.get(11).copied();
                }
                _ => {}
            }
        }
    }

    /// The ICC profile, its chunks in order.
    pub(crate) fn icc_profile(&self) -> Option<Vec<u8>> {
        let mut chunks = self.icc.clone();
        chunks.sort_by_key(|&(number, _)| number);
        let profile: Vec<u8> = chunks
            .iter()
            .flat_map(|&(_, chunk)| chunk)
            .copied()
            .collect();
        (!profile.is_empty()).then_some(profile)
    }

    fn start_of_frame(&mut self, marker: u8, data: &[u8]) -> Give<()> {
        if self.frame.is_some() {
            return Err(Refused("two frames"));
        }
        let &[precision, h1, h0, w1, w0, count] =
            data.first_chunk().ok_or(Refused("a short frame header"))?;
        let (width, height) = (
            usize::from(u16::from_be_bytes([w1, w0])),
            usize::from(u16::from_be_bytes([h1, h0])),
        );
        if precision != 8 || width == 0 || height == 0 || !matches!(count, 1 | 3) {
            return Err(Refused("a frame of another kind"));
        }
        let listed = data
            .get(6..6 + usize::from(count) * 3)
            .ok_or(Refused("a short frame header"))?;
        let mut components = Vec::new();
        let (mut h_max, mut v_max) = (1, 1);
        for entry in listed.chunks_exact(3) {
            let (mut h, mut v) = (usize::from(entry[1] >> 4), usize::from(entry[1] & 15));
            if count == 1 {
                // A scan of one component has no units of several blocks.
                (h, v) = (1, 1);
            }
            if !matches!((h, v), (1 | 2 | 4, 1 | 2 | 4)) || entry[2] > 3 {
                return Err(Refused("unusual sampling"));
            }
            (h_max, v_max) = (h_max.max(h), v_max.max(v));
            components.push(Component {
                id: entry[0],
                h,
                v,
                quantisation: usize::from(entry[2]),
                width: 0,
                height: 0,
                blocks_wide: 0,
                blocks_high: 0,
            });
        }
        if components[0].h != h_max || components[0].v != v_max {
            return Err(Refused("brightness is not at full resolution"));
        }
        let units_wide = width.div_ceil(8 * h_max);
        let units_high = height.div_ceil(8 * v_max);
        for component in &mut components {
            component.width = (width * component.h).div_ceil(h_max);
            component.height = (height * component.v).div_ceil(v_max);
            component.blocks_wide = units_wide * component.h;
            component.blocks_high = units_high * component.v;
        }
        if count == 3 {
            let ids = [components[0].id, components[1].id, components[2].id];
            let rgb = !self.jfif
                && match self.adobe_transform {
                    Some(transform) => transform == 0,
                    None => ids == *b"RGB",
                };
            if rgb {
                return Err(Refused("red, green and blue"));
            }
        }
        self.frame = Some(Frame {
            width,
            height,
            progressive: marker == 0xC2,
            components,
            h_max,
            v_max,
            units_wide,
            units_high,
        });
        Ok(())
    }

    fn huffman(&mut self, mut data: &[u8]) -> Give<()> {
        while let Some((&class_and_id, rest)) = data.split_first() {
            let counts: &[u8; 16] = rest.first_chunk().ok_or(Refused("a short DHT"))?;
            let total = counts
                .iter()
                .map(|&count| usize::from(count))
                .sum::<usize>();
            let symbols = rest.get(16..16 + total).ok_or(Refused("a short DHT"))?;
            data = rest.get(16 + total..).unwrap_or_default();
            let table = Table::new(counts, symbols)?;
            let slot = usize::from(class_and_id & 15);
            let tables = match class_and_id >> 4 {
                0 => &mut self.tables.dc,
                1 => &mut self.tables.ac,
                _ => return Err(Refused("a table of another class")),
            };
            *tables
                .get_mut(slot)
                .ok_or(Refused("more than four tables"))? = Some(table);
        }
        Ok(())
    }

    fn quantisation(&mut self, mut data: &[u8]) -> Give<()> {
        while let Some((&precision_and_id, rest)) = data.split_first() {
            let wide = match precision_and_id >> 4 {
                0 => 1,
                1 => 2,
                _ => return Err(Refused("a DQT of another precision")),
            };
            let values = rest.get(..64 * wide).ok_or(Refused("a short DQT"))?;
            data = rest.get(64 * wide..).unwrap_or_default();
            let mut table = [0u16; 64];
            for (value, raw) in table.iter_mut().zip(values.chunks_exact(wide)) {
                *value = raw.iter().fold(0, |sum, &byte| sum << 8 | u16::from(byte));
            }
            let slot = self
                .tables
                .quantisation
                .get_mut(usize::from(precision_and_id & 15))
                .ok_or(Refused("more than four tables"))?;
            *slot = Some(table);
        }
        Ok(())
    }

    fn scan(&self, data: &[u8]) -> Give<Scan> {
        let short = Refused("a short scan header");
        let frame = self.frame.as_ref().ok_or(Refused("a scan without frame"))?;
        let count = usize::from(*data.first().ok_or(short)?);
        let listed = data.get(1..1 + count * 2).ok_or(short)?;
        let &[start, end, approximation] = data
            .get(1 + count * 2..)
            .and_then(<[u8]>::first_chunk)
            .ok_or(short)?;
        let mut components: Vec<(usize, usize, usize)> = Vec::new();
        for pair in listed.chunks_exact(2) {
            let index = frame
                .components
                .iter()
                .position(|component| component.id == pair[0])
                .ok_or(Refused("a scan of no component"))?;
            if components.iter().any(|&(other, ..)| other >= index) {
                return Err(Refused("components out of order"));
            }
            components.push((index, usize::from(pair[1] >> 4), usize::from(pair[1] & 15)));
        }
        if components.is_empty() || components.iter().any(|&(_, dc, ac)| dc > 3 || ac > 3) {
            return Err(Refused("a scan of nothing"));
        }
        Ok(Scan {
            components,
            spectral_start: usize::from(start),
            spectral_end: usize::from(end),
            high: u32::from(approximation >> 4),
            low: u32::from(approximation & 15),
            data: self.at,
        })
    }
}
