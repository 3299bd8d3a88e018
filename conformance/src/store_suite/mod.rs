//! Shows whether a store keeps the rules of [`mfacore::store`], case by case.
//!
//! Whoever writes a store writes a [`Factory`] for it and runs [`check_store`] or [`check_async_store`] in a
//! test. A case that hangs shows a store that hangs.
//!
//! Every case opens one handle, which many threads share. Cases whose names speak of two handles or of the
//! other handle open a second one with [`Home::open_second`]: creates, swaps and deletes that race over both,
//! and loads through one that see every swap committed through the other. A host with several processes
//! relies on them. What is not tested over two handles: scans, reopening, dropped futures.
//!
//! The engine does not need [`Scan`]; a host does that sweeps over all records, to reseal them for instance.
//! A store without it skips the cases of the scan. [`Store::durable`] is read by this suite only, which does
//! not let a durable store skip `reopen_keeps`.
//!
//! ```
//! use std::sync::Arc;
//!
//! use mfacore::store::{Memory, Store, StoreError};
//! use mfacore_conformance::store_suite::{Factory, Home, Opened, check_store};
//!
//! struct InMemory;
//!
//! impl Factory<dyn Store> for InMemory {
//!     fn fresh(&self) -> Result<Box<dyn Home<dyn Store>>, StoreError> {
//!         Ok(Box::new(Self))
//!     }
//! }
//!
//! impl Home<dyn Store> for InMemory {
//!     fn open(&self) -> Result<Opened<dyn Store>, StoreError> {
//!         let store = Arc::new(Memory::new());
//!         Ok(Opened::blocking(Arc::clone(&store)).scanned_by(store))
//!     }
//!     fn open_second(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
//!         None
//!     }
//!     fn reopen(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
//!         None
//!     }
//!     fn reopen_killed(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
//!         None
//!     }
//! }
//!
//! let report = check_store(&InMemory);
//! println!("{report}");
//! report.assert_ok();
//! ```

mod contents;
mod futures;
mod races;
mod reopening;
mod report;
mod scans;
mod subject;
mod swaps;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mfacore::store::{AsyncStore, Scan, Store, StoreError};

pub use report::{Case, Outcome, Report};

use futures::Blocking;
use subject::Stop;

/// Makes stores for the suite; `S` is `dyn Store` or `dyn AsyncStore`.
pub trait Factory<S: ?Sized> {
    /// A place for one store that shares nothing with the stores of other cases.
    fn fresh(&self) -> Result<Box<dyn Home<S>>, StoreError>;
}

/// The place of one store, such as a file or a table.
pub trait Home<S: ?Sized> {
    /// Opens the store, empty. Called once, first.
    fn open(&self) -> Result<Opened<S>, StoreError>;

    /// Opens a second handle on the same storage, with its content as it is, while what [`Home::open`] gave
    /// is still in use; it shares with the first only what two processes would share. `None`: this storage
    /// has just one handle by nature, as memory has, and the cases over two handles are skipped.
    fn open_second(&self) -> Option<Result<Opened<S>, StoreError>>;

    /// Opens the store again, after what [`Home::open`] gave was dropped. `None`: its content ends with it,
    /// which a durable store must not say.
    fn reopen(&self) -> Option<Result<Opened<S>, StoreError>>;

    /// Opens what the store would have left if its process had been killed now, while what [`Home::open`]
    /// gave is still in use, with no call under way: a copy of the files, or a second handle to a server.
    /// `None`: that cannot be shown here.
    fn reopen_killed(&self) -> Option<Result<Opened<S>, StoreError>>;
}

/// A store that was opened, and its scan if it has one.
pub struct Opened<S: ?Sized> {
    store: Arc<S>,
    scan: Option<Arc<dyn Scan + Send + Sync>>,
}

impl<S: ?Sized> fmt::Debug for Opened<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("scans", &self.scan.is_some()).finish_non_exhaustive()
    }
}

impl Opened<dyn Store> {
    /// A store that blocks.
    pub fn blocking(store: Arc<impl Store + 'static>) -> Self {
        Self { store, scan: None }
    }
}

impl Opened<dyn AsyncStore> {
    /// A store that gives futures.
    pub fn nonblocking(store: Arc<impl AsyncStore + 'static>) -> Self {
        Self { store, scan: None }
    }
}

impl<S: ?Sized> Opened<S> {
    /// The same store with its scan, which the suite then tests too.
    #[must_use]
    pub fn scanned_by(self, scan: Arc<impl Scan + Send + Sync + 'static>) -> Self {
        Self { scan: Some(scan), ..self }
    }
}

type Run<S> = fn(&dyn Home<S>) -> Result<(), Stop>;

const CASES: &[(&str, Run<dyn Store>)] = &[
    ("create_finds_nothing_there", swaps::create_finds_nothing_there),
    ("stale_version_conflicts", swaps::stale_version_conflicts),
    ("delete_removes", swaps::delete_removes),
    ("recreated_key_is_new", swaps::recreated_key_is_new),
    ("keys_are_bytes", contents::keys_are_bytes),
    ("values_are_bytes", contents::values_are_bytes),
    ("versions_are_bytes", contents::versions_are_bytes),
    ("create_race", races::create_race),
    ("swap_race", races::swap_race),
    ("delete_race", races::delete_race),
    ("load_sees_every_swap", races::load_sees_every_swap),
    ("create_race_over_two_handles", races::create_race_over_two_handles),
    ("swap_race_over_two_handles", races::swap_race_over_two_handles),
    ("delete_race_over_two_handles", races::delete_race_over_two_handles),
    ("load_sees_every_swap_of_the_other_handle", races::load_sees_every_swap_of_the_other_handle),
    ("scan_is_in_order", scans::scan_is_in_order),
    ("scan_resumes", scans::scan_resumes),
    ("scan_while_written", scans::scan_while_written),
    ("reopen_keeps", reopening::reopen_keeps),
    ("kill_keeps", reopening::kill_keeps),
];

const ASYNC_CASES: &[(&str, Run<dyn AsyncStore>)] = &[
    ("futures_interleave", futures::futures_interleave),
    ("dropped_swap_is_whole", futures::dropped_swap_is_whole),
];

/// Runs every case on a store that blocks.
pub fn check_store(make: &dyn Factory<dyn Store>) -> Report {
    Report { cases: CASES.iter().map(|(name, run)| check(name, || run(&*make.fresh()?))).collect() }
}

/// Runs every case on a store that gives futures, and those that only futures have. The futures are driven
/// without a runtime: a store that needs one enters it by itself.
pub fn check_async_store(make: &dyn Factory<dyn AsyncStore>) -> Report {
    let blocking = CASES.iter().map(|(name, run)| check(name, || run(&Blocking(make.fresh()?))));
    let own = ASYNC_CASES.iter().map(|(name, run)| check(name, || run(&*make.fresh()?)));
    Report { cases: blocking.chain(own).collect() }
}

/// The names of the cases of a store that blocks, in the order in which they run.
pub fn case_names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Runs one case on a store that blocks; `None` where there is none of that name.
pub fn check_store_case(name: &str, make: &dyn Factory<dyn Store>) -> Option<Case> {
    let (name, run) = CASES.iter().find(|(known, _)| *known == name)?;
    Some(check(name, || run(&*make.fresh()?)))
}

fn check(name: &'static str, run: impl FnOnce() -> Result<(), Stop>) -> Case {
    let outcome = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => Outcome::Passed,
        Ok(Err(Stop::Skip(reason))) => Outcome::Skipped(reason),
        Ok(Err(Stop::Fail(reason))) => Outcome::Failed(reason),
        Err(panic) => Outcome::Failed(panic_text(&*panic)),
    };
    Case { name, outcome }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the store panicked: {}", text.unwrap_or("without a text"))
}
