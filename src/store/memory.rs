//! A store in memory, for tests and for hosts that persist by other means. Not durable.
#![allow(clippy::disallowed_types, reason = "a store is shared between threads; the engine is not")]

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{AsyncStore, BoxFuture, Loaded, New, Scan, Store, StoreError, Swapped, Version, Write};

/// A shard on cache lines of its own, so that two threads with different users do not share one.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<HashMap<Vec<u8>, Loaded>>);

/// Records in memory, in shards that lock apart from each other.
pub struct Memory {
    shards: [Shard; 64],
    hasher: RandomState,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()), hasher: RandomState::new() }
    }

    /// Nothing in a critical section can leave a shard half-written, so a lock that a panic poisoned is still
    /// sound.
    fn shard(&self, key: &[u8]) -> MutexGuard<'_, HashMap<Vec<u8>, Loaded>> {
        let [first, rest @ ..] = &self.shards;
        let at = usize::from(self.hasher.hash_one(key).to_le_bytes()[0]).checked_rem(self.shards.len());
        lock(at.and_then(|at| rest.get(at)).unwrap_or(first))
    }
}

fn lock(shard: &Shard) -> MutexGuard<'_, HashMap<Vec<u8>, Loaded>> {
    shard.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for Memory {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        Ok(self.shard(key).get(key).cloned())
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let mut shard = self.shard(key);
        let found: Option<Version> = shard.get(key).map(|loaded| loaded.version);
        if found != write.expected {
            return Ok(Swapped::Conflict);
        }
        match write.new {
            New::Record { version, bytes } => match shard.get_mut(key) {
                Some(loaded) => {
                    loaded.version = version;
                    loaded.bytes.clear();
                    loaded.bytes.extend_from_slice(bytes);
                }
                None => {
                    shard.insert(key.to_vec(), Loaded { version, bytes: bytes.to_vec() });
                }
            },
            New::Delete => {
                shard.remove(key);
            }
        }
        Ok(Swapped::Committed)
    }

    fn durable(&self) -> bool {
        false
    }
}

impl AsyncStore for Memory {
    fn load<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>> {
        Box::pin(async move { Store::load(self, key) })
    }

    fn swap<'a>(&'a self, key: &'a [u8], write: Write<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>> {
        Box::pin(async move { Store::swap(self, key, write) })
    }

    fn durable(&self) -> bool {
        false
    }
}

impl Scan for Memory {
    /// Each page looks at every key: meant for tests and small sweeps.
    fn scan(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for shard in &self.shards {
            keys.extend(
                lock(shard).keys().filter(|key| after.is_none_or(|after| key.as_slice() > after)).cloned(),
            );
        }
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }
}
