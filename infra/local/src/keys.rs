//! From an object's key to a file below a folder, and never beside it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Longest name of a file or folder, bytes (ext4, XFS, Btrfs, APFS, NTFS).
const MAX_COMPONENT: usize = 255;

/// Names that start so are ours: files that are being written.
pub(crate) const TEMPORARY: &str = ".safelight-";

/// Folder of the sidecars with media type and user metadata.
pub(crate) const METADATA: &str = ".metadata";

/// Why a key cannot be the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key '{key}' cannot be the name of a file: {problem}")]
pub(crate) struct BadKey {
    key: String,
    problem: &'static str,
}

/// The path of `key` relative to its folder. Two keys never have the same path, but where a part is
/// too long for the file system its end is replaced by a hash of the part.
pub(crate) fn relative(key: &str) -> Result<PathBuf, BadKey> {
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
        path.push(component(part));
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
