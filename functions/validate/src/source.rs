//! The bytes that were read so far, and how a parser asks for more.
//!
//! A parser is a plain function over a [`Source`]. When bytes are missing it stops with
//! [`Stop::Need`]; once they are there it is run again from its beginning. It repeats a little
//! arithmetic and needs no state of its own, which is where hand-written resumable parsers go wrong.

use safelight_schema::image::HeaderCost;

/// Why a parser stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// These bytes are needed and may be read.
    Need { offset: u64, length: usize },
    /// The file ends before these bytes do.
    Short { offset: u64, length: u64 },
    /// These bytes are needed, but the limits are spent.
    Far { offset: u64 },
    /// The file contradicts its format.
    Invalid { offset: u64, what: String },
    /// The file is something else after all.
    Unsupported(String),
}

impl Stop {
    pub(crate) fn invalid(offset: u64, what: impl Into<String>) -> Self {
        Self::Invalid {
            offset,
            what: what.into(),
        }
    }
}

pub(crate) type Parsed<T> = Result<T, Stop>;

/// For what a picture can do without (orientation, a frame count): what cannot be read is absent.
/// Only the wish for more bytes passes through.
pub(crate) fn optional<T>(parsed: Parsed<T>) -> Parsed<Option<T>> {
    match parsed {
        Ok(value) => Ok(Some(value)),
        Err(need @ Stop::Need { .. }) => Err(need),
        Err(_) => Ok(None),
    }
}

#[derive(Debug)]
struct Chunk {
    offset: u64,
    bytes: Vec<u8>,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

/// The ranges of one file that have been read.
#[derive(Debug)]
pub(crate) struct Source {
    size: u64,
    chunks: Vec<Chunk>,
    cost: HeaderCost,
    max_reads: u32,
    max_bytes: u64,
}

impl Source {
    pub(crate) const fn new(size: u64, max_reads: u32, max_bytes: u64) -> Self {
        Self {
            size,
            chunks: Vec::new(),
            cost: HeaderCost { reads: 0, bytes: 0 },
            max_reads,
            max_bytes,
        }
    }

    pub(crate) const fn size(&self) -> u64 {
        self.size
    }

    pub(crate) const fn cost(&self) -> HeaderCost {
        self.cost
    }

    /// Bytes that may still be read.
    pub(crate) const fn left(&self) -> u64 {
        if self.cost.reads >= self.max_reads {
            0
        } else {
            self.max_bytes.saturating_sub(self.cost.bytes)
        }
    }

    /// Whether a chunk begins before `offset` and ends at most `gap` bytes in front of it: the parser
    /// is walking through small blocks, not jumping.
    pub(crate) fn is_near(&self, offset: u64, gap: u64) -> bool {
        self.chunks
            .iter()
            .any(|chunk| chunk.offset <= offset && offset <= chunk.end() + gap)
    }

    /// Keeps the answer to a read of `wanted` bytes at `offset`. A short answer means that the file
    /// is shorter than was said.
    pub(crate) fn add(&mut self, offset: u64, wanted: usize, bytes: &[u8]) {
        let bytes = bytes.get(..wanted).unwrap_or(bytes);
        self.cost.reads += 1;
        self.cost.bytes += bytes.len() as u64;
        if bytes.len() < wanted {
            self.size = self.size.min(offset + bytes.len() as u64);
        }
        self.chunks.push(Chunk {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    /// The bytes `offset .. offset + length`.
    pub(crate) fn at(&self, offset: u64, length: usize) -> Parsed<&[u8]> {
        let short = Stop::Short {
            offset,
            length: length as u64,
        };
        let Some(end) = offset.checked_add(length as u64) else {
            return Err(short);
        };
        if end > self.size {
            return Err(short);
        }
        // Newest first: a walk stays in the chunk it asked for last.
        for chunk in self.chunks.iter().rev() {
            if chunk.offset <= offset && end <= chunk.end() {
                let start = (offset - chunk.offset) as usize;
                if let Some(found) = chunk.bytes.get(start..start + length) {
                    return Ok(found);
                }
            }
        }
        if self.left() < length as u64 {
            return Err(Stop::Far { offset });
        }
        Err(Stop::Need { offset, length })
    }

    /// What is there of the first `length` bytes; shorter only when the file is.
    pub(crate) fn head(&self, length: usize) -> Parsed<&[u8]> {
        self.at(0, self.size.min(length as u64) as usize)
    }

    pub(crate) fn array<const N: usize>(&self, offset: u64) -> Parsed<[u8; N]> {
        let bytes = self.at(offset, N)?;
        bytes.first_chunk::<N>().copied().ok_or(Stop::Short {
            offset,
            length: N as u64,
        })
    }

    pub(crate) fn u8(&self, offset: u64) -> Parsed<u8> {
        Ok(self.array::<1>(offset)?[0])
    }

    pub(crate) fn u16_be(&self, offset: u64) -> Parsed<u16> {
        Ok(u16::from_be_bytes(self.array(offset)?))
    }

    pub(crate) fn u32_be(&self, offset: u64) -> Parsed<u32> {
        Ok(u32::from_be_bytes(self.array(offset)?))
    }

    pub(crate) fn u64_be(&self, offset: u64) -> Parsed<u64> {
        Ok(u64::from_be_bytes(self.array(offset)?))
    }

    pub(crate) fn u16_le(&self, offset: u64) -> Parsed<u16> {
        Ok(u16::from_le_bytes(self.array(offset)?))
    }

    pub(crate) fn u32_le(&self, offset: u64) -> Parsed<u32> {
        Ok(u32::from_le_bytes(self.array(offset)?))
    }

    /// Three bytes, least significant first.
    pub(crate) fn u24_le(&self, offset: u64) -> Parsed<u32> {
        let [a, b, c] = self.array(offset)?;
        Ok(u32::from_le_bytes([a, b, c, 0]))
    }
}
