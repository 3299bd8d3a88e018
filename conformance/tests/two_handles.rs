//! Stores that are right within one handle and wrong across two.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use mfacore::store::{Loaded, Memory, Store, StoreError, Swapped, Write};
use mfacore_conformance::store_suite::{Factory, Home, Opened, Outcome, check_store};

type Load = Result<Option<Loaded>, StoreError>;
type Swap = Result<Swapped, StoreError>;

/// What all handles share.
#[derive(Default)]
struct Storage {
    memory: Memory,
    comparing: AtomicU64,
}

trait Handle: Store + Send + Sync + 'static {
    fn on(storage: Arc<Storage>) -> Self;
}

struct Shared<H> {
    storage: Arc<Storage>,
    handle: PhantomData<H>,
}

impl<H> Default for Shared<H> {
    fn default() -> Self {
        Self { storage: Arc::default(), handle: PhantomData }
    }
}

impl<H: Handle> Factory<dyn Store> for Shared<H> {
    fn fresh(&self) -> Result<Box<dyn Home<dyn Store>>, StoreError> {
        Ok(Box::new(Self::default()))
    }
}

impl<H: Handle> Home<dyn Store> for Shared<H> {
    fn open(&self) -> Result<Opened<dyn Store>, StoreError> {
        Ok(Opened::blocking(Arc::new(H::on(Arc::clone(&self.storage)))))
    }
    fn open_second(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        Some(self.open())
    }
    fn reopen(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        Some(self.open())
    }
    fn reopen_killed(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        Some(self.open())
    }
}

/// Compares and writes under a lock of its own, which no other handle waits for.
struct LocksPerHandle {
    storage: Arc<Storage>,
    lock: Mutex<()>,
}

impl Handle for LocksPerHandle {
    fn on(storage: Arc<Storage>) -> Self {
        Self { storage, lock: Mutex::default() }
    }
}

impl LocksPerHandle {
    fn write_after_comparing(&self, key: &[u8], write: Write<'_>) -> Swap {
        let version = || Store::load(&self.storage.memory, key).map(|there| there.map(|there| there.version));
        if version()? != write.expected {
            return Ok(Swapped::Conflict);
        }
        // Gives the other handle, where there is one, the time to compare.
        (0..200)
            .take_while(|_| self.storage.comparing.load(Ordering::SeqCst) < 2)
            .for_each(|_| thread::yield_now());
        loop {
            let write = Write { expected: version()?, ..write };
            if Store::swap(&self.storage.memory, key, write)? == Swapped::Committed {
                return Ok(Swapped::Committed);
            }
        }
    }
}

impl Store for LocksPerHandle {
    fn load(&self, key: &[u8]) -> Load {
        Store::load(&self.storage.memory, key)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> Swap {
        let _held = self.lock.lock().expect("a lock");
        self.storage.comparing.fetch_add(1, Ordering::SeqCst);
        let swapped = self.write_after_comparing(key, write);
        self.storage.comparing.fetch_sub(1, Ordering::SeqCst);
        swapped
    }
    fn durable(&self) -> bool {
        true
    }
}

/// Swaps as it should, and loads what this handle saw last.
struct CachesPerHandle {
    storage: Arc<Storage>,
    seen: Mutex<HashMap<Vec<u8>, Option<Loaded>>>,
}

impl Handle for CachesPerHandle {
    fn on(storage: Arc<Storage>) -> Self {
        Self { storage, seen: Mutex::default() }
    }
}

impl Store for CachesPerHandle {
    fn load(&self, key: &[u8]) -> Load {
        let mut seen = self.seen.lock().expect("a lock");
        if let Some(seen) = seen.get(key) {
            return Ok(seen.clone());
        }
        let found = Store::load(&self.storage.memory, key)?;
        seen.insert(key.to_vec(), found.clone());
        Ok(found)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> Swap {
        let mut seen = self.seen.lock().expect("a lock");
        seen.remove(key);
        Store::swap(&self.storage.memory, key, write)
    }
    fn durable(&self) -> bool {
        true
    }
}

const OVER_TWO_HANDLES: [&str; 4] = [
    "create_race_over_two_handles",
    "swap_race_over_two_handles",
    "delete_race_over_two_handles",
    "load_sees_every_swap_of_the_other_handle",
];

/// Nothing but cases over two handles fails, and among them are those.
fn assert_caught_by<H: Handle>(cases: &[&str]) {
    let report = check_store(&Shared::<H>::default());
    let failed = |case: &str| matches!(report.outcome(case), Some(Outcome::Failed(_)));
    assert!(cases.iter().all(|case| failed(case)), "{cases:?} did not catch it:\n{report}");
    let others = report.cases.iter().filter(|case| !OVER_TWO_HANDLES.contains(&case.name));
    assert!(others.into_iter().all(|case| !failed(case.name)), "it is wrong within one handle:\n{report}");
}

#[test]
fn a_lock_per_handle_is_caught() {
    assert_caught_by::<LocksPerHandle>(&OVER_TWO_HANDLES[..3]);
}

#[test]
fn a_cache_per_handle_is_caught() {
    assert_caught_by::<CachesPerHandle>(&OVER_TWO_HANDLES[3..]);
}
