//! Whether the results folder can be written at all.
//!
//! A disk that is full is no fault of an image: if every image failed for it, each would be retried, be a dead letter,
//! and have to be redriven. The host stops instead, and what is open goes on when there is room again.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What a small result may need.
const PROBE_BYTES: usize = 64 << 10;

/// Why nothing can be written to a folder; `None` where it can be, or where the reason is another one.
pub async fn missing(folder: PathBuf) -> Option<String> {
    tokio::task::spawn_blocking(move || {
        let error = probe(&folder).err()?;
        let folder = folder.display();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Some(format!("the disk that holds {folder} is full"))
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Some(format!("{folder} cannot be written: {error}"))
            }
            _ => None,
        }
    })
    .await
    .ok()
    .flatten()
}

/// Writes a file and takes it away again.
fn probe(folder: &Path) -> io::Result<()> {
    let path = folder.join(format!(".safelight-probe-{}", std::process::id()));
    let written = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(&path)
        .and_then(|mut file| {
            file.write_all(&vec![0; PROBE_BYTES])?;
            file.sync_data()
        });
    let removed = fs::remove_file(&path);
    written.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_with_room_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(missing(folder.path().to_owned()).await, None);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // A folder that is gone is another matter: the function's own error says so.
        assert_eq!(missing(folder.path().join("gone")).await, None);
    }
}
