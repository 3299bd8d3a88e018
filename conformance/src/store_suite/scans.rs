//! The scan: every steady key once, in byte order, whatever others write meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mfacore::store::{Store, Swapped, Swapped::*};

use super::Home;
use super::subject::{AtEnd, Stop, Subject, join_all, require, require_answer, version};

fn create(store: &Subject, keys: &[Vec<u8>]) -> Result<(), Stop> {
    keys.iter()
        .try_for_each(|key| require_answer(store.put(key, None, 0)?, Committed, "creating an absent key"))
}

/// Every page until one is short; the keys must ascend over all of them.
fn scan_all(store: &Subject, limit: usize) -> Result<Vec<Vec<u8>>, Stop> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    loop {
        let page = store.page(keys.last().map(Vec::as_slice), limit)?;
        require(page.len() <= limit, || format!("a page of {limit} keys has {}", page.len()))?;
        let is_last = page.len() < limit;
        for key in page {
            require(keys.last().is_none_or(|last| *last < key), || {
                format!("the scan lists {} after a key that sorts after it or is it", key.escape_ascii())
            })?;
            keys.push(key);
        }
        if is_last {
            return Ok(keys);
        }
    }
}

fn require_same(found: &[Vec<u8>], expected: &[Vec<u8>], what: &str) -> Result<(), Stop> {
    let missing = expected.iter().find(|key| !found.contains(key));
    let extra = found.iter().find(|key| !expected.contains(key));
    require(missing.is_none(), || {
        format!("{what} leaves out {}", missing.map_or(String::new(), |key| key.escape_ascii().to_string()))
    })?;
    require(extra.is_none(), || {
        format!("{what} lists {}", extra.map_or(String::new(), |key| key.escape_ascii().to_string()))
    })?;
    require(found.len() == expected.len(), || format!("{what} lists a key twice"))
}

pub(super) fn scan_is_in_order(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    require_same(&scan_all(&store, 10)?, &[], "the scan of an empty store")?;
    let mut keys: Vec<Vec<u8>> = [
        &b"b"[..],
        b"a",
        b"B",
        b"\xff",
        b"\0",
        b"a\0",
        b"a\xff",
        b"aa",
        b"a ",
        b"\x7f",
        b"\x80",
        b"10",
        b"9",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    create(&store, &keys)?;
    keys.sort_unstable();
    for limit in 1..=keys.len() + 1 {
        require_same(&scan_all(&store, limit)?, &keys, &format!("the scan in pages of {limit}"))?;
    }
    let deleted = keys.remove(3);
    require_answer(store.delete(&deleted, Some(version(0)))?, Committed, "deleting the version there")?;
    require_same(&scan_all(&store, 4)?, &keys, "the scan after a delete")
}

/// From any key, one that is not there included.
pub(super) fn scan_resumes(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    let keys: Vec<Vec<u8>> = (0..50_u8).map(|number| vec![b'k', number * 2]).collect();
    create(&store, &keys)?;
    for after in 0..=100_u8 {
        let after = vec![b'k', after];
        let expected: Vec<Vec<u8>> = keys.iter().filter(|key| **key > after).take(7).cloned().collect();
        let what = format!("a page after {}", after.escape_ascii());
        require_same(&store.page(Some(&after), 7)?, &expected, &what)?;
    }
    Ok(())
}

fn steady() -> Vec<Vec<u8>> {
    (0..100_u8).map(|number| vec![b'k', number]).collect()
}

pub(super) fn scan_while_written(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    let steady = steady();
    store.page(None, 1)?;
    create(&store, &steady)?;
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers = [scope.spawn(|| come_and_go(&store, &ended)), scope.spawn(|| update(&store, &ended))];
        let end = AtEnd(|| ended.store(true, Ordering::SeqCst));
        let scanned = (0..20).try_for_each(|_| {
            let found = scan_all(&store, 7)?;
            let found: Vec<Vec<u8>> = found.into_iter().filter(|key| key.len() == 2).collect();
            require_same(&found, &steady, "the scan of a store that is written to")
        });
        drop(end);
        let written = join_all(writers);
        scanned.and(written.map(drop))
    })
}

/// Keys between the steady ones, which a scan may list or not.
fn come_and_go(store: &Subject, ended: &AtomicBool) -> Result<(), Stop> {
    for round in 0.. {
        for key in steady().iter_mut().step_by(9) {
            key.extend_from_slice(b"guest");
            let answer: Swapped = match round % 2 {
                0 => store.put(key, None, 0)?,
                _ => store.delete(key, Some(version(0)))?,
            };
            require_answer(answer, Committed, "an undisturbed swap while others scan")?;
            if ended.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn update(store: &Subject, ended: &AtomicBool) -> Result<(), Stop> {
    for round in 0.. {
        for key in steady().iter().step_by(5) {
            let answer = store.put(key, Some(version(round)), round + 1)?;
            require_answer(answer, Committed, "an undisturbed swap while others scan")?;
            if ended.load(Ordering::SeqCst) {
                return Ok(());
            }
        }
    }
    Ok(())
}
