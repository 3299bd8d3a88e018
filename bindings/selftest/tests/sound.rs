//! A sound store passes, leaves nothing behind, and is called as the header says.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::thread::{self, ThreadId};

use mfacore::store::{Memory, Scan, Write};
use mfacore_selftest::selftest::{
    MFACORE_SELFTEST_MANY_THREADS, MFACORE_SELFTEST_ONE_THREAD, MFACORE_SELFTEST_PASSED,
};
use support::{Answer, Host, selftest, table};

/// Sound, and notes who called and with which keys.
#[derive(Default)]
struct Sound {
    memory: Memory,
    callers: Mutex<BTreeSet<String>>,
    keys: Mutex<BTreeSet<Vec<u8>>>,
}

/// `ThreadId` has no order.
fn named(thread: ThreadId) -> String {
    format!("{thread:?}")
}

impl Sound {
    fn note(&self, key: &[u8]) {
        self.callers.lock().unwrap().insert(named(thread::current().id()));
        self.keys.lock().unwrap().insert(key.to_vec());
    }
}

impl Host for Sound {
    fn memory(&self) -> &Memory {
        &self.memory
    }
    fn load(&self, key: &[u8]) -> Answer {
        self.note(key);
        Plain(&self.memory).load(key)
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        self.note(key);
        Plain(&self.memory).swap(key, write)
    }
}

struct Plain<'a>(&'a Memory);

impl Host for Plain<'_> {
    fn memory(&self) -> &Memory {
        self.0
    }
}

#[test]
fn a_sound_store_passes_under_many_threads() {
    let host = Sound::default();
    let table = table(&host);
    let given = selftest(&raw const table, MFACORE_SELFTEST_MANY_THREADS);
    assert_eq!(given.result, MFACORE_SELFTEST_PASSED, "{given:?}");
    assert_eq!(given.error, None);
    let expected = "\
mfacore self-test of a store. Each key begins with mfacore-selftest/NAME OF THE CHECK/, which is
left away below and not counted; the keys of keys_are_bytes are as they are.
ok        create_finds_nothing_there
ok        stale_version_conflicts
ok        delete_removes
ok        recreated_key_is_new
ok        keys_are_bytes
ok        values_are_bytes
ok        versions_are_bytes
ok        create_race
ok        swap_race
ok        delete_race
ok        load_sees_every_swap
11 ok, 0 failed, 0 left out
Not checked: a loss of power, a restart, replicas, a second connection.
";
    assert_eq!(given.report(), expected);
    assert!(host.callers.lock().unwrap().len() >= 8);
    assert_eq!(host.memory.scan(None, 10).unwrap(), Vec::<Vec<u8>>::new(), "nothing is left behind");
}

#[test]
fn one_thread_is_the_calling_one_and_races_are_left_out() {
    let host = Sound::default();
    let table = table(&host);
    let given = selftest(&raw const table, MFACORE_SELFTEST_ONE_THREAD);
    assert_eq!(given.result, MFACORE_SELFTEST_PASSED, "{given:?}");
    for check in ["create_race", "swap_race", "delete_race", "load_sees_every_swap"] {
        let left_out = format!("left out  {check}: it needs several threads, and one was allowed");
        assert_eq!(given.line(check), left_out);
    }
    assert!(given.report().contains("\n7 ok, 0 failed, 4 left out\n"));
    assert_eq!(*host.callers.lock().unwrap(), BTreeSet::from([named(thread::current().id())]));
}

#[test]
fn a_second_run_on_the_same_table_passes_too() {
    let host = Sound::default();
    let table = table(&host);
    for _ in 0..2 {
        let given = selftest(&raw const table, MFACORE_SELFTEST_ONE_THREAD);
        assert_eq!(given.result, MFACORE_SELFTEST_PASSED, "{given:?}");
    }
}

/// The longest keys arrive whole, and all but those of one check begin as the header says.
#[test]
fn keys_begin_with_the_prefix_but_for_those_of_one_check() {
    let host = Sound::default();
    let table = table(&host);
    selftest(&raw const table, MFACORE_SELFTEST_MANY_THREADS);
    let keys = host.keys.lock().unwrap();
    let (prefixed, raw): (Vec<_>, Vec<_>) =
        keys.iter().partition(|key| key.starts_with(b"mfacore-selftest/"));
    assert!(prefixed.iter().any(|key| key.starts_with(b"mfacore-selftest/swap_race/")));
    assert!(!prefixed.iter().any(|key| key.starts_with(b"mfacore-selftest/keys_are_bytes/")));
    assert!(raw.iter().any(|key| key.as_slice() == b"key\0"));
    assert_eq!(keys.iter().map(Vec::len).max(), Some(200));
}
