//! Several processes on one file, and one that is killed.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use mfacore::store::{New, Store, Swapped, Version, Write};
use mfacore_sqlite::Sqlite;

type Outcome = Result<(), Box<dyn Error>>;

const PATH: &str = "MFACORE_SQLITE_TEST_PATH";
const LANES: u32 = 8;

fn child(name: &str, path: &Path) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(PATH, path)
        .stdout(Stdio::piped())
        .spawn()
}

fn path_from_parent() -> Option<PathBuf> {
    std::env::var_os(PATH).map(PathBuf::from)
}

fn version(lane: u32, count: u64) -> Version {
    let mut version = [0; 16];
    version[..4].copy_from_slice(&lane.to_be_bytes());
    version[8..].copy_from_slice(&count.to_be_bytes());
    Version(version)
}

fn count(version: Version) -> u64 {
    version.0[8..].iter().fold(0, |count, byte| count << 8 | u64::from(*byte))
}

/// Each lane prints a count after the store has acknowledged it.
#[test]
fn a_killed_process_keeps_every_acknowledged_swap() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    let mut seen = [0_u64; LANES as usize];
    for wanted in [1, 40, 200] {
        let mut writer = child("child_that_is_killed", &path)?;
        let mut lines = BufReader::new(writer.stdout.take().ok_or("no output")?).lines();
        let mut acknowledged = |line: String| {
            let words: Vec<&str> = line.split(' ').skip_while(|word| *word != "ack").collect();
            let ["ack", lane, count] = words.as_slice() else { return 0 };
            let (Ok(lane), Ok(count)) = (lane.parse::<usize>(), count.parse()) else { return 0 };
            seen[lane] = count;
            1
        };
        let mut counted = 0;
        while counted < wanted {
            counted += acknowledged(lines.next().ok_or("the child ended by itself")??);
        }
        writer.kill()?;
        for line in lines {
            acknowledged(line?);
        }
        assert!(!writer.wait()?.success(), "the child was not killed");

        let store = Sqlite::open_path(&path)?;
        for (lane, seen) in (0..LANES).zip(seen) {
            let kept = Store::load(&store, &lane.to_be_bytes()).map_err(|error| error.to_string())?;
            let kept = kept.map_or(0, |loaded| count(loaded.version));
            assert!(kept == seen || kept == seen + 1, "lane {lane}: {seen} acknowledged, {kept} kept");
        }
    }
    Ok(())
}

/// Does nothing unless [`a_killed_process_keeps_every_acknowledged_swap`] started it.
#[test]
fn child_that_is_killed() {
    let Some(path) = path_from_parent() else { return };
    let store = Sqlite::open_path(&path).expect("a store");
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let store = &store;
            scope.spawn(move || {
                let key = lane.to_be_bytes();
                let mut there = Store::load(store, &key).expect("a load").map(|loaded| loaded.version);
                loop {
                    let next = there.map_or(0, count) + 1;
                    let bytes = next.to_be_bytes().repeat(60);
                    let new = New::Record { version: version(lane, next), bytes: &bytes };
                    let swapped = Store::swap(store, &key, Write { expected: there, new });
                    assert_eq!(swapped.expect("a swap"), Swapped::Committed);
                    there = Some(version(lane, next));
                    println!("ack {lane} {next}");
                }
            });
        }
    });
}

#[test]
fn processes_that_open_a_new_file_at_once_all_succeed() -> Outcome {
    for _ in 0..3 {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store.db");
        let children = (0..6).map(|_| child("child_that_counts", &path)).collect::<Result<Vec<_>, _>>()?;
        for child in children {
            let output = child.wait_with_output()?;
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        }
        let store = Sqlite::open_path(&path)?;
        let total = Store::load(&store, b"count").map_err(|error| error.to_string())?;
        assert_eq!(total.map(|loaded| loaded.bytes), Some(60_u64.to_be_bytes().to_vec()));
    }
    Ok(())
}

/// Counts to ten on a shared key. Does nothing unless another test started it.
#[test]
fn child_that_counts() {
    let Some(path) = path_from_parent() else { return };
    let store = Sqlite::open_path(&path).expect("a store");
    let mut counted = 0;
    while counted < 10 {
        let there = Store::load(&store, b"count").expect("a load");
        let next = there.as_ref().map_or(0, |loaded| count(loaded.version)) + 1;
        let bytes = next.to_be_bytes();
        let mut version = version(std::process::id(), next);
        version.0[4] = counted;
        let expected = there.map(|loaded| loaded.version);
        let write = Write { expected, new: New::Record { version, bytes: &bytes } };
        if Store::swap(&store, b"count", write).expect("a swap") == Swapped::Committed {
            counted += 1;
        }
    }
}

/// Threads of one process share its file locks, which makes this race another one.
#[test]
fn threads_that_open_a_new_file_at_once_all_succeed() -> Outcome {
    for _ in 0..10 {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store.db");
        std::thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| Sqlite::open_path(&path).map(drop))).collect();
            opened.into_iter().for_each(|thread| thread.join().expect("a thread").expect("a store"));
        });
    }
    Ok(())
}
