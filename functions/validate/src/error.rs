//! Why no facts could be read from a file.

use safelight_schema::error_name::{self, ErrorName};
use safelight_schema::image::HeaderCost;

/// Why no facts could be read. Each variant has one stable name; the message says what was found
/// where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The object has no bytes.
    #[error("the file is empty (0 bytes); upload it again")]
    Empty,
    /// The content is none of the formats that are recognised.
    #[error(
        "the content is not an image that is recognised: it looks like {looks_like}; convert it to JPEG, PNG, WebP or another supported format"
    )]
    Unsupported {
        /// What the bytes look like, for a person.
        looks_like: String,
    },
    /// The file ends before its header does.
    #[error(
        "the {format} header ends too early: it goes on to byte {}, but the file ends at {size}; upload the whole file again",
        .offset.saturating_add(*.wanted)
    )]
    Truncated {
        /// The format's name.
        format: &'static str,
        /// Where the bytes were expected.
        offset: u64,
        /// How many were expected there.
        wanted: u64,
        /// The size of the file in bytes.
        size: u64,
    },
    /// The header contradicts the format's specification.
    #[error(
        "the {format} header is not valid at offset {offset}: {what}; export the image again from its source"
    )]
    Invalid {
        /// The format's name.
        format: &'static str,
        /// Where the contradiction was found.
        offset: u64,
        /// What was found there.
        what: String,
    },
    /// The size lies beyond what may be read.
    #[error("the {format} header does not say the image's size within the limits: the next part is at offset {offset}, after {} reads and {} bytes; strip the metadata in front of the image data", cost.reads, cost.bytes)]
    TooFar {
        /// The format's name.
        format: &'static str,
        /// Where reading would have gone on.
        offset: u64,
        /// What had been read by then.
        cost: HeaderCost,
    },
}

impl HeaderError {
    /// The stable name of this error.
    pub const fn name(&self) -> ErrorName {
        match self {
            Self::Empty => error_name::IMAGE_EMPTY,
            Self::Unsupported { .. } => error_name::IMAGE_UNSUPPORTED,
            Self::Truncated { .. } => error_name::IMAGE_TRUNCATED_HEADER,
            Self::Invalid { .. } => error_name::IMAGE_INVALID_HEADER,
            Self::TooFar { .. } => error_name::IMAGE_HEADER_TOO_FAR,
        }
    }
}
