//! Keys, values and versions are bytes, every one of which counts.

use mfacore::limits::{KEY_BYTES_MAX, RECORD_BYTES_MAX};
use mfacore::store::{Loaded, Store, Swapped::*, Version};

use super::Home;
use super::subject::{Stop, Subject, loaded, require_answer, shown, version};

/// Keys that a store with a collation, a text type or a length rule of its own takes for one another.
fn look_alikes() -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = [
        &b"key"[..],
        b"KEY",
        b"Key",
        b"key ",
        b" key",
        b"key\0",
        b"key\0\0",
        b"key\0tail",
        b"key\n",
        b"key%",
        b"key_",
        b"ke*",
        b"key'--",
        b"1",
        b"01",
        b"1.0",
        b"NULL",
        b"\0",
        b"\0\0",
        b"\xff",
        b"\xff\xff",
        b"\xfe",
        b"\x80",
        b"\xc3\x28",
        b"\xef\xbf\xbd",
        b"\xef\xbb\xbfkey",
        "\u{e9}".as_bytes(),
        "e\u{301}".as_bytes(),
        "stra\u{df}e".as_bytes(),
        b"strasse",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    for filler in [0x00, b'a', 0xff] {
        let longest = vec![filler; KEY_BYTES_MAX];
        keys.push(longest[1..].to_vec());
        let mut last_differs = longest.clone();
        last_differs[KEY_BYTES_MAX - 1] = b'b';
        keys.extend([longest, last_differs]);
    }
    keys
}

pub(super) fn keys_are_bytes(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    let keys = look_alikes();
    for (number, key) in (0..).zip(&keys) {
        let create = format!("creating the absent key {}", shown(key));
        require_answer(store.put(key, None, number)?, Committed, &create)?;
    }
    for (number, key) in (0..).zip(&keys) {
        store.require_there(key, Some(&loaded(number)), "after all keys were created")?;
    }
    for (at, (number, key)) in (0..).zip(&keys).enumerate() {
        let delete = format!("deleting the key {}", shown(key));
        require_answer(store.delete(key, Some(version(number)))?, Committed, &delete)?;
        store.require_there(key, None, "after it was deleted")?;
        if let Some(next) = keys.get(at + 1) {
            store.require_there(next, Some(&loaded(number + 1)), "after another key was deleted")?;
        }
    }
    Ok(())
}

fn values() -> Vec<Vec<u8>> {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let mut largest: Vec<u8> = every_byte.iter().rev().copied().cycle().take(RECORD_BYTES_MAX).collect();
    largest[RECORD_BYTES_MAX - 1] = 0;
    vec![
        Vec::new(),
        vec![0],
        vec![0; 300],
        b"tail\0\0".to_vec(),
        b"tail  ".to_vec(),
        b"line\r\nline\n".to_vec(),
        vec![0xff; 1000],
        b"\xc3\x28\xed\xa0\x80".to_vec(),
        every_byte,
        vec![0x80; 8191],
        largest,
        vec![0; RECORD_BYTES_MAX],
    ]
}

/// Each value is created, and replaces and is replaced by a longer and a shorter one.
pub(super) fn values_are_bytes(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    let mut there = None;
    let there_and_back: Vec<Vec<u8>> = values().into_iter().chain(values().into_iter().rev()).collect();
    for (number, bytes) in (0..).zip(there_and_back) {
        let own = [b'v', u8::try_from(number).unwrap_or(u8::MAX)];
        for (key, expected) in [(&own[..], None), (b"shared", there)] {
            let write = format!("writing a value of {} bytes to the key {}", bytes.len(), shown(key));
            require_answer(store.put_as(key, expected, version(number), &bytes)?, Committed, &write)?;
            let found = store.load(key)?.map(|loaded| loaded.bytes);
            if found.as_ref() != Some(&bytes) {
                let found = found.map_or("nothing".to_owned(), |found| {
                    let same =
                        found.iter().zip(&bytes).take_while(|(found, written)| found == written).count();
                    format!("{} bytes, of which the first {same} are right", found.len())
                });
                return Err(Stop::Fail(format!("a value of {} bytes came back as {found}", bytes.len())));
            }
        }
        there = Some(version(number));
    }
    Ok(())
}

pub(super) fn versions_are_bytes(home: &dyn Home<dyn Store>) -> Result<(), Stop> {
    let store = Subject::open(home)?;
    let mut versions = vec![Version([0; 16]), Version([0xff; 16]), Version([b'a'; 16]), Version([b'A'; 16])];
    for at in 0..16 {
        for (filler, other) in [(0x00, 0x01), (0xff, 0x7f), (b'a', b' '), (b'a', 0x00)] {
            let mut version = [filler; 16];
            version[at] = other;
            versions.push(Version(version));
        }
    }
    let mut there = None;
    for (at, &version) in versions.iter().enumerate() {
        let from = there.map_or("nothing".to_owned(), |there: Version| format!("{there:?}"));
        let write = format!("a swap from {from} to {version:?}");
        require_answer(store.put_as(b"key", there, version, b"sealed")?, Committed, &write)?;
        let expected = Loaded { version, bytes: b"sealed".to_vec() };
        store.require_there(b"key", Some(&expected), "after a swap")?;
        // The neighbours in the list differ least.
        let neighbours = versions.iter().enumerate().skip(at.saturating_sub(4)).take(9);
        for (_, &stale) in neighbours.filter(|(other, _)| *other != at) {
            let swap = format!("a swap from {stale:?} where {version:?} is there");
            require_answer(store.put_as(b"key", Some(stale), stale, b"stale")?, Conflict, &swap)?;
        }
        there = Some(version);
    }
    Ok(())
}
