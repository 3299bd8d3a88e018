//! Callers that race: whoever loses is told so, and nobody sees the past.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use mfacore::store::{Loaded, Store, Swapped, Version};

use super::Home;
use super::subject::{
    AtEnd, LANES, Stop, Subject, join_all, loaded, mismatch, number, panicked, race, require, require_answer,
    version,
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

/// The handle of a lane; each handle has lanes of both parities, which the delete race tells apart.
fn handle(handles: &[Subject], lane: u64) -> &Subject {
    let turn = usize::try_from(lane / 2).unwrap_or(0);
    &handles[turn % handles.len()]
}

fn require_in_each(
    handles: &[Subject],
    key: &[u8],
    expected: Option<&Loaded>,
    when: &str,
) -> Result<(), Stop> {
    handles.iter().try_for_each(|store| store.require_there(key, expected, when))
}

pub(super) fn create_race(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    race_to_create(&[Subject::open(home)?])
}

pub(super) fn create_race_over_two_handles(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    race_to_create(&Subject::open_two(home)?)
}

fn race_to_create(handles: &[Subject]) -> Result<(), Stop> {
    for round in 0..ROUNDS {
        let key = round.to_be_bytes();
        let answers = race(|lane| handle(handles, lane).put(&key, None, round * LANES + lane))?;
        let winner = winner(&answers, "created one key")?;
        let there = loaded(round * LANES + winner);
        require_in_each(handles, &key, Some(&there), "after a race to create it")?;
    }
    Ok(())
}

pub(super) fn swap_race(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    race_to_count(&[Subject::open(home)?])
}

pub(super) fn swap_race_over_two_handles(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    race_to_count(&Subject::open_two(home)?)
}

/// Every thread counts on one key; a count that is lost shows in the sum.
fn race_to_count(handles: &[Subject]) -> Result<(), Stop> {
    let next = AtomicU64::new(0);
    let counted = race(|lane| {
        let mut replaced = Vec::new();
        for _ in 0..ROUNDS {
            replaced.push(count_one(handle(handles, lane), &next)?);
        }
        Ok(replaced)
    })?;
    let replaced: Vec<Option<Version>> = counted.into_iter().flatten().collect();
    let distinct: BTreeSet<Option<Version>> = replaced.iter().copied().collect();
    require(replaced.len() == distinct.len(), || {
        let twice = replaced.len() - distinct.len();
        format!("{twice} of {} swaps replaced a version that another swap had replaced", replaced.len())
    })?;
    for store in handles {
        let last = store.load(b"count")?.map(|loaded| loaded.version);
        require(last.is_some() && !distinct.contains(&last), || {
            let last = last.map_or("none".to_owned(), |last| format!("{last:?}"));
            format!("the version at the end, {last}, is not that of the last swap")
        })?;
    }
    Ok(())
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

pub(super) fn delete_race(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    race_to_delete(&[Subject::open(home)?])
}

pub(super) fn delete_race_over_two_handles(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    race_to_delete(&Subject::open_two(home)?)
}

/// Half of the threads delete, half update, all from the same version.
fn race_to_delete(handles: &[Subject]) -> Result<(), Stop> {
    for round in 0..ROUNDS {
        let key = round.to_be_bytes();
        let first = round * (LANES + 1);
        let create = handle(handles, 0).put(&key, None, first)?;
        require_answer(create, Swapped::Committed, "creating an absent key")?;
        let expected = Some(version(first));
        let answers = race(|lane| match lane % 2 {
            0 => handle(handles, lane).delete(&key, expected),
            _ => handle(handles, lane).put(&key, expected, first + 1 + lane),
        })?;
        let winner = winner(&answers, "deleted or updated one version")?;
        let left = (winner % 2 == 1).then(|| loaded(first + 1 + winner));
        require_in_each(handles, &key, left.as_ref(), "after a race to delete it")?;
    }
    Ok(())
}

pub(super) fn load_sees_every_swap(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    load_after_each_swap(&store, &store)?;
    load_while_swapped(&store, &store)
}

/// Each handle in turn is the one that only loads.
pub(super) fn load_sees_every_swap_of_the_other_handle(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let [one, other] = Subject::open_two(home)?;
    for (writer, reader) in [(&one, &other), (&other, &one)] {
        load_after_each_swap(writer, reader)?;
        load_while_swapped(writer, reader)?;
    }
    Ok(())
}

/// Another thread, which has loaded before, loads after each swap.
fn load_after_each_swap(writer: &Subject, reader: &Subject) -> Result<(), Stop> {
    let (ask, asked) = mpsc::channel();
    let (answer, answered) = mpsc::channel();
    reader.require_there(b"steps", None, "before it was created")?;
    thread::scope(|scope| {
        let loads =
            scope.spawn(move || while asked.recv().is_ok() && answer.send(reader.load(b"steps")).is_ok() {});
        let mut there = None;
        for step in 0..ROUNDS {
            require_answer(writer.put(b"steps", there, step)?, Swapped::Committed, "an undisturbed swap")?;
            there = Some(version(step));
            reader.require_there(b"steps", Some(&loaded(step)), "after a swap, on the same thread")?;
            let found = match ask.send(()).map(|()| answered.recv()) {
                Ok(Ok(found)) => found?,
                _ => break,
            };
            let expected = loaded(step);
            require(found.as_ref() == Some(&expected), || {
                let mismatch = mismatch(found.as_ref(), Some(&expected));
                format!("after a swap was committed, a load on another thread gave {mismatch}")
            })?;
        }
        drop(ask);
        loads.join().map_err(panicked)?;
        require_answer(writer.delete(b"steps", there)?, Swapped::Committed, "an undisturbed delete")?;
        reader.require_there(b"steps", None, "after it was deleted")
    })
}

const ENDED: u64 = u64::MAX;

/// A load that starts after a swap was committed gives that swap or a later one.
fn load_while_swapped(writer: &Subject, reader: &Subject) -> Result<(), Stop> {
    const STEPS: u64 = ROUNDS * 5;
    require_answer(writer.put(b"live", None, 0)?, Swapped::Committed, "creating an absent key")?;
    let committed = AtomicU64::new(0);
    thread::scope(|scope| {
        let readers: Vec<_> = (1..LANES).map(|_| scope.spawn(|| follow(reader, &committed))).collect();
        let end = AtEnd(|| committed.store(ENDED, Ordering::SeqCst));
        let written = (1..=STEPS).try_for_each(|step| {
            let swapped = writer.put(b"live", Some(version(step - 1)), step)?;
            require_answer(swapped, Swapped::Committed, "an undisturbed swap")?;
            committed.store(step, Ordering::SeqCst);
            Ok(())
        });
        drop(end);
        let read = join_all(readers);
        written.and(read.map(drop))
    })?;
    let delete = writer.delete(b"live", Some(version(STEPS)))?;
    require_answer(delete, Swapped::Committed, "an undisturbed delete")
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
