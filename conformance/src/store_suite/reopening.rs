//! What a store says is committed is there the next time.

use mfacore::store::{Store, Swapped::*};

use super::subject::{Stop, Subject, loaded, race, require_answer, version};
use super::{Home, Opened};

const KEYS: u64 = 20;

fn key(lane: u64, number: u64) -> [u8; 2] {
    [u8::try_from(lane).unwrap_or(u8::MAX), u8::try_from(number).unwrap_or(u8::MAX)]
}

/// On every lane keys that are created, updated and, every third, deleted.
fn write(store: &Subject) -> Result<(), Stop> {
    race(|lane| {
        for number in 0..KEYS {
            let key = key(lane, number);
            require_answer(store.put(&key, None, number)?, Committed, "creating an absent key")?;
            let update = store.put(&key, Some(version(number)), number + KEYS)?;
            require_answer(update, Committed, "updating from the version there")?;
            if number % 3 == 0 {
                let delete = store.delete(&key, Some(version(number + KEYS)))?;
                require_answer(delete, Committed, "deleting the version there")?;
            }
        }
        Ok(())
    })
    .map(drop)
}

fn require_kept(store: &Subject, when: &str) -> Result<(), Stop> {
    race(|lane| {
        for number in 0..KEYS {
            let key = key(lane, number);
            let there = (number % 3 != 0).then(|| loaded(number + KEYS));
            store.require_there(&key, there.as_ref(), when)?;
            require_answer(
                store.put(&key, Some(version(number)), 100)?,
                Conflict,
                "updating from a stale version",
            )?;
            let update = store.put(&key, there.map(|there| there.version), 101)?;
            require_answer(update, Committed, "updating what was found")?;
        }
        Ok(())
    })
    .map(drop)
}

pub(super) fn reopen_keeps(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    write(&store)?;
    let durable = store.store.durable();
    drop(store);
    require_kept(&again(home.reopen(), durable, "reopen")?, "after the store was closed and opened again")
}

pub(super) fn kill_keeps(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    write(&store)?;
    let killed = again(home.reopen_killed(), false, "reopen_killed")?;
    require_kept(&killed, "after the process of the store was killed")
}

fn again(
    opened: Option<Result<Opened<dyn Store>, mfacore::store::StoreError>>,
    durable: bool,
    method: &str,
) -> Result<Subject, Stop> {
    match opened {
        Some(opened) => Ok(opened?.into()),
        None if durable => {
            Err(Stop::Fail(format!("the store says that it is durable, and Home::{method} is None")))
        }
        None => Err(Stop::Skip(format!("Home::{method} is None"))),
    }
}
