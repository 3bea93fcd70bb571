//! Boxes of the ISO base media file format, which JPEG XL and JPEG 2000 share.

/// One box.
pub(super) struct Part<'a> {
    /// Its type.
    pub(super) name: [u8; 4],
    /// What is in it; less than it says where the file ends first.
    pub(super) data: &'a [u8],
    /// Whether the file ends first.
    pub(super) cut: bool,
}

/// Boxes of the outermost level, in order, until the bytes end or one says nonsense.
pub(super) fn boxes(mut rest: &[u8]) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let short = u32::from_be_bytes(rest.get(..4)?.try_into().ok()?);
        let name: [u8; 4] = rest.get(4..8)?.try_into().ok()?;
        let (head, size) = match short {
            0 => (8, rest.len() as u64),
            1 => (16, u64::from_be_bytes(rest.get(8..16)?.try_into().ok()?)),
            _ => (8, u64::from(short)),
        };
        if size < head {
            return None;
        }
        let cut = size > rest.len() as u64;
        let size = usize::try_from(size).unwrap_or(usize::MAX).min(rest.len());
        let data = rest.get(head as usize..size).unwrap_or_default();
        rest = rest.get(size..).unwrap_or_default();
        Some(Part { name, data, cut })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_end_where_the_bytes_do() {
        let file = b"\0\0\0\x0aaaaa12\0\0\0\x01bbbb\0\0\0\0\0\0\0\x11x\0\0\0\0cccc345";
        let found: Vec<_> = boxes(file)
            .map(|part| (part.name, part.data.to_vec(), part.cut))
            .collect();
        assert_eq!(
            found,
            [
                (*b"aaaa", b"12".to_vec(), false),
                (*b"bbbb", b"x".to_vec(), false),
                (*b"cccc", b"345".to_vec(), false)
            ]
        );
        let cut = boxes(b"\0\0\0\x20aaaa12").next().unwrap();
        assert!(cut.cut && cut.data == b"12");
        assert!(boxes(b"\0\0\0\x05aaaa").next().is_none());
    }
}
