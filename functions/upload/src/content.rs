//! What a file is, by its content: validate's own reader, on what is at hand of the file.

use safelight_schema::Format;
use safelight_validate::{HeaderError, probe_slice};

use crate::refusal::Refusal;

/// Frames beyond which nobody counts here: validate does, with the policy's number.
const FRAMES: u32 = 1;

/// The format of a whole image; a header that is broken is refused, too (invariant 2).
pub(crate) fn of_whole(bytes: &[u8]) -> Result<Format, Refusal> {
    match probe_slice(bytes, FRAMES) {
        Ok((facts, _)) => Ok(facts.format),
        Err(error) if is_no_image(&error) => Err(Refusal::NotAnImage(error)),
        Err(error) => Err(Refusal::Broken(error)),
    }
}

/// The media type of an image of which only the beginning is here: by its content, or where its
/// header goes on beyond that, by its name. It was recognised in both cases (invariant 2).
pub(crate) fn media_type_of_head(head: &[u8], key: &str) -> Result<&'static str, Refusal> {
    match probe_slice(head, FRAMES) {
        Ok((facts, _)) => Ok(facts.format.media_type()),
        Err(error) if is_no_image(&error) => Err(Refusal::NotAnImage(error)),
        Err(_) => {
            Ok(Format::of_extension(key).map_or("application/octet-stream", Format::media_type))
        }
    }
}

const fn is_no_image(error: &HeaderError) -> bool {
    matches!(error, HeaderError::Unsupported { .. } | HeaderError::Empty)
}
