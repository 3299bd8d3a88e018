//! Stores that give futures: as stores that block, and what only futures can do.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use mfacore::store::{AsyncStore, BoxFuture, Loaded, New, Store, StoreError, Swapped, Version, Write};

use super::subject::{Stop, bytes, loaded, number, require, require_answer, version};
use super::{Home, Opened};

/// A home, or a store, whose futures are waited for.
pub(super) struct Blocking<T>(pub(super) T);

fn waited_for(opened: Opened<dyn AsyncStore>) -> Opened<dyn Store> {
    Opened { store: Arc::new(Blocking(opened.store)), scan: opened.scan }
}

impl Home<dyn Store> for Blocking<Box<dyn Home<dyn AsyncStore>>> {
    fn open(&self) -> Result<Opened<dyn Store>, StoreError> {
        self.0.open().map(waited_for)
    }

    fn open_second(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        self.0.open_second().map(|opened| opened.map(waited_for))
    }

    fn reopen(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        self.0.reopen().map(|opened| opened.map(waited_for))
    }

    fn reopen_killed(&self) -> Option<Result<Opened<dyn Store>, StoreError>> {
        self.0.reopen_killed().map(|opened| opened.map(waited_for))
    }
}

impl Store for Blocking<Arc<dyn AsyncStore>> {
    fn load(&self, key: &[u8]) -> Result<Option<Loaded>, StoreError> {
        pollster::block_on(self.0.load(key))
    }

    fn swap(&self, key: &[u8], write: Write<'_>) -> Result<Swapped, StoreError> {
        pollster::block_on(self.0.swap(key, write))
    }

    fn durable(&self) -> bool {
        self.0.durable()
    }
}

fn record(expected: Option<Version>, number: u64, bytes: &[u8]) -> Write<'_> {
    Write { expected, new: New::Record { version: version(number), bytes } }
}

type Swapping<'a> = BoxFuture<'a, Result<Swapped, StoreError>>;

/// Polls all of them on this thread until each has its answer.
fn wait_for_all(mut swaps: Vec<Swapping<'_>>) -> Result<Vec<Swapped>, StoreError> {
    let mut answers: Vec<Option<Result<Swapped, StoreError>>> = swaps.iter().map(|_| None).collect();
    pollster::block_on(poll_fn(|context| {
        for (swap, answer) in swaps.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(ready) = swap.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    }));
    answers.into_iter().flatten().collect()
}

/// Many swaps of one key wait at once on one thread; one of them wins.
pub(super) fn futures_interleave(home: &dyn Home<dyn AsyncStore>) -> Result<(), Stop> {
    let store = home.open()?.store;
    let contents: Vec<Vec<u8>> = (0..64).map(bytes).collect();
    let creates = (0..).zip(&contents).map(|(number, bytes)| store.swap(b"key", record(None, number, bytes)));
    let answers = wait_for_all(creates.collect())?;
    let winners: Vec<u64> = (0..)
        .zip(&answers)
        .filter(|(_, answer)| **answer == Swapped::Committed)
        .map(|(lane, _)| lane)
        .collect();
    let [winner] = winners.as_slice() else {
        return Err(Stop::Fail(format!("{} of 64 futures created one key, instead of one", winners.len())));
    };
    let found = pollster::block_on(store.load(b"key"))?;
    require(found == Some(loaded(*winner)), || {
        format!("the key holds {found:?} and not what the winner wrote")
    })
}

/// A swap that is dropped half-way has written all or nothing, perhaps a little later, and hinders no other.
pub(super) fn dropped_swap_is_whole(home: &dyn Home<dyn AsyncStore>) -> Result<(), Stop> {
    let store = home.open()?.store;
    for round in 0..40_u64 {
        let (first, dropped, last) = (round * 3, round * 3 + 1, round * 3 + 2);
        let key = round.to_be_bytes();
        let create = pollster::block_on(store.swap(&key, record(None, first, &bytes(first))))?;
        require_answer(create, Swapped::Committed, "creating an absent key")?;
        {
            let content = bytes(dropped);
            let mut swap = store.swap(&key, record(Some(version(first)), dropped, &content));
            if round % 4 != 0 {
                let _ = swap.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            }
        }
        let mut answer = Swapped::Conflict;
        let mut tries = 0;
        while answer == Swapped::Conflict {
            tries += 1;
            let found = pollster::block_on(store.load(&key))?;
            let there = found.as_ref().map(number).transpose()?;
            require(there == Some(first) || there == Some(dropped), || {
                format!("after a dropped swap from {first} to {dropped} the key holds {there:?}")
            })?;
            require(tries <= 2, || "a dropped swap made two later swaps conflict".to_owned())?;
            let content = bytes(last);
            answer = pollster::block_on(
                store.swap(&key, record(found.map(|found| found.version), last, &content)),
            )?;
        }
        let found = pollster::block_on(store.load(&key))?;
        require(found == Some(loaded(last)), || format!("after a later swap the key holds {found:?}"))?;
    }
    Ok(())
}
