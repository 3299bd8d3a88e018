//! One host's storage, shared by all checks: each has keys of its own, and leaves nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use mfacore::limits::KEY_BYTES_MAX;
use mfacore::store::{Loaded, New, Store, StoreError, Swapped, Write};
use mfacore_conformance::store_suite::{Factory, Home, Opened};

/// What the keys of the self-test begin with.
pub(crate) const PREFIX: &str = "mfacore-selftest/";
/// Deletes of one key before it is taken for one that cannot be deleted.
const TRIES: u32 = 3;

/// The keys of one check in the host's storage.
#[derive(Clone)]
pub(crate) struct Place(Arc<Shelf>);

struct Shelf {
    store: Arc<dyn Store>,
    /// Empty where the check's keys are to arrive as they are.
    prefix: Vec<u8>,
    /// What may be there, under the host's own keys.
    created: Mutex<BTreeSet<Vec<u8>>>,
}

/// Whether a check needs its keys just as they are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    Prefixed,
    Raw,
}

impl Place {
    pub(crate) fn new(store: Arc<dyn Store>, check: &str, keys: Keys) -> Self {
        let prefix = match keys {
            Keys::Prefixed => format!("{PREFIX}{check}/").into_bytes(),
            Keys::Raw => Vec::new(),
        };
        Self(Arc::new(Shelf { store, prefix, created: Mutex::default() }))
    }

    /// Deletes what the check wrote; how many keys could not be deleted.
    pub(crate) fn clear(&self) -> usize {
        let created = self.0.created.lock().unwrap_or_else(PoisonError::into_inner);
        created.iter().filter(|key| !is_deleted(&*self.0.store, key)).count()
    }
}

fn is_deleted(store: &dyn Store, key: &[u8]) -> bool {
    for _ in 0..TRIES {
        match store.load(key) {
            Ok(None) => return true,
            Ok(Some(found)) => {
                let _ = store.swap(key, Write { expected: Some(found.version), new: New::Delete });
            }
            Err(_) => {}
        }
    }
    matches!(store.load(key), Ok(None))
}

impl Shelf {
    fn key(&self, key: &[u8]) -> Vec<u8> {
        let prefixed = [&self.prefix, key].concat();
        debug_assert!(prefixed.len() <= KEY_BYTES_MAX, "a check with long keys takes them as they are");
        prefixed
    }
}

impl Store for Shelf {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        self.store.load(&self.key(key))
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        let key = self.key(key);
        let answer = self.store.swap(&key, write);
        // After the swap, so that racing ones meet in the host; whatever was answered, for an answer may be wrong.
        if write.expected.is_none() {
            self.created.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        answer
    }

    fn durable(&self) -> bool {
        self.store.durable()
    }
}

impl Factory<dyn Store> for Place {
    fn fresh(&self) -> Result<Box<dyn Home<dyn Store>>, StoreError> {
        Ok(Box::new(self.clone()))
    }
}

impl Home<dyn Store> for Place {
    fn open(&self) -> Result<Opened<dyn Store>, StoreError> {
        Ok(Opened::blocking(Arc::clone(&self.0)))
    }
    fn open_second(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        None
    }
    fn reopen(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        None
    }
    fn reopen_killed(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        None
    }
}
