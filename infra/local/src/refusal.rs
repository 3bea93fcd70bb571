//! Why a closure on the database was undone: the store failed, or the port says no.

use safelight_sqlite::DatabaseError;

/// The error of closures that run on the database. Ports' errors know nothing of a database, so
/// they cannot be made from one directly.
#[derive(Debug)]
pub(crate) enum Refusal<E> {
    /// The store failed.
    Store(DatabaseError),
    /// The answer of the port.
    Port(E),
}

impl<E> From<DatabaseError> for Refusal<E> {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error)
    }
}

impl<E> From<rusqlite::Error> for Refusal<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl<E> Refusal<E> {
    /// The port's error; `unavailable` words a failure of the store.
    pub(crate) fn into_port(self, unavailable: impl FnOnce(String) -> E) -> E {
        match self {
            Self::Store(error) => unavailable(error.to_string()),
            Self::Port(error) => error,
        }
    }
}
