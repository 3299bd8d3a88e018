//! Each broken store fails in the check that is named for what it breaks, in words that say what it is.
#![allow(missing_docs)]

mod support;

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};

use mfacore::store::{Loaded, Memory, New, Store, Version, Write};
use mfacore_c::want::{
    MFACORE_LOADED_ABSENT, MFACORE_LOADED_FAILED, MFACORE_LOADED_FOUND, MFACORE_STORED_COMMITTED,
    MFACORE_STORED_CONFLICT, MFACORE_STORED_FAILED,
};
use mfacore_selftest::selftest::{MFACORE_SELFTEST_FAILED, MFACORE_SELFTEST_MANY_THREADS};
use support::{Answer, Given, Host, selftest, table};

fn run<H: Host>(host: &H) -> Given {
    let table = table(host);
    let given = selftest(&raw const table, MFACORE_SELFTEST_MANY_THREADS);
    assert_eq!(given.result, MFACORE_SELFTEST_FAILED, "{}", given.report());
    given
}

/// The report on a broken store.
struct Caught(Given);

impl Caught {
    fn run<H: Host + Default>() -> Self {
        Self(run(&H::default()))
    }

    /// Failed, in that check, with that text.
    fn by(&self, check: &str, text: &str) -> &Self {
        let line = self.0.line(check);
        assert!(line.starts_with("FAILED") && line.contains(text), "{line}\n\n{}", self.0.report());
        self
    }

    /// These checks passed: what they test is not what is broken.
    fn but_not_by(&self, checks: &[&str]) -> &Self {
        for check in checks {
            assert_eq!(self.0.line(check), format!("ok        {check}"), "{}", self.0.report());
        }
        self
    }

    fn says(&self, text: &str) {
        assert!(self.0.report().contains(text), "{}", self.0.report());
    }
}

/// A store in memory, of which the methods that follow are broken.
macro_rules! host {
    ($name:ident $($method:item)*) => {
        #[derive(Default)]
        struct $name(Memory);

        impl Host for $name {
            fn memory(&self) -> &Memory {
                &self.0
            }
            $($method)*
        }
    };
}

struct Plain<'a>(&'a Memory);

impl Host for Plain<'_> {
    fn memory(&self) -> &Memory {
        self.0
    }
}

fn version_of(memory: &Memory, key: &[u8]) -> Option<Version> {
    Store::load(memory, key).unwrap().map(|found| found.version)
}

/// Writes, whatever is there.
fn force(memory: &Memory, key: &[u8], write: Write<'_>) -> i32 {
    let expected = version_of(memory, key);
    Plain(memory).swap(key, Write { expected, ..write })
}

host! { IgnoresExpected
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        force(&self.0, key, write)
    }
}

#[test]
fn a_swap_that_ignores_expected() {
    let caught = Caught::run::<IgnoresExpected>();
    let text = "creating a key that is there was answered with Committed and not Conflict";
    caught.by("create_finds_nothing_there", text);
    let text = "updating an absent key was answered with Committed and not Conflict";
    caught.by("stale_version_conflicts", text);
    caught.but_not_by(&["keys_are_bytes", "values_are_bytes"]);
}

host! { SaysCommitted
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        match Plain(&self.0).swap(key, write) {
            MFACORE_STORED_CONFLICT => MFACORE_STORED_COMMITTED,
            other => other,
        }
    }
}

#[test]
fn a_conflict_that_is_said_to_be_committed() {
    let caught = Caught::run::<SaysCommitted>();
    let text = "creating a key that is there was answered with Committed and not Conflict";
    caught.by("create_finds_nothing_there", text);
    caught.by("create_race", "8 of 8 threads created one key, instead of one");
    caught.but_not_by(&["keys_are_bytes", "values_are_bytes", "load_sees_every_swap"]);
}

/// Gives what was there before the last swap.
#[derive(Default)]
struct LoadsStale(Memory, Mutex<BTreeMap<Vec<u8>, Option<Loaded>>>);

impl Host for LoadsStale {
    fn memory(&self) -> &Memory {
        &self.0
    }
    fn load(&self, key: &[u8]) -> Answer {
        match self.1.lock().unwrap().get(key).cloned().flatten() {
            Some(found) => (MFACORE_LOADED_FOUND, vec![found]),
            None => (MFACORE_LOADED_ABSENT, Vec::new()),
        }
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        let mut before = self.1.lock().unwrap();
        before.insert(key.to_vec(), Store::load(&self.0, key).unwrap());
        Plain(&self.0).swap(key, write)
    }
}

#[test]
fn a_load_that_gives_what_was_there_before() {
    let caught = Caught::run::<LoadsStale>();
    let text = "after it was created: the key alice of 5 bytes holds nothing and not version \
                3c6ef372fe94f82be73980c0b9db906a with 480 bytes";
    caught.by("create_finds_nothing_there", text);
    caught.by("load_sees_every_swap", "after a swap, on the same thread");
}

host! { DeletesNothing
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        match write.new {
            New::Delete if version_of(&self.0, key) == write.expected => MFACORE_STORED_COMMITTED,
            _ => Plain(&self.0).swap(key, write),
        }
    }
}

#[test]
fn a_delete_that_does_nothing() {
    let caught = Caught::run::<DeletesNothing>();
    let text = "after a delete: the key alice of 5 bytes holds version";
    caught.by("delete_removes", text);
    caught.but_not_by(&["create_finds_nothing_there", "values_are_bytes", "swap_race"]);
    caught.says("keys could not be deleted. Empty the table.\n");
}

fn cut(key: &[u8]) -> &[u8] {
    &key[..key.len().min(191)]
}

host! { CutsKeys
    fn load(&self, key: &[u8]) -> Answer {
        Plain(&self.0).load(cut(key))
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        Plain(&self.0).swap(cut(key), write)
    }
}

#[test]
fn keys_that_are_cut() {
    let caught = Caught::run::<CutsKeys>();
    let text = "of 200 bytes was answered with Conflict and not Committed";
    caught.by("keys_are_bytes", text);
    caught.says("\n10 ok, 1 failed, 0 left out\n");
}

fn until_zero(key: &[u8]) -> &[u8] {
    key.split(|byte| *byte == 0).next().unwrap()
}

host! { KeysEndAtZero
    fn load(&self, key: &[u8]) -> Answer {
        Plain(&self.0).load(until_zero(key))
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        Plain(&self.0).swap(until_zero(key), write)
    }
}

#[test]
fn keys_that_end_at_a_zero() {
    let caught = Caught::run::<KeysEndAtZero>();
    let text = r"creating the absent key key\x00 of 4 bytes was answered with Conflict and not Committed";
    caught.by("keys_are_bytes", text);
}

/// Keeps of the bytes what `kept` gives.
fn swap_keeping(memory: &Memory, key: &[u8], write: Write<'_>, kept: fn(&[u8]) -> &[u8]) -> i32 {
    let new = match write.new {
        New::Record { version, bytes } => New::Record { version, bytes: kept(bytes) },
        New::Delete => New::Delete,
    };
    Plain(memory).swap(key, Write { new, ..write })
}

host! { BytesEndAtZero
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        swap_keeping(&self.0, key, write, until_zero)
    }
}

#[test]
fn bytes_that_end_at_a_zero() {
    let caught = Caught::run::<BytesEndAtZero>();
    let text = "a value of 1 bytes came back as 0 bytes, of which the first 0 are right";
    caught.by("values_are_bytes", text);
}

host! { CutsLongBytes
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        swap_keeping(&self.0, key, write, |bytes| &bytes[..bytes.len().min(8191)])
    }
}

#[test]
fn bytes_over_some_size_that_are_cut() {
    let caught = Caught::run::<CutsLongBytes>();
    let text = "a value of 32768 bytes came back as 8191 bytes, of which the first 8191 are right";
    caught.by("values_are_bytes", text);
    caught.says("\n10 ok, 1 failed, 0 left out\n");
}

host! { RefusesLongBytes
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        match write.new {
            New::Record { bytes, .. } if bytes.len() > 8191 => MFACORE_STORED_FAILED,
            _ => Plain(&self.0).swap(key, write),
        }
    }
}

#[test]
fn bytes_over_some_size_that_are_refused() {
    let caught = Caught::run::<RefusesLongBytes>();
    let text = "a value of 32768 bytes: the store gave an error: the host's swap said MFACORE_STORED_FAILED";
    caught.by("values_are_bytes", text);
}

/// Compares, lets others in, and writes.
#[derive(Default)]
struct NotAtomic(Memory);

impl Host for NotAtomic {
    fn memory(&self) -> &Memory {
        &self.0
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        if version_of(&self.0, key) != write.expected {
            return MFACORE_STORED_CONFLICT;
        }
        (0..50).for_each(|_| std::thread::yield_now());
        while force(&self.0, key, write) != MFACORE_STORED_COMMITTED {}
        MFACORE_STORED_COMMITTED
    }
}

#[test]
fn a_swap_that_is_not_atomic() {
    let caught = Caught::run::<NotAtomic>();
    caught.by("create_race", "of 8 threads created one key, instead of one");
    caught.by("swap_race", "replaced a version that another swap had replaced");
    caught.but_not_by(&["create_finds_nothing_there", "stale_version_conflicts"]);
}

/// The same, sure to meet: all threads of a race have compared before one writes. Eight threads race.
struct MeetsOthers(Memory, Barrier);

impl Host for MeetsOthers {
    fn memory(&self) -> &Memory {
        &self.0
    }
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        let is_race = key.starts_with(b"mfacore-selftest/create_race/") && !matches!(write.new, New::Delete);
        let there = version_of(&self.0, key);
        if is_race {
            self.1.wait();
        }
        match there == write.expected {
            true => {
                while force(&self.0, key, write) != MFACORE_STORED_COMMITTED {}
                MFACORE_STORED_COMMITTED
            }
            false => MFACORE_STORED_CONFLICT,
        }
    }
}

#[test]
fn eight_threads_are_in_the_host_at_once() {
    let given = run(&MeetsOthers(Memory::new(), Barrier::new(8)));
    let expected = "FAILED    create_race: 8 of 8 threads created one key, instead of one";
    assert_eq!(given.line("create_race"), expected);
}

host! { AbsentAsEmptyRecord
    fn load(&self, key: &[u8]) -> Answer {
        match Plain(&self.0).load(key) {
            (MFACORE_LOADED_ABSENT, _) => {
                (MFACORE_LOADED_FOUND, vec![Loaded { version: Version([0; 16]), bytes: Vec::new() }])
            }
            found => found,
        }
    }
}

#[test]
fn absence_as_an_empty_record() {
    let caught = Caught::run::<AbsentAsEmptyRecord>();
    let text = "in a new store: the key alice of 5 bytes holds version 00000000000000000000000000000000 with 0 \
                bytes and not nothing";
    caught.by("create_finds_nothing_there", text);
}

/// Answers that are none, each from a `load` that the first check makes.
macro_rules! nonsense {
    ($($test:ident: $name:ident says $answer:expr, told as $text:literal;)*) => {$(
        host! { $name
            fn load(&self, key: &[u8]) -> Answer {
                let answer: fn(Answer) -> Answer = $answer;
                answer(Plain(&self.0).load(key))
            }
        }

        #[test]
        fn $test() {
            Caught::run::<$name>().by("create_finds_nothing_there", $text);
        }
    )*};
}

fn record() -> Loaded {
    Loaded { version: Version([1; 16]), bytes: b"record".to_vec() }
}

nonsense! {
    a_status_that_is_none: NoStatus says |(_, puts)| (77, puts), told as
        "load with a key of 5 bytes: the store gave an error: the host's load returned 77, no MFACORE_LOADED_..";
    a_load_that_fails: Fails says |_| (MFACORE_LOADED_FAILED, Vec::new()), told as
        "the host's load said MFACORE_LOADED_FAILED";
    found_without_a_record: FoundNothing says |_| (MFACORE_LOADED_FOUND, Vec::new()), told as
        "the host's load said MFACORE_LOADED_FOUND, and put nothing";
    absent_with_a_record: AbsentWithRecord says |_| (MFACORE_LOADED_ABSENT, vec![record()]), told as
        "the host's load said MFACORE_LOADED_ABSENT of what it had put";
    two_records: TwoRecords says |_| (MFACORE_LOADED_FOUND, vec![record(), record()]), told as
        "the host's load put a second record, or one that mfacore_found_put refused";
}

host! { SwapOfNoStatus
    fn swap(&self, key: &[u8], write: Write<'_>) -> i32 {
        let _ = Plain(&self.0).swap(key, write);
        0
    }
}

#[test]
fn a_swap_of_no_status() {
    let caught = Caught::run::<SwapOfNoStatus>();
    let text = "swap with a key of 5 bytes and a value of 480 bytes: the store gave an error: the host's swap \
                returned 0, no MFACORE_STORED_..";
    caught.by("create_finds_nothing_there", text);
}

/// What was found, and what to do.
#[test]
fn a_failure_is_told_with_what_to_do() {
    let given = run(&DeletesNothing::default());
    let found = given.report().lines().skip(4).take(2).collect::<Vec<_>>().join("\n");
    let expected = "\
FAILED    delete_removes: after a delete: the key alice of 5 bytes holds version \
3c6ef372fe94f82be73980c0b9db906a with 480 bytes and not nothing
          to do: swap with version NULL deletes the record, under the same condition as a write.";
    assert_eq!(found, expected);
}
