//! Optimal Huffman tables for a baseline JPEG of our own.
//!
//! The encoder writes one interleaved scan with the standard's example tables, and can write
//! optimal ones only in one scan a component, which takes a buffer for every coefficient and which
//! widely used decoders get wrong. So the scan is read back as symbols, the symbols are counted,
//! and the same symbols are written again with codes made for them (ITU-T T.81, annex K.2).

/// Longest code.
const MAX_LENGTH: usize = 16;
/// Codes up to this length are looked up at once.
const FAST_BITS: u32 = 10;

/// A table as a DHT segment lists it: codes of each length, and symbols in order.
struct Listed {
    class_and_id: u8,
    counts: [u8; MAX_LENGTH],
    symbols: Vec<u8>,
}

/// Decoding side of a table.
struct Decoder {
    /// Symbol and length of each prefix; length 0 where the code is longer.
    fast: Vec<(u8, u8)>,
    /// For each length: first code, number of codes, position of the first symbol.
    lengths: [(u32, u32, usize); MAX_LENGTH],
    symbols: Vec<u8>,
}

impl Decoder {
    fn new(listed: &Listed) -> Self {
        let mut fast = vec![(0, 0); 1 << FAST_BITS];
        let mut lengths = [(0, 0, 0); MAX_LENGTH];
        let (mut code, mut at) = (0u32, 0usize);
        for (index, &count) in listed.counts.iter().enumerate() {
            let length = index as u32 + 1;
            lengths[index] = (code, u32::from(count), at);
            for _ in 0..count {
                if length <= FAST_BITS {
                    let first = (code << (FAST_BITS - length)) as usize;
                    let symbol = listed.symbols.get(at).copied().unwrap_or_default();
                    for entry in fast.iter_mut().skip(first).take(1 << (FAST_BITS - length)) {
                        *entry = (symbol, length as u8);
                    }
                }
                code += 1;
                at += 1;
            }
            code <<= 1;
        }
        Self {
            fast,
            lengths,
            symbols: listed.symbols.clone(),
        }
    }
}

/// Bits of a scan, with stuffed zeros removed.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    held: u32,
}

impl Bits<'_> {
    /// Makes at least 32 bits available; past the end they are zero.
    #[inline]
    fn fill(&mut self) {
        while self.held <= 56 {
            let byte = match self.data.get(self.at) {
                Some(&0xFF) => {
                    self.at += 2;
                    0xFF
                }
                Some(&byte) => {
                    self.at += 1;
                    byte
                }
                None => 0,
            };
            self.buffer |= u64::from(byte) << (56 - self.held);
            self.held += 8;
        }
    }

    #[inline]
    fn take(&mut self, count: u32) -> u32 {
        if count == 0 {
            return 0;
        }
        let value = (self.buffer >> (64 - count)) as u32;
        self.buffer <<= count;
        self.held -= count;
        value
    }

    #[inline]
    fn symbol(&mut self, table: &Decoder) -> Option<u8> {
        let (symbol, length) = table.fast[(self.buffer >> (64 - FAST_BITS)) as usize];
        if length > 0 {
            self.take(u32::from(length));
            return Some(symbol);
        }
        for (index, &(first, count, position)) in table.lengths.iter().enumerate() {
            let length = index as u32 + 1;
            let code = (self.buffer >> (64 - length)) as u32;
            if code >= first && code - first < count {
                self.take(length);
                return table
                    .symbols
                    .get(position + (code - first) as usize)
                    .copied();
            }
        }
        None
    }
}

/// Bits written, with zeros stuffed.
struct Writer {
    out: Vec<u8>,
    buffer: u64,
    held: u32,
}

impl Writer {
    #[inline]
    fn put(&mut self, value: u32, count: u32) {
        self.buffer = self.buffer << count | u64::from(value);
        self.held += count;
        while self.held >= 8 {
            self.held -= 8;
            let byte = (self.buffer >> self.held) as u8;
            self.out.push(byte);
            if byte == 0xFF {
                self.out.push(0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        let missing = (8 - self.held % 8) % 8;
        self.put((1 << missing) - 1, missing);
        self.out
    }
}

/// What the segments before the scan say.
struct Parsed<'a> {
    /// Everything before the scan except DHT segments and the scan header.
    head: Vec<u8>,
    scan_header: &'a [u8],
    scan: &'a [u8],
    tables: Vec<Listed>,
    /// For each block of an MCU: indexes of its DC and AC tables.
    blocks: Vec<(usize, usize)>,
    units: usize,
}

fn parse(jpeg: &[u8]) -> Option<Parsed<'_>> {
    let mut head = jpeg.get(..2)?.to_vec();
    let mut tables: Vec<Listed> = Vec::new();
    let mut frame: &[u8] = &[];
    let mut at = 2;
    loop {
        let length = usize::from(u16::from_be_bytes(
            jpeg.get(at + 2..at + 4)?.try_into().ok()?,
        ));
        let segment = jpeg.get(at..at + 2 + length)?;
        let data = segment.get(4..)?;
        match segment.get(1)? {
            0xC4 => {
                let mut rest = data;
                while !rest.is_empty() {
                    let counts: [u8; MAX_LENGTH] = rest.get(1..17)?.try_into().ok()?;
                    let total = counts
                        .iter()
                        .map(|&count| usize::from(count))
                        .sum::<usize>();
                    tables.push(Listed {
                        class_and_id: *rest.first()?,
                        counts,
                        symbols: rest.get(17..17 + total)?.to_vec(),
                    });
                    rest = rest.get(17 + total..)?;
                }
            }
            // Restart intervals would break the plain run of blocks; we never write them.
            0xDD => return None,
            0xDA => {
                let (blocks, units) = blocks(frame, data, &tables)?;
                return Some(Parsed {
                    head,
                    scan_header: segment,
                    scan: jpeg.get(at + 2 + length..)?.strip_suffix(&[0xFF, 0xD9])?,
                    tables,
                    blocks,
                    units,
                });
            }
            marker => {
                if *marker == 0xC0 {
                    frame = data;
                } else if matches!(marker, 0xC1..=0xCF) {
                    return None;
                }
                head.extend_from_slice(segment);
            }
        }
        at += 2 + length;
    }
}

/// The blocks of an MCU and the number of MCUs.
fn blocks(frame: &[u8], scan: &[u8], tables: &[Listed]) -> Option<(Vec<(usize, usize)>, usize)> {
    let side = |at: usize| {
        let raw: [u8; 2] = frame.get(at..at + 2)?.try_into().ok()?;
        Some(usize::from(u16::from_be_bytes(raw)))
    };
    let (height, width) = (side(1)?, side(3)?);
    let components = frame.get(6..)?;
    let count = usize::from(*frame.get(5)?);
    if usize::from(*scan.first()?) != count {
        return None;
    }
    let find = |class_and_id: u8| {
        tables
            .iter()
            .rposition(|table| table.class_and_id == class_and_id)
    };
    let (mut blocks, mut h_max, mut v_max) = (Vec::new(), 1, 1);
    for index in 0..count {
        let sampling = *components.get(index * 3 + 1)?;
        let (h, v) = (usize::from(sampling >> 4), usize::from(sampling & 15));
        let selectors = *scan.get(1 + index * 2 + 1)?;
        let pair = (find(selectors >> 4)?, find(0x10 | (selectors & 15))?);
        if count == 1 {
            blocks.push(pair);
        } else {
            (h_max, v_max) = (h_max.max(h), v_max.max(v));
            blocks.extend(std::iter::repeat_n(pair, h * v));
        }
    }
    let units = width.div_ceil(8 * h_max) * height.div_ceil(8 * v_max);
    Some((blocks, units))
}

/// Reads every symbol of the scan, with its extra bits, in order.
fn each_symbol(
    parsed: &Parsed<'_>,
    decoders: &[Decoder],
    mut each: impl FnMut(usize, u8, u32, u32),
) -> Option<()> {
    let mut bits = Bits {
        data: parsed.scan,
        at: 0,
        buffer: 0,
        held: 0,
    };
    for _ in 0..parsed.units {
        for &(dc, ac) in &parsed.blocks {
            bits.fill();
            let size = bits.symbol(decoders.get(dc)?)?;
            let extra = u32::from(size & 15);
            each(dc, size, bits.take(extra), extra);
            let table = decoders.get(ac)?;
            let mut position = 1;
            while position < 64 {
                bits.fill();
                let symbol = bits.symbol(table)?;
                let extra = u32::from(symbol & 15);
                each(ac, symbol, bits.take(extra), extra);
                position += match symbol {
                    0x00 => 64,
                    _ => usize::from(symbol >> 4) + 1,
                };
            }
        }
    }
    Some(())
}

/// Code lengths for these counts, at most sixteen bits, none of them all ones.
fn optimal(counts: &[u32; 256], class_and_id: u8) -> Listed {
    // One more symbol reserves the code of all ones.
    let mut weights: Vec<u64> = counts.iter().map(|&count| u64::from(count)).collect();
    weights.push(1);
    let mut sizes = [0usize; 257];
    let mut next: Vec<Option<usize>> = vec![None; 257];
    loop {
        // The least weight, and the next least; of equals the later symbol.
        let least = |skip: Option<usize>| {
            weights
                .iter()
                .enumerate()
                .filter(|&(at, &weight)| weight > 0 && Some(at) != skip)
                .min_by_key(|&(at, &weight)| (weight, std::cmp::Reverse(at)))
                .map(|(at, _)| at)
        };
        let Some(first) = least(None) else { break };
        let Some(second) = least(Some(first)) else {
            break;
        };
        weights[first] += weights[second];
        weights[second] = 0;
        // Every symbol under the two gets one bit longer, and the two lists become one.
        let mut at = first;
        sizes[at] += 1;
        while let Some(following) = next[at] {
            at = following;
            sizes[at] += 1;
        }
        next[at] = Some(second);
        at = second;
        sizes[at] += 1;
        while let Some(following) = next[at] {
            at = following;
            sizes[at] += 1;
        }
    }
    let mut of_length = vec![0usize; 258];
    for &size in &sizes {
        of_length[size] += 1;
    }
    // Codes longer than sixteen bits are paired up and moved (figure K.3).
    for length in (MAX_LENGTH + 1..of_length.len()).rev() {
        while of_length[length] > 0 {
            let Some(shorter) = (1..length - 1).rev().find(|&at| of_length[at] > 0) else {
                break;
            };
            of_length[length] -= 2;
            of_length[length - 1] += 1;
            of_length[shorter + 1] += 2;
            of_length[shorter] -= 1;
        }
    }
    // The reserved symbol has one of the longest codes.
    if let Some(longest) = (1..=MAX_LENGTH).rev().find(|&at| of_length[at] > 0) {
        of_length[longest] -= 1;
    }
    let mut symbols: Vec<u8> = Vec::new();
    let longest = sizes.iter().copied().max().unwrap_or(0);
    for length in 1..=longest {
        for symbol in 0..=255u8 {
            if sizes[usize::from(symbol)] == length {
                symbols.push(symbol);
            }
        }
    }
    let mut listed = Listed {
        class_and_id,
        counts: [0; MAX_LENGTH],
        symbols,
    };
    for (index, count) in listed.counts.iter_mut().enumerate() {
        *count = of_length[index + 1] as u8;
    }
    listed
}

/// Code and length of each symbol.
fn codes(listed: &Listed) -> Vec<(u32, u32)> {
    let mut codes = vec![(0, 0); 256];
    let (mut code, mut at) = (0u32, 0);
    for (index, &count) in listed.counts.iter().enumerate() {
        for _ in 0..count {
            if let Some(&symbol) = listed.symbols.get(at) {
                codes[usize::from(symbol)] = (code, index as u32 + 1);
            }
            code += 1;
            at += 1;
        }
        code <<= 1;
    }
    codes
}

/// The same JPEG with optimal tables. `None` where it is not the baseline file of one scan that our
/// encoder writes.
pub(super) fn optimised(jpeg: &[u8]) -> Option<Vec<u8>> {
    let parsed = parse(jpeg)?;
    let decoders: Vec<Decoder> = parsed.tables.iter().map(Decoder::new).collect();
    let mut counts = vec![[0u32; 256]; decoders.len()];
    each_symbol(&parsed, &decoders, |table, symbol, _, _| {
        counts[table][usize::from(symbol)] += 1;
    })?;
    let better: Vec<Listed> = parsed
        .tables
        .iter()
        .zip(&counts)
        .map(|(listed, counts)| optimal(counts, listed.class_and_id))
        .collect();
    let codes: Vec<Vec<(u32, u32)>> = better.iter().map(codes).collect();
    let mut out = Vec::with_capacity(jpeg.len());
    out.extend_from_slice(&parsed.head);
    for table in &better {
        let length = 2 + 17 + table.symbols.len();
        out.extend_from_slice(&[0xFF, 0xC4]);
        out.extend_from_slice(&(length as u16).to_be_bytes());
        out.push(table.class_and_id);
        out.extend_from_slice(&table.counts);
        out.extend_from_slice(&table.symbols);
    }
    out.extend_from_slice(parsed.scan_header);
    let mut writer = Writer {
        out,
        buffer: 0,
        held: 0,
    };
    each_symbol(&parsed, &decoders, |table, symbol, value, extra| {
        let (code, length) = codes[table][usize::from(symbol)];
        writer.put(code, length);
        if extra > 0 {
            writer.put(value, extra);
        }
    })?;
    let mut out = writer.finish();
    out.extend_from_slice(&[0xFF, 0xD9]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skewed_counts_stay_within_sixteen_bits() {
        // Fibonacci weights make the longest codes that there are.
        let mut counts = [0u32; 256];
        let (mut a, mut b) = (1u32, 1u32);
        for count in counts.iter_mut().take(40) {
            *count = a;
            (a, b) = (b, a + b);
        }
        let listed = optimal(&counts, 0);
        let total: usize = listed.counts.iter().map(|&count| usize::from(count)).sum();
        assert_eq!(total, 40);
        assert_eq!(listed.symbols.len(), 40);
        // Kraft: the codes fit, and the code of all ones is free.
        let space: u32 = listed
            .counts
            .iter()
            .enumerate()
            .map(|(index, &count)| u32::from(count) << (15 - index))
            .sum();
        assert!(space < 1 << 16, "{space}");
    }

    #[test]
    fn optimised_files_are_smaller_and_hold_the_same_symbols() {
        for (kind, bytes, sampling) in [
            (
                jpeg_encoder::ColorType::Rgb,
                3,
                jpeg_encoder::SamplingFactor::R_4_2_0,
            ),
            (
                jpeg_encoder::ColorType::Rgb,
                3,
                jpeg_encoder::SamplingFactor::R_4_4_4,
            ),
            (
                jpeg_encoder::ColorType::Luma,
                1,
                jpeg_encoder::SamplingFactor::R_4_4_4,
            ),
        ] {
            let samples: Vec<u8> = (0..83 * 61 * bytes)
                .map(|at: usize| ((at * at / 97) ^ (at / 5)) as u8)
                .collect();
            let mut file = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut file, 85);
            encoder.set_sampling_factor(sampling);
            encoder.encode(&samples, 83, 61, kind).unwrap();
            let small = optimised(&file).unwrap();
            assert!(small.len() < file.len());
            let decode = |file: &[u8]| {
                crate::decode(file, crate::Format::Jpeg, &crate::Limits::default())
                    .unwrap()
                    .pixels
            };
            assert_eq!(decode(&small), decode(&file));
            // Optimising again finds nothing.
            assert_eq!(optimised(&small).unwrap().len(), small.len());
        }
    }
}
