//! Stores that lose what they said is committed, and futures that are not whole.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use mfacore::store::{
    AsyncStore, BoxFuture, Loaded, Memory, New, Store, StoreError, Swapped, Version, Write,
};
use mfacore_conformance::store_suite::{
    Factory, Home, Opened, Outcome, Report, check_async_store, check_store,
};

type Load = Result<Option<Loaded>, StoreError>;
type Swap = Result<Swapped, StoreError>;

fn assert_failed(report: &Report, case: &str, words: &str) {
    match report.outcome(case) {
        Some(Outcome::Failed(reason)) => assert!(reason.contains(words), "{case}: {reason}"),
        _ => panic!("{case} did not catch it:\n{report}"),
    }
}

/// What is left when the store is opened again.
#[derive(Clone, Copy, PartialEq)]
enum Left {
    Everything,
    Nothing,
    AllButDeletes,
    NoAnswer,
}

type Deleted = (Vec<u8>, Version);

/// Keeps its records outside of the handle, as a file would.
#[derive(Clone)]
struct Durable {
    memory: Arc<Memory>,
    deleted: Arc<Mutex<Vec<Deleted>>>,
    left: Left,
}

impl Store for Durable {
    fn load(&self, key: &[u8]) -> Load {
        Store::load(&self.memory, key)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> Swap {
        let swapped = Store::swap(&self.memory, key, write)?;
        if let (New::Delete, Swapped::Committed, Some(version)) = (write.new, swapped, write.expected) {
            self.deleted.lock().expect("a lock").push((key.to_vec(), version));
        }
        Ok(swapped)
    }
    fn durable(&self) -> bool {
        true
    }
}

impl Durable {
    fn new(left: Left) -> Self {
        Self { memory: Arc::default(), deleted: Arc::default(), left }
    }

    fn again(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        match self.left {
            Left::NoAnswer => return None,
            Left::Nothing => return Some(Ok(Opened::blocking(Arc::new(Self::new(self.left))))),
            Left::Everything => {}
            Left::AllButDeletes => {
                for (key, version) in self.deleted.lock().expect("a lock").drain(..) {
                    let write = Write { expected: None, new: New::Record { version, bytes: b"back" } };
                    let _ = Store::swap(&self.memory, &key, write);
                }
            }
        }
        Some(Ok(Opened::blocking(Arc::new(self.clone()))))
    }
}

impl Factory<dyn Store> for Durable {
    fn fresh(&self) -> Result<Box<dyn Home<dyn Store>>, StoreError> {
        Ok(Box::new(Self::new(self.left)))
    }
}

impl Home<dyn Store> for Durable {
    fn open(&self) -> Result<Opened<dyn Store>, StoreError> {
        Ok(Opened::blocking(Arc::new(self.clone())))
    }
    fn open_second(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        Some(Home::open(self))
    }
    fn reopen(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        self.again()
    }
    fn reopen_killed(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        self.again()
    }
}

#[test]
fn what_is_kept_passes() {
    let report = check_store(&Durable::new(Left::Everything));
    report.assert_ok();
    assert_eq!(report.outcome("reopen_keeps"), Some(&Outcome::Passed));
    assert_eq!(report.outcome("kill_keeps"), Some(&Outcome::Passed));
    assert_eq!(report.outcome("scan_resumes"), Some(&Outcome::Skipped("the store has no scan".to_owned())));
}

#[test]
fn what_is_lost_is_caught() {
    for left in [Left::Nothing, Left::AllButDeletes] {
        let report = check_store(&Durable::new(left));
        assert_failed(&report, "reopen_keeps", "after the store was closed and opened again");
        assert_failed(&report, "kill_keeps", "after the process of the store was killed");
    }
}

#[test]
fn a_durable_store_must_be_reopened() {
    let report = check_store(&Durable::new(Left::NoAnswer));
    assert_failed(&report, "reopen_keeps", "Home::reopen is None");
    assert!(matches!(report.outcome("kill_keeps"), Some(Outcome::Skipped(_))));
}

/// Lets other futures run once.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// How the future of a swap goes wrong.
#[derive(Clone, Copy)]
enum Flaw {
    ComparesThenWaits,
    WritesInTwoSteps,
}

struct Futures {
    memory: Memory,
    flaw: Flaw,
}

impl AsyncStore for Futures {
    fn load<'a>(&'a self, key: &'a [u8]) -> BoxFuture<'a, Load> {
        AsyncStore::load(&self.memory, key)
    }
    fn swap<'a>(&'a self, key: &'a [u8], write: Write<'a>) -> BoxFuture<'a, Swap> {
        Box::pin(async move {
            let there = Store::load(&self.memory, key)?.map(|loaded| loaded.version);
            if there != write.expected {
                return Ok(Swapped::Conflict);
            }
            if let (Flaw::WritesInTwoSteps, New::Record { version, bytes }) = (self.flaw, write.new) {
                let half = New::Record { version, bytes: &bytes[..bytes.len() / 2] };
                let _ = Store::swap(&self.memory, key, Write { expected: there, new: half })?;
            }
            Yield::default().await;
            let expected = Store::load(&self.memory, key)?.map(|loaded| loaded.version);
            Store::swap(&self.memory, key, Write { expected, ..write })
        })
    }
    fn durable(&self) -> bool {
        false
    }
}

struct Make(Flaw);

impl Factory<dyn AsyncStore> for Make {
    fn fresh(&self) -> Result<Box<dyn Home<dyn AsyncStore>>, StoreError> {
        Ok(Box::new(Self(self.0)))
    }
}

impl Home<dyn AsyncStore> for Make {
    fn open(&self) -> Result<Opened<dyn AsyncStore>, StoreError> {
        Ok(Opened::nonblocking(Arc::new(Futures { memory: Memory::new(), flaw: self.0 })))
    }
    fn open_second(&self) -> Option<Result<Opened<dyn AsyncStore>, StoreError>> {
        None
    }
    fn reopen(&self) -> Option<Result<Opened<dyn AsyncStore>, StoreError>> {
        None
    }
    fn reopen_killed(&self) -> Option<Result<Opened<dyn AsyncStore>, StoreError>> {
        None
    }
}

#[test]
fn futures_that_compare_and_then_wait_are_caught() {
    assert_failed(&check_async_store(&Make(Flaw::ComparesThenWaits)), "futures_interleave", "of 64 futures");
}

#[test]
fn a_dropped_future_that_wrote_half_is_caught() {
    assert_failed(&check_async_store(&Make(Flaw::WritesInTwoSteps)), "dropped_swap_is_whole", "mixture");
}
