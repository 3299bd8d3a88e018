//! A durable [store](mfacore::store) for mfacore on one SQLite file.
//!
//! Stop every process that has the file open before it is moved, replaced or restored: a handle goes on with
//! the file that it opened.
//!
//! ```
//! use mfacore::store::{New, Store, StoreError, Swapped, Version, Write};
//! use mfacore_sqlite::Sqlite;
//!
//! # fn main() -> Result<(), StoreError> {
//! # let folder = tempfile::tempdir()?;
//! # let url = format!("sqlite:{}/mfa.db", folder.path().display());
//! // let url = "sqlite:/var/lib/example/mfa.db";
//! let store = Sqlite::open(url)?;
//!
//! let create = Write { expected: None, new: New::Record { version: Version([1; 16]), bytes: b"sealed" } };
//! assert_eq!(Store::swap(&store, b"alice", create)?, Swapped::Committed);
//! assert_eq!(Store::swap(&store, b"alice", create)?, Swapped::Conflict);
//! assert_eq!(Store::load(&store, b"alice")?.map(|found| found.bytes), Some(b"sealed".to_vec()));
//! # Ok(())
//! # }
//! ```
//!
//! - **Durable.** A write-ahead log with `synchronous=FULL`: a committed swap survives a loss of power.
//! - **Group commit.** One thread writes; swaps that wait for it, up to [`BATCH_SWAPS_MAX`], share a
//!   transaction and its sync. If that fails, each of them gets an error: none knows whether it is there.
//! - **Shared.** Threads share one [`Sqlite`] or clones of it; processes on one machine share the file, which
//!   must be on a local file system. Fork before a store is opened, or after all are closed: a child of a
//!   process that has one open cannot open any (it may `exec`), and a handle from before the fork only gives errors.
//!   SQLite keeps its locks in its process: while a store is open nothing else there may open its file, neither
//!   another SQLite nor a plain copy.
//! - **Futures.** [`AsyncStore`] needs no runtime: the store's own threads do the work, and complete the
//!   futures.
//! - **Private.** A new file is readable by its owner alone, and so are the `-wal` and `-shm` files beside
//!   it. Back up from another process, with SQLite's own backup; the main file alone may lack the last commits.
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations, unreachable_pub)]

mod error;
mod location;
mod open;
mod process;
mod readers;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mfacore::limits::{KEY_BYTES_MAX, RECORD_BYTES_MAX};
use mfacore::store::{AsyncStore, BoxFuture, Loaded, New, Scan, Store, StoreError, Swapped, Write};

pub use error::{CallError, OpenError};
pub use writer::{BATCH_SWAPS_MAX, QUEUE_MAX};

use readers::Readers;
use writer::Writer;

/// A store in one SQLite file. Clones share it; the last one to go writes what still waits and closes the
/// file.
#[derive(Clone)]
pub struct Sqlite {
    handle: Arc<Handle>,
}

/// What the store has done since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Swaps that were carried out, conflicts and failures included.
    pub swaps: u64,
    /// Transactions that were committed; fewer than swaps where those came together.
    pub commits: u64,
}

struct Handle {
    path: PathBuf,
    process: u32,
    /// Counted until the threads are gone.
    _opened: process::Opened,
    /// `None` only while it is dropped.
    threads: Option<Threads>,
}

struct Threads {
    writer: Writer,
    readers: Readers,
}

impl Sqlite {
    /// Opens the store at a path or a URL (`sqlite:relative.db`, `sqlite:/folder/name.db`,
    /// `sqlite:///folder/name.db`, percent-decoded), and makes the file if there is none.
    pub fn open(path_or_url: impl AsRef<str>) -> Result<Self, OpenError> {
        Self::open_path(&location::path_of(path_or_url.as_ref())?)
    }

    /// Opens the store at a path, whatever characters it has, and makes the file if there is none.
    pub fn open_path(path: &Path) -> Result<Self, OpenError> {
        let opened = process::Opened::new().ok_or(OpenError::Forked)?;
        let (connection, path) = open::open_or_create(path)?;
        let readers = Readers::start(&path)?;
        let writer = Writer::start(connection)
            .map_err(|error| OpenError::Failed { path: path.clone(), reason: error.to_string() })?;
        let threads = Some(Threads { writer, readers });
        Ok(Self { handle: Arc::new(Handle { path, process: std::process::id(), threads, _opened: opened }) })
    }

    /// The file, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.handle.path
    }

    /// What this store and its clones have done, for metrics.
    pub fn counts(&self) -> Counts {
        let counted = |count: fn(&Threads) -> u64| self.handle.threads.as_ref().map_or(0, count);
        Counts {
            swaps: counted(|threads| threads.writer.counts.swaps.load(Ordering::Relaxed)),
            commits: counted(|threads| threads.writer.counts.commits.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.handle.path).finish_non_exhaustive()
    }
}

impl Handle {
    /// The threads, if they are there to answer: a fork does not take them along.
    fn threads(&self) -> Result<&Threads, CallError> {
        if self.process != std::process::id() {
            return Err(CallError::Forked);
        }
        match &self.threads {
            Some(threads) if !threads.writer.has_stopped() => Ok(threads),
            _ => Err(CallError::Stopped),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let Some(threads) = self.threads.take() else { return };
        if self.process != std::process::id() {
            // The connections belong to the parent: closing them here could damage its file.
            std::mem::forget(threads);
            return;
        }
        threads.readers.close();
        threads.writer.close();
    }
}

fn check_key(key: &[u8]) -> Result<(), CallError> {
    if key.len() > KEY_BYTES_MAX { Err(CallError::KeyTooLong { found: key.len() }) } else { Ok(()) }
}

fn check_write(key: &[u8], write: &Write<'_>) -> Result<(), CallError> {
    check_key(key)?;
    match write.new {
        New::Record { bytes, .. } if bytes.len() > RECORD_BYTES_MAX => {
            Err(CallError::RecordTooLong { found: bytes.len() })
        }
        _ => Ok(()),
    }
}

impl Store for Sqlite {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        check_key(key)?;
        Ok(self.handle.threads()?.readers.load(key)?)
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        check_write(key, &write)?;
        Ok(self.handle.threads()?.writer.swap(key, write)?)
    }

    fn durable(&self) -> bool {
        true
    }
}

impl AsyncStore for Sqlite {
    fn load<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>> {
        Box::pin(async move {
            check_key(key)?;
            let answer = self.handle.threads()?.readers.load_later(key)?;
            Ok(answer.await.unwrap_or(Err(CallError::Stopped))?)
        })
    }

    fn swap<'a>(&'a self, key: &'a [u8], write: Write<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>> {
        Box::pin(async move {
            check_write(key, &write)?;
            let answer = self.handle.threads()?.writer.swap_later(key, write)?;
            Ok(answer.await.unwrap_or(Err(CallError::Stopped))?)
        })
    }

    fn durable(&self) -> bool {
        true
    }
}

impl Scan for Sqlite {
    fn scan(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        Ok(self.handle.threads()?.readers.scan(after, limit)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mfacore::store::Version;

    const CREATE: Write<'_> =
        Write { expected: None, new: New::Record { version: Version([1; 16]), bytes: b"sealed" } };

    fn every_call_fails_as(store: &Sqlite, expected: &CallError) {
        let errors = [
            Store::load(store, b"key").map(|_| ()),
            Store::swap(store, b"key", CREATE).map(|_| ()),
            store.scan(None, 1).map(|_| ()),
            block_on(AsyncStore::load(store, b"key")).map(|_| ()),
            block_on(AsyncStore::swap(store, b"key", CREATE)).map(|_| ()),
        ];
        for error in errors {
            let error = error.expect_err("an answer from a store that has none");
            assert_eq!(error.source().downcast_ref::<CallError>(), Some(expected));
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
    }

    #[test]
    fn a_dead_writer_is_an_error_and_never_a_hang() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open_path(&folder.path().join("store.db")).expect("a store");
        let threads = store.handle.threads().expect("threads");
        threads.writer.panic();
        while !threads.writer.has_stopped() {
            std::thread::yield_now();
        }
        every_call_fails_as(&store, &CallError::Stopped);
        let path = store.path().to_owned();
        drop(store);
        Sqlite::open_path(&path).expect("a store again");
    }

    #[test]
    fn what_waits_for_a_writer_that_dies_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Sqlite::open_path(&folder.path().join("store.db")).expect("a store");
        std::thread::scope(|scope| {
            let swaps: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        loop {
                            if let Err(error) = Store::swap(&store, b"key", CREATE) {
                                break error;
                            }
                        }
                    })
                })
                .collect();
            store.handle.threads().expect("threads").writer.panic();
            for swap in swaps {
                let error = swap.join().expect("a thread");
                assert_eq!(error.source().downcast_ref::<CallError>(), Some(&CallError::Stopped));
            }
        });
    }

    #[test]
    fn a_handle_from_before_a_fork_is_an_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Sqlite::open_path(&folder.path().join("store.db")).expect("a store");
        let handle = Arc::get_mut(&mut store.handle).expect("the only handle");
        handle.process = handle.process.wrapping_add(1);
        every_call_fails_as(&store, &CallError::Forked);
    }
}
