//! Callers that race: whoever loses is told so, and nobody sees the past.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use mfacore::store::{Store, Swapped, Version};

use super::Home;
use super::subject::{
    AtEnd, LANES, Stop, Subject, join_all, loaded, number, panicked, race, require, require_answer, version,
};

const ROUNDS: u64 = 40;
/// Conflicts in a row after which a store is taken for one that never commits.
const TRIES_MAX: u32 = 10_000;

fn winner(answers: &[Swapped], of: &str) -> Result<u64, Stop> {
    let winners: Vec<u64> = (0..)
        .zip(answers)
        .filter(|(_, answer)| **answer == Swapped::Committed)
        .map(|(lane, _)| lane)
        .collect();
    match winners.as_slice() {
        [winner] => Ok(*winner),
        others => Err(Stop::Fail(format!("{} of {LANES} threads {of}, instead of one", others.len()))),
    }
}

pub(super) fn create_race(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    for round in 0..ROUNDS {
        let key = round.to_be_bytes();
        let answers = race(|lane| store.put(&key, None, round * LANES + lane))?;
        let winner = winner(&answers, "created one key")?;
        store.require_there(&key, Some(&loaded(round * LANES + winner)), "after a race to create it")?;
    }
    Ok(())
}

/// Every thread counts on one key; a count that is lost shows in the sum.
pub(super) fn swap_race(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    let next = AtomicU64::new(0);
    let counted = race(|_| {
        let mut replaced = Vec::new();
        for _ in 0..ROUNDS {
            replaced.push(count_one(&store, &next)?);
        }
        Ok(replaced)
    })?;
    let replaced: Vec<Option<Version>> = counted.into_iter().flatten().collect();
    let distinct: BTreeSet<Option<Version>> = replaced.iter().copied().collect();
    require(replaced.len() == distinct.len(), || {
        let twice = replaced.len() - distinct.len();
        format!("{twice} of {} swaps replaced a version that another swap had replaced", replaced.len())
    })?;
    let last = store.load(b"count")?.map(|loaded| loaded.version);
    require(last.is_some() && !distinct.contains(&last), || {
        format!("the version at the end, {last:?}, is not that of the last swap")
    })
}

/// Swaps once from whatever is there, and gives the version that was replaced.
fn count_one(store: &Subject, next: &AtomicU64) -> Result<Option<Version>, Stop> {
    for _ in 0..TRIES_MAX {
        let there = store.load(b"count")?;
        if let Some(found) = &there {
            number(found)?;
        }
        let expected = there.map(|found| found.version);
        if store.put(b"count", expected, next.fetch_add(1, Ordering::Relaxed))? == Swapped::Committed {
            return Ok(expected);
        }
    }
    Err(Stop::Fail(format!("{TRIES_MAX} swaps in a row conflicted, each from the version just loaded")))
}

/// Half of the threads delete, half update, all from the same version.
pub(super) fn delete_race(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    for round in 0..ROUNDS {
        let key = round.to_be_bytes();
        let first = round * (LANES + 1);
        require_answer(store.put(&key, None, first)?, Swapped::Committed, "creating an absent key")?;
        let expected = Some(version(first));
        let answers = race(|lane| match lane % 2 {
            0 => store.delete(&key, expected),
            _ => store.put(&key, expected, first + 1 + lane),
        })?;
        let winner = winner(&answers, "deleted or updated one version")?;
        let left = (winner % 2 == 1).then(|| loaded(first + 1 + winner));
        store.require_there(&key, left.as_ref(), "after a race to delete it")?;
    }
    Ok(())
}

pub(super) fn load_sees_every_swap(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    load_after_each_swap(&store)?;
    load_while_swapped(&store)
}

/// Another thread, which has loaded before, loads after each swap.
fn load_after_each_swap(store: &Subject) -> Result<(), Stop> {
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    thread::scope(|scope| {
        let reader =
            scope.spawn(move || while asked.recv().is_ok() && answer.send(store.load(b"steps")).is_ok() {});
        let mut there = None;
        for step in 0..ROUNDS {
            require_answer(store.put(b"steps", there, step)?, Swapped::Committed, "an undisturbed swap")?;
            there = Some(version(step));
            store.require_there(b"steps", Some(&loaded(step)), "after a swap, on the same thread")?;
            let found = match ask.send(()).map(|()| answered.recv()) {
                Ok(Ok(found)) => found?,
                _ => break,
            };
            require(found == Some(loaded(step)), || {
                format!("a load on another thread gave {found:?} after {:?} was committed", version(step))
            })?;
        }
        drop(ask);
        reader.join().map_err(panicked)
    })
}

const ENDED: u64 = u64::MAX;

/// A load that starts after a swap was committed gives that swap or a later one.
fn load_while_swapped(store: &Subject) -> Result<(), Stop> {
    require_answer(store.put(b"live", None, 0)?, Swapped::Committed, "creating an absent key")?;
    let committed = AtomicU64::new(0);
    thread::scope(|scope| {
        let readers: Vec<_> = (1..LANES).map(|_| scope.spawn(|| follow(store, &committed))).collect();
        let end = AtEnd(|| committed.store(ENDED, Ordering::SeqCst));
        let written = (1..=ROUNDS * 5).try_for_each(|step| {
            let swapped = store.put(b"live", Some(version(step - 1)), step)?;
            require_answer(swapped, Swapped::Committed, "an undisturbed swap")?;
            committed.store(step, Ordering::SeqCst);
            Ok(())
        });
        drop(end);
        let read = join_all(readers);
        written.and(read.map(drop))
    })
}

fn follow(store: &Subject, committed: &AtomicU64) -> Result<(), Stop> {
    let mut least = 0;
    loop {
        let floor = committed.load(Ordering::SeqCst);
        if floor == ENDED {
            return Ok(());
        }
        least = least.max(floor);
        let Some(found) = store.load(b"live")? else {
            return Err(Stop::Fail("a load found nothing while the key was swapped".to_owned()));
        };
        let found = number(&found)?;
        require(found >= least, || format!("a load gave write {found} after write {least} was committed"))?;
        least = found;
    }
}
