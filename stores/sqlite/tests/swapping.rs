//! Group commit, races, limits, and what a closed store keeps.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use mfacore::limits::{KEY_BYTES_MAX, RECORD_BYTES_MAX};
use mfacore::store::{AsyncStore, Loaded, New, Scan, Store, Swapped, Version, Write};
use mfacore_sqlite::{CallError, QUEUE_MAX, Sqlite};
use rusqlite::Connection;

fn new_store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open_path(&folder.path().join("store.db")).expect("a store");
    (folder, store)
}

fn version(number: u64) -> Version {
    let mut version = [0x5a; 16];
    version[8..].copy_from_slice(&number.to_be_bytes());
    Version(version)
}

fn record(expected: Option<Version>, number: u64, bytes: &[u8]) -> Write<'_> {
    Write { expected, new: New::Record { version: version(number), bytes } }
}

fn swap(store: &Sqlite, key: &[u8], write: Write<'_>) -> Swapped {
    Store::swap(store, key, write).expect("a swap")
}

fn load(store: &Sqlite, key: &[u8]) -> Option<Loaded> {
    Store::load(store, key).expect("a load")
}

#[test]
fn a_closed_store_keeps_everything() {
    let (_folder, store) = new_store();
    for number in 0..200_u64 {
        assert_eq!(swap(&store, &number.to_be_bytes(), record(None, number, b"sealed")), Swapped::Committed);
    }
    assert_eq!(
        swap(&store, &7_u64.to_be_bytes(), Write { expected: Some(version(7)), new: New::Delete }),
        Swapped::Committed
    );
    let path = store.path().to_owned();
    drop(store);
    let beside = std::fs::read_dir(path.parent().expect("a folder")).expect("a folder").count();
    assert_eq!(beside, 1, "closing leaves the one file");
    let store = Sqlite::open_path(&path).expect("the store again");
    for number in 0..200_u64 {
        let expected = (number != 7).then(|| Loaded { version: version(number), bytes: b"sealed".to_vec() });
        assert_eq!(load(&store, &number.to_be_bytes()), expected);
    }
    assert_eq!(store.scan(None, 1000).expect("a scan").len(), 199);
}

#[test]
fn of_64_threads_one_wins_each_version() {
    let (_folder, store) = new_store();
    const ROUNDS: u64 = 20;
    let barrier = std::sync::Barrier::new(64);
    let wins = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..64_u64)
            .map(|lane| {
                let (store, barrier) = (&store, &barrier);
                scope.spawn(move || {
                    let mut won = Vec::new();
                    for round in 0..ROUNDS {
                        barrier.wait();
                        let expected = load(store, b"key").map(|loaded| loaded.version);
                        barrier.wait();
                        let write = record(expected, round * 64 + lane, b"sealed");
                        if swap(store, b"key", write) == Swapped::Committed {
                            won.push(round);
                        }
                    }
                    won
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect::<Vec<_>>()
    });
    let mut wins = wins;
    wins.sort_unstable();
    assert_eq!(wins, (0..ROUNDS).collect::<Vec<_>>());
}

fn poll_once<T>(future: std::pin::Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn swaps_that_wait_together_are_one_commit() {
    let (_folder, store) = new_store();
    let other = Connection::open(store.path()).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let keys: Vec<[u8; 8]> = (0..64_u64).map(u64::to_be_bytes).collect();
    let mut swaps: Vec<_> =
        keys.iter().map(|key| AsyncStore::swap(&store, key, record(None, 1, b"sealed"))).collect();
    for swap in &mut swaps {
        assert!(poll_once(swap.as_mut()).is_pending(), "no answer while another process has the lock");
    }
    other.execute_batch("COMMIT").expect("the lock given back");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for swap in swaps {
        assert_eq!(runtime.block_on(swap).expect("a swap"), Swapped::Committed);
    }
    let counts = store.counts();
    assert_eq!((counts.swaps, counts.commits), (64, 1));
}

#[test]
fn swaps_of_one_key_in_one_batch_are_in_order() {
    let (_folder, store) = new_store();
    let other = Connection::open(store.path()).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let delete = |expected| Write { expected, new: New::Delete };
    let writes = [
        (record(None, 1, b"one"), Swapped::Committed),
        (record(None, 2, b"two"), Swapped::Conflict),
        (record(Some(version(1)), 3, b"three"), Swapped::Committed),
        (record(Some(version(1)), 4, b"four"), Swapped::Conflict),
        (delete(None), Swapped::Conflict),
        (delete(Some(version(3))), Swapped::Committed),
        (record(Some(version(3)), 5, b"five"), Swapped::Conflict),
        (delete(None), Swapped::Committed),
        (record(None, 6, b"six"), Swapped::Committed),
    ];
    let mut swaps: Vec<_> =
        writes.iter().map(|(write, _)| AsyncStore::swap(&store, b"key", *write)).collect();
    for swap in &mut swaps {
        assert!(poll_once(swap.as_mut()).is_pending());
    }
    other.execute_batch("COMMIT").expect("the lock given back");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for (swap, (write, expected)) in swaps.into_iter().zip(&writes) {
        assert_eq!(runtime.block_on(swap).expect("a swap"), *expected, "{write:?}");
    }
    assert_eq!(store.counts().commits, 1);
    assert_eq!(load(&store, b"key"), Some(Loaded { version: version(6), bytes: b"six".to_vec() }));
}

#[test]
fn a_batch_that_fails_is_an_error_for_each_of_it_and_the_next_one_works() {
    let (_folder, store) = new_store();
    let other = Connection::open(store.path()).expect("a connection");
    let full = "CREATE TRIGGER refuse BEFORE INSERT ON record WHEN new.key = x'ff' \
                BEGIN SELECT RAISE(ABORT, 'full'); END";
    other.execute_batch(full).expect("a trigger");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let keys: [&[u8]; 3] = [b"before", &[0xff], b"after"];
    let mut swaps = keys.map(|key| AsyncStore::swap(&store, key, record(None, 1, b"sealed")));
    for swap in &mut swaps {
        assert!(poll_once(swap.as_mut()).is_pending());
    }
    other.execute_batch("COMMIT").expect("the lock given back");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for swap in swaps {
        let error = runtime.block_on(swap).expect_err("a swap of a batch that failed");
        assert!(error.to_string().contains("full"), "{error}");
    }
    assert_eq!(store.scan(None, 10).expect("a scan"), Vec::<Vec<u8>>::new());
    assert_eq!(swap(&store, b"before", record(None, 2, b"sealed")), Swapped::Committed);
}

#[test]
fn a_full_queue_is_an_error() {
    let (_folder, store) = new_store();
    let other = Connection::open(store.path()).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let mut refused = 0;
    for number in 0..QUEUE_MAX + 8 {
        let key = number.to_be_bytes();
        let swap = AsyncStore::swap(&store, &key, record(None, 1, b"sealed"));
        if let Poll::Ready(answer) = poll_once(pin!(swap)) {
            let error = answer.expect_err("an answer while the lock is held");
            assert_eq!(error.source().downcast_ref(), Some(&CallError::QueueFull));
            refused += 1;
        }
    }
    assert!((7..=8).contains(&refused), "{refused}: the writer may hold one beside the queue");
    other.execute_batch("COMMIT").expect("the lock given back");
    let path = store.path().to_owned();
    drop(store);
    let store = Sqlite::open_path(&path).expect("the store again");
    let kept = store.scan(None, usize::MAX).expect("a scan").len();
    assert_eq!(kept, QUEUE_MAX + 8 - refused, "what waited when the store was dropped is written");
}

#[test]
fn a_lock_held_for_too_long_is_an_error_and_nothing_is_written() {
    let (_folder, store) = new_store();
    let other = Connection::open(store.path()).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let error = Store::swap(&store, b"key", record(None, 1, b"sealed")).expect_err("a swap under a lock");
    assert_eq!(error.source().downcast_ref(), Some(&CallError::Locked));
    assert_eq!(load(&store, b"key"), None);
    drop(other);
    assert_eq!(swap(&store, b"key", record(None, 1, b"sealed")), Swapped::Committed);
}

#[test]
fn what_passes_a_limit_is_an_error() {
    let (_folder, store) = new_store();
    let (longest, too_long) = (vec![0xff; KEY_BYTES_MAX], vec![0xff; KEY_BYTES_MAX + 1]);
    let (largest, too_large) = (vec![0; RECORD_BYTES_MAX], vec![0; RECORD_BYTES_MAX + 1]);
    assert_eq!(swap(&store, &longest, record(None, 1, &largest)), Swapped::Committed);
    assert_eq!(load(&store, &longest).map(|loaded| loaded.bytes), Some(largest));

    let key = CallError::KeyTooLong { found: KEY_BYTES_MAX + 1 };
    let error = Store::load(&store, &too_long).expect_err("a long key");
    assert_eq!(error.source().downcast_ref(), Some(&key));
    let error = Store::swap(&store, &too_long, record(None, 1, b"")).expect_err("a long key");
    assert_eq!(error.source().downcast_ref(), Some(&key));
    let error = Store::swap(&store, b"key", record(None, 1, &too_large)).expect_err("a large record");
    let large = CallError::RecordTooLong { found: RECORD_BYTES_MAX + 1 };
    assert_eq!(error.source().downcast_ref(), Some(&large));
}

#[test]
fn clones_share_the_store() {
    let (_folder, store) = new_store();
    let clone = store.clone();
    assert_eq!(swap(&store, b"key", record(None, 1, b"sealed")), Swapped::Committed);
    drop(store);
    assert_eq!(load(&clone, b"key").map(|loaded| loaded.version), Some(version(1)));
}
