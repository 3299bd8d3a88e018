//! Each broken store is caught by the case that is named for what it breaks.

mod twisted;

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use mfacore::limits::KEY_BYTES_MAX;
use mfacore::store::{Loaded, Memory, New, Scan, Store, Swapped, Version, Write};
use mfacore_conformance::store_suite::{Outcome, Report, check_store};
use twisted::{Load, Make, Page, Swap, Twist, Twisted};

fn report<T: Twist>() -> Report {
    check_store(&Make(Twisted::<T>::default))
}

fn assert_caught<T: Twist>(case: &str) {
    let report = report::<T>();
    assert!(matches!(report.outcome(case), Some(Outcome::Failed(_))), "{case} did not catch it:\n{report}");
}

fn version_of(memory: &Memory, key: &[u8]) -> Option<Version> {
    Store::load(memory, key).ok().flatten().map(|loaded| loaded.version)
}

macro_rules! broken {
    ($($test:ident: $twist:ident is caught by $($case:literal),+;)*) => {$(
        #[test]
        fn $test() {
            $(assert_caught::<$twist>($case);)+
        }
    )*};
}

broken! {
    expected_version_ignored: IgnoresExpected is caught by "stale_version_conflicts";
    create_overwrites: CreateOverwrites is caught by "create_finds_nothing_there";
    delete_ignored: DeleteIgnored is caught by "delete_removes";
    deleted_version_matches: DeletedVersionMatches is caught by "recreated_key_is_new";
    keys_without_case: KeysWithoutCase is caught by "keys_are_bytes";
    keys_trimmed: KeysTrimmed is caught by "keys_are_bytes";
    keys_as_text: KeysAsText is caught by "keys_are_bytes";
    keys_cut: KeysCut is caught by "keys_are_bytes";
    values_truncated: ValuesTruncated is caught by "values_are_bytes";
    values_end_at_zero: ValuesEndAtZero is caught by "values_are_bytes";
    values_never_shrink: ValuesNeverShrink is caught by "values_are_bytes";
    versions_halved: VersionsHalved is caught by "versions_are_bytes";
    swap_in_two_steps: SwapInTwoSteps is caught by "create_race", "swap_race", "delete_race";
    other_threads_lag: OtherThreadsLag is caught by "load_sees_every_swap";
    scan_skips_after_a_page: ScanSkips is caught by "scan_is_in_order", "scan_resumes";
    scan_repeats_the_last_key: ScanRepeats is caught by "scan_is_in_order", "scan_resumes";
    scan_ignores_limit: ScanIgnoresLimit is caught by "scan_is_in_order";
    scan_by_position: ScanByPosition is caught by "scan_while_written";
}

#[derive(Default)]
struct IgnoresExpected;

impl Twist for IgnoresExpected {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        let expected = write.expected.and(version_of(memory, key));
        Store::swap(memory, key, Write { expected, ..write })
    }
}

#[derive(Default)]
struct CreateOverwrites;

impl Twist for CreateOverwrites {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        let expected = write.expected.or_else(|| version_of(memory, key));
        Store::swap(memory, key, Write { expected, ..write })
    }
}

#[derive(Default)]
struct DeleteIgnored;

impl Twist for DeleteIgnored {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        match write.new {
            New::Delete if version_of(memory, key) == write.expected => Ok(Swapped::Committed),
            _ => Store::swap(memory, key, write),
        }
    }
}

/// Keeps the version of what was deleted and takes it for one that is there.
#[derive(Default)]
struct DeletedVersionMatches(Mutex<HashMap<Vec<u8>, Version>>);

impl Twist for DeletedVersionMatches {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        let mut deleted = self.0.lock().expect("a lock");
        let there = version_of(memory, key);
        let matches_deleted = write.expected.is_some() && deleted.get(key).copied() == write.expected;
        if let New::Delete = write.new {
            deleted.extend(write.expected.map(|version| (key.to_vec(), version)));
        }
        let expected = if matches_deleted { there } else { write.expected };
        Store::swap(memory, key, Write { expected, ..write })
    }
}

/// Keys that pass through something on their way.
macro_rules! keys_through {
    ($($twist:ident $map:expr;)*) => {$(
        #[derive(Default)]
        struct $twist;

        impl Twist for $twist {
            fn load(&self, memory: &Memory, key: &[u8]) -> Load {
                let map: fn(&[u8]) -> Vec<u8> = $map;
                Store::load(memory, &map(key))
            }
            fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
                let map: fn(&[u8]) -> Vec<u8> = $map;
                Store::swap(memory, &map(key), write)
            }
        }
    )*};
}

keys_through! {
    KeysWithoutCase |key| key.to_ascii_lowercase();
    KeysTrimmed |key| key.trim_ascii_end().to_vec();
    KeysAsText |key| String::from_utf8_lossy(key).into_owned().into_bytes();
    KeysCut |key| key[..key.len().min(191)].to_vec();
}

/// Values that pass through something on their way, given what was there.
macro_rules! values_through {
    ($($twist:ident $map:expr;)*) => {$(
        #[derive(Default)]
        struct $twist;

        impl Twist for $twist {
            fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
                let New::Record { version, bytes } = write.new else {
                    return Store::swap(memory, key, write);
                };
                let map: fn(&[u8], &[u8]) -> Vec<u8> = $map;
                let there = Store::load(memory, key)?.map_or(Vec::new(), |loaded| loaded.bytes);
                let bytes = &map(bytes, &there);
                Store::swap(memory, key, Write { new: New::Record { version, bytes }, ..write })
            }
        }
    )*};
}

values_through! {
    ValuesTruncated |bytes, _| bytes[..bytes.len().min(32 * 1024 - 1)].to_vec();
    ValuesEndAtZero |bytes, _| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    ValuesNeverShrink |bytes, there| [bytes, there.get(bytes.len()..).unwrap_or_default()].concat();
}

#[derive(Default)]
struct VersionsHalved;

impl Twist for VersionsHalved {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        let there = version_of(memory, key);
        let same = |one: Version, other: Version| one.0[..8] == other.0[..8];
        let matches = write.expected.zip(there).is_some_and(|(expected, there)| same(expected, there));
        let expected = if matches { there } else { write.expected };
        Store::swap(memory, key, Write { expected, ..write })
    }
}

/// Compares first and writes later, whatever came in between.
#[derive(Default)]
struct SwapInTwoSteps;

impl Twist for SwapInTwoSteps {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        if version_of(memory, key) != write.expected {
            return Ok(Swapped::Conflict);
        }
        (0..50).for_each(|_| thread::yield_now());
        loop {
            let expected = version_of(memory, key);
            if Store::swap(memory, key, Write { expected, ..write })? == Swapped::Committed {
                return Ok(Swapped::Committed);
            }
        }
    }
}

/// The first load on another thread than the writer's still gives what was there before.
#[derive(Default)]
struct OtherThreadsLag(Mutex<HashMap<Vec<u8>, Replaced>>);

type Replaced = (ThreadId, Option<Loaded>);

impl Twist for OtherThreadsLag {
    fn load(&self, memory: &Memory, key: &[u8]) -> Load {
        let mut replaced = self.0.lock().expect("a lock");
        match replaced.get(key) {
            Some((writer, _)) if *writer != thread::current().id() => {
                Ok(replaced.remove(key).and_then(|(_, before)| before))
            }
            _ => Store::load(memory, key),
        }
    }
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        let mut replaced = self.0.lock().expect("a lock");
        let before = Store::load(memory, key)?;
        let swapped = Store::swap(memory, key, write)?;
        if swapped == Swapped::Committed {
            replaced.insert(key.to_vec(), (thread::current().id(), before));
        }
        Ok(swapped)
    }
}

#[derive(Default)]
struct ScanSkips;

impl Twist for ScanSkips {
    fn scan(&self, memory: &Memory, after: Option<&[u8]>, limit: usize) -> Page {
        let skipped = usize::from(after.is_some());
        Ok(memory.scan(after, limit + skipped)?.into_iter().skip(skipped).collect())
    }
}

#[derive(Default)]
struct ScanRepeats;

impl Twist for ScanRepeats {
    fn scan(&self, memory: &Memory, after: Option<&[u8]>, limit: usize) -> Page {
        let keys = memory.scan(None, usize::MAX)?;
        Ok(keys
            .into_iter()
            .filter(|key| after.is_none_or(|after| key.as_slice() >= after))
            .take(limit)
            .collect())
    }
}

#[derive(Default)]
struct ScanIgnoresLimit;

impl Twist for ScanIgnoresLimit {
    fn scan(&self, memory: &Memory, after: Option<&[u8]>, _limit: usize) -> Page {
        memory.scan(after, usize::MAX)
    }
}

/// Goes on at a position that other writes have moved, as `OFFSET` in SQL does.
#[derive(Default)]
struct ScanByPosition {
    writes: AtomicU64,
    positions: Mutex<HashMap<Vec<u8>, usize>>,
}

impl Twist for ScanByPosition {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        self.writes.fetch_add(1, Ordering::SeqCst);
        Store::swap(memory, key, write)
    }
    fn scan(&self, memory: &Memory, after: Option<&[u8]>, limit: usize) -> Page {
        // Gives writers, where there are any, the time for some writes.
        let writes = self.writes.load(Ordering::SeqCst);
        (0..1000)
            .take_while(|_| self.writes.load(Ordering::SeqCst) < writes + 20)
            .for_each(|_| thread::yield_now());
        let mut positions = self.positions.lock().expect("a lock");
        let start = after.map_or(0, |after| positions.get(after).copied().unwrap_or_default());
        let page: Vec<Vec<u8>> = memory.scan(None, usize::MAX)?.into_iter().skip(start).take(limit).collect();
        positions.extend(page.last().map(|last| (last.clone(), start + page.len())));
        Ok(page)
    }
}

#[derive(Default)]
struct Panics;

impl Twist for Panics {
    fn load(&self, _: &Memory, _: &[u8]) -> Load {
        panic!("out of luck")
    }
}

#[derive(Default)]
struct Fails;

impl Twist for Fails {
    fn swap(&self, _: &Memory, _: &[u8], _: Write<'_>) -> Swap {
        Err(std::io::Error::other("out of reach").into())
    }
}

/// Neither ends the run, and each says what happened.
#[test]
fn panics_and_errors_are_failures() {
    for (report, text) in
        [(report::<Panics>(), "panicked: out of luck"), (report::<Fails>(), "an error: out of reach")]
    {
        assert!(!report.is_ok());
        for case in ["create_finds_nothing_there", "create_race", "swap_race", "load_sees_every_swap"] {
            let Some(Outcome::Failed(reason)) = report.outcome(case) else {
                panic!("{case} passed\n{report}")
            };
            assert!(reason.contains(text), "{case}: {reason}");
        }
    }
}

/// As files named by their keys do.
#[derive(Default)]
struct RefusesLongKeys;

impl Twist for RefusesLongKeys {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        if key.len() > 100 {
            return Err(std::io::Error::other("File name too long").into());
        }
        Store::swap(memory, key, write)
    }
}

#[derive(Default)]
struct PanicsOnLongValues;

impl Twist for PanicsOnLongValues {
    fn swap(&self, memory: &Memory, key: &[u8], write: Write<'_>) -> Swap {
        assert!(!matches!(write.new, New::Record { bytes, .. } if bytes.len() > 8000), "no room");
        Store::swap(memory, key, write)
    }
}

#[test]
fn a_failure_says_what_was_done_and_how_long_it_was() {
    let keys = format!("swap with a key of {} bytes", KEY_BYTES_MAX - 1);
    for (report, case, words) in [
        (report::<RefusesLongKeys>(), "keys_are_bytes", [&keys, "File name too long"]),
        (report::<PanicsOnLongValues>(), "values_are_bytes", ["a value of 8191 bytes", "panicked: no room"]),
        (
            report::<KeysCut>(),
            "keys_are_bytes",
            ["creating the absent key", &format!("{KEY_BYTES_MAX} bytes")],
        ),
    ] {
        let Some(Outcome::Failed(reason)) = report.outcome(case) else { panic!("{case} passed\n{report}") };
        assert!(words.iter().all(|words| reason.contains(words)), "{case}: {reason}");
    }
}
