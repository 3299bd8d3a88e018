//! The two calls that the engine asks of storage, blocking and asynchronous, and the scan that maintenance
//! needs.
//!
//! A store keeps opaque bytes under a key, each with the version that was written with them. `load` is
//! linearizable with `swap`: after a committed swap every load sees it, so a replica that lags is not a
//! store. A host that swaps inside its own transaction reports [`Swapped::Committed`] only after its commit.
//! `mfacore-conformance` has the suite that shows whether a store keeps these rules.

pub mod memory;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use memory::Memory;

/// A future of an [`AsyncStore`].
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The 16 bytes that name one write for ever: the id of the operation that made it, from the seed of that
/// operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub [u8; 16]);

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a store holds under a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The version that was written with `bytes`.
    pub version: Version,
    /// The sealed record, unread by the store.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loaded({:?}, {} bytes)", self.version, self.bytes.len())
    }
}

/// A conditional write: `new` replaces what is there only if that is exactly `expected`.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The version that must be there now; `None`: nothing may be there.
    pub expected: Option<Version>,
    /// What is there afterwards.
    pub new: New<'a>,
}

/// What a [`Write`] leaves.
#[derive(Clone, Copy)]
pub enum New<'a> {
    /// A record with its version.
    Record {
        /// The version to be kept beside the bytes.
        version: Version,
        /// The sealed record, at most [`crate::limits::RECORD_BYTES_MAX`].
        bytes: &'a [u8],
    },
    /// Nothing. The engine deletes only what it has loaded: `expected` names a version then.
    Delete,
}

impl fmt::Debug for New<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            New::Record { version, bytes } => write!(f, "Record({version:?}, {} bytes)", bytes.len()),
            New::Delete => f.write_str("Delete"),
        }
    }
}

/// The answer to a [`Write`]. Whoever cannot tell answers with an error instead: the engine finds out by
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Swapped {
    /// The write is there, and durable where the store is.
    Committed,
    /// What was there was not what was expected; nothing changed.
    Conflict,
}

/// Why a store could not answer. Opaque to the engine, which denies.
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps the store's own error, or a text.
    pub fn new(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(source.into())
    }

    /// The store's own error, for a host that logs or matches it.
    pub fn source(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({:?})", self.0)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for StoreError {
    fn from(source: E) -> Self {
        Self::new(source)
    }
}

/// A store that blocks the calling thread.
///
/// Keys are any bytes, up to [`crate::limits::KEY_BYTES_MAX`], and compared byte by byte; bytes and versions
/// are never read. Operations need `load` and `swap` alone; `durable` tells a host, and the conformance
/// suite, what to expect.
pub trait Store: Send + Sync {
    /// What is under `key`, as of every swap that was committed before the call. `None` only if nothing is
    /// there: a store that cannot tell answers with an error.
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError>;

    /// Compares and swaps in one atomic step.
    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError>;

    /// Whether a committed swap survives a crash of the process and of the machine.
    fn durable(&self) -> bool;
}

/// A store that answers with futures of any runtime.
pub trait AsyncStore: Send + Sync {
    /// As [`Store::load`].
    fn load<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>>;

    /// As [`Store::swap`]. A future that is dropped half-way may or may not have written.
    fn swap<'a>(&'a self, key: &'a [u8], write: Write<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>>;

    /// As [`Store::durable`].
    fn durable(&self) -> bool;
}

/// The keys of a store in byte order, for sweeps such as `Reseal`. Resumable: hand the last key of a page to
/// the next call. A key that is there from before the first call until after the last is listed exactly once.
pub trait Scan {
    /// Up to `limit` keys that sort after `after` (from the first one where `None`); fewer than `limit` ends
    /// the scan.
    fn scan(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError>;
}

macro_rules! forward_to_pointee {
    ($($pointer:ty),*) => {$(
        impl<S: Store + ?Sized> Store for $pointer {
            fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
                (**self).load(key)
            }
            fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
                (**self).swap(key, write)
            }
            fn durable(&self) -> bool {
                (**self).durable()
            }
        }
        impl<S: AsyncStore + ?Sized> AsyncStore for $pointer {
            fn load<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>> {
                (**self).load(key)
            }
            fn swap<'a>(&'a self, key: &'a [u8], write: Write<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>> {
                (**self).swap(key, write)
            }
            fn durable(&self) -> bool {
                (**self).durable()
            }
        }
    )*};
}

forward_to_pointee!(&S, Box<S>, Arc<S>);
