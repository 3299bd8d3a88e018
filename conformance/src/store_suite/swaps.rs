//! Compare-and-swap by one caller.

use mfacore::store::{Store, Swapped::*};

use super::Home;
use super::subject::{Stop, Subject, loaded, require_answer, version};

const KEY: &[u8] = b"alice";

pub(super) fn create_finds_nothing_there(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    store.require_there(KEY, None, "in a new store")?;
    require_answer(store.put(KEY, None, 1)?, Committed, "creating an absent key")?;
    store.require_there(KEY, Some(&loaded(1)), "after it was created")?;
    require_answer(store.put(KEY, None, 2)?, Conflict, "creating a key that is there")?;
    store.require_there(KEY, Some(&loaded(1)), "after a create that conflicted")?;
    require_answer(store.put(KEY, None, 1)?, Conflict, "creating a key again with the version that it has")?;
    store.require_there(b"bob", None, "after another key was created")
}

pub(super) fn stale_version_conflicts(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    require_answer(store.put(KEY, Some(version(1)), 2)?, Conflict, "updating an absent key")?;
    require_answer(store.delete(KEY, Some(version(1)))?, Conflict, "deleting an absent key by version")?;
    store.require_there(KEY, None, "after an update that conflicted")?;
    require_answer(store.put(KEY, None, 1)?, Committed, "creating an absent key")?;
    require_answer(store.put(KEY, Some(version(1)), 2)?, Committed, "updating from the version there")?;
    for stale in [1, 3] {
        let stale = Some(version(stale));
        require_answer(store.put(KEY, stale, 4)?, Conflict, "updating from a version that is not there")?;
        require_answer(store.delete(KEY, stale)?, Conflict, "deleting a version that is not there")?;
        store.require_there(KEY, Some(&loaded(2)), "after swaps that conflicted")?;
    }
    require_answer(store.put(KEY, Some(version(2)), 5)?, Committed, "updating from the version there")?;
    store.require_there(KEY, Some(&loaded(5)), "after an update")
}

pub(super) fn delete_removes(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    require_answer(store.put(KEY, None, 1)?, Committed, "creating an absent key")?;
    require_answer(store.put(b"bob", None, 2)?, Committed, "creating an absent key")?;
    require_answer(store.delete(KEY, None)?, Conflict, "deleting, as absent, a key that is there")?;
    store.require_there(KEY, Some(&loaded(1)), "after a delete that conflicted")?;
    require_answer(store.delete(KEY, Some(version(1)))?, Committed, "deleting the version there")?;
    store.require_there(KEY, None, "after a delete")?;
    require_answer(store.delete(KEY, Some(version(1)))?, Conflict, "deleting a second time")?;
    store.require_there(b"bob", Some(&loaded(2)), "after another key was deleted")
}

/// The engine tells a record from the one that was deleted before it by the version alone.
pub(super) fn recreated_key_is_new(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    for round in 0..5 {
        let number = round * 2;
        require_answer(store.put(KEY, None, number)?, Committed, "creating an absent key")?;
        require_answer(store.delete(KEY, Some(version(number)))?, Committed, "deleting the version there")?;
        let update = store.put(KEY, Some(version(number)), number + 1)?;
        require_answer(update, Conflict, "updating from a version that was deleted")?;
        require_answer(store.put(KEY, None, number + 1)?, Committed, "creating a deleted key again")?;
        for old in 0..=number {
            let old = Some(version(old));
            require_answer(store.put(KEY, old, 100)?, Conflict, "updating from a version before the delete")?;
            require_answer(store.delete(KEY, old)?, Conflict, "deleting a version before the delete")?;
        }
        store.require_there(KEY, Some(&loaded(number + 1)), "after it was created again")?;
        require_answer(
            store.delete(KEY, Some(version(number + 1)))?,
            Committed,
            "deleting the version there",
        )?;
    }
    Ok(())
}
