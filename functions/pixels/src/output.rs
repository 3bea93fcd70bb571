//! A finished file.

/// One file that a branch made: where it goes is the caller's matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// File name without a folder, such as `thumbnail.jpg`.
    pub file_name: String,
    /// Media type, such as `image/jpeg`.
    pub content_type: &'static str,
    /// The content.
    pub bytes: Vec<u8>,
}

impl Output {
    /// File name, media type, content.
    pub fn into_parts(self) -> (String, &'static str, Vec<u8>) {
        (self.file_name, self.content_type, self.bytes)
    }
}
