//! Files that are replaced whole or not at all, also between processes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::keys::TEMPORARY;

/// Locks are shared out over this many files, so that they need no cleaning up.
const LOCK_FILES: u8 = 64;

/// Puts the locks of keys into files of one folder, for threads and processes alike.
#[derive(Debug, Clone)]
pub(crate) struct Locks {
    folder: PathBuf,
}

impl Locks {
    pub(crate) fn open(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// Waits until nobody else changes the file at `path`; the lock is held until it is dropped.
    pub(crate) fn exclusive(&self, path: &Path) -> io::Result<File> {
        let file = self.file(path)?;
        file.lock()?;
        Ok(file)
    }

    /// Waits until nobody changes the file at `path`.
    pub(crate) fn shared(&self, path: &Path) -> io::Result<File> {
        let file = self.file(path)?;
        file.lock_shared()?;
        Ok(file)
    }

    fn file(&self, path: &Path) -> io::Result<File> {
        let number = Sha256::digest(path.as_os_str().as_encoded_bytes())[0] % LOCK_FILES;
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.folder.join(format!("{number:02}")))
    }
}

/// The entity tag of a file: its size and the time of its last change. Our own writes never give two
/// contents of one file the same time.
pub fn etag(metadata: &fs::Metadata) -> String {
    let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let since = changed
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    format!("{:x}-{:x}", metadata.len(), since.as_nanos())
}

/// A file that was opened for reading, and is a file.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) metadata: fs::Metadata,
}

/// Opens a regular file below `root`, links followed; `None` where there is none.
pub(crate) fn open(root: &Path, relative: &Path) -> io::Result<Option<Opened>> {
    let path = match fs::canonicalize(root.join(relative)) {
        Ok(path) => path,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !path.starts_with(root) {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "a link leads out of the folder",
        ));
    }
    // A pipe would block when it is opened, and a device may never end.
    let kind = fs::metadata(&path)?.file_type();
    if kind.is_dir() {
        return Ok(None);
    }
    if !kind.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it is a device, a pipe or a socket, not a file",
        ));
    }
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some(Opened { file, metadata }))
}

/// There is no such file: also where a folder of its path is a file, or its links go round.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    ) || error.raw_os_error() == Some(40) // ELOOP has no stable kind yet.
}

impl Opened {
    /// The bytes from `start`, at most `length`; fewer only where the file ends.
    pub(crate) fn read(&mut self, start: u64, length: u64) -> io::Result<Vec<u8>> {
        let available = self.metadata.len().saturating_sub(start);
        let length = length.min(available);
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        if start > 0 {
            self.file.seek(SeekFrom::Start(start))?;
        }
        (&mut self.file).take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The entity tag, as the file was when it was opened.
    pub fn etag(&self) -> String {
        etag(&self.metadata)
    }

    /// Whether it was changed in place since it was opened.
    pub(crate) fn is_unchanged(&self) -> io::Result<bool> {
        Ok(etag(&self.file.metadata()?) == self.etag())
    }
}

/// A file that is complete and durable, but has no name of its own yet. Dropped, it goes away.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    temporary: PathBuf,
    kept: bool,
}

impl Staged {
    /// Writes `body` beside `path` and waits until it is on disk; makes the folders that are missing.
    /// Their names are durable with that of the file: a journal keeps its order, so when the file's
    /// folder is synced, what was made before it is there, too.
    pub(crate) fn write(path: &Path, body: &[u8]) -> io::Result<Self> {
        let staged = Self::write_lightly(path, body)?;
        staged.file.sync_data()?;
        Ok(staged)
    }

    /// As `write`, but does not wait for the disk. For sidecars, whose loss costs a media type.
    pub(crate) fn write_lightly(path: &Path, body: &[u8]) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let folder = path.parent().unwrap_or(Path::new("."));
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let temporary = folder.join(format!("{TEMPORARY}{}-{number}.tmp", std::process::id()));
        // A delete may take an empty folder away between the two steps.
        let mut tries = 0;
        let file = loop {
            fs::create_dir_all(folder)?;
            match File::create(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 5 => tries += 1,
                other => break other?,
            }
        };
        let mut staged = Self {
            file,
            temporary,
            kept: false,
        };
        staged.file.write_all(body)?;
        staged.file.set_modified(SystemTime::now())?;
        Ok(staged)
    }

    /// Makes its time of change later than that of the file that it is to replace, so that their
    /// entity tags differ; answers its entity tag.
    pub(crate) fn after(&self, replaced: Option<&fs::Metadata>) -> io::Result<String> {
        let ours = self.file.metadata()?;
        if let Some(replaced) = replaced {
            let before = replaced.modified()?;
            if ours.modified()? <= before {
                self.file.set_modified(before + Duration::from_micros(1))?;
                return Ok(etag(&self.file.metadata()?));
            }
        }
        Ok(etag(&ours))
    }

    /// Gives it its name, in place of what has it.
    pub(crate) fn rename(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.temporary, path)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Whether what is there of `folder`'s path lies below `root`, links followed.
pub(crate) fn is_below(root: &Path, folder: &Path) -> io::Result<bool> {
    for ancestor in folder.ancestors() {
        match fs::canonicalize(ancestor) {
            Ok(real) => return Ok(real.starts_with(root)),
            // A link that leads nowhere is there all the same, and would be followed.
            Err(_) if fs::symlink_metadata(ancestor).is_ok_and(|found| found.is_symlink()) => {
                return Ok(false);
            }
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// What to tell a person about a failed write or read of `path`.
pub(crate) fn explain(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk that holds {path} is full: free some space, then try again")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => format!(
            "{path} cannot be accessed ({error}): give this user permission, or choose another folder"
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => format!(
            "{path} cannot be made ({error}): move away what stands there, or choose another folder"
        ),
        _ => format!("{path}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_say_what_to_do() {
        let path = Path::new("results/a.json");
        let cases = [
            (io::ErrorKind::StorageFull, "is full: free some space"),
            (io::ErrorKind::QuotaExceeded, "is full: free some space"),
            (
                io::ErrorKind::ReadOnlyFilesystem,
                "give this user permission",
            ),
            (io::ErrorKind::PermissionDenied, "give this user permission"),
            (io::ErrorKind::NotADirectory, "move away what stands there"),
        ];
        for (kind, expected) in cases {
            let text = explain(path, &kind.into());
            assert!(
                text.contains("results/a.json") && text.contains(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn entity_tags_of_replaced_files_differ_even_if_the_clock_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let future = SystemTime::now() + Duration::from_secs(3_600);
        fs::write(&path, "old").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(future)
            .unwrap();
        let old = fs::metadata(&path).unwrap();
        let staged = Staged::write(&path, b"new").unwrap();
        let new = staged.after(Some(&old)).unwrap();
        assert_ne!(new, etag(&old));
        staged.rename(&path).unwrap();
        assert_eq!(etag(&fs::metadata(&path).unwrap()), new);
    }

    #[test]
    fn what_is_not_renamed_goes_away() {
        // Invariant 3.
        let folder = tempfile::tempdir().unwrap();
        drop(Staged::write(&folder.path().join("a"), b"x").unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
