//! A store in memory with one thing wrong.

use std::sync::Arc;

use mfacore::store::{Loaded, Memory, Scan, Store, StoreError, Swapped, Write};
use mfacore_conformance::store_suite::{Factory, Home, Opened};

pub type Load = Result<Option<Loaded>, StoreError>;
pub type Swap = Result<Swapped, StoreError>;
pub type Page = Result<Vec<Vec<u8>>, StoreError>;

/// What is wrong: each method does what the store should unless it is replaced.
pub trait Twist: Default + Send + Sync + 'static {
    fn load(&self, memory: &Memory, key: &[u8]) -> Load {
        Store::load(memory, key)
    }
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        Store::swap(memory, key, write)
    }
    fn scan(&self, memory: &Memory, after: Option<&[u8]>, limit: usize) -> Page {
        memory.scan(after, limit)
    }
}

#[derive(Default)]
pub struct Twisted<T> {
    memory: Memory,
    twist: T,
}

impl<T: Twist> Store for Twisted<T> {
    fn load(&self, key: &[u8]) -> Load {
        self.twist.load(&self.memory, key)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> Swap {
        self.twist.swap(&self.memory, key, write)
    }
    fn durable(&self) -> bool {
        false
    }
}

impl<T: Twist> Scan for Twisted<T> {
    fn scan(&self, after: Option<&[u8]>, limit: usize) -> Page {
        self.twist.scan(&self.memory, after, limit)
    }
}

/// Makes the same store for every case.
pub struct Make<T>(pub fn() -> T);

impl<T: Store + Scan + Send + Sync + 'static> Factory<dyn Store> for Make<T> {
    fn fresh(&self) -> Result<Box<dyn Home<dyn Store>>, StoreError> {
        Ok(Box::new(Self(self.0)))
    }
}

impl<T: Store + Scan + Send + Sync + 'static> Home<dyn Store> for Make<T> {
    fn open(&self) -> Result<Opened<dyn Store>, StoreError> {
        let store = Arc::new(self.0());
        Ok(Opened::blocking(Arc::clone(&store)).scanned_by(store))
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
