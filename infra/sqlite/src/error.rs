//! What can go wrong with the file, under names that never change.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::ErrorCode;

/// A failure of the store. It is cheap to clone: one failed commit answers many writers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// No space left on the disk, or the database reached its size limit.
    #[error(
        "the disk that holds the state folder is full ({0}): free some space and start again; nothing that was acknowledged is lost"
    )]
    Full(String),
    /// The file or its folder cannot be written.
    #[error(
        "the state folder cannot be written ({0}): give this user write permission, or choose another folder with --state-dir"
    )]
    ReadOnly(String),
    /// Another process holds the file.
    #[error("another process is using the database ({0}): stop it, or wait until it is done")]
    Busy(String),
    /// The file is damaged or is no database.
    #[error(
        "the database is damaged ({0}): restore it from a backup, or move it away and start with an empty one"
    )]
    Corrupt(String),
    /// The operating system failed to read or write.
    #[error("the database file could not be read or written ({0}): check the disk")]
    Io(String),
    /// The file could not be opened.
    #[error("the database could not be opened ({0}): check that the folder exists")]
    NotOpened(String),
    /// The file belongs to another program.
    #[error("{0} is a database of another program: choose another folder with --state-dir")]
    Foreign(String),
    /// The file was written by a newer version.
    #[error("the database was written by a newer version ({0}): use that version")]
    TooNew(String),
    /// A migration that already ran is not the one that this program has.
    #[error(
        "the database's tables are not the ones that this version made ({0}): use the version that made them"
    )]
    MigrationChanged(String),
    /// The writer has stopped.
    #[error("the database is closed: start again")]
    Closed,
    /// A write of the same commit made the store undo this one too.
    #[error(
        "the write was undone together with another that failed: nothing of it was saved; try again"
    )]
    Undone,
    /// The closure panicked; its write was undone.
    #[error("a write or read panicked ({0}): this is a fault of the program, please report it")]
    Panicked(String),
    /// A statement is wrong: a fault of the program.
    #[error("a statement failed ({0}): this is a fault of the program, please report it")]
    Statement(String),
}

impl DatabaseError {
    /// The stable name, such as `Store.Full`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Full(_) => "Store.Full",
            Self::ReadOnly(_) => "Store.ReadOnly",
            Self::Busy(_) => "Store.Busy",
            Self::Corrupt(_) => "Store.Corrupt",
            Self::Io(_) => "Store.Io",
            Self::NotOpened(_) => "Store.NotOpened",
            Self::Foreign(_) => "Store.Foreign",
            Self::TooNew(_) => "Store.TooNew",
            Self::MigrationChanged(_) => "Store.MigrationChanged",
            Self::Closed => "Store.Closed",
            Self::Undone => "Store.Undone",
            Self::Panicked(_) => "Store.Panicked",
            Self::Statement(_) => "Store.Statement",
        }
    }

    /// Whether the same write may succeed later without anybody mending anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Undone)
    }

    /// An error met while opening `path`: says which file, and tells a folder that cannot be
    /// written from one that is not there.
    pub(crate) fn opening(path: &Path, error: rusqlite::Error) -> Self {
        match Self::from(error) {
            Self::NotOpened(cause) => {
                let cause = format!("{}: {cause}", path.display());
                match cannot_create_beside(path) {
                    Some(reason) => Self::ReadOnly(format!("{cause}; {reason}")),
                    None => Self::NotOpened(cause),
                }
            }
            Self::ReadOnly(cause) => Self::ReadOnly(format!("{}: {cause}", path.display())),
            Self::Corrupt(cause) => Self::Corrupt(format!("{}: {cause}", path.display())),
            Self::Busy(cause) => Self::Busy(format!("{}: {cause}", path.display())),
            other => other,
        }
    }
}

thread_local! {
    /// The last serious fault that was met on this thread: when SQLite rolls a whole transaction
    /// back inside one closure, the others of that commit are told why.
    static LAST_FAULT: RefCell<Option<DatabaseError>> = const { RefCell::new(None) };
}

/// Takes the last serious fault met on this thread.
pub(crate) fn take_last_fault() -> Option<DatabaseError> {
    LAST_FAULT.with_borrow_mut(Option::take)
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        let text = error.to_string();
        let classified = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(text),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly(text),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy(text),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(text),
            Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => Self::Io(text),
            Some(ErrorCode::CannotOpen) => Self::NotOpened(text),
            _ => return Self::Statement(text),
        };
        LAST_FAULT.set(Some(classified.clone()));
        classified
    }
}

/// Why a file cannot be created beside `path`, when the reason is permission. SQLite itself only
/// says "unable to open database file".
fn cannot_create_beside(path: &Path) -> Option<std::io::Error> {
    let folder = path.parent().filter(|folder| folder.is_dir())?;
    let probe = folder.join(format!(".safelight-probe-{}", std::process::id()));
    match std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&probe)
    {
        Ok(_) => {
            let _ = std::fs::remove_file(&probe);
            None
        }
        Err(error) => matches!(
            error.kind(),
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem
        )
        .then_some(error),
    }
}
