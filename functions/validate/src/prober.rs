//! The prober: a loop of "these bytes, please" until the header is known.

use safelight_schema::image::{HeaderCost, ImageFacts};

use crate::detect::{self, Kind};
use crate::error::HeaderError;
use crate::formats::{self, Header};
use crate::source::{Parsed, Source, Stop};

/// Reads that a header may cost.
pub const MAX_READS: u32 = 32;
/// Bytes that a header may cost: 1 MiB.
pub const MAX_BYTES: u64 = 1 << 20;

/// The first read, and a read after a jump: most headers end within it.
const FIRST_READ: u64 = 4 << 10;
/// A walk through adjoining blocks doubles its reads up to this.
const LONGEST_READ: u64 = 256 << 10;

const MAX_SIZE: u64 = 1 << 60;

/// What the prober wants next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Read `length` bytes at `offset` and [`Prober::feed`] them.
    Read {
        /// Offset in bytes from the beginning of the file.
        offset: u64,
        /// Bytes wanted; never past the end of the file.
        length: u32,
    },
    /// The header is known.
    Done(ImageFacts),
    /// There are no facts to be had.
    Failed(HeaderError),
}

/// Reads one header, without performing I/O.
///
/// ```
/// use safelight_validate::{Prober, Step};
/// let file = b"GIF89a\x02\x00\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x00\x3b";
/// let mut prober = Prober::new(file.len() as u64, 1_000);
/// let facts = loop {
///     match prober.step() {
///         Step::Read { offset, length } => {
///             prober.feed(&file[offset as usize..][..length as usize]);
///         }
///         Step::Done(facts) => break facts,
///         Step::Failed(error) => panic!("{error}"),
///     }
/// };
/// assert_eq!((facts.width, facts.height, facts.frames), (2, 1, 1));
/// ```
#[derive(Debug)]
pub struct Prober {
    source: Source,
    /// Size of the object as it was declared; reported in the facts.
    bytes: u64,
    max_frames: u32,
    pending: Option<(u64, usize)>,
    ahead: u64,
}

impl Prober {
    /// A prober for an object of `size` bytes that counts frames up to `max_frames` and one more.
    pub const fn new(size: u64, max_frames: u32) -> Self {
        Self {
            // No store holds more; it leaves room for sums of offsets.
            source: Source::new(
                if size > MAX_SIZE { MAX_SIZE } else { size },
                MAX_READS,
                MAX_BYTES,
            ),
            bytes: size,
            max_frames,
            pending: None,
            ahead: FIRST_READ,
        }
    }

    /// What is wanted next. Asking again without feeding gives the same answer.
    pub fn step(&mut self) -> Step {
        if let Some((offset, length)) = self.pending {
            return Step::Read {
                offset,
                length: length as u32,
            };
        }
        if self.source.size() == 0 {
            return Step::Failed(HeaderError::Empty);
        }
        let mut kind = None;
        match self.parse(&mut kind) {
            Ok(header) => Step::Done(header.into_facts(self.bytes)),
            Err(Stop::Need { offset, length }) => self.request(offset, length),
            Err(stop) => Step::Failed(self.error(kind, stop)),
        }
    }

    /// The bytes of the range that [`Step::Read`] asked for. Fewer bytes mean that the file ends
    /// there; more are ignored, and so are bytes that were not asked for.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some((offset, length)) = self.pending.take() {
            self.source.add(offset, length, bytes);
        }
    }

    /// What reading has cost so far.
    pub const fn cost(&self) -> HeaderCost {
        self.source.cost()
    }

    fn parse(&self, kind: &mut Option<Kind>) -> Parsed<Header> {
        let found = detect::kind(&self.source)?;
        *kind = Some(found);
        formats::parse(found, &self.source, self.max_frames)
    }

    fn request(&mut self, offset: u64, length: usize) -> Step {
        let first = self.source.cost().reads == 0;
        if first || !self.source.is_near(offset, FIRST_READ) {
            self.ahead = FIRST_READ;
        } else {
            self.ahead = (self.ahead * 2).min(LONGEST_READ);
        }
        let wanted = self
            .ahead
            .max(length as u64)
            .min(self.source.size().saturating_sub(offset))
            .min(self.source.left());
        self.pending = Some((offset, wanted as usize));
        Step::Read {
            offset,
            length: wanted as u32,
        }
    }

    fn error(&self, kind: Option<Kind>, stop: Stop) -> HeaderError {
        let format = kind.map_or("file", Kind::label);
        match stop {
            Stop::Short { offset, length } => HeaderError::Truncated {
                format,
                offset,
                wanted: length,
                size: self.source.size(),
            },
            Stop::Far { offset } | Stop::Need { offset, .. } => HeaderError::TooFar {
                format,
                offset,
                cost: self.source.cost(),
            },
            Stop::Invalid { offset, what } => HeaderError::Invalid {
                format,
                offset,
                what,
            },
            Stop::Unsupported(looks_like) => HeaderError::Unsupported { looks_like },
        }
    }
}

/// Reads the header of a file that is in memory.
pub fn probe_slice(file: &[u8], max_frames: u32) -> Result<(ImageFacts, HeaderCost), HeaderError> {
    let read = |offset: u64, length: u32| -> Result<&[u8], HeaderError> {
        let start = offset as usize;
        Ok(file
            .get(start..start.saturating_add(length as usize))
            .unwrap_or_default())
    };
    probe_with(file.len() as u64, max_frames, read)
}

/// Reads the header of an object of `size` bytes by asking `read` for ranges.
///
/// `read` is given an offset and a length and answers with the bytes there; its own errors end the
/// probe and come back unchanged.
pub fn probe_with<B, E>(
    size: u64,
    max_frames: u32,
    mut read: impl FnMut(u64, u32) -> Result<B, E>,
) -> Result<(ImageFacts, HeaderCost), E>
where
    B: AsRef<[u8]>,
    E: From<HeaderError>,
{
    let mut prober = Prober::new(size, max_frames);
    loop {
        match prober.step() {
            Step::Read { offset, length } => prober.feed(read(offset, length)?.as_ref()),
            Step::Done(facts) => return Ok((facts, prober.cost())),
            Step::Failed(error) => return Err(error.into()),
        }
    }
}
