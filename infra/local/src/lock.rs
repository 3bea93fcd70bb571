//! The state folder has one owner (invariant 4).
//!
//! The owner holds an operating-system lock on `<state>/lock`, which ends with its process whatever
//! kills it. `<state>/host.json` says who that is and how to reach it; without the lock it is stale.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use safelight_schema::Token;
use serde::{Deserialize, Serialize};

use crate::file::explain;

const LOCK: &str = "lock";
const HOST: &str = "host.json";

/// What `host.json` says of the state folder's owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFile {
    /// Process id.
    pub pid: u32,
    /// Where its door is (see [`crate::router`]).
    pub address: SocketAddr,
    /// What it asks for.
    pub token: Token,
    /// When it started.
    pub started: DateTime<Utc>,
}

/// Why the state folder cannot be owned.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process owns it.
    #[error(
        "the state folder {folder} is in use by {}",
        describe(holder.as_deref())
    )]
    Owned {
        /// The state folder.
        folder: String,
        /// The owner, if it has said who it is.
        holder: Option<Box<HostFile>>,
    },
    /// The folder or the lock cannot be made.
    #[error("the state folder cannot be used: {0}")]
    Failed(String),
}

fn describe(holder: Option<&HostFile>) -> String {
    holder.map_or_else(
        || "another process, which is starting or ending".to_owned(),
        |host| format!("process {} at http://{}", host.pid, host.address),
    )
}

/// The ownership of a state folder; it ends when this is dropped.
#[derive(Debug)]
pub struct StateLock {
    folder: PathBuf,
    _lock: File,
}

impl StateLock {
    /// Takes the state folder, and makes it where it is not there. What a killed owner left behind
    /// is taken over.
    pub fn acquire(folder: impl AsRef<Path>) -> Result<Self, LockError> {
        let folder = folder.as_ref();
        let failed = |path: &Path, error: &io::Error| LockError::Failed(explain(path, error));
        fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        let path = folder.join(LOCK);
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| failed(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Owned {
                    folder: folder.display().to_string(),
                    holder: HostFile::read(folder).map(Box::new),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(&path, &error)),
        }
        let stale = folder.join(HOST);
        match fs::remove_file(&stale) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(&stale, &error));
            }
            _ => {}
        }
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Says who owns the folder and how to reach it; only this user can read it.
    pub fn publish(&self, host: &HostFile) -> Result<(), LockError> {
        let path = self.folder.join(HOST);
        let temporary = self.folder.join(format!("{HOST}.new"));
        let write = || {
            // Made anew: the mode is that of a file that is created.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut options = OpenOptions::new();
            options.create_new(true).write(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&temporary)?;
            file.write_all(&serde_json::to_vec_pretty(host).map_err(io::Error::other)?)?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|error| LockError::Failed(explain(&path, &error)))
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // Before the lock goes: afterwards it could be the next owner's.
        let _ = fs::remove_file(self.folder.join(HOST));
    }
}

impl HostFile {
    /// What `host.json` says; `None` if it is not there or cannot be read. Whether that process is
    /// still there, only a connection or the lock can tell.
    pub fn read(folder: impl AsRef<Path>) -> Option<Self> {
        let bytes = fs::read(folder.as_ref().join(HOST)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> HostFile {
        HostFile {
            pid: 4711,
            address: "127.0.0.1:8123".parse().unwrap(),
            token: crate::random_token(),
            started: DateTime::from_timestamp(1_790_000_000, 0).unwrap(),
        }
    }

    #[test]
    fn a_second_owner_is_told_who_has_the_folder() {
        // Invariant 4.
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("new/state");
        let lock = StateLock::acquire(&state).unwrap();
        let error = StateLock::acquire(&state).unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");

        let host = host();
        lock.publish(&host).unwrap();
        lock.publish(&host).unwrap();
        let error = StateLock::acquire(&state).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("process 4711 at http://127.0.0.1:8123"),
            "{text}"
        );
        assert!(!text.contains(host.token.secret()));
        let LockError::Owned { holder, .. } = error else {
            panic!("{text}");
        };
        assert_eq!(holder.as_deref(), Some(&host));

        drop(lock);
        assert_eq!(HostFile::read(&state), None);
        StateLock::acquire(&state).unwrap();
    }

    #[test]
    fn what_a_killed_owner_left_is_taken_over() {
        // Invariant 4.
        let folder = tempfile::tempdir().unwrap();
        let left = serde_json::to_vec(&host()).unwrap();
        fs::write(folder.path().join(HOST), left).unwrap();
        fs::write(folder.path().join(LOCK), "").unwrap();
        fs::write(folder.path().join("host.json.new"), "half").unwrap();
        let lock = StateLock::acquire(folder.path()).unwrap();
        assert_eq!(HostFile::read(folder.path()), None);
        lock.publish(&host()).unwrap();
        assert!(HostFile::read(folder.path()).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn only_the_user_reads_the_token() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let lock = StateLock::acquire(folder.path()).unwrap();
        lock.publish(&host()).unwrap();
        let mode = fs::metadata(folder.path().join(HOST))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }
}
