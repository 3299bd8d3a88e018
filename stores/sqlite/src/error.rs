//! What can go wrong, in words that say what to do.

use std::path::PathBuf;
use std::sync::Arc;

use mfacore::limits::{KEY_BYTES_MAX, RECORD_BYTES_MAX};

/// Why a store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A store was open when this process was forked: SQLite's locks of then would be shared with the parent.
    #[error(
        "a store was open when this process was forked: open stores after the fork, or close them before it"
    )]
    Forked,
    /// The text names no file: another scheme, a host, parameters, or nothing at all.
    #[error("{given:?} names no SQLite store: {reason}")]
    BadUrl {
        /// What was given.
        given: String,
        /// What is wrong with it, and what to write instead.
        reason: &'static str,
    },
    /// The folder of the file is not there. It is not made, since a mistyped path would become an empty
    /// store.
    #[error("the folder {} does not exist: create it, or correct the path of the store", folder.display())]
    MissingFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// The path leads to a folder, a device or a socket.
    #[error(
        "{} is not a regular file: give the path of a file, which is created if it does not exist",
        path.display()
    )]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// The file is not SQLite's. It was left as it is.
    #[error(
        "{} is not an SQLite database: move the file away, or give another path; it was not changed",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The database belongs to someone else. It was left as it is.
    #[error(
        "{} is the database of another application ({found}): give the store a file of its own; \
         it was not changed",
        path.display()
    )]
    OtherApplication {
        /// The file.
        path: PathBuf,
        /// By what it was recognised.
        found: String,
    },
    /// A newer version of this crate wrote the file. It was left as it is.
    #[error(
        "{} has format {found}, this build reads up to {known}: use the version of mfacore-sqlite that wrote \
         it, or a later one",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i32,
        /// The newest format that this build knows.
        known: i32,
    },
    /// The process may not write the file, or may not make files in its folder.
    #[error(
        "{} cannot be opened for writing: give this process write permission on the file, on its -wal and \
         -shm files and on its folder (or raise the limit of open files, if that is reached)",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// Another process, or another connection of this one, has locked the file for itself.
    #[error(
        "{} is locked by another process: end what holds it (a backup, a database shell in exclusive \
         mode), then retry",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The content of the file contradicts itself.
    #[error("{} is damaged ({reason}): restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite or the check of the schema said.
        reason: String,
    },
    /// The file system cannot hold a write-ahead log, as network file systems cannot.
    #[error(
        "{} cannot use a write-ahead log (journal mode {found}): put the store on a local file system",
        path.display()
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
        /// The journal mode that SQLite fell back to.
        found: String,
    },
    /// Anything else that the operating system or SQLite said.
    #[error("{} cannot be opened: {reason}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What was said.
        reason: String,
    },
}

/// Why a load, a swap or a scan has no answer: what `StoreError::source` of this store is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The key is too long; nothing was written.
    #[error("a key of {found} bytes: the longest is {KEY_BYTES_MAX}")]
    KeyTooLong {
        /// Its length, bytes.
        found: usize,
    },
    /// The record is too long; nothing was written.
    #[error("a record of {found} bytes: the longest is {RECORD_BYTES_MAX}")]
    RecordTooLong {
        /// Its length, bytes.
        found: usize,
    },
    /// More futures wait than the queue holds; nothing was written.
    #[error("too many calls wait for the store: retry later, and limit how many run at once")]
    QueueFull,
    /// A thread of the store ended by a panic; a swap may or may not be there.
    #[error("the store has stopped: open it again, and report what its thread panicked with")]
    Stopped,
    /// The process forked after the store was opened; nothing was done.
    #[error("the store was opened before this process forked: open it in each process, after the fork")]
    Forked,
    /// Another process kept the file locked for too long; nothing was written.
    #[error("the store is locked by another process: end what holds it, or keep its transactions short")]
    Locked,
    /// SQLite failed; a swap may or may not be there.
    #[error("SQLite: {0}")]
    Sqlite(Arc<str>),
}

impl From<rusqlite::Error> for CallError {
    fn from(error: rusqlite::Error) -> Self {
        if is_busy(&error) { Self::Locked } else { Self::Sqlite(error.to_string().into()) }
    }
}

/// Whether someone else holds a lock, in any of the ways in which SQLite says so.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, FileLockingProtocolFailed};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked | FileLockingProtocolFailed))
}
