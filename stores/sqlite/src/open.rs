//! Opening: the file is made or recognised before anything is written into it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use crate::error::{OpenError, is_busy};

/// "MFAc" in ASCII, in the header of the file.
pub(crate) const APPLICATION_ID: i32 = 0x4d46_4163;
/// The format that this build writes and the newest that it reads.
pub(crate) const FORMAT: i32 = 1;

/// With row ids: the records then do not widen the tree that finds them, and a scan reads that tree alone.
const TABLE: &str = "CREATE TABLE record (key BLOB PRIMARY KEY NOT NULL, \
                     version BLOB NOT NULL CHECK (length(version) = 16), bytes BLOB NOT NULL) STRICT";

/// How long opening, a batch or a load waits for another process.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(5);

/// Opens the store's file, made first where there is none; the connection is ready to write.
pub(crate) fn open_or_create(path: &Path) -> Result<(Connection, PathBuf), OpenError> {
    let path = std::path::absolute(path)
        .map_err(|error| OpenError::Failed { path: path.to_owned(), reason: error.to_string() })?;
    create_if_absent(&path)?;
    let connection = connect(&path).map_err(|error| error.explain(&path))?;
    let writable = connection.is_readonly("main").is_ok_and(|read_only| !read_only);
    if !writable {
        return Err(OpenError::ReadOnly { path });
    }
    prepare_patiently(&connection).map_err(|error| error.explain(&path))?;
    Ok((connection, path))
}

/// One more connection to a store that is open, for reading alone.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    connect_for_reading(path).map_err(|error| Refusal::Sqlite(error).explain(path))
}

fn connect_for_reading(path: &Path) -> rusqlite::Result<Connection> {
    let connection = connect_unprepared(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// SQLite does not create the file itself: it would do so with the permissions of the umask, and through a
/// dangling link.
fn connect_unprepared(path: &Path) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

fn connect(path: &Path) -> Result<Connection, Refusal> {
    let connection = connect_unprepared(path)?;
    connection.busy_timeout(PAUSE)?;
    Ok(connection)
}

/// Closing a file drops every lock that this process holds on it, so no other thread may open it in between.
static CREATING: Mutex<()> = Mutex::new(());

/// The smallest page; SQLite takes a file that is shorter for an empty one, and would overwrite it.
const SHORTEST_DATABASE_BYTES: u64 = 512;

/// Makes an empty file for its owner alone; SQLite gives the files beside it the same permissions.
fn create_if_absent(path: &Path) -> Result<(), OpenError> {
    let refuse = |error: io::Error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { path: path.to_owned() }
        }
        _ => OpenError::Failed { path: path.to_owned(), reason: error.to_string() },
    };
    let _alone = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    match fs::metadata(path) {
        Ok(found) if (1..SHORTEST_DATABASE_BYTES).contains(&found.len()) && found.is_file() => {
            return Err(OpenError::NotADatabase { path: path.to_owned() });
        }
        Ok(found) if found.is_file() => return Ok(()),
        Ok(_) => return Err(OpenError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refuse(error)),
        Err(_) => {}
    }
    let folder = path.parent().unwrap_or(path);
    if !folder.is_dir() {
        return Err(OpenError::MissingFolder { folder: folder.to_owned() });
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(refuse(error)),
        _ => Ok(()),
    }
}

/// Why a database is not taken, before its path is known.
enum Refusal {
    Sqlite(rusqlite::Error),
    OtherApplication(String),
    Newer(i32),
    Damaged(String),
    NoWriteAheadLog(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Refusal {
    fn explain(self, path: &Path) -> OpenError {
        let path = path.to_owned();
        match self {
            Self::OtherApplication(found) => OpenError::OtherApplication { path, found },
            Self::Newer(found) => OpenError::Newer { path, found, known: FORMAT },
            Self::Damaged(reason) => OpenError::Damaged { path, reason },
            Self::NoWriteAheadLog(found) => OpenError::NoWriteAheadLog { path, found },
            Self::Sqlite(error) if is_busy(&error) => OpenError::Locked { path },
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { path },
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                    OpenError::ReadOnly { path }
                }
                Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, reason: error.to_string() },
                _ => OpenError::Failed { path, reason: error.to_string() },
            },
        }
    }
}

/// The change to a write-ahead log does not wait for locks by itself, so the whole of it is tried again.
fn prepare_patiently(connection: &Connection) -> Result<(), Refusal> {
    let start = Instant::now();
    loop {
        match prepare(connection) {
            Err(Refusal::Sqlite(error)) if is_busy(&error) && start.elapsed() < PATIENCE => {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
}

fn prepare(connection: &Connection) -> Result<(), Refusal> {
    let content = {
        let one_moment = Transaction::new_unchecked(connection, TransactionBehavior::Deferred)?;
        judge(&one_moment)?
    };
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Refusal::NoWriteAheadLog(mode));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    if let Content::Nothing = content {
        create_table(connection)?;
    }
    connection.busy_timeout(PATIENCE)?;
    Ok(())
}

enum Content {
    Nothing,
    Records,
}

/// Tables beside ours are left alone once the file is known as ours: replication and `ANALYZE` add some.
fn judge(connection: &Connection) -> Result<Content, Refusal> {
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let format: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        let first: Option<String> = connection
            .query_row("SELECT name FROM sqlite_schema LIMIT 1", [], |row| row.get(0))
            .optional()?;
        return match (application, format, first) {
            (0, 0, None) => Ok(Content::Nothing),
            (0, _, Some(name)) => Err(Refusal::OtherApplication(format!("it has {name:?}"))),
            (0, format, None) => Err(Refusal::OtherApplication(format!("user_version {format}"))),
            (id, ..) => Err(Refusal::OtherApplication(format!("application_id {id:#010x}"))),
        };
    }
    if format > FORMAT {
        return Err(Refusal::Newer(format));
    }
    let table: Option<String> = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'record'", [], |row| {
            row.get(0)
        })
        .optional()?;
    match (format, table) {
        (FORMAT, Some(table)) if table == TABLE => Ok(Content::Records),
        (FORMAT, _) => Err(Refusal::Damaged("its table of records is missing or altered".to_owned())),
        (format, _) => Err(Refusal::Damaged(format!("format {format} was never written"))),
    }
}

/// Judges again under the lock, since another process may have come first.
fn create_table(connection: &Connection) -> Result<(), Refusal> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if let Content::Nothing = judge(&transaction)? {
        transaction.execute_batch(TABLE)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
    }
    transaction.commit()?;
    Ok(())
}
