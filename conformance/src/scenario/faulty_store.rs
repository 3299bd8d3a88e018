//! A store that misbehaves on demand, as stores do in production.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use mfacore::store::{AsyncStore, BoxFuture, Loaded, Store, StoreError, Swapped, Write};
use serde::Deserialize;

/// How the next call of its kind goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A load fails.
    LoadFails,
    /// A swap fails, and nothing is written.
    SwapFails,
    /// A swap is written, and reported as failed.
    SwapLandsAndFails,
    /// A swap is reported as a conflict, and nothing is written.
    SwapConflicts,
    /// A swap is written, and reported as a conflict, as by a client library that retries on its own.
    SwapLandsAndConflicts,
    /// A swap works: the fault behind it meets a later one. A call that sends a message writes its budgets before
    /// the user.
    SwapSucceeds,
}

impl Fault {
    fn is_of_load(self) -> bool {
        self == Fault::LoadFails
    }
}

/// `inner`, whose next calls go wrong as [`FaultyStore::inject`] says.
#[derive(Debug)]
pub struct FaultyStore<S> {
    inner: S,
    faults: Mutex<VecDeque<Fault>>,
}

impl<S> FaultyStore<S> {
    /// A store that behaves until told otherwise.
    pub fn new(inner: S) -> Self {
        Self { inner, faults: Mutex::default() }
    }

    /// Makes the next calls go wrong.
    pub fn inject(&self, faults: &[Fault]) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    fn next(&self, of_load: bool) -> Option<Fault> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let at = faults.iter().position(|fault| fault.is_of_load() == of_load)?;
        faults.remove(at)
    }
}

fn failed() -> StoreError {
    StoreError::new("injected by the scenario")
}

impl<S: Store> Store for FaultyStore<S> {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        match self.next(true) {
            Some(_) => Err(failed()),
            None => self.inner.load(key),
        }
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        match self.next(false) {
            None | Some(Fault::LoadFails | Fault::SwapSucceeds) => self.inner.swap(key, write),
            Some(Fault::SwapFails) => Err(failed()),
            Some(Fault::SwapConflicts) => Ok(Swapped::Conflict),
            Some(Fault::SwapLandsAndFails) => self.inner.swap(key, write).and(Err(failed())),
            Some(Fault::SwapLandsAndConflicts) => self.inner.swap(key, write).map(|_| Swapped::Conflict),
        }
    }

    fn durable(&self) -> bool {
        self.inner.durable()
    }
}

impl<S: Store> AsyncStore for FaultyStore<S> {
    fn load<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Result<Option<Loaded>, StoreError>> {
        Box::pin(async move { Store::load(self, key) })
    }

    fn swap<'a>(&'a self, key: &'a [u8], write: Write<'a>) -> BoxFuture<'a, Result<Swapped, StoreError>> {
        Box::pin(async move { Store::swap(self, key, write) })
    }

    fn durable(&self) -> bool {
        Store::durable(self)
    }
}
