//! The store under test, with the steps that cases are made of.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread::{self, ScopedJoinHandle};

use mfacore::store::{Loaded, New, Scan, Store, StoreError, Swapped, Version, Write};

use super::{Home, Opened, panic_text};

/// Threads in a race.
pub(super) const LANES: u64 = 8;

/// Why a case does not go on.
pub(super) enum Stop {
    Skip(String),
    Fail(String),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Fail(gave(&error))
    }
}

fn gave(error: &StoreError) -> String {
    format!("the store gave an error: {error}")
}

/// One call of the store, whose error or panic then says what was being done.
fn attempt<T>(
    call: impl FnOnce() -> Result<T, StoreError>,
    doing: impl FnOnce() -> String,
) -> Result<T, Stop> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(given)) => Ok(given),
        Ok(Err(error)) => Err(Stop::Fail(format!("{}: {}", doing(), gave(&error)))),
        Err(panic) => Err(Stop::Fail(format!("{}: {}", doing(), panic_text(&*panic)))),
    }
}

/// A key with its length, which is what some stores stumble over.
pub(super) fn shown(key: &[u8]) -> String {
    format!("{} of {} bytes", key.escape_ascii(), key.len())
}

/// What was found, as against what should be there, in words: "nothing and not ..".
pub(super) fn mismatch(found: Option<&Loaded>, expected: Option<&Loaded>) -> String {
    match (found, expected) {
        (Some(found), Some(expected)) if found.version == expected.version => {
            let same =
                found.bytes.iter().zip(&expected.bytes).take_while(|(one, other)| one == other).count();
            let (found, expected) = (found.bytes.len(), expected.bytes.len());
            format!(
                "the version expected with {found} bytes for {expected}, of which the first {same} are right"
            )
        }
        _ => format!("{} and not {}", described(found), described(expected)),
    }
}

fn described(found: Option<&Loaded>) -> String {
    let described = |found: &Loaded| format!("version {:?} with {} bytes", found.version, found.bytes.len());
    found.map_or("nothing".to_owned(), described)
}

/// Fails the case unless `holds`.
pub(super) fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(Stop::Fail(otherwise())) }
}

/// The version of the write with that number, different for each.
pub(super) fn version(number: u64) -> Version {
    // An odd factor keeps distinct numbers distinct and gives each byte of the version something to do.
    let spread = (u128::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Version(spread.to_be_bytes())
}

/// The bytes of the write with that number, about as long as a record.
pub(super) fn bytes(number: u64) -> Vec<u8> {
    number.to_be_bytes().repeat(60)
}

/// The write with that number, as it is loaded.
pub(super) fn loaded(number: u64) -> Loaded {
    Loaded { version: version(number), bytes: bytes(number) }
}

/// The number of the write that was loaded; a record that no write made is a failure.
pub(super) fn number(found: &Loaded) -> Result<u64, Stop> {
    let number = found.bytes.first_chunk().map_or(0, |first| u64::from_be_bytes(*first));
    require(*found == loaded(number), || {
        format!("a load gave a mixture of two writes: version {:?} with other bytes", found.version)
    })?;
    Ok(number)
}

pub(super) struct Subject {
    pub(super) store: Arc<dyn Store>,
    scan: Option<Arc<dyn Scan + Send + Sync>>,
}

impl From<Opened<dyn Store>> for Subject {
    fn from(opened: Opened<dyn Store>) -> Self {
        Self { store: opened.store, scan: opened.scan }
    }
}

impl Subject {
    pub(super) fn open(home: &dyn Home<dyn Store>) -> Result<Self, Stop> {
        Ok(home.open()?.into())
    }

    /// Two handles on one storage; a storage that has just one skips the case.
    pub(super) fn open_two(home: &dyn Home<dyn Store>) -> Result<[Self; 2], Stop> {
        let first = Self::open(home)?;
        match home.open_second() {
            Some(Ok(second)) => Ok([first, second.into()]),
            Some(Err(error)) => Err(Stop::Fail(format!("opening a second handle: {}", gave(&error)))),
            None => Err(Stop::Skip("Home::open_second is None: the storage has just one handle".to_owned())),
        }
    }

    pub(super) fn load(&self, key: &[u8]) -> Result<Option<Loaded>, Stop> {
        attempt(|| self.store.load(key), || format!("load with a key of {} bytes", key.len()))
    }

    /// Writes the record with that number.
    pub(super) fn put(&self, key: &[u8], expected: Option<Version>, number: u64) -> Result<Swapped, Stop> {
        self.put_as(key, expected, version(number), &bytes(number))
    }

    pub(super) fn put_as(
        &self,
        key: &[u8],
        expected: Option<Version>,
        version: Version,
        bytes: &[u8],
    ) -> Result<Swapped, Stop> {
        let write = Write { expected, new: New::Record { version, bytes } };
        attempt(
            || self.store.swap(key, write),
            || format!("swap with a key of {} bytes and a value of {} bytes", key.len(), bytes.len()),
        )
    }

    pub(super) fn delete(&self, key: &[u8], expected: Option<Version>) -> Result<Swapped, Stop> {
        attempt(
            || self.store.swap(key, Write { expected, new: New::Delete }),
            || format!("delete with a key of {} bytes", key.len()),
        )
    }

    /// One page of the scan; a store without one skips the case.
    pub(super) fn page(&self, after: Option<&[u8]>, limit: usize) -> Result<Vec<Vec<u8>>, Stop> {
        let Some(scan) = &self.scan else {
            return Err(Stop::Skip("the store has no scan".to_owned()));
        };
        attempt(
            || scan.scan(after, limit),
            || match after {
                Some(after) => format!("scan of {limit} keys after a key of {} bytes", after.len()),
                None => format!("scan of the first {limit} keys"),
            },
        )
    }

    /// Fails unless the key holds exactly that.
    pub(super) fn require_there(
        &self,
        key: &[u8],
        expected: Option<&Loaded>,
        when: &str,
    ) -> Result<(), Stop> {
        let found = self.load(key)?;
        require(found.as_ref() == expected, || {
            format!("{when}: the key {} holds {}", shown(key), mismatch(found.as_ref(), expected))
        })
    }
}

/// Fails unless the store answered in that way.
pub(super) fn require_answer(answer: Swapped, expected: Swapped, of: &str) -> Result<(), Stop> {
    require(answer == expected, || format!("{of} was answered with {answer:?} and not {expected:?}"))
}

/// Runs the same on every lane at once and gives what each lane gave.
pub(super) fn race<T: Send>(run: impl Fn(u64) -> Result<T, Stop> + Sync) -> Result<Vec<T>, Stop> {
    let start = Barrier::new(usize::try_from(LANES).unwrap_or(1));
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let (run, start) = (&run, &start);
                scope.spawn(move || {
                    start.wait();
                    run(lane)
                })
            })
            .collect();
        join_all(lanes)
    })
}

/// Waits for every thread before it looks at the first failure: a scope passes on the panic of one left
/// unjoined.
pub(super) fn join_all<'scope, T>(
    threads: impl IntoIterator<Item = Joining<'scope, T>>,
) -> Result<Vec<T>, Stop> {
    let ended: Vec<_> = threads.into_iter().map(ScopedJoinHandle::join).collect();
    ended.into_iter().map(|ended| ended.map_err(panicked)?).collect()
}

type Joining<'scope, T> = ScopedJoinHandle<'scope, Result<T, Stop>>;

/// Runs when it goes out of scope, after a panic too, so that the threads of a case end with it.
pub(super) struct AtEnd<F: Fn()>(pub(super) F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        self.0();
    }
}

/// A panic of the store on a thread of the case.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Stop {
    Stop::Fail(panic_text(&*panic))
}
