//! From an object's key to a file below a folder, and never beside it.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Longest name of a file or folder, bytes (ext4, XFS, Btrfs, APFS, NTFS).
pub const MAX_COMPONENT: usize = 255;

/// Names that start so are ours: files that are being written.
pub(crate) const TEMPORARY: &str = ".safelight-";

/// Folder of the sidecars with media type and user metadata.
pub(crate) const METADATA: &str = ".metadata";

/// Stands in a key before the two hex digits of a byte that no Unicode text can have.
const ESCAPE: char = '\u{fffd}';

/// The key of a file by its path below a bucket's folder. A name that is not Unicode has its odd bytes
/// as U+FFFD and two hex digits, and so have the bytes of U+FFFD itself: two paths never have the same
/// key.
pub fn of_path(path: &Path) -> String {
    let parts = path.components().map(|part| of_name(part.as_os_str()));
    parts.collect::<Vec<_>>().join("/")
}

fn of_name(name: &OsStr) -> String {
    let mut key = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == ESCAPE {
                escape(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut key);
            } else {
                key.push(character);
            }
        }
        escape(chunk.invalid(), &mut key);
    }
    key
}

fn escape(bytes: &[u8], key: &mut String) {
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(key, "{ESCAPE}{byte:02X}");
    }
}

/// The name that a part of a key stands for, if it is written as [`of_name`] writes it.
#[cfg(unix)]
fn name_of(part: &str) -> Option<OsString> {
    use std::os::unix::ffi::OsStringExt as _;
    let mut rest = part.split(ESCAPE);
    let mut bytes = rest.next()?.as_bytes().to_vec();
    for escaped in rest {
        bytes.push(u8::from_str_radix(escaped.get(..2)?, 16).ok()?);
        bytes.extend(&escaped.as_bytes()[2..]);
    }
    let name = OsString::from_vec(bytes);
    (of_name(&name) == part).then_some(name)
}

/// Elsewhere names are Unicode, and nothing is escaped.
#[cfg(not(unix))]
fn name_of(_: &str) -> Option<OsString> {
    None
}

/// Why a key cannot be the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key '{key}' cannot be the name of a file: {problem}")]
pub(crate) struct BadKey {
    key: String,
    problem: &'static str,
}

/// The path of a result's `key` relative to its folder. Two keys never have the same path, but where a
/// part is too long for the file system its end is replaced by a hash of the part.
pub(crate) fn relative(key: &str) -> Result<PathBuf, BadKey> {
    path(key, |part| Ok(component(part).into()))
}

/// The path of an image's `key`: as [`relative`], but what [`of_path`] escaped is the name that it was.
pub(crate) fn image(key: &str) -> Result<PathBuf, BadKey> {
    path(key, |part| {
        if !part.contains(ESCAPE) {
            return Ok(component(part).into());
        }
        let name = name_of(part).filter(|name| name.len() <= MAX_COMPONENT);
        name.ok_or("U+FFFD stands only before the hex digits of a byte that is not Unicode")
    })
}

fn path(
    key: &str,
    name: impl Fn(&str) -> Result<OsString, &'static str>,
) -> Result<PathBuf, BadKey> {
    let bad = |problem| BadKey {
        key: key.to_owned(),
        problem,
    };
    let mut path = PathBuf::new();
    for (index, part) in key.split('/').enumerate() {
        match part {
            "" => return Err(bad("it has an empty part")),
            "." | ".." => return Err(bad("it has a part '.' or '..'")),
            METADATA if index == 0 => return Err(bad("'.metadata' is reserved")),
            _ => {}
        }
        if part.contains('\0') {
            return Err(bad("it has a NUL"));
        }
        if part.starts_with(TEMPORARY) {
            return Err(bad("names that start with '.safelight-' are reserved"));
        }
        path.push(name(part).map_err(bad)?);
    }
    Ok(path)
}

/// The name of a part of a key.
fn component(part: &str) -> String {
    let hash_length = 1 + 64;
    // Also a short part that looks like a hashed one is hashed: otherwise the two could be the same.
    if part.len() <= MAX_COMPONENT && !looks_hashed(part) {
        return part.to_owned();
    }
    let mut kept = part.len().min(MAX_COMPONENT - hash_length);
    while !part.is_char_boundary(kept) {
        kept -= 1;
    }
    let hash = safelight_schema::chain::to_hex(&Sha256::digest(part.as_bytes()));
    format!("{}~{hash}", &part[..kept])
}

fn looks_hashed(part: &str) -> bool {
    part.len() > MAX_COMPONENT - 4
        && part.rsplit_once('~').is_some_and(|(_, hash)| {
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// The path of the sidecar that belongs to `relative`.
pub(crate) fn sidecar(relative: &Path) -> PathBuf {
    // A folder and a file cannot have the same name, so the sidecar's name must differ from every
    // part's: `.json` could be a part too, hence a folder of its own below each.
    let mut path = PathBuf::from(METADATA);
    path.push(relative);
    path.push(format!("{TEMPORARY}metadata.json"));
    path
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_that_would_leave_the_folder_are_refused() {
        // Invariant 2.
        for key in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/../b",
            "a/..",
            "a//b",
            "a/",
            ".",
            "a/./b",
            "a\0b",
            ".metadata/a",
            ".safelight-1-1.tmp",
            "a/.safelight-x",
        ] {
            assert!(relative(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_key_is_its_path() {
        for key in [
            "a.jpg",
            "photos/여름 휴가/100%+a b.jpg",
            "a/.hidden",
            "...",
            "c:\\x",
        ] {
            assert_eq!(relative(key).unwrap(), PathBuf::from(key));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_unicode_has_a_key_of_its_own() {
        // Invariant 2.
        use std::os::unix::ffi::OsStrExt as _;
        for (bytes, key) in [
            (&b"photos/a\xff.png"[..], "photos/a\u{fffd}FF.png"),
            (b"\xed\x95", "\u{fffd}ED\u{fffd}95"),
            (
                "a\u{fffd}FF.png".as_bytes(),
                "a\u{fffd}EF\u{fffd}BF\u{fffd}BDFF.png",
            ),
            ("여름/100%.jpg".as_bytes(), "여름/100%.jpg"),
        ] {
            let path = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(of_path(path), key);
            assert_eq!(image(key).unwrap(), path);
        }
        // What is not written so would be a second key of another file.
        for key in [
            "a\u{fffd}",
            "\u{fffd}41",
            "\u{fffd}ff",
            "\u{fffd}C3\u{fffd}A9",
            "\u{fffd}2E\u{fffd}2E",
        ] {
            assert!(image(key).is_err(), "{key:?}");
        }
        // A result is called as its key is written.
        let key = "label/a\u{fffd}FF.png/labels.json";
        assert_eq!(relative(key).unwrap(), PathBuf::from(key));
    }

    #[test]
    fn long_parts_are_hashed_at_a_character_boundary() {
        let long = "사진".repeat(100);
        let path = relative(&format!("a/{long}/b")).unwrap();
        let name = path.components().nth(1).unwrap();
        assert!(name.as_os_str().len() <= MAX_COMPONENT);
        assert_ne!(path, relative(&format!("a/{long}x/b")).unwrap());
        // The name that hashing gives is itself a possible key.
        let name = name.as_os_str().to_str().unwrap();
        assert_ne!(relative(&format!("a/{name}/b")).unwrap(), path);
    }

    proptest! {
        #[cfg(unix)]
        #[test]
        fn every_name_comes_back_from_its_key(bytes in proptest::collection::vec(1_u8.., 1..40)) {
            use std::os::unix::ffi::OsStrExt as _;
            let name = OsStr::from_bytes(&bytes);
            let usable = !bytes.contains(&b'/')
                && !matches!(&bytes[..], b"." | b".." | b".metadata")
                && !bytes.starts_with(TEMPORARY.as_bytes());
            if usable {
                prop_assert_eq!(image(&of_path(Path::new(name))).unwrap(), Path::new(name));
            }
        }

        #[test]
        fn every_path_stays_below_its_folder(key in "\\PC{0,300}|[./~a\\x00]{0,12}|(\\.\\./){1,4}a") {
            if let Ok(path) = relative(&key) {
                let normal = |part| matches!(part, std::path::Component::Normal(_));
                prop_assert!(path.components().all(normal));
                prop_assert!(path.components().all(|part| part.as_os_str().len() <= MAX_COMPONENT));
                prop_assert_eq!(path.components().count(), key.split('/').count());
            }
        }
    }
}
