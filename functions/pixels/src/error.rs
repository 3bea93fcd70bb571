//! What can go wrong with pixels, each with a stable name from `schema`.

use safelight_schema::{Format, error_name};

/// Why pixels could not be had, or could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PixelError {
    /// The decoder gave up on the content (`Image.DecodeFailed`).
    #[error("{format}: {place}: {cause}")]
    DecodeFailed {
        /// Format by content.
        format: Format,
        /// Which part was being decoded.
        place: &'static str,
        /// What the decoder said.
        cause: String,
    },
    /// The content ends before the pixels do (`Image.Truncated`).
    #[error("{format}: {place}: the file ends too early: {cause}")]
    Truncated {
        /// Format by content.
        format: Format,
        /// Which part was being decoded.
        place: &'static str,
        /// What the decoder said.
        cause: String,
    },
    /// More pixels, or more memory for them, than the limits allow (`Image.TooManyMegapixels`).
    #[error("{format}: {width} × {height} pixels: {cause}")]
    TooManyMegapixels {
        /// Format by content.
        format: Format,
        /// Width in pixels, as stored.
        width: u64,
        /// Height in pixels, as stored.
        height: u64,
        /// Which limit, and by how much.
        cause: String,
    },
    /// More frames than the limits allow (`Image.TooManyFrames`).
    #[error("{format}: more than {most}")]
    TooManyFrames {
        /// Format by content.
        format: Format,
        /// The limit, in words, such as "1000 frames".
        most: String,
    },
    /// A variant of the format that is not decoded (`Image.Unsupported`).
    #[error("{format}: not supported: {what}")]
    Unsupported {
        /// Format by content.
        format: Format,
        /// The variant, such as "12-bit samples".
        what: String,
    },
    /// The format is known, and this build has no decoder for it (`Image.DecoderMissing`).
    #[error("this build has no decoder for {format}")]
    DecoderMissing {
        /// Format by content.
        format: Format,
    },
    /// Our own encoder failed (`Image.EncodeFailed`).
    #[error("could not encode {format}: {cause}")]
    EncodeFailed {
        /// Format being written.
        format: Format,
        /// What the encoder said.
        cause: String,
    },
}

impl PixelError {
    /// The stable name that `Retry` and `Catch` match.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::DecodeFailed { .. } => error_name::IMAGE_DECODE_FAILED.name,
            Self::Truncated { .. } => error_name::IMAGE_TRUNCATED.name,
            Self::TooManyMegapixels { .. } => error_name::IMAGE_TOO_MANY_MEGAPIXELS.name,
            Self::TooManyFrames { .. } => error_name::IMAGE_TOO_MANY_FRAMES.name,
            Self::Unsupported { .. } => error_name::IMAGE_UNSUPPORTED.name,
            Self::DecoderMissing { .. } => error_name::IMAGE_DECODER_MISSING.name,
            Self::EncodeFailed { .. } => error_name::IMAGE_ENCODE_FAILED.name,
        }
    }

    pub(crate) fn decode(
        format: Format,
        place: &'static str,
        cause: impl std::fmt::Display,
    ) -> Self {
        Self::DecodeFailed {
            format,
            place,
            cause: cause.to_string(),
        }
    }

    pub(crate) fn truncated(
        format: Format,
        place: &'static str,
        cause: impl std::fmt::Display,
    ) -> Self {
        Self::Truncated {
            format,
            place,
            cause: cause.to_string(),
        }
    }

    pub(crate) fn unsupported(format: Format, what: impl Into<String>) -> Self {
        Self::Unsupported {
            format,
            what: what.into(),
        }
    }

    pub(crate) fn encode(format: Format, cause: impl std::fmt::Display) -> Self {
        Self::EncodeFailed {
            format,
            cause: cause.to_string(),
        }
    }

    /// An I/O error of a reader over memory: only its end can be wrong.
    pub(crate) fn io(format: Format, place: &'static str, error: &std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof {
            Self::truncated(format, place, error)
        } else {
            Self::decode(format, place, error)
        }
    }
}

/// Runs foreign code on foreign bytes; a panic becomes `Image.DecodeFailed`.
pub(crate) fn guarded<T>(
    format: Format,
    place: &'static str,
    run: impl FnOnce() -> Result<T, PixelError>,
) -> Result<T, PixelError> {
    // What `run` borrows is either read only or thrown away with the error.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(PixelError::decode(
            format,
            place,
            format!("the decoder panicked: {message}"),
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_named_error() {
        // Invariant 2.
        let error = guarded::<()>(Format::Png, "pixels", || {
            Vec::<u8>::new().pop().map(|_| ()).expect("nothing there");
            Ok(())
        })
        .unwrap_err();
        assert_eq!(error.name(), "Image.DecodeFailed");
        assert!(error.to_string().contains("nothing there"), "{error}");
    }
}
